package routing

import (
	"context"
	"errors"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"
)

// Backtest is what a policy would have decided in the rounds that were saved.
// Each round is decided again with what it saw: who was present and free, and
// which leads waited. Credit and places in the rotation are carried from round
// to round, and so is who waits: a lead that was offered and would not have
// been waits on into the next saved rounds, and one that would have been
// offered earlier than it was is not given a second time. Open offers and
// presence are as they really were, because nobody knows who would have
// answered. Nothing personal is read. Its JSON is what is kept of a job, so
// names in it stay.
type Backtest struct {
	Rounds    int          `json:"rounds"`
	Decisions int          `json:"decisions"`
	Changed   int          `json:"changed"`           // decisions that would have been another
	Changes   []TestChange `json:"changes,omitempty"` // the first of them, at most maxChanges
	Shares    []TestShare  `json:"shares"`            // by user id
	Rules     []TestRule   `json:"rules,omitempty"`   // of the policy, in order; none of the plain rotation
	Was       TestSide     `json:"was"`
	Would     TestSide     `json:"would"`
	Unknown   int          `json:"unknown,omitempty"`   // leads whose attributes are not known any more
	NotSaved  bool         `json:"not_saved,omitempty"` // the policy asks what older rounds did not save: capacity, cool-down or reachability
	Cut       bool         `json:"cut,omitempty"`       // there are more rounds than were read
}

// TestChange is a decision that would have been another.
type TestChange struct {
	Lead  lead.ID          `json:"lead"`
	At    time.Time        `json:"at"`
	Rule  string           `json:"rule,omitempty"` // that would have given it; "": nobody, or the plain rotation
	Was   []account.UserID `json:"was,omitempty"`
	Would []account.UserID `json:"would,omitempty"`
}

// TestRule is how one rule of the policy did: how often its condition was the
// first to hold, and how many offers it would have made, also as a fallback.
type TestRule struct {
	Name    string `json:"name"`
	Matched int    `json:"matched"` // leads
	Offers  int    `json:"offers"`
}

// TestShare is how many offers one person got and would have got.
type TestShare struct {
	User  account.UserID `json:"user"`
	Was   int            `json:"was"`
	Would int            `json:"would"`
}

// TestSide is one side of the comparison.
type TestSide struct {
	Offered    int       `json:"offered"`     // leads that somebody was offered
	Starved    int       `json:"starved"`     // leads that nobody was offered
	AfterHours int       `json:"after_hours"` // leads that waited because the routing hours were closed
	ToOffer    TestWaits `json:"to_offer"`    // of the leads that were offered, from waiting to the first offer
	OverHours  TestWaits `json:"over_hours"`  // the same, of those that waited after hours
}

// TestWaits are times within which a part of the leads had their first offer
// (nearest rank), in microseconds; 0 when there are none.
type TestWaits struct {
	P50 int64 `json:"p50"`
	P90 int64 `json:"p90"`
	P99 int64 `json:"p99"`
}

func waitsOf(micros []int64) TestWaits {
	if len(micros) == 0 {
		return TestWaits{}
	}
	slices.Sort(micros)
	at := func(percent int) int64 { return micros[(percent*len(micros)+99)/100-1] }
	return TestWaits{at(50), at(90), at(99)}
}

const (
	maxTestRounds = 500_000
	testPage      = 200
	testWindow    = 1000 // leads that would still wait, looked at in one round
	maxChanges    = 100
)

// Backtest decides the rounds from a time until another again by a policy,
// drafted or published. It reads them in pages, each in a transaction of its
// own, so a long one keeps nobody waiting; after each it tells step how many
// rounds are done, and ends with step's error. 404: no such policy.
func (r *Router) Backtest(ctx context.Context, scope account.Scope, id account.PolicyID, from, until time.Time, step func(done int) error) (Backtest, error) {
	t := &rehearsal{id: id}
	if err := r.db.Read(ctx, scope, func(tx *store.Tx) error { return r.prepare(tx, t) }); err != nil {
		return Backtest{}, err
	}
	at, last := from, lead.RoundID{}
	for {
		var page []offers.Round
		err := r.db.Read(ctx, scope, func(tx *store.Tx) (err error) {
			if page, err = offers.RoundsAfter(tx, t.pool, at, last, until, r.testPage); err != nil {
				return err
			}
			return r.read(tx, t, page)
		})
		if err != nil {
			return Backtest{Rounds: t.out.Rounds}, err
		}
		for _, in := range t.rounds {
			t.round(in)
		}
		if err := step(t.out.Rounds); err != nil {
			return Backtest{}, err
		}
		t.out.Cut = t.out.Rounds >= maxTestRounds
		if len(page) < r.testPage || t.out.Cut {
			return t.result(), nil
		}
		at, last = page[len(page)-1].At, page[len(page)-1].ID
	}
}

func (r *Router) prepare(tx *store.Tx, t *rehearsal) error {
	v, err := r.GetPolicy(tx, t.id)
	if err != nil {
		return err
	}
	pool, err := offers.PoolOf(tx, v.Project)
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	project, err := setup.GetProject(tx, v.Project)
	if err != nil {
		return err
	}
	c, err := compilePolicy(v.Rules)
	if err != nil {
		return err
	}
	t.start(pool.ID, c, r.zone(project.TimeZone))
	return nil
}

// read unpacks the page's rounds and reads what they did not save of their
// leads. It may run twice.
func (r *Router) read(tx *store.Tx, t *rehearsal, page []offers.Round) error {
	t.rounds = make([]Round, len(page))
	var missing []lead.ID
	for i, saved := range page {
		in, err := Unpack(saved.Input)
		if err != nil {
			return errUnreadable{err}
		}
		t.rounds[i] = in
		for _, l := range in.Leads {
			if t.asks && l.Attributes == nil || t.sticky && !in.savedOwners() {
				missing = append(missing, l.Lead)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var err error
	if t.asks {
		if t.facts, err = offers.FactsOf(tx, missing); err != nil {
			return err
		}
	}
	if t.sticky {
		t.owners, err = offers.OwnersBefore(tx, missing)
	}
	return err
}

// errUnreadable is a saved round that cannot be read: trying again is no use.
type errUnreadable struct{ error }

func (e errUnreadable) Unwrap() error { return e.error }

// savedOwners reports whether the round's leads carry who owned the person's
// last lead: they do when a rule asked for it.
func (in Round) savedOwners() bool {
	return in.Plan != nil && slices.ContainsFunc(in.Plan.Policy.Rules, func(r Rule) bool { return r.Sticky })
}
