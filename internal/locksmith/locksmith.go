// Package locksmith changes locks while the house is lived in: it rotates an
// account's keys, wraps the small keys under them anew, and destroys the old
// ones once nothing is under them any more. What the small keys seal is not
// touched. Every step is a transaction of its own, and how far it is can be told
// from the tables alone: who is stopped goes on where it was.
package locksmith

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/keyring"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/keys"
	"catchment/internal/store/leads"
	"catchment/internal/store/webhooks"
	"catchment/internal/vault"
)

// Settled is how long an old generation is kept after a newer one was made:
// processes that have not seen the newer one still wrap under it.
const Settled = time.Hour

// LeastSettled is the least that may be asked for: many times what a process
// takes to see a rotation.
const LeastSettled = time.Minute

const page = 500 // keys in one transaction

// ErrRaced says that somebody else changed the same keyset meanwhile.
var ErrRaced = errors.New("locksmith: the account's keys were changed by somebody else meanwhile; look and try again")

// Options is what a Locksmith needs.
type Options struct {
	DB      *store.DB
	Ring    *keyring.Keyring
	Changed func(*store.Tx) error // asks for the account's entry to be published: publish.Changed
	// BoxesClear reports whether everything that may be sealed to drop boxes
	// older than the one that the doors have since then was taken in, and is out
	// of the journal. nil: it cannot be told here, and drop boxes are kept.
	BoxesClear func(ctx context.Context, since time.Time) (bool, error)
	Now        func() time.Time // default time.Now
}

// Locksmith works for any account. It is safe for concurrent use, also by
// several processes: who comes second finds the work done, or ErrRaced.
type Locksmith struct{ o Options }

// New returns a Locksmith.
func New(o Options) *Locksmith {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Locksmith{o}
}

// load reads and unwraps the newest keyset.
func (l *Locksmith) load(ctx context.Context, s account.Scope) (set keys.Keyset, k *keyring.AccountKeys, err error) {
	err = l.o.DB.Read(ctx, s, func(tx *store.Tx) error {
		set, err = keys.Get(tx)
		return err
	})
	if err == nil {
		k, err = l.o.Ring.LoadAccount(ctx, s.Account(), set.Wrapped)
	}
	return set, k, err
}

// Rotate makes a new generation of the account's keys: what is sealed from now
// on is sealed under it, by processes that know of it, and the doors get its
// drop box. What the older ones sealed still opens.
func (l *Locksmith) Rotate(ctx context.Context, s account.Scope, actor string) (generation uint32, err error) {
	_, k, err := l.load(ctx, s)
	if err != nil {
		return 0, err
	}
	wrapped, next, err := l.o.Ring.Rotate(ctx, k)
	if err != nil {
		return 0, err
	}
	err = l.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		now, err := keys.Get(tx)
		if err != nil {
			return err
		}
		if now.Version != k.Version() {
			return ErrRaced
		}
		ok, err := keys.Next(tx, next.Version(), wrapped, l.o.Now())
		if err != nil {
			return err
		}
		if !ok {
			return ErrRaced
		}
		if err := l.o.Changed(tx); err != nil {
			return err
		}
		return l.record(tx, actor, "keys.rotated", map[string]any{"generation": next.Version()})
	})
	return next.Version(), err
}

// RewrapRoot wraps the account's keyset by the present root key; changed says
// that it was wrapped by another one.
func (l *Locksmith) RewrapRoot(ctx context.Context, s account.Scope, actor string) (changed bool, bytes int, err error) {
	set, _, err := l.load(ctx, s)
	if err != nil {
		return false, 0, err
	}
	again, err := l.o.Ring.Rewrap(ctx, s.Account(), set.Wrapped)
	if err != nil || again == nil {
		return false, 0, err
	}
	err = l.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		ok, err := keys.Replace(tx, set.Version, set.Wrapped, again)
		if err != nil {
			return err
		}
		if !ok {
			return ErrRaced
		}
		return l.record(tx, actor, "keys.rewrapped", map[string]any{"root": keyring.RootKey(l.o.Ring.Root())})
	})
	return err == nil, len(again), err
}

// Progress is how far rewrapping is.
type Progress struct {
	Table string // "person", …
	Keys  int64  // that were wrapped anew so far, of all tables
	Bytes int64
	Bad   int64 // that do not open, and stay as they are
}

// table is where small keys lie.
type table struct {
	name  string
	stale func(tx *store.Tx, generation uint32, after vault.Subject, limit int) ([]vault.Wrapped, error)
	write func(tx *store.Tx, old vault.Wrapped, wrapped []byte, generation uint32) error
	count func(tx *store.Tx, into map[uint32]int64) error
}

