// Command table reads the output of `go test -json` and prints the figures of
// the property tests and their controls. It fails when a test failed, when a
// property did not hold, when a control passed the sabotage, and when a
// property or its control is missing on an engine.
//
//	go test -json -run '^TestProperty' … | go run ./internal/propertytest/table
//	go test -json -run TestManyDecisions … | go run ./internal/propertytest/table policies
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"catchment/internal/propertytest"
)

func main() {
	want := propertytest.Properties()
	if slices.Equal(os.Args[1:], []string{"policies"}) {
		want = propertytest.Policies()
	}
	if err := run(os.Stdin, os.Stdout, want); err != nil {
		fmt.Fprintln(os.Stderr, "properties:", err)
		os.Exit(1)
	}
}

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, Test, Output, FailedBuild string
}

// result is what the tests said.
type result struct {
	rows   []propertytest.Row
	output []string // all that was printed, for when it fails
	failed []string // tests and packages
}

// run prints the table of what in says, and the faults as one error; also when
// one of the properties that are wanted is missing.
func run(in io.Reader, out io.Writer, want []string) error {
	r, err := read(in)
	if err != nil {
		return err
	}
	print(out, r.rows, want)
	faults := append(r.faults(), missing(r.rows, want)...)
	if len(faults) == 0 {
		fmt.Fprintln(out, "\nall properties hold, all controls were noticed")
		return nil
	}
	fmt.Fprintln(out)
	for _, line := range r.output {
		fmt.Fprint(out, line)
	}
	return fmt.Errorf("%s", strings.Join(faults, "; "))
}

func read(in io.Reader) (r result, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			r.output = append(r.output, lines.Text()+"\n") // go's own words
			continue
		}
		if err := r.take(e); err != nil {
			return r, err
		}
	}
	return r, lines.Err()
}

func (r *result) take(e event) error {
	switch e.Action {
	case "fail", "build-fail":
		r.failed = append(r.failed, strings.TrimSpace(e.Package+" "+e.Test))
	case "output", "build-output":
		_, text, ok := strings.Cut(e.Output, propertytest.Mark)
		if !ok {
			r.output = append(r.output, e.Output)
			return nil
		}
		var row propertytest.Row
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			return fmt.Errorf("a row that cannot be read: %w", err)
		}
		r.rows = append(r.rows, row)
	}
	return nil
}

func (r result) faults() (out []string) {
	for _, f := range r.failed {
		out = append(out, "failed: "+f)
	}
	for _, row := range r.rows {
		switch {
		case row.Cases == 0:
			out = append(out, fmt.Sprintf("no case of: %s, %s", row.Property, row.Engine))
		case !row.Good && row.Control == "":
			out = append(out, fmt.Sprintf("does not hold: %s, %s", row.Property, row.Engine))
		case !row.Good:
			out = append(out, fmt.Sprintf("not noticed: %s, %s, %s", row.Property, row.Engine, row.Control))
		}
	}
	return out
}

// missing names the properties without a row, or without a control.
func missing(rows []propertytest.Row, want []string) (out []string) {
	for _, p := range want {
		for _, engine := range []string{"sqlite", "postgres"} {
			for _, control := range []bool{false, true} {
				if !slices.ContainsFunc(rows, func(r propertytest.Row) bool {
					return r.Property == p && r.Engine == engine && (r.Control != "") == control
				}) {
					out = append(out, fmt.Sprintf("missing: %s, %s, control %v", p, engine, control))
				}
			}
		}
	}
	return out
}

func print(out io.Writer, rows []propertytest.Row, order []string) {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b propertytest.Row) int {
		return slices.Index(order, a.Property) - slices.Index(order, b.Property)
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROPERTY\tENGINE\tCASES\tCHECKED\tTIME\tRESULT")
	for _, r := range rows {
		if r.Control == "" {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", r.Property, r.Engine, r.Cases, r.Checked, seconds(r), word(r.Good, "holds", "VIOLATED"))
		}
	}
	fmt.Fprintln(w, "\nCONTROL: SABOTAGE OF\tENGINE\tCASES\tNOTICED\tTIME\tRESULT")
	for _, r := range rows {
		if r.Control != "" {
			fmt.Fprintf(w, "%s: %s\t%s\t%d\t%s\t%s\t%s\n", r.Property, r.Control, r.Engine, r.Cases, r.Checked, seconds(r), word(r.Good, "noticed", "PASSED UNNOTICED"))
		}
	}
	_ = w.Flush()
}

func seconds(r propertytest.Row) string { return fmt.Sprintf("%.1f s", float64(r.Millis)/1000) }

func word(good bool, yes, no string) string {
	if good {
		return yes
	}
	return no
}
