package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"catchment/internal/store/mover"
)

// transfer is one move of a database, from the first row to the change-over.
type transfer struct {
	c  moveCmd
	w  *world
	m  *mover.Mover
	id string

	alone *os.File    // the server's place, when nobody serves
	log   string      // the server's log of changes; "" when there is none
	tail  *mover.Tail // of it
}

// A pass beside a working server that does not tell its changes is repeated
// while it still writes more than fewRows. Rounds over what it tells are
// repeated until one has taken all and was quicker than quick, or until several
// have left no less than the one before: the last, in the pause, will take as long.
const (
	fewRows    = 20_000
	mostPasses = 4
	fewBytes   = 256 << 10 // of the log: some thousand rows
	quick      = 200 * time.Millisecond
	mostStuck  = 4
)

// run copies beside the working server, then has it pause, copies the rest,
// and sends it over.
func (t *transfer) run() error {
	if err := t.meet(); err != nil {
		return err
	}
	if t.alone != nil {
		return t.standing()
	}
	err := t.passes()
	if err == nil {
		err = t.rounds()
	}
	if err != nil {
		return err
	}
	return t.changeOver()
}

func (t *transfer) file(name string) string { return filepath.Join(t.c.Data, name) }

// end leaves nothing behind that a server would answer to.
func (t *transfer) end() {
	var a ask
	if found, err := readWhole(t.file(moveAsks), &a); found && err == nil && a.ID == t.id && a.State != "go" {
		_ = os.Remove(t.file(moveAsks))
	}
	if t.tail != nil {
		t.tail.Close()
	}
	if t.alone != nil {
		t.alone.Close()
	}
}

// meet takes the place of the server when none runs, or asks the one that runs
// to write down from now on what it changes.
func (t *transfer) meet() (err error) {
	if t.alone, err = tryLock(t.file(serveLock)); err != nil || t.alone != nil {
		return err
	}
	if err := t.ask(ask{State: "follow"}); err != nil {
		return err
	}
	answer, err := t.await("following", 10*time.Second)
	if err == nil {
		t.tail, err = mover.OpenTail(t.file(moveLog))
	}
	if err != nil && t.w.ctx.Err() == nil {
		fmt.Fprintf(t.w.err, "the server does not tell what it changes (%v): work will pause for as long as the database takes to read\n", err)
		return nil
	}
	t.log = answer.Log
	return err
}

// standing moves a database that nobody works on: its place is held.
func (t *transfer) standing() error {
	began := time.Now()
	var r mover.Report
	for n := 1; n <= mostPasses && (n == 1 || !r.Equal()); n++ { // a second one for unique values that stood in each other's way
		var err error
		if r, err = t.pass(n); err != nil {
			return err
		}
	}
	if err := t.agree(r); err != nil {
		return err
	}
	if err := t.m.Analyze(t.w.ctx); err != nil {
		return err
	}
	if err := t.leave(); err != nil {
		return err
	}
	fmt.Fprintf(t.w.out, "moved, nobody was serving (%.2f s); start with --database-url %s\n", time.Since(began).Seconds(), where(t.c.To))
	return t.recountAfter()
}

// passes go through the whole source. Where changes are told one is enough.
func (t *transfer) passes() error {
	for n := 1; n <= mostPasses; n++ {
		r, err := t.pass(n)
		if err != nil {
			return err
		}
		if n == 1 {
			if err := t.m.Analyze(t.w.ctx); err != nil {
				return err
			}
		}
		if r.Written < fewRows || t.tail != nil {
			break
		}
	}
	return nil
}

func (t *transfer) pass(n int) (r mover.Report, err error) {
	if err := t.m.Measure(t.w.ctx); err != nil {
		return r, err
	}
	t.watched(func() { r, err = t.m.Pass(t.w.ctx) })
	if err == nil {
		fmt.Fprintf(t.w.out, "pass %d: %d rows in %d tables, %d written, %.1f s (%.0f rows/s)\n", n, r.Rows(), len(r.Lines), r.Written,
			r.Took.Seconds(), float64(r.Rows())/r.Took.Seconds())
	}
	return r, err
}

// watched runs f and tells now and then how far it is.
func (t *transfer) watched(f func()) {
	done, said := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(said)
		began := time.Now()
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			p := t.m.Progress()
			rate := float64(p.Seen) / time.Since(began).Seconds()
			left := time.Duration(0)
			if rate > 0 {
				left = time.Duration(float64(max(0, p.Total-p.Seen))/rate) * time.Second
			}
			fmt.Fprintf(t.w.err, "%d of about %d rows, %d written, %.0f rows/s, about %s left\n", p.Seen, p.Total, p.Written, rate, left)
		}
	}()
	f()
	close(done)
	<-said
}

// rounds copy what has changed since the pass began, until it is little.
func (t *transfer) rounds() error {
	if t.tail == nil {
		return nil
	}
	for n, stuck, before := 1, 0, int64(math.MaxInt64); stuck < mostStuck; n++ {
		list, err := t.tail.Next()
		if err != nil {
			return err
		}
		r, err := t.m.Touch(t.w.ctx, list)
		if err != nil {
			return err
		}
		left, err := t.tail.Left()
		if err != nil {
			return err
		}
		fmt.Fprintf(t.w.out, "round %d: %d changed rows looked at, %d written, %.2f s; %d KiB of changes to come\n", n, r.Rows, r.Written, r.Took.Seconds(), left>>10)
		if r.Took < quick && left < fewBytes {
			break
		}
		if left >= before {
			stuck++
		}
		before = left
	}
	return nil
}

