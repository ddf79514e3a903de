package signin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/clocktest"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/events"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/keyring"
	"catchment/internal/outward"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.MainStrict(m) }

type house struct {
	*testing.T
	db      *store.DB
	dir     *directory.Directory
	door    *signin.Signin
	outbox  *courier.Outbox
	events  *events.Log
	keys    *directorytest.Ring
	clock   *clocktest.Clock
	waker   *jobstest.Waker
	changed int
	records []string
	inside  []netip.Prefix // where providers may stand
	names   *signintest.DNS
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
		h := &house{T: t, db: db, clock: clocktest.At(store.Clock(time.Now())), waker: &jobstest.Waker{}, inside: outward.Everywhere, names: signintest.NewDNS(t)}
		h.keys = directorytest.Join(k, db)
		h.events = events.NewLog(h.waker)
		h.outbox = &courier.Outbox{}
		h.dir = h.node()
		h.door = h.desk(h.dir)
		f(h)
	})
}

// node is a directory on the same database.
func (h *house) node() *directory.Directory {
	d := directory.New(directory.Options{DB: h.db, Keys: h.keys, Waker: h.waker, Now: h.clock.Now,
		Changed: func(*store.Tx) error { h.changed++; return nil },
		Record: func(_ *store.Tx, _ time.Time, _, action, _ string) error {
			h.records = append(h.records, action)
			return nil
		}})
	h.Cleanup(d.Close)
	return d
}

// desk is where people sign in to a directory.
func (h *house) desk(d *directory.Directory) *signin.Signin {
	return h.deskAt(d, h.clock)
}

// deskAt is one with a clock of its own.
func (h *house) deskAt(d *directory.Directory, c *clocktest.Clock) *signin.Signin {
	phones := courier.New(courier.Options{Carrier: h.outbox})
	s := signin.New(signin.Options{DB: h.db, Directory: d, Keys: h.keys, Now: c.Now, Courier: phones, Host: "leads.example.com",
		Opener: h.keys.Opener(), Events: h.events,
		SSO: signin.SSO{Accounts: h.keys.Accounts, PublicURL: "https://leads.example.com", Names: outward.Resolver(h.names.Address), Inside: h.inside}})
	h.Cleanup(phones.Close)
	h.Cleanup(s.Close)
	return s
}

// user makes somebody of the account, with a phone, who has not come yet.
func (h *house) user(s account.Scope, role account.Role, phone string) (id account.UserID, link string) {
	h.Helper()
	h.write(s, func(tx *store.Tx) error {
		m, l, err := h.dir.CreateMember(tx, directory.NewMember{Name: "Sam Example", Role: role, Phone: vault.Hide(phone),
			Email: vault.Hide(account.NewUserID().String() + "@example.com")})
		if err == nil {
			id, link = m.ID, l
		}
		return err
	})
	return id, link
}

// ask asks for a code, which has to be granted.
func (h *house) ask(phone string) signin.Flow {
	h.Helper()
	f, err := h.door.AskCode(h.Context(), here, phone)
	if err != nil {
		h.Fatal(err)
	}
	return f
}

// settle returns when it is decided of each code whether it goes out.
func (h *house) settle() {
	h.Helper()
	h.until("the codes are settled", h.door.Settled)
}

// code is the newest message's, once there are n of them.
func (h *house) code(n int) string {
	h.Helper()
	h.until("the message is there", func() bool { return len(h.outbox.Items()) >= n })
	return h.outbox.Items()[0].Code
}

func (h *house) until(what string, f func() bool) {
	h.Helper()
	for i := 0; !f(); i++ {
		if i > 4000 {
			h.Fatalf("not in 20 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// wrong is a code that is not the given one.
func wrong(code string, n int) string {
	v, _ := strconv.Atoi(code)
	return fmt.Sprintf("%06d", (v+1+n)%1_000_000)
}

// counts adds up, after a flush, what the account's record (nil: the
// platform's) says of an action, by its reason.
func (h *house) counts(s *account.Scope, action string) map[string]int {
	h.Helper()
	if err := h.door.Flush(h.Context()); err != nil {
		h.Fatal(err)
	}
	var list []audit.Record
	read := func(err error) {
		h.Helper()
		if err != nil {
			h.Fatal(err)
		}
	}
	if s == nil {
		read(h.db.ReadDirectory(h.Context(), func(d *store.Dir) (err error) {
			list, err = audit.ListPlatform(d, audit.Filter{Action: action}, audit.Place{}, 500)
			return err
		}))
	} else {
		read(h.db.Read(h.Context(), *s, func(tx *store.Tx) (err error) {
			list, err = audit.List(tx, audit.Filter{Action: action}, audit.Place{}, 500)
			return err
		}))
	}
	out := map[string]int{}
	for _, r := range list {
		d := struct {
			Count int
			Why   string
		}{Count: 1}
		_ = json.Unmarshal(r.Detail, &d)
		out[d.Why] += d.Count
	}
	return out
}

// here is where the tests' people sit.
var here = signin.Client{Address: netip.MustParseAddr("192.0.2.44"), Agent: "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"}

const password = "correct horse battery"

// company makes an account whose admin has signed in. They have no phone.
func (h *house) company(email string) (account.Scope, signin.SignedIn) {
	h.Helper()
	return h.companyOn(email, "")
}

// companyOn is one whose admin has a phone.
func (h *house) companyOn(email, phone string) (account.Scope, signin.SignedIn) {
	h.Helper()
	c, err := h.dir.Create(h.Context(), directory.NewAccount{Name: "Harbour View Homes", DefaultRegion: "gb", AdminName: "Priya",
		AdminPhone: vault.Hide(phone), AdminEmail: vault.Hide(email)})
	if err != nil {
		h.Fatal(err)
	}
	in, err := h.door.Redeem(h.Context(), here, c.Link, password)
	if err != nil {
		h.Fatal(err)
	}
	return admit.To(c.Account), in
}

func (h *house) write(s account.Scope, f func(tx *store.Tx) error) {
	h.Helper()
	if err := h.db.Write(h.Context(), s, f); err != nil {
		h.Fatal(err)
	}
}

// record lists the actions on the account's record, newest first.
// What is only counted, and written every few seconds, is left out: see counts.
func (h *house) record(s account.Scope) (out []string) {
	h.Helper()
	h.write(s, func(tx *store.Tx) error {
		list, err := audit.List(tx, audit.Filter{}, audit.Place{}, 100)
		for _, r := range list {
			if r.Actor != "system:signin" {
				out = append(out, r.Action)
			}
		}
		return err
	})
	return out
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

// memberEmail gives somebody an address of their own, and says which.
func memberEmail(email *string) directory.MemberChange {
	*email = account.NewUserID().String() + "@example.com"
	return directory.MemberChange{Email: new(vault.Hide(*email))}
}
