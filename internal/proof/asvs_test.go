package proof

import (
	"encoding/csv"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/asvs.csv has every requirement once, and whatever it says shows one is
// there: a test or a fuzz target by its package, a proof, a target of make, a
// page with its heading, a file. The control: none of these goes unnoticed when
// it is changed.
func TestRequirementsAreShown(t *testing.T) {
	text, err := os.ReadFile("../../docs/asvs.csv")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("testdata/asvs-5.0.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	faults, rows := asvsFaults(string(text), string(list))
	for _, f := range faults {
		t.Error(f)
	}
	if rows != 153 {
		t.Errorf("%d requirements", rows)
	}
	for _, c := range [][2]string{
		{"\nV1.2.4,1,", "\nV1.2.99,1,"}, {"\nV6.2.9,2,", "\nV6.2.9,1,"}, {"internal/archtest.TestOneWayOutward", "internal/archtest.TestTwoWaysOutward"}, {"prove tamper", "prove temper"},
		{"docs/limits.md#limits", "docs/limits.md#limit"}, {"make security", "make secure"}, {"browser/app/src/signin/form.tsx", "browser/app/src/signin/from.tsx"}, {",yes,prove tenants;", ",maybe,prove tenants;"},
		{",part,internal/carry.FuzzTable,imports are read as CSV whatever the name says; attachments judge by content", ",part,internal/carry.FuzzTable,"},
	} {
		changed := strings.Replace(string(text), c[0], c[1], 1)
		if f, _ := asvsFaults(changed, string(list)); changed == string(text) || len(f) == 0 {
			t.Errorf("%q instead of %q is not noticed", c[1], c[0])
		}
	}
}

// asvsFaults says what is wrong with the table, given the standard's list.
func asvsFaults(text, list string) (faults []string, rows int) {
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(all) < 2 || !slices.Equal(all[0], []string{"id", "level", "requirement", "holds", "shown by", "note"}) {
		return []string{fmt.Sprintf("unreadable: %v", err)}, 0
	}
	want := map[string]string{}
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] == "#" {
			continue
		}
		for _, x := range f[1:] {
			number, level, _ := strings.Cut(x, ":")
			want[f[0]+"."+number] = level
		}
	}
	named := sources{}
	for _, r := range all[1:] {
		id, level, holds, shown, note := r[0], r[1], r[3], r[4], r[5]
		if want[id] != level {
			faults = append(faults, fmt.Sprintf("%s of level %s: there is no such requirement, or it stands there twice", id, level))
		}
		delete(want, id)
		switch {
		case !slices.Contains([]string{"yes", "no", "part", "n.a."}, holds):
			faults = append(faults, id+": holds "+holds+"?")
		case holds == "yes" && shown == "":
			faults = append(faults, id+": nothing shows it")
		case holds != "yes" && note == "":
			faults = append(faults, id+": the note does not say what is missing")
		}
		for _, x := range strings.Split(shown, ";") {
			if x = strings.TrimSpace(x); x != "" && !named.has(x) {
				faults = append(faults, id+": there is no "+x)
			}
		}
	}
	for id := range want {
		faults = append(faults, id+" is missing")
	}
	return faults, len(all) - 1
}

var aTest = regexp.MustCompile(`^((?:internal|cmd)/[a-z/]+)\.((?:Test|Fuzz)\w+)$`)

// sources remembers the tests of packages, by folder.
type sources map[string]map[string]bool

func (s sources) has(name string) bool {
	if p, ok := strings.CutPrefix(name, "prove "); ok {
		return slices.Contains(Names(), p)
	}
	if target, ok := strings.CutPrefix(name, "make "); ok {
		text, _ := os.ReadFile("../../Makefile")
		return strings.Contains(string(text), "\n"+target+":")
	}
	if m := aTest.FindStringSubmatch(name); m != nil {
		if s[m[1]] == nil {
			s[m[1]] = testsOf(filepath.Join("../..", m[1]))
		}
		return s[m[1]][m[2]]
	}
	file, anchor, _ := strings.Cut(name, "#")
	text, err := os.ReadFile(filepath.Join("../..", file))
	return err == nil && (anchor == "" || slices.Contains(anchors(string(text)), anchor))
}

// testsOf are the tests and fuzz targets of a folder.
func testsOf(folder string) map[string]bool {
	out := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join(folder, "*_test.go"))
	for _, f := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				out[fn.Name.Name] = true
			}
		}
	}
	return out
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)

// anchors are a page's headings, as links name them.
func anchors(text string) (out []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			h := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
			out = append(out, strings.ReplaceAll(notInAnchors.ReplaceAllString(h, ""), " ", "-"))
		}
	}
	return out
}