var tables = []table{
	small(keys.OfPersons), small(keys.OfMembers), small(keys.OfImports), small(keys.OfExports),
	{"sso_provider", few(access.ProviderKey), rewrapProvider, countFew(access.ProviderKey)},
	{"webhook", few(webhooks.Keys), rewrapWebhook, countFew(webhooks.Keys)},
}

func small(t keys.Small) table { return table{t.Name(), t.Stale, t.Rewrap, t.Generations} }

// beforeAll comes before every id. The zero id would be NULL.
var beforeAll = vault.Subject{15: 1}

// few are the stale ones among keys of which an account has so few that they
// are read at once.
func few(all func(*store.Tx) ([]vault.Wrapped, error)) func(*store.Tx, uint32, vault.Subject, int) ([]vault.Wrapped, error) {
	return func(tx *store.Tx, generation uint32, after vault.Subject, _ int) ([]vault.Wrapped, error) {
		if after != beforeAll {
			return nil, nil
		}
		list, err := all(tx)
		return slices.DeleteFunc(list, func(w vault.Wrapped) bool { return keyring.GenerationOf(w.Key) >= generation }), err
	}
}

func countFew(all func(*store.Tx) ([]vault.Wrapped, error)) func(*store.Tx, map[uint32]int64) error {
	return func(tx *store.Tx, into map[uint32]int64) error {
		list, err := all(tx)
		for _, w := range list {
			into[keyring.GenerationOf(w.Key)]++
		}
		return err
	}
}

func rewrapProvider(tx *store.Tx, old vault.Wrapped, wrapped []byte, _ uint32) error {
	return access.RewrapProvider(tx, old, wrapped)
}

func rewrapWebhook(tx *store.Tx, old vault.Wrapped, wrapped []byte, _ uint32) error {
	return webhooks.Rewrap(tx, old, wrapped)
}

// Rewrap wraps every small key of an older generation under the newest one, a
// page a transaction, and tells after each. Stopped, it is called again.
func (l *Locksmith) Rewrap(ctx context.Context, s account.Scope, actor string, tell func(Progress)) (p Progress, err error) {
	_, k, err := l.load(ctx, s)
	if err != nil {
		return p, err
	}
	for _, t := range tables {
		p.Table = t.name
		for after, more := beforeAll, true; more; {
			if after, more, err = l.rewrapPage(ctx, s, k, t, after, &p); err != nil {
				return p, fmt.Errorf("locksmith: %s: %w", t.name, err)
			}
			if tell != nil {
				tell(p)
			}
		}
	}
	if p.Keys == 0 {
		return p, nil
	}
	err = l.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		return l.record(tx, actor, "keys.rewrapped", map[string]any{"generation": k.Version(), "count": p.Keys})
	})
	return p, err
}

func (l *Locksmith) rewrapPage(ctx context.Context, s account.Scope, k *keyring.AccountKeys, t table, after vault.Subject, p *Progress) (last vault.Subject, more bool, err error) {
	var done Progress
	err = l.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		done, last, more = Progress{}, after, false
		some, err := t.stale(tx, k.Version(), after, page)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, w := range some {
			again, err := k.RewrapSubject(w.Subject, w.Key)
			if err != nil {
				done.Bad++
				continue
			}
			if again == nil {
				continue
			}
			if err := t.write(tx, w, again, k.Version()); err != nil {
				return err
			}
			done.Keys++
			done.Bytes += int64(len(again))
		}
		last, more = some[len(some)-1].Subject, len(some) == page
		return nil
	})
	p.Keys, p.Bytes, p.Bad = p.Keys+done.Keys, p.Bytes+done.Bytes, p.Bad+done.Bad
	return last, more, err
}

// Shed is what Expire did, or why it did not.
type Shed struct {
	Wraps, Boxes []uint32 // generations whose keys are destroyed now
	Kept         []string // what holds back the others, for a human
}

// Expire destroys the keys of older generations under which nothing is left:
// those that unwrap small keys, settled after the rotation, and those of drop
// boxes, when no door, no journal and no open dead letter needs them.
func (l *Locksmith) Expire(ctx context.Context, s account.Scope, actor string, settled time.Duration) (out Shed, err error) {
	set, k, err := l.load(ctx, s)
	if err != nil {
		return out, err
	}
	all := k.Generations()
	if len(all) == 1 {
		return out, nil
	}
	if err := l.wrapsToShed(ctx, s, set, all, max(settled, LeastSettled), &out); err != nil {
		return out, err
	}
	if err := l.boxesToShed(ctx, s, set, all, &out); err != nil {
		return out, err
	}
	if len(out.Wraps)+len(out.Boxes) == 0 {
		return out, nil
	}
	wrapped, _, err := l.o.Ring.Shed(ctx, k, out.Wraps, out.Boxes)
	if err != nil {
		return out, err
	}
	err = l.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		used := map[uint32]int64{}
		if err := count(tx, used); err != nil { // once more: this is for good
			return err
		}
		for _, g := range out.Wraps {
			if used[g] > 0 {
				return ErrRaced
			}
		}
		ok, err := keys.Replace(tx, set.Version, set.Wrapped, wrapped)
		if err != nil {
			return err
		}
		if !ok {
			return ErrRaced
		}
		return l.record(tx, actor, "keys.destroyed", map[string]any{"wraps": out.Wraps, "drop_boxes": out.Boxes})
	})
	if err != nil {
		out.Wraps, out.Boxes = nil, nil
	}
	return out, err
}

