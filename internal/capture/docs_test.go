package capture_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The reference lists the codes that the door itself answers with, and no others.
func TestDocsListEveryCode(t *testing.T) {
	doc, err := os.ReadFile("../../docs/capture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## Refused at the door\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var inDoc []string
	for _, m := range regexp.MustCompile("(?m)^\\| \\d+ \\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		inDoc = append(inDoc, m[1])
	}
	elsewhere := []string{"body_too_large", "invalid_key"} // under Errors
	inSource := []string{"unauthenticated", "not_found"}   // of the constructors
	inSource = append(inSource, "too_many_requests")       // of limits
	call := regexp.MustCompile(`(?:Unreadable|TooLarge|Forbidden|Conflict|Busy)\("(\w+)"|InvalidField\("[\w-]+", "(\w+)"|Code: "(\w+)"`)
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(string(b), -1) {
			if code := m[1] + m[2] + m[3]; !slices.Contains(elsewhere, code) {
				inSource = append(inSource, code)
			}
		}
	}
	slices.Sort(inDoc)
	slices.Sort(inSource)
	if inSource = slices.Compact(inSource); !slices.Equal(inDoc, inSource) {
		t.Errorf("source: %v\npage:   %v", inSource, inDoc)
	}
}
