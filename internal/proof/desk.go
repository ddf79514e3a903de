package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// The desk's measures: of a thousand leads a second one is for the salesperson
// whose desk is watched.
const (
	deskRate   = 1000
	deskTeam   = 20 // salespeople who get the others
	deskWithin = 1000.0
	deskDelay  = 2 * time.Second // of the control
)

// proveDesk measures from the first byte of a lead's POST to the frame in which
// its offer stands on a desk in Chromium.
func proveDesk(ctx context.Context, t *trial) error {
	chromium, err := findChromium()
	if err != nil {
		return err
	}
	i, err := t.fresh(ctx, SQLite)
	if err != nil {
		return err
	}
	others, err := i.site(ctx, deskTeam)
	if err != nil {
		return err
	}
	hers, err := i.project(ctx, "desk")
	if err != nil {
		return err
	}
	if err := i.hire(ctx, i.api(i.world.Accounts[0].SecretKey), hers, deskTeam); err != nil {
		return err
	}
	if err := i.untilKnown(ctx, hers); err != nil {
		return err
	}
	d := &deskTrial{t: t, i: i, chromium: chromium, hers: hers, others: others}
	seen, err := d.round(ctx, "desk", t.seconds(45), time.Second, deskRate, 0)
	if err != nil {
		return err
	}
	p50, p99, most := seen.at(0.5), seen.at(0.99), seen.at(1)
	t.figure("leads through the door meanwhile", seen.rate, "leads/s")
	t.check("none of her offers stayed unseen", seen.unseen == 0 && len(seen.ms) > 0, "%d seen, %d not", len(seen.ms), seen.unseen)
	t.check("nothing was refused at the door", seen.refused == 0, "%d", seen.refused)
	t.figure("from the POST to the screen: p50", p50, "ms")
	t.aim("from the POST to the screen: p99", p99, "ms", "< 1,000", p99 < deskWithin)
	t.figure("from the POST to the screen: at most", most, "ms")
	t.figure("of that, until the offer was made: p50", quantile(seen.made, 0.5), "ms")
	t.figure("of that, until the offer was made: p99", quantile(seen.made, 0.99), "ms")
	// Further apart: what one lead causes, late, would have the next one asked for.
	slow, err := d.round(ctx, "slow", 28*time.Second, 6*time.Second, 0, deskDelay)
	if err != nil {
		return err
	}
	t.check("control: two seconds' delay in the desk's stream is noticed", slow.at(0.5) >= float64(deskDelay.Milliseconds())*0.9 && slow.at(0.99) >= deskWithin,
		"p50 %.0f ms, p99 %.0f ms", slow.at(0.5), slow.at(0.99))
	return nil
}

func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", errSkipped{"chromium not found"}
}

type deskTrial struct {
	t            *trial
	i            *instance
	chromium     string
	hers, others site
}

// seenOffers is what came of a round.
type seenOffers struct {
	ms              []float64 // from POST to screen, sorted
	made            []float64 // from POST to the offer's transaction, sorted
	unseen, refused int
	rate            float64
}

func (s seenOffers) at(q float64) float64 { return quantile(s.ms, q) }

// quantile of sorted values; 0 of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// round opens the desk, sends her a lead every so often, and the others theirs
// at the rate (none for 0); delay is what her stream of events is late by.
func (d *deskTrial) round(ctx context.Context, tag string, long, every time.Duration, rate float64, delay time.Duration) (seenOffers, error) {
	var session json.RawMessage
	in := map[string]string{"email": fmt.Sprintf("seller-%d@team.example", deskTeam), "password": "a-long-password-for-the-proof"}
	if err := d.i.api("").post(ctx, "/v1/sessions", in, &session); err != nil {
		return seenOffers{}, err
	}
	s, err := openScreen(d.i.url(), session, delay)
	if err != nil {
		return seenOffers{}, err
	}
	defer s.close()
	cmd := exec.CommandContext(ctx, d.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--lang=en-GB", "--window-size=420,900",
		"--user-data-dir="+filepath.Join(d.t.dir, "chromium-"+tag), s.url()+"/prove/begin")
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		return seenOffers{}, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := d.i.wait(ctx, 60*time.Second, "the desk in Chromium", s.live.Load); err != nil {
		return seenOffers{}, err
	}
	posted, l, err := d.send(ctx, tag, long, every, rate)
	if err != nil {
		return seenOffers{}, err
	}
	out, err := d.settle(ctx, s, posted)
	if l != nil {
		out.rate, out.refused = float64(l.book.status(202))/long.Seconds(), l.book.answers()-l.book.status(202)
	}
	return out, err
}

