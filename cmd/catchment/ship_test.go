package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/files"
	"catchment/internal/store"
)

// What was committed a moment ago is beside the backups: from there alone, with
// neither database nor journal, another machine has the leads, and what was
// done with them; and, if wished, as they were at an earlier time.
func TestTheLogIsKeptBesideTheBackups(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	c.BackupTo, c.BackupLogs, c.BackupKeep = t.TempDir(), 100*time.Millisecond, 35
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	admin := s.as(t, shop.admin)
	send := func(name, phone string) string {
		enquiry := s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead(name, phone)).text("id")
		return attached(admin, enquiry)
	}
	b, err := files.Open(t.Context(), c.BackupTo, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	restore := func(more ...string) config {
		t.Helper()
		other := settingsFor(t, store.Options{})
		copyKeys(t, c.Data, other.Data)
		text := do(t, 0, append([]string{"restore", "--data", other.Data, "--from", c.BackupTo}, more...)...)
		if !strings.Contains(text, "from the log") {
			t.Fatal(text)
		}
		return other
	}
	leads := func(other config) (a answer) {
		t.Helper()
		s := serve(t, other)
		defer s.stop()
		return s.as(t, shop.admin).want(200, "GET", "/v1/leads", nil, "Catchment-Purpose", "test")
	}
	kept := func() time.Time {
		k, err := keptRound(t.Context(), b, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if k == nil {
			return time.Time{}
		}
		return k.until
	}
	do(t, 0, "backup", "--data", c.Data, "--backup-to", c.BackupTo)

	one := send("Asha Example", "+12025550141")
	after := time.Now()
	waitFor(t, "the first lead is kept", func() bool { return kept().After(after) })
	between := kept()
	_ = send("Ben Example", "+12025550142")
	admin.want(200, "PUT", "/v1/leads/"+one+"/tags", fields{"tags": []string{"hot-lead"}})
	after = time.Now()
	waitFor(t, "the rest is kept", func() bool { return kept().After(after) })

	// As after a power cut: the server goes on, and nobody closed anything.
	if a := leads(restore()); len(a.items()) != 2 || !bytes.Contains(a.body, []byte("hot-lead")) {
		t.Errorf("%s", a.body)
	}
	if a := leads(restore("--at", between.UTC().Format(time.RFC3339Nano))); len(a.items()) != 1 || bytes.Contains(a.body, []byte("hot-lead")) {
		t.Errorf("as of before: %s", a.body)
	}
	if text := do(t, 1, "restore", "--data", t.TempDir(), "--from", c.BackupTo, "--at", "2026-03-02T09:52:00Z"); !strings.Contains(text, "keyring") {
		t.Error(text)
	}
	if text := do(t, 0, "drill", "--data", c.Data, "--from", c.BackupTo); !strings.Contains(text, "the log brings SQLite to") {
		t.Error(text)
	}
	_ = send("Cleo Example", "+12025550143")
	s.stop() // in order: all of it
	if a := leads(restore()); len(a.items()) != 3 {
		t.Errorf("%s", a.body)
	}

	// The control: without its last files it is an older state, and a file in
	// the middle is not passed over.
	k, err := keptRound(t.Context(), b, time.Time{})
	if err != nil || len(k.files) < 4 {
		t.Fatalf("%+v %v", k, err)
	}
	if err := os.Remove(filepath.Join(c.BackupTo, k.files[1])); err != nil {
		t.Fatal(err)
	}
	other := settingsFor(t, store.Options{})
	copyKeys(t, c.Data, other.Data)
	now := time.Now().UTC().Format(time.RFC3339Nano)
	if text := do(t, 0, "restore", "--data", other.Data, "--from", c.BackupTo, "--at", now); !strings.Contains(text, "in 1 files") {
		t.Errorf("a file in the middle is gone, and %s", text)
	}
	text, err := os.ReadFile(filepath.Join(c.BackupTo, k.files[0]))
	if err == nil {
		err = os.WriteFile(filepath.Join(c.BackupTo, k.files[0]), text[:len(text)-9], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	other = settingsFor(t, store.Options{})
	copyKeys(t, c.Data, other.Data)
	if text := do(t, 1, "restore", "--data", other.Data, "--from", c.BackupTo, "--at", now); !strings.Contains(text, k.files[0]) {
		t.Error(text)
	}
	if exists(filepath.Join(other.Data, "catchment.db")) {
		t.Error("a restore that broke off left a database")
	}
}

// Rounds go when the keys of backups do; the one that is written stays.
func TestOldLogsArePruned(t *testing.T) {
	b, err := files.Open(t.Context(), t.TempDir(), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	p := &shipper{b: b}
	for days := range 8 {
		p.round = now.AddDate(0, 0, -days).Format(backupTime) + "-00000000"
		for _, name := range []string{baseName, "00000001-0000000000000001.age"} {
			if err := b.Add(t.Context(), logPrefix+p.round+"/"+name, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Add(t.Context(), logPrefix+"holiday/base.age", nil); err != nil {
		t.Fatal(err)
	}
	if err := p.prune(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range b.List(t.Context(), logPrefix) {
		n++
	}
	if n != 2*(5+1)+1 { // younger than five days, the one that is written, and what is not ours
		t.Errorf("%d files are left", n)
	}
}
