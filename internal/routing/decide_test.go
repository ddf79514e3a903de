package routing_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/routing"

	"pgregory.net/rapid"
)

func person(change func(*routing.Candidate)) routing.Candidate {
	c := routing.Candidate{User: account.NewUserID(), Active: true, OnShift: true, Presence: account.Available, Since: 100}
	if change != nil {
		change(&c)
	}
	return c
}

func roundOf(people []routing.Candidate, leads ...routing.Waiting) routing.Round {
	return routing.Round{At: 1000, Pool: routing.Settings{OffersAtOnce: 1}, Candidates: people, Leads: leads}
}

// Each thing that keeps a person from a lead has its own reason.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name   string
		want   routing.Reason
		change func(*routing.Candidate)
		tried  lead.OfferState
		at     int64
	}{
		{"free", routing.Chosen, nil, "", 0},
		{"inactive", routing.Inactive, func(c *routing.Candidate) { c.Active, c.OnShift = false, false }, "", 0},
		{"off_shift", routing.OffShift, func(c *routing.Candidate) { c.OnShift = false }, "", 0},
		{"away", routing.IsAway, func(c *routing.Candidate) { c.Presence = account.Away }, "", 0},
		{"engaged", routing.IsEngaged, func(c *routing.Candidate) { c.Presence = account.Engaged }, "", 0},
		{"logged_off", routing.IsLoggedOff, func(c *routing.Candidate) { c.Presence = account.LoggedOff }, "", 0},
		{"a presence of another version", routing.IsLoggedOff, func(c *routing.Candidate) { c.Presence = "?" }, "", 0},
		{"busy", routing.Busy, func(c *routing.Candidate) { c.OpenOffers = 1 }, "", 0},
		{"missed it in this spell", routing.AlreadyOffered, nil, lead.OfferExpired, 100},
		{"missed it before coming back", routing.Chosen, nil, lead.OfferExpired, 99},
		{"declined it long ago", routing.DeclinedBefore, nil, lead.OfferDeclined, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := person(c.change)
			w := routing.Waiting{Lead: lead.NewID()}
			if c.tried != "" {
				w.Tried = []routing.Tried{{User: p.User, At: c.at, State: c.tried}, {User: account.NewUserID(), At: 500, State: lead.OfferDeclined}}
			}
			out := routing.Decide(roundOf([]routing.Candidate{p}, w))
			if got := routing.Reason(out.Decisions[0].Reasons[0]); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			if (out.Decisions[0].Chosen == 0) != (c.want == routing.Chosen) {
				t.Errorf("chosen %d", out.Decisions[0].Chosen)
			}
			wantExhausted := c.want == routing.AlreadyOffered || c.want == routing.DeclinedBefore
			if out.Decisions[0].Exhausted != wantExhausted {
				t.Errorf("exhausted %v", out.Decisions[0].Exhausted)
			}
		})
	}
}

