package submission

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"catchment/internal/lead"
)

func readDoc(t *testing.T) string {
	b, err := os.ReadFile("../../docs/capture.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section is what stands under a heading.
func section(t *testing.T, doc, heading string) string {
	_, rest, ok := strings.Cut(doc, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/capture.md has no section %s", heading)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// The page lists the codes that the source can answer with, and no others.
func TestDocsListEveryCode(t *testing.T) {
	inSource := map[string]bool{"unsupported_media_type": true} // problem.WrongType's own
	call := regexp.MustCompile(`(?:Unreadable|TooLarge)\("(\w+)"|(?:InvalidField|add)\((?:[^"\n]|"[^"\n]*"\+|"")*, "(\w+)"|InvalidField\("\w*", "(\w+)"|add\("\w+", "(\w+)"`)
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(b), -1) {
			inSource[m[1]+m[2]+m[3]+m[4]] = true
		}
	}
	inDoc := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| \\d+ \\| `(\\w+)` \\|")
	for _, m := range row.FindAllStringSubmatch(section(t, readDoc(t), "Errors"), -1) {
		inDoc[m[1]] = true
	}
	if !maps.Equal(inSource, inDoc) {
		t.Errorf("source: %v\npage:   %v", slices.Sorted(maps.Keys(inSource)), slices.Sorted(maps.Keys(inDoc)))
	}
	if len(inDoc) < 15 {
		t.Errorf("only %d codes were found: the test does not look in the right place", len(inDoc))
	}
}

func TestDocsExampleAndNames(t *testing.T) {
	doc := readDoc(t)
	_, rest, _ := strings.Cut(doc, "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	s, err := DecodeJSON([]byte(example))
	if err != nil || len(s.Flags) != 0 || len(s.Custom) != 2 {
		t.Errorf("the example: %v", err)
	}
	fields := section(t, doc, "JSON")
	for _, n := range slices.Concat(ParamNames(), personKeys, attributionKeys, consentKeys, topKeys) {
		if !strings.Contains(fields, n+"`") && !strings.Contains(fields, n+"\"") {
			t.Errorf("%s is not on the page", n)
		}
	}
	flags := section(t, doc, "Kept and flagged")
	for _, f := range []lead.Flag{lead.PhoneUnparseable, lead.PhoneImpossible, lead.EmailUnparseable, lead.NameOdd, lead.ControlCharacters,
		lead.ConsentTimeOdd, lead.ManyCustom, lead.HoneypotFilled} {
		if !strings.Contains(flags, "| `"+string(f)+"` |") {
			t.Errorf("flag %s is not on the page", f)
		}
	}
	for _, n := range []string{"full_name", "your-name", "last_name", "whatsapp", "e-mail", "enquiry", "comments", "landing_page", "referrer", "_source", "_test"} {
		if !strings.Contains(section(t, doc, "HTML forms"), "`"+n+"`") || synonyms[fold(n)] == "" {
			t.Errorf("%s is on the page or in the table, not both", n)
		}
	}
}
