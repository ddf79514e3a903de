package privacy

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/keyring"
	"catchment/internal/keyring/keyringtest"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/carry"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var (
	putAccount = store.Register("privacytest.account", `INSERT INTO account (account_id, name, default_region, created_at) VALUES ($1, 'Example', 'GB', 1)`)
	putStage   = store.Register("privacytest.stage", `INSERT INTO stage (account_id, stage_id, slug, name, category, place, needs_reason)
		VALUES ($1, $2, $3, $3, $4, 1, false)`)
	countKeys  = store.Register("privacytest.keys", `SELECT count(*) FROM person_key WHERE account_id = $1 AND person_id = $2`)
	countNotes = store.Register("privacytest.notes", `SELECT count(*) FROM note WHERE account_id = $1`)
	countFiles = store.Register("privacytest.files", `SELECT count(*) FROM lead_file WHERE account_id = $1`)
	countRaw   = store.Register("privacytest.raw", `SELECT count(*) FROM submission WHERE account_id = $1`)
	countJobs  = store.Register("privacytest.jobs", `SELECT count(*) FROM job WHERE account_id = $1 AND kind = $2`)
	countAudit = store.Register("privacytest.audit", `SELECT count(*) FROM audit_event WHERE account_id = $1 AND action = $2`)
	eventsOf   = store.Register("privacytest.events", `SELECT count(*) FROM event_batch WHERE account_id = $1 AND events LIKE $2`)
	openKeys   = store.Register("privacytest.exports", `SELECT count(*) FROM export WHERE account_id = $1 AND wrapped IS NOT NULL`)
)

// world is one account with its keys, and privacy for it.
type world struct {
	*testing.T
	o       store.Options
	db      *store.DB
	scope   account.Scope
	keys    *keyring.AccountKeys
	ledger  *ledger.Ledger
	safe    *keyringtest.Safe
	grants  *keyring.Grants
	support *Support
	now     time.Time
	p       *Privacy
	at      time.Time
	fresh   lead.StageID
	dropped lead.StageID
	project account.ProjectID
	source  account.SourceID
}

// each runs f on both engines.
func each(t *testing.T, f func(w *world)) {
	for name, o := range map[string]func(testing.TB) store.Options{"sqlite": storetest.SQLiteOptions, "postgres": storetest.PostgresOptions} {
		t.Run(name, func(t *testing.T) { f(newWorld(t, o(t))) })
	}
}

func newWorld(t *testing.T, o store.Options) *world {
	t.Helper()
	w := &world{T: t, o: o, scope: storetest.Account(), at: store.Clock(time.Now().Add(-time.Hour)), fresh: lead.NewStageID(), dropped: lead.NewStageID(),
		project: account.NewProjectID(), source: account.NewSourceID()}
	var err error
	w.db, err = store.Open(t.Context(), o)
	w.ok(err)
	t.Cleanup(w.db.Close)
	ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	w.ok(err)
	wrapped, keys, err := ring.NewAccount(t.Context(), w.scope.Account())
	w.ok(err)
	w.keys = keys
	w.ledger, err = ledger.Open(ledger.Options{Path: filepath.Join(t.TempDir(), "deleted.log")})
	w.ok(err)
	w.ok(w.ledger.Start(t.Context()))
	t.Cleanup(func() { _ = w.ledger.Close() })
	waker := &jobstest.Waker{}
	w.safe = keyringtest.NewSafe()
	w.grants = keyring.NewGrants(ring, w.safe)
	w.support = NewSupport(w.db, events.NewLog(waker), w.grants, func() time.Time { return w.now })
	w.now = time.Now()
	w.p = New(Options{DB: w.db, Jobs: jobs.NewList(waker), Events: events.NewLog(waker), Ledger: w.ledger, Grants: w.grants, Now: func() time.Time { return w.now },
		Accounts: keyring.NewAccounts(ring, func(context.Context, account.ID) ([]byte, error) { return wrapped, nil }),
		Scrub:    func(ctx context.Context) error { return store.Scrub(ctx, w.db, w.o) }})
	w.write(func(tx *store.Tx) error {
		w.ok(tx.Must(putAccount))
		w.ok(tx.Must(putStage, w.fresh, "new", "new"))
		return tx.Must(putStage, w.dropped, "lost", "dropped")
	})
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) write(f func(tx *store.Tx) error) {
	w.Helper()
	w.ok(w.db.Write(w.Context(), w.scope, f))
}

func (w *world) count(st *store.Stmt, args ...any) (n int) {
	w.Helper()
	w.write(func(tx *store.Tx) error { return tx.Row(st, args...).Scan(&n) })
	return n
}