// The oldest last offer goes first, then who had fewer, then the smaller id.
func TestRotation(t *testing.T) {
	a := person(func(c *routing.Candidate) { c.LastOfferAt = 50 })
	b := person(func(c *routing.Candidate) { c.LastOfferAt, c.OffersMade = 40, 9 })
	n1 := person(func(c *routing.Candidate) { c.OffersMade = 1 })
	n0 := person(nil)
	in := roundOf([]routing.Candidate{a, b, n1, n0}, make([]routing.Waiting, 10)...)
	in.Pool.OffersAtOnce = 2
	var got []int
	for _, d := range routing.Decide(in).Decisions {
		got = append(got, d.Chosen)
	}
	if want := []int{3, 2, 1, 0, 3, 2, 1, 0, -1, -1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// seldom is true once in 2 to the power of bits. rapid's own ranges prefer
// their ends, which made nearly everybody ineligible.
func seldom(t *rapid.T, bits int, label string) bool {
	yes := true
	for range bits {
		yes = rapid.Bool().Draw(t, label) && yes
	}
	return yes
}

func drawPresence(t *rapid.T) account.Presence {
	if !seldom(t, 2, "absent") {
		return account.Available
	}
	return rapid.SampledFrom([]account.Presence{account.Away, account.Engaged, account.LoggedOff}).Draw(t, "presence")
}

func drawRound(t *rapid.T) routing.Round {
	people := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) routing.Candidate {
		return routing.Candidate{User: account.NewUserID(), Active: !seldom(t, 3, "inactive"),
			OnShift: !seldom(t, 2, "off shift"), Presence: drawPresence(t),
			Since:       rapid.Int64Range(0, 20).Draw(t, "since"),
			LastOfferAt: rapid.Int64Range(0, 12).Draw(t, "last"), OffersMade: rapid.Int64Range(0, 5).Draw(t, "made"),
			OpenOffers: rapid.Int64Range(0, 3).Draw(t, "open")}
	}), 0, 8).Draw(t, "people")
	leads := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) routing.Waiting {
		w := routing.Waiting{Lead: lead.NewID(), WaitingAt: rapid.Int64Range(0, 9).Draw(t, "waiting"), Decided: rapid.Bool().Draw(t, "decided")}
		if len(people) > 0 {
			for range rapid.IntRange(0, 4).Draw(t, "tries") {
				w.Tried = append(w.Tried, routing.Tried{User: rapid.SampledFrom(people).Draw(t, "who").User, At: rapid.Int64Range(0, 30).Draw(t, "at"),
					State: rapid.SampledFrom([]lead.OfferState{lead.OfferExpired, lead.OfferDeclined, lead.OfferLost}).Draw(t, "state")})
			}
		}
		return w
	}), 0, 20).Draw(t, "leads")
	in := roundOf(people, leads...)
	in.Pool.OffersAtOnce = rapid.Int64Range(1, 4).Draw(t, "limit")
	return in
}

// checkRound says what of the outcome must not be: see TestPropertyDecide.
func checkRound(t fataler, in routing.Round, out routing.Outcome) {
	before := fmt.Sprint(in)
	packed, err := routing.Pack(in)
	if err != nil {
		t.Fatalf("%v", err)
	}
	_, again, err := routing.Replay(packed)
	if err != nil || !reflect.DeepEqual(again, out) {
		t.Errorf("%s: %v %v, was %v", propertytest.Replayed, again, err, out)
	}
	if fmt.Sprint(in) != before {
		t.Errorf("%s: the input was changed", propertytest.Replayed)
	}
	now := slices.Clone(in.Candidates)
	for i, d := range out.Decisions {
		checkDecision(t, in, now, in.Leads[i], d)
		if d.Chosen != routing.Nobody {
			now[d.Chosen] = in.Candidates[d.Chosen]
			now[d.Chosen].OffersMade += made(out, i, d.Chosen)
			now[d.Chosen].OpenOffers += made(out, i, d.Chosen)
			now[d.Chosen].LastOfferAt = in.At + int64(i) + 1 // any value that grows will do here
		}
	}
}

func made(out routing.Outcome, upTo, who int) (n int64) {
	for _, d := range out.Decisions[:upTo+1] {
		if d.Chosen == who {
			n++
		}
	}
	return n
}

func checkDecision(t fataler, in routing.Round, now []routing.Candidate, w routing.Waiting, d routing.Decision) {
	if d.Chosen != routing.Nobody && !in.Candidates[d.Chosen].OnShift {
		t.Errorf("%s: %d is off shift and chosen", propertytest.InShift, d.Chosen)
	}
	for i, c := range now {
		may := c.Active && c.OnShift && c.Presence == account.Available && c.OpenOffers < in.Pool.OffersAtOnce
		for _, try := range w.Tried {
			if try.User == c.User && (try.State == lead.OfferDeclined || try.At >= c.Since) {
				may = false
			}
		}
		if said := routing.Reason(d.Reasons[i]); may != (said == routing.Chosen || said == routing.LaterInTurn) {
			t.Errorf("%s: candidate %d may %v, but: %v", propertytest.NobodyWaits, i, may, said)
		}
		switch {
		case may && d.Chosen == routing.Nobody:
			t.Errorf("%s: candidate %d is eligible and the lead waits", propertytest.NobodyWaits, i)
		case may && c.LastOfferAt < now[d.Chosen].LastOfferAt:
			t.Errorf("%s: it was the turn of %d, not of %d", propertytest.NobodyWaits, i, d.Chosen)
		case !may && d.Chosen == i:
			t.Errorf("%s: candidate %d was not free and was chosen", propertytest.NobodyWaits, i)
		}
	}
	if d.Chosen != routing.Nobody && routing.Reason(d.Reasons[d.Chosen]) != routing.Chosen {
		t.Errorf("%s: the chosen one is not marked", propertytest.Replayed)
	}
}

