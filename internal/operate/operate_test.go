package operate_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/concern"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/events"
	"catchment/internal/files"
	"catchment/internal/firewall"
	"catchment/internal/insight"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/keyring"
	"catchment/internal/keyring/keyringtest"
	"catchment/internal/limits"
	"catchment/internal/logbook"
	"catchment/internal/operate"
	"catchment/internal/privacy"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/setup"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
	"catchment/internal/web"
	"catchment/internal/web/webtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// platform is a running operator's door.
type platform struct {
	*testing.T
	dir     *directory.Directory
	door    *signintest.Desk
	db      *store.DB
	list    *jobs.List
	log     *events.Log
	ring    *directorytest.Ring
	privacy *privacy.Privacy
	api     *web.API

	concerns *concern.Concerns
	within   context.Context // of the pages' requests; nil: the test's

	runner  *jobs.Runner
	logs    files.Bucket  // where the log is kept
	later   time.Duration // the clock of approvals is so far ahead
	journal operate.Journal
	keys    operate.PlatformKeys
	wall    *operate.Firewall
	broken  error // of the journal
	url     string
	token   string
}

func sqlite(t *testing.T) *store.DB { return storetest.SQLite(t) }

func each(t *testing.T, f func(t *testing.T, p *platform)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, open(t, db)) })
}

func open(t *testing.T, db *store.DB) *platform {
	t.Helper()
	p, err := &platform{T: t, db: db}, error(nil)
	quiet, waker := slog.New(slog.DiscardHandler), &jobstest.Waker{}
	ring := directorytest.Open(t, db)
	p.dir = directory.New(directory.Options{DB: db, Keys: ring})
	p.door = signintest.New(t, db, p.dir, ring)
	p.list, p.log = jobs.NewList(waker), events.NewLog(waker)
	runner := jobs.NewRunner(db, p.list, quiet, jobs.RunnerOptions{})
	feed := events.NewFeed(db, waker, quiet)
	keys := keyring.NewGrants(ring.Keyring, keyringtest.NewSafe())
	p.ring, p.privacy = ring, privacy.New(privacy.Options{DB: db, Jobs: p.list, Events: p.log, Accounts: ring.Accounts, Grants: keys})
	p.runner = runner
	p.privacy.Register(runner)
	runner.Handle(alarm.MailJob, func(context.Context, jobs.Job) error { return nil }) // notify's, see mailed
	asks := privacy.NewApprovals(db, p.list, p.log, 2, func() time.Time { return time.Now().Add(p.later) })
	p.logs, err = files.Open(t.Context(), t.TempDir(), files.Options{})
	p.ok(err)
	api := web.New(web.Options{DB: db, Auth: p.dir, Version: "test", Log: quiet})
	p.api, p.concerns = api, concern.New(concern.Options{DB: db, Keys: ring.Keyring, Now: func() time.Time { return time.Now().Add(p.later) }})
	counts := limits.New(limits.Rates{Reports: limits.Rate{N: 2, Per: time.Hour, Burst: 2}}, nil, nil)
	operate.New(operate.Parts{Concerns: p.concerns, Counts: counts, PublicURL: "https://leads.example.com", API: api, Version: "v1", Started: time.Now(), Engine: string(db.Engine()), Database: db.Ping,
		Keys: func() operate.PlatformKeys { return p.keys }, Firewall: func() *operate.Firewall { return p.wall },
		Record: audit.NewPlatform(db), Support: privacy.NewSupport(db, p.log, keys, nil), Approvals: asks, Logs: privacy.NewLogs(asks, logbook.NewReader(p.logs, ring.Keyring.LogIdentity())),
		Accounts: func(ctx context.Context, after web.Place, limit int) ([]operate.Account, error) {
			return p.accounts(ctx, after, limit)
		},
		Journal: func(context.Context) (operate.Journal, error) { return p.journal, p.broken },
		Jobs: func(ctx context.Context) (operate.Jobs, error) {
			n, oldest, err := runner.Overdue(ctx)
			p.ok(err)
			failed, err := runner.Failing(ctx)
			out := operate.Jobs{Due: int64(n), Failed: failed}
			if !oldest.IsZero() {
				out.Oldest = time.Since(oldest)
			}
			return out, err
		},
		Events: func(ctx context.Context) (operate.Events, error) {
			h, err := feed.Health(ctx, insight.Follower)
			out := operate.Events{Unplaced: h.Unplaced, Behind: h.Behind}
			if !h.Oldest.IsZero() {
				out.Oldest = time.Since(h.Oldest)
			}
			return out, err
		}})
	text, err := api.Document()
	p.ok(err)
	for _, fault := range webtest.Faults(text) {
		t.Error(fault)
	}
	server := httptest.NewServer(web.Wrap(api.Mux(), quiet))
	t.Cleanup(server.Close)
	p.url = server.URL
	_, err = p.door.CreateOperator(t.Context(), "Olga Example", "olga@example.com", signintest.Password)
	p.ok(err)
	p.token = p.door.SignIn("olga@example.com").Token
	return p
}

