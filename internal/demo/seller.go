package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"catchment/internal/account"
)

// Team is the simulated salespeople of all companies.
type Team struct {
	world   *World
	http    *http.Client
	problem func(error)

	// Start and Stop.
	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

// Salespeople makes a team of everybody in the world who sells.
func Salespeople(w *World) *Team {
	return &Team{world: w, http: newHTTP(w.trust), problem: func(error) {}}
}

// OnProblem calls f with refusals that the simulation did not expect. They
// hold no personal data. Call it before Start.
func (t *Team) OnProblem(f func(error)) { t.problem = f }

// Start lets them sign in and work until Stop.
func (t *Team) Start() { t.mu.Lock(); defer t.mu.Unlock(); t.stop, t.done = background(t.Run) }

// Stop sends them home; no request is under way when it returns.
func (t *Team) Stop() { t.mu.Lock(); defer t.mu.Unlock(); recall(t.stop, t.done) }

// Run works until ctx ends.
func (t *Team) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	base := &client{base: t.world.URL, http: t.http}
	for _, a := range t.world.Accounts {
		for _, u := range a.salespeople() {
			s := &salesperson{user: u, base: base, temper: temperFor(u.Email), problem: t.problem,
				rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
			all.Go(func() { s.work(ctx) })
		}
	}
}

// salesperson is one of them. Everything happens in one goroutine, as they
// have one head; the stream of events only wakes it.
type salesperson struct {
	user    User
	base    *client
	temper  temper
	rand    *rand.Rand
	problem func(error)

	// Of the present session.
	api    *client
	id     string
	stages map[string]bool // slugs
	tasks  []task          // by due
	known  map[string]bool // offers that were looked at
	leave  time.Time       // when the next break begins
}

// task is something to do at a time. It may be done again when it fails in
// passing.
type task struct {
	due time.Time
	do  func(ctx context.Context) error
}

// work signs in, and again whenever the session ended.
func (s *salesperson) work(ctx context.Context) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 15*time.Second) {
		begun := time.Now()
		err := s.shift(ctx)
		if ctx.Err() != nil {
			return
		}
		if !passing(err) && !is(err, http.StatusUnauthorized) {
			s.problem(err)
		}
		if time.Since(begun) > time.Minute {
			wait = time.Second
		}
		if sleep(ctx, max(wait, retryAfter(err))) != nil {
			return
		}
	}
}

// pollEvery is for offers whose event was missed.
const pollEvery = 10 * time.Second

