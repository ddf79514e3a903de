package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is not explained is told; what is, only at its line and by its rule.
func TestKnown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known.json")
	put := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"G1":{"why":"w","never":"no fault","places":["a.go: x := 1 & y"]}}`)
	k, err := readKnown(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule, says, file, line string
		want                   bool
	}{
		{"G1", "s", "a.go", "x := 1 & y", true},
		{"G2", "s", "a.go", "x := 1 & y", false},
		{"G1", "s", "b.go", "x := 1 & y", false},
		{"G1", "s", "a.go", "x := 2", false},
		{"G1", "this is no fault.", "b.go", "z", true},
	} {
		if got := k.explains(c.rule, c.says, c.file, c.line); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if err := k.write(); err != nil {
		t.Fatal(err)
	}
	if _, err := readKnown(file); err == nil {
		t.Error("a rule without a reason is taken")
	}
}

func TestLineOf(t *testing.T) {
	const excerpt = "11: \tbefore\n12: \tx := map[string]int{\"a: b\": 1}\n13: \tafter\n"
	for number, want := range map[string]string{"12": `x := map[string]int{"a: b": 1}`, "12-13": `x := map[string]int{"a: b": 1}`} {
		if got := lineOf(excerpt, number); got != want {
			t.Errorf("%s: %q", number, got)
		}
	}
}

func TestLicences(t *testing.T) {
	for expression, want := range map[string]bool{"MIT": true, "(MIT OR GPL-3.0)": true, "MIT AND BSD-3-Clause": true, "MIT AND GPL-3.0": false, "AGPL-3.0-only": false, "": false, "SEE LICENSE IN X": false} {
		if got := fine(choices(expression)); got != want {
			t.Errorf("%q: %v", expression, got)
		}
	}
	dir := t.TempDir()
	if got := licencesIn(dir); !slices.Equal(got, []string{"none"}) {
		t.Error(got)
	}
	own, err := os.ReadFile("../../LICENSE")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "LICENSE.txt"), own, 0o600)
	}
	if got := licencesIn(dir); err != nil || !slices.Equal(got, []string{"Apache-2.0"}) {
		t.Error(got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "COPYING"), []byte("All rights reserved. Nobody may do anything with this."), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := licencesIn(dir); fine(got) {
		t.Errorf("a text that forbids all is taken for %q", got)
	}
}
