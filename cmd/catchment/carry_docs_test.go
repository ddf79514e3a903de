package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"catchment/internal/store/storetest"
)

// docs/import.md, done as it says: its commands are run in its order, and what
// comes back is what it shows.
func TestTheDocumentedImport(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	text, err := os.ReadFile("../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^```(sh|json|csv) name=(\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks[m[1]+" "+m[2]] = m[3]
	}
	c := settingsFor(t, storetest.SQLiteOptions(t))
	s := serve(t, c)
	shop := openShop(t, c, s)
	admin := s.as(t, shop.admin)
	g := &guide{T: t, blocks: blocks, dir: t.TempDir(), env: append(os.Environ(), "URL="+s.url,
		"KEY="+admin.want(201, "POST", "/v1/keys", fields{"kind": "secret", "name": "Files", "role": "admin"}).text("key"),
		"SOURCE="+admin.want(201, "POST", "/v1/sources", fields{"name": "Files", "project_id": shop.project}).text("id"))}
	write(t, g.dir, "leads.csv", []byte(g.block("csv leads.csv")))

	g.keep("IMPORT", g.do("begin"))
	g.same("json send", g.do("send"))
	g.do("check")
	g.until("look", `"checked"`)
	g.do("start")
	g.same("json look", g.until("look", `"done"`))
	g.same("csv result", g.do("result"))
	id := g.keep("EXPORT", g.do("export"))
	admin.until("the export", "/v1/exports/"+id, func(a answer) bool { return a.text("state") == "ready" })
	if out := g.do("fetch"); strings.Count(out, "\n") != 3 || !strings.Contains(out, "Asha Example,'+442079460142") {
		t.Errorf("the export is %s", out)
	}
	if len(g.used) != len(blocks) {
		t.Errorf("of %d examples %d were tried", len(blocks), len(g.used))
	}
}

// guide is somebody who follows the page.
type guide struct {
	*testing.T
	blocks map[string]string
	used   map[string]bool
	dir    string
	env    []string
}

func (g *guide) block(name string) string {
	g.Helper()
	if g.blocks[name] == "" {
		g.Fatalf("docs/import.md has no block %s", name)
	}
	if g.used == nil {
		g.used = map[string]bool{}
	}
	g.used[name] = true
	return g.blocks[name]
}

// do runs the command of that name.
func (g *guide) do(name string) string {
	g.Helper()
	cmd := exec.CommandContext(g.Context(), "sh", "-ec", g.block("sh "+name))
	cmd.Dir, cmd.Env = g.dir, g.env
	out, err := cmd.Output()
	if err != nil || strings.Contains(string(out), `"request_id"`) {
		g.Fatalf("%s: %v %s", name, err, out)
	}
	return string(out)
}

func (g *guide) until(name, word string) (out string) {
	g.Helper()
	for range 500 { // each starts a curl
		if out = g.do(name); strings.Contains(out, word) {
			return out
		}
	}
	g.Fatalf("%s never said %s: %s", name, word, out)
	return out
}

// keep puts the answer's id into the reader's environment.
func (g *guide) keep(name, out string) string {
	g.Helper()
	var a struct{ ID string }
	if err := json.Unmarshal([]byte(out), &a); err != nil || a.ID == "" {
		g.Fatalf("%s: no id in %s", name, out)
	}
	g.env = append(g.env, name+"="+a.ID)
	return a.ID
}

var differs = []struct {
	what *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`\b(imp|exp|src|enq|lead)_[0-9a-z]{26}\b`), "${1}_"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "time"},
	{regexp.MustCompile(`"rows_per_second":[0-9.e+]+`), `"rows_per_second":0`},
}

// same compares an answer with the page but for ids, times and speed.
func (g *guide) same(name, got string) {
	g.Helper()
	want := g.block(name)
	for _, text := range []*string{&want, &got} {
		var v any
		if json.Unmarshal([]byte(*text), &v) == nil {
			b, _ := json.Marshal(v)
			*text = string(b)
		}
		for _, d := range differs {
			*text = d.what.ReplaceAllString(*text, d.to)
		}
		*text = strings.ReplaceAll(*text, "\r\n", "\n")
	}
	if want != got {
		g.Errorf("docs/import.md, %s:\n%s\nthe server:\n%s", filepath.Base(name), want, got)
	}
}
