// Package jobs is the work list. A job is added in the SQL transaction that
// causes it and settled in the transaction that does it, so it is neither
// forgotten nor done for nothing; a crash between the two has it run again,
// and every handler must bear that.
//
// A job is known by account, kind and key: asking for it twice is asking once.
// One that was asked for while it ran runs again.
package jobs

import (
	"errors"
	"sync/atomic"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/work"
)

// Kind says what a job does; each kind has one handler. The stage that
// handles a kind declares it.
type Kind string

// Waker tells other goroutines, also on other nodes, to look for work. It
// promises nothing: whoever is woken looks for himself, and looks unasked now
// and then. The journal has one.
type Waker interface {
	Wake(subject string) error
	OnWake(subject string, f func()) (stop func(), err error)
}

// subject is what an added job wakes.
const subject = "jobs"

// List is where jobs are added.
type List struct{ w Waker }

// NewList returns the list; w wakes the runners of every node.
func NewList(w Waker) *List { return &List{w} }

type wakes struct{}

// Add asks for the job (kind, key) of the transaction's account at runAt, once
// the transaction is committed. If it is there already it runs at the earlier
// of the two times: a handler that was planned for later must look at what it
// finds, not count on having been called for one reason.
//
// A handler that wants its own job again uses Later instead.
func (l *List) Add(tx *store.Tx, kind Kind, key string, runAt time.Time) error {
	if err := work.Add(tx, string(kind), key, runAt, time.Now()); err != nil {
		return err
	}
	tx.Keep(wakes{}, func() any {
		tx.AfterCommit(func() { _ = l.w.Wake(subject) }) // the runners also look unasked
		return nil
	})
	return nil
}

// Failure is a job that did not succeed so far. It stays on the list.
type Failure = work.Failure

// Failed lists the account's failing jobs by kind and key, beginning after the
// given ones ("" and "" for the first page).
func Failed(tx *store.Tx, kind Kind, key string, limit int) ([]Failure, error) {
	return work.Failed(tx, string(kind), key, limit)
}

// ErrLost says that the job's lease was lost: another worker has the job, and
// this one's transaction must not commit.
var ErrLost = errors.New("jobs: the lease was lost")

// Job is one that a handler runs. It is valid for that call.
type Job struct {
	Scope account.Scope
	Kind  Kind
	Key   string
	Tries int // 1 the first time, more after failures

	row     work.Job
	now     func() time.Time
	settled *atomic.Bool
}

// Done takes the job off the list, in the transaction that did it. If it was
// asked for meanwhile it stays and is due at once.
func (j Job) Done(tx *store.Tx) error {
	return j.settle(tx, work.Remove)
}

// Later has the job run again at the given time, or at once if it was asked
// for meanwhile.
func (j Job) Later(tx *store.Tx, at time.Time) error {
	return j.settle(tx, func(tx *store.Tx, r work.Job) (bool, error) { return work.Plan(tx, r, at) })
}

func (j Job) settle(tx *store.Tx, how func(*store.Tx, work.Job) (bool, error)) error {
	if tx.Account() != j.Scope.Account() {
		return errors.New("jobs: a job is settled in a transaction of its own account")
	}
	ok, err := how(tx, j.row)
	if err == nil && !ok {
		ok, err = work.Release(tx, j.row, j.now())
		if err == nil && !ok {
			err = ErrLost
		}
	}
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { j.settled.Store(true) })
	return nil
}
