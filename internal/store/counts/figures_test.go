package counts_test

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestBuckets(t *testing.T) {
	last := int64(-1)
	for b := range 40 * 16 {
		first, end := counts.BucketSpan(b)
		if first != last+1 || end < first {
			t.Fatalf("bucket %d is [%d, %d] after %d", b, first, end, last)
		}
		if counts.Bucket(first) != b || counts.Bucket(end) != b {
			t.Fatalf("%d and %d are in %d and %d, not in %d", first, end, counts.Bucket(first), counts.Bucket(end), b)
		}
		last = end
	}
	if counts.Bucket(-5) != 0 || counts.Bucket(math.MaxInt64) <= 0 {
		t.Error("what lies outside has no bucket")
	}
}

func TestQuantilesAreWithinTheirError(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		var all []int64
		tally := counts.Tally{}
		for range 1 + rnd.IntN(3000) {
			ms := int64(math.Exp(rnd.Float64() * 20))
			all = append(all, ms)
			tally.AddClock(counts.SpeedToLead, counts.Bucket(ms), 1)
		}
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			exact := all[counts.Rank(int64(len(all)), q)-1]
			got, ok := tally.Spread(counts.SpeedToLead).Quantile(q)
			if !ok || math.Abs(float64(got-exact)) > counts.BucketError*float64(exact) {
				t.Fatalf("quantile %v of %d: %d, exactly %d", q, len(all), got, exact)
			}
		}
	}
	if _, ok := (counts.Spread{}).Quantile(0.5); ok {
		t.Error("nothing was measured and has a median")
	}
}

func FuzzTally(f *testing.F) {
	t := counts.Tally{}
	t.Add(counts.FLeads, 3)
	t.AddClock(counts.SpeedToLead, 57, -1)
	t.AddName(counts.FReason, "too-expensive", 2)
	f.Add(t.Pack())
	f.Add([]byte{200, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		x := counts.Tally{}
		if x.Unpack(b, 1) != nil {
			return
		}
		y := counts.Tally{}
		if err := y.Unpack(x.Pack(), 1); err != nil {
			t.Fatal(err)
		}
		if y.Merge(&x, -1); !y.Zero() {
			t.Fatalf("%v became something else: %v", x, y)
		}
	})
}

func FuzzShare(f *testing.F) {
	f.Add(counts.ShareOf(example(time.Unix(1e9, 0), rand.New(rand.NewPCG(1, 1)))).Pack())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := counts.UnpackShare(b)
		if err != nil {
			return
		}
		if _, err := counts.UnpackShare(s.Pack()); err != nil {
			t.Fatal(err)
		}
	})
}

var (
	users   = []account.UserID{account.NewUserID(), account.NewUserID()}
	project = account.NewProjectID()
	source  = account.NewSourceID()
	stage   = lead.NewStageID()
)

func example(at time.Time, rnd *rand.Rand) counts.Facts {
	at = at.UTC().Truncate(time.Microsecond)
	f := counts.Facts{Lead: lead.NewID(), Project: project, Source: source, Stage: stage, Category: lead.Dropped, Reason: "too-expensive",
		Owner: users[rnd.IntN(2)], Enquiries: 1, CreatedAt: at, OfferedAt: at.Add(time.Second), AcceptedAt: at.Add(9 * time.Second),
		AttemptedAt: at.Add(time.Duration(rnd.IntN(1e6)) * time.Millisecond), Attribution: `{"utm_source":" Google","utm_medium":"cpc","utm_campaign":"Spring"}`}
	f.Offers = []counts.OfferFact{{users[0], "expired", at, at.Add(time.Hour)}, {users[1], "offered", at, time.Time{}}}
	f.Attempts = []counts.AttemptFact{{users[0], true, at.Add(48 * time.Hour)}}
	return f
}

func TestAShareComesBack(t *testing.T) {
	f := example(time.Now(), rand.New(rand.NewPCG(1, 1)))
	s := counts.ShareOf(f)
	if s.Origin != "google / cpc" || s.Campaign != "spring" {
		t.Errorf("%q, %q", s.Origin, s.Campaign)
	}
	back, err := counts.UnpackShare(s.Pack())
	if err != nil {
		t.Fatal(err)
	}
	sum := counts.Figures{}
	sum.Add(s, 1)
	sum.Add(back, -1)
	if sum.Less(); len(sum) != 0 {
		t.Errorf("left: %v", sum)
	}
	f.Test = true
	if len(counts.ShareOf(f).Parts) != 0 {
		t.Error("a test lead counts")
	}
}

