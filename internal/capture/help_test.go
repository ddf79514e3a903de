package capture_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/capture"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/logtest"
	"catchment/internal/problem"
	"catchment/internal/receipt"
	"catchment/internal/snapshot"
	"catchment/internal/submission"
	"catchment/internal/vault/reveal"
)

// Keys of the tests' account. Nothing but a hash of them reaches the door.
const (
	publishable = "cpk_for-the-page-of-example-com"
	anyOrigin   = "cpk_for-any-page"
	oneSource   = "cpk_for-the-site-alone"
	secret      = "csk_of-a-manager"
	salesperson = "csk_of-a-salesperson"
	expired     = "csk_that-has-expired"
	strange     = "csk_of-a-kind-not-known-yet"
	atOffice    = "csk_for-a-server-elsewhere"
	ownCaptures = "csk_of-an-own-role-that-hands-in-leads"
	ownDoesNot  = "csk_of-an-own-role-that-does-not"
	otherSecret = "csk_of-the-other-account"
)

// house is a door on a real journal, a real keyring and a real snapshot.
type house struct {
	dir        string
	journal    *journal.Journal
	keys       *keyring.Keyring
	accounts   map[account.ID]*keyring.AccountKeys
	writer     *snapshot.Writer
	reader     *snapshot.Reader
	door       *capture.Door
	web        *httptest.Server
	log        *logtest.Lines
	own, other snapshot.Account
}

type change struct {
	journal func(*journal.Options)
	door    func(*capture.Options)
	empty   bool // nothing is published
}

func newHouse(t testing.TB, cs ...change) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), log: &logtest.Lines{}, accounts: map[account.ID]*keyring.AccountKeys{}}
	var err error
	if h.keys, err = keyring.Open(keyring.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	h.own, h.other = h.newAccount(t), h.newAccount(t)
	h.furnish()
	h.openJournal(t, cs...)
	b, err := h.journal.Bucket(t.Context(), "snapshot")
	if err != nil {
		t.Fatal(err)
	}
	h.writer = snapshot.NewWriter(b, h.keys.SealSnapshot)
	h.reader = snapshot.NewReader(b, h.keys.OpenSnapshot, nil)
	t.Cleanup(h.reader.Stop)
	h.reader.Start()
	if len(cs) == 0 || !cs[0].empty {
		h.publish(t)
	}
	h.openDoor(t, cs...)
	return h
}

func (h *house) publish(t testing.TB) {
	t.Helper()
	for _, a := range []*snapshot.Account{&h.own, &h.other} {
		a.Version++
		if err := h.writer.Put(t.Context(), *a); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if a := h.reader.ByID(h.other.ID); a != nil && a.Version == h.other.Version {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the snapshot did not arrive")
		}
	}
}

func (h *house) openJournal(t testing.TB, cs ...change) {
	t.Helper()
	signer := h.keys.ReceiptSigner()
	o := journal.Options{Dir: h.dir, Logger: slog.New(slog.DiscardHandler), MaxBytes: 1 << 30, Watermark: 1 << 20,
		Seal: func(stream string, seq uint64, size int, root [32]byte) ([]byte, string, error) {
			return signer.Sign(receipt.SignedMessage(stream, seq, uint64(size), root)), signer.KeyID, nil
		}}
	for _, c := range cs {
		if c.journal != nil {
			c.journal(&o)
		}
	}
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	h.journal = j
	t.Cleanup(func() { _ = j.Close(context.Background()) })
}

