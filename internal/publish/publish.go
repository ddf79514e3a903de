// Package publish turns edited set-up into what the doors read: each account's
// entry of the snapshot. Whatever changes a key, a source or a project adds
// the job (Kind, Snapshot) in its own transaction; the entry that the doors
// end up with was read after the last such change.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/jobs"
	"catchment/internal/rights"
	"catchment/internal/snapshot"
	"catchment/internal/store"
	"catchment/internal/store/access"
	keysets "catchment/internal/store/keys"
	"catchment/internal/store/published"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// Kind and the key Snapshot are the job that publishes an account's entry.
const Kind jobs.Kind = "publish"

// Snapshot is the key of that job.
const Snapshot = "snapshot"

// Keys is what a door gets of an account's keyset: what seals, and what makes
// ids of idempotency keys. *keyring.AccountKeys is one.
type Keys interface {
	DropBox() vault.DropBox
	CaptureIDKey() []byte
}

// Options is what a Publisher needs.
type Options struct {
	DB       *store.DB
	Jobs     *jobs.List
	Writer   *snapshot.Writer
	Keys     func(context.Context, account.ID) (Keys, error)    // the newest, not a cached one: keyring.Accounts.Renew
	Accounts func(ctx context.Context) ([]account.Scope, error) // all there are
	Log      *slog.Logger                                       // default slog.Default()
	Now      func() time.Time                                   // default time.Now
}

// Publisher publishes. Several, also on other nodes, may work side by side.
type Publisher struct{ o Options }

// New returns a Publisher.
func New(o Options) *Publisher {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Publisher{o}
}

// Register makes the runner publish.
func (p *Publisher) Register(r *jobs.Runner) { r.Handle(Kind, p.run) }

// Changed asks for the account's entry to be published, in the transaction of
// the change. It fits directory's hook.
func (p *Publisher) Changed(tx *store.Tx) error {
	return p.o.Jobs.Add(tx, Kind, Snapshot, p.o.Now())
}

// PublishAll asks for every account's entry: at the start, because the bucket
// may be an older one, or none. The jobs do the work, so that no two publish
// the same account at once.
func (p *Publisher) PublishAll(ctx context.Context) error {
	all, err := p.o.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("publish: list the accounts: %w", err)
	}
	for _, scope := range all {
		if err := p.o.DB.Write(ctx, scope, p.Changed); err != nil {
			return fmt.Errorf("publish: ask for %s: %w", scope.Account(), err)
		}
	}
	return nil
}

// run is the job. Its lease keeps other publishers off the account. One that
// lost it may have put an older entry over a newer: it asks for another.
func (p *Publisher) run(ctx context.Context, j jobs.Job) error {
	box, err := p.publish(ctx, j.Scope)
	if err != nil {
		return err
	}
	err = p.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if err := j.Done(tx); err != nil || box == 0 {
			return err
		}
		return keysets.Published(tx, box, p.o.Now())
	})
	if errors.Is(err, jobs.ErrLost) {
		return errors.Join(err, p.o.DB.Write(ctx, j.Scope, p.Changed))
	}
	return err
}

// publish returns which drop box the doors have now; 0 when there is no account.
func (p *Publisher) publish(ctx context.Context, scope account.Scope) (box uint32, err error) {
	id := scope.Account()
	keys, err := p.o.Keys(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("publish: keys: %w", err)
	}
	entry := snapshot.Account{ID: id, DropBox: keys.DropBox(), CaptureIDKey: keys.CaptureIDKey()}
	err = p.o.DB.Write(ctx, scope, func(tx *store.Tx) error { return p.read(tx, &entry) })
	if errors.Is(err, store.ErrNone) {
		return 0, p.o.Writer.Remove(ctx, id)
	}
	if err != nil {
		return 0, fmt.Errorf("publish: read the set-up: %w", err)
	}
	return entry.DropBox.KeyID, p.o.Writer.Put(ctx, entry)
}

// read fills the entry. It may run again from the start.
func (p *Publisher) read(tx *store.Tx, a *snapshot.Account) (err error) {
	if a.Version, err = published.Next(tx, Snapshot, p.o.Now()); err != nil {
		return err
	}
	own, err := setup.GetAccount(tx)
	if err != nil {
		return err
	}
	a.DefaultRegion = own.DefaultRegion
	if a.Limits, err = setup.Limits(tx); err != nil {
		return err
	}
	if a.Projects, err = projects(tx); err != nil {
		return err
	}
	if a.Sources, err = sources(tx); err != nil {
		return err
	}
	rule, err := access.GetRule(tx)
	if err != nil {
		return err
	}
	a.KeyNetworks = rule.Networks.Keys
	a.Keys, err = keys(tx, p.o.Now())
	return err
}

func projects(tx *store.Tx) (out []snapshot.Project, err error) {
	all, err := setup.Projects(tx)
	for _, x := range all {
		out = append(out, snapshot.Project{ID: x.ID, Slug: x.Slug, Active: x.Active})
	}
	return out, err
}

func sources(tx *store.Tx) (out []snapshot.Source, err error) {
	all, err := setup.Sources(tx)
	for _, x := range all {
		out = append(out, snapshot.Source{
			ID: x.ID, Slug: x.Slug, Name: x.Name, Project: x.Project, NonPersonal: x.NonPersonal,
			Mapping: x.Mapping, ThanksURL: x.ThanksURL, Active: x.Active,
		})
	}
	return out, err
}

// keys are those that are not revoked, one for each text that still works; the
// door itself looks at the clock.
func keys(tx *store.Tx, now time.Time) (out []snapshot.Key, err error) {
	all, err := access.Keys(tx)
	for _, x := range all {
		if !x.RevokedAt.IsZero() {
			continue
		}
		k := snapshot.Key{
			ID: x.ID, Kind: x.Kind, Role: x.Role, Hash: x.Hash, Sources: x.Sources,
			Origins: x.Origins, AnyOrigin: x.AnyOrigin, ExpiresAt: x.ExpiresAt, Networks: x.Networks,
		}
		may, err := directory.RightsOf(tx, x.Role)
		if err != nil {
			return nil, err
		}
		k.Captures = may.May(account.Capture) && !rights.Of(x.Role).May(account.Capture)
		out = append(out, k)
		for _, g := range x.Earlier {
			if k.Hash, k.ExpiresAt = g.Hash, g.EndsAt; now.Before(g.EndsAt) {
				out = append(out, k)
			}
		}
	}
	return out, err
}
