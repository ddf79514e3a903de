package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
)

// staticcheck reads all code, tests too. Nothing of it is explained away here:
// what is meant as it is says so beside itself (//lint:ignore, with its reason).
func (b *bench) staticcheck() (outcome, error) {
	out, errOut, status, err := b.run(".", "go", "run", staticcheck, "./...")
	if err != nil {
		return outcome{}, err
	}
	if status > 1 || status == 1 && len(out) == 0 {
		return outcome{}, fmt.Errorf("%s", last(errOut))
	}
	o := outcome{saw: fmt.Sprintf("%d findings", bytes.Count(out, []byte("\n")))}
	for line := range strings.Lines(string(out)) {
		o.wrong = append(o.wrong, strings.TrimSpace(line))
	}
	return o, nil
}

// gosec's findings, by severity. Each HIGH one is explained in known.json or
// wrong; the others are counted.
func (b *bench) gosec() (outcome, error) {
	out, errOut, _, err := b.run(".", "go", "run", gosec, "-quiet", "-fmt=json", "-exclude-dir=browser", "-exclude-dir=tools", "./...")
	if err != nil {
		return outcome{}, err
	}
	var found struct {
		Issues []struct {
			Severity string `json:"severity"`
			Rule     string `json:"rule_id"`
			Details  string `json:"details"`
			File     string `json:"file"`
			Code     string `json:"code"`
			Line     string `json:"line"`
		}
		Stats struct{ Files int }
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return outcome{}, fmt.Errorf("what it said is unreadable: %w; %s", err, last(errOut))
	}
	counts := map[string]int{}
	var o outcome
	for _, f := range found.Issues {
		counts[f.Severity]++
		if f.Severity != "HIGH" {
			continue
		}
		file, err := filepath.Rel(b.root, f.File)
		if err != nil {
			return o, err
		}
		if !b.known.explains(f.Rule, f.Details, file, lineOf(f.Code, f.Line)) {
			o.wrong = append(o.wrong, fmt.Sprintf("%s:%s: %s (%s)", file, f.Line, f.Details, f.Rule))
		}
	}
	if found.Stats.Files == 0 {
		return o, fmt.Errorf("it read no file: %s", last(errOut))
	}
	o.saw = fmt.Sprintf("%d files; high %d, %d of them not explained; medium %d, low %d", found.Stats.Files, counts["HIGH"], len(o.wrong), counts["MEDIUM"], counts["LOW"])
	return o, nil
}

// lineOf is the line of gosec's excerpt that the finding is of, without its
// number, so that it is the same when the file grows above it.
func lineOf(excerpt, number string) string {
	number, _, _ = strings.Cut(number, "-")
	for line := range strings.Lines(excerpt) {
		if n, text, ok := strings.Cut(line, ":"); ok && n == number {
			return strings.TrimSpace(text)
		}
	}
	return strings.TrimSpace(excerpt)
}

// govulncheck asks the database of Go's known holes, where it can be reached.
func (b *bench) govulncheck() (outcome, error) {
	out, errOut, status, err := b.run(".", "go", "run", govulncheck, "./...")
	if err != nil {
		return outcome{}, err
	}
	all := string(out) + string(errOut)
	switch {
	case status == 0:
		return outcome{saw: last(out)}, nil
	case strings.Contains(all, "vuln.go.dev") || strings.Contains(all, "fetching vulnerabilities"):
		return outcome{skipped: true, saw: "database not reachable"}, nil
	}
	return outcome{saw: "holes", wrong: []string{last([]byte(all))}}, nil
}

// npmAudit asks the registry about what the app is built from.
func (b *bench) npmAudit() (outcome, error) {
	out, _, _, err := b.run("browser/app", "npm", "audit", "--json", "--omit=dev")
	if err != nil {
		return outcome{skipped: true, saw: "npm is not installed"}, nil
	}
	var said struct {
		Metadata struct {
			Vulnerabilities map[string]int
			Dependencies    map[string]int
		}
	}
	if json.Unmarshal(out, &said) != nil || said.Metadata.Vulnerabilities == nil {
		return outcome{skipped: true, saw: "the registry answers no such question"}, nil
	}
	v := said.Metadata.Vulnerabilities
	o := outcome{saw: fmt.Sprintf("%d packages; critical %d, high %d, moderate %d, low %d", said.Metadata.Dependencies["prod"], v["critical"], v["high"], v["moderate"], v["low"])}
	if v["critical"]+v["high"] > 0 {
		o.wrong = []string{"known holes: npm audit in browser/app names them"}
	}
	return o, nil
}
