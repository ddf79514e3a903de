package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

type noWaker struct{}

func (noWaker) Wake(string) error                            { return nil }
func (noWaker) OnWake(string, func()) (stop func(), _ error) { return func() {}, nil }

var (
	putAccount = store.Register("intaketest.account", `INSERT INTO account (account_id, name, default_region, created_at) VALUES ($1, 'Example', 'GB', 1)`)
	putProject = store.Register("intaketest.project", `INSERT INTO project (account_id, project_id, slug, name, time_zone, active, created_at)
		VALUES ($1, $2, $3, $3, 'UTC', true, 1)`)
	putSource = store.Register("intaketest.source", `INSERT INTO source (account_id, source_id, project_id, slug, name, kind, non_personal, mapping, thanks_url, active, created_at)
		VALUES ($1, $2, $3, $4, $4, 'api', '["budget"]', '{"gsm":"person.phone"}', '', true, 1)`)
	putStage = store.Register("intaketest.stage", `INSERT INTO stage (account_id, stage_id, slug, name, category, place, needs_reason)
		VALUES ($1, $2, $3, $3, $4, $5, false)`)
	closeLead = store.Register("intaketest.close", `UPDATE lead SET closed_at = $3, waiting_at = NULL, category = 'won' WHERE account_id = $1 AND lead_id = $2`)
	allEvents = store.Register("intaketest.events", `SELECT events FROM event_batch WHERE account_id = $1`)
	allJobs   = store.Register("intaketest.jobs", `SELECT kind, key FROM job WHERE account_id = $1`)
	allAudit  = store.Register("intaketest.audit", `SELECT actor, action, purpose FROM audit_event WHERE account_id = $1`)
	allIndex  = store.Register("intaketest.index", `SELECT field, person_id FROM person_index WHERE account_id = $1`)
	allRaw    = store.Register("intaketest.raw", `SELECT enquiry_id, conflict FROM submission WHERE account_id = $1`)
	allLinks  = store.Register("intaketest.links", `SELECT person_id, other_id FROM person_link WHERE account_id = $1`)
	spoilKey  = store.Register("intaketest.erase", `DELETE FROM person_key WHERE account_id = $1`)
	readSeq   = store.Unbound("intaketest.cursor", `SELECT seq FROM journal_cursor WHERE stream = $1`)
)

// house is an account with an intake and the door's side of its drop box.
type house struct {
	t        testing.TB
	db       *store.DB
	in       *Intake
	ring     *keyring.Keyring
	accounts *keyring.Accounts
	sealer   *keyring.Sealer
	boxes    map[account.ID]vault.DropBox
	wrapped  map[account.ID][]byte
	seq      uint64
	*tenant  // the first
}

type tenant struct {
	scope    account.Scope
	keys     *keyring.AccountKeys
	projects []account.ProjectID
	sources  []account.SourceID // one for each project
	stage    lead.StageID
}

func newHouse(t testing.TB, db *store.DB) *house {
	t.Helper()
	ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, ring: ring, boxes: map[account.ID]vault.DropBox{}, wrapped: map[account.ID][]byte{}}
	h.accounts = keyring.NewAccounts(ring, func(_ context.Context, id account.ID) ([]byte, error) {
		if w := h.wrapped[id]; w != nil {
			return w, nil
		}
		return nil, store.ErrNone
	})
	h.sealer = keyring.NewSealer(func(id account.ID) (vault.DropBox, bool) { b, ok := h.boxes[id]; return b, ok })
	t.Cleanup(h.sealer.Close)
	h.in = h.intake()
	h.tenant = h.newTenant(2)
	return h
}

// intake is another process on the same database.
func (h *house) intake() *Intake {
	return New(Options{DB: h.db, Accounts: h.accounts, Opener: keyring.NewDropOpener(), Jobs: jobs.NewList(noWaker{}),
		Events: events.NewLog(noWaker{}), Stream: "test-journal", Log: slog.New(slog.DiscardHandler)})
}

