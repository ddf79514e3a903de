package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"catchment/internal/store/storetest"

	"github.com/rogpeppe/go-internal/testscript"
)

// tests runs the package's tests and then stops their PostgreSQL.
type tests struct{ *testing.M }

func (t tests) Run() int {
	defer storetest.Stop()
	return t.M.Run()
}

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "hash-passwords" { // a server under test started its own program
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	testscript.Main(tests{m}, map[string]func(){
		"catchment": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               writeReceipts,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status},
	})
}

// status runs catchment and wants an exit status: status 2 serve --role x.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: status N ARGUMENT…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("catchment", args[1:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
