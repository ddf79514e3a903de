package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// published are the cases that docs/receipt.md publishes.
type published struct {
	Keys    json.RawMessage `json:"keys_document"`
	Vectors []struct {
		Name    string          `json:"name"`
		Body    string          `json:"body"`
		Receipt json.RawMessage `json:"receipt"`
		Fault   string          `json:"fault"`
	} `json:"vectors"`
}

func readPublished() (p published, err error) {
	text, err := os.ReadFile("../../docs/receipt-vectors.json")
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}

// writeReceipts puts one good receipt, as a 202 answer has it, with its body
// and the keys, into a script's folder.
func writeReceipts(e *testscript.Env) error {
	p, err := readPublished()
	if err != nil {
		return err
	}
	v := p.Vectors[0]
	body, err := base64.RawURLEncoding.DecodeString(v.Body)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"keys.json": p.Keys, "receipt.json": v.Receipt, "body.json": body,
		"answer.json": []byte(`{"id":"enq_01gk7nh3kqfk0ska3shjv5a65x","receipt":` + string(v.Receipt) + "}\n"),
	} {
		if err := os.WriteFile(filepath.Join(e.WorkDir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func TestReceiptVerifyOnThePublishedCases(t *testing.T) {
	p, err := readPublished()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keys := write(t, dir, "keys.json", p.Keys)
	good, bad := 0, 0
	for _, v := range p.Vectors {
		body, err := base64.RawURLEncoding.DecodeString(v.Body)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if v.Fault != "" {
			want = 1
			bad++
		} else {
			good++
		}
		args := []string{"receipt", "verify", write(t, dir, "r.json", v.Receipt), "--keys", keys, "--body", write(t, dir, "body", body)}
		if got := run(args, io.Discard, io.Discard); got != want {
			t.Errorf("%s: exit status %d, want %d", v.Name, got, want)
		}
	}
	if good < 5 || bad < 5 {
		t.Errorf("only %d good and %d bad cases", good, bad)
	}
}

// A receipt with any one byte changed is refused, wherever it is.
func TestReceiptVerifyRefusesAnyChangedByte(t *testing.T) {
	p, err := readPublished()
	if err != nil {
		t.Fatal(err)
	}
	var r bytes.Buffer
	if err := json.Compact(&r, p.Vectors[len(p.Vectors)/4].Receipt); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keys := write(t, dir, "keys.json", p.Keys)
	verify := func(text []byte) (int, string) {
		var out strings.Builder
		status := run([]string{"receipt", "verify", write(t, dir, "r.json", text), "--keys", keys}, &out, io.Discard)
		return status, out.String()
	}
	if status, out := verify(r.Bytes()); status != 0 {
		t.Fatal("the unchanged one is refused: ", out)
	}
	for i := range r.Len() {
		text := bytes.Clone(r.Bytes())
		text[i] ^= 0x01
		if status, out := verify(text); status != 1 || !strings.HasPrefix(out, "NOT VALID: ") {
			t.Errorf("byte %d of %q: status %d, %q", i, text, status, out)
		}
	}
}

func write(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
