package main

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/limits"
	"catchment/internal/store"
	"catchment/internal/store/setup"
)

// limitsConfig says how much one caller may have; 0 is no limit. What each of
// them counts, and why so many, is in docs/limits.md.
type limitsConfig struct {
	LimitAddress  int `name:"limit-address" help:"Requests a second from one IPv4 address or IPv6 /64; 0 for no limit." default:"500" env:"CATCHMENT_LIMIT_ADDRESS"`
	LimitStranger int `name:"limit-stranger" help:"Of those, requests a minute without a credential, as signing in; 0 for no limit." default:"120" env:"CATCHMENT_LIMIT_STRANGER"`
	LimitHolder   int `name:"limit-holder" help:"Requests a second with one key or of one user; 0 for no limit." default:"1000" env:"CATCHMENT_LIMIT_HOLDER"`
	LimitAccount  int `name:"limit-account" help:"Requests a second of one account; 0 for no limit." default:"2000" env:"CATCHMENT_LIMIT_ACCOUNT"`
	LimitLeads    int `name:"limit-leads" help:"Leads a second that one account hands in; 0 for no limit." default:"10000" env:"CATCHMENT_LIMIT_LEADS"`
}

func (c limitsConfig) checkLimits() error {
	for _, n := range []int{c.LimitAddress, c.LimitStranger, c.LimitHolder, c.LimitAccount, c.LimitLeads} {
		if n < 0 || n > 1_000_000 {
			return usage("--limit-address, -stranger, -holder, -account and -leads take 0 to 1,000,000")
		}
	}
	return nil
}

// rates are ten seconds' worth at once for each, and a minute's for strangers:
// an office signs in at nine o'clock.
func (c limitsConfig) rates() limits.Rates {
	return limits.Rates{
		Address: limits.PerSecond(c.LimitAddress), Holder: limits.PerSecond(c.LimitHolder),
		Stranger: limits.Rate{N: c.LimitStranger, Per: time.Minute, Burst: c.LimitStranger},
		Account:  limits.PerSecond(c.LimitAccount), Leads: limits.PerSecond(c.LimitLeads),
		Reports: limits.Rate{N: 4, Per: time.Hour, Burst: 4}, // a human who writes them reads nothing of it
	}
}

// ownLimits is what an operator has let an account have, as this node's
// snapshot knows it.
func (h *house) ownLimits(id []byte) limits.Own {
	if a := h.snapshot.ByID(account.IDFrom([16]byte(id))); a != nil {
		return a.Limits
	}
	return limits.Own{}
}

// readLimits and setLimits are the operator's door to them.
func (h *house) readLimits(ctx context.Context, id account.ID) (own limits.Own, err error) {
	err = h.db.Read(ctx, admit.To(id), func(tx *store.Tx) (err error) {
		if _, err = setup.GetAccount(tx); err != nil {
			return err
		}
		own, err = setup.Limits(tx)
		return err
	})
	return own, err
}

// setLimits is on the platform's record before it is done, and on the
// account's with the deed.
func (h *house) setLimits(ctx context.Context, actor string, id account.ID, own limits.Own) error {
	was, err := h.readLimits(ctx, id)
	if err != nil {
		return err
	}
	now := time.Now()
	detail := map[string]any{"holder": own.Holder, "account": own.Account, "leads": own.Leads,
		"earlier": map[string]any{"holder": was.Holder, "account": was.Account, "leads": was.Leads}}
	e := audit.Entry{Actor: actor, Action: "limits.changed", About: id.String(), Detail: detail}
	if err := h.db.Directory(ctx, func(dir *store.Dir) error { return audit.WritePlatform(dir, now, e) }); err != nil {
		return err
	}
	return h.db.Write(ctx, admit.To(id), func(tx *store.Tx) error {
		h.events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, Data: map[string]any{"what": "limits", "id": id.String()}})
		return errors.Join(h.directory.SetLimits(tx, own), audit.Write(tx, now, e))
	})
}

// shareLimits has the doors of all nodes count together. A house whose journal
// is inside it has no others.
func (h *house) shareLimits(run context.Context) {
	if h.c.NATSURL == "" || !h.role("capture", "web") {
		return
	}
	h.work.Go(func() {
		if err := limits.NewGossip(h.journal, nil, h.limits.Tables()...).Run(run); err != nil {
			h.log.Warn("limits are counted by this node alone", "error", err)
		}
	})
}
