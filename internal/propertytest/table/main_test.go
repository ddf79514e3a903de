package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"catchment/internal/propertytest"
)

// full is the output of a run in which everything is as it must be, changed by
// change.
func full(t *testing.T, change func(*propertytest.Row) (keep bool), more ...event) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	put := func(e event) {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range propertytest.Properties() {
		for _, engine := range []string{"sqlite", "postgres"} {
			for _, control := range []string{"", "a sabotage"} {
				row := propertytest.Row{Property: p, Engine: engine, Control: control, Cases: 7, Checked: "9 offers", Good: true}
				if change != nil && !change(&row) {
					continue
				}
				text, err := json.Marshal(row)
				if err != nil {
					t.Fatal(err)
				}
				put(event{Action: "output", Output: "    x_test.go:3: " + propertytest.Mark + string(text) + "\n"})
			}
		}
	}
	for _, e := range more {
		put(e)
	}
	put(event{Action: "pass", Package: "p"})
	return b.String()
}

func TestTable(t *testing.T) {
	only := func(property, engine, control string, change func(*propertytest.Row) bool) func(*propertytest.Row) bool {
		return func(r *propertytest.Row) bool {
			return r.Property != property || r.Engine != engine || r.Control != control || change(r)
		}
	}
	bad := func(r *propertytest.Row) bool { r.Good = false; return true }
	gone := func(*propertytest.Row) bool { return false }
	for _, c := range []struct{ name, in, want string }{
		{"good", full(t, nil), ""},
		{"nothing at all", "", "missing: one winner, sqlite, control false"},
		{"violated", full(t, only(propertytest.InShift, "sqlite", "", bad)), "does not hold: no offer outside a shift, sqlite"},
		{"unnoticed", full(t, only(propertytest.Replayed, "postgres", "a sabotage", bad)), "not noticed: a replayed"},
		{"no control", full(t, only(propertytest.OneWinner, "postgres", "a sabotage", gone)), "missing: one winner, postgres, control true"},
		{"an engine left out", full(t, func(r *propertytest.Row) bool { return r.Engine == "sqlite" }), "postgres, control false"},
		{"no case", full(t, only(propertytest.OneWinner, "sqlite", "", func(r *propertytest.Row) bool { r.Cases = 0; return true })), "no case of: one winner"},
		{"a test failed", full(t, nil, event{Action: "fail", Package: "p", Test: "TestX"}), "failed: p TestX"},
		{"it did not build", full(t, nil, event{Action: "build-fail"}), "failed:"},
		{"a torn row", full(t, nil, event{Action: "output", Output: propertytest.Mark + `{"property":`}), "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(strings.NewReader(c.in), &out, propertytest.Properties())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.want == "" && !strings.Contains(out.String(), "all controls were noticed") {
				t.Errorf("%s", out.String())
			}
		})
	}
}
