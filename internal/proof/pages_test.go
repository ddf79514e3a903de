package proof

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// A page that names a proof names one that there is.
func TestPagesNameProofs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(?:catchment )?prove ([a-z]+(?:-[a-z]+)*)[` ]")
	n := 0
	for _, page := range append(pages, "../../README.md", "../../SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			n++
			if m[1] != "all" && !slices.Contains(Names(), m[1]) {
				t.Errorf("%s: there is no proof %q", filepath.Base(page), m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d were found", n)
	}
}