// human is a person with all that one leaves.
type human struct {
	id      lead.PersonID
	wrapped []byte
	lead    lead.ID
	enquiry lead.EnquiryID
	held    lead.EnquiryID // in quarantine, of no lead
	export  lead.ExportID
}

func (w *world) human(phone string) human {
	w.Helper()
	h := human{id: lead.NewPersonID(), lead: lead.NewID(), enquiry: lead.NewEnquiryID(), held: lead.NewEnquiryID(), export: lead.NewExportID()}
	var key keyring.SubjectKey
	h.wrapped, key = w.keys.NewSubjectKey(vault.Subject(h.id.UUID()))
	seal := func(at vault.Binding, s string) vault.Sealed { return key.Seal(at, vault.Hide(s)) }
	w.write(func(tx *store.Tx) error {
		w.ok(people.Add(tx, []people.New{{ID: h.id, Name: seal(people.Place(h.id, vault.Name), "Ada").Data, Phone: seal(people.Place(h.id, vault.Phone), phone).Data,
			Country: "GB", CreatedAt: w.at, KeysetVersion: 1, WrappedKey: h.wrapped}}))
		_, err := people.AddIndex(tx, []people.Entry{{Key: people.Key{Field: vault.ByPhone, MAC: w.keys.Index(vault.ByPhone, false, phone)}, Person: h.id}})
		w.ok(err)
		_, err = leads.AddLeads(tx, []*leads.Lead{{ID: h.lead, Person: h.id, Project: w.project, Source: w.source, Stage: w.fresh, Category: lead.New,
			RouteState: lead.Waiting, WaitingAt: w.at, Enquiries: 1, CreatedAt: w.at, EnquiredAt: w.at}})
		w.ok(err)
		_, err = leads.AddEnquiries(tx, []*leads.Enquiry{
			{ID: h.enquiry, Lead: h.lead, Person: h.id, Project: w.project, Source: w.source, State: lead.Attached, Attribution: `{"utm_source":"example"}`,
				Message: seal(leads.EnquiryPlace(h.enquiry, vault.Message), "hello"), ReceivedAt: w.at, CreatedAt: w.at},
			{ID: h.held, Person: h.id, Project: w.project, Source: w.source, State: lead.Quarantined,
				Message: seal(leads.EnquiryPlace(h.held, vault.Message), "held"), ReceivedAt: w.at, CreatedAt: w.at}})
		w.ok(err)
		sub := lead.NewSubmissionID()
		_, err = leads.AddSubmissions(tx, []*leads.Submission{{ID: sub, Enquiry: h.enquiry, Person: h.id, Format: "json",
			Raw: seal(leads.SubmissionPlace(sub, vault.Raw), "{}"), Stream: "s", Seq: 1, ReceivedAt: w.at}})
		w.ok(err)
		_, err = leads.AddDead(tx, leads.DeadLetter{ID: lead.NewDeadID(), Enquiry: h.enquiry, Stream: "s", Seq: 2, Reason: "r", Entry: []byte(phone), ReceivedAt: w.at, ChangedAt: w.at})
		w.ok(err)
		note := lead.NewNoteID()
		w.ok(leads.WorkAddNote(tx, leads.Note{ID: note, Lead: h.lead, Person: h.id, By: "user_x", Text: seal(leads.NotePlace(note), "a note"), CreatedAt: w.at}))
		file := lead.NewFileID()
		w.ok(leads.AddFile(tx, leads.File{ID: file, Lead: h.lead, Person: h.id, By: "user_x", State: leads.FileKept, Name: seal(leads.FilePlace(file, vault.FileName), "a file"),
			Key: seal(leads.FilePlace(file, vault.Content), "a key"), Kind: "text/plain", Size: 1, CreatedAt: w.at}))
		return carry.AddExport(tx, &carry.Export{ID: h.export, By: "user_x", Purpose: "p", KeysetVersion: 1, Wrapped: []byte{1}, CreatedAt: w.at})
	})
	return h
}

func (w *world) lead(id lead.ID) (l leads.Lead) {
	w.Helper()
	w.write(func(tx *store.Tx) (err error) { l, err = leads.LeadByID(tx, id); return err })
	return l
}

func (w *world) enquiry(id lead.EnquiryID) (e leads.Enquiry) {
	w.Helper()
	w.write(func(tx *store.Tx) (err error) { e, err = leads.EnquiryByID(tx, id); return err })
	return e
}

func (w *world) person(id lead.PersonID) (p people.Person) {
	w.Helper()
	w.write(func(tx *store.Tx) (err error) { p, err = people.One(tx, id); return err })
	return p
}
