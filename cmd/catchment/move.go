package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"catchment/internal/store"
	"catchment/internal/store/mover"
)

type moveCmd struct {
	Data    string `help:"Folder whose SQLite is moved." default:"./data" env:"CATCHMENT_DATA" type:"path"`
	To      string `help:"postgres://… of an empty database, for the SQLite."`
	NATSTo  string `name:"nats-to" help:"nats://… of a server without a journal yet, for the embedded journal; the server must be stopped."`
	OwnerTo string `name:"owner-to" help:"postgres://… of the role that may change the schema there; the same as --to when empty."`
	Recount string `help:"When to read both databases whole and compare them: after (work goes on meanwhile), pause (work stands still, and nothing is changed over when they differ), none." enum:"after,pause,none" default:"after"`
	Check   bool   `help:"Move nothing: compare the SQLite with the copy, and fail when they differ."`
	Copy    bool   `help:"Copy only, and do not ask the server to change over; the next move goes on from there."`

	wireConfig

	NATSReplicas int   `name:"nats-replicas" help:"Copies of the journal on an external cluster." default:"1" env:"CATCHMENT_NATS_REPLICAS"`
	NATSStorage  int64 `name:"nats-storage" help:"GiB that the journal may take on an external server; give every role the same." default:"100" env:"CATCHMENT_NATS_STORAGE"`
}

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
	if err := c.checkDatabase("--to", c.To); err != nil {
		return err
	}
	if err := c.checkDatabase("--owner-to", c.OwnerTo); err != nil {
		return err
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
	if !c.Check {
		if err := (config{Data: c.Data}).act(w, actMove, "", map[string]any{"part": "database", "to": host(c.To), "copy": c.Copy}); err != nil {
			return err
		}
	}
	m, err := mover.Open(w.ctx, path, store.Options{URL: c.To, OwnerURL: c.OwnerTo})
	if err != nil {
		return err
	}
	defer m.Close()
	t := &transfer{c: c, w: w, m: m, id: rand.Text()}
	defer t.end()
	switch {
	case c.Check:
		return t.recount()
	case c.Copy:
		return t.passes()
	}
	return t.run()
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

// host is where an address leads, without who comes there.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// where names a database without its password.
func where(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "postgres"
	}
	return u.Redacted()
}
