package limits

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testKey(n int) Key {
	return NewNamer([]byte("a secret of the tests")).Key("test", binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func anyRate(t *rapid.T) Rate {
	return Rate{
		N:     rapid.IntRange(1, 5000).Draw(t, "n"),
		Per:   time.Duration(rapid.IntRange(1, 60_000).Draw(t, "per")) * time.Millisecond,
		Burst: rapid.IntRange(1, 200).Draw(t, "burst"),
	}
}

// most is what a rate gives in a time, in the table's own whole nanoseconds.
func most(r Rate, d time.Duration) int { return int(int64(d)/r.each()) + r.Burst }

func TestNobodyGetsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := anyRate(t), start
		table := NewTable(8, start) // one set: others push the caller out
		type given struct {
			at time.Time
			n  int
		}
		var all []given
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 4*r.each()).Draw(t, "later")))
			for i := range rapid.IntRange(0, 20).Draw(t, "others") {
				table.Take(testKey(1+i), r, 1, now)
			}
			n := rapid.IntRange(1, r.Burst).Draw(t, "take")
			if table.Take(testKey(0), r, n, now) == 0 {
				all = append(all, given{now, n})
			}
		}
		for i := range all { // any window, not only the whole time
			sum := 0
			for _, g := range all[i:] {
				sum += g.n
				if want := most(r, g.at.Sub(all[i].at)); sum > want {
					t.Fatalf("%d given in %s, at most %d", sum, g.at.Sub(all[i].at), want)
				}
			}
		}
	})
}

// An account's own limit counts for it alone, from the moment it is known.
func TestOwnLimits(t *testing.T) {
	now := start
	own := map[string]Own{}
	l := New(Rates{Holder: PerSecond(5), Account: PerSecond(5), Leads: PerSecond(5)}, nil, func() time.Time { return now })
	l.Know(func(a []byte) Own { return own[string(a)] })
	for name, take := range map[string]func(acct []byte) error{
		"leads":   func(acct []byte) error { return l.Leads(acct, 1) },
		"account": func(acct []byte) error { return l.Request(acct, strconv.Itoa(rand.Int())) },
		"holder":  func(acct []byte) error { return l.Request(acct, "key of "+string(acct)) },
	} {
		one, other := []byte("one "+name), []byte("other "+name)
		own[string(one)] = map[string]Own{"leads": {Leads: 2}, "account": {Account: 2, Holder: 100}, "holder": {Account: 100, Holder: 2}}[name]
		given := func(acct []byte) (n int) {
			for take(acct) == nil {
				n++
			}
			return n
		}
		if a, b := given(one), given(other); a != 20 || b != 50 {
			t.Errorf("%s: %d at once of an own limit of 20, %d of the house's 50", name, a, b)
		}
		delete(own, string(one))
		now = now.Add(time.Minute)
		if n := given(one); n != 50 {
			t.Errorf("%s: %d at once when the house's counts again, want 50", name, n)
		}
	}
}

func TestTheWaitIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := anyRate(t), start
		used, early := NewTable(64, start), NewTable(64, start)
		for {
			n := rapid.IntRange(1, r.Burst).Draw(t, "take")
			now = now.Add(time.Duration(rapid.Int64Range(0, r.each()).Draw(t, "later")))
			early.Take(testKey(0), r, n, now)
			wait := used.Take(testKey(0), r, n, now)
			if wait == 0 {
				continue
			}
			if early.Take(testKey(0), r, n, now.Add(wait-1)) == 0 {
				t.Fatalf("given a nanosecond before %s", wait)
			}
			if again := used.Take(testKey(0), r, n, now.Add(wait)); again != 0 {
				t.Fatalf("told to wait %s, and then another %s", wait, again)
			}
			return
		}
	})
}

