package main

import (
	"os"

	"catchment/internal/password"
)

// hashCmd is a process that hashes passwords for a server; see password.New.
type hashCmd struct{}

// Run serves until its input ends.
func (hashCmd) Run(*world) error { return password.Serve(os.Stdin, os.Stdout) }

// hashCommand is how this program starts itself as such a process; none where
// it cannot find itself.
func hashCommand() []string {
	own, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{own, "hash-passwords"}
}
