package routing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

const (
	roundSize   = 500 // leads of a round at most
	roundSpare  = 32  // leads looked at beyond those that can be offered
	roundsARun  = 400 // then the job makes room for others
	systemActor = "system:routing"
)

// route is the job of a project: round after round until nobody is free or no
// lead is left, each round in a transaction of its own.
func (r *Router) route(ctx context.Context, j jobs.Job) error {
	project, err := parseProject(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job route: %w", err)
	}
	var from leads.RouteFrom
	for range roundsARun {
		var s step
		err := r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
			var err error
			if s, err = r.round(tx, project, from); err != nil || s.more {
				return err
			}
			if s.next.IsZero() {
				return j.Done(tx)
			}
			return j.Later(tx, s.next)
		})
		if err != nil || !s.more {
			return err
		}
		from = s.from
	}
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error { return j.Later(tx, r.clock()) })
}

// step is what a round leaves to do.
type step struct {
	more bool // look at the leads after from
	from leads.RouteFrom
	next time.Time // when a shift begins or ends, if leads wait
}

// round loads, decides and saves once.
func (r *Router) round(tx *store.Tx, project account.ProjectID, from leads.RouteFrom) (step, error) {
	if err := offers.Turn(tx); err != nil {
		return step{}, err
	}
	pool, err := offers.PoolOf(tx, project)
	if errors.Is(err, store.ErrNone) {
		return step{}, nil // making a pool asks again
	}
	if err != nil {
		return step{}, err
	}
	in := Round{At: r.clock().UnixMicro(), Pool: settings(pool)}
	next, err := r.roster(tx, &in)
	if err != nil {
		return step{}, err
	}
	plan, err := r.plan(tx, pool, &in)
	if err != nil {
		return step{}, err
	}
	if next = sooner(next, plan.next); plan.policy != nil && plan.Closed {
		next = plan.next
	}
	page, full, err := r.page(tx, &in, from)
	if err != nil {
		return step{}, err
	}
	if err := r.fill(tx, plan, pool, &in, page); err != nil {
		return step{}, err
	}
	if err := r.save(tx, pool, in, page); err != nil {
		return step{}, err
	}
	if full {
		last := page[len(page)-1]
		return step{more: true, from: leads.RouteFrom{At: last.WaitingAt, Lead: last.Lead}}, nil
	}
	waits, err := leads.RouteAnyWaiting(tx, project)
	if err != nil || !waits {
		return step{}, err
	}
	return step{next: next}, nil
}

func settings(p offers.Pool) Settings {
	return Settings{ID: p.ID, Project: p.Project, AcceptSeconds: p.AcceptSeconds, OffersAtOnce: p.OffersAtOnce,
		Queue: p.QueueName, AlarmSeconds: p.AlarmSeconds}
}

// roster fills in the candidates, and says when a shift next begins or ends.
func (r *Router) roster(tx *store.Tx, in *Round) (next time.Time, err error) {
	at := time.UnixMicro(in.At).UTC()
	members, err := r.staff(tx, in.Pool.ID, at)
	if err != nil {
		return next, err
	}
	in.Candidates = make([]Candidate, len(members))
	for i, m := range members {
		h := r.hours.of(m.Shifts, m.Off, r.zone(m.Zone), at)
		c := candidate(m, h)
		if c.Active && !h.Next.IsZero() && (next.IsZero() || h.Next.Before(next)) {
			next = h.Next
		}
		in.Candidates[i] = c
	}
	return next, nil
}

func candidate(m offers.Member, h Hours) Candidate {
	c := Candidate{User: m.User, Active: m.Active && m.State == "active", OnShift: h.On, Presence: m.Presence,
		Since: m.PresenceAt, LastOfferAt: m.LastOfferAt, OffersMade: m.OffersMade, OpenOffers: m.OpenOffers,
		Credit: m.Credit, Tags: m.Tags}
	if h.On && !h.Since.IsZero() {
		c.Since = max(c.Since, h.Since.UnixMicro())
	}
	return c
}

