package proof

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/journal"
	"catchment/internal/keyring/keyringtest"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// The control of the proof "sealed": with the Sealer that leaves the text in
// clear, which exists in tests alone, the same search must find what went
// through the real journal and the real databases.
func TestSearchFindsWhatIsNotSealed(t *testing.T) {
	c := &cage{}
	v := c.visitor(1)
	s, err := newSearcher(c.canaries)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("journal", func(t *testing.T) {
		dir := t.TempDir()
		clearJournal(t, dir, v)
		expect(t, s, dir, "name", "phone", "e-mail", "message", "custom field", "query string")
	})
	t.Run("sqlite", func(t *testing.T) {
		o := storetest.SQLiteOptions(t)
		clearPerson(t, o, v)
		expect(t, s, filepath.Dir(o.Path), "name", "phone", "e-mail")
	})
	t.Run("postgres", func(t *testing.T) {
		o := storetest.PostgresOptions(t)
		clearPerson(t, o, v)
		expect(t, s, clusterFolder(t, o), "name", "phone", "e-mail")
	})
}

func clearJournal(t *testing.T, dir string, v visitor) {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), MaxBytes: 1 << 28, Watermark: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(v.lead("web"))
	if err != nil {
		t.Fatal(err)
	}
	box, data, err := keyringtest.ClearSealer{}.Seal(account.NewID(), body, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), journal.Entry{Box: box, Data: data}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func clearPerson(t *testing.T, o store.Options, v visitor) {
	t.Helper()
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	id := lead.NewPersonID()
	key := keyringtest.ClearSubject{Whose: vault.Subject(id.UUID())}
	seal := func(f vault.Field, text string) []byte { return key.Seal(people.Place(id, f), vault.Hide(text)).Data }
	err = db.Write(t.Context(), storetest.Account(), func(tx *store.Tx) error {
		return people.Add(tx, []people.New{{ID: id, Name: seal(vault.Name, v.name), Phone: seal(vault.Phone, v.phone), Email: seal(vault.Email, v.email),
			CreatedAt: time.Now(), KeysetVersion: 1, WrappedKey: []byte("wrapped")}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// clusterFolder finds the scratch cluster's folder by its port.
func clusterFolder(t *testing.T, o store.Options) string {
	t.Helper()
	db, err := openURL(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var dir string
	for _, text := range []string{`CHECKPOINT`, `SHOW data_directory`} {
		if text == `CHECKPOINT` {
			_, err = db.ExecContext(t.Context(), text)
		} else {
			err = db.QueryRowContext(t.Context(), text).Scan(&dir)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.ReadDir(dir); err != nil {
		t.Skipf("the database's files cannot be read: %v", err)
	}
	return dir
}

func expect(t *testing.T, s *searcher, dir string, kinds ...string) {
	t.Helper()
	got, err := s.tree(dir, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if !slices.ContainsFunc(got.hits, func(h hit) bool { return h.kind == kind }) {
			t.Errorf("the %s stands there in clear and was not found in %d files of %d bytes", kind, got.files, got.bytes)
		}
	}
}
