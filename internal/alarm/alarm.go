// Package alarm raises what an account has to look at and is about no lead:
// codes that nobody uses, a domain that lost its record, a source
// that fell silent, a person who waits for an answer, an account that is to end. Callers may rely on this: an alarm stands in the transaction that raised it, with its event and
// the job that pushes it; the same one raised again while it waits is one
// alarm; it waits until somebody has seen it, also after it ended.
package alarm

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/alarms"
	"catchment/internal/store/devices"
)

// Kind says what is wrong. docs/api.md lists them, with their details.
type Kind string

// The kinds.
const (
	Codes  Kind = "codes"        // codes to sign in are sent and not used
	Domain Kind = "sso_domain"   // a domain of single sign-on lost its record; about the domain
	Silent Kind = "silence"      // a source brings nothing any more; about the source
	Broken Kind = "break_glass"  // operators opened leads in an emergency; about the grant
	Hook   Kind = "webhook"      // an address that is told what happens has taken nothing for three days, or is gone; about the webhook
	Ending Kind = "ending"       // an admin has asked that the account ends
	Due    Kind = "request_due"  // what a person asked about their data is to be answered within a week; about the request
	Late   Kind = "request_late" // and was not answered in time; about the request
)

// kindPush is notify's job, which pushes to those who have alarms pushed.
// Stages and keeps meet in jobs, so its name stands here, too.
const kindPush jobs.Kind = "notify-alarm"

// MailJob is notify's job that writes to the account's admins; MailKey is its key.
const MailJob jobs.Kind = "mail-admins"

// Word says which letter it is.
type Word string

// The words.
const (
	Began Word = "began"
	Asked Word = "asked"
	Soon  Word = "soon" // a reminder
	Over  Word = "over" // too late
	Ended Word = "ended"
)

// MailKey names a letter: one about the same, of the same time, is the same letter.
func MailKey(kind Kind, about string, w Word, at time.Time) string {
	return fmt.Sprintf("%s/%s/%s/%d", kind, about, w, at.UnixMicro())
}

// Mail has the account's admins written to, after the transaction.
func (b Bell) Mail(tx *store.Tx, kind Kind, about string, w Word, at time.Time) error {
	if b.Jobs == nil {
		return nil
	}
	at = store.Clock(at)
	return b.Jobs.Add(tx, MailJob, MailKey(kind, about, w, at), at)
}

// Alarm is what is wrong.
type Alarm = alarms.Alarm

// Bell raises alarms. Without Events nobody hears of them live, without Jobs
// nothing is pushed; they are listed all the same.
type Bell struct {
	Events *events.Log
	Jobs   *jobs.List
}

// Raise adds the alarm, or counts it when it waits already. It reads Kind,
// About, Project, Source and Detail.
func (b Bell) Raise(tx *store.Tx, kind Kind, a Alarm, at time.Time) error {
	at = store.Clock(at)
	a.Kind, a.RaisedAt, a.AgainAt = string(kind), at, at
	var err error
	if a.ID, err = alarms.Again(tx, a); errors.Is(err, store.ErrNone) {
		a.ID = lead.NewAlarmID()
		err = done(alarms.Add(tx, a))
	}
	if err != nil {
		return err
	}
	return b.tell(tx, events.AlarmRaised, a)
}

// done has the transaction run again when another one was faster.
func done(ok bool, err error) error {
	if err == nil && !ok {
		return store.ErrAgain
	}
	return err
}

// End notes that what was wrong is right again, and tells who looks. Nothing
// happens when nothing waits.
func (b Bell) End(tx *store.Tx, kind Kind, about string, at time.Time) error {
	at = store.Clock(at)
	id, err := alarms.End(tx, string(kind), about, at)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	a, err := alarms.Get(tx, id)
	if err != nil {
		return err
	}
	a.AgainAt = at
	return b.tell(tx, events.AlarmEnded, a)
}

// tell emits the event, of the time of AgainAt, and, for one that is raised, has it pushed.
func (b Bell) tell(tx *store.Tx, kind events.Kind, a Alarm) error {
	if b.Events != nil {
		b.Events.Emit(tx, events.Event{Kind: kind, At: a.AgainAt, Project: a.Project, Source: a.Source, Data: says(a)})
	}
	if b.Jobs == nil || kind != events.AlarmRaised {
		return nil
	}
	push, err := devices.AnyPush(tx)
	if err != nil || !push {
		return err
	}
	return b.Jobs.Add(tx, kindPush, a.ID.String(), a.AgainAt)
}

// says is what the event carries: the details, and which alarm it is.
func says(a Alarm) map[string]any {
	out := map[string]any{"alarm_id": a.ID.String(), "alarm": a.Kind}
	maps.Copy(out, a.Detail)
	return out
}

// Page lists alarms as alarms.Page does.
func Page(tx *store.Tx, seen bool, at time.Time, after lead.AlarmID, limit int) ([]Alarm, error) {
	return alarms.Page(tx, seen, at, after, limit)
}

// Clear notes that the actor has seen the alarm; again it changes nothing.
// 404: there is no such alarm.
func (b Bell) Clear(tx *store.Tx, id lead.AlarmID, actor string, now time.Time) (Alarm, error) {
	a, err := alarms.Get(tx, id)
	if errors.Is(err, store.ErrNone) {
		return a, problem.NotFound()
	}
	if err != nil || !a.ClearedAt.IsZero() {
		return a, err
	}
	now = store.Clock(now)
	if err := done(alarms.Clear(tx, id, now, actor)); err != nil {
		return a, err
	}
	a.ClearedAt, a.ClearedBy, a.AgainAt = now, actor, now
	if err := b.tell(tx, events.AlarmCleared, a); err != nil {
		return a, err
	}
	return a, audit.Write(tx, now, audit.Entry{Actor: actor, Action: "alarm.cleared", About: id.String(), Detail: map[string]any{"alarm": a.Kind}})
}
