package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"catchment/internal/audit"
	"catchment/internal/store"
)

// What is done at the command line to an installation's data or keys stands on
// the platform's record, for an operator to look at. A verb that does such a
// thing calls act first: no entry, no act. A test runs every verb, and finds
// those that change something and say nothing.

// Actions of more than one verb.
const (
	actMigrate = "schema.migrate"
	actMove    = "installation.move"
	actStart   = "program.start"
)

// serving acts for a server, on the platform's record.
const serving = "system:serve"

// act puts on the platform's record what is about to be done here. Where SQL
// is not at hand the entry is left in the data folder, and the server that runs
// there writes it within a second, or at its next start.
func (c config) act(w *world, action, about string, detail map[string]any) error {
	e := audit.Entry{ID: audit.NewID(), Actor: commander(), Action: action, About: about}
	if by := os.Getenv("SUDO_USER"); by != "" {
		if detail == nil {
			detail = map[string]any{}
		}
		detail["sudo"] = by
	}
	if detail != nil {
		e.Detail = detail
	}
	return c.note(w.ctx, time.Now(), e)
}

// note puts an entry on the platform's record, or leaves it for the server.
func (c config) note(ctx context.Context, now time.Time, e audit.Entry) error {
	if err := c.record(ctx, now, e); err == nil {
		return nil
	}
	text, err := audit.MarshalEntry(now, e)
	if err == nil {
		err = leave(c.acts(), e.ID.String(), text)
	}
	if err != nil {
		return fmt.Errorf("this cannot be put on the platform's record, so it is not done: %w", err)
	}
	return nil
}

// record writes the entry where the settings say that SQL is. It makes no
// database.
func (c config) record(ctx context.Context, at time.Time, e audit.Entry) error {
	o := c.storeOptions()
	o.Beside = true
	if o.URL == "" && !exists(o.Path) {
		return errors.New("there is no database here")
	}
	if err := c.notMoved(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	db, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Directory(ctx, func(d *store.Dir) error { return audit.WritePlatform(d, at, e) })
}

// noteStart puts on the platform's record which program began to serve this
// database, and that it brought the schema from one version to another.
func (h *house) noteStart(ctx context.Context, from, to int64) error {
	b, err := thisBuild()
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	err = h.db.Directory(ctx, func(d *store.Dir) error {
		now := time.Now()
		if from != to {
			e := audit.Entry{Actor: serving, Action: actMigrate, Detail: map[string]any{"from": from, "to": to}}
			if err := audit.WritePlatform(d, now, e); err != nil {
				return err
			}
		}
		if h.startNoted {
			return nil
		}
		return audit.WritePlatform(d, now, audit.Entry{Actor: serving, Action: actStart, Detail: map[string]any{"build": b, "host": host, "role": h.c.Role}})
	})
	h.startNoted = err == nil
	return err
}

// acts is the folder where entries wait for a server.
func (c config) acts() string { return filepath.Join(c.Data, "acts") }

// takeActs writes entries that a command has left.
func (h *house) takeActs(ctx context.Context) error {
	if !h.ready.Load() {
		return nil
	}
	return eachLeft(h.c.acts(), func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at, e, err := audit.UnmarshalEntry(text)
		if err != nil {
			return errors.Join(err, os.Rename(path, path+refusedFile))
		}
		err = h.db.Directory(ctx, func(d *store.Dir) error { return audit.WritePlatform(d, at, e) })
		if err != nil {
			return err
		}
		return os.Remove(path)
	})
}

// commander is who works at the command line: the system's user and machine.
func commander() string {
	name, host := fmt.Sprint(os.Getuid()), "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		host = h
	}
	return audit.CommandLine + name + "@" + host
}
