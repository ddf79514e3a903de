package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"catchment/internal/audit"
	"catchment/internal/files"
	"catchment/internal/logbook"
	"catchment/internal/store"
)

// logConfig says what becomes of the program's own log.
type logConfig struct {
	Log       string `help:"Least level that goes to standard error: ${enum}." enum:"debug,info,warn,error,off" default:"info" env:"CATCHMENT_LOG"`
	LogFormat string `name:"log-format" help:"${enum}" enum:"text,json" default:"text" env:"CATCHMENT_LOG_FORMAT"`
	LogTo     string `name:"log-to" help:"Folder, or s3://BUCKET/PREFIX?region=…, where the log is kept besides, sealed, for 21 days; DATA/log when empty, off for nowhere." env:"CATCHMENT_LOG_TO"`

	Book *logbook.Book `kong:"-"` // nil for commands, and with --log-to off
}

const (
	logFolder = "log"
	logOff    = "off"
)

// logger writes to the supervisor's stream, and to the book when there is one.
func (c config) logger(w *world) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log)) // the parser has checked it
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: logbook.Clean}
	var h slog.Handler = slog.NewTextHandler(w.err, o)
	switch {
	case c.Log == logOff:
		h = slog.DiscardHandler
	case c.LogFormat == "json":
		h = slog.NewJSONHandler(w.err, o)
	}
	if c.Book != nil {
		h = c.Book.Handler(h)
	}
	return slog.New(h)
}

func (c config) keepsLog() bool { return c.LogTo != logOff && c.Role != "capture" }

func (c config) checkLog() error {
	if c.LogTo == logOff {
		return nil
	}
	if err := files.CheckURL(c.LogTo, c.filesOptions()); err != nil {
		return usage("--log-to: %v", err)
	}
	return nil
}

// logBucket is where the log is kept.
func (c config) logBucket(ctx context.Context) (files.Bucket, error) {
	if c.LogTo == "" {
		return files.Open(ctx, filepath.Join(c.Data, logFolder), c.filesOptions())
	}
	return c.openBucket(ctx, c.LogTo)
}

// openLog says where the log is kept; until then the book has it in memory.
func (h *house) openLog(ctx context.Context) error {
	if h.c.Book == nil {
		return nil
	}
	b, err := h.c.logBucket(ctx)
	if err != nil {
		return err
	}
	h.logs = b
	h.c.Book.Begin(b, h.ring.LogRecipient())
	return nil
}

const pruneEvery = 15 * time.Minute

// keepLog removes what is older than 21 days, and says so on the platform's
// record once a day.
func (h *house) keepLog(run context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	p := pruner{h: h}
	for {
		p.pass(run, time.Now())
		select {
		case <-run.Done():
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			p.say(ctx, time.Now())
			return
		case <-tick.C:
		}
	}
}

// pruner counts what it removed until it has said so.
type pruner struct {
	h    *house
	n    int
	said time.Time
}

func (p *pruner) pass(ctx context.Context, now time.Time) {
	n, err := logbook.Prune(ctx, p.h.logs, now)
	p.n += n
	if err != nil && ctx.Err() == nil {
		p.h.log.Warn("what the log has from more than 21 days ago could not be removed; it is tried again", "error", err)
	}
	if now.Sub(p.said) >= 24*time.Hour {
		p.say(ctx, now)
	}
}

func (p *pruner) say(ctx context.Context, now time.Time) {
	if p.n == 0 {
		return
	}
	err := p.h.db.Directory(ctx, func(d *store.Dir) error {
		return audit.WritePlatform(d, now, audit.Entry{Actor: "system:logbook", Action: "log.removed", Detail: map[string]any{"files": p.n, "before": now.Add(-logbook.Keep).UTC()}})
	})
	if err != nil {
		p.h.log.Warn("that old log was removed could not be put on the record; it is tried again", "error", err)
		return
	}
	p.n, p.said = 0, now
}

// log tells whether the log is kept, where it is elsewhere.
func (d *doctor) log() {
	switch {
	case d.c.LogTo == logOff:
		d.warn("the log is not kept (--log-to off): operators have what the supervisor keeps")
		return
	case !files.Elsewhere(d.c.LogTo):
		return // the data folder, or another, is looked at when it is written
	}
	ctx, cancel := context.WithTimeout(d.w.ctx, copyFor)
	defer cancel()
	b, err := d.c.logBucket(ctx)
	if err == nil {
		err = files.Check(ctx, b)
	}
	if err != nil {
		d.bad("the bucket of the log: %v", err)
		return
	}
	d.ok("the bucket of the log takes files and gives them back")
}
