package capture_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/capture"
	"catchment/internal/keyring/keyringtest"
)

var sealPairs = flag.Int("seal-pairs", 0, "pairs to measure what sealing adds to a capture; none when 0")

// What sealing costs: a door that seals and one that leaves the text in clear
// take the same leads in alternating pairs, into real journals. The process's
// CPU a lead is compared, without a network, whose cost would hide it.
func TestSealCost(t *testing.T) {
	if *sealPairs == 0 {
		t.Skip("-seal-pairs")
	}
	sealed := newHouse(t).door.Handler()
	clear := newHouse(t, change{door: func(o *capture.Options) { o.Sealer = keyringtest.ClearSealer{} }}).door.Handler()
	handleMany(t, sealed)
	handleMany(t, clear)
	var added, with []float64
	for n := range *sealPairs {
		var s, c float64
		if n%2 == 0 { // who goes first changes, so that neither has the warmer cache
			s, c = handleMany(t, sealed), handleMany(t, clear)
		} else {
			c, s = handleMany(t, clear), handleMany(t, sealed)
		}
		t.Logf("pair %d: sealed %.1f µs CPU a lead, clear %.1f µs", n+1, s, c)
		added, with = append(added, 100*(s-c)/c), append(with, s)
	}
	slices.Sort(added)
	slices.Sort(with)
	t.Logf("sealing adds %.1f %% to a capture's CPU, median of %d pairs (aim ≤ 10 %%); a sealed capture is %.1f µs", added[len(added)/2], len(added), with[len(with)/2])
}

// handleMany gives the CPU of this process in microseconds a lead.
func handleMany(t *testing.T, h http.Handler) float64 {
	t.Helper()
	micros, _ := handleLeads(t, h, 8000, 32, benchBody)
	return micros
}

// handleLeads has the handler take leads, so many at a time, without a network. It gives
// the CPU of this process in microseconds a lead, and the leads a second.
func handleLeads(t *testing.T, h http.Handler, leads, at int, body func(n int) string) (micros, rate float64) {
	t.Helper()
	before, began := cpu(), time.Now()
	var all sync.WaitGroup
	for c := range at {
		all.Go(func() {
			for i := range leads / at {
				r := httptest.NewRequest(http.MethodPost, "/v1/leads", strings.NewReader(body(c*1000+i)))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+secret)
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != http.StatusAccepted {
					t.Errorf("got %d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	all.Wait()
	return float64((cpu() - before).Microseconds()) / float64(leads), float64(leads) / time.Since(began).Seconds()
}
