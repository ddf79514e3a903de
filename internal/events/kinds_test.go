package events_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"catchment/internal/events"
)

// Kinds names each kind that the source names.
func TestKinds(t *testing.T) {
	text, err := os.ReadFile("events.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\t\w+\s+Kind = "([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	for _, m := range found {
		if !slices.Contains(events.Kinds(), events.Kind(m[1])) {
			t.Errorf("%s is not listed", m[1])
		}
	}
	if len(found) < 40 || len(found) != len(events.Kinds()) {
		t.Errorf("%d in the source, %d listed", len(found), len(events.Kinds()))
	}
}
