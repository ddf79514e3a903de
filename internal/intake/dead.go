package intake

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
)

// ReplayJob is the job that tries a dead letter again; its key is the dead
// letter's id. A door adds it in the transaction of its request.
const ReplayJob jobs.Kind = "replay"

// ErrStillDead says that a replay failed as before; the reason is in the dead
// letter.
var ErrStillDead = errors.New("intake: the entry still cannot be processed")

// setAside makes the item a dead letter, and its enquiry one that can be asked
// for. An entry that has a dead letter already is left alone.
func (b *batch) setAside(it *item) error {
	d := leads.DeadLetter{ID: lead.NewDeadID(), Enquiry: it.head.Enquiry, Stream: b.in.o.Stream, Seq: it.Seq, Place: it.Place,
		Reason: it.dead, Entry: it.Data, Box: it.Box, ReceivedAt: it.head.ReceivedAt, ChangedAt: b.now}
	fresh, err := leads.AddDead(b.tx, d)
	if err != nil || !fresh {
		return err
	}
	e := leads.Enquiry{ID: it.head.Enquiry, Project: it.head.Project, Source: it.head.Source, State: lead.Dead, Test: it.head.Test,
		ReceivedAt: it.head.ReceivedAt, CreatedAt: b.now}
	if _, err := leads.AddEnquiries(b.tx, []*leads.Enquiry{&e}); err != nil { // one that is there stays
		return err
	}
	b.in.o.Log.Warn("intake: set aside", "account", it.head.Account, "enquiry", it.head.Enquiry, "dead", d.ID, "reason", it.dead)
	b.events = append(b.events, events.Event{Kind: events.EnquiryDead, At: b.now, Enquiry: it.head.Enquiry, Source: it.head.Source,
		Project: it.head.Project, Test: it.head.Test, Data: map[string]any{"dead_id": d.ID.String(), "reason": it.dead}})
	return nil
}

// AskReplay adds the job to try a dead letter again, in the transaction of a
// request, and puts on the record who asked. The error is a *problem.Problem
// when there is no such dead letter or it was replayed.
func (in *Intake) AskReplay(tx *store.Tx, id lead.DeadID, actor string) error {
	d, err := leads.DeadByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	if d.State != leads.DeadOpen {
		return problem.Conflict("dead_letter_replayed", "This dead letter was replayed already; see its enquiry.")
	}
	now := time.Now()
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: "dead_letter.replay", About: id.String()}); err != nil {
		return err
	}
	return in.o.Jobs.Add(tx, ReplayJob, id.String(), now)
}

// HandleReplay does the job. A dead letter that stays dead is no failure of
// the job: its new reason is kept, and asking again tries again.
func (in *Intake) HandleReplay(ctx context.Context, j jobs.Job) error {
	var id lead.DeadID
	if err := id.UnmarshalText([]byte(j.Key)); err != nil {
		return err
	}
	err := in.Replay(ctx, j.Scope, id)
	if p, ok := problem.Of(err); err != nil && !errors.Is(err, ErrStillDead) && (!ok || p.Status >= 500) {
		return err
	}
	return in.o.DB.Write(ctx, j.Scope, j.Done)
}

// Replay tries a dead letter again, now. It returns nil when the entry is an
// enquiry now, ErrStillDead when it is not, or a *problem.Problem when there is
// no open dead letter of this id. It must not be called within a transaction.
func (in *Intake) Replay(ctx context.Context, s account.Scope, id lead.DeadID) error {
	var d leads.DeadLetter
	err := in.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
		d, err = leads.DeadByID(tx, id)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	if d.State != leads.DeadOpen {
		return problem.Conflict("dead_letter_replayed", "This dead letter was replayed already; see its enquiry.")
	}
	it, err := in.reread(ctx, s, d)
	if err != nil {
		return err
	}
	if it.dead == "" {
		err = in.replay(ctx, s, d, it)
		if err == nil || !poisonous(ctx, err) {
			return err
		}
		it.dead = ReasonRefused
		in.o.Log.Error("intake: the database refuses a replayed entry", "account", s.Account(), "dead", id, "error", err)
	}
	if err := in.stayDead(ctx, s, d, it.dead); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrStillDead, it.dead)
}

// reread opens the entry again. A checksum that did not fit does not count any
// more: the seal itself says whether a byte was changed.
func (in *Intake) reread(ctx context.Context, s account.Scope, d leads.DeadLetter) (*item, error) {
	items, err := in.read(ctx, []Entry{{Seq: d.Seq, Place: d.Place, Box: d.Box, Data: d.Entry}})
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || items[0].head.Account != s.Account() {
		return &item{dead: ReasonDamaged}, nil
	}
	return items[0], nil
}

func (in *Intake) replay(ctx context.Context, s account.Scope, d leads.DeadLetter, it *item) error {
	var done counts
	err := in.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		done = counts{}
		ok, err := leads.SetDead(tx, d.ID, leads.DeadReplayed, d.Reason, time.Now())
		if err != nil {
			return err
		}
		if !ok { // somebody else did it meanwhile
			return nil
		}
		if err := in.writeAccount(tx, []*item{it}, true, &done); err != nil {
			return err
		}
		if done.dead > 0 {
			return errNoKey
		}
		return nil
	})
	if err == nil {
		in.stats.add(done)
	}
	return err
}

func (in *Intake) stayDead(ctx context.Context, s account.Scope, d leads.DeadLetter, reason string) error {
	return in.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		_, err := leads.SetDead(tx, d.ID, leads.DeadOpen, reason, time.Now())
		return err
	})
}
