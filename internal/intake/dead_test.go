package intake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
)

func (h *house) dead(state string) (out []leads.DeadLetter) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) {
		out, err = leads.ListDead(tx, state, leads.DeadPage{}, 100)
		return err
	})
	return out
}

// Whatever is wrong with an entry, it is set aside once, its enquiry says so,
// and its neighbours become leads.
func TestWhatCannotBeReadIsSetAside(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		good := sent{body: body("Ada", "+442079460101", "")}
		cases := map[string]func() Entry{
			ReasonBox: func() Entry {
				e := h.entry(h.tenant, good)
				e.Data[len(e.Data)-1] ^= 1
				return e
			},
			ReasonBox + " header": func() Entry { // the test flag is turned on
				e := h.entry(h.tenant, good)
				e.Data[90] ^= 1
				return e
			},
			ReasonDamaged: func() Entry {
				e := h.entry(h.tenant, good)
				e.Err = errors.New("checksum")
				return e
			},
			ReasonSource: func() Entry {
				other := *h.tenant
				other.sources = []account.SourceID{account.NewSourceID()}
				return h.entry(&other, good)
			},
			ReasonBody + ":contact_missing": func() Entry { return h.entry(h.tenant, sent{body: `{"message":"x"}`}) },
			ReasonBody + ":malformed_json":  func() Entry { return h.entry(h.tenant, sent{body: `{"message":`}) },
		}
		for name, make := range cases {
			t.Run(name, func(t *testing.T) {
				h.tenant = h.newTenant(1)
				bad := make()
				entries := []Entry{h.entry(h.tenant, sent{body: body("Bob", "+442079460102", "")}), bad, h.entry(h.tenant, sent{body: body("Cyd", "+442079460103", "")})}
				h.take(entries...)
				h.take(entries...)
				list := h.dead("")
				reason, _, _ := strings.Cut(name, " ")
				if len(list) != 1 || list[0].Reason != reason || list[0].State != leads.DeadOpen || list[0].Seq != bad.Seq {
					t.Fatalf("%+v", list)
				}
				if e := h.enquiry(list[0].Enquiry); e.State != lead.Dead || !e.Lead.IsZero() {
					t.Errorf("%+v", e)
				}
				if k := h.kinds(); k[events.EnquiryDead] != 1 || k[events.LeadCreated] != 2 {
					t.Errorf("%v", k)
				}
				if n := len(h.leads()); n != 2 {
					t.Errorf("%d leads", n)
				}
			})
		}
	})
}

func TestAnEntryOfNobodyIsCountedAndLetGo(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		broken := h.entry(h.tenant, sent{body: body("Ada", "+442079460101", "")})
		broken.Data = broken.Data[:20]
		stranger := &tenant{scope: storetest.Account(), keys: h.keys, sources: h.sources, projects: h.projects}
		h.boxes[stranger.scope.Account()] = h.boxes[h.scope.Account()]
		damaged := h.entry(stranger, sent{body: "{}"})
		damaged.Err = errors.New("checksum")
		h.take(broken, damaged, Entry{Seq: 9, Place: -1, Err: errors.New("not a batch")})
		if n := h.in.stats.Lost.Load(); n != 3 {
			t.Errorf("%d lost", n)
		}
		whole := h.entry(stranger, sent{body: "{}"}) // of an account that is not here (any more, or yet)
		h.take(whole)
		h.tenant = stranger
		if d := h.dead(""); len(d) != 1 || d[0].Reason != ReasonAccount {
			t.Errorf("%+v", d)
		}
	})
}

// A database fault that is the entry's own, found among others by halving.
func TestPoisonIsFoundByBisection(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { bisect(t, storetest.SQLiteOptions(t)) })
	t.Run("postgres", func(t *testing.T) { bisect(t, storetest.PostgresOptions(t)) })
}

func bisect(t *testing.T, o store.Options) {
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	h := newHouse(t, db)
	var entries []Entry
	poison := map[lead.EnquiryID]bool{}
	for i := range 60 {
		s := sent{enquiry: lead.NewEnquiryID(), body: body("P", fmt.Sprintf("+4420794601%02d", i), "")}
		if i == 7 || i == 41 || i == 42 {
			poison[s.enquiry] = true
			poisonTable(t, o, s.enquiry)
		}
		entries = append(entries, h.entry(h.tenant, s))
	}
	h.take(entries...)
	list := h.dead(leads.DeadOpen)
	for _, d := range list {
		if !poison[d.Enquiry] || d.Reason != ReasonRefused {
			t.Errorf("%+v", d)
		}
	}
	if len(list) != 3 || len(h.leads()) != 57 {
		t.Errorf("%d dead, %d leads", len(list), len(h.leads()))
	}
	h.take(entries...)
	if len(h.dead("")) != 3 || len(h.leads()) != 57 {
		t.Error("not the same after a redelivery")
	}
	err = h.in.Replay(t.Context(), h.scope, list[0].ID)
	if d := h.dead(leads.DeadOpen); !errors.Is(err, ErrStillDead) || len(d) != 3 || tries(d, list[0].ID) != 2 {
		t.Errorf("%v %+v", err, d)
	}
}

