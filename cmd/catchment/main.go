// Command catchment takes a stranger from a page to a signed deal: it captures
// leads, offers them to salespeople and follows them to the booking.
//
// One file a verb; config.go holds what can be set; house.go builds the parts
// in the order of a lead's course.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // shifts need time zones, on a machine without them too

	"github.com/alecthomas/kong"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = "dev"

// verbs is the command line. Each verb has a Run method in its own file.
type verbs struct {
	Config string `help:"YAML file with the same keys as the flags." placeholder:"FILE" env:"CATCHMENT_CONFIG" type:"path"`

	Serve      serveCmd      `cmd:"" help:"Run Catchment."`
	Demo       demoCmd       `cmd:"" help:"Run the whole system with two example companies, simulated visitors and salespeople."`
	Account    accountCmd    `cmd:"" help:"Create accounts."`
	Operator   operatorCmd   `cmd:"" help:"Make operators of the platform."`
	Keys       keysCmd       `cmd:"" help:"Status, rotation and recovery of keys; the passphrase; the keys of a door that runs apart; revoke a key."`
	Receipt    receiptCmd    `cmd:"" help:"Check a receipt, offline."`
	Audit      auditCmd      `cmd:"" help:"Check an account's record, offline; export it."`
	Deadletter deadletterCmd `cmd:"" help:"List and replay dead letters: accepted leads that could not be processed."`
	Doctor     doctorCmd     `cmd:"" help:"Check an installation and say what to do."`
	Migrate    migrateCmd    `cmd:"" help:"Bring the database's schema to this version."`
	Backup     backupCmd     `cmd:"" help:"Make a sealed backup of the database now, beside the working server."`
	Restore    restoreCmd    `cmd:"" help:"Fill an empty database from a backup, without what was deleted since."`
	Drill      drillCmd      `cmd:"" help:"Restore a backup into a scratch database and compare."`
	Move       moveCmd       `cmd:"" help:"Carry a grown SQLite over to PostgreSQL, beside the working server."`
	Prove      proveCmd      `cmd:"" help:"Prove a promise against a fresh instance: load, faults, and a count of every receipt."`
	Hash       hashCmd       `cmd:"" name:"hash-passwords" hidden:"" help:"Hash passwords for a server that started this."`
	Version    versionCmd    `cmd:"" help:"Print the version; check this program against a signed release."`
}

// errFailed is a verb's way to end with status 1 after it has said why.
var errFailed = errors.New("failed")

// world is what a verb may touch besides its flags.
type world struct {
	ctx      context.Context // ends at SIGINT and SIGTERM
	out, err io.Writer
	in       io.Reader     // for passphrases
	lines    *bufio.Reader // over in, when it is no terminal
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status: 0 good, 1 failed, 2 wrong usage.
func run(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var v verbs
	status, exited := 0, false
	p, err := kong.New(&v,
		kong.Name("catchment"),
		kong.Description("Catchment takes a stranger from your page to a signed deal."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { status, exited = code, true; panic(exit{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Resolvers(&yamlFile{args: args}),
		kong.Vars{"version": version},
	)
	if err != nil {
		panic(err) // a fault in the verbs' declaration
	}
	k, err := parse(p, args)
	if exited {
		return status
	}
	if err != nil {
		fmt.Fprintf(errOut, "catchment: %v%s\nRun catchment -h, or catchment VERB -h.\n", err, hint(err))
		return 2
	}
	err = k.Run(&world{ctx: ctx, out: out, err: errOut, in: os.Stdin})
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "catchment: %v\n", err)
		return 2
	case errors.Is(err, errFailed):
		return 1
	}
	fmt.Fprintf(errOut, "catchment: %v\n", err)
	return 1
}

// usageError is a wrong value that the flag parser cannot know.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

type exit struct{}

// parse lets kong's help end the command without ending the process, so that
// tests can run it.
func parse(p *kong.Kong, args []string) (k *kong.Context, err error) {
	defer func() {
		if x := recover(); x != nil {
			if _, ok := x.(exit); !ok {
				panic(x)
			}
		}
	}()
	return p.Parse(args)
}

// hint names the nearest known flag or verb where the parser found none near
// enough to name.
func hint(err error) string {
	var at *kong.ParseError
	if !errors.As(err, &at) || strings.Contains(err.Error(), "did you mean") {
		return ""
	}
	known := map[string]bool{}
	flag, isFlag := strings.CutPrefix(err.Error(), "unknown flag ")
	verb, isVerb := strings.CutPrefix(err.Error(), "unexpected argument ")
	if isFlag {
		for _, f := range at.Context.Flags() {
			known["--"+f.Name] = true
		}
	} else if isVerb {
		node := at.Context.Selected()
		if node == nil {
			node = at.Context.Model.Node
		}
		for _, n := range node.Children {
			known[n.Name] = true
		}
	}
	if len(known) == 0 {
		return ""
	}
	word := verb
	if isFlag {
		word = flag
	}
	return fmt.Sprintf(", did you mean %q?", nearest(word, known))
}
