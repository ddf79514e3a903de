package followup

import (
	"database/sql"
	"errors"
	"time"

	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
)

// Begin keeps an attempt from its first moment: the program has seen it, or,
// of a key that measures, the provider has. Beginning again gives the one that
// goes on; one of another channel, or that has gone on for hours, is given up.
// 409 suppressed: the person must not be contacted.
func (f *Followup) Begin(tx *store.Tx, w Worker, id lead.ID, by lead.Channel, how lead.Evidence, now time.Time) (leads.Trying, error) {
	l, err := f.load(tx, w, id)
	if err != nil {
		return leads.Trying{}, err
	}
	if err := mayBegin(tx, w, l, by, &how); err != nil {
		return leads.Trying{}, err
	}
	now = store.Clock(now)
	was, err := leads.TryingOf(tx, l.ID, w.User)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return was, err
	}
	if err == nil {
		if was.Channel == by && was.EndedAt.IsZero() && now.Before(was.StartedAt.Add(lead.LongestAttempt)) {
			return was, nil
		}
		if err := leads.DropTrying(tx, was.ID); err != nil {
			return was, err
		}
	}
	t := leads.Trying{ID: lead.NewAttemptID(), Lead: l.ID, User: w.User, Channel: by, Evidence: how, StartedAt: now}
	if t.StartedAt.Before(l.CreatedAt) {
		t.StartedAt = l.CreatedAt // another node's clock is ahead
	}
	if err := leads.BeginTrying(tx, &l, t); err != nil {
		return t, err
	}
	f.emit(tx, events.AttemptBegun, l, w, now, map[string]any{"attempt_id": t.ID.String(), "channel": string(by)})
	return t, f.jobs.Add(tx, kindAttempted, l.ID.String(), now)
}

func mayBegin(tx *store.Tx, w Worker, l leads.Lead, by lead.Channel, how *lead.Evidence) error {
	if !by.Valid() {
		return problem.InvalidField("channel", "not_in_list", "Send call, whatsapp, sms, email or in-person.")
	}
	if *how == "" {
		*how = lead.Seen
	}
	if *how != lead.Seen && *how != lead.Measured {
		return problem.InvalidField("evidence", "not_in_list", "Send seen or measured.")
	}
	if *how == lead.Measured && !w.Measures {
		return problem.InvalidField("evidence", "not_measured", "Only a key that may measure attempts does. Leave evidence out.")
	}
	marks, err := people.Suppressed(tx, []lead.PersonID{l.Person})
	if m, ok := marks[l.Person]; ok && err == nil {
		err = problem.Conflict("suppressed", "This person must not be contacted (%s).", m.Reason)
	}
	return err
}

// End notes the moment at which an attempt was over; its result follows. talk
// is how long they talked, which only a provider measures. Ending it again
// gives the same answer. What a device tells later ended when it says, not
// before it began. 404: it is not there for this worker.
func (f *Followup) End(tx *store.Tx, w Worker, id lead.AttemptID, talk *int64, now time.Time) (leads.Trying, error) {
	t, l, err := f.going(tx, w, id)
	if err != nil || !t.EndedAt.IsZero() {
		return t, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return t, err
	}
	if talk != nil {
		if t.Evidence != lead.Measured || !w.Measures {
			return t, problem.InvalidField("talk_ms", "not_measured", "Only a provider measures the talk. Say it with the result.")
		}
		if *talk < 0 || *talk > MaxTalk.Milliseconds() {
			return t, problem.InvalidField("talk_ms", "out_of_range", "Send milliseconds between 0 and a day.")
		}
		t.Talk = sql.Null[int64]{V: *talk, Valid: true}
	}
	if t.EndedAt = store.Clock(w.when(now)); t.EndedAt.Before(t.StartedAt) {
		t.EndedAt = t.StartedAt
	}
	return t, leads.EndTrying(tx, t)
}

// Result gives an attempt that was begun its result, with note, next follow-up
// and change of stage, all or nothing. Of t Channel, StartedAt and Evidence are
// not asked: they are known. Wrap-up is the time from its end until now, or
// until a device that tells it later says.
func (f *Followup) Result(tx *store.Tx, w Worker, id lead.AttemptID, t Try, now time.Time) (Done, error) {
	open, l, err := f.going(tx, w, id)
	if err != nil {
		return Done{}, err
	}
	if w.Said, err = bound(tx, w, l, now); err != nil {
		return Done{}, err
	}
	now = store.Clock(now)
	t.Channel, t.Evidence, t.StartedAt = open.Channel, lead.Said, open.StartedAt // what this worker adds is said
	if open.Evidence == lead.Measured && t.TalkMS != nil && (open.Talk.Valid || !w.Measures) {
		return Done{}, problem.InvalidField("talk_ms", "measured", "The provider measures this attempt. Leave talk_ms out.")
	}
	if faults := t.check(w, l, now); len(faults) > 0 {
		return Done{}, problem.Invalid(faults...)
	}
	a := t.attempt(w, l, now)
	a.ID, a.Evidence, a.StartedAt, a.EndedAt = open.ID, open.Evidence, open.StartedAt, open.EndedAt
	if a.User.IsZero() {
		a.User = open.User
	}
	if open.Talk.Valid {
		a.Talk = open.Talk
	}
	if !a.EndedAt.IsZero() {
		a.WrapUp = sql.Null[int64]{V: max(0, w.when(now).Sub(a.EndedAt).Milliseconds()), Valid: true}
	}
	if err := leads.DropTrying(tx, open.ID); err != nil {
		return Done{}, err
	}
	return f.keep(tx, w, l, a, t, now)
}

// going finds an open attempt for who began it, or, of a key, for whoever works
// its lead; and for those who may work every lead.
func (f *Followup) going(tx *store.Tx, w Worker, id lead.AttemptID) (leads.Trying, leads.Lead, error) {
	t, err := leads.TryingByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return t, leads.Lead{}, problem.NotFound()
	}
	if err != nil {
		return t, leads.Lead{}, err
	}
	l, err := f.load(tx, w, t.Lead)
	if err == nil && !t.User.IsZero() && t.User != w.User && !w.over(l.Project) {
		err = problem.NotFound()
	}
	return t, l, err
}
