package mover

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func dump(t *testing.T, o store.Options) (data, keys bytes.Buffer, all []TableCount) {
	t.Helper()
	all, err := Dump(t.Context(), o, Header{At: time.Unix(1_800_000_000, 0).UTC(), Twin: "x"}, &data, &keys)
	if err != nil {
		t.Fatal(err)
	}
	return data, keys, all
}

func fillFrom(t *testing.T, o store.Options, skip Skip, parts ...[]byte) (all []TableCount, skipped int64) {
	t.Helper()
	for _, p := range parts {
		_, r, err := ReadHeader(bytes.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		n, out, err := Fill(t.Context(), o, r, skip)
		if err != nil {
			t.Fatal(err)
		}
		all, skipped = append(all, n...), skipped+out
	}
	return all, skipped
}

// Every table, with every odd value, goes out of either engine and into either,
// and is the same.
func TestADumpIsTheSameInEveryEngine(t *testing.T) {
	s := newSource(t)
	m := open(t, s, storetest.EmptyPostgres(t))
	s.fill(t, m, 20)
	// PostgreSQL is read account by account, by those there are.
	for _, a := range s.accounts {
		s.exec(t, `INSERT OR IGNORE INTO account (account_id, name, default_region, created_at) VALUES (?, 'x', 'GB', 1)`, a)
	}
	lite := store.Options{Path: s.path}
	data, keys, want := dump(t, lite)
	var rows int64
	for _, n := range want {
		rows += n.Rows
	}
	if rows < 500 || len(want) != len(store.Tables()) {
		t.Fatalf("only %d rows in %d tables", rows, len(want))
	}
	for name, to := range map[string]store.Options{"sqlite": storetest.SQLiteOptions(t), "postgres": storetest.PostgresOptions(t)} {
		all, skipped := fillFrom(t, to, Skip{}, data.Bytes(), keys.Bytes())
		if !slices.Equal(all, want) || skipped != 0 {
			t.Errorf("%s: was read otherwise", name)
		}
		if _, _, got := dump(t, to); !slices.Equal(got, want) {
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%s: %v, not %v", name, got[i], want[i])
				}
			}
		}
	}
	for _, n := range KeyPart() {
		if bytes.Contains(data.Bytes(), []byte(`"name":"`+n+`"`)) {
			t.Errorf("the data's part has the table %s", n)
		}
	}

	none := storetest.SQLiteOptions(t)
	all, skipped := fillFrom(t, none, Skip{Account: func(id []byte) bool { return bytes.Equal(id, s.accounts[0]) }}, data.Bytes(), keys.Bytes())
	if _, _, got := dump(t, none); skipped == 0 || slices.Equal(got, all) {
		t.Error("an account that is gone came back")
	}
}

func TestADumpThatIsNotWholeIsRefused(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	s := &source{path: o.Path}
	db, err := store.OpenForFill(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	for range 3 {
		s.exec(t, `INSERT INTO account (account_id, name, default_region, created_at) VALUES (?, 'Example', 'GB', 1)`, id())
	}
	db.Close()
	data, _, _ := dump(t, o)
	read := func(b []byte) error {
		_, r, err := ReadHeader(bytes.NewReader(b))
		if err != nil {
			return err
		}
		return r.Each(func(string, []string) error { return nil }, func([]any) error { return nil }, func(TableCount) error { return nil })
	}
	if err := read(data.Bytes()); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 5, 30, data.Len() / 2, data.Len() - 1} {
		if err := read(data.Bytes()[:cut]); !errors.Is(err, ErrNoDump) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	changed := bytes.Replace(data.Bytes(), []byte("Example"), []byte("Exbmple"), 1)
	if err := read(changed); !errors.Is(err, ErrNoDump) {
		t.Errorf("changed: %v", err)
	}
	if _, _, err := ReadHeader(bytes.NewReader([]byte("something else altogether"))); !errors.Is(err, ErrNoDump) {
		t.Errorf("something else: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	o := store.Options{Path: filepath.Join(f.TempDir(), "f.db")}
	if _, _, err := store.Migrate(f.Context(), o); err != nil {
		f.Fatal(err)
	}
	var data, keys bytes.Buffer
	if _, err := Dump(f.Context(), o, Header{}, &data, &keys); err != nil {
		f.Fatal(err)
	}
	f.Add(data.Bytes())
	f.Add(keys.Bytes())
	f.Add([]byte(dumpMagic + "H\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, r, err := ReadHeader(bytes.NewReader(b))
		if err != nil {
			return
		}
		width := 0
		_ = r.Each(func(_ string, columns []string) error { width = len(columns); return nil }, func(row []any) error {
			if len(row) != width {
				t.Fatalf("a row of %d in a table of %d", len(row), width)
			}
			return nil
		}, func(TableCount) error { return nil })
	})
}
