package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"catchment/internal/proof"
	"catchment/internal/store/scratch"
)

type proveCmd struct {
	Name    string `arg:"" optional:"" default:"all" help:"first-lead, kill, sql-away, disk-full, sealed, logs, tenants, rights, openings, edge, scanners, delete, grant, move, roles, revoke, tamper, attack, reports, lists, webhooks, import, rotate, flood, desk, uploads, bench, or all."`
	Seconds int    `help:"How long to load, or to keep away what is taken away; each proof's own when 0."`
	Rounds  int    `help:"How often to kill, or to revoke; a third of the sequences of openings." default:"20"`
	Seed    uint64 `help:"What openings draws from, to draw the same again; another each time when 0."`
	Leads   int    `help:"How many leads there are before a move, in reports or in lists; each proof's own when 0."`
	CSVRows int    `name:"rows" help:"How many rows an import has." default:"100000"`
	Engine  string `help:"${enum}" enum:"sqlite,postgres,both" default:"both"`
	Answer  int    `help:"Bytes that bare-server answers." default:"700" hidden:""`
	Address string `help:"Where nats-server listens." hidden:""`
	Dir     string `help:"Where nats-server keeps its streams." hidden:""`
	JSON    string `name:"json" help:"File for the report as JSON; - for standard output, after the table." default:"-" placeholder:"FILE"`
}

// Run starts fresh instances of this same program, and exits with 0 only when
// all that was asked for holds.
func (c proveCmd) Run(w *world) error {
	if c.Name == "bare-server" { // what bench measures beside; started by it alone
		return proof.ServeBare(w.ctx, w.out, c.Answer)
	}
	if c.Name == "nats-server" { // what roles is tried against; started by it alone
		return proof.ServeNATS(w.ctx, w.out, c.Address, c.Dir)
	}
	if !proof.Known(c.Name) {
		return usage("no proof is called %q: want %s, or all", c.Name, strings.Join(proof.Names(), ", "))
	}
	if c.Seconds < 0 || c.Rounds < 1 || c.Leads < 0 {
		return usage("--seconds is 0 or more, --rounds and --leads 1 or more")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	report, err := proof.Prove(w.ctx, c.Name, proof.Options{
		Binary: self, Out: w.err, Engines: c.engines(), Seconds: c.Seconds, Rounds: c.Rounds, Seed: c.Seed, Leads: c.Leads, Rows: c.CSVRows, Postgres: startPostgres,
	})
	if printErr := c.print(w, report); err == nil {
		err = printErr
	}
	if err == nil && !report.OK {
		err = errFailed
	}
	return err
}

func (c proveCmd) engines() []proof.Engine {
	switch c.Engine {
	case "sqlite":
		return []proof.Engine{proof.SQLite}
	case "postgres":
		return []proof.Engine{proof.Postgres}
	}
	return []proof.Engine{proof.SQLite, proof.Postgres}
}

// print writes the table, and the JSON where it is wanted.
func (c proveCmd) print(w *world, report proof.Report) error {
	if err := report.Table(w.out); err != nil {
		return err
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if c.JSON != "-" {
		return os.WriteFile(c.JSON, append(text, '\n'), 0o644)
	}
	_, err = fmt.Fprintf(w.out, "\n%s\n", text)
	return err
}

// cluster is scratch's PostgreSQL as a proof wants it.
type cluster struct{ *scratch.Cluster }

// Folder implements proof.Cluster.
func (c cluster) Folder() string { return c.Dir }

// startPostgres makes a durable one: a proof of durability with fsync off would
// prove nothing.
func startPostgres() (proof.Cluster, error) {
	c, err := scratch.Start(true)
	if errors.Is(err, scratch.ErrMissing) {
		return nil, fmt.Errorf("%w; or prove with --engine sqlite", err)
	}
	if err != nil {
		return nil, err
	}
	return cluster{c}, nil
}