func tries(list []leads.DeadLetter, id lead.DeadID) int64 {
	for _, d := range list {
		if d.ID == id {
			return d.Tries
		}
	}
	return -1
}

// poisonTable has the database itself refuse the enquiry's submission.
func poisonTable(t *testing.T, o store.Options, id lead.EnquiryID) {
	t.Helper()
	name := strings.ReplaceAll(id.String(), "enq_", "poison_")
	driver, dsn := "sqlite", "file:"+o.Path
	statements := []string{fmt.Sprintf(`CREATE TRIGGER %s BEFORE INSERT ON submission WHEN NEW.enquiry_id = x'%x' BEGIN SELECT RAISE(ABORT, 'poison'); END`, name, id.Bytes())}
	if o.URL != "" {
		driver, dsn = "pgx", o.URL
		statements = []string{
			`CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$`,
			fmt.Sprintf(`CREATE TRIGGER %s BEFORE INSERT ON submission FOR EACH ROW WHEN (NEW.enquiry_id = '%s') EXECUTE FUNCTION poison()`, name, id.UUID()),
		}
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

// A database that takes nothing at all is at fault itself: nothing is set
// aside until it has taken something else, or for a minute.
func TestASickDatabaseIsNotPoison(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	h := newHouse(t, db)
	var entries []Entry
	for i := range 40 {
		s := sent{enquiry: lead.NewEnquiryID(), body: body("P", fmt.Sprintf("+4420794601%02d", i), "")}
		poisonTable(t, o, s.enquiry)
		entries = append(entries, h.entry(h.tenant, s))
	}
	for range 2 {
		if err := h.in.take(t.Context(), entries, false); err == nil || len(h.dead("")) != 0 {
			t.Fatalf("%v, %d set aside", err, len(h.dead("")))
		}
	}
	h.post(sent{body: body("Ada", "+442079460199", "")})
	h.take(entries...)
	if n := len(h.dead("")); n != 40 {
		t.Errorf("%d set aside", n)
	}
	var s sickness
	s.first = map[uint64]time.Time{}
	if !s.wait(1, start) || !s.wait(1, start.Add(patience-1)) || s.wait(1, start.Add(patience)) {
		t.Error("patience")
	}
}

// While the database is away nothing is judged.
func TestAwayIsNotPoison(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	e := h.entry(h.tenant, sent{body: body("Ada", "+442079460101", "")})
	away, err := store.Open(t.Context(), store.Options{URL: "postgres://nobody@127.0.0.1:1/none?sslmode=disable"})
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	in := h.intake()
	in.o.DB, in.facts.db = away, away
	for range 2 { // without and with facts known
		if err := in.take(t.Context(), []Entry{e}, false); !errors.Is(err, store.ErrAway) {
			t.Fatal(err)
		}
		in.facts.db = h.db
	}
	if n := in.stats.Dead.Load(); n != 0 {
		t.Errorf("%d judged", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.in.take(ctx, []Entry{e}, false); err == nil || len(h.dead("")) != 0 {
		t.Errorf("stopping: %v", err)
	}
	h.take(e)
	if len(h.leads()) != 1 {
		t.Error("not taken afterwards")
	}
}

func TestReplay(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		other := *h.tenant
		missing := account.NewSourceID()
		other.sources = []account.SourceID{missing}
		e := h.entry(&other, sent{body: body("Ada", "+442079460101", "")})
		h.take(e)
		d := h.dead("")[0]
		if err := h.in.Replay(t.Context(), h.scope, d.ID); !errors.Is(err, ErrStillDead) {
			t.Fatal(err)
		}
		if err := h.in.Replay(t.Context(), h.newTenant(1).scope, d.ID); !isNotFound(err) {
			t.Errorf("another account: %v", err)
		}
		h.write(h.scope, func(tx *store.Tx) error { return tx.Must(putSource, missing, h.projects[0], "found") })
		h.write(h.scope, func(tx *store.Tx) error { return h.in.AskReplay(tx, d.ID, "user_1") })
		if err := h.in.Replay(t.Context(), h.scope, d.ID); err != nil {
			t.Fatal(err)
		}
		if got := h.enquiry(d.Enquiry); got.State != lead.Attached || got.Lead.IsZero() {
			t.Errorf("%+v", got)
		}
		list := h.dead(leads.DeadReplayed)
		if len(list) != 1 || len(h.dead(leads.DeadOpen)) != 0 || list[0].Tries != 3 {
			t.Errorf("%+v", list)
		}
		if p, ok := problem.Of(h.in.Replay(t.Context(), h.scope, d.ID)); !ok || p.Code != "dead_letter_replayed" {
			t.Errorf("%v", p)
		}
		h.take(e) // and the journal delivers it once more
		if l := h.leads(); len(l) != 1 || l[0].Enquiries != 1 {
			t.Errorf("%+v", l)
		}
	})
}

func isNotFound(err error) bool {
	p, ok := problem.Of(err)
	return ok && p.Code == "not_found"
}

// A person whose key is gone is not guessed at.
func TestAPersonWithoutItsKey(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first := h.post(sent{body: body("Ada", "+442079460101", "")})
		h.write(h.scope, func(tx *store.Tx) error { _, err := tx.Exec(spoilKey); return err })
		h.take(h.entry(h.tenant, sent{body: body("Ada", "+442079460101", "")}), h.entry(h.tenant, sent{enquiry: first.ID, body: body("Eve", "+442079460102", "")}))
		if d := h.dead(""); len(d) != 1 || d[0].Reason != ReasonPerson {
			t.Errorf("%+v", d)
		}
	})
}