// shift works with one session. It returns why the session cannot go on.
func (s *salesperson) shift(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	if err := s.enter(ctx); err != nil {
		return err
	}
	wake, gone := make(chan struct{}, 1), make(chan error, 1)
	listening.Go(func() {
		gone <- s.api.follow(ctx, func(e event) {
			if e.Kind == kindReset || e.Kind == "offer.made" && e.User == s.id {
				signal(wake)
			}
		})
	})
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if err := s.turn(ctx); err != nil {
			return err
		}
		timer := time.NewTimer(time.Until(s.due()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case err := <-gone:
			timer.Stop()
			return err
		case <-wake:
			s.plan(time.Now(), s.look)
		case <-poll.C:
			s.plan(time.Now(), s.look)
		case <-timer.C:
		}
		timer.Stop()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// enter signs in, says "available" and remembers what was left undone.
func (s *salesperson) enter(ctx context.Context) error {
	api, in, err := s.base.signInOnPhone(ctx, s.user)
	if err != nil {
		return err
	}
	s.api, s.id, s.tasks, s.known = api, in.UserID, nil, map[string]bool{}
	s.leave = time.Now().Add(s.temper.breaks.any(s.rand))
	if err := s.declare(ctx, account.Available); err != nil {
		return err
	}
	stages, err := all[struct {
		Slug string `json:"slug"`
	}](ctx, api, "/v1/stages")
	if err != nil {
		return err
	}
	s.stages = map[string]bool{}
	for _, g := range stages {
		s.stages[g.Slug] = true
	}
	s.plan(time.Now(), s.look)
	return s.resume(ctx)
}

// resume plans a try for the open leads of an earlier run, a few at a time.
func (s *salesperson) resume(ctx context.Context) error {
	due := time.Now().Add(3 * time.Second)
	for _, c := range []string{"new", "follow-up"} {
		var page list[struct {
			ID       string `json:"id"`
			NextWhat string `json:"next_what"`
		}]
		if err := s.api.insist(ctx, http.MethodGet, "/v1/leads?owner=me&limit=40&category="+c, "", nil, &page); err != nil {
			return err
		}
		for _, l := range page.Items {
			due = due.Add(seconds(1, 5).any(s.rand))
			s.try(due, try{lead: l.ID, visit: l.NextWhat == "visit"})
		}
	}
	return nil
}

func (s *salesperson) declare(ctx context.Context, p account.Presence) error {
	return s.api.insist(ctx, http.MethodPut, "/v1/me/presence", "", map[string]any{"state": p}, nil)
}

// plan puts a task in its place.
func (s *salesperson) plan(due time.Time, do func(context.Context) error) {
	i, _ := slices.BinarySearchFunc(s.tasks, due, func(t task, at time.Time) int {
		if t.due.After(at) {
			return 1
		}
		return -1 // behind those of the same time
	})
	s.tasks = slices.Insert(s.tasks, i, task{due, do})
}

func (s *salesperson) due() time.Time {
	if len(s.tasks) == 0 || s.leave.Before(s.tasks[0].due) {
		return s.leave
	}
	return s.tasks[0].due
}

// turn does what is due.
func (s *salesperson) turn(ctx context.Context) error {
	for len(s.tasks) > 0 && !s.tasks[0].due.After(time.Now()) {
		t := s.tasks[0]
		s.tasks = s.tasks[1:]
		switch err := t.do(ctx); {
		case err == nil:
		case is(err, http.StatusUnauthorized), ctx.Err() != nil:
			return err
		case passing(err):
			s.plan(time.Now().Add(max(2*time.Second, retryAfter(err))), t.do)
		case tooLate(err):
		default:
			s.problem(err)
		}
	}
	if time.Now().Before(s.leave) {
		return nil
	}
	return s.rest(ctx)
}

// tooLate reports what happens among people: somebody else was faster, or a
// manager closed or moved the lead.
func tooLate(err error) bool {
	return is(err, http.StatusNotFound) || is(err, http.StatusConflict)
}

// rest takes a break and comes back.
func (s *salesperson) rest(ctx context.Context) error {
	if err := s.declare(ctx, account.Away); err != nil {
		return err
	}
	if err := sleep(ctx, s.temper.pause.any(s.rand)); err != nil {
		return err
	}
	if err := s.declare(ctx, account.Available); err != nil {
		return err
	}
	s.leave = time.Now().Add(s.temper.breaks.any(s.rand))
	return s.look(ctx)
}

// offer is one of one's open offers.
type offer struct {
	ID        string    `json:"id"`
	Lead      string    `json:"lead_id"`
	State     string    `json:"state"`
	ExpiresAt time.Time `json:"expires_at"`
}

// look reads the open offers and makes up the mind about new ones.
func (s *salesperson) look(ctx context.Context) error {
	var open list[offer]
	if err := s.api.call(ctx, http.MethodGet, "/v1/offers", "", nil, &open); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, o := range open.Items {
		known[o.ID] = true
		if !s.known[o.ID] {
			if err := s.consider(ctx, o); err != nil {
				return err
			}
		}
	}
	s.known = known
	return nil
}

func (s *salesperson) consider(ctx context.Context, o offer) error {
	if err := s.api.call(ctx, http.MethodPost, "/v1/offers/"+o.ID+"/ack", "", nil, nil); err != nil && !tooLate(err) {
		return err
	}
	s.known[o.ID] = true
	a := s.temper.answer(s.rand)
	if a.miss {
		return nil // it expires, and the next person gets it
	}
	s.plan(time.Now().Add(a.after), func(ctx context.Context) error { return s.reply(ctx, o, a) })
	return nil
}

func (s *salesperson) reply(ctx context.Context, o offer, a answer) error {
	path := "/v1/offers/" + o.ID
	if err := s.api.call(ctx, http.MethodPost, path+"/seen", "", nil, nil); err != nil {
		return err
	}
	if a.no != "" {
		return s.api.call(ctx, http.MethodPost, path+"/decline", "decline-"+o.ID, map[string]string{"reason": a.no}, nil)
	}
	if err := s.api.call(ctx, http.MethodPost, path+"/accept", "accept-"+o.ID, nil, nil); err != nil {
		return err
	}
	s.try(time.Now().Add(s.temper.call.any(s.rand)), try{lead: o.Lead})
	return nil
}

// try plans a try with its outcome and report, which stay the same when it has
// to be reported twice: the key answers for that.
func (s *salesperson) try(due time.Time, t try) {
	key := fmt.Sprintf("try-%s-%016x", t.lead, s.rand.Uint64())
	r := outcome(s.rand, t)
	var in map[string]any
	s.plan(due, func(ctx context.Context) error {
		if in == nil {
			in = s.report(r)
		}
		return s.attempt(ctx, t, r, key, in)
	})
}

// attempt opens the person, talks, and reports.
func (s *salesperson) attempt(ctx context.Context, t try, r result, key string, in map[string]any) error {
	if err := s.api.call(ctx, http.MethodGet, "/v1/leads/"+t.lead, "", nil, nil); err != nil {
		return err
	}
	if err := sleep(ctx, seconds(0.3, 1.5).any(s.rand)); err != nil {
		return err
	}
	if err := s.api.call(ctx, http.MethodPost, "/v1/leads/"+t.lead+"/attempts", key, in, nil); err != nil {
		return err
	}
	if r.next != nil {
		s.try(time.Now().Add(r.after), *r.next)
	}
	return nil
}

// report is the body of an attempt.
func (s *salesperson) report(r result) map[string]any {
	in := map[string]any{"channel": r.channel, "disposition": r.disposition}
	if r.talk > 0 {
		in["talk_ms"] = r.talk.Milliseconds()
	}
	if r.note != "" {
		in["note"] = r.note
	}
	if r.next != nil {
		in["next"] = map[string]any{"at": time.Now().Add(r.after).UTC().Format(time.RFC3339Nano), "what": r.what}
	}
	if r.stage == "" {
		return in
	}
	move := map[string]any{"stage": r.stage}
	if !s.stages[r.stage] { // the account has renamed it
		move = map[string]any{"category": r.category}
	}
	if r.reason != "" {
		move["reason"] = r.reason
	}
	in["stage"] = move
	return in
}