func TestWhoDoesNotHurryIsNeverRefused(t *testing.T) {
	r := Rate{N: 10, Per: time.Second, Burst: 1}
	table := NewTable(64, start)
	for n := range 1000 {
		at := start.Add(time.Duration(n) * 100 * time.Millisecond)
		if wait := table.Take(testKey(0), r, 1, at); wait != 0 {
			t.Fatalf("request %d has to wait %s", n, wait)
		}
	}
	if table.Take(testKey(0), r, 1, start.Add(999*100*time.Millisecond+99*time.Millisecond)) == 0 {
		t.Error("control: one that hurries was not noticed")
	}
}

func TestMoreThanABurstIsOwedInFull(t *testing.T) {
	r := Rate{N: 10, Per: time.Second, Burst: 5}
	table := NewTable(64, start)
	if wait := table.Take(testKey(0), r, 100, start); wait != 0 {
		t.Fatalf("a batch has to wait %s and would for ever", wait)
	}
	if wait := table.Take(testKey(0), r, 1, start); wait != 9600*time.Millisecond {
		t.Errorf("100 of 10 a second were given, and the next waits %s", wait)
	}
}

func TestAMillionAddressesDoNotForgiveTheAttacker(t *testing.T) {
	if testing.Short() {
		t.Skip("a million")
	}
	r := Rate{N: 1, Per: time.Minute, Burst: 5}
	table := NewTable(1<<14, start)
	attacker := testKey(-1)
	for range r.Burst {
		table.Take(attacker, r, 1, start)
	}
	given := 0
	for n := range 1_000_000 {
		now := start.Add(time.Duration(n) * 10 * time.Microsecond) // ten seconds in all
		table.Take(testKey(n), r, 1, now)
		if n%1000 == 0 && table.Take(attacker, r, 1, now) == 0 {
			given++
		}
	}
	if given != 0 {
		t.Errorf("the attacker got %d more while a million addresses came by", given)
	}
}

func TestNoRateIsNoLimit(t *testing.T) {
	table := NewTable(8, start)
	for range 1000 {
		if table.Take(testKey(0), Rate{}, 1000, start) != 0 {
			t.Fatal("refused without a limit")
		}
	}
}

func TestAskingTakesNothing(t *testing.T) {
	r := Rate{N: 1, Per: time.Second, Burst: 1}
	table := NewTable(8, start)
	for range 3 {
		if table.Ask(testKey(0), r, start) != 0 {
			t.Fatal("refused who only asked before")
		}
	}
	table.Take(testKey(0), r, 1, start)
	if got := table.Ask(testKey(0), r, start); got != time.Second {
		t.Errorf("told to wait %s, not a second", got)
	}
}

func TestKeysDifferByKindAndSecret(t *testing.T) {
	n := NewNamer([]byte("one"))
	seen := map[Key]bool{n.Key("a", []byte("bc")): true, n.Key("ab", []byte("c")): true, n.Key("abc", nil): true, NewNamer([]byte("two")).Key("a", []byte("bc")): true}
	if len(seen) != 4 {
		t.Error("different callers have one key")
	}
}

func FuzzNews(f *testing.F) {
	f.Add(appendNews(nil, [8]byte{1}, 2, []news{{3, 4}}))
	f.Add([]byte{gossipForm})
	f.Fuzz(func(t *testing.T, b []byte) {
		from, table, list, ok := parseNews(b)
		if ok && string(appendNews(nil, from, table, list)) != string(b) {
			t.Errorf("%x is read as something else", b)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	table, namer, r := NewTable(1<<17, time.Now()), NewNamer([]byte("secret")), Rate{N: 1000, Per: time.Second, Burst: 1000}
	b.ReportAllocs()
	b.ReportMetric(float64(len(table.sets)*(8+ways*24))/float64(len(table.sets)*ways), "B/entry")
	b.RunParallel(func(pb *testing.PB) {
		id, x := make([]byte, 16), rand.Uint64()
		for pb.Next() {
			x = x*6364136223846793005 + 1
			binary.BigEndian.PutUint64(id, x%1_000_000)
			table.Take(namer.Key("address", id), r, 1, time.Now())
		}
	})
}