func (h *house) openDoor(t testing.TB, cs ...change) {
	t.Helper()
	sealer := keyring.NewSealer(h.reader.DropBox)
	t.Cleanup(sealer.Close)
	o := capture.Options{Journal: h.journal, Snapshot: h.reader, Sealer: sealer, Keys: h.receiptKeys,
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, c := range cs {
		if c.door != nil {
			c.door(&o)
		}
	}
	var err error
	if h.door, err = capture.New(o); err != nil {
		t.Fatal(err)
	}
	if err := h.door.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.web != nil {
		h.web.Close()
	}
	h.web = httptest.NewServer(h.door.Handler())
	t.Cleanup(h.web.Close)
}

// reopen stops everything that runs and starts it on the same journal.
func (h *house) reopen(t testing.TB) {
	t.Helper()
	h.web.Close()
	h.reader.Stop()
	if err := h.journal.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.openJournal(t)
	b, err := h.journal.Bucket(t.Context(), "snapshot")
	if err != nil {
		t.Fatal(err)
	}
	h.reader = snapshot.NewReader(b, h.keys.OpenSnapshot, nil)
	t.Cleanup(h.reader.Stop)
	h.reader.Start()
	select {
	case <-h.reader.WhenReady():
	case <-time.After(5 * time.Second):
		t.Fatal("the snapshot is gone")
	}
	h.openDoor(t)
}

func (h *house) receiptKeys() receipt.Keys {
	var out receipt.Keys
	for _, k := range h.keys.ReceiptPublicKeys() {
		out = append(out, receipt.Key{ID: k.KeyID, PublicKey: k.Key, NotBefore: k.NotBefore})
	}
	return out
}

func (h *house) newAccount(t testing.TB) snapshot.Account {
	t.Helper()
	id := account.NewID()
	_, keys, err := h.keys.NewAccount(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	h.accounts[id] = keys
	return snapshot.Account{ID: id, DefaultRegion: "GB", DropBox: keys.DropBox(), CaptureIDKey: keys.CaptureIDKey()}
}

// furnish gives the accounts their sources and keys.
func (h *house) furnish() {
	harbour, garden := project("harbour"), project("garden")
	site, bound, off := source("site", harbour), source("bound", harbour), source("off", harbour)
	off.Active = false
	thanks := source("thanks", garden)
	thanks.ThanksURL = "https://www.example.com/thanks?from=form#top"
	mapped := source("mapped", garden)
	mapped.Mapping = map[string]string{"field_7": "person.phone"}
	h.own.Projects = []snapshot.Project{harbour, garden}
	h.own.Sources = []snapshot.Source{site, bound, off, thanks, mapped}
	but := []account.SourceID{site.ID, thanks.ID, mapped.ID}
	h.own.Keys = []snapshot.Key{
		key(publishable, snapshot.Key{Kind: snapshot.Publishable, Origins: []string{"https://example.com"}, Sources: []account.SourceID{bound.ID}}),
		key(anyOrigin, snapshot.Key{Kind: snapshot.Publishable, AnyOrigin: true, Sources: but}),
		key(oneSource, snapshot.Key{Kind: snapshot.Publishable, AnyOrigin: true, Sources: []account.SourceID{site.ID}}),
		key(secret, snapshot.Key{Kind: snapshot.Secret, Role: account.Manager}),
		key(salesperson, snapshot.Key{Kind: snapshot.Secret, Role: account.Salesperson}),
		key(expired, snapshot.Key{Kind: snapshot.Secret, Role: account.Manager, ExpiresAt: time.Now().Add(-time.Minute)}),
		key(strange, snapshot.Key{Kind: "strange", Role: account.Manager}),
	}
	elsewhere := caller.Networks{netip.MustParsePrefix("192.0.2.0/24")}
	own := account.Role(account.NewRoleID().String())
	h.own.Keys = append(h.own.Keys, key(ownCaptures, snapshot.Key{Kind: snapshot.Secret, Role: own, Captures: true}),
		key(ownDoesNot, snapshot.Key{Kind: snapshot.Secret, Role: own}))
	h.own.Keys = append(h.own.Keys, key(atOffice, snapshot.Key{Kind: snapshot.Secret, Role: account.Manager, Networks: elsewhere}))
	tower := project("tower")
	h.other.Projects = []snapshot.Project{tower}
	h.other.Sources = []snapshot.Source{source("elsewhere", tower)}
	h.other.Keys = []snapshot.Key{key(otherSecret, snapshot.Key{Kind: snapshot.Secret, Role: account.Manager})}
}

func key(text string, k snapshot.Key) snapshot.Key {
	k.ID, k.Hash = account.NewKeyID(), sha256.Sum256([]byte(text))
	return k
}

func project(slug string) snapshot.Project {
	return snapshot.Project{ID: account.NewProjectID(), Slug: slug, Active: true}
}

func source(slug string, p snapshot.Project) snapshot.Source {
	return snapshot.Source{ID: account.NewSourceID(), Slug: slug, Name: slug, Project: p.ID, Active: true}
}

// form is the address of a source's form.
func (h *house) form(slug string) string { return "/f/" + h.own.Source(slug).ID.String() }

// request is one request of a test, with the usual headers unless it says others.
type request struct {
	method, path, body string
	header             map[string]string // "" takes a header away
	raw                io.Reader         // instead of body
}

func post(body string, header ...string) request {
	return request{path: "/v1/leads", body: body, header: pairs(header)}
}

func pairs(kv []string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

// answer is what came back.
type answer struct {
	*http.Response
	text    []byte
	problem problem.Problem
}

func (h *house) send(t testing.TB, q request) answer {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodPost
	}
	var body io.Reader = strings.NewReader(q.body)
	if q.raw != nil {
		body = q.raw
	}
	r, err := http.NewRequestWithContext(t.Context(), q.method, h.web.URL+q.path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(q.path, "/f/") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	for k, v := range q.header {
		r.Header.Set(k, v)
		if v == "" {
			r.Header.Del(k)
		}
	}
	client := &http.Client{Transport: h.web.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{Response: res}
	if a.text, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	if q.method != http.MethodHead && res.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(a.text, &a.problem); err != nil {
			t.Fatalf("not a problem: %s", a.text)
		}
	}
	return a
}

// accepted is an accepted lead's answer.
type accepted struct {
	ID      string           `json:"id"`
	Receipt *receipt.Receipt `json:"receipt"`
}

// take expects 202 and checks the receipt against the body.
func (h *house) take(t testing.TB, q request) accepted {
	t.Helper()
	a := h.send(t, q)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("got %d %s", a.StatusCode, a.text)
	}
	var got accepted
	if err := json.Unmarshal(a.text, &got); err != nil {
		t.Fatal(err)
	}
	h.verify(t, got, q.body)
	return got
}

func (h *house) verify(t testing.TB, a accepted, body string) {
	t.Helper()
	if err := receipt.Verify(a.Receipt, h.receiptKeys()); err != nil {
		t.Fatal(err)
	}
	if err := a.Receipt.MatchesBody([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if a.Receipt.ID.String() != a.ID {
		t.Fatalf("the receipt is of %s, the lead of %s", a.Receipt.ID, a.ID)
	}
}

// stored is an entry of the journal, opened as intake would.
type stored struct {
	submission.Header
	body, ip, agent, referrer, key string
	salt                           [16]byte
}

// all reads what the journal holds, oldest message first.
func (h *house) all(t testing.TB) []stored {
	t.Helper()
	opener := keyring.NewDropOpener()
	bySeq := map[uint64][]stored{}
	err := h.journal.Recent(t.Context(), 1<<20, func(seq uint64, r journal.Record) {
		e, err := submission.ParseEnvelope(r.Data)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := opener.Open(h.accounts[e.Account], r.Box, e.Data, e.AAD)
		if err != nil {
			t.Fatal(err)
		}
		p, err := submission.ParsePayload(plain)
		if err != nil {
			t.Fatal(err)
		}
		bySeq[seq] = append(bySeq[seq], stored{e.Header, string(p.Body), reveal.Text(p.IP), reveal.Text(p.UserAgent),
			reveal.Text(p.Referrer), reveal.Text(p.IdempotencyKey), p.Salt})
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []stored
	for seq := uint64(0); seq <= h.journal.LastSeq(); seq++ {
		out = append(out, bySeq[seq]...)
	}
	return out
}

const goodLead = `{"source":"site","person":{"name":"Ada Example","phone":"+44 20 7946 0123","email":"ada@example.com"},"message":"I'd like to see it"}`
