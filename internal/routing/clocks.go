package routing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
)

// The jobs of the service-level clocks.
const (
	KindClocks    jobs.Kind = "clocks"    // key: the project's id; looks at what is due
	KindAttempted jobs.Kind = "attempted" // key: the lead's id; whoever keeps an attempt adds it
)

// Clocks begin in the transaction of what begins them, with the job that looks
// at them when they are due. What a clock waits for changes the lead's version,
// and so does the alarm: of the two the first one committed counts, and the
// other reads the lead again.

const clocksAtOnce = 100

// starting is a clock that begins for a lead.
type starting struct {
	lead lead.ID
	user account.UserID // who is to act; zero: whoever was offered the lead
	at   time.Time
}

// begin lets the policy's clocks of one name run for the leads.
func (r *Router) begin(tx *store.Tx, project account.ProjectID, policy account.PolicyID, name Clock, all []starting) error {
	if policy.IsZero() || len(all) == 0 {
		return nil
	}
	c, err := r.policy(tx, policy)
	if err != nil {
		return err
	}
	var zone *time.Location
	var hours Policy
	var rows []offers.Clock
	var first time.Time
	for i, l := range c.Clocks {
		if l.Clock != name {
			continue
		}
		if zone == nil {
			if zone, err = r.zoneOf(tx, project); err != nil {
				return err
			}
			if hours, err = withHolidays(tx, c.Policy, all[0].at); err != nil {
				return err
			}
		}
		for _, s := range all {
			due := store.Clock(hours.DueAt(l, s.at, zone))
			first = sooner(first, due)
			rows = append(rows, offers.Clock{ID: lead.NewAlarmID(), Lead: s.lead, Project: project, Policy: policy, Level: i, Name: string(name),
				User: s.user, Alert: l.alerts(), BeganAt: s.at, DueAt: due})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := offers.BeginClocks(tx, rows); err != nil {
		return err
	}
	return r.jobs.Add(tx, KindClocks, project.String(), first)
}

func (r *Router) zoneOf(tx *store.Tx, id account.ProjectID) (*time.Location, error) {
	project, err := setup.GetProject(tx, id)
	if errors.Is(err, store.ErrNone) {
		return time.UTC, nil
	}
	return r.zone(project.TimeZone), err
}

// offered begins the clock of leads that a round offers. One that has run
// since an earlier offer goes on.
func (r *Router) offered(tx *store.Tx, pool offers.Pool, made []offers.Offer) error {
	var all []starting
	for i, o := range made {
		if i == 0 || o.Lead != made[i-1].Lead { // of several at once one is enough
			all = append(all, starting{lead: o.Lead, at: o.MadeAt})
		}
	}
	return r.begin(tx, pool.Project, pool.Policy, OfferToAccept, all)
}

// took ends the lead's clocks and begins those of its new owner, who receives
// the visitors that a former one would have.
func (r *Router) took(tx *store.Tx, id lead.ID, project account.ProjectID, user account.UserID, now time.Time) error {
	if err := leads.MoveVisits(tx, id, account.UserID{}, user, now); err != nil {
		return err
	}
	if err := offers.EndClocks(tx, id, now); err != nil {
		return err
	}
	pool, err := offers.PoolOf(tx, project)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.begin(tx, project, pool.Policy, AcceptToAttempt, []starting{{id, user, now}})
}

// attempted is the job after an attempt: clocks that waited for it end, and the
// one that waits for the contact begins.
func (r *Router) attempted(ctx context.Context, j jobs.Job) error {
	id, err := lead.ParseID(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job attempted: %w", err)
	}
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
		l, err := leads.LeadByID(tx, id)
		if err == nil && !l.Test && !l.History {
			err = r.noteTry(tx, l)
		}
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		return j.Done(tx)
	})
}

func (r *Router) noteTry(tx *store.Tx, l leads.Lead) error {
	tried, trying, err := latestTry(tx, l)
	if err != nil || tried.IsZero() {
		return err
	}
	if err := offers.EndClock(tx, l.ID, string(AcceptToAttempt), tried); err != nil {
		return err
	}
	if !l.ContactedAt.IsZero() {
		return offers.EndClock(tx, l.ID, string(AttemptToContact), r.clock())
	}
	if l.RouteState != lead.Owned || !l.ClosedAt.IsZero() {
		return nil
	}
	owner, since, err := leads.OwnedSince(tx, l.ID)
	if err != nil || owner != l.Owner {
		return err
	}
	first, err := leads.FirstToldSince(tx, l.ID, since)
	if err != nil {
		return err
	}
	if first = sooner(first, trying); first.IsZero() || tried.Before(since) {
		return nil // the owner's own has not come
	}
	pool, err := offers.PoolOf(tx, l.Project)
	if err != nil {
		return err
	}
	return r.begin(tx, l.Project, pool.Policy, AttemptToContact, []starting{{l.ID, owner, later(first, since)}})
}

