// Package directory knows who is in the house: accounts, the people who work
// in them, their credentials, sessions and keys, and each account's set-up.
// It holds no lead. It is one of the few places that see across accounts, and
// the one that turns a credential into a Scope.
//
// Tokens and keys are 256 random bits and stored as hashes; users' phones and
// e-mails are sealed, and found again at sign-in by a keyed index. How somebody
// proves who they are is signin's.
package directory

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/caller"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/cursor"
	"catchment/internal/store/keys"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// Keys is what the directory needs of the keyring.
type Keys interface {
	// LoginIndex is the keyed hash by which a sign-in address is found.
	LoginIndex(normalised string) vault.MAC
	// NewAccount makes the keyset of a new account, which is not stored yet.
	NewAccount(ctx context.Context, id account.ID) (wrapped []byte, k AccountKeys, err error)
	// Account gives the keys of an account that is there.
	Account(ctx context.Context, id account.ID) (AccountKeys, error)
}

// AccountKeys makes and opens the keys of an account's members.
type AccountKeys interface {
	Version() uint32 // of the keyset
	NewMember(id account.UserID) (wrapped []byte, seal Seal)
	Member(id account.UserID, wrapped []byte) (Seal, error)
}

// Seal seals a value for its place under one member's key.
type Seal func(at vault.Binding, value vault.Personal) vault.Sealed

// Waker tells the other nodes; the journal has one.
type Waker interface {
	Wake(subject string) error
	OnWake(subject string, f func()) (stop func(), err error)
}

// subject is woken when something was revoked.
const subject = "access"

// Tombstones are how a revoked key is refused past SQL: on every node at once,
// while SQL is away, and after an older SQL came back.
type Tombstones interface {
	// Bury tells every node, once the revocation is committed. What cannot be
	// told now is told by the job of Options.Changed.
	Bury(k Key)
	// Buried reports whether there is one for the key or the hash; either may be
	// zero. It is a problem while that is not known yet.
	Buried(id account.KeyID, hash access.Hash) (bool, error)
}

// Options say what the directory works with. DB and Keys are needed.
type Options struct {
	DB    *store.DB
	Keys  Keys
	Waker Waker // nil: one node
	Log   *slog.Logger
	// Tombstones may be nil: then a revocation is what SQL and the doors'
	// snapshot say.
	Tombstones Tombstones
	// Changed is called in each transaction that changes what the doors must
	// know (keys, projects, sources): it adds the job that publishes it.
	Changed func(tx *store.Tx) error
	// Record writes what the directory itself does (an account made) on the
	// record, in the transaction that does it. What a handler or signin asks
	// for, those record.
	Record func(tx *store.Tx, at time.Time, actor, action, about string) error
	// DeviceEnded has a device told that it was revoked, after the transaction.
	DeviceEnded func(tx *store.Tx, at time.Time, user account.UserID, id account.DeviceID, why string) error
	// PushesEnded has a user's revoked browsers told by push, after the transaction.
	PushesEnded func(tx *store.Tx, user account.UserID) error
	// Gone reports whether an account was ended for good: then nobody comes in,
	// whatever SQL says. nil: none was.
	Gone func(id account.ID) bool
	Now  func() time.Time // time.Now when nil
	// OperatorNetworks are from where operators may come; none: from anywhere.
	OperatorNetworks caller.Networks
	// Refused is told of a session or key that was used from elsewhere than its
	// networks. It does not wait.
	Refused func(p Principal)
	// Unknown is told of a token or key that nobody has, or has any more, by
	// "unknown-session", "unknown-key" or "unreadable". It does not wait.
	Unknown func(why string)
}

// Directory is safe for concurrent use.
type Directory struct {
	o      Options
	cache  cache
	unwake func()
	lock   func(*store.Tx) error // of an account, for KeepLed
}

// New returns the directory. Close ends its subscription.
func New(o Options) *Directory {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(*store.Tx) error { return nil }
	}
	if o.Record == nil {
		o.Record = func(*store.Tx, time.Time, string, string, string) error { return nil }
	}
	if o.PushesEnded == nil {
		o.PushesEnded = func(*store.Tx, account.UserID) error { return nil }
	}
	if o.DeviceEnded == nil {
		o.DeviceEnded = func(*store.Tx, time.Time, account.UserID, account.DeviceID, string) error { return nil }
	}
	if o.Gone == nil {
		o.Gone = func(account.ID) bool { return false }
	}
	if o.Refused == nil {
		o.Refused = func(Principal) {}
	}
	if o.Unknown == nil {
		o.Unknown = func(string) {}
	}
	if o.Tombstones == nil {
		o.Tombstones = noTombstones{}
	}
	d := &Directory{o: o, unwake: func() {}, lock: setup.LockAccount}
	if o.Waker == nil {
		return d
	}
	stop, err := o.Waker.OnWake(subject, d.cache.forget)
	if err != nil {
		o.Log.Warn("directory: revocations on other nodes are seen after a few seconds only", "error", err)
		return d
	}
	d.unwake = stop
	return d
}