// send posts her leads, with the others' beside them; when each was begun, by
// its enquiry.
func (d *deskTrial) send(ctx context.Context, tag string, long, every time.Duration, rate float64) (map[string]time.Time, *load, error) {
	under, stop := context.WithTimeout(ctx, long)
	defer stop()
	c := d.i.world.Accounts[0]
	var l *load
	done := make(chan struct{})
	if rate > 0 {
		l = &load{addr: d.i.listen, key: c.PublishableKey, conns: 64, rate: rate - 1, book: newLedger(crowd{tag: "others-" + tag, source: d.others.source}, 1<<40)}
		l.book.lean = true
		go func() { defer close(done); l.run(under, true) }()
		_ = pause(ctx, 2*time.Second) // it is in full swing
	} else {
		close(done)
	}
	door := d.i.api(c.PublishableKey)
	hers := crowd{tag: "hers-" + tag, source: d.hers.source}
	posted := map[string]time.Time{}
	for n, next := 0, time.Now(); under.Err() == nil; n++ {
		var a struct {
			ID string `json:"id"`
		}
		began := time.Now()
		r, err := door.do(ctx, http.MethodPost, "/v1/leads", http.Header{"Idempotency-Key": {hers.key(n)}}, hers.body(phones+n))
		if err != nil || r.status != http.StatusAccepted || json.Unmarshal(r.body, &a) != nil {
			return nil, nil, fmt.Errorf("a lead of hers: %d %w", r.status, err)
		}
		posted[a.ID] = began
		next = next.Add(every)
		_ = pause(under, time.Until(next))
	}
	<-done
	return posted, l, nil
}

// settle waits until all of her offers were seen, or a while, and works out
// how long each took.
func (d *deskTrial) settle(ctx context.Context, s *screen, posted map[string]time.Time) (seenOffers, error) {
	for end := time.Now().Add(30 * time.Second); s.count() < len(posted) && time.Now().Before(end); {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return seenOffers{}, err
		}
	}
	a := d.i.api(d.i.world.Accounts[0].SecretKey)
	at, made := map[string]time.Time{}, map[string]time.Time{} // by lead
	for offer, when := range s.all() {
		var o struct {
			Lead string    `json:"lead_id"`
			Made time.Time `json:"made_at"`
		}
		if err := a.get(ctx, "/v1/offers/"+offer, &o); err != nil {
			return seenOffers{}, err
		}
		if before, ok := at[o.Lead]; !ok || when.Before(before) {
			at[o.Lead], made[o.Lead] = when, o.Made
		}
	}
	var out seenOffers
	for enquiry, began := range posted {
		var e struct {
			Lead string `json:"lead_id"`
		}
		if err := a.get(ctx, "/v1/enquiries/"+enquiry, &e); err != nil {
			return seenOffers{}, err
		}
		if when, ok := at[e.Lead]; ok {
			out.ms, out.made = append(out.ms, ms(when.Sub(began))), append(out.made, ms(made[e.Lead].Sub(began)))
		} else {
			out.unseen++
		}
	}
	slices.Sort(out.ms)
	slices.Sort(out.made)
	return out, nil
}
