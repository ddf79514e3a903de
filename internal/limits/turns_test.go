package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// flood has who ask for n single places that are held until release.
func flood(ctx context.Context, t *Turns[string], who string, n int, served chan<- string, release <-chan struct{}) {
	for range n {
		go func() {
			if !t.Enter(ctx, who, 1) {
				return
			}
			served <- who
			<-release
			t.Leave(who, 1)
		}()
	}
}

func TestAnIdleAccountFindsAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns[string](8, 6, time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		served, release := make(chan string, 1000), make(chan struct{})
		flood(ctx, turns, "loud", 500, served, release)
		synctest.Wait()
		if got := len(served); got != 6 {
			t.Fatalf("one account has %d of 8 places, may have 6", got)
		}
		began := time.Now()
		if !turns.Enter(ctx, "quiet", 1) || time.Since(began) != 0 {
			t.Error("another had to wait")
		}
		turns.Leave("quiet", 1)
		cancel()
		close(release)
		synctest.Wait()
		if taken, _ := turns.Busy(); taken != 0 || len(turns.lines) != 0 || len(turns.round) != 0 {
			t.Errorf("%d places taken, %d lines and %d in the round after all have left", taken, len(turns.lines), len(turns.round))
		}
	})
}

func TestWhoWasIdleIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns[string](2, 2, time.Minute)
		served, release := make(chan string, 1000), make(chan struct{})
		flood(t.Context(), turns, "loud", 300, served, release)
		synctest.Wait()
		flood(t.Context(), turns, "quiet", 1, served, release)
		synctest.Wait()
		for len(served) > 0 {
			<-served
		}
		release <- struct{}{} // one place comes free
		synctest.Wait()
		if got := <-served; got != "quiet" {
			t.Errorf("the next was %s, behind whose flood nobody may be", got)
		}
		close(release)
		synctest.Wait()
	})
}

func TestPlacesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns[string](4, 4, time.Hour)
		served, release := make(chan string, 10_000), make(chan struct{})
		flood(t.Context(), turns, "many", 4000, served, release)
		synctest.Wait()
		flood(t.Context(), turns, "few", 400, served, release)
		synctest.Wait()
		for range 800 {
			release <- struct{}{}
			synctest.Wait()
		}
		count := map[string]int{}
		for len(served) > 0 {
			count[<-served]++
		}
		if few := count["few"]; few < 400-quantum {
			t.Errorf("in 800 turns one had %d, the other with ten times as many waiting %d", few, count["many"])
		}
		close(release)
		synctest.Wait()
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns[string](1, 1, time.Second)
		if !turns.Enter(t.Context(), "a", 1) {
			t.Fatal("no place in an empty house")
		}
		began := time.Now()
		if turns.Enter(t.Context(), "b", 1) || time.Since(began) != time.Second {
			t.Errorf("let in, or sent away after %s", time.Since(began))
		}
		turns.Leave("a", 1)
		if !turns.Enter(t.Context(), "b", 1) {
			t.Error("who gave up still stands in the way")
		}
	})
}

// However they come and go, no place is given twice or lost, and nobody waits
// while there is a place for him.
func TestPlacesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntRange(1, 50).Draw(t, "places")
		turns := NewTurns[int](places, rapid.IntRange(1, places).Draw(t, "each"), time.Hour)
		type ticket struct {
			who, n int
			w      *waiter
		}
		var held, waiting []ticket
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 2).Draw(t, "op"); {
			case op == 0:
				k := ticket{rapid.IntRange(0, 4).Draw(t, "who"), rapid.IntRange(1, places).Draw(t, "n"), nil}
				if k.w = turns.ask(k.who, k.n); k.w == nil {
					held = append(held, k)
				} else {
					waiting = append(waiting, k)
				}
			case op == 1 && len(held) > 0:
				i := rapid.IntRange(0, len(held)-1).Draw(t, "leave")
				k := held[i]
				held = append(held[:i], held[i+1:]...)
				turns.Leave(k.who, k.n)
			case op == 2 && len(waiting) > 0:
				i := rapid.IntRange(0, len(waiting)-1).Draw(t, "withdraw")
				k := waiting[i]
				waiting = append(waiting[:i], waiting[i+1:]...)
				if !turns.withdraw(k.who, k.w) {
					held = append(held, k)
				}
			}
			var still []ticket
			for _, k := range waiting {
				if k.w.given {
					held = append(held, k)
				} else {
					still = append(still, k)
				}
			}
			waiting = still
			sum := 0
			for _, k := range held {
				sum += k.n
			}
			if taken, _ := turns.Busy(); taken != sum || taken > places {
				t.Fatalf("%d of %d places taken, %d are held", taken, places, sum)
			}
			if sum == 0 && len(waiting) > 0 {
				t.Fatalf("%d wait before an empty house", len(waiting))
			}
		}
	})
}

func BenchmarkTurns(b *testing.B) {
	turns := NewTurns[int](1<<20, 1<<20, time.Second)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if turns.Enter(b.Context(), 1, 1) {
				turns.Leave(1, 1)
			}
		}
	})
}
