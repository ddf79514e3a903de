package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// known is what was found, looked at, and is as it should be: by rule, why, and
// each place, as "file: the line"; or what a finding says that never is one.
// What is new has to be looked at too.
type known struct {
	file  string
	Rules map[string]*rule
	seen  map[string][]string
}

type rule struct {
	Why    string   `json:"why"`
	Never  string   `json:"never,omitempty"` // findings that say this are none
	Places []string `json:"places"`
}

func readKnown(file string) (*known, error) {
	k := &known{file: file, Rules: map[string]*rule{}, seen: map[string][]string{}}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &k.Rules); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for name, r := range k.Rules {
		if r.Why == "" {
			return nil, fmt.Errorf("%s: %s says no why", file, name)
		}
	}
	return k, nil
}

// explains tells whether the finding is known: what the rule says of which line.
func (k *known) explains(name, says, file, line string) bool {
	if r := k.Rules[name]; r != nil && r.Never != "" && strings.Contains(says, r.Never) {
		return true
	}
	place := file + ": " + line
	if !slices.Contains(k.seen[name], place) {
		k.seen[name] = append(k.seen[name], place)
	}
	r := k.Rules[name]
	return r != nil && slices.Contains(r.Places, place)
}

// write keeps the places that were seen this time, and the reasons; a rule that
// is new has none yet, which the next start refuses.
func (k *known) write() error {
	out := map[string]*rule{}
	for name, places := range k.seen {
		slices.Sort(places)
		out[name] = &rule{Places: places}
		if r := k.Rules[name]; r != nil {
			out[name].Why, out[name].Never = r.Why, r.Never
		}
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return err
	}
	return os.WriteFile(k.file, text.Bytes(), 0o644)
}
