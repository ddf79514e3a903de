package followup_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/followup"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var addStage = store.Register("test.followup.stage", `INSERT INTO stage (account_id, stage_id, slug, name, category, place, needs_reason)
	VALUES ($1, $2, $3, $3, $4, $5, $6)`)

// world is one account with its stages and keys.
type world struct {
	*testing.T
	db     *store.DB
	scope  account.Scope
	f      *followup.Followup
	emits  *emits
	keys   *keyring.AccountKeys
	stages map[string]lead.StageID
	owner  followup.Worker
	boss   followup.Worker
	at     time.Time // when the leads were received
	place  int
}

// emits remembers what was emitted by transactions that were committed.
type emits struct {
	mu  sync.Mutex
	all []events.Event
}

func (e *emits) Emit(tx *store.Tx, evs ...events.Event) {
	tx.AfterCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, evs...)
	})
}

func (e *emits) kinds() (out []events.Kind) {
	for _, ev := range e.all {
		out = append(out, ev.Kind)
	}
	return out
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{T: t, db: db, scope: storetest.Account(), emits: &emits{}, stages: map[string]lead.StageID{}, at: store.Clock(time.Now().Add(-time.Hour))}
	ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	w.ok(err)
	wrapped, keys, err := ring.NewAccount(t.Context(), w.scope.Account())
	w.ok(err)
	w.keys = keys
	accounts := keyring.NewAccounts(ring, func(context.Context, account.ID) ([]byte, error) { return wrapped, nil })
	w.f = followup.New(w.emits, jobs.NewList(&jobstest.Waker{}), accounts)
	w.owner = followup.Worker{Actor: "user_owner", User: account.NewUserID()}
	w.boss = followup.Worker{Actor: "user_boss", User: account.NewUserID(), All: true}
	w.stage("later", lead.New, false) // the second of its category
	w.place = -10
	w.stage("new", lead.New, false)
	w.stage("contacted", lead.FollowUp, false)
	w.stage("visit", lead.FollowUp, false)
	w.stage("booked", lead.Won, false)
	w.stage("lost", lead.Dropped, true)
	w.stage("nobody", lead.Dropped, false)
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) stage(slug string, c lead.Category, needs bool) {
	w.Helper()
	id := lead.NewStageID()
	w.place++
	w.write(func(tx *store.Tx) error { return tx.Must(addStage, id, slug, string(c), w.place, needs) })
	w.stages[slug] = id
}

func (w *world) write(f func(tx *store.Tx) error) {
	w.Helper()
	w.ok(w.db.Write(w.Context(), w.scope, f))
}

// lead adds an open lead of a new person, owned by the world's owner.
func (w *world) lead() leads.Lead {
	w.Helper()
	p := lead.NewPersonID()
	wrapped, key := w.keys.NewSubjectKey(vault.Subject(p.UUID()))
	w.write(func(tx *store.Tx) error {
		return people.Add(tx, []people.New{{ID: p, Name: key.Seal(people.Place(p, vault.Name), vault.Hide("Asha Example")).Data,
			CreatedAt: w.at, WrappedKey: wrapped}})
	})
	return w.leadOf(p, account.NewProjectID(), w.owner.User)
}

func (w *world) leadOf(p lead.PersonID, of account.ProjectID, owner account.UserID) leads.Lead {
	w.Helper()
	l := leads.Lead{ID: lead.NewID(), Person: p, Project: of, Source: account.NewSourceID(), Stage: w.stages["new"], Category: lead.New,
		RouteState: lead.Waiting, WaitingAt: w.at, Enquiries: 1, CreatedAt: w.at, EnquiredAt: w.at}
	w.write(func(tx *store.Tx) error {
		n, err := leads.AddLeads(tx, []*leads.Lead{&l})
		if err != nil || n != 1 || owner.IsZero() {
			return err
		}
		_, err = leads.RouteClaim(tx, l.ID, owner, w.at.Add(time.Minute))
		return err
	})
	return w.read(l.ID)
}

func (w *world) read(id lead.ID) (l leads.Lead) {
	w.Helper()
	w.write(func(tx *store.Tx) (err error) { l, err = leads.LeadByID(tx, id); return err })
	return l
}

func (w *world) attempt(who followup.Worker, id lead.ID, t followup.Try, now time.Time) (d followup.Done, err error) {
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error { d, err = w.f.Attempt(tx, who, id, t, now); return err })
	return d, err
}

func (w *world) move(who followup.Worker, id lead.ID, m followup.Move, now time.Time) (l leads.Lead, err error) {
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error { l, err = w.f.SetStage(tx, who, id, m, now); return err })
	return l, err
}

// code is the stable code of a refusal; for 422 that of its first field.
func code(err error) string {
	p, ok := problem.Of(err)
	switch {
	case err == nil:
		return ""
	case !ok:
		return err.Error()
	case len(p.Errors) > 0:
		return p.Errors[0].Field + ":" + p.Errors[0].Code
	}
	return p.Code
}