// Leads that nobody gets can be left out of a round: the ledger does.
func TestNobodyChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawRound(t)
		out := routing.Decide(in)
		kept, want := in, []routing.Decision(nil)
		kept.Leads = nil
		for i, d := range out.Decisions {
			if d.Chosen != routing.Nobody || !in.Leads[i].Decided {
				kept.Leads, want = append(kept.Leads, in.Leads[i]), append(want, d)
			}
		}
		got := routing.Decide(kept)
		if len(want) > 0 && !reflect.DeepEqual(got.Decisions, want) || !reflect.DeepEqual(got.Candidates, out.Candidates) {
			t.Fatal("leaving out leads that nobody got changed others")
		}
	})
}

// With equal availability, shares are within one of each other, whatever the
// history and however the leads are cut into rounds.
func TestFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) routing.Candidate {
			return person(func(c *routing.Candidate) {
				c.LastOfferAt, c.OffersMade = rapid.Int64Range(0, 2000).Draw(t, "last"), rapid.Int64Range(0, 1000).Draw(t, "made")
			})
		}), 1, 12).Draw(t, "people")
		n, shares, at := len(people), make([]int, len(people)), int64(1000)
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			in := roundOf(people, make([]routing.Waiting, rapid.IntRange(0, 40).Draw(t, "leads"))...)
			in.At, in.Pool.OffersAtOnce = at, 1_000_000
			out := routing.Decide(in)
			for _, d := range out.Decisions {
				shares[d.Chosen]++
			}
			people = out.Candidates
			at += rapid.Int64Range(1, 100).Draw(t, "pause")
			if slices.Max(shares)-slices.Min(shares) > 1 {
				t.Fatalf("%d people got %v", n, shares)
			}
		}
	})
}

func FuzzUnpack(f *testing.F) {
	good, err := routing.Pack(roundOf([]routing.Candidate{person(nil)}, routing.Waiting{Lead: lead.NewID()}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-9])
	f.Add([]byte{1, 0x1f, 0x8b})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := routing.Unpack(b)
		if err != nil {
			return
		}
		again, err := routing.Pack(in)
		if err != nil {
			t.Fatal(err)
		}
		back, err := routing.Unpack(again)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(in) {
			t.Fatalf("%v: %v became %v", err, in, back)
		}
		_ = routing.Decide(in)
	})
}

func TestUnpackRefuses(t *testing.T) {
	good, err := routing.Pack(roundOf(nil))
	if err != nil {
		t.Fatal(err)
	}
	sum := bytes.Clone(good)
	sum[len(sum)-8] ^= 1 // the first byte of gzip's CRC
	for name, b := range map[string][]byte{"empty": nil, "checksum": sum, "version": append([]byte{9}, good[1:]...), "cut": good[:len(good)/2],
		"no gzip": bytes.Repeat([]byte{1}, 40)} {
		if _, err := routing.Unpack(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A full round: 500 leads, 200 salespeople.
func BenchmarkDecide(b *testing.B) {
	people := make([]routing.Candidate, 200)
	for i := range people {
		people[i] = person(nil)
	}
	in := roundOf(people, make([]routing.Waiting, 500)...)
	for i := range in.Leads {
		in.Leads[i].Lead = lead.NewID()
	}
	in.Pool.OffersAtOnce = 1000
	b.ReportAllocs()
	for b.Loop() {
		routing.Decide(in)
		if _, err := routing.Pack(in); err != nil {
			b.Fatal(err)
		}
	}
}