// page finds the leads. While somebody is free these are the oldest ones
// after from, about as many as can be offered; when nobody is, only those of
// which the ledger does not yet say why they wait. full: there may be more.
func (r *Router) page(tx *store.Tx, in *Round, from leads.RouteFrom) (page []leads.RouteWaiting, full bool, err error) {
	free := newDecider(*in).free()
	project, limit := in.Pool.Project, roundSize
	if free > 0 {
		limit = int(min(free+roundSpare, roundSize))
		var fresh []leads.RouteWaiting
		if fresh, err = leads.RouteWaitingPage(tx, project, false, from, limit); err != nil {
			return nil, false, err
		}
		if page, err = leads.RouteWaitingPage(tx, project, true, from, limit); err != nil {
			return nil, false, err
		}
		page = merge(fresh, page)
	} else if page, err = leads.RouteWaitingPage(tx, project, false, leads.RouteFrom{}, limit); err != nil {
		return nil, false, err
	}
	if full = len(page) >= limit; full {
		page = page[:limit]
	}
	return page, full, nil
}

// fill gives the round the leads of a page, with what a decision sees of them.
func (r *Router) fill(tx *store.Tx, plan planned, pool offers.Pool, in *Round, page []leads.RouteWaiting) error {
	if err := r.tried(tx, in, page); err != nil {
		return err
	}
	if err := r.suppressed(tx, in, page); err != nil {
		return err
	}
	if err := r.attributes(tx, plan, in); err != nil {
		return err
	}
	return r.taken(tx, pool, in)
}

