// Command security looks at Catchment with the tools of others and with its own
// proofs, and writes one page of results. It ends with status 1 when a step
// found something that known.json does not explain.
//
//	go run ./security [-fast] [-fuzz 20s] [-note]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// The versions of what is run; each is fetched by its checksum.
const (
	staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"
	gosec       = "github.com/securego/gosec/v2/cmd/gosec@v2.24.7"
	govulncheck = "golang.org/x/vuln/cmd/govulncheck@v1.8.0"
)

// outcome is what a step says: what it saw in a line, and what is wrong.
type outcome struct {
	saw     string
	skipped bool
	wrong   []string
}

type step struct {
	name, what string
	slow       bool
	run        func(*bench) (outcome, error)
}

var steps = []step{
	{"staticcheck", "faults that reading finds", false, (*bench).staticcheck},
	{"gosec", "patterns that are often holes", false, (*bench).gosec},
	{"govulncheck", "known holes of modules, as far as they are reached", false, (*bench).govulncheck},
	{"npm audit", "known holes of what the web app is made of", false, (*bench).npmAudit},
	{"licences", "only permissive ones, of every module and package", false, (*bench).licences},
	{"value gate", "a minute of drawn texts: of none that it lets by do the firewall's rules speak", false, (*bench).gate},
	{"firewall", "the Core Rule Set's own regression tests, and leads that must pass", true, (*bench).firewall},
	{"prove tenants", "each account sees only its own", true, prove("tenants")},
	{"prove rights", "each role may what the table says, at every route", true, prove("rights")},
	{"prove attack", "guessing, spraying, fixation, foreign pages", true, prove("attack")},
	{"prove edge", "testssl.sh and slowhttptest", true, prove("edge")},
	{"prove scanners", "sqlmap and wapiti, on every route", true, prove("scanners")},
	{"prove webhooks", "what goes out reaches no private place, and is not lost", true, prove("webhooks")},
	{"prove uploads", "files that are made to do harm", true, prove("uploads")},
	{"prove sealed", "copies of all files open nothing", true, prove("sealed")},
	{"fuzz", "every parser, for a set time each", true, (*bench).fuzz},
}

// bench is where the steps work: root is the repository.
type bench struct {
	ctx     context.Context
	root    string
	fuzzFor time.Duration
	known   *known
}

func main() {
	fast := flag.Bool("fast", false, "only what takes moments")
	fuzzFor := flag.Duration("fuzz", 20*time.Second, "how long each parser is fuzzed")
	note := flag.Bool("note", false, "write what was found into known.json, to be explained there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := look(ctx, *fast, *fuzzFor, *note)
	if err != nil {
		fmt.Fprintln(os.Stderr, "security:", err)
		os.Exit(2)
	}
	if !good {
		os.Exit(1)
	}
}

func look(ctx context.Context, fast bool, fuzzFor time.Duration, note bool) (good bool, err error) {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return false, fmt.Errorf("find the repository: %w", err)
	}
	b := &bench{ctx: ctx, root: strings.TrimSpace(string(out)), fuzzFor: fuzzFor}
	if b.known, err = readKnown(filepath.Join(b.root, "tools/security/known.json")); err != nil {
		return false, err
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, "# Security, as seen %s\n\n| step | what for | result | saw | took |\n|---|---|---|---|---|\n", time.Now().UTC().Format("2006-01-02 15:04 MST"))
	var details []string
	good = true
	for _, s := range steps {
		if s.slow && fast {
			continue
		}
		fmt.Printf("%-14s %s … ", s.name, s.what)
		began := time.Now()
		o, err := s.run(b)
		if err != nil {
			o.wrong = append(o.wrong, "it did not run: "+err.Error())
		}
		result := "good"
		switch {
		case len(o.wrong) > 0:
			result, good = "**BAD**", false
			details = append(details, fmt.Sprintf("## %s\n\n- %s\n", s.name, strings.Join(o.wrong, "\n- ")))
		case o.skipped:
			result = "skipped"
		}
		took := time.Since(began).Round(time.Second)
		fmt.Printf("%s: %s (%s)\n", strings.Trim(result, "*"), o.saw, took)
		for _, w := range o.wrong {
			fmt.Println("   " + w)
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", s.name, s.what, result, strings.ReplaceAll(o.saw, "|", "\\|"), took)
	}
	if note {
		if err := b.known.write(); err != nil {
			return false, err
		}
	}
	for _, d := range details {
		page.WriteString("\n" + d)
	}
	to := filepath.Join(b.root, "bin/security.md")
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return false, err
	}
	fmt.Println("the page of it: bin/security.md")
	return good, os.WriteFile(to, page.Bytes(), 0o644)
}

// run runs a command in dir below the repository and gives its output; a status
// that is not zero is no error, what could not be started is.
func (b *bench) run(dir, name string, args ...string) (out, errOut []byte, status int, err error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir = filepath.Join(b.root, dir)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && b.ctx.Err() == nil {
		return o.Bytes(), e.Bytes(), exit.ExitCode(), nil
	}
	return o.Bytes(), e.Bytes(), 0, err
}

var drawnTexts = regexp.MustCompile(`\d+ texts, \d+ of them inert`)

// gate draws texts for the value gate's promise.
func (b *bench) gate() (outcome, error) {
	out, errOut, status, err := b.run(".", "go", "test", "-count=1", "-v", "-run", "^TestInertIsNotBlocked$", "./internal/firewall", "-firewall.long", "1m")
	if err != nil {
		return outcome{}, err
	}
	o := outcome{saw: string(drawnTexts.Find(out))}
	if status != 0 || o.saw == "" {
		o.wrong = []string{last(append(out, errOut...))}
	}
	return o, nil
}

// firewall runs the long form of the firewall's tests.
func (b *bench) firewall() (outcome, error) {
	out, errOut, status, err := b.run(".", "make", "firewall")
	if err != nil {
		return outcome{}, err
	}
	o := outcome{saw: last(out)}
	if status != 0 {
		o.wrong = []string{last(append(out, errOut...))}
	}
	return o, nil
}

// last is the end of a text, for a line of a report.
func last(text []byte) string {
	s := strings.TrimSpace(string(text))
	return strings.ReplaceAll(s[max(0, len(s)-400):], "\n", " / ")
}

// prove runs one of the program's own proofs.
func prove(name string) func(*bench) (outcome, error) {
	return func(b *bench) (outcome, error) {
		out, errOut, status, err := b.run(".", "bin/catchment", "prove", name)
		if err != nil {
			return outcome{}, err
		}
		o := outcome{saw: fmt.Sprintf("%d checks hold", bytes.Count(out, []byte(" holds")))}
		if status != 0 {
			o.wrong = []string{"status " + fmt.Sprint(status) + ": " + last(append(out, errOut...))}
		}
		return o, nil
	}
}
