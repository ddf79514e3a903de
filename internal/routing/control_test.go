package routing_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"testing"

	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"

	"pgregory.net/rapid"
)

// sabotage is a Decide that is wrong in one way, and the property that then
// must be seen violated.
type sabotage struct {
	name     string
	property string
	decide   func(routing.Round) routing.Outcome
	pure     bool // not through the database: the counters there do not take it
}

func sabotages() []sabotage {
	return []sabotage{
		{"shifts are ignored", propertytest.InShift, ignoresShifts, false},
		{"a lead is left waiting though somebody is free", propertytest.NobodyWaits, leavesOneWaiting, false},
		{"somebody busy is chosen", propertytest.NobodyWaits, choosesTheBusy, true},
		{"the decision hangs on what was not saved", propertytest.Replayed, backwards, false},
		{"the reasons say something else", propertytest.Replayed, lies, false},
	}
}

// ignoresShifts has everybody on shift.
func ignoresShifts(in routing.Round) routing.Outcome {
	in.Candidates = slices.Clone(in.Candidates)
	for i := range in.Candidates {
		in.Candidates[i].OnShift = true
	}
	return routing.Decide(in)
}

// choosesTheBusy allows everybody one offer more.
func choosesTheBusy(in routing.Round) routing.Outcome {
	in.Pool.OffersAtOnce++
	return routing.Decide(in)
}

// leavesOneWaiting takes the last offer of the round back.
func leavesOneWaiting(in routing.Round) routing.Outcome {
	out := routing.Decide(in)
	for i, d := range slices.Backward(out.Decisions) {
		if d.Chosen == routing.Nobody {
			continue
		}
		out.Candidates[d.Chosen].OffersMade--
		out.Candidates[d.Chosen].OpenOffers--
		d.Reasons[d.Chosen] = byte(routing.LaterInTurn)
		out.Decisions[i].Chosen = routing.Nobody
		break
	}
	return out
}

// backwards turns the rotation around, which the saved round does not say.
func backwards(in routing.Round) routing.Outcome {
	in.Candidates = slices.Clone(in.Candidates)
	for i := range in.Candidates {
		in.Candidates[i].LastOfferAt = -int64(i)
	}
	return routing.Decide(in)
}

// lies gives the first candidate of each lead another reason.
func lies(in routing.Round) routing.Outcome {
	out := routing.Decide(in)
	for _, d := range out.Decisions {
		if len(d.Reasons) > 0 && routing.Reason(d.Reasons[0]) != routing.IsEngaged {
			d.Reasons[0] = byte(routing.IsEngaged)
		}
	}
	return out
}

// differs reports whether the sabotage did any harm to this round.
func differs(a, b routing.Outcome) bool {
	return !slices.EqualFunc(a.Decisions, b.Decisions, func(x, y routing.Decision) bool {
		return x.Chosen == y.Chosen && bytes.Equal(x.Reasons, y.Reasons)
	})
}

// harms is differs for a sabotage of the property: shifts that are ignored do
// no harm to that property until somebody off shift is chosen.
func (s sabotage) harms(in routing.Round, out routing.Outcome) bool {
	if s.property != propertytest.InShift {
		return differs(out, routing.Decide(in))
	}
	return slices.ContainsFunc(out.Decisions, func(d routing.Decision) bool {
		return d.Chosen != routing.Nobody && !in.Candidates[d.Chosen].OnShift
	})
}

// Controls of TestPropertyDecide: each harm that a wrong Decide does to a
// round is noticed in that round.
func TestPropertyDecideControls(t *testing.T) {
	propertytest.Checks(t, 50, 200)
	for _, s := range sabotages() {
		t.Run(s.name, func(t *testing.T) {
			tally, noticed, harmed := propertytest.NewTally(), 0, 0
			rapid.Check(t, func(t *rapid.T) {
				in := drawRound(t)
				out := s.decide(in)
				if !s.harms(in, out) {
					return
				}
				tally.Case()
				harmed++
				watch := &propertytest.Watch{}
				checkRound(watch, in, out)
				if watch.Violated(s.property) {
					noticed++
				}
			})
			tally.Control(t, s.property, "pure", s.name, noticed, harmed)
		})
	}
}

// Controls of TestPropertyStories: a router with a wrong Decide, all else the
// same. Each story in which it did harm is noticed.
func TestPropertyStoryControls(t *testing.T) {
	propertytest.Checks(t, 6, 10)
	for _, s := range sabotages() {
		if s.pure {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			each(t, func(t *testing.T, db *store.DB) {
				tally, noticed, harmed := propertytest.NewTally(), 0, 0
				check := func(t *rapid.T) {
					harm, watch := false, &propertytest.Watch{}
					w := drawWorld(t, watch, db)
					w.router.Sabotage(func(in routing.Round) routing.Outcome {
						out := s.decide(in)
						harm = harm || s.harms(in, out)
						return out
					})
					w.tally = propertytest.NewTally()
					w.story(t)
					tally.Case()
					if harm {
						harmed++
					}
					if harm && watch.Violated(s.property) {
						noticed++
					}
				}
				for range 10 { // a few stories may all go well by chance
					if rapid.Check(t, check); harmed > 0 {
						break
					}
				}
				tally.Control(t, s.property, string(db.Engine()), s.name, noticed, harmed)
			})
		})
	}
}

