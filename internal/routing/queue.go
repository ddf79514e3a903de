package routing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
)

// queue puts waiting leads into the pool's named queue and raises its alarm
// when it was empty. They are still offered, oldest first, when somebody
// eligible comes.
func (r *Router) queue(tx *store.Tx, pool offers.Pool, ids []lead.ID, at time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	before, err := leads.RouteAnyQueued(tx, pool.Project)
	if err != nil {
		return err
	}
	n, err := leads.RouteQueue(tx, ids, at)
	if err != nil {
		return err
	}
	if n != int64(len(ids)) {
		return store.ErrAgain // one was taken meanwhile
	}
	data := map[string]any{"queue": pool.QueueName}
	for _, id := range ids {
		r.events.Emit(tx, events.Event{Kind: events.LeadQueued, At: at, Lead: id, Project: pool.Project, Data: data})
	}
	if !before {
		r.events.Emit(tx, events.Event{Kind: events.AlarmRaised, At: at, Project: pool.Project, Data: data})
		return r.pushAlarm(tx, pool.Project.String(), at)
	}
	return nil
}

// pushAlarm has those told who have alarms pushed.
func (r *Router) pushAlarm(tx *store.Tx, about string, at time.Time) error {
	push, err := devices.AnyPush(tx)
	if err != nil || !push {
		return err
	}
	return r.jobs.Add(tx, kindNotifyAlarm, about, at)
}

// cleared says so when the last lead has left the named queue.
func (r *Router) cleared(tx *store.Tx, pool offers.Pool, at time.Time) error {
	left, err := leads.RouteAnyQueued(tx, pool.Project)
	if err != nil || left {
		return err
	}
	r.events.Emit(tx, events.Event{Kind: events.AlarmCleared, At: at, Project: pool.Project, Data: map[string]any{"queue": pool.QueueName}})
	return nil
}

// clearedOf is cleared after one lead has left the queue of its project.
func (r *Router) clearedOf(tx *store.Tx, was leads.Route, at time.Time) error {
	if was.QueuedAt.IsZero() {
		return nil
	}
	pool, err := offers.PoolOf(tx, was.Project)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.cleared(tx, pool, at)
}

// alarm is the job that queues the leads of a project which have waited longer
// than the pool allows, and plans itself for the next one.
func (r *Router) alarm(ctx context.Context, j jobs.Job) error {
	project, err := parseProject(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job alarm: %w", err)
	}
	for more := true; more; {
		err := r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
			var next time.Time
			var err error
			if more, next, err = r.overdue(tx, project); err != nil || more {
				return err
			}
			return goOn(tx, j, next, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Router) overdue(tx *store.Tx, project account.ProjectID) (more bool, next time.Time, err error) {
	if err := offers.Turn(tx); err != nil {
		return false, next, err
	}
	pool, err := offers.PoolOf(tx, project)
	if errors.Is(err, store.ErrNone) {
		return false, next, nil
	}
	if err != nil {
		return false, next, err
	}
	now := r.clock()
	var late []lead.ID
	for _, decided := range []bool{true, false} {
		page, err := leads.RouteUnqueuedPage(tx, project, decided, roundSize)
		if err != nil {
			return false, next, err
		}
		for _, w := range page {
			due := time.UnixMicro(w.WaitingAt + pool.AlarmSeconds*1e6)
			if !due.After(now) {
				late = append(late, w.Lead)
				continue
			}
			if next.IsZero() || due.Before(next) {
				next = due
			}
			break
		}
	}
	if !next.IsZero() {
		next = later(next, now.Add(time.Second)) // many that are due one after the other are one look a second
	}
	return len(late) >= roundSize, next, r.queue(tx, pool, late, now)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
