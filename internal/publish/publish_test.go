package publish_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/publish"
	"catchment/internal/rights"
	"catchment/internal/snapshot"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/published"
	"catchment/internal/store/setup"
	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

type house struct {
	db     *store.DB
	list   *jobs.List
	pub    *publish.Publisher
	bucket snapshot.Bucket
	reader *snapshot.Reader
	keys   map[account.ID]*keyring.AccountKeys
	ring   *keyring.Keyring
	all    []account.Scope

	project account.ProjectID
	source  account.SourceID
	key     account.KeyID
}

var keyHash = sha256.Sum256([]byte("cpk_example"))

func newHouse(t *testing.T, db *store.DB) *house {
	t.Helper()
	ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(t.Context(), journal.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Watermark: 1 << 20, MaxBytes: 1 << 28})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	b, err := j.Bucket(t.Context(), "snapshot")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{db: db, list: jobs.NewList(&jobstest.Waker{}), bucket: b, ring: ring, keys: map[account.ID]*keyring.AccountKeys{},
		project: account.NewProjectID(), source: account.NewSourceID(), key: account.NewKeyID()}
	h.all = append(h.all, h.add(t))
	h.all = append(h.all, h.add(t))
	h.pub = h.publisher(b, nil)
	h.reader = snapshot.NewReader(b, ring.OpenSnapshot, slog.New(slog.DiscardHandler))
	h.reader.Start()
	t.Cleanup(h.reader.Stop)
	return h
}

func (h *house) publisher(b snapshot.Bucket, now func() time.Time) *publish.Publisher {
	return publish.New(publish.Options{DB: h.db, Jobs: h.list, Writer: snapshot.NewWriter(b, h.ring.SealSnapshot), Now: now,
		Keys:     func(_ context.Context, id account.ID) (publish.Keys, error) { return h.keys[id], nil },
		Accounts: func(context.Context) ([]account.Scope, error) { return h.all, nil }})
}

// add makes an account; the first one gets a project, a source and a key.
func (h *house) add(t *testing.T) account.Scope {
	t.Helper()
	scope := storetest.Account()
	_, keys, err := h.ring.NewAccount(t.Context(), scope.Account())
	if err != nil {
		t.Fatal(err)
	}
	h.keys[scope.Account()] = keys
	h.write(t, scope, func(tx *store.Tx) error {
		return setup.AddAccount(tx, setup.Account{Name: "Example", DefaultRegion: "GB", CreatedAt: day})
	})
	if len(h.all) > 0 {
		return scope
	}
	h.write(t, scope, h.furnish)
	return scope
}

var day = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (h *house) furnish(tx *store.Tx) error {
	_, err1 := setup.AddProject(tx, setup.Project{ID: h.project, Slug: "harbour", Name: "Harbour", TimeZone: "Europe/London", Active: true, CreatedAt: day})
	_, err2 := setup.AddSource(tx, h.site("Site"))
	return errors.Join(err1, err2, access.AddKey(tx, access.Key{ID: h.key, Kind: snapshot.Publishable, Hash: keyHash, Tail: "mple",
		Sources: []account.SourceID{h.source}, Origins: []string{"https://example.com"}, CreatedAt: day, ExpiresAt: day.AddDate(14, 0, 0)}))
}

func (h *house) site(name string) setup.Source {
	return setup.Source{ID: h.source, Project: h.project, Slug: "site", Name: name, Kind: "form", NonPersonal: []string{"budget"},
		Mapping: map[string]string{"field_7": "person.phone"}, ThanksURL: "https://example.com/thanks", Active: true, CreatedAt: day}
}

func (h *house) write(t *testing.T, scope account.Scope, f func(*store.Tx) error) {
	t.Helper()
	if err := h.db.Write(t.Context(), scope, f); err != nil {
		t.Fatal(err)
	}
}

func (h *house) run(t *testing.T, ps ...*publish.Publisher) {
	t.Helper()
	for _, p := range ps {
		r := jobs.NewRunner(h.db, h.list, slog.New(slog.DiscardHandler), jobs.RunnerOptions{Poll: 20 * time.Millisecond})
		p.Register(r)
		r.Start()
		t.Cleanup(r.Stop)
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}

func TestSetUpReachesTheDoors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.run(t, h.pub)
		if err := h.pub.PublishAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		first, second := h.all[0].Account(), h.all[1].Account()
		eventually(t, "both accounts are known", func() bool { return h.reader.ByID(first) != nil && h.reader.ByID(second) != nil })
		a, k := h.reader.ByKey(keyHash)
		if a == nil || a.ID != first {
			t.Fatal("the key is not known")
		}
		if k.ID != h.key || k.Kind != snapshot.Publishable || !k.Serves(h.source) || len(k.Sources) != 1 || !k.Allows("https://example.com") || k.AnyOrigin || k.ExpiresAt.Year() != 2040 {
			t.Errorf("the key came as %+v", k)
		}
		s := a.Source("site")
		if s == nil || s.ID != h.source || s.Project != h.project || s.NonPersonal[0] != "budget" || s.Mapping["field_7"] != "person.phone" || !s.Active || s.ThanksURL == "" {
			t.Errorf("the source came as %+v", s)
		}
		if p := a.Project("harbour"); p == nil || p.ID != h.project || !p.Active || a.DefaultRegion != "GB" {
			t.Errorf("the project came as %+v", p)
		}
		if d := h.keys[first].DropBox(); a.DropBox.KeyID != d.KeyID || string(a.DropBox.Public) != string(d.Public) || len(a.CaptureIDKey) != 32 {
			t.Error("the drop box is not the account's")
		}
		if other := h.reader.ByID(second); len(other.Keys)+len(other.Sources)+len(other.Projects) != 0 {
			t.Error("the second account got something of the first")
		}

		next, late := sha256.Sum256([]byte("cpk_next")), sha256.Sum256([]byte("cpk_late"))
		h.write(t, h.all[0], func(tx *store.Tx) error {
			now := time.Now()
			rotated := access.Key{ID: h.key, Hash: keyHash, CreatedAt: day}
			if err := access.RotateKey(tx, rotated, late, "late", now, now.Add(time.Hour), k.ExpiresAt); err != nil {
				return err
			}
			rotated.Hash = late
			return errors.Join(access.RotateKey(tx, rotated, next, "next", now, now, k.ExpiresAt), h.pub.Changed(tx))
		})
		eventually(t, "the new text is known", func() bool { _, k := h.reader.ByKey(next); return k != nil && k.ID == h.key })
		if _, k := h.reader.ByKey(keyHash); k == nil || k.ID != h.key || time.Until(k.ExpiresAt) > time.Hour {
			t.Errorf("the old text within its overlap came as %+v", k)
		}
		if _, k := h.reader.ByKey(late); k != nil {
			t.Error("a text whose overlap is over is published")
		}

		start := time.Now()
		h.write(t, h.all[0], func(tx *store.Tx) error {
			return errors.Join(access.RevokeKey(tx, h.key, time.Now()), h.pub.Changed(tx))
		})
		eventually(t, "the revocation is known", func() bool { _, k := h.reader.ByKey(keyHash); return k == nil })
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("a revocation took %v", took)
		}
	})
}