// A lead of history counts, but nobody measured its clocks.
func TestHistoryHasNoClocks(t *testing.T) {
	f := example(time.Now(), rand.New(rand.NewPCG(1, 1)))
	f.Bookings = 1
	for _, history := range []bool{false, true} { // the first is the control
		f.History = history
		came := counts.ShareOf(f).Parts[0].Tally
		for _, c := range counts.Clocks() {
			if n := came.Spread(c).Count(); c != counts.TimeToContact && n != map[bool]int64{false: 1}[history] {
				t.Errorf("history %v: clock %d has %d", history, c, n)
			}
		}
		if came.Of(counts.FLeads) != 1 || came.Of(counts.FBookings) != 1 || came.Of(counts.FDropped) != 1 || came.Named(counts.FStage)[stage.String()] != 1 {
			t.Errorf("history %v: %v", history, came)
		}
	}
}

// A span read by months, days and hours is the same as hour by hour, and only
// what lies in it counts.
func TestBetween(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rnd := rand.New(rand.NewPCG(3, 3))
		s := storetest.Account()
		start := time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC)
		zones := map[string]*time.Location{}
		for _, name := range []string{"UTC", "Europe/London", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe"} {
			var err error
			if zones[name], err = time.LoadLocation(name); err != nil {
				t.Fatal(err)
			}
		}
		var facts []counts.Facts
		for range 400 {
			facts = append(facts, example(start.Add(time.Duration(rnd.Int64N(int64(250*24*time.Hour)))), rnd))
		}
		write(t, db, s, func(tx *store.Tx) error { return counts.Account(tx, facts) })
		write(t, db, s, func(tx *store.Tx) error { return counts.Account(tx, facts) }) // again: nothing
		for range 60 {
			from := start.Add(time.Duration(rnd.IntN(255*48)-96) * counts.Step)
			to := from.Add(time.Duration(rnd.IntN(250*48)) * counts.Step)
			want := map[account.UserID]int64{}
			for _, f := range facts {
				if !f.CreatedAt.Before(from) && f.CreatedAt.Before(to) {
					want[f.Owner]++
				}
			}
			err := db.Read(t.Context(), s, func(tx *store.Tx) error {
				got, err := counts.Between(tx, counts.OfUser, from, to)
				for _, u := range users {
					if n := got[u.String()].Of(counts.FLeads); n != want[u] {
						t.Errorf("%s to %s: %d, want %d", from, to, n, want[u])
					}
				}
				if err != nil {
					return err
				}
				for name, zone := range zones {
					hours, err := counts.ByHour(tx, from, to, zone)
					if err != nil {
						return err
					}
					var want [24]int64
					for _, f := range facts {
						if !f.CreatedAt.Before(from) && f.CreatedAt.Before(to) {
							want[f.CreatedAt.In(zone).Hour()]++
						}
					}
					for h := range hours {
						if n := hours[h].Of(counts.FLeads); n != want[h] {
							t.Errorf("%s to %s, %s, hour %d: %d, want %d", from, to, name, h, n, want[h])
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		// What changes is taken out of where it stood.
		for i := range facts {
			facts[i].Owner = users[0]
			facts[i].Attribution = `{}`
		}
		write(t, db, s, func(tx *store.Tx) error { return counts.Account(tx, facts) })
		err := db.Read(t.Context(), s, func(tx *store.Tx) error {
			by, err := counts.Between(tx, counts.OfOrigin, start, start.AddDate(1, 0, 0))
			if by["google / cpc"].Of(counts.FLeads) != 0 || by[""].Of(counts.FLeads) != 400 {
				t.Errorf("after the change: %v", slices.Collect(maps.Keys(by)))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestPresence(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, u := storetest.Account(), users[0]
		at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
		sum := counts.Figures{}
		for i, p := range []account.Presence{account.Available, account.Engaged, account.LoggedOff, account.Available} {
			span := counts.Span{User: u, Presence: p, From: at.Add(time.Duration(i) * 2 * time.Hour)}
			for range 2 { // seen twice, it is one
				write(t, db, s, func(tx *store.Tx) error {
					ended, err := counts.Declare(tx, span)
					f := counts.Figures{}
					f.AddSpan(ended, 1)
					sum.Merge(f, 1)
					if err != nil {
						return err
					}
					return counts.Change(tx, f)
				})
			}
		}
		err := db.Read(t.Context(), s, func(tx *store.Tx) error {
			by, err := counts.Between(tx, counts.OfUser, at.Truncate(counts.Step), at.Truncate(counts.Step).Add(3*time.Hour))
			got := by[u.String()]
			if got.Of(counts.FAvailable) != 2*3600_000 || got.Of(counts.FEngaged) != 3600_000 || got.Of(counts.FAway) != 0 {
				t.Errorf("%v", got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func write(t *testing.T, db *store.DB, s account.Scope, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
}