// latestTry is when the lead was last tried, begun or told, and since when an
// attempt goes on.
func latestTry(tx *store.Tx, l leads.Lead) (tried, trying time.Time, err error) {
	told, err := leads.LastTold(tx, l.ID)
	if err != nil {
		return tried, trying, err
	}
	trying, err = leads.TryingSince(tx, l.ID)
	return later(later(l.TriedAt, told), trying), trying, err
}

// clocks is the job of a project that looks at the clocks that are due, each in
// a transaction of its own, and plans itself for the next one.
func (r *Router) clocks(ctx context.Context, j jobs.Job) error {
	project, err := parseProject(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job clocks: %w", err)
	}
	for {
		var due []offers.Clock
		now := r.clock()
		err := r.db.Read(ctx, j.Scope, func(tx *store.Tx) (err error) {
			due, err = offers.DueClocks(tx, project, now, clocksAtOnce)
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range due {
			if err := r.db.Write(ctx, j.Scope, func(tx *store.Tx) error { return r.ring(tx, c.ID, now) }); err != nil {
				return err
			}
		}
		if len(due) < clocksAtOnce {
			break
		}
	}
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
		next, err := offers.NextClock(tx, project)
		return goOn(tx, j, next, err)
	})
}

// ring looks at one clock and does what its service level says.
func (r *Router) ring(tx *store.Tx, id lead.AlarmID, now time.Time) error {
	c, err := offers.GetClock(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && !c.FiredAt.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	l, s, err := r.standing(tx, c, now)
	if err != nil {
		return err
	}
	p, err := r.policy(tx, c.Policy)
	if errors.Is(err, store.ErrNone) || err == nil && c.Level >= len(p.Clocks) {
		return offers.DropClock(tx, c.ID)
	}
	if err != nil {
		return err
	}
	if s.Due, err = r.putOff(tx, c, p); err != nil {
		return err
	}
	v := p.Clocks[c.Level].Judge(s)
	switch {
	case v.End:
		return offers.DropClock(tx, c.ID)
	case !v.Later.IsZero():
		return offers.PutOffClock(tx, c.ID, v.Later)
	}
	return r.fire(tx, c, l, v, now)
}

// putOff is when the clock is due by the account's days off as they are now:
// one that was added since puts it off.
func (r *Router) putOff(tx *store.Tx, c offers.Clock, p *compiled) (time.Time, error) {
	l := p.Clocks[c.Level]
	if l.Hours != Business {
		return c.DueAt, nil
	}
	zone, err := r.zoneOf(tx, c.Project)
	if err != nil {
		return c.DueAt, err
	}
	hours, err := withHolidays(tx, p.Policy, c.BeganAt)
	if err != nil {
		return c.DueAt, err
	}
	return later(c.DueAt, store.Clock(hours.DueAt(l, c.BeganAt, zone))), nil
}

// standing reads how the clock's lead stands.
func (r *Router) standing(tx *store.Tx, c offers.Clock, now time.Time) (leads.Lead, Standing, error) {
	s := Standing{Now: now, Began: c.BeganAt, Due: c.DueAt, Over: !c.EndedAt.IsZero()}
	l, err := leads.LeadByID(tx, c.Lead)
	if errors.Is(err, store.ErrNone) {
		s.Over = true
		return l, s, nil
	}
	if err != nil || s.Over {
		return l, s, err
	}
	marks, err := people.Suppressed(tx, []lead.PersonID{l.Person})
	if err != nil {
		return l, s, err
	}
	_, suppressed := marks[l.Person]
	tried, trying, err := latestTry(tx, l)
	s.Over = suppressed || !l.ClosedAt.IsZero()
	s.Owned, s.Contacted = l.RouteState == lead.Owned, !l.ContactedAt.IsZero()
	s.Tried, s.Trying = tried, !trying.IsZero() && now.Before(trying.Add(lead.LongestAttempt))
	return l, s, err
}

// fire raises the alarm and takes the lead, as the verdict says. A lead that
// several are offered at once is not taken from them: the first to accept has
// it anyway.
func (r *Router) fire(tx *store.Tx, c offers.Clock, l leads.Lead, v Verdict, now time.Time) error {
	from, open := l.Owner, []offers.Offer(nil)
	if l.RouteState == lead.Offered {
		all, err := offers.OfLead(tx, l.ID)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Open {
				open, from = append(open, o), o.User
			}
		}
	}
	taken := v.Take && (l.RouteState == lead.Owned || len(open) == 1)
	if len(open) > 1 {
		from = account.UserID{}
	}
	ok, err := offers.FireClock(tx, c.ID, now, from, taken)
	if err != nil || !ok {
		return lost(err)
	}
	if taken {
		err = r.takeBack(tx, l, open, from, Clock(c.Name), now)
	} else {
		err = leads.Bump(tx, &l) // against an attempt of this moment
	}
	if err != nil {
		return err
	}
	if v.Alert {
		r.events.Emit(tx, events.Event{Kind: events.AlarmRaised, At: now, Lead: l.ID, User: from, Project: l.Project, Source: l.Source,
			Data: map[string]any{"alarm_id": c.ID.String(), "clock": c.Name, "due_at": c.DueAt}})
		if err := r.pushAlarm(tx, c.ID.String(), now); err != nil {
			return err
		}
	}
	return audit.Write(tx, now, audit.Entry{Actor: systemActor, Action: "clock.ran_out", About: l.ID.String(),
		Detail: map[string]any{"clock": c.Name, "alarm_id": c.ID, "user_id": from, "taken": taken}})
}

