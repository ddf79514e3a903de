package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a seeding that is killed would lose is in the file, and in nobody
// else's reach.
func TestStateGoesOnWhereItWas(t *testing.T) {
	dir := t.TempDir()
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	password := s.password("a@example.com")
	s.account("One").Link = "token"
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	s.account("One").Secret = "csk_lost" // and the process is killed
	ownerOnly(t, filepath.Join(dir, stateFile))

	again, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.password("a@example.com") != password || again.password("b@example.com") == password {
		t.Error("another password, or everybody's the same")
	}
	if a := again.account("One"); a.Link != "token" || a.Secret != "" {
		t.Errorf("%+v", a)
	}
	if err := again.done(); err != nil {
		t.Fatal(err)
	}
	if err := again.done(); err != nil {
		t.Errorf("done twice: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func ownerOnly(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
}

func TestBrokenStateIsSaid(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{stateFile, worldFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openState(dir); err == nil || !strings.Contains(err.Error(), stateFile) {
		t.Errorf("a broken state: %v", err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), worldFile) {
		t.Errorf("a broken world: %v", err)
	}
	if _, err := Load(t.TempDir()); !isMissing(err) {
		t.Errorf("no world: %v", err)
	}
}

// demo.json has exactly the names that outside checks read.
func TestWorldsForm(t *testing.T) {
	dir := t.TempDir()
	w := &World{URL: "u", Accounts: []Account{{ID: "i", Name: "n", PublishableKey: "p", SecretKey: "s",
		Sources: []Source{{"i", "s", "n", "p"}}, Users: []User{{"admin", "n", "p", "e", "w", "t"}, {"manager", "n", "p", "e", "w", ""}}}}, Operator: Operator{"n", "e", "p", "t"}}
	if err := w.save(dir); err != nil {
		t.Fatal(err)
	}
	ownerOnly(t, filepath.Join(dir, worldFile))
	text, err := os.ReadFile(filepath.Join(dir, worldFile))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"url":"u","accounts":[{"id":"i","name":"n","publishable_key":"p","secret_key":"s",` +
		`"sources":[{"id":"i","slug":"s","name":"n","project":"p"}],` +
		`"users":[{"role":"admin","name":"n","phone":"p","email":"e","password":"w","totp":"t"},` +
		`{"role":"manager","name":"n","phone":"p","email":"e","password":"w"}]}],` +
		`"operator":{"name":"n","email":"e","password":"p","totp":"t"}}`
	if got := strings.NewReplacer("\n", "", "  ", "", ": ", ":").Replace(string(text)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := Load(dir)
	if err != nil || back.Accounts[0].Users[0].Password != "w" {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestLinkToken(t *testing.T) {
	for link, want := range map[string]string{"abc_-1": "abc_-1", "http://127.0.0.1:1/welcome#abc": "abc", "http://h/l/abc": "abc", "http://h/l?token=abc": "abc"} {
		if got := linkToken(link); got != want {
			t.Errorf("%s: %s", link, got)
		}
	}
}
