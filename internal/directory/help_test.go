package directory_test

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/clocktest"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.MainStrict(m) }

// graves are tombstones for all nodes of a test.
type graves struct {
	mu    sync.Mutex
	known bool
	list  []directory.Key
}

func (g *graves) set(known bool, list ...directory.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known, g.list = known, list
}

func (g *graves) buried() []directory.Key {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.list
}

func (g *graves) Bury(k directory.Key) { g.set(true, append(g.buried(), k)...) }

func (g *graves) Buried(id account.KeyID, hash [32]byte) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known {
		return false, problem.Busy("not_ready", time.Second, "Not known yet.")
	}
	return slices.ContainsFunc(g.list, func(k directory.Key) bool {
		return !id.IsZero() && k.ID == id || k.Hash == hash
	}), nil
}

type house struct {
	*testing.T
	db      *store.DB
	dir     *directory.Directory
	door    *signintest.Desk
	keys    *directorytest.Ring
	clock   *clocktest.Clock
	waker   *jobstest.Waker
	graves  *graves
	changed int
	records []string
}

var ring = sync.OnceValues(func() (*keyring.Keyring, error) {
	dir, err := os.MkdirTemp("", "catchment-directory-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // an open keyring needs no file
	return keyring.Open(keyring.Options{Dir: dir})
})

func each(t *testing.T, f func(h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		k, err := ring()
		if err != nil {
			t.Fatal(err)
		}
		h := &house{T: t, db: db, clock: clocktest.At(store.Clock(time.Now())), waker: &jobstest.Waker{}, graves: &graves{known: true}}
		h.keys = directorytest.Join(k, db)
		h.dir = h.node()
		h.door = signintest.New(t, db, h.dir, h.keys)
		f(h)
	})
}

// node is a directory on the same database.
func (h *house) node() *directory.Directory {
	d := directory.New(directory.Options{DB: h.db, Keys: h.keys, Waker: h.waker, Tombstones: h.graves, Now: h.clock.Now,
		Changed: func(*store.Tx) error { h.changed++; return nil },
		Record: func(_ *store.Tx, _ time.Time, _, action, _ string) error {
			h.records = append(h.records, action)
			return nil
		}})
	h.Cleanup(d.Close)
	return d
}

// company makes an account whose admin has signed in.
func (h *house) company(email string) (account.Scope, signin.SignedIn) {
	h.Helper()
	c, err := h.dir.Create(h.Context(), directory.NewAccount{Name: "Harbour View Homes", DefaultRegion: "gb", AdminName: "Priya",
		AdminPhone: vault.Hide("020 7946 0123"), AdminEmail: vault.Hide(email)})
	if err != nil {
		h.Fatal(err)
	}
	return admit.To(c.Account), h.door.Redeem(c.Link)
}

func (h *house) write(s account.Scope, f func(tx *store.Tx) error) {
	h.Helper()
	if err := h.db.Write(h.Context(), s, f); err != nil {
		h.Fatal(err)
	}
}

// refused checks the status and code of a refusal.
func (h *house) refused(err error, status int, code string) {
	h.Helper()
	p, ok := problem.Of(err)
	if !ok || p.Status != status || p.Code != code {
		h.Errorf("got %v, want %d %s", err, status, code)
	}
}

func (h *house) try(s account.Scope, f func(tx *store.Tx) error) error {
	return h.db.Write(h.Context(), s, f)
}

func (h *house) authenticates(d *directory.Directory, token string) bool {
	h.Helper()
	_, err := d.Authenticate(h.Context(), token)
	if p, ok := problem.Of(err); err != nil && (!ok || p.Status != http.StatusUnauthorized) {
		h.Errorf("%v", err)
	}
	return err == nil
}

var errBoom = errors.New("boom")
