package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
)

// demoFile is demo.json, as far as a check from outside reads it.
type demoFile struct {
	URL      string `json:"url"`
	Accounts []struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		Publishable string `json:"publishable_key"`
		Secret      string `json:"secret_key"`
		Sources     []struct{ ID, Slug, Name, Project string }
		Users       []demoUser
	} `json:"accounts"`
	Operator map[string]string `json:"operator"`
	Second   map[string]string `json:"second_operator"`
	Support  map[string]string `json:"support"`
}

// The demo is killed while it sets itself up, started, stopped and started
// again: one set of accounts, and a lead is offered each time.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	args := []string{"demo", "--quiet", "--data", dir, "--listen", "127.0.0.1:0", "--inner", "", "--watermark", "32"}
	interrupted := start(t, args...)
	awaitFile(t, interrupted, filepath.Join(dir, "catchment.db"))
	interrupted.kill()

	first := start(t, args...)
	made := awaitDemo(t, first, dir, "")
	if len(made.Accounts) < 2 || made.Operator["email"] == "" || made.Operator["password"] == "" {
		t.Fatalf("demo.json: %+v", made)
	}
	offeredInDemo(t, made, "+12025550170")
	first.end(t)

	second := start(t, args...)
	again := awaitDemo(t, second, dir, made.URL)
	again.URL = made.URL
	if !reflect.DeepEqual(made, again) {
		t.Errorf("started again:\n%+v\nwas\n%+v", again, made)
	}
	offeredInDemo(t, awaitDemo(t, second, dir, made.URL), "+12025550171")
	second.end(t)
}

// end is SIGTERM: it finishes what it has begun and ends well.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d after SIGTERM: %s", code, p.logs)
	}
}

func awaitFile(t *testing.T, p *process, path string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end) && !exists(path); time.Sleep(time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("it ended: %s", p.logs)
		default:
		}
	}
}

// demoUser is one of its people; an admin has the seed of an app.
type demoUser struct{ Role, Name, Phone, Email, Password, TOTP string }

// awaitDemo reads demo.json when it names another URL than before.
func awaitDemo(t *testing.T, p *process, dir, before string) (made demoFile) {
	t.Helper()
	path := filepath.Join(dir, "demo.json")
	awaitFile(t, p, path)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if made, err := readDemo(path); err == nil && made.URL != "" && made.URL != before {
			return made
		}
	}
	t.Fatalf("no demo.json for this start: %s", p.logs)
	return made
}

func readDemo(path string) (made demoFile, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return made, err
	}
	return made, json.Unmarshal(text, &made)
}

// offeredInDemo hands in a lead as a page would, and waits for its offer, in
// each of the accounts.
func offeredInDemo(t *testing.T, made demoFile, phone string) {
	t.Helper()
	for _, a := range made.Accounts {
		page, reader := api{t, made.URL, a.Publishable}, api{t, made.URL, a.Secret}
		id := page.want(202, "POST", "/v1/leads", fields{"source": a.Sources[0].Slug, "person": fields{"name": "Asha Example", "phone": phone}}).text("id")
		lead := attached(reader, id)
		reader.until("its offer", "/v1/leads/"+lead, func(a answer) bool { return a.text("state") == "offered" })
	}
}
