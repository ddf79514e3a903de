package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"catchment/internal/store"
	"catchment/internal/totp"
)

// docs/first-hour.md, done as it says in one shell, beside a server.
func TestTheFirstHour(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	page, err := os.ReadFile("../../docs/first-hour.md")
	if err != nil {
		t.Fatal(err)
	}
	c := settingsFor(t, store.Options{})
	s := serve(t, c)
	var script strings.Builder
	shown := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^```(sh|json) name=(\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if m[1] == "json" {
			shown[m[2]] = m[3]
			continue
		}
		fmt.Fprintf(&script, "\necho; echo '== %s'\n%s", m[2], strings.ReplaceAll(m[3], "bin/catchment", "catchment"))
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script.String())
	cmd.Dir, cmd.Env = filepath.Dir(c.Data), append(os.Environ(), "URL="+s.url)
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen := &phone{t: t, keys: keys}
	cmd.Stdout, cmd.Stderr = screen, screen
	err = cmd.Run()
	out := screen.all.Bytes()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !screen.typed {
		t.Error("nobody had to show a second factor")
	}
	answers := map[string]map[string]any{}
	for _, part := range strings.Split(string(out), "== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		var body map[string]any
		_ = json.Unmarshal([]byte(text), &body) // the account's is not JSON
		answers[name] = body
		if body["code"] != nil {
			t.Errorf("%s is refused: %s", name, text)
		}
	}
	for name, text := range shown {
		var want map[string]any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(name, err)
		}
		for field, v := range want {
			if got := answers[name][field]; reflect.TypeOf(got) != reflect.TypeOf(v) {
				t.Errorf("%s: %s is %v, and the page shows %v", name, field, got, v)
			}
		}
		if len(answers[name]) != len(want) {
			t.Errorf("%s: the server answers %v, and the page shows %s", name, answers[name], text)
		}
	}
	snippet, _ := answers["source"]["snippet"].(map[string]any)
	if html, _ := snippet["html"].(string); !strings.Contains(html, "<form") {
		t.Errorf("no snippet: %v", answers["source"])
	}
	if l := answers["seen"]; l["test"] != true || !strings.HasPrefix(fmt.Sprint(l["id"]), "lead_") {
		t.Errorf("no test lead: %v\n%s", answers["seen"], out)
	}
}

// phone is the reader with an app: they see the secret on the screen, enter it,
// and type what the app shows.
type phone struct {
	t     *testing.T
	keys  io.WriteCloser
	all   bytes.Buffer
	typed bool
}

var shownSecret = regexp.MustCompile(`"secret":"([A-Z2-7]+)"`)

func (p *phone) Write(b []byte) (int, error) {
	p.all.Write(b)
	m := shownSecret.FindSubmatch(p.all.Bytes())
	if m == nil || p.typed {
		return len(b), nil
	}
	p.typed = true
	code, err := totp.Code(string(m[1]), time.Now())
	if err != nil {
		p.t.Error(err)
	}
	_, err = io.WriteString(p.keys, code+"\n") // the pipe holds a line
	return len(b), errors.Join(err, p.keys.Close())
}
