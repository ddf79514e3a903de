package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// permissive licences, by their SPDX names.
var permissive = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "OFL-1.1", "Unlicense", "Zlib"}

// licences reads the licence of every module that is linked into the program,
// and of every package that the web app's lock file names for what it serves.
func (b *bench) licences() (outcome, error) {
	var o outcome
	modules, err := b.modules()
	if err != nil {
		return o, err
	}
	for path, dir := range modules {
		if found := licencesIn(dir); !fine(found) {
			o.wrong = append(o.wrong, fmt.Sprintf("%s: %s", path, strings.Join(found, ", ")))
		}
	}
	text, err := os.ReadFile(filepath.Join(b.root, "browser/app/package-lock.json"))
	if err != nil {
		return o, err
	}
	var lock struct {
		Packages map[string]struct {
			License string
			Dev     bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return o, err
	}
	packages := 0
	for name, p := range lock.Packages {
		if name == "" {
			continue
		}
		packages++
		if strings.Contains(name, "@candulabs/") {
			o.wrong = append(o.wrong, name+": never")
		}
		if !p.Dev && !fine(choices(p.License)) {
			o.wrong = append(o.wrong, fmt.Sprintf("%s: %q", name, p.License))
		}
	}
	if len(modules) < 20 || packages < 20 {
		return o, fmt.Errorf("only %d modules and %d packages were found", len(modules), packages)
	}
	slices.Sort(o.wrong)
	o.saw = fmt.Sprintf("%d modules, %d packages", len(modules), packages)
	return o, nil
}

// modules are the folders of those that the program links, by their paths.
func (b *bench) modules() (map[string]string, error) {
	out, errOut, status, err := b.run(".", "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "./cmd/catchment")
	if err != nil || status != 0 {
		return nil, fmt.Errorf("list the modules: %v %s", err, last(errOut))
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			dirs[path] = dir
		}
	}
	return dirs, nil
}

// licencesIn are the names of the licences in a folder's file of that name
// (those of a logo, or of what was only used to make it, have longer ones);
// "none" when there is none, "unknown" for a text that is no known one.
func licencesIn(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var found []string
	for _, e := range entries {
		name, _, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		if e.IsDir() || !slices.Contains([]string{"LICENSE", "LICENCE", "LICENSES", "COPYING", "UNLICENSE", "MIT-LICENSE"}, name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		cover := licensecheck.Scan(text)
		if cover.Percent < 50 {
			found = append(found, "unknown")
		}
		for _, m := range cover.Match {
			found = append(found, m.ID)
		}
	}
	if len(found) == 0 {
		return []string{"none"}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// choices are the names in an SPDX expression; of "A OR B" the permissive one
// counts.
func choices(expression string) []string {
	expression = strings.Trim(expression, "()")
	if either := strings.Split(expression, " OR "); len(either) > 1 {
		for _, e := range either {
			if fine([]string{e}) {
				return []string{e}
			}
		}
	}
	return strings.Split(expression, " AND ")
}

func fine(names []string) bool {
	for _, n := range names {
		if !slices.Contains(permissive, strings.TrimSpace(n)) {
			return false
		}
	}
	return len(names) > 0
}