func (h *house) newTenant(projects int) *tenant {
	h.t.Helper()
	id := account.NewID()
	wrapped, keys, err := h.ring.NewAccount(context.Background(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	h.wrapped[id], h.boxes[id] = wrapped, keys.DropBox()
	a := &tenant{scope: admit.To(id), keys: keys, stage: lead.NewStageID()}
	h.write(a.scope, func(tx *store.Tx) error {
		if err := tx.Must(putAccount); err != nil {
			return err
		}
		for i := range projects {
			p, s := account.NewProjectID(), account.NewSourceID()
			a.projects, a.sources = append(a.projects, p), append(a.sources, s)
			if err := tx.Must(putProject, p, fmt.Sprint("p", i)); err != nil {
				return err
			}
			if err := tx.Must(putSource, s, p, fmt.Sprint("s", i)); err != nil {
				return err
			}
		}
		if err := tx.Must(putStage, lead.NewStageID(), "contacted", "follow-up", 1); err != nil {
			return err
		}
		if err := tx.Must(putStage, lead.NewStageID(), "later", "new", 9); err != nil {
			return err
		}
		return tx.Must(putStage, a.stage, "new", "new", 2)
	})
	return a
}

func (h *house) write(s account.Scope, f func(*store.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(context.Background(), s, f); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) read(f func(*store.Tx) error) {
	h.t.Helper()
	if err := h.db.Read(context.Background(), h.scope, f); err != nil {
		h.t.Fatal(err)
	}
}

// sent is one submission as the door would put it into the journal.
type sent struct {
	enquiry lead.EnquiryID
	project int
	body    string
	form    string // content type; "" for JSON
	test    bool
	at      time.Time
	ip      string // "": of an inner network, which is counted nowhere
	verdict []int  // of the firewall at the door
}

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func (h *house) entry(a *tenant, s sent) Entry {
	h.t.Helper()
	if s.enquiry.IsZero() {
		s.enquiry = lead.NewEnquiryID()
	}
	h.seq++
	if s.at.IsZero() {
		s.at = start.Add(time.Duration(h.seq) * time.Second)
	}
	head := submission.Header{Account: a.scope.Account(), Enquiry: s.enquiry, Source: a.sources[s.project], Project: a.projects[s.project],
		ReceivedAt: s.at, Format: submission.AsJSON, Test: s.test, BodyMAC: submission.MACBody(a.keys.CaptureIDKey(), []byte(s.body))}
	if s.form != "" {
		head.Format, head.ContentType = submission.AsForm, s.form
	}
	head.Verdict = submission.VerdictOf(s.verdict)
	aad := head.Append(nil)
	plain := submission.AppendPayload(nil, [16]byte{1}, []byte(s.body), cmp.Or(s.ip, "10.0.0.9"), "Example/1.0", "https://www.example.com/?who=ada", "")
	box, data, err := h.sealer.Seal(a.scope.Account(), plain, aad)
	if err != nil {
		h.t.Fatal(err)
	}
	return Entry{Seq: h.seq, Box: box, Data: append(aad, data...)}
}

// body is a JSON lead; empty values are left out.
func body(name, phone, email string) string {
	person := map[string]string{}
	for k, v := range map[string]string{"name": name, "phone": phone, "email": email} {
		if v != "" {
			person[k] = v
		}
	}
	b, _ := json.Marshal(map[string]any{"person": person, "message": "I'm interested",
		"custom": map[string]any{"budget": 5, "dog": "Rex"}, "attribution": map[string]string{"utm_source": "example"}})
	return string(b)
}

func (h *house) take(entries ...Entry) {
	h.t.Helper()
	if err := h.in.take(context.Background(), entries, false); err != nil {
		h.t.Fatal(err)
	}
}

// post takes one submission and returns its enquiry.
func (h *house) post(s sent) leads.Enquiry {
	h.t.Helper()
	if s.enquiry.IsZero() {
		s.enquiry = lead.NewEnquiryID()
	}
	h.take(h.entry(h.tenant, s))
	return h.enquiry(s.enquiry)
}

func (h *house) enquiry(id lead.EnquiryID) (e leads.Enquiry) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) { e, err = leads.EnquiryByID(tx, id); return err })
	return e
}

func (h *house) lead(id lead.ID) (l leads.Lead) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) { l, err = leads.LeadByID(tx, id); return err })
	return l
}

func (h *house) person(id lead.PersonID) (p people.Person) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) { p, err = people.One(tx, id); return err })
	return p
}

func (h *house) leads() (out []leads.Lead) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) {
		out, err = leads.ListLeads(tx, leads.LeadFilter{Test: true}, leads.LeadPage{}, 10_000)
		return err
	})
	return out
}

