package snapshot

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// Reader follows a bucket. Its look-ups take no lock.
type Reader struct {
	bucket Bucket
	open   func(name string, sealed []byte) ([]byte, error)
	log    *slog.Logger
	now    atomic.Pointer[view]
	bad    atomic.Uint64

	untrusted atomic.Int64 // len(refused)

	// Of the watching goroutine alone.
	accounts map[account.ID]*Account
	graves   map[string]*Tombstone // by name
	refused  map[string]bool       // names of entries of which the last one did not open
	replayed bool

	starting, stopping sync.Once
	cancel             context.CancelFunc
	ended              chan struct{}
	known              chan struct{} // closed when Ready becomes true
	read               chan struct{} // closed after the first replay
}

// view is one state of all accounts. It is never changed, only replaced.
type view struct {
	accounts map[account.ID]*Account
	keys     map[Hash]keyOf
	sources  map[account.SourceID]sourceOf
	origins  map[string]bool
	any      bool // some key is for any origin

	graves       []*Tombstone
	buried       map[account.KeyID]bool
	buriedHashes map[Hash]bool
}

type keyOf struct {
	account *Account
	key     *Key
}

type sourceOf struct {
	account *Account
	source  *Source
}

// NewReader returns a Reader that knows nothing before Start. open opens what
// the Writer's seal gave: keyring.Door.OpenSnapshot.
func NewReader(b Bucket, open func(name string, sealed []byte) ([]byte, error), log *slog.Logger) *Reader {
	if log == nil {
		log = slog.Default()
	}
	r := &Reader{
		bucket: b, open: open, log: log, accounts: map[account.ID]*Account{},
		graves: map[string]*Tombstone{}, refused: map[string]bool{}, ended: make(chan struct{}), known: make(chan struct{}), read: make(chan struct{}),
	}
	r.now.Store(r.build())
	return r
}

// Start begins to follow the bucket.
func (r *Reader) Start() {
	r.starting.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		r.cancel = cancel
		go func() {
			defer close(r.ended)
			if err := r.bucket.Watch(ctx, r.set, r.ready); err != nil && ctx.Err() == nil {
				r.log.Error("snapshot: not followed any more", "error", err)
			}
		}()
	})
}

// Stop ends it; what is known stays known.
func (r *Reader) Stop() {
	r.stopping.Do(func() {
		r.starting.Do(func() { close(r.ended) }) // never started, never will be
		if r.cancel != nil {
			r.cancel()
		}
	})
	<-r.ended
}

// Ready reports whether any account has been seen, after all that was
// published has been read once. Until then an unknown key says nothing.
func (r *Reader) Ready() bool {
	select {
	case <-r.known:
		return true
	default:
		return false
	}
}

// WhenReady is closed when Ready becomes true.
func (r *Reader) WhenReady() <-chan struct{} { return r.known }

// Damaged counts entries that did not open or were not of the form.
func (r *Reader) Damaged() uint64 { return r.bad.Load() }

// Untrusted is of how many entries and revocations the last state did not open: this
// door goes on by what it knew before. A door whose keys are older than those that
// seal them has many.
func (r *Reader) Untrusted() int { return int(r.untrusted.Load()) }

// ByKey finds the account and key of a key's hash; nil if there is none.
func (r *Reader) ByKey(hash [32]byte) (*Account, *Key) {
	k := r.now.Load().keys[hash]
	return k.account, k.key
}

// ByID finds an account; nil if there is none.
func (r *Reader) ByID(id account.ID) *Account { return r.now.Load().accounts[id] }

// BySource finds a source and its account; nil if there is none.
func (r *Reader) BySource(id account.SourceID) (*Account, *Source) {
	s := r.now.Load().sources[id]
	return s.account, s.source
}

// DropBox is what keyring.NewSealer asks.
func (r *Reader) DropBox(id account.ID) (vault.DropBox, bool) {
	a := r.ByID(id)
	if a == nil {
		return vault.DropBox{}, false
	}
	return a.DropBox, true
}

// KnowsOrigin reports whether any account's key is for pages of this origin:
// all that can be said before a browser shows the key.
func (r *Reader) KnowsOrigin(origin string) bool {
	v := r.now.Load()
	return v.any || v.origins[origin]
}

// set takes one change. A bad entry is not believed, and the last good one
// stays: whoever can write to the bucket can otherwise close the doors.
func (r *Reader) set(name string, sealed []byte) {
	if isTombstone(name) {
		r.setTombstone(name, sealed)
		return
	}
	if !isEntry(name) {
		return
	}
	if sealed == nil {
		r.trust(name)
		r.remove(name)
		return
	}
	plain, err := r.open(name, sealed)
	if err != nil {
		r.refuse(name, err)
		return
	}
	a, err := decode(name, plain)
	if err != nil {
		r.refuse(name, err)
		return
	}
	r.trust(name)
	if old := r.accounts[a.ID]; old != nil && old.Version >= a.Version {
		if old.Version > a.Version {
			r.log.Warn("snapshot: an older entry was passed over", "account", a.ID, "version", a.Version, "have", old.Version)
		}
		return
	}
	r.accounts[a.ID] = a
	r.publish()
}

func (r *Reader) refuse(name string, err error) {
	r.bad.Add(1)
	r.refused[name] = true
	r.untrusted.Store(int64(len(r.refused)))
	r.log.Error("snapshot: an entry cannot be trusted; the last good one stays", "entry", name, "error", err)
}

func (r *Reader) trust(name string) {
	delete(r.refused, name)
	r.untrusted.Store(int64(len(r.refused)))
}

func (r *Reader) remove(name string) {
	id, err := account.ParseID(name[len("account/"):])
	if err != nil || r.accounts[id] == nil {
		return
	}
	delete(r.accounts, id)
	r.publish()
}

func (r *Reader) ready() {
	r.replayed = true
	r.publish()
	close(r.read)
}

// publish makes the new state visible; during the first replay it waits for
// the end, so that a start with many accounts builds one.
func (r *Reader) publish() {
	if !r.replayed {
		return
	}
	r.now.Store(r.build())
	if len(r.accounts) > 0 && !r.Ready() {
		close(r.known)
	}
}

func (r *Reader) build() *view {
	v := &view{
		accounts: maps.Clone(r.accounts),
		keys:     map[Hash]keyOf{}, sources: map[account.SourceID]sourceOf{}, origins: map[string]bool{},
		buried: map[account.KeyID]bool{}, buriedHashes: map[Hash]bool{},
	}
	for _, t := range r.graves {
		v.graves = append(v.graves, t)
		if !t.Key.IsZero() {
			v.buried[t.Key] = true
		}
		for _, h := range t.Hashes {
			v.buriedHashes[h] = true
		}
	}
	for _, a := range r.accounts {
		for i := range a.Keys {
			k := &a.Keys[i]
			if v.revoked(k.ID, k.Hash) {
				continue
			}
			v.keys[k.Hash] = keyOf{a, k}
			v.any = v.any || k.AnyOrigin
			for _, o := range k.Origins {
				v.origins[o] = true
			}
		}
		for i := range a.Sources {
			v.sources[a.Sources[i].ID] = sourceOf{a, &a.Sources[i]}
		}
	}
	return v
}
