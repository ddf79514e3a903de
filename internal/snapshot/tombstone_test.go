package snapshot_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/snapshot"
)

// A tombstone takes a key away from under any entry, also for a door that
// starts afterwards, and nobody without the keyring can put one.
func TestTombstones(t *testing.T) {
	h := newHouse(t)
	a, b := someAccount(1), someAccount(1)
	put := func(a snapshot.Account) {
		t.Helper()
		if err := h.writer.Put(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	put(a)
	put(b)
	h.reader.Start()
	<-h.reader.Replayed()
	knows := func(r *snapshot.Reader, a snapshot.Account) bool {
		_, k := r.ByKey(a.Keys[0].Hash)
		return k != nil
	}
	if !knows(h.reader, a) || h.reader.Revoked(a.Keys[0].ID, a.Keys[0].Hash) {
		t.Fatal("the control: both keys are known first")
	}
	if hashes, _ := h.reader.KeyByID(a.Keys[0].ID); len(hashes) != 1 || hashes[0] != a.Keys[0].Hash {
		t.Errorf("by id: %v", hashes)
	}
	foreign, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.NewWriter(h.bucket, foreign.SealSnapshot).Revoke(t.Context(), snapshot.Tombstone{Key: b.Keys[0].ID, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	stone := snapshot.Tombstone{Key: a.Keys[0].ID, Hashes: []snapshot.Hash{a.Keys[0].Hash}, At: time.Now(), Record: "rec_x"}
	revoke := func(s snapshot.Tombstone) {
		t.Helper()
		if err := h.writer.Revoke(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	revoke(stone)
	eventually(t, "the key is refused", func() bool { return !knows(h.reader, a) })
	a.Version = 2 // an entry that still has the key
	put(a)
	byHash := snapshot.Tombstone{Hashes: []snapshot.Hash{b.Keys[0].Hash}, At: time.Now(), Settled: true}
	if !knows(h.reader, b) || h.reader.Damaged() != 1 {
		t.Error("somebody else's tombstone is believed")
	}
	revoke(byHash)
	eventually(t, "the other key is refused by its hash", func() bool { return !knows(h.reader, b) })

	fresh := snapshot.NewReader(h.bucket, h.keys.OpenSnapshot, slog.New(slog.DiscardHandler))
	fresh.Start()
	defer fresh.Stop()
	<-fresh.Replayed()
	for _, r := range []*snapshot.Reader{h.reader, fresh} {
		if knows(r, a) || knows(r, b) || !r.Revoked(a.Keys[0].ID, snapshot.Hash{}) || !r.Revoked(account.KeyID{}, a.Keys[0].Hash) || r.Revoked(b.Keys[0].ID, snapshot.Hash{}) {
			t.Error("a door does not know what was revoked")
		}
		open := r.Tombstones(func(s *snapshot.Tombstone) bool { return !s.Settled })
		if len(open) != 1 || open[0].Key != stone.Key || open[0].Record != "rec_x" {
			t.Errorf("not settled: %+v", open)
		}
	}
	revoke(snapshot.Tombstone{Key: stone.Key, At: time.Now(), Settled: true}) // knows less, and is settled
	eventually(t, "it is settled", func() bool {
		all := h.reader.Tombstones(func(s *snapshot.Tombstone) bool { return s.Settled && s.Key == stone.Key })
		return len(all) == 1 && len(all[0].Hashes) == 1
	})
	if err := h.writer.Forget(t.Context(), stone); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what was forgotten is as before", func() bool { return knows(h.reader, a) && !knows(h.reader, b) })
}

func TestTombstonesThatCannotBe(t *testing.T) {
	h := newHouse(t)
	for _, s := range []snapshot.Tombstone{{}, {At: time.Now()}, {Key: account.NewKeyID()}} {
		if err := h.writer.Revoke(t.Context(), s); err == nil {
			t.Errorf("%+v was put", s)
		}
	}
}

func FuzzTombstone(f *testing.F) {
	whole := snapshot.Tombstone{Key: account.NewKeyID(), Hashes: []snapshot.Hash{{1}}, At: time.UnixMicro(1).UTC()}
	text, _ := json.Marshal(whole)
	f.Add(whole.Name(), string(text))
	f.Add("revoked/x", "{}")
	f.Add("revoked/", `{"hashes":["AA"]}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		plain := func(string, []byte) ([]byte, error) { return []byte(text), nil }
		s, err := snapshot.OpenTombstone(name, nil, plain)
		if err != nil {
			return
		}
		again, _, err := snapshot.SealTombstone(*s, func(_ string, b []byte) []byte { return b })
		if err != nil || again != name || !strings.HasPrefix(name, "revoked/") {
			t.Errorf("%q became %q, %v", name, again, err)
		}
	})
}
