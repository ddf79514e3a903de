package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultRate is how many leads a minute the visitors make when nobody says.
const DefaultRate = 40

// Crowd is the visitors of all companies' pages.
type Crowd struct {
	world *World
	rate  float64
	http  *http.Client
	stats Stats
	taken func(enquiry string, at time.Time)
	fault func(error)

	// Start and Stop.
	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

// Stats counts what the crowd did.
type Stats struct {
	Sent, Acknowledged, Refused, Repeated atomic.Int64
}

// Visitors makes a crowd that sends about rate leads a minute to the sources
// of the world, through the real door.
func Visitors(w *World, rate float64) *Crowd {
	if rate <= 0 {
		rate = DefaultRate
	}
	return &Crowd{world: w, rate: rate, http: newHTTP(w.trust), taken: func(string, time.Time) {}, fault: func(error) {}}
}

// OnProblem calls f with refusals, which the simulation does not expect. They
// hold no personal data. Call it before Start.
func (c *Crowd) OnProblem(f func(error)) { c.fault = f }

// OnTaken calls f for each acknowledged enquiry, with the time at which it was
// sent. Call it before Start; f must be quick.
func (c *Crowd) OnTaken(f func(enquiry string, at time.Time)) { c.taken = f }

// Counts shows what was done so far.
func (c *Crowd) Counts() *Stats { return &c.stats }

// Start sends the crowd out until Stop.
func (c *Crowd) Start() { c.mu.Lock(); defer c.mu.Unlock(); c.stop, c.done = background(c.Run) }

// Stop calls them back; no request is under way when it returns.
func (c *Crowd) Stop() { c.mu.Lock(); defer c.mu.Unlock(); recall(c.stop, c.done) }

// background runs f until its context is cancelled.
func background(f func(context.Context)) (context.CancelFunc, chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	return cancel, done
}

func recall(stop context.CancelFunc, done chan struct{}) {
	if stop == nil {
		return // never started
	}
	stop()
	<-done
}

// page is one company's site.
type page struct {
	account Account
	company company
	sources []Source // that the demo knows
	share   map[string]int
	slugs   map[string]string // source's slug to project's slug
	known   []face            // who was here before
}

// Run sends visitors until ctx ends, and waits for those under way.
func (c *Crowd) Run(ctx context.Context) {
	r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	pages := pagesOf(c.world)
	if len(pages) == 0 {
		return
	}
	beat := newRhythm(c.rate, r)
	var under sync.WaitGroup
	defer under.Wait()
	places := make(chan struct{}, 32) // so many at once; the rest wait, as at a real door
	for sleep(ctx, beat.next()) == nil {
		p := pages[pick(r, len(pages), func(i int) int { return pages[i].company.share })]
		e := p.visit(r, time.Now())
		again := r.IntN(25) == 0 // pressed the button twice
		key := p.account.PublishableKey
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		under.Go(func() {
			defer func() { <-places }()
			c.send(ctx, key, e)
			if again {
				c.stats.Repeated.Add(1)
				c.send(ctx, key, e)
			}
		})
	}
}

func pagesOf(w *World) []*page {
	var out []*page
	for _, plan := range companies() {
		for _, a := range w.Accounts {
			if a.Name == plan.name {
				out = append(out, newPage(a, plan))
			}
		}
	}
	return out
}

func newPage(a Account, plan company) *page {
	p := &page{account: a, company: plan, share: map[string]int{}, slugs: map[string]string{}}
	for _, project := range plan.projects {
		for _, s := range project.sources {
			p.share[s.slug], p.slugs[s.slug] = s.share, project.slug
		}
	}
	for _, s := range a.Sources {
		if p.share[s.Slug] > 0 {
			p.sources = append(p.sources, s)
		}
	}
	return p
}

// visit is the next visitor's enquiry: mostly somebody new, sometimes one who
// enquired before, for the same project or another.
func (p *page) visit(r *rand.Rand, now time.Time) enquiry {
	src := p.sources[pick(r, len(p.sources), func(i int) int { return p.share[p.sources[i].Slug] })]
	f := p.face(r)
	slug := p.slugs[src.Slug]
	if src.isForm() {
		return asForm(r, p.company, src, slug, f)
	}
	return asJSON(r, p.company, src, slug, f, now, r.IntN(80) == 0)
}

const remembered = 200

func (p *page) face(r *rand.Rand) face {
	if len(p.known) > 5 && r.IntN(100) < 14 {
		return p.known[r.IntN(len(p.known))]
	}
	f := newFace(r, p.company.region)
	if r.IntN(4) > 0 {
		if len(p.known) < remembered {
			p.known = append(p.known, f)
		} else {
			p.known[r.IntN(remembered)] = f
		}
	}
	return slip(r, f, p.company.region)
}

// patience is how long a visitor's page repeats what was not taken.
const patience = 2 * time.Minute

// send hands the enquiry in, and again with the same key while the door is
// busy or does not answer: that makes no second lead.
func (c *Crowd) send(ctx context.Context, key string, e enquiry) {
	start := time.Now()
	c.stats.Sent.Add(1)
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		id, err := c.post(ctx, key, e)
		if err == nil {
			c.stats.Acknowledged.Add(1)
			c.taken(id, start)
			return
		}
		if !passing(err) || time.Since(start) > patience || sleep(ctx, max(wait, retryAfter(err))) != nil {
			c.stats.Refused.Add(1)
			if ctx.Err() == nil {
				c.fault(err)
			}
			return
		}
	}
}

func (c *Crowd) post(ctx context.Context, key string, e enquiry) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.world.URL+e.path, bytes.NewReader(e.body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", e.contentType)
	r.Header.Set("User-Agent", "Mozilla/5.0 (demo visitor)")
	if e.key != "" {
		r.Header.Set("Idempotency-Key", e.key)
		r.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	switch resp.StatusCode {
	case http.StatusAccepted:
		var answer struct {
			ID string `json:"id"`
		}
		err := json.Unmarshal(body, &answer)
		return answer.ID, err
	case http.StatusSeeOther:
		return formID(resp.Header.Get("Location"))
	}
	return "", refused(r, resp, body)
}

// formID reads the enquiry's id from the address of the thank-you page.
func formID(location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil {
		return "", fmt.Errorf("the thank-you page's address: %w", err)
	}
	return u.Query().Get("enquiry"), nil
}