// takeBack has the lead wait again, without who was silent.
func (r *Router) takeBack(tx *store.Tx, l leads.Lead, open []offers.Offer, from account.UserID, why Clock, now time.Time) error {
	was, err := leads.RouteOf(tx, l.ID)
	if err != nil {
		return err
	}
	if was.Version != l.Version {
		return store.ErrAgain
	}
	if was.State == lead.Owned {
		return r.giveBack(tx, was, string(why), systemActor, now)
	}
	back, err := leads.RouteReturn(tx, l.ID, was.Offer)
	if err != nil || !back {
		return lost(err)
	}
	if err := r.loseAll(tx, open, "clock_ran_out", now); err != nil {
		return err
	}
	if err := offers.EndClocks(tx, l.ID, now); err != nil {
		return err
	}
	e := ofLead(events.LeadWaiting, was, now)
	e.Data = map[string]any{"from": from, "by": systemActor, "reason": string(why)}
	r.events.Emit(tx, e)
	return r.Wanted(tx, was.Project, now)
}

// taken fills in from whom the round's leads were taken by a clock.
func (r *Router) taken(tx *store.Tx, pool offers.Pool, in *Round) error {
	if pool.Policy.IsZero() || len(in.Leads) == 0 {
		return nil
	}
	c, err := r.policy(tx, pool.Policy)
	if err != nil || !c.takes() {
		return err
	}
	place, ids := map[lead.ID]int{}, make([]lead.ID, len(in.Leads))
	for i, l := range in.Leads {
		place[l.Lead], ids[i] = i, l.Lead
	}
	return offers.TakenOf(tx, ids, func(id lead.ID, u account.UserID) {
		l := &in.Leads[place[id]]
		l.TakenFrom = append(l.TakenFrom, u)
	})
}

// Alarms lists the alarms that wait for a look, or those that had one, the
// newest first, after the given place.
func (r *Router) Alarms(tx *store.Tx, cleared bool, user account.UserID, teams bool, at time.Time, after lead.AlarmID, limit int) ([]offers.Clock, error) {
	return offers.AlarmsPage(tx, cleared, user, teams, at, after, limit)
}

// ClearAlarm takes an alarm off the list; clearing it again changes nothing.
// 404: there is no such alarm.
func (r *Router) ClearAlarm(tx *store.Tx, id lead.AlarmID, actor string, now time.Time) (offers.Clock, error) {
	c, err := offers.GetClock(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && (c.FiredAt.IsZero() || !c.Alert) {
		return c, problem.NotFound()
	}
	if err != nil || !c.ClearedAt.IsZero() {
		return c, err
	}
	now = store.Clock(now)
	ok, err := offers.ClearClock(tx, id, now, actor)
	if err != nil || !ok {
		return c, lost(err)
	}
	c.ClearedAt, c.ClearedBy = now, actor
	r.events.Emit(tx, events.Event{Kind: events.AlarmCleared, At: now, Lead: c.Lead, User: c.User, Project: c.Project,
		Data: map[string]any{"alarm_id": c.ID.String(), "clock": c.Name}})
	return c, audit.Write(tx, now, audit.Entry{Actor: actor, Action: "alarm.cleared", About: id.String(), Detail: map[string]any{"lead_id": c.Lead}})
}
