package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"catchment/internal/journal"
	"catchment/internal/store"
	"catchment/internal/store/mover"
)

type moveCmd struct {
	Data    string `help:"Folder whose SQLite is moved." default:"./data" env:"CATCHMENT_DATA" type:"path"`
	To      string `help:"postgres://… of an empty database, for the SQLite."`
	NATSTo  string `name:"nats-to" help:"nats://… of a server without a journal yet, for the embedded journal; the server must be stopped."`
	OwnerTo string `name:"owner-to" help:"postgres://… of the role that may change the schema there; the same as --to when empty."`
	Recount bool   `help:"During the pause, read both databases whole once more and compare them."`
	Check   bool   `help:"Move nothing: compare the SQLite with the copy, and fail when they differ."`
	Copy    bool   `help:"Copy only, and do not ask the server to change over; the next move goes on from there."`

	NATSReplicas int   `name:"nats-replicas" help:"Copies of the journal on an external cluster." default:"1" env:"CATCHMENT_NATS_REPLICAS"`
	NATSStorage  int64 `name:"nats-storage" help:"GiB that the journal may take on an external server; give every role the same." default:"100" env:"CATCHMENT_NATS_STORAGE"`
}

// A pass beside a working server is repeated while it still writes more than
// this: what it writes is what the last pass, in the pause, may have to.
const (
	fewRows    = 20_000
	mostPasses = 4
)

// Run copies beside the working server, then has it pause, copies the rest,
// and sends it over.
func (c moveCmd) Run(w *world) error {
	switch {
	case c.To == "" && c.NATSTo == "":
		return usage("give --to for the database, or --nats-to for the journal")
	case c.To != "" && c.NATSTo != "":
		return usage("--to and --nats-to are two moves: the database beside the working server, the journal while it is stopped")
	case c.NATSTo != "":
		return c.moveJournal(w)
	}
	path := filepath.Join(c.Data, "catchment.db")
	if !exists(path) {
		return usage("there is no catchment.db in %s", c.Data)
	}
	if u, err := url.Parse(c.To); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return usage("--to: want postgres://…")
	}
	lock, err := tryLock(filepath.Join(c.Data, moveLock))
	if err != nil {
		return err
	}
	if lock == nil {
		return errors.New("another move of this folder is running")
	}
	defer lock.Close()
	if !c.Check {
		if err := (config{Data: c.Data}).notMoved(); err != nil {
			return err
		}
	}
	m, err := mover.Open(w.ctx, path, store.Options{URL: c.To, OwnerURL: c.OwnerTo})
	if err != nil {
		return err
	}
	defer m.Close()
	if c.Check {
		return c.recount(w, m)
	}
	if err := c.copy(w, m); err != nil || c.Copy {
		return err
	}
	return c.changeOver(w, m)
}

// copy makes passes until little is left to copy.
func (c moveCmd) copy(w *world, m *mover.Mover) error {
	if err := m.Measure(w.ctx); err != nil {
		return err
	}
	for n := 1; n <= mostPasses; n++ {
		r, err := c.pass(w, m)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.out, "pass %d: %d rows in %d tables, %d written, %.1f s (%.0f rows/s)\n", n, r.Rows(), len(r.Lines), r.Written,
			r.Took.Seconds(), float64(r.Rows())/r.Took.Seconds())
		if n == 1 {
			if err := m.Analyze(w.ctx); err != nil {
				return err
			}
		}
		if r.Written < fewRows {
			break
		}
	}
	return nil
}

// pass makes one and tells how far it is.
func (c moveCmd) pass(w *world, m *mover.Mover) (mover.Report, error) {
	done := make(chan struct{})
	said := make(chan struct{})
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
			p := m.Progress()
			rate := float64(p.Seen) / time.Since(began).Seconds()
			left := time.Duration(0)
			if rate > 0 {
				left = time.Duration(float64(max(0, p.Total-p.Seen))/rate) * time.Second
			}
			fmt.Fprintf(w.err, "%d of about %d rows, %d written, %.0f rows/s, about %s left\n", p.Seen, p.Total, p.Written, rate, left)
		}
	}()
	r, err := m.Pass(w.ctx)
	close(done)
	<-said
	return r, err
}

// changeOver makes the last pass while nobody writes to SQLite.
func (c moveCmd) changeOver(w *world, m *mover.Mover) error {
	began := time.Now()
	serving, end, err := c.pause(w.ctx)
	if err != nil {
		return err
	}
	defer end()
	r, err := m.Pass(w.ctx)
	if err != nil {
		return fmt.Errorf("the last pass: %w (work goes on in SQLite)", err)
	}
	fmt.Fprintf(w.out, "last pass: %d rows looked at, %d written, %.2f s\n", r.Rows(), r.Written, r.Took.Seconds())
	if err := printReport(w, r); err != nil {
		return err
	}
	if c.Recount {
		if err := c.recount(w, m); err != nil {
			return err
		}
	}
	if err := m.Done(w.ctx); err != nil {
		return err
	}
	// From here on the copy is the database, whatever happens to this process.
	if err := writeWhole(filepath.Join(c.Data, movedFile), []byte(where(c.To))); err != nil {
		return err
	}
	if !serving {
		fmt.Fprintf(w.out, "moved, nobody was serving (%.2f s); start with --database-url %s\n", time.Since(began).Seconds(), where(c.To))
		return nil
	}
	return c.release(w)
}

