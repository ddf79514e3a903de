package webhook

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"
)

// The console lets choose each kind that there is, once, and has words for it
// in both languages.
func TestTheConsoleOffersEachKind(t *testing.T) {
	const at = "../../browser/app/src/inlet/"
	want := Kinds()
	slices.Sort(want)
	source, err := os.ReadFile(at + "kinds.tsx")
	if err != nil {
		t.Fatal(err)
	}
	var offered []string
	for _, m := range regexp.MustCompile(`'([a-z_]+\.[a-z_]+)'`).FindAllStringSubmatch(string(source), -1) {
		offered = append(offered, m[1])
	}
	slices.Sort(offered)
	if !slices.Equal(offered, want) {
		t.Errorf("the picker has %q\nthe server %q", offered, want)
	}
	for _, language := range []string{"en", "ar"} {
		text, err := os.ReadFile(at + "words." + language + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var words struct {
			Inlet struct {
				Hook struct {
					Event map[string]map[string]string
				}
			}
		}
		if err := json.Unmarshal(text, &words); err != nil {
			t.Fatal(err)
		}
		var named []string
		for subject, all := range words.Inlet.Hook.Event {
			for what := range all {
				named = append(named, subject+"."+what)
			}
		}
		slices.Sort(named)
		if !slices.Equal(named, want) {
			t.Errorf("%s has words for %q\nthe server has %q", language, named, want)
		}
	}
}
