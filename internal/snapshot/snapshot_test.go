package snapshot_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/logtest"
	"catchment/internal/snapshot"
	"catchment/internal/vault"
)

type house struct {
	bucket *journal.Bucket
	keys   *keyring.Keyring
	writer *snapshot.Writer
	reader *snapshot.Reader
	log    *logtest.Lines
}

func newHouse(t *testing.T) *house {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	k, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := j.Bucket(t.Context(), "snapshot")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{bucket: b, keys: k, writer: snapshot.NewWriter(b, k.SealSnapshot), log: &logtest.Lines{}}
	h.reader = snapshot.NewReader(b, k.OpenSnapshot, slog.New(slog.NewTextHandler(h.log, nil)))
	t.Cleanup(h.reader.Stop)
	return h
}

func someAccount(version int64) snapshot.Account {
	id := account.NewID()
	return snapshot.Account{
		ID: id, Version: version, DefaultRegion: "GB", CaptureIDKey: make([]byte, 32),
		DropBox:  vault.DropBox{Account: id, KeyID: 1, Public: []byte{1}},
		Keys:     []snapshot.Key{{ID: account.NewKeyID(), Kind: snapshot.Publishable, Hash: sha256.Sum256(id.Bytes()), Origins: []string{"https://example.com"}}},
		Projects: []snapshot.Project{{ID: account.NewProjectID(), Slug: "harbour", Active: true}},
		Sources:  []snapshot.Source{{ID: account.NewSourceID(), Slug: "site", Active: true, Mapping: map[string]string{"tel2": "person.phone"}}},
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not within 5 s: %s", what)
}

func TestReaderFollowsWriter(t *testing.T) {
	h := newHouse(t)
	first := someAccount(1)
	if err := h.writer.Put(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if h.reader.Ready() {
		t.Error("ready before it was started")
	}
	h.reader.Start()
	eventually(t, "what was there before is known", h.reader.Ready)
	a, k := h.reader.ByKey(first.Keys[0].Hash)
	if a == nil || a.ID != first.ID || k.ID != first.Keys[0].ID {
		t.Fatal("the key is not known")
	}
	if a.Source("site") == nil || a.Source(first.Sources[0].ID.String()) == nil || a.Source("other") != nil {
		t.Error("sources are not found by slug and id")
	}
	if a.Project("harbour") == nil || a.Project(first.Projects[0].ID.String()) == nil || a.Project(first.Sources[0].ID.String()) != nil {
		t.Error("projects are not found by slug and id")
	}
	if b, s := h.reader.BySource(first.Sources[0].ID); b != a || s.Mapping["tel2"] != "person.phone" {
		t.Error("the source's own address does not lead to it")
	}
	if d, ok := h.reader.DropBox(first.ID); !ok || d.KeyID != 1 {
		t.Error("no drop box")
	}
	if !h.reader.KnowsOrigin("https://example.com") || h.reader.KnowsOrigin("https://other.example") {
		t.Error("origins are wrong")
	}

	revoked := first
	revoked.Version, revoked.Keys = 2, nil
	if err := h.writer.Put(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a revoked key is unknown", func() bool { a, _ := h.reader.ByKey(first.Keys[0].Hash); return a == nil })
	if err := h.writer.Remove(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a removed account is unknown", func() bool { return h.reader.ByID(first.ID) == nil })
	if !h.reader.Ready() {
		t.Error("it has seen an account; it stays ready")
	}
}

func TestReaderKeepsTheLastGoodEntry(t *testing.T) {
	h := newHouse(t)
	good, other := someAccount(7), someAccount(1)
	name := "account/" + good.ID.String()
	if err := h.writer.Put(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	h.reader.Start()
	eventually(t, "ready", h.reader.Ready)

	foreign, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	newer := good
	newer.Version, newer.Off = 8, true
	foreignWriter := snapshot.NewWriter(h.bucket, foreign.SealSnapshot)
	older := good
	older.Version, older.Off = 6, true
	for what, put := range map[string]func() error{
		"another keyring's":   func() error { return foreignWriter.Put(t.Context(), newer) },
		"rubbish":             func() error { return h.bucket.Put(t.Context(), name, []byte("rubbish")) },
		"empty":               func() error { return h.bucket.Put(t.Context(), name, []byte{}) },
		"an older one":        func() error { return h.writer.Put(t.Context(), older) },
		"another account's":   func() error { return copyEntry(t, h, other, name) },
		"sealed, but no JSON": func() error { return h.bucket.Put(t.Context(), name, h.keys.SealSnapshot(name, []byte("{"))) },
	} {
		if err := put(); err != nil {
			t.Fatal(what, err)
		}
		marker := someAccount(1) // comes after it, so when this is known that has been read
		if err := h.writer.Put(t.Context(), marker); err != nil {
			t.Fatal(err)
		}
		eventually(t, what+" was read", func() bool { return h.reader.ByID(marker.ID) != nil })
		if a := h.reader.ByID(good.ID); a == nil || a.Version != 7 || a.Off {
			t.Errorf("%s took the place of the last good entry", what)
		}
	}
	if h.reader.Damaged() != 5 {
		t.Errorf("counted %d bad entries, want 5", h.reader.Damaged())
	}
	if !strings.Contains(h.log.String(), "last good one stays") || !strings.Contains(h.log.String(), "older entry") {
		t.Error("nothing was said about it")
	}
	if err := foreignWriter.Put(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the door says that it does not know the last state of one", func() bool { return h.reader.Untrusted() == 1 })
	if err := h.writer.Put(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the control: a good newer entry is taken", func() bool { return h.reader.ByID(good.ID).Off && h.reader.Untrusted() == 0 })
}

// copyEntry puts one account's sealed entry under another's name.
func copyEntry(t *testing.T, h *house, a snapshot.Account, to string) error {
	if err := h.writer.Put(t.Context(), a); err != nil {
		return err
	}
	sealed, err := h.bucket.Get(t.Context(), "account/"+a.ID.String())
	if err != nil {
		return err
	}
	return h.bucket.Put(t.Context(), to, sealed)
}

func TestReaderWithNothingPublishedIsNotReady(t *testing.T) {
	h := newHouse(t)
	h.reader.Start()
	time.Sleep(50 * time.Millisecond)
	if h.reader.Ready() {
		t.Error("ready without ever having seen an account")
	}
	if err := h.writer.Put(t.Context(), someAccount(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready", h.reader.Ready)
}

func TestReaderStopsInAnyOrder(t *testing.T) {
	h := newHouse(t)
	h.reader.Stop()
	h.reader.Start()
	h.reader.Stop()
}

func TestWriterRefusesAnEntryWithoutKeys(t *testing.T) {
	h := newHouse(t)
	a := someAccount(1)
	a.CaptureIDKey = nil
	if err := h.writer.Put(t.Context(), a); err == nil {
		t.Error("published an account that no door could seal for")
	}
}

func TestKeyRights(t *testing.T) {
	source := account.NewSourceID()
	all, one := snapshot.Key{}, snapshot.Key{Sources: []account.SourceID{source}}
	if !all.Serves(source) || !one.Serves(source) || one.Serves(account.NewSourceID()) {
		t.Error("sources of a key")
	}
	page, demo := snapshot.Key{Origins: []string{"https://example.com"}}, snapshot.Key{AnyOrigin: true}
	if !page.Allows("https://example.com") || page.Allows("http://example.com") || page.Allows("") || page.Allows("https://example.com.evil.example") {
		t.Error("origins of a key")
	}
	if !demo.Allows("") || !demo.Allows("https://other.example") || all.Allows("") {
		t.Error("a key for any origin")
	}
	now := time.Now()
	ends := snapshot.Key{ExpiresAt: now}
	if all.Expired(now) || !ends.Expired(now) || ends.Expired(now.Add(-time.Second)) {
		t.Error("expiry of a key")
	}
}
