package main

import (
	"fmt"
	"strings"
)

// fuzz runs every fuzz target for the set time, one after the other.
func (b *bench) fuzz() (outcome, error) {
	list, errOut, status, err := b.run(".", "go", "test", "-list", "^Fuzz", "./internal/...")
	if err != nil || status != 0 {
		return outcome{}, fmt.Errorf("list the targets: %v %s", err, last(append(list, errOut...)))
	}
	var o outcome
	var names []string
	ran := 0
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Fuzz") {
			names = append(names, line)
			continue
		}
		fields := strings.Fields(line) // "ok  	package	time", after its targets
		if len(fields) < 2 || fields[0] != "ok" {
			continue
		}
		for _, name := range names {
			out, _, status, err := b.run(".", "go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", b.fuzzFor.String(), fields[1])
			if err != nil {
				return o, err
			}
			ran++
			if status != 0 {
				o.wrong = append(o.wrong, fields[1]+" "+name+": "+last(out))
			}
		}
		names = nil
	}
	if ran == 0 {
		return o, fmt.Errorf("there are no targets")
	}
	o.saw = fmt.Sprintf("%d parsers, %s each", ran, b.fuzzFor)
	return o, nil
}
