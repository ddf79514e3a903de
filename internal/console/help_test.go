package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/caller"
	"catchment/internal/console"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/events"
	"catchment/internal/files"
	"catchment/internal/filing"
	"catchment/internal/insight"
	"catchment/internal/intake"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/keyring"
	"catchment/internal/keyring/keyringtest"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/page"
	"catchment/internal/privacy"
	"catchment/internal/publish"
	"catchment/internal/receipt"
	"catchment/internal/routing"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
	"catchment/internal/web"
	"catchment/internal/web/webtest"
	"catchment/internal/webhook"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// house is a running console over one database.
type house struct {
	*testing.T
	db      *store.DB
	dir     *directory.Directory
	ring    *directorytest.Ring
	door    *signintest.Desk
	letters courier.Outbox
	router  *routing.Router
	runner  *jobs.Runner
	places  *events.Sequencer
	events  *events.Log
	insight *insight.Insight
	watcher *insight.Watcher
	bucket  files.Bucket // of public pictures
	filing  *filing.Filing

	behind     error // what intake answers to who waits for it
	recordKeys receipt.Keys
	api        *web.API
	url        string
	at         atomic.Pointer[netip.Addr] // where requests come from; nil: from where they do
	ahead      atomic.Int64               // how much the clock of routing and its jobs was moved, in nanoseconds
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, open(t, db)) })
}

func open(t *testing.T, db *store.DB) *house {
	t.Helper()
	return openAt(t, db, t.TempDir())
}

// openAt has its pictures in the bucket there.
func openAt(t *testing.T, db *store.DB, bucket string) *house {
	t.Helper()
	h := &house{T: t, db: db}
	ring := directorytest.Open(t, db)
	log, waker := slog.New(slog.DiscardHandler), &jobstest.Waker{}
	h.events = events.NewLog(waker)
	list := jobs.NewList(waker)
	h.router = routing.New(routing.Options{DB: db, Jobs: list, Events: h.events, Now: h.now})
	h.runner = jobs.NewRunner(db, list, log, jobs.RunnerOptions{})
	h.router.Register(h.runner)
	h.places = events.NewSequencer(db, waker, log)
	h.insight = insight.New(db, events.NewFeed(db, waker, log), log)
	h.watcher = insight.NewWatcher(insight.WatcherOptions{DB: db, Jobs: list, Events: h.events, Now: h.now})
	h.watcher.Register(h.runner)
	h.insight.Tell(h.watcher)
	h.dir = directory.New(directory.Options{DB: db, Keys: ring, Waker: waker})
	t.Cleanup(h.dir.Close)
	h.door = signintest.New(t, db, h.dir, ring)
	mail := courier.New(courier.Options{Carrier: &h.letters})
	t.Cleanup(mail.Close)
	h.recordKeys = recordKeys(ring)
	h.api = web.New(web.Options{DB: db, Auth: h.dir, Version: "test"})
	h.ring = ring
	gone, err := ledger.Open(ledger.Options{Path: filepath.Join(t.TempDir(), "deleted.log")})
	h.ok(err)
	t.Cleanup(func() { _ = gone.Close() })
	taking := intake.New(intake.Options{DB: db, Accounts: ring.Accounts, Opener: keyring.NewDropOpener(), Jobs: list, Events: h.events})
	unread := func(ctx context.Context, s account.Scope, about lead.PersonID, entries []people.Entry) (out []lead.EnquiryID, err error) {
		found, _, err := taking.Unread(ctx, s, privacy.Actor, "erasure", about.String(), entries)
		for _, u := range found {
			out = append(out, u.Enquiry)
		}
		return out, err
	}
	erasing := privacy.New(privacy.Options{DB: db, Jobs: list, Events: h.events, Accounts: ring.Accounts, Ledger: gone, Unread: unread, Taken: func(context.Context) error { return h.behind }, Grants: keyring.NewGrants(ring.Keyring, keyringtest.NewSafe())})
	erasing.Register(h.runner)
	h.bucket, err = files.Open(t.Context(), bucket, files.Options{})
	h.ok(err)
	pictures := filing.New(filing.Options{DB: db, Bucket: h.bucket, Dir: filepath.Join(t.TempDir(), "arriving")})
	pictures.Register(h.runner)
	h.filing = pictures
	console.New(console.Parts{API: h.api, DB: db, Directory: h.dir, Signin: h.door.Signin, Routing: h.router, Watcher: h.watcher, Events: h.events, PublicURL: "https://leads.example",
		Images: publish.NewImages(list, h.events), Filing: pictures, FilesRoom: 60 << 20, FilesURL: "https://files.example.net",
		Replayer: taking,
		Mail:     mail, Opener: ring.Opener(), Privacy: erasing, Webhooks: webhook.New(webhook.Options{DB: db, Accounts: ring.Accounts, Bell: alarm.Bell{Events: h.events}}), EndProof: func(account.ID) string { return "proof" }, Ended: func(account.ID) (string, bool) { return "", false }, Tree: tree(t, db, ring)})
	page.New(pictures).Register(h.api.Mux())
	server := httptest.NewServer(h.gate(web.Wrap(h.api.Mux(), log)))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// gate stands in for the gate house, which knows where requests come from.
func (h *house) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at := h.at.Load(); at != nil {
			r = r.WithContext(caller.With(r.Context(), *at))
		}
		next.ServeHTTP(w, r)
	})
}

