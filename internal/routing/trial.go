package routing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/jobs"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/policies"
)

// Trial is a back-test as a job: how far it is, and what it found.
type Trial struct {
	policies.Backtest
	Found *Backtest // nil until it is done
}

// BeginBacktest has a policy tried on its pool's saved rounds from a time until
// another. 404: no such policy; 409 backtest_running: one at a time a pool.
func (r *Router) BeginBacktest(tx *store.Tx, id account.PolicyID, from, until time.Time, actor string, now time.Time) (Trial, error) {
	t := &rehearsal{id: id}
	if err := r.prepare(tx, t); err != nil {
		return Trial{}, err
	}
	n, err := offers.CountRounds(tx, t.pool, from, until)
	if err != nil {
		return Trial{}, err
	}
	now = store.Clock(now)
	row := policies.Backtest{ID: account.NewBacktestID(), Policy: id, Pool: t.pool, State: policies.TestRunning, By: actor,
		From: store.Clock(from), Until: store.Clock(until), Rounds: min(n, maxTestRounds), CreatedAt: now}
	ok, err := policies.AddBacktest(tx, row)
	if err != nil {
		return Trial{}, err
	}
	if !ok {
		return Trial{}, problem.Conflict("backtest_running", "A back-test of this project runs already; wait for it, or cancel it.")
	}
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: "policy.backtested", About: id.String(),
		Detail: map[string]any{"backtest_id": row.ID}}); err != nil {
		return Trial{}, err
	}
	return Trial{Backtest: row}, r.jobs.Add(tx, KindBacktest, row.ID.String(), now)
}

// CancelBacktest ends one that runs. 404: no such back-test; 409
// backtest_ended.
func (r *Router) CancelBacktest(tx *store.Tx, id account.BacktestID, now time.Time) (Trial, error) {
	t, err := r.GetBacktest(tx, id)
	if err != nil {
		return t, err
	}
	ok, err := policies.EndBacktest(tx, id, policies.TestCancelled, t.Done, "", store.Clock(now))
	if err != nil {
		return t, err
	}
	if !ok {
		return t, problem.Conflict("backtest_ended", "This back-test has ended already.")
	}
	return r.GetBacktest(tx, id)
}

// GetBacktest reads one; 404 when there is none.
func (r *Router) GetBacktest(tx *store.Tx, id account.BacktestID) (Trial, error) {
	row, err := policies.GetBacktest(tx, id)
	if errors.Is(err, store.ErrNone) {
		return Trial{}, problem.NotFound()
	}
	if err != nil {
		return Trial{}, err
	}
	return trial(row)
}

// Backtests lists up to limit after a place, newest first; the zero time is
// the beginning.
func (r *Router) Backtests(tx *store.Tx, at time.Time, after account.BacktestID, limit int) (out []Trial, err error) {
	rows, err := policies.ListBacktests(tx, at, after, limit)
	for _, row := range rows {
		t, err := trial(row)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, err
}

func trial(row policies.Backtest) (Trial, error) {
	t := Trial{Backtest: row}
	if row.Result == "" {
		return t, nil
	}
	if err := json.Unmarshal([]byte(row.Result), &t.Found); err != nil {
		return t, fmt.Errorf("routing: back-test %s: %w", row.ID, err)
	}
	return t, nil
}

// testPace is how often a back-test tells how far it is, and looks whether it
// was cancelled.
const testPace = 200 * time.Millisecond

// errEnded ends a back-test that was cancelled.
var errEnded = errors.New("routing: the back-test was cancelled")

// runBacktest is the job. It keeps nothing but its progress: stopped anywhere,
// it begins anew.
func (r *Router) runBacktest(ctx context.Context, j jobs.Job) error {
	id, err := account.ParseBacktestID(j.Key)
	if err != nil {
		return fmt.Errorf("routing: job backtest: %w", err)
	}
	var row policies.Backtest
	err = r.db.Read(ctx, j.Scope, func(tx *store.Tx) (err error) { row, err = policies.GetBacktest(tx, id); return err })
	if errors.Is(err, store.ErrNone) || err == nil && row.State != policies.TestRunning {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := r.Backtest(ctx, j.Scope, row.Policy, row.From, row.Until, r.telling(ctx, j.Scope, id))
	switch {
	case errors.Is(err, errEnded):
		return nil
	case errors.As(err, &errUnreadable{}):
		r.log.Error("routing: a back-test failed", "backtest", id, "error", err)
		return r.endBacktest(ctx, j, id, policies.TestFailed, int64(found.Rounds), "")
	case err != nil:
		return err
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return r.endBacktest(ctx, j, id, policies.TestDone, int64(found.Rounds), string(text))
}

// telling notes the progress now and then.
func (r *Router) telling(ctx context.Context, scope account.Scope, id account.BacktestID) func(done int) error {
	var told time.Time
	return func(done int) error {
		if r.testStep != nil {
			r.testStep()
		} else if time.Since(told) < testPace {
			return nil
		}
		told = time.Now()
		runs := false
		err := r.db.Write(ctx, scope, func(tx *store.Tx) (err error) { runs, err = policies.Tested(tx, id, int64(done)); return err })
		if err == nil && !runs {
			err = errEnded
		}
		return err
	}
}

func (r *Router) endBacktest(ctx context.Context, j jobs.Job, id account.BacktestID, state string, rounds int64, result string) error {
	return r.db.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if _, err := policies.EndBacktest(tx, id, state, rounds, result, r.clock()); err != nil {
			return err // if it was cancelled meanwhile, it stays cancelled
		}
		return j.Done(tx)
	})
}