// pause has the server stop its work, or holds its place where none runs.
// With an error, or when the move ends early, the server goes on as before.
func (c moveCmd) pause(ctx context.Context) (serving bool, end func(), err error) {
	lock, err := tryLock(filepath.Join(c.Data, serveLock))
	if err != nil {
		return false, nil, err
	}
	if lock != nil {
		return false, func() { lock.Close() }, nil
	}
	_ = os.Remove(filepath.Join(c.Data, moveAnswer))
	end = func() { _ = os.Remove(filepath.Join(c.Data, moveAsks)) }
	if err := writeWhole(filepath.Join(c.Data, moveAsks), ask{State: "pause"}); err != nil {
		return false, nil, err
	}
	if _, err := c.await(ctx, "paused", time.Minute); err != nil {
		end()
		return false, nil, err
	}
	return true, end, nil
}

// release sends the server over and says how long its work stood still.
func (c moveCmd) release(w *world) error {
	paused, err := c.await(w.ctx, "paused", time.Second)
	if err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(c.Data, moveAsks), ask{State: "go", URL: c.To, OwnerURL: c.OwnerTo}); err != nil {
		return err
	}
	working, err := c.await(w.ctx, "working", time.Minute)
	if err != nil {
		return fmt.Errorf("the database is moved, and the server does not work on it yet: %w; restart it with --database-url %s", err, where(c.To))
	}
	fmt.Fprintf(w.out, "moved; captures went on, work paused for %.2f s; from the next start give --database-url %s\n", working.At.Sub(paused.At).Seconds(), where(c.To))
	return nil
}

func (c moveCmd) await(ctx context.Context, state string, within time.Duration) (t told, err error) {
	for end := time.Now().Add(within); time.Now().Before(end); {
		found, err := readWhole(filepath.Join(c.Data, moveAnswer), &t)
		switch {
		case err != nil:
			return t, err
		case found && t.State == state:
			return t, nil
		case found && t.State == "failed":
			return t, errors.New(t.Why)
		}
		select {
		case <-ctx.Done():
			return t, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return t, fmt.Errorf("the server did not answer %q within %s", state, within)
}

// moveJournal copies the embedded journal to a server, each message under its
// own number, so that receipts and the cursor in SQL stay true.
func (c moveCmd) moveJournal(w *world) error {
	if c.NATSStorage < 1 || c.NATSReplicas < 1 {
		return usage("--nats-storage and --nats-replicas: 1 or more")
	}
	here := config{Data: c.Data}
	if !exists(filepath.Join(c.Data, "journal")) {
		return usage("there is no journal in %s", c.Data)
	}
	if err := here.journalNotMoved(); err != nil {
		return err
	}
	from, err := journal.Open(w.ctx, here.journalOptions())
	if errors.Is(err, journal.ErrLocked) {
		return fmt.Errorf("%w: stop the server first; visitors' forms are answered again when it is back", err)
	}
	if err != nil {
		return err
	}
	defer closeJournal(from)
	to, err := journal.Open(w.ctx, config{NATSURL: c.NATSTo, NATSReplicas: c.NATSReplicas, NATSStorage: c.NATSStorage}.journalOptions())
	if err != nil {
		return err
	}
	defer closeJournal(to)
	began := time.Now()
	n, err := from.CopyTo(w.ctx, to)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "journal: messages %d to %d, %d on both sides, checksum %x, %d copied in %.2f s\n", n.First, n.Last, n.Messages, n.Sum[:8], n.Written,
		time.Since(began).Seconds())
	if c.Copy {
		return nil
	}
	if err := writeWhole(filepath.Join(c.Data, journalMovedFile), []byte(where(c.NATSTo))); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "moved; start with --nats-url %s\n", where(c.NATSTo))
	return nil
}

func closeJournal(j *journal.Journal) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	_ = j.Close(ctx) // it was read, or is compared: nothing is lost
}

// recount reads both sides whole and fails when they differ.
func (c moveCmd) recount(w *world, m *mover.Mover) error {
	r, err := m.Recount(w.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "recount: both databases read whole, %.2f s\n", r.Took.Seconds())
	return printReport(w, r)
}

// printReport shows a line a table and fails when one differs.
func printReport(w *world, r mover.Report) error {
	for _, l := range r.Lines {
		if l.Equal() && l.Source.Rows == 0 {
			continue
		}
		word := "equal"
		if !l.Equal() {
			word = fmt.Sprintf("DIFFERS: %d rows %s there", l.Target.Rows, l.Target.Sum)
		}
		fmt.Fprintf(w.out, "  %-16s %10d rows  %s  %s\n", l.Table, l.Source.Rows, l.Source.Sum, word)
	}
	if !r.Equal() {
		fmt.Fprintf(w.out, "not equal: %v\n", r.Differ())
		return errFailed
	}
	fmt.Fprintf(w.out, "equal: %d rows in %d tables\n", r.Rows(), len(r.Lines))
	return nil
}

// where names a database without its password.
func where(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "postgres"
	}
	return u.Redacted()
}
