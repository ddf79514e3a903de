package main

import (
	"fmt"
	"os"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/checkpoint"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Verify an exported record against the published keys; needs no network."`
	Export auditExportCmd `cmd:"" help:"Export an account's record, with its checkpoints, beside a running server or without one."`
}

type auditVerifyCmd struct {
	File       string   `arg:"" help:"The record, as GET /v1/record/export or catchment audit export gave it." type:"existingfile"`
	Keys       string   `help:"The keys, as /.well-known/catchment-record-keys.json gave them." required:"" type:"existingfile"`
	Checkpoint []string `help:"A checkpoint that was kept elsewhere; as often as there are some." type:"existingfile" placeholder:"FILE"`
}

// Run exits with 0 only when nothing between the first and the last checkpoint
// was altered, dropped or reordered.
func (c auditVerifyCmd) Run(w *world) error {
	keys, err := readKeys(c.Keys)
	if err != nil {
		return err
	}
	var outside []string
	for _, name := range c.Checkpoint {
		note, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		outside = append(outside, string(note))
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := checkpoint.Verify(f, keys, outside...)
	if err != nil {
		return err
	}
	for _, fault := range r.Faults {
		fmt.Fprintf(w.out, "WRONG: %s\n", fault)
	}
	if r.More > 0 {
		fmt.Fprintf(w.out, "WRONG: and %d more\n", r.More)
	}
	if len(r.Faults) > 0 {
		return errFailed
	}
	fmt.Fprintf(w.out, "valid: the record of %s, entries %d to %d in %d chains: nothing was altered, dropped or reordered up to the checkpoint of %s (%d checkpoints)\n",
		r.Account, r.From, r.Size, r.Chains, checkpoint.FormatTime(r.Last.At), r.Checkpoints)
	if r.Dropped > 0 {
		fmt.Fprintf(w.out, "%d entries have no content any more; their hashes are in their places\n", r.Dropped)
	}
	return nil
}

type auditExportCmd struct {
	config  `embed:""`
	Account string `help:"The account's id." required:"" placeholder:"ACCT"`
	From    int64  `help:"Begin at this size of an earlier checkpoint." default:"0"`
	Out     string `help:"File to write; it must not be there yet." required:"" type:"path"`
}

// Run writes what the route gives.
func (c auditExportCmd) Run(w *world) error {
	id, err := account.ParseID(c.Account)
	if err != nil {
		return usage("--account %q: want an id such as acct_01h455vb4pex5vsknk084sn02q", c.Account)
	}
	h, err := offline(w.ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	if err := c.act(w, "record.export", id.String(), map[string]any{"from": c.From}); err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	began := time.Now()
	if err := h.newTree().Export(w.ctx, admit.To(id), c.From, f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.out, "%s: the record of %s (%s)\n", c.Out, id, time.Since(began).Round(time.Millisecond))
	return err
}
