package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"aead.dev/minisign"
)

// releaseKey is the public key (minisign's text) of who signs releases, set by
// make release; "" in a program that was built otherwise.
var releaseKey = ""

// build says which program this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`   // Git's, where it was built from a clone
	Modified bool   `json:"modified,omitempty"` // from files that were not committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
	SHA256   string `json:"sha256"` // of the program's file, in hex
}

// thisBuild is this process's program.
var thisBuild = sync.OnceValues(func() (build, error) {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	path, err := os.Executable()
	if err != nil {
		return b, err
	}
	f, err := os.Open(path)
	if err != nil {
		return b, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return b, err
	}
	b.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return b, nil
})

type versionCmd struct {
	Verify string `help:"Check that this program is one of a release: FILE is its SHA256SUMS, with SHA256SUMS.minisig beside it." placeholder:"FILE" type:"path"`
	Key    string `help:"With --verify: the file with the public key of who signs releases, in minisign's format (default: the one that was built in)." placeholder:"FILE" type:"path"`
}

// Run prints the version, or checks this program against a signed release.
func (c versionCmd) Run(w *world) error {
	if c.Verify == "" {
		if c.Key != "" {
			return usage("--key is of --verify: give it the release's SHA256SUMS")
		}
		_, err := fmt.Fprintln(w.out, "catchment", version)
		return err
	}
	b, err := thisBuild()
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	name, by, err := c.verify(b)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "catchment %s, %s, %s\nsha256   %s\nrelease  %s, as the signed list says\nkey      %X%s\n", b.Version, b.Platform, b.Go, b.SHA256, name, by.ID(), c.whose())
	return nil
}

// whose says how far the key can be relied on.
func (c versionCmd) whose() string {
	if c.Key == "" {
		return " (built into this program: compare it with the published one, or give that by --key)"
	}
	return ""
}

// verify gives the name that the signed list has for this program, and the key.
func (c versionCmd) verify(b build) (name string, by minisign.PublicKey, err error) {
	if c.Key != "" {
		by, err = minisign.PublicKeyFromFile(c.Key)
	} else if releaseKey == "" {
		return "", by, usage("this program was not built by make release and has no key: give the public one by --key")
	} else {
		err = by.UnmarshalText([]byte(releaseKey))
	}
	if err != nil {
		return "", by, fmt.Errorf("the public key: %w", err)
	}
	sums, err := os.ReadFile(c.Verify)
	if err != nil {
		return "", by, err
	}
	signature, err := os.ReadFile(c.Verify + ".minisig")
	if err != nil {
		return "", by, err
	}
	if !minisign.Verify(by, sums, signature) {
		return "", by, fmt.Errorf("%s is not signed by the key %X: do not run what came with it", filepath.Base(c.Verify), by.ID())
	}
	for line := range strings.Lines(string(sums)) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && sum == b.SHA256 {
			return name, by, nil
		}
	}
	return "", by, errors.New("this program is none of those that the signed list names (sha256 " + b.SHA256 + ")")
}