// Close ends what New began.
func (d *Directory) Close() { d.unwake() }

func (d *Directory) now() time.Time { return store.Clock(d.o.Now()) }

// revoked has every node ask the database again who may come in, once the
// transaction is committed.
func (d *Directory) revoked(tx interface{ AfterCommit(func()) }) {
	tx.AfterCommit(func() {
		d.cache.forget()
		if d.o.Waker != nil {
			_ = d.o.Waker.Wake(subject) // without it they ask within five seconds
		}
	})
}

type noTombstones struct{}

func (noTombstones) Bury(Key)                                        {}
func (noTombstones) Buried(account.KeyID, access.Hash) (bool, error) { return false, nil }

// NewAccount is what an account begins with.
type NewAccount struct {
	ID            account.ID // zero: a new one
	Name          string
	DefaultRegion string // ISO 3166, for phone numbers without a country code
	TimeZone      string // of the admin; "" is UTC
	AdminName     string
	AdminPhone    vault.Personal // may be empty
	AdminEmail    vault.Personal
}

// Created is a new account with the one-time link of its first admin.
type Created struct {
	Account account.ID
	Admin   account.UserID
	Link    string // the token; it is nowhere else
	Expires time.Time
}

// defaultStages are what a new account begins with. They are its own to change.
var defaultStages = []setup.Stage{
	{Slug: "new", Name: "New", Category: lead.New},
	{Slug: "contacted", Name: "Contacted", Category: lead.FollowUp},
	{Slug: "site-visit-planned", Name: "Site visit planned", Category: lead.FollowUp},
	{Slug: "booked", Name: "Booked", Category: lead.Won},
	{Slug: "not-interested", Name: "Not interested", Category: lead.Dropped, NeedsReason: true},
	{Slug: "unreachable", Name: "Unreachable", Category: lead.Dropped},
	{Slug: "wrong-number", Name: "Wrong number", Category: lead.Dropped},
}

// Create makes an account with its keys, its stages and its first admin, who
// comes in by the one-time link, all in one transaction.
func (d *Directory) Create(ctx context.Context, n NewAccount) (Created, error) {
	var faults faults
	name := faults.name("name", n.Name)
	region := faults.region("default_region", n.DefaultRegion)
	if err := faults.err(); err != nil {
		return Created{}, err
	}
	c := Created{Account: n.ID}
	if n.ID.IsZero() {
		c.Account = account.NewID()
	}
	wrapped, k, err := d.o.Keys.NewAccount(ctx, c.Account)
	if err != nil {
		return Created{}, err
	}
	err = d.o.DB.Write(ctx, admit.To(c.Account), func(tx *store.Tx) error {
		now := d.now()
		if err := setup.AddAccount(tx, setup.Account{Name: name, DefaultRegion: region, CreatedAt: now}); err != nil {
			return err
		}
		if err := keys.Add(tx, k.Version(), wrapped, now); err != nil {
			return err
		}
		for i, s := range defaultStages {
			s.ID, s.Place = lead.NewStageID(), (i+1)*10
			if _, err := setup.AddStage(tx, s); err != nil {
				return err
			}
		}
		m, link, err := d.addMember(tx, k, region, NewMember{Name: n.AdminName, Role: account.Admin, TimeZone: n.TimeZone, Phone: n.AdminPhone, Email: n.AdminEmail})
		if err != nil {
			return err
		}
		c.Admin, c.Link, c.Expires = m.ID, link, now.Add(LinkLife)
		if err := d.o.Record(tx, now, "system:directory", "account.create", c.Account.String()); err != nil {
			return err
		}
		return d.o.Changed(tx)
	})
	if err != nil {
		return Created{}, err
	}
	return c, nil
}

// Accounts lists accounts, newest first, that come after the given one in that
// order (nil: from the newest).
func (d *Directory) Accounts(ctx context.Context, after *setup.Account, limit int) (out []setup.Account, err error) {
	err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		out, err = setup.Accounts(dir, after, limit)
		return err
	})
	return out, err
}

// LoadKeyset returns the newest wrapped keyset of an account, for the keyring.
func (d *Directory) LoadKeyset(ctx context.Context, id account.ID) ([]byte, error) {
	return LoadKeyset(ctx, d.o.DB, id)
}

// LoadKeyset is the method, for whoever builds the keyring before the directory.
func LoadKeyset(ctx context.Context, db *store.DB, id account.ID) (wrapped []byte, err error) {
	err = db.ReadDirectory(ctx, func(d *store.Dir) (err error) {
		wrapped, err = keys.Newest(d, id)
		return err
	})
	return wrapped, err
}

// Cursor says up to which sequence a stream of the journal is in the database.
func (d *Directory) Cursor(ctx context.Context, stream string) (seq uint64, err error) {
	err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		seq, err = cursor.Load(dir, stream)
		return err
	})
	return seq, err
}

// none gives ErrNone the answer for what is not there.
func none(err error) error {
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound().Because(err)
	}
	return err
}