// goTo has all requests come from that address from now on.
func (h *house) goTo(addr string) { h.at.Store(new(netip.MustParseAddr(addr))) }

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// settle runs all jobs that are due.
func (h *house) settle() {
	h.Helper()
	_, err := h.runner.Drain(h.Context(), h.now())
	h.ok(err)
}

// count has insight count all that happened.
func (h *house) count() {
	h.Helper()
	_, err := h.places.PlaceOnce(h.Context())
	h.ok(err)
	h.ok(h.insight.Catch(h.Context()))
	h.ok(h.insight.CatchFigures(h.Context()))
}

// company is an account with an admin who is signed in.
type company struct {
	*house
	scope account.Scope
	admin *visitor
}

func (h *house) company() *company {
	h.Helper()
	made, err := h.dir.Create(h.Context(), directory.NewAccount{Name: "Example Homes", DefaultRegion: "GB", AdminName: "Ana Example",
		AdminPhone: vault.Hide("+442079460100"), AdminEmail: vault.Hide(lead.NewID().String() + "@example.com")})
	h.ok(err)
	in := h.door.Redeem(made.Link)
	c := &company{house: h, scope: in.Scope}
	c.admin = &visitor{company: c, id: made.Admin.String(), token: in.Token}
	return c
}

// visitor is a client with a credential.
type visitor struct {
	*company
	id    string
	token string
}

// user makes somebody of the role and signs them in.
func (c *company) user(role account.Role) *visitor {
	c.Helper()
	v := &visitor{company: c}
	var link string
	c.write(func(tx *store.Tx) error {
		m, l, err := c.dir.CreateMember(tx, directory.NewMember{Name: "Sam Example", Role: role, Email: vault.Hide(lead.NewID().String() + "@example.com")})
		c.ok(err)
		v.id, link = m.ID.String(), l
		return nil
	})
	v.token = c.door.Redeem(link).Token
	return v
}

func (c *company) key(role account.Role) *visitor {
	c.Helper()
	v := &visitor{company: c}
	c.write(func(tx *store.Tx) (err error) {
		v.token, _, err = c.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: role})
		return err
	})
	return v
}

func (c *company) write(f func(*store.Tx) error) {
	c.Helper()
	c.ok(c.db.Write(c.Context(), c.scope, f))
}

func (c *company) read(f func(*store.Tx) error) {
	c.Helper()
	c.ok(c.db.Read(c.Context(), c.scope, f))
}

// shop is a project with a source and a pool, made through the API.
type shop struct{ project, source string }

func (c *company) shop() shop {
	c.Helper()
	p := c.admin.post("/v1/projects", map[string]any{"name": "Harbour Lofts"}).want(c, 201).str("id")
	s := c.admin.post("/v1/sources", map[string]any{"project_id": p, "name": "Web form"}).want(c, 201).str("id")
	c.admin.ask("PUT", "/v1/projects/"+p+"/pool", map[string]any{}).want(c, 200)
	return shop{p, s}
}

// arrive adds a waiting lead as intake writes it, and has it routed.
func (c *company) arrive(s shop) lead.ID {
	c.Helper()
	project, _ := account.ParseProjectID(s.project)
	source, _ := account.ParseSourceID(s.source)
	id, enquiry, now := lead.NewID(), lead.NewEnquiryID(), store.Clock(time.Now())
	c.write(func(tx *store.Tx) error {
		stages, err := c.dir.Stages(tx)
		c.ok(err)
		l := leads.Lead{ID: id, Person: lead.NewPersonID(), Project: project, Source: source, Stage: stages[0].ID, Category: lead.New,
			RouteState: lead.Waiting, WaitingAt: now, Enquiries: 1, CreatedAt: now, EnquiredAt: now}
		if _, err := leads.AddLeads(tx, []*leads.Lead{&l}); err != nil {
			return err
		}
		e := leads.Enquiry{ID: enquiry, Lead: id, Person: l.Person, Project: project, Source: source, State: lead.Attached, ReceivedAt: now, CreatedAt: now}
		if _, err := leads.AddEnquiries(tx, []*leads.Enquiry{&e}); err != nil {
			return err
		}
		c.events.Emit(tx, events.Event{Kind: events.EnquiryAttached, At: now, Lead: id, Enquiry: enquiry, Project: project, Source: source},
			events.Event{Kind: events.LeadCreated, At: now, Lead: id, Enquiry: enquiry, Project: project, Source: source})
		return c.router.Wanted(tx, project, now)
	})
	c.settle()
	return id
}

// answer is a reply as a client sees it.
type answer struct {
	status int
	text   string
	body   map[string]any
	reply  webtest.Reply // the same
}

func (a answer) str(name string) string { s, _ := a.body[name].(string); return s }

func (a answer) list(name string) []map[string]any { return a.reply.List(name) }

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
	return answer{r.Status, r.Text, r.Body, r}
}

func (v *visitor) get(path string, header ...string) answer {
	v.Helper()
	return v.ask("GET", path, nil, header...)
}

func (v *visitor) post(path string, body any, header ...string) answer {
	v.Helper()
	return v.ask("POST", path, body, header...)
}