// The doors learn what the role of a secret key may at capture, also when the
// account's own role changes.
func TestOwnRolesReachTheDoors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.run(t, h.pub)
		role := access.OwnRole{ID: account.NewRoleID(), Name: "Shop", Grants: rights.Definition{account.Capture: rights.All}, CreatedAt: day, ChangedAt: day}
		hash := sha256.Sum256([]byte("csk_shop"))
		h.write(t, h.all[0], func(tx *store.Tx) error {
			_, err := access.AddRole(tx, role)
			return errors.Join(err, access.AddKey(tx, access.Key{ID: account.NewKeyID(), Kind: snapshot.Secret, Role: account.Role(role.ID.String()), Hash: hash, Tail: "shop",
				CreatedAt: day, ExpiresAt: day.AddDate(14, 0, 0)}), h.pub.Changed(tx))
		})
		eventually(t, "the key may", func() bool { _, k := h.reader.ByKey(hash); return k != nil && k.MayCapture() })
		role.Grants = rights.Definition{account.ReadSetup: rights.All}
		h.write(t, h.all[0], func(tx *store.Tx) error { return errors.Join(access.SetRole(tx, role), h.pub.Changed(tx)) })
		eventually(t, "the key may not any more", func() bool { _, k := h.reader.ByKey(hash); return k != nil && !k.MayCapture() })
	})
}

// Many changes, two publishers: the doors end up with the last state.
func TestLastChangeWins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.run(t, h.pub, h.publisher(h.bucket, nil))
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := range 5 {
					name := string(rune('a'+i)) + string(rune('0'+n))
					h.write(t, h.all[0], func(tx *store.Tx) error { return errors.Join(setup.SetSource(tx, h.site(name)), h.pub.Changed(tx)) })
				}
			})
		}
		all.Wait()
		h.write(t, h.all[0], func(tx *store.Tx) error { return errors.Join(setup.SetSource(tx, h.site("last")), h.pub.Changed(tx)) })
		eventually(t, "the last name is known", func() bool {
			a := h.reader.ByID(h.all[0].Account())
			return a != nil && a.Source("site").Name == "last"
		})
		// A door that starts now finds the same in the bucket.
		fresh := snapshot.NewReader(h.bucket, h.ring.OpenSnapshot, slog.New(slog.DiscardHandler))
		fresh.Start()
		defer fresh.Stop()
		<-fresh.WhenReady()
		if got := fresh.ByID(h.all[0].Account()).Source("site").Name; got != "last" {
			t.Errorf("a new door reads %q", got)
		}
	})
}

func TestVersionsGrow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		scope, other := storetest.Account(), storetest.Account()
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		next := func(s account.Scope, now time.Time) (v int64) {
			if err := db.Write(t.Context(), s, func(tx *store.Tx) (err error) { v, err = published.Next(tx, "x", now); return err }); err != nil {
				t.Fatal(err)
			}
			return v
		}
		first := next(scope, at)
		if back := next(scope, at.Add(-time.Hour)); back != first+1 {
			t.Errorf("a clock that went back gave %d after %d", back, first)
		}
		if later := next(scope, at.Add(time.Hour)); later != at.Add(time.Hour).UnixMicro() {
			t.Errorf("the version is %d", later)
		}
		if got := next(other, at); got != first {
			t.Errorf("another account's version is %d, want its own %d", got, first)
		}
	})
}

// away is a bucket whose Put fails at first.
type away struct {
	snapshot.Bucket
	fails atomic.Int64
}

func (a *away) Put(ctx context.Context, key string, value []byte) error {
	if a.fails.Add(-1) >= 0 {
		return errors.New("away")
	}
	return a.Bucket.Put(ctx, key, value)
}

func TestPublishingIsRepeatedUntilItSucceeds(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	b := &away{Bucket: h.bucket}
	b.fails.Store(2)
	p := h.publisher(b, nil)
	h.run(t, p)
	h.write(t, h.all[0], p.Changed)
	eventually(t, "published after two failures", func() bool { return h.reader.ByID(h.all[0].Account()) != nil })
}
