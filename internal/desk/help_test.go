package desk_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/desk"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/events"
	"catchment/internal/files"
	"catchment/internal/filing"
	"catchment/internal/followup"
	"catchment/internal/intake"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/notify"
	"catchment/internal/notify/notifytest"
	"catchment/internal/routing"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
	"catchment/internal/web"
	"catchment/internal/web/webtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// doors is a running server over one database.
type doors struct {
	*testing.T
	filing *filing.Filing
	bucket files.Bucket
	db     *store.DB
	ring   *directorytest.Ring
	list   *jobs.List
	router *routing.Router
	desk   *desk.Desk
	api    *web.API
	url    string
	dir    *directory.Directory
	door   *signintest.Desk
	emits  *events.Log
	notify *notify.Notifier
	closed atomic.Int64 // connections that the server gave up
	mute   atomic.Bool  // the record cannot be written
	forget atomic.Bool  // it is not written, and nobody notices
	heard  atomic.Pointer[func(keyring.Opening)]
	runner *jobs.Runner
	ahead  atomic.Int64 // how far routing's clock is ahead, see pass
}

func open(t *testing.T, db *store.DB) *doors {
	t.Helper()
	return openTo(t, db)
}

// openTo is open, with pushes to these services.
func openTo(t *testing.T, db *store.DB, services ...*notifytest.Service) *doors {
	t.Helper()
	d := &doors{T: t, db: db}
	d.ring = directorytest.Open(t, db)
	log, waker := slog.New(slog.DiscardHandler), &jobstest.Waker{}
	emits := events.NewLog(waker)
	d.emits = emits
	d.list = jobs.NewList(waker)
	d.router = routing.New(routing.Options{DB: db, Jobs: d.list, Events: emits, Now: d.now})
	runner := jobs.NewRunner(db, d.list, log, jobs.RunnerOptions{})
	d.router.Register(runner)
	d.runner = runner
	places := events.NewSequencer(db, waker, log)
	places.Start()
	t.Cleanup(places.Stop)
	d.dir = directory.New(directory.Options{DB: db, Keys: d.ring, Waker: waker, Record: onRecord,
		PushesEnded: func(tx *store.Tx, user account.UserID) error { return d.notify.Wiped(tx, user) },
		DeviceEnded: func(tx *store.Tx, at time.Time, user account.UserID, id account.DeviceID, why string) error {
			emits.Emit(tx, events.Event{Kind: events.DeviceRevoked, At: at, User: user, Data: map[string]any{"device_id": id, "reason": why}})
			return nil
		}})
	t.Cleanup(d.dir.Close)
	hosts := courier.PushHosts{}
	for _, s := range services {
		hosts = append(hosts, s.Host())
	}
	d.notify = notify.New(notify.Options{DB: db, Jobs: d.list, Carrier: courier.NewWebPush(hosts, d.ring.PushKey(), contact), Opener: d.opener(),
		TokenMAC: d.ring.TokenMAC, Pushed: d.router.Pushed, Acked: d.router.Acked,
		Seal: func(tx *store.Tx, u account.UserID) (func(vault.Binding, vault.Personal) vault.Sealed, error) {
			return d.dir.SealerOf(tx, u)
		}})
	t.Cleanup(d.notify.Close)
	d.notify.Register(runner)
	bucket, err := files.Open(t.Context(), t.TempDir(), files.Options{})
	d.ok(err)
	d.filing = filing.New(filing.Options{DB: db, Bucket: bucket, Dir: filepath.Join(t.TempDir(), "arriving")})
	d.bucket = bucket
	d.filing.Register(runner)
	runner.Start()
	t.Cleanup(runner.Stop)
	d.door = signintest.New(t, db, d.dir, d.ring, emits)
	d.api = web.New(web.Options{DB: db, Auth: d.dir, Version: "test"})
	d.desk = desk.New(desk.Parts{
		API: d.api, DB: db, Directory: d.dir, Signin: d.door.Signin, Auth: d.dir, Routing: d.router, Followup: followup.New(emits, d.list, d.ring.Accounts),
		Filing: d.filing, FilesRoom: 60 << 20,
		Notify: d.notify, PushKey: d.ring.PushKey().Public(),
		Persons: intake.New(intake.Options{DB: db, Accounts: d.ring.Accounts, Jobs: d.list, Events: emits}),
		Opener:  d.opener(),
		SignReceipt: func(at time.Time, message []byte) ([]byte, string) {
			s := d.ring.ReceiptSignerAt(at)
			return s.Sign(message), s.KeyID
		},
		Feed:   events.NewFeed(db, waker, log),
		Timing: desk.Timing{Heartbeat: 100 * time.Millisecond, Recheck: 50 * time.Millisecond, Write: time.Second},
	})
	d.ok(d.api.ServeDocument())
	server := httptest.NewUnstartedServer(web.Wrap(d.api.Mux(), log))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			d.closed.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(d.desk.Close)
	d.url = server.URL
	return d
}