// merge makes one list of two, oldest first.
func merge(a, b []leads.RouteWaiting) []leads.RouteWaiting {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]leads.RouteWaiting, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if older(a[0], b[0]) {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func older(a, b leads.RouteWaiting) bool {
	if a.WaitingAt != b.WaitingAt {
		return a.WaitingAt < b.WaitingAt
	}
	x, y := a.Lead.UUID(), b.Lead.UUID()
	return bytes.Compare(x[:], y[:]) < 0
}

// tried fills in who had the leads of the page before.
func (r *Router) tried(tx *store.Tx, in *Round, page []leads.RouteWaiting) error {
	in.Leads = make([]Waiting, len(page))
	place := map[lead.ID]int{}
	var before []lead.ID
	for i, w := range page {
		in.Leads[i] = Waiting{Lead: w.Lead, WaitingAt: w.WaitingAt, QueuedAt: w.QueuedAt, Decided: w.Decided}
		if w.OffersMade > 0 {
			place[w.Lead] = i
			before = append(before, w.Lead)
		}
	}
	return offers.TriedOf(tx, before, func(t offers.Tried) {
		l := &in.Leads[place[t.Lead]]
		l.Tried = append(l.Tried, Tried{User: t.User, At: t.At, State: t.State})
	})
}

// save decides and writes what came of it. Leads that wait on for a reason
// that the ledger has already are left out of it: leaving out a lead that
// nobody gets changes nothing for the others.
func (r *Router) save(tx *store.Tx, pool offers.Pool, in Round, page []leads.RouteWaiting) error {
	out := r.decide(in)
	w := writing{round: lead.NewRoundID(), at: time.UnixMicro(in.At).UTC(), pool: pool, before: in.Candidates}
	kept := in
	kept.Leads = nil
	for i, d := range out.Decisions {
		l := in.Leads[i]
		if d.Chosen == Nobody && l.Decided && !d.Held && (!d.Exhausted || l.QueuedAt != 0) {
			continue
		}
		kept.Leads = append(kept.Leads, l)
		w.add(l, page[i].Source, d)
	}
	if len(kept.Leads) == 0 {
		return nil
	}
	w.after = out.Candidates
	return r.write(tx, kept, w)
}

// writing gathers the rows of a round.
type writing struct {
	round         lead.RoundID
	at            time.Time
	pool          offers.Pool
	before, after []Candidate
	decisions     []offers.Decision
	offers        []offers.Offer
	events        []events.Event
	given         int       // leads that somebody is offered
	queued        []lead.ID // to the named queue: everybody had them
	held          []lead.ID // their persons must not be contacted
	drained       bool      // some stood in the named queue
	unqueued      bool      // one that is held stood in the named queue
	alarmAt       int64     // when the first of the others has waited too long; 0: none
}

func (w *writing) add(l Waiting, source account.SourceID, d Decision) {
	row := offers.Decision{Lead: l.Lead, N: len(w.decisions), Reasons: d.Reasons}
	e := events.Event{At: w.at, Lead: l.Lead, Project: w.pool.Project, Source: source}
	switch {
	case d.Chosen != Nobody:
		row.User, row.Offer = w.before[d.Chosen].User, lead.NewOfferID()
		w.given++
		w.drained = w.drained || l.QueuedAt != 0
		w.offer(e, row.Offer, row.User)
		for _, i := range d.Also {
			w.offer(e, lead.NewOfferID(), w.before[i].User)
		}
	case d.Held:
		e.Kind, e.Data = events.LeadUnrouted, map[string]any{"reason": NoContact.String()}
		w.events = append(w.events, e)
		w.held, w.unqueued = append(w.held, l.Lead), w.unqueued || l.QueuedAt != 0
	case !l.Decided:
		e.Kind = events.LeadWaiting
		w.events = append(w.events, e)
	}
	w.decisions = append(w.decisions, row)
	if d.Chosen != Nobody || d.Held || l.QueuedAt != 0 {
		return
	}
	if d.Exhausted {
		w.queued = append(w.queued, l.Lead)
	} else if at := l.WaitingAt + w.pool.AlarmSeconds*1e6; w.alarmAt == 0 || at < w.alarmAt {
		w.alarmAt = at
	}
}

func (w *writing) offer(e events.Event, id lead.OfferID, user account.UserID) {
	o := offers.Offer{ID: id, Lead: e.Lead, Pool: w.pool.ID, User: user, Round: w.round, MadeAt: w.at,
		ExpiresAt: w.at.Add(time.Duration(w.pool.AcceptSeconds) * time.Second)}
	w.offers = append(w.offers, o)
	e.Kind, e.Offer, e.User, e.Data = events.OfferMade, o.ID, o.User, map[string]any{"expires_at": o.ExpiresAt}
	w.events = append(w.events, e)
}

func (r *Router) write(tx *store.Tx, kept Round, w writing) error {
	if ok, err := offers.NextRound(tx, w.pool); err != nil || !ok {
		return lost(err)
	}
	input, err := Pack(kept)
	if err != nil {
		return err
	}
	if err := offers.AddRound(tx, offers.Round{ID: w.round, Pool: w.pool.ID, At: w.at, Input: input}, w.decisions); err != nil {
		return err
	}
	if err := r.writeOffers(tx, w); err != nil {
		return err
	}
	if len(w.decisions) > w.given {
		if err := leads.RouteDecided(tx, w.round); err != nil {
			return err
		}
	}
	if err := r.hold(tx, w); err != nil {
		return err
	}
	if err := r.queue(tx, w.pool, w.queued, w.at); err != nil {
		return err
	}
	if w.alarmAt != 0 {
		if err := r.jobs.Add(tx, KindAlarm, w.pool.Project.String(), time.UnixMicro(max(w.alarmAt, kept.At))); err != nil {
			return err
		}
	}
	r.events.Emit(tx, w.events...)
	return audit.Write(tx, w.at, audit.Entry{Actor: systemActor, Action: "leads.offered", About: w.round.String(),
		Detail: map[string]any{"project_id": w.pool.Project, "offers": len(w.offers), "nobody": len(w.decisions) - w.given}})
}

// lost is the error of a compare-and-set that failed or changed nothing:
// somebody else was first, and the transaction runs again.
func lost(err error) error {
	if err != nil {
		return err
	}
	return store.ErrAgain
}

func (r *Router) writeOffers(tx *store.Tx, w writing) error {
	if len(w.offers) == 0 {
		return nil
	}
	if err := offers.Add(tx, w.offers); err != nil {
		return err
	}
	n, err := leads.RouteOffer(tx, w.round, w.at)
	if err != nil {
		return err
	}
	if n != int64(w.given) {
		return store.ErrAgain // a lead was taken meanwhile
	}
	var counts []offers.Count
	for i, c := range w.after {
		made, credit := c.OffersMade-w.before[i].OffersMade, c.Credit-w.before[i].Credit
		if made > 0 || credit != 0 {
			counts = append(counts, offers.Count{User: c.User, LastOfferAt: c.LastOfferAt, Made: made, Open: made, Credit: credit})
		}
	}
	if err := offers.CountMembers(tx, w.pool.ID, counts); err != nil {
		return err
	}
	if w.drained {
		if err := r.cleared(tx, w.pool, w.at); err != nil {
			return err
		}
	}
	if err := r.offered(tx, w.pool, w.offers); err != nil {
		return err
	}
	if push, err := devices.AnyPush(tx); err != nil || push {
		if err == nil {
			err = r.jobs.Add(tx, kindNotify, w.round.String(), w.at)
		}
		if err != nil {
			return err
		}
	}
	return r.jobs.Add(tx, KindExpire, w.round.String(), w.offers[0].ExpiresAt)
}