func (l *Locksmith) wrapsToShed(ctx context.Context, s account.Scope, set keys.Keyset, all []keyring.Generation, settled time.Duration, out *Shed) error {
	used := map[uint32]int64{}
	if err := l.o.DB.Read(ctx, s, func(tx *store.Tx) error { clear(used); return count(tx, used) }); err != nil {
		return err
	}
	for _, g := range all[:len(all)-1] {
		switch wait := settled - l.o.Now().Sub(set.CreatedAt); {
		case !g.Wraps:
		case used[g.Number] > 0:
			out.Kept = append(out.Kept, fmt.Sprintf("generation %d: %d keys are wrapped by it; run catchment keys rewrap", g.Number, used[g.Number]))
		case wait > 0:
			out.Kept = append(out.Kept, fmt.Sprintf("generation %d: processes may not know the newer one yet; wait %s", g.Number, wait.Round(time.Second)))
		default:
			out.Wraps = append(out.Wraps, g.Number)
		}
	}
	return nil
}

func (l *Locksmith) boxesToShed(ctx context.Context, s account.Scope, set keys.Keyset, all []keyring.Generation, out *Shed) error {
	var dead []uint32
	err := l.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) { dead, err = leads.DeadBoxes(tx); return err })
	if err != nil {
		return err
	}
	clear, why := false, "only a running server can tell whether the journal holds something sealed to it; it looks every hour"
	if l.o.BoxesClear != nil && !set.PublishedAt.IsZero() {
		if clear, err = l.o.BoxesClear(ctx, set.PublishedAt); err != nil {
			return err
		}
		why = "the journal may hold something that is sealed to it"
	}
	for _, g := range all[:len(all)-1] {
		switch {
		case !g.Opens:
		case slices.Contains(dead, g.Number):
			out.Kept = append(out.Kept, fmt.Sprintf("drop box %d: open dead letters are sealed to it; see catchment deadletter list", g.Number))
		case !clear:
			out.Kept = append(out.Kept, fmt.Sprintf("drop box %d: %s", g.Number, why))
		default:
			out.Boxes = append(out.Boxes, g.Number)
		}
	}
	return nil
}

// Account is how an account's keys stand.
type Account struct {
	ID          account.ID
	Root        uint32 // the root key that wraps the keyset
	Born        time.Time
	PublishedAt time.Time
	Generations []Generation
}

// Generation is one of an account, with how many small keys it wraps.
type Generation struct {
	keyring.Generation
	Keys int64
	Due  time.Time // of the newest: when another should take its place
}

// Status tells how the account's keys stand.
func (l *Locksmith) Status(ctx context.Context, s account.Scope) (out Account, err error) {
	set, k, err := l.load(ctx, s)
	if err != nil {
		return out, err
	}
	used := map[uint32]int64{}
	if err := l.o.DB.Read(ctx, s, func(tx *store.Tx) error { clear(used); return count(tx, used) }); err != nil {
		return out, err
	}
	out = Account{ID: s.Account(), Root: keyring.WrappedBy(set.Wrapped), Born: k.Born(), PublishedAt: set.PublishedAt}
	for _, g := range k.Generations() {
		one := Generation{Generation: g, Keys: used[g.Number]}
		if g.Number == k.Version() {
			if one.Born.IsZero() {
				one.Born = set.CreatedAt
			}
			one.Due = one.Born.Add(keyring.LifeOf(keyring.AccountKind).Due)
		}
		out.Generations = append(out.Generations, one)
	}
	return out, nil
}

func count(tx *store.Tx, into map[uint32]int64) error {
	for _, t := range tables {
		if err := t.count(tx, into); err != nil {
			return err
		}
	}
	return nil
}

func (l *Locksmith) record(tx *store.Tx, actor, action string, detail map[string]any) error {
	return audit.Write(tx, l.o.Now(), audit.Entry{Actor: actor, Action: action, About: tx.Account().String(), Detail: detail})
}