func onRecord(tx *store.Tx, at time.Time, actor, action, about string) error {
	return audit.Write(tx, at, audit.Entry{Actor: actor, Action: action, About: about})
}

func (d *doors) now() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }

// pass lets time pass for routing, and runs what falls due in it.
func (d *doors) pass(by time.Duration) {
	d.Helper()
	d.ahead.Add(int64(by))
	if _, err := d.runner.Drain(d.Context(), d.now()); err != nil {
		d.Error(err)
	}
}

func (d *doors) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// opener is one whose record cannot be written while the doors are mute, and
// is left out while they forget. What was written is heard.
func (d *doors) opener() *keyring.Opener {
	o := d.ring.Opener()
	write := o.Record
	o.Record = func(ctx context.Context, opening keyring.Opening) error {
		if d.mute.Load() {
			return store.ErrAway
		}
		if d.forget.Load() {
			return nil
		}
		err := write(ctx, opening)
		if f := d.heard.Load(); f != nil && err == nil {
			(*f)(opening)
		}
		return err
	}
	return o
}

// company is an account with a project, a source, stages and a pool.
type company struct {
	*doors
	scope   account.Scope
	keyset  *keyring.AccountKeys
	project account.ProjectID
	source  account.SourceID
	pool    account.PoolID
	stages  map[string]lead.StageID
}

func (d *doors) company() *company {
	d.Helper()
	made, err := d.dir.Create(d.Context(), directory.NewAccount{Name: "Example Homes", DefaultRegion: "GB", AdminName: "Ana Example",
		AdminEmail: vault.Hide(lead.NewID().String() + "@example.com")})
	d.ok(err)
	boss := d.door.Redeem(made.Link)
	c := &company{doors: d, scope: boss.Scope, stages: map[string]lead.StageID{}}
	c.keyset, err = d.ring.Accounts.Get(d.Context(), made.Account)
	d.ok(err)
	c.write(func(tx *store.Tx) error {
		p, err := d.dir.CreateProject(tx, directory.NewProject{Name: "Harbour Lofts", TimeZone: "UTC"})
		d.ok(err)
		s, err := d.dir.CreateSource(tx, directory.NewSource{Project: p.ID, Name: "Website form"})
		d.ok(err)
		c.project, c.source = p.ID, s.ID
		all, err := d.dir.Stages(tx)
		for _, s := range all {
			c.stages[s.Slug] = s.ID
		}
		d.ok(err)
		pool, err := d.router.CreatePool(tx, c.project, routing.PoolChange{}, "test", time.Now())
		c.pool = pool.ID
		return err
	})
	return c
}

const password = signintest.Password

func (c *company) must(ok bool, err error) {
	c.Helper()
	if err != nil || !ok {
		c.Fatal(ok, err)
	}
}

func (c *company) write(f func(*store.Tx) error) {
	c.Helper()
	c.ok(c.db.Write(c.Context(), c.scope, f))
}

// visitor is a client with a credential.
type visitor struct {
	*company
	id    account.UserID
	email string
	token string
}

// user makes somebody of the role and signs them in. Salespeople are in the
// pool, always on shift, and away.
func (c *company) user(role account.Role) *visitor {
	c.Helper()
	v := &visitor{company: c, email: lead.NewID().String() + "@example.com"}
	var link string
	c.write(func(tx *store.Tx) error {
		m, l, err := c.dir.CreateMember(tx, directory.NewMember{Name: "Sam Example", Role: role, TimeZone: "UTC", Email: vault.Hide(v.email)})
		c.ok(err)
		v.id, link = m.ID, l
		if role != account.Salesperson {
			return nil
		}
		c.ok(c.router.SetShifts(tx, v.id, routing.AlwaysOn(), "test", time.Now()))
		return c.router.SetMember(tx, c.pool, v.id, true, "test", time.Now())
	})
	v.token = c.door.Redeem(link).Token
	return v
}

// key makes a secret key of the role.
func (c *company) key(role account.Role) *visitor {
	c.Helper()
	v := &visitor{company: c}
	c.write(func(tx *store.Tx) (err error) {
		v.token, _, err = c.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: role})
		return err
	})
	return v
}

// patient has offers stand for an hour, so that none lapses while a test is slow.
func (c *company) patient() {
	c.Helper()
	c.write(func(tx *store.Tx) error {
		_, err := c.router.UpdatePool(tx, c.pool, routing.PoolChange{AcceptSeconds: new(int64(3600))}, "test", time.Now())
		return err
	})
}

func (v *visitor) presence(p account.Presence) {
	v.Helper()
	v.write(func(tx *store.Tx) error { _, err := v.router.Presence(tx, v.id, p, time.Now()); return err })
}

