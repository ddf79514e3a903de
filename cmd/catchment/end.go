package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/checkpoint"
	"catchment/internal/ledger"
	"catchment/internal/privacy"
	"catchment/internal/store"
)

type accountEndCmd struct {
	config  `embed:""`
	Account string `arg:"" help:"The account's id." placeholder:"ACCT"`
	Now     bool   `help:"Do not wait for the end of the grace time. An admin of the account must have asked for its end."`
}

// Run shows how far an account's end is, and has it begin with --now. A running
// server does the work.
func (c accountEndCmd) Run(w *world) error {
	id, err := account.ParseID(c.Account)
	if err != nil {
		return usage("ACCT: this is no account's id")
	}
	h, err := offline(w.ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	if c.Now {
		if err := c.act(w, "account.end.now", id.String(), nil); err != nil {
			return err
		}
		p := privacy.New(privacy.Options{DB: h.db, Jobs: h.jobs, Events: h.events})
		err := h.db.Write(w.ctx, admit.To(id), func(tx *store.Tx) error {
			now := time.Now()
			if err := p.HastenEnd(tx, now); err != nil {
				return err
			}
			return audit.Write(tx, now, audit.Entry{Actor: commandLine, Action: "account.end.hastened", About: id.String()})
		})
		if err != nil {
			return plainly(err)
		}
	}
	return h.db.Read(w.ctx, admit.To(id), func(tx *store.Tx) error {
		e, asked, err := privacy.EndOf(tx)
		switch {
		case err != nil:
		case !asked:
			fmt.Fprintf(w.out, "%s: nobody has asked that it ends\n", id)
		case e.StartedAt.IsZero():
			fmt.Fprintf(w.out, "%s: asked by %s at %s; its keys are destroyed at %s\n", id, e.By, e.AskedAt.UTC().Format(time.RFC3339), e.DueAt.UTC().Format(time.RFC3339))
		default:
			fmt.Fprintf(w.out, "%s: ending since %s\n", id, e.StartedAt.UTC().Format(time.RFC3339))
		}
		return err
	})
}

type certificateCmd struct {
	Show   certificateShowCmd   `cmd:"" help:"Print an ended account's certificate, from the deletion ledger."`
	Verify certificateVerifyCmd `cmd:"" help:"Verify a certificate against the published keys; needs no network."`
}

type certificateShowCmd struct {
	config  `embed:""`
	Account string `arg:"" help:"The account's id." placeholder:"ACCT"`
}

// Run reads the ledger's file.
func (c certificateShowCmd) Run(w *world) error {
	id, err := account.ParseID(c.Account)
	if err != nil {
		return usage("ACCT: this is no account's id")
	}
	if !exists(c.ledgerFile()) {
		return errors.New("there is no deletion ledger in the data folder")
	}
	l, err := ledger.Open(ledger.Options{Path: c.ledgerFile()})
	if err != nil {
		return err
	}
	defer l.Close()
	e, ok := l.Of(id)
	if !ok || len(e.Certificate) == 0 {
		return fmt.Errorf("the deletion ledger has no certificate of %s", id)
	}
	_, err = w.out.Write(e.Certificate)
	return err
}

type certificateVerifyCmd struct {
	File string `arg:"" help:"The certificate, as its address or catchment account certificate show gave it." type:"existingfile"`
	Keys string `help:"The keys, as /.well-known/catchment-record-keys.json gave them." required:"" type:"existingfile"`
}

// Run exits with 0 only when a published key has signed the certificate.
func (c certificateVerifyCmd) Run(w *world) error {
	keys, err := readKeys(c.Keys)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	note := string(file)
	var answer struct{ Certificate string }
	if json.Unmarshal(file, &answer) == nil && answer.Certificate != "" { // as the address gave it
		note = answer.Certificate
	}
	d, err := checkpoint.OpenCertificate(note, keys)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "valid: %s was ended. Asked for by %s at %s; keys destroyed at %s; removed at %s\n",
		d.Account, d.AskedBy, checkpoint.FormatTime(d.AskedAt), checkpoint.FormatTime(d.KeysDestroyed), checkpoint.FormatTime(d.RemovedAt))
	fmt.Fprintf(w.out, "keys: %d generations of its keyset, %d of persons, %d of users, %d API keys\n", len(d.Keys.Generations), d.Keys.Persons, d.Keys.Members, len(d.Keys.API))
	for _, r := range d.Rows {
		fmt.Fprintf(w.out, "  %-20s %d rows\n", r.Table, r.Rows)
	}
	fmt.Fprintf(w.out, "noise until written over: the journal up to %d, by %s; keys in backups, by %s\n", d.Journal.UpTo, checkpoint.FormatTime(d.Journal.GoneBy), checkpoint.FormatTime(d.Backups.KeysGoneBy))
	return nil
}