// A rotation elsewhere: the cached keyset knows neither the new box nor the
// keys of the persons that were added with it.
func TestRotatedKeys(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.scope.Account()
		h.post(sent{body: body("Ada", "+442079460101", "")})
		elsewhere := h.intake()
		elsewhere.o.Accounts = h.in.o.Accounts
		wrapped, rotated, err := h.ring.Rotate(t.Context(), h.keys)
		if err != nil {
			t.Fatal(err)
		}
		h.wrapped[id], h.boxes[id] = wrapped, rotated.DropBox()
		h.post(sent{body: body("Bob", "+442079460102", "")})
		if again := h.post(sent{body: body("Ada", "+442079460101", "")}); !again.ReEnquiry || len(h.dead("")) != 0 {
			t.Errorf("%+v", h.dead(""))
		}
	})
}

// The way of a door: asked for in its transaction, done by the runner.
func TestReplayAsAJob(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		other := *h.tenant
		other.sources = []account.SourceID{account.NewSourceID(), account.NewSourceID()}
		h.take(h.entry(&other, sent{body: body("Ada", "+442079460101", "")}), h.entry(&other, sent{body: body("Bob", "+442079460102", ""), project: 1}))
		waker := &jobstest.Waker{}
		list := jobs.NewList(waker)
		h.in.o.Jobs = list
		runner := jobs.NewRunner(h.db, list, slog.New(slog.DiscardHandler), jobs.RunnerOptions{Poll: 20 * time.Millisecond})
		runner.Handle(ReplayJob, h.in.HandleReplay)
		routed := make(chan string, 10)
		runner.Handle(RouteJob, func(_ context.Context, j jobs.Job) error { routed <- j.Key; return nil })
		h.write(h.scope, func(tx *store.Tx) error { return tx.Must(putSource, other.sources[0], h.projects[0], "found") })
		runner.Start()
		defer runner.Stop()
		for _, d := range h.dead("") {
			h.write(h.scope, func(tx *store.Tx) error { return h.in.AskReplay(tx, d.ID, "user_1") })
		}
		err := h.db.Write(t.Context(), h.newTenant(1).scope, func(tx *store.Tx) error { return h.in.AskReplay(tx, h.dead("")[0].ID, "user_1") })
		if !isNotFound(err) {
			t.Errorf("another account: %v", err)
		}
		deadline := time.Now().Add(10 * time.Second)
		if key := <-routed; key != h.projects[0].String() {
			t.Errorf("routed %s", key)
		}
		for ran, _ := runner.Stats(); ran < 3 && time.Now().Before(deadline); ran, _ = runner.Stats() {
			time.Sleep(10 * time.Millisecond)
		}
		open, replayed := h.dead(leads.DeadOpen), h.dead(leads.DeadReplayed)
		if len(open) != 1 || len(replayed) != 1 || open[0].Tries != 2 || len(h.leads()) != 1 {
			t.Errorf("%+v %+v", open, replayed)
		}
		if _, failed := runner.Stats(); failed != 0 {
			t.Errorf("%d failed", failed)
		}
	})
}
