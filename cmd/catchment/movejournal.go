package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"catchment/internal/journal"
)

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
	to, err := journal.Open(w.ctx, config{wireConfig: c.wireConfig, NATSURL: c.NATSTo, NATSReplicas: c.NATSReplicas, NATSStorage: c.NATSStorage}.journalOptions())
	if err != nil {
		return err
	}
	defer closeJournal(to)
	if err := here.act(w, actMove, "", map[string]any{"part": "journal", "to": host(c.NATSTo), "copy": c.Copy}); err != nil {
		return err
	}
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