func (p *platform) accounts(ctx context.Context, after web.Place, limit int) (out []operate.Account, err error) {
	var from *setup.Account
	if !after.At.IsZero() {
		from = &setup.Account{ID: account.IDFrom(after.ID), CreatedAt: after.At}
	}
	rows, err := p.dir.Census(ctx, from, limit)
	for _, a := range rows {
		out = append(out, operate.Account{ID: a.ID, Name: a.Name, DefaultRegion: a.DefaultRegion, CreatedAt: a.CreatedAt,
			Users: a.Users, Projects: a.Projects, Sources: a.Sources})
	}
	return out, err
}

func (p *platform) ok(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// get asks with the token and fails unless the answer has the status.
func (p *platform) get(path, token string, status int) map[string]any {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), http.MethodGet, p.url+path, nil)
	p.ok(err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	p.ok(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	p.ok(err)
	if resp.StatusCode != status {
		p.Fatalf("%s: %d, want %d: %s", path, resp.StatusCode, status, text)
	}
	if strings.Contains(string(text), "example.com") || strings.Contains(string(text), "+44") {
		p.Errorf("%s shows something personal: %s", path, text)
	}
	var out map[string]any
	p.ok(json.Unmarshal(text, &out))
	return out
}

// company makes an account and signs its admin in.
func (p *platform) company(name string) signin.SignedIn {
	p.Helper()
	made, err := p.dir.Create(p.Context(), directory.NewAccount{Name: name, DefaultRegion: "GB", AdminName: "Ana",
		AdminPhone: vault.Hide("+442079460123"), AdminEmail: vault.Hide("ana@example.com")})
	p.ok(err)
	return p.door.Redeem(made.Link)
}

func TestAccounts(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		for _, name := range []string{"First", "Second", "Third"} {
			in := p.company(name)
			p.ok(p.db.Write(t.Context(), in.Scope, func(tx *store.Tx) error {
				_, err := p.dir.CreateProject(tx, directory.NewProject{Name: "P"})
				return err
			}))
		}
		page := p.get("/v1/operator/accounts?limit=2", p.token, 200)
		items := page["items"].([]any)
		first := items[0].(map[string]any)
		if len(items) != 2 || first["name"] != "Third" || first["users"] != 1.0 || first["projects"] != 1.0 || first["sources"] != 0.0 {
			t.Error(page)
		}
		rest := p.get("/v1/operator/accounts?limit=2&cursor="+page["next_cursor"].(string), p.token, 200)["items"].([]any)
		if len(rest) != 1 || rest[0].(map[string]any)["name"] != "First" {
			t.Error(rest)
		}
	})
}

// Nobody of an account comes in, and the operator's credential is of no account.
func TestOnlyTheOperator(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		admin := p.company("First").Token
		for _, path := range []string{"/v1/operator/accounts", "/v1/operator/health", "/v1/operator/keys"} {
			p.get(path, "cst_"+strings.Repeat("A", 43), 401)
			p.get(path, admin, 403)
			p.get(path, p.token, 200)
		}
		p.get("/v1/operator/accounts?limit=0", p.token, 422)
		p.get("/v1/operator/accounts?cursor=x", p.token, 422)
	})
}