// kinds counts the emitted events.
func (h *house) kinds() map[events.Kind]int {
	h.t.Helper()
	out := map[events.Kind]int{}
	h.read(func(tx *store.Tx) error {
		rows, err := tx.Query(allEvents)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var text string
			if err := scan(&text); err != nil {
				return err
			}
			var list []events.Event
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				return err
			}
			for _, e := range list {
				out[e.Kind]++
			}
			return nil
		})
	})
	return out
}

// picture is what is in the database without what chance decides (ids of
// persons, leads, submissions): two runs with the same outcome have the same.
func (h *house) picture() string {
	h.t.Helper()
	var lines []string
	persons := map[lead.PersonID][]string{}
	leadsOf := map[lead.ID][]string{}
	h.read(func(tx *store.Tx) error {
		list, err := leads.ListEnquiries(tx, leads.EnquiryFilter{Test: true}, leads.EnquiryPage{}, 10_000)
		if err != nil {
			return err
		}
		for _, e := range list {
			persons[e.Person] = append(persons[e.Person], e.ID.String())
			leadsOf[e.Lead] = append(leadsOf[e.Lead], e.ID.String())
			lines = append(lines, fmt.Sprintf("enquiry %s %s re=%v conflict=%v %v %s", e.ID, e.State, e.ReEnquiry, e.Conflict, e.Flags, e.ReceivedAt))
		}
		rows, err := tx.Query(allRaw)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var id lead.EnquiryID
			var conflict bool
			err := scan(&id, &conflict)
			lines = append(lines, fmt.Sprintf("submission %s %v", id, conflict))
			return err
		})
	})
	for _, l := range h.leads() {
		ids := leadsOf[l.ID]
		slices.Sort(ids)
		if int(l.Enquiries) != len(ids) {
			lines = append(lines, fmt.Sprintf("WRONG COUNT %d of %d", l.Enquiries, len(ids)))
		}
		lines = append(lines, fmt.Sprintf("lead %d test=%v %s created=%s enquired=%s %s", slices.Index(h.projects, l.Project), l.Test, l.RouteState, l.CreatedAt, l.EnquiredAt, strings.Join(ids, " ")))
	}
	name := map[lead.PersonID]string{}
	for id, ids := range persons {
		slices.Sort(ids)
		name[id] = strings.Join(ids, " ")
		lines = append(lines, "person "+name[id])
	}
	h.read(func(tx *store.Tx) error {
		rows, err := tx.Query(allIndex)
		if err := store.Each(rows, err, func(scan func(...any) error) error {
			var field string
			var id lead.PersonID
			err := scan(&field, &id)
			lines = append(lines, "index "+field+" "+name[id])
			return err
		}); err != nil {
			return err
		}
		rows, err = tx.Query(allLinks)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var a, b lead.PersonID
			err := scan(&a, &b)
			lines = append(lines, "link "+name[a]+" = "+name[b])
			return err
		})
	})
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// opener opens what is in the database, and tells of each opening.
func (h *house) opener(record func(keyring.Opening)) *keyring.Opener {
	return &keyring.Opener{Accounts: h.accounts, Record: func(_ context.Context, o keyring.Opening) error { record(o); return nil },
		Keys: func(_ context.Context, sc account.Scope, subjects []vault.Subject) (out map[vault.Subject][]byte, err error) {
			err = h.db.Read(context.Background(), sc, func(tx *store.Tx) error { out, err = people.Keys(tx, subjects); return err })
			return out, err
		}}
}

// open is what a door would show; the record is not this package's matter.
func (h *house) open(s ...vault.Sealed) keyring.Opened {
	h.t.Helper()
	o := h.opener(func(keyring.Opening) {})
	got, err := o.Open(context.Background(), h.scope, "user_test", "test", s...)
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// grouping is which enquiries make a lead, and which a person.
func (h *house) grouping() string {
	var keep []string
	for _, line := range strings.Split(h.picture(), "\n") {
		if i := strings.Index(line, "enq_"); i >= 0 && (strings.HasPrefix(line, "lead") || strings.HasPrefix(line, "person")) {
			keep = append(keep, line[:5]+line[i:])
		} else if strings.HasPrefix(line, "enquiry") || strings.HasPrefix(line, "WRONG") || strings.HasPrefix(line, "submission") {
			keep = append(keep, line[:min(40, len(line))])
		}
	}
	slices.Sort(keep)
	return strings.Join(keep, "\n")
}
