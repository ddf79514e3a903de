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
	"catchment/internal/jobs"
	"catchment/internal/snapshot"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/published"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// The job that publishes an account's entry.
const (
	Kind     jobs.Kind = "publish"
	Snapshot           = "snapshot"
)

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
	if err := p.publish(ctx, j.Scope); err != nil {
		return err
	}
	err := p.o.DB.Write(ctx, j.Scope, j.Done)
	if errors.Is(err, jobs.ErrLost) {
		return errors.Join(err, p.o.DB.Write(ctx, j.Scope, p.Changed))
	}
	return err
}

func (p *Publisher) publish(ctx context.Context, scope account.Scope) error {
	id := scope.Account()
	keys, err := p.o.Keys(ctx, id)
	if err != nil {
		return fmt.Errorf("publish: keys: %w", err)
	}
	entry := snapshot.Account{ID: id, DropBox: keys.DropBox(), CaptureIDKey: keys.CaptureIDKey()}
	err = p.o.DB.Write(ctx, scope, func(tx *store.Tx) error { return p.read(tx, &entry) })
	if errors.Is(err, store.ErrNone) {
		return p.o.Writer.Remove(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("publish: read the set-up: %w", err)
	}
	return p.o.Writer.Put(ctx, entry)
}

// read fills the entry. It may run again from the start.
func (p *Publisher) read(tx *store.Tx, a *snapshot.Account) error {
	version, err := published.Next(tx, Snapshot, p.o.Now())
	if err != nil {
		return err
	}
	doors, err := setup.ReadDoors(tx)
	if err != nil {
		return err
	}
	keys, err := access.DoorKeys(tx)
	if err != nil {
		return err
	}
	a.Version, a.DefaultRegion = version, doors.Region
	a.Projects, a.Sources, a.Keys = nil, nil, nil
	for _, x := range doors.Projects {
		a.Projects = append(a.Projects, snapshot.Project(x))
	}
	for _, x := range doors.Sources {
		a.Sources = append(a.Sources, snapshot.Source{
			ID: x.ID, Slug: x.Slug, Name: x.Name, Project: x.Project, NonPersonal: x.NonPersonal,
			Mapping: x.Mapping, ThanksURL: x.ThanksURL, Active: x.Active,
		})
	}
	for _, x := range keys {
		a.Keys = append(a.Keys, snapshot.Key{
			ID: x.ID, Kind: x.Kind, Role: x.Role, Hash: x.Hash, Sources: x.Sources,
			Origins: x.Origins, AnyOrigin: x.AnyOrigin, ExpiresAt: x.ExpiresAt,
		})
	}
	return nil
}
