package insight_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/events"
	"catchment/internal/followup"
	"catchment/internal/insight"
	"catchment/internal/intake"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/storetest"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// firm is an account with everything that makes events: intake, routing and
// followup, as they run.
type firm struct {
	*testing.T
	db      *store.DB
	scope   account.Scope
	keys    *keyring.AccountKeys
	sealer  *keyring.Sealer
	intake  *intake.Intake
	router  *routing.Router
	runner  *jobs.Runner
	work    *followup.Followup
	log     *events.Log
	waker   *jobstest.Waker
	places  *events.Sequencer
	insight *insight.Insight
	watcher *insight.Watcher
	project account.ProjectID
	sources []account.SourceID
	stages  map[lead.Category]lead.StageID
	people  []account.UserID
	ahead   time.Duration // of routing's clock
	seq     uint64
}

func open(t *testing.T, db *store.DB) *firm {
	t.Helper()
	f := &firm{T: t, db: db, stages: map[lead.Category]lead.StageID{}}
	ring := directorytest.Open(t, db)
	quiet, waker := slog.New(slog.DiscardHandler), &jobstest.Waker{}
	list := jobs.NewList(waker)
	f.log, f.waker = events.NewLog(waker), waker
	f.router = routing.New(routing.Options{DB: db, Jobs: list, Events: f.log, Now: f.now})
	f.runner = jobs.NewRunner(db, list, quiet, jobs.RunnerOptions{})
	f.router.Register(f.runner)
	f.work = followup.New(f.log, list, ring.Accounts)
	f.intake = intake.New(intake.Options{DB: db, Accounts: ring.Accounts, Opener: keyring.NewDropOpener(), Jobs: list, Events: f.log, Stream: "test"})
	f.places = events.NewSequencer(db, waker, quiet)
	f.insight = f.another()
	f.watcher = insight.NewWatcher(insight.WatcherOptions{DB: db, Jobs: list, Events: f.log, Now: f.now})
	f.watcher.Register(f.runner)
	f.insight.Tell(f.watcher)
	dir := directory.New(directory.Options{DB: db, Keys: ring})
	made, err := dir.Create(t.Context(), directory.NewAccount{Name: "Example Homes", DefaultRegion: "GB", AdminName: "Ana Example", AdminEmail: vault.Hide("ana@example.com")})
	f.ok(err)
	f.scope = signintest.New(t, db, dir, ring).Redeem(made.Link).Scope
	f.keys, err = ring.Accounts.Get(t.Context(), made.Account)
	f.ok(err)
	f.sealer = keyring.NewSealer(func(account.ID) (vault.DropBox, bool) { return f.keys.DropBox(), true })
	t.Cleanup(f.sealer.Close)
	f.setUp(dir)
	return f
}

func (f *firm) setUp(dir *directory.Directory) {
	f.write(func(tx *store.Tx) error {
		p, err := dir.CreateProject(tx, directory.NewProject{Name: "Harbour Lofts"})
		f.ok(err)
		f.project = p.ID
		for _, name := range []string{"Form", "Partner"} {
			s, err := dir.CreateSource(tx, directory.NewSource{Project: p.ID, Name: name})
			f.ok(err)
			f.sources = append(f.sources, s.ID)
		}
		stages, err := dir.Stages(tx)
		f.ok(err)
		for _, s := range stages {
			if f.stages[s.Category].IsZero() {
				f.stages[s.Category] = s.ID
			}
		}
		pool, err := f.router.CreatePool(tx, p.ID, routing.PoolChange{OffersAtOnce: new(int64(100))}, "test", f.now())
		f.ok(err)
		for _, name := range []string{"Ann Example", "Bob Example"} {
			m, _, err := dir.CreateMember(tx, directory.NewMember{Name: name, Role: account.Salesperson, Email: vault.Hide(name[:3] + "@example.com")})
			f.ok(err)
			f.people = append(f.people, m.ID)
			f.ok(tx.Must(activate, m.ID))
			f.ok(f.router.SetShifts(tx, m.ID, routing.AlwaysOn(), "test", f.now()))
			f.ok(f.router.SetMember(tx, pool.ID, m.ID, true, "test", f.now()))
			_, err = f.router.Presence(tx, m.ID, account.Available, f.now())
			f.ok(err)
		}
		return nil
	})
}

var activate = store.Register("insight_test.activate", `UPDATE member SET state = 'active' WHERE account_id = $1 AND user_id = $2`)

// another is an insight of another node.
func (f *firm) another() *insight.Insight {
	quiet := slog.New(slog.DiscardHandler)
	return insight.New(f.db, events.NewFeed(f.db, f.waker, quiet), quiet)
}

func (f *firm) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *firm) write(do func(*store.Tx) error) {
	f.Helper()
	f.ok(f.db.Write(context.Background(), f.scope, do))
}

func (f *firm) read(do func(*store.Tx) error) {
	f.Helper()
	f.ok(f.db.Read(context.Background(), f.scope, do))
}

// arrive has intake take a lead of the phone, and routing do what is due.
func (f *firm) arrive(source int, phone string, test bool) {
	f.Helper()
	f.seq++
	body, err := json.Marshal(map[string]any{"person": map[string]string{"phone": phone}})
	f.ok(err)
	head := submission.Header{Account: f.scope.Account(), Enquiry: lead.NewEnquiryID(), Source: f.sources[source], Project: f.project,
		ReceivedAt: time.Now(), Format: submission.AsJSON, Test: test, BodyMAC: submission.MACBody(f.keys.CaptureIDKey(), body)}
	aad := head.Append(nil)
	box, data, err := f.sealer.Seal(f.scope.Account(), submission.AppendPayload(nil, [16]byte{1}, body, "203.0.113.9", "", "", ""), aad)
	f.ok(err)
	f.ok(f.intake.Handle(context.Background(), journal.Delivery{Messages: []journal.Message{
		{Seq: f.seq, Entries: []journal.Record{{Box: box, Data: append(aad, data...)}}}}}))
	f.settle()
}

func (f *firm) now() time.Time { return store.Clock(time.Now().Add(f.ahead)) }

func (f *firm) settle() {
	f.Helper()
	_, err := f.runner.Drain(context.Background(), f.now())
	f.ok(err)
}

// open lists every open offer.
func (f *firm) open() (out []offers.Offer) {
	f.Helper()
	f.read(func(tx *store.Tx) error {
		out = nil
		for _, u := range f.people {
			list, err := offers.OpenOf(tx, u, 1000)
			if err != nil {
				return err
			}
			out = append(out, list...)
		}
		return nil
	})
	return out
}

func (f *firm) place() {
	f.Helper()
	_, err := f.places.PlaceOnce(context.Background())
	f.ok(err)
}