// arrived is a lead as intake writes it.
type arrived struct {
	lead    lead.ID
	enquiry lead.EnquiryID
	person  lead.PersonID
}

const (
	canaryName    = "Asha Canary"
	canaryPhone   = "+442079460123"
	canaryMessage = "Is the two-room flat still free?"
)

// texts are what is personal of somebody who arrives; a raw of "" was not kept.
type texts struct{ name, phone, email, message, custom, raw string }

var canary = texts{canaryName, canaryPhone, "asha@example.com", canaryMessage, `{"employer":"Example Ltd"}`, ""}

// arrive adds a person with a lead that waits, or one that the owner has.
func (c *company) arrive(owner account.UserID) arrived {
	c.Helper()
	return c.arriveAs(owner, canary)
}

func (c *company) arriveAs(owner account.UserID, is texts) arrived {
	c.Helper()
	a := arrived{lead.NewID(), lead.NewEnquiryID(), lead.NewPersonID()}
	wrapped, key := c.keyset.NewSubjectKey(vault.Subject(a.person.UUID()))
	seal := func(f vault.Field, s string) []byte { return key.Seal(people.Place(a.person, f), vault.Hide(s)).Data }
	now := store.Clock(time.Now())
	place := func(f vault.Field, s string) vault.Sealed {
		return key.Seal(leads.EnquiryPlace(a.enquiry, f), vault.Hide(s))
	}
	c.write(func(tx *store.Tx) error {
		c.ok(people.Add(tx, []people.New{{ID: a.person, Name: seal(vault.Name, is.name), Phone: seal(vault.Phone, is.phone),
			Email: seal(vault.Email, is.email), Country: "GB", CreatedAt: now, WrappedKey: wrapped}}))
		l := leads.Lead{ID: a.lead, Person: a.person, Project: c.project, Source: c.source, Stage: c.stages["new"], Category: lead.New,
			RouteState: lead.Waiting, WaitingAt: now, Enquiries: 1, CreatedAt: now, EnquiredAt: now}
		if _, err := leads.AddLeads(tx, []*leads.Lead{&l}); err != nil {
			return err
		}
		e := leads.Enquiry{ID: a.enquiry, Lead: a.lead, Person: a.person, Project: c.project, Source: c.source, State: lead.Attached,
			Attribution: `{"utm_source":"newsletter"}`, Custom: `{"rooms":"2"}`, Message: place(vault.Message, is.message),
			CustomSeal: place(vault.Custom, is.custom), Consent: place(vault.Consent, `{"given":true}`), ReceivedAt: now, CreatedAt: now}
		if _, err := leads.AddEnquiries(tx, []*leads.Enquiry{&e}); err != nil {
			return err
		}
		if sub := lead.NewSubmissionID(); is.raw != "" {
			raw := key.Seal(leads.SubmissionPlace(sub, vault.Raw), vault.Hide(is.raw))
			if _, err := leads.AddSubmissions(tx, []*leads.Submission{{ID: sub, Enquiry: a.enquiry, Person: a.person, Format: "json", Raw: raw, Stream: "s", Seq: 1, ReceivedAt: now}}); err != nil {
				return err
			}
		}
		if owner.IsZero() {
			return c.router.Wanted(tx, c.project, now)
		}
		c.must(leads.RouteClaim(tx, a.lead, owner, now))
		return leads.RouteAssign(tx, leads.Assignment{Lead: a.lead, User: owner, From: now, Reason: "accepted", By: owner.String()})
	})
	return a
}

// openings counts the entries on the record.
func (c *company) openings() (n int) {
	c.Helper()
	c.write(func(tx *store.Tx) error {
		list, err := audit.List(tx, audit.Filter{Action: "opened"}, audit.Place{}, 500)
		n = len(list)
		return err
	})
	return n
}

// answer is a reply as a client sees it.
type answer struct {
	status int
	head   http.Header
	text   string
	body   map[string]any
	reply  webtest.Reply // the same
}

func (a answer) items() []map[string]any { return a.reply.List("items") }

// code is the stable code of a problem, and its first field with that one's code.
func (a answer) code() string { return a.reply.Code() }

// want fails unless the answer has the status.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	a.reply.Want(t, status)
	return a
}

// ask sends a request; body is JSON text, or a value to encode; header pairs follow.
func (v *visitor) ask(method, path string, body any, header ...string) answer {
	v.Helper()
	r := webtest.Ask(v, v.token, method, v.url+path, body, header...)
	return answer{r.Status, r.Head, r.Text, r.Body, r}
}

func (v *visitor) get(path string, header ...string) answer {
	v.Helper()
	return v.ask(http.MethodGet, path, nil, header...)
}

func (v *visitor) post(path string, body any, header ...string) answer {
	v.Helper()
	return v.ask(http.MethodPost, path, body, header...)
}

// within calls f until it says true.
func within(t testing.TB, d time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", d, what)
		}
	}
}