func TestHealth(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		p.journal = operate.Journal{LastSeq: 9, Cursor: 7, Backlog: 2, Oldest: 1500 * time.Millisecond}
		in := p.company("First")
		h := p.get("/v1/operator/health", p.token, 200)
		j := h["journal"].(map[string]any)
		if h["ok"] != true || h["version"] != "v1" || j["backlog"] != 2.0 || j["oldest_ms"] != 1500.0 || j["takes_leads"] != true {
			t.Error(h)
		}
		p.ok(p.db.Write(t.Context(), in.Scope, func(tx *store.Tx) error {
			p.log.Emit(tx, events.Event{Kind: events.SetupChanged, At: time.Now()})
			return p.list.Add(tx, "sleep", "x", time.Now().Add(-2*time.Minute))
		}))
		h = p.get("/v1/operator/health", p.token, 200)
		if h["ok"] != false || h["jobs"].(map[string]any)["due"] != 1.0 || h["events"].(map[string]any)["unplaced"] != 1.0 {
			t.Errorf("a job waits for two minutes: %v", h)
		}
		p.broken = errors.New("no answer")
		if h = p.get("/v1/operator/health", p.token, 200); h["ok"] != false || h["journal"] != nil || h["database"].(map[string]any)["answers"] != true {
			t.Errorf("the journal does not answer: %v", h)
		}
		p.broken, p.journal = nil, operate.Journal{Closed: true, Why: "disk_full"}
		if h = p.get("/v1/operator/health", p.token, 200); h["ok"] != false || h["journal"].(map[string]any)["why"] != "disk_full" {
			t.Errorf("the journal is closed: %v", h)
		}
	})
}

// What the firewall has cause to alarm about is shown by numbers and ids; where
// it is off nothing is.
func TestTheFirewallsAlarms(t *testing.T) {
	p := open(t, storetest.SQLite(t))
	if h := p.get("/v1/operator/health", p.token, 200); h["firewall"] != nil {
		t.Error(h["firewall"])
	}
	at, id := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), account.NewID()
	p.wall = &operate.Firewall{
		Alarms: []firewall.Alarm{{Kind: firewall.NewRule, Door: firewall.AtOthers, Rule: 942100, Hits: 2, RaisedAt: at, AgainAt: at}, {Kind: firewall.OneAccount, Door: firewall.AtCapture, Account: id, Hits: 40, RaisedAt: at, AgainAt: at, EndedAt: at}},
		Last:   []firewall.Sample{{At: at, Door: firewall.AtOthers, Rules: []int{942100}, Reference: "r"}},
	}
	h := p.get("/v1/operator/health", p.token, 200)
	text, err := json.Marshal(h["firewall"])
	want := `{"alarms":[{"account_id":null,"again_at":"2026-03-02T09:00:00Z","door":"other","ended_at":null,"hits":2,"kind":"new_rule","raised_at":"2026-03-02T09:00:00Z","rule":{"id":942100,"name":"SQL Injection Attack Detected via libinjection"}},` +
		`{"account_id":"` + id.String() + `","again_at":"2026-03-02T09:00:00Z","door":"capture","ended_at":"2026-03-02T09:00:00Z","hits":40,"kind":"one_account","raised_at":"2026-03-02T09:00:00Z","rule":null}],` +
		`"last":[{"account_id":null,"at":"2026-03-02T09:00:00Z","door":"other","reference":"r","rules":[{"id":942100,"name":"SQL Injection Attack Detected via libinjection"}]}]}`
	if err != nil || string(text) != want || h["ok"] != true {
		t.Errorf("%v %s", h["ok"], text)
	}
}

// A key that is late, and a keyring that nobody could recover, show.
func TestKeysOfThePlatform(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		born := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
		p.keys = operate.PlatformKeys{Recipients: 1, Keys: []operate.Key{{Kind: "root", ID: "b8d373b9", Born: born, Due: born.AddDate(1, 0, 0), Uses: true}, {Kind: "login", ID: "login"}}}
		out := p.get("/v1/operator/keys", p.token, 200)
		first, second := out["items"].([]any)[0].(map[string]any), out["items"].([]any)[1].(map[string]any)
		if out["ok"] != true || first["due_at"] != "2027-03-02T09:00:00Z" || first["in_use"] != true || second["due_at"] != nil || second["ends_at"] != nil {
			t.Error(out)
		}
		p.keys.Keys[0].Late = true
		if out = p.get("/v1/operator/keys", p.token, 200); out["ok"] != false {
			t.Error("a key is late, and all is well")
		}
		p.keys.Keys[0].Late, p.keys.Recipients = false, 0
		if out = p.get("/v1/operator/keys", p.token, 200); out["ok"] != false {
			t.Error("nobody can recover the keyring, and all is well")
		}
	})
}