// changeOver copies the rest while nobody writes to SQLite.
func (t *transfer) changeOver() error {
	serving, log, err := t.pause()
	if err != nil {
		return err
	}
	r, err := t.rest(serving && log == t.log)
	if err != nil {
		return fmt.Errorf("the last pass: %w (work goes on in SQLite)", err)
	}
	if err := t.agree(r); err != nil {
		return err
	}
	if err := t.leave(); err != nil {
		return err
	}
	if serving {
		err = t.release()
	} else {
		fmt.Fprintf(t.w.out, "moved, the server had stopped; start with --database-url %s\n", where(t.c.To))
	}
	if err != nil {
		return err
	}
	return t.recountAfter()
}

// rest makes the last round, or the last pass when not every change was told.
func (t *transfer) rest(told bool) (r mover.Report, err error) {
	began, owed := time.Now(), 0
	if told && t.tail != nil {
		looked, written := 0, 0
		for {
			list, err := t.tail.Next()
			if err != nil {
				return r, err
			}
			round, err := t.m.Touch(t.w.ctx, list)
			if err != nil {
				return r, err
			}
			looked, written, owed = looked+round.Rows, written+round.Written, round.Owed
			if len(list) == 0 {
				break
			}
		}
		fmt.Fprintf(t.w.out, "last round: %d changed rows looked at, %d written, %.2f s\n", looked, written, time.Since(began).Seconds())
		if owed == 0 {
			r, err := t.m.Settled(t.w.ctx)
			fmt.Fprintf(t.w.out, "rows counted in SQLite, checksums as read back from the copy: %.2f s\n", r.Took.Seconds())
			return r, err
		}
	}
	if r, err = t.m.Pass(t.w.ctx); err == nil {
		fmt.Fprintf(t.w.out, "last pass: %d rows looked at, %d written, %.2f s\n", r.Rows(), r.Written, r.Took.Seconds())
	}
	return r, err
}

// agree prints that both sides are equal, or fails.
func (t *transfer) agree(r mover.Report) error {
	if err := printReport(t.w, r); err != nil {
		return err
	}
	if t.c.Recount == "pause" {
		return t.recount()
	}
	return nil
}

// leave makes the copy the database, whatever happens to this process.
func (t *transfer) leave() error {
	if t.c.Recount == "after" {
		if err := t.m.Freeze(t.w.ctx); err != nil {
			return err
		}
	}
	if err := t.m.Done(t.w.ctx); err != nil {
		return err
	}
	return writeWhole(t.file(movedFile), []byte(where(t.c.To)))
}

// recountAfter compares the SQLite that was left with the copy as it was then.
func (t *transfer) recountAfter() error {
	if t.c.Recount != "after" {
		return nil
	}
	err := t.recount()
	if err != nil {
		return fmt.Errorf("the change-over is done, but the recount of the copy, as it was then, says: %w; to go back stop the server and remove %s",
			err, t.file(movedFile))
	}
	return nil
}

// recount reads both sides whole and fails when they differ.
func (t *transfer) recount() (err error) {
	var r mover.Report
	t.watched(func() { r, err = t.m.Recount(t.w.ctx) })
	if err != nil {
		return err
	}
	fmt.Fprintf(t.w.out, "recount: both databases read whole, %.2f s\n", r.Took.Seconds())
	return printReport(t.w, r)
}

// pause has the server stop its work, or holds its place when it has ended.
// Without a release the server goes on as before.
func (t *transfer) pause() (serving bool, log string, err error) {
	if t.alone, err = tryLock(t.file(serveLock)); err != nil || t.alone != nil {
		return false, "", err
	}
	if err := t.ask(ask{State: "pause"}); err != nil {
		return false, "", err
	}
	answer, err := t.await("paused", time.Minute)
	return true, answer.Log, err
}

// release sends the server over and says how long its work stood still.
func (t *transfer) release() error {
	paused, err := t.await("paused", time.Second)
	if err != nil {
		return err
	}
	if err := t.ask(ask{State: "go", URL: t.c.To, OwnerURL: t.c.OwnerTo}); err != nil {
		return err
	}
	working, err := t.await("working", time.Minute)
	if err != nil {
		return fmt.Errorf("the database is moved, and the server does not work on it yet: %w; restart it with --database-url %s", err, where(t.c.To))
	}
	fmt.Fprintf(t.w.out, "moved; captures went on, work paused for %.2f s; from the next start give --database-url %s\n", working.At.Sub(paused.At).Seconds(), where(t.c.To))
	return nil
}

func (t *transfer) ask(a ask) error {
	a.ID = t.id
	return writeWhole(t.file(moveAsks), a)
}

func (t *transfer) await(state string, within time.Duration) (a told, err error) {
	for end := time.Now().Add(within); time.Now().Before(end); {
		a = told{} // what the next answer leaves out must not stay from the last one
		found, err := readWhole(t.file(moveAnswer), &a)
		switch {
		case err != nil:
			return a, err
		case !found || a.Ask != t.id: // of an earlier move
		case a.State == state:
			return a, nil
		case a.State == "failed":
			return a, errors.New(a.Why)
		}
		select {
		case <-t.w.ctx.Done():
			return a, t.w.ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return a, fmt.Errorf("the server did not answer %q within %s", state, within)
}