var (
	spoilReasons = store.Register("routing_test.spoil_reasons", `UPDATE decision SET reasons = $5 WHERE account_id = $1 AND lead_id = $2 AND round_id = $3 AND n = $4`)
	spoilUser    = store.Register("routing_test.spoil_user", `UPDATE decision SET user_id = $5 WHERE account_id = $1 AND lead_id = $2 AND round_id = $3 AND n = $4`)
	spoilInput   = store.Register("routing_test.spoil_input", `UPDATE round SET input = $3 WHERE account_id = $1 AND round_id = $2`)
)

// errUndo rolls a sabotage of the ledger back.
var errUndo = errors.New("undone")

// Controls of the replay: one byte of a saved decision is changed, or its
// person, or one byte of what it saw. Each is noticed.
func TestPropertyLedgerControls(t *testing.T) {
	propertytest.Checks(t, 6, 10)
	each(t, func(t *testing.T, db *store.DB) {
		kinds := []*struct {
			*propertytest.Tally
			name           string
			spoil          func(*rapid.T, *world, *store.Tx, lead.RoundID) (bool, error)
			noticed, tried int
		}{
			{Tally: propertytest.NewTally(), name: "one byte of a saved reason", spoil: spoilAReason},
			{Tally: propertytest.NewTally(), name: "the person of a saved decision", spoil: spoilAPerson},
			{Tally: propertytest.NewTally(), name: "one byte of a saved round's input", spoil: spoilTheInput},
		}
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t, t, db)
			w.tally = propertytest.NewTally()
			w.story(t)
			for _, id := range w.rounds() {
				for _, k := range kinds {
					tried, noticed := w.spoiled(id, func(tx *store.Tx) (bool, error) { return k.spoil(t, w, tx, id) })
					if tried {
						k.Case()
						k.tried++
					}
					if tried && noticed {
						k.noticed++
					}
				}
			}
		})
		for _, k := range kinds {
			k.Control(t, propertytest.Replayed, string(db.Engine()), k.name, k.noticed, k.tried)
		}
	})
}

func (w *world) rounds() (ids []lead.RoundID) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		ids = nil
		rows, err := tx.Query(allRounds)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var id lead.RoundID
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids
}

// spoiled has a round spoiled, verifies it, and undoes it. tried: it was.
func (w *world) spoiled(id lead.RoundID, spoil func(*store.Tx) (bool, error)) (tried, noticed bool) {
	w.Helper()
	err := w.try(func(tx *store.Tx) (err error) {
		if tried, err = spoil(tx); err != nil {
			return err
		}
		noticed = w.router.Verify(tx, id) != nil
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		w.Fatalf("%v", err)
	}
	return tried, noticed
}

func spoilAReason(t *rapid.T, _ *world, tx *store.Tx, id lead.RoundID) (bool, error) {
	ds, err := offers.DecisionsIn(tx, id)
	if err != nil {
		return false, err
	}
	d := rapid.SampledFrom(ds).Draw(t, "decision")
	if len(d.Reasons) == 0 {
		return false, nil
	}
	at, by := rapid.IntRange(0, len(d.Reasons)-1).Draw(t, "at"), rapid.ByteRange(1, 255).Draw(t, "by")
	d.Reasons[at] ^= by
	return true, tx.Must(spoilReasons, d.Lead, id, d.N, d.Reasons)
}

func spoilAPerson(t *rapid.T, w *world, tx *store.Tx, id lead.RoundID) (bool, error) {
	ds, err := offers.DecisionsIn(tx, id)
	if err != nil {
		return false, err
	}
	d, to := rapid.SampledFrom(ds).Draw(t, "decision"), rapid.SampledFrom(w.users).Draw(t, "to")
	return to != d.User, tx.Must(spoilUser, d.Lead, id, d.N, to)
}

// spoilTheInput changes a byte of the packed round, unless nothing is packed
// in it: gzip's header has a time, and the last byte of its stream spare bits.
func spoilTheInput(t *rapid.T, _ *world, tx *store.Tx, id lead.RoundID) (bool, error) {
	saved, err := offers.GetRound(tx, id)
	if err != nil {
		return false, err
	}
	was := inflate(saved.Input)
	at := rapid.IntRange(0, len(saved.Input)-1).Draw(t, "at")
	saved.Input[at] ^= rapid.ByteRange(1, 255).Draw(t, "by")
	return at == 0 || !bytes.Equal(was, inflate(saved.Input)), tx.Must(spoilInput, id, saved.Input)
}

// inflate is nil when there is any fault.
func inflate(packed []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return b
}
