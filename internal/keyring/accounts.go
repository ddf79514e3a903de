package keyring

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"catchment/internal/account"
	"catchment/internal/keyservice"
)

const (
	accountsCached = 4096             // some ten kilobytes each
	accountsFor    = 10 * time.Minute // that a keyset serves while it cannot be read again
	accountsFresh  = 10 * time.Second // after which a rotation elsewhere is seen
	loadTimeout    = 10 * time.Second // of a load that several callers may wait for
)

// KeepUnwrapped is how long a keyset that a key service unwrapped serves without
// asking it again, unless NewAccounts is told otherwise.
const KeepUnwrapped = 12 * time.Hour

// Accounts caches account keysets.
type Accounts struct {
	keyring *Keyring
	keep    time.Duration
	now     func() time.Time // for keep
	load    func(context.Context, account.ID) ([]byte, error)
	flight  singleflight.Group

	mu    sync.Mutex
	cache *lru[account.ID, cachedKeys]
	epoch uint64 // counts Forget, so that a load begun before it is not kept
}

type cachedKeys struct {
	keys *AccountKeys
	sum  [sha256.Size]byte // of the wrapped keyset
	read time.Time
	open time.Time // when it was unwrapped

	service bool // by a key service
}

// NewAccounts returns a cache over load, which gives the newest wrapped keyset
// of an account; its error reaches the caller of Get.
func NewAccounts(k *Keyring, load func(context.Context, account.ID) (wrapped []byte, err error)) *Accounts {
	return &Accounts{keyring: k, keep: KeepUnwrapped, now: time.Now, load: load, cache: newLRU[account.ID, cachedKeys](accountsCached)}
}

// Keep changes how long a keyset serves that a key service unwrapped: from half
// of it on the service is asked again beside the work. One that is away then
// changes nothing until the time is over; one that refuses ends it at once.
func (a *Accounts) Keep(d time.Duration) { a.keep = d }

// Get returns the account's keys. Several callers for one account wait for one
// load, which none of them cancels for the others.
func (a *Accounts) Get(ctx context.Context, id account.ID) (*AccountKeys, error) {
	if keys := a.cached(id, accountsFresh); keys != nil {
		return keys, nil
	}
	done := a.flight.DoChan(id.String(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		return a.fetch(ctx, id)
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("keyring: keys of %s: %w", id, ctx.Err())
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*AccountKeys), nil
	}
}

func (a *Accounts) cached(id account.ID, within time.Duration) *AccountKeys {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.cache.get(id)
	if !ok || time.Since(c.read) > within {
		return nil
	}
	if c.service && a.now().Sub(c.open) >= a.keep {
		return nil
	}
	return c.keys
}

// fetch reads the keyset. One that is as it was is not unwrapped again; while
// none can be read, the last one serves for accountsFor.
func (a *Accounts) fetch(ctx context.Context, id account.ID) (*AccountKeys, error) {
	a.mu.Lock()
	begun := a.epoch
	old, _ := a.cache.get(id)
	a.mu.Unlock()
	wrapped, err := a.load(ctx, id)
	if errors.Is(err, ErrGone) {
		a.Forget(id)
		return nil, fmt.Errorf("keyring: keys of %s: %w", id, err)
	}
	if err != nil {
		if keys := a.cached(id, accountsFor); keys != nil {
			return keys, nil
		}
		return nil, fmt.Errorf("keyring: load the keyset of %s: %w", id, err)
	}
	sum, keys, open := sha256.Sum256(wrapped), old.keys, old.open
	age := a.now().Sub(open)
	byService := len(wrapped) > 0 && wrapped[0] == wrappedByService
	switch {
	case keys == nil || sum != old.sum || byService && age >= a.keep:
		open = a.now()
		if keys, err = a.unwrap(ctx, id, wrapped); err != nil {
			return nil, err
		}
	case byService && age >= a.keep/2:
		go a.askAgain(id, wrapped)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch == begun {
		a.cache.put(id, cachedKeys{keys, sum, time.Now(), open, byService})
	}
	return keys, nil
}

// askAgain has the key service unwrap a keyset that serves meanwhile.
func (a *Accounts) askAgain(id account.ID, wrapped []byte) {
	_, _, _ = a.flight.Do("again "+id.String(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
		defer cancel()
		_, err := a.keyring.LoadAccount(ctx, id, wrapped)
		a.mu.Lock()
		defer a.mu.Unlock()
		c, ok := a.cache.get(id)
		switch {
		case errors.Is(err, keyservice.ErrRefused), errors.Is(err, ErrDamaged):
			a.epoch++
			a.cache.remove(id)
		case err == nil && ok && c.sum == sha256.Sum256(wrapped):
			c.open = a.now()
			a.cache.put(id, c)
		}
		return nil, nil
	})
}

// unwrap opens a keyset, also one that was wrapped by a root key that came
// after the keyring was read.
func (a *Accounts) unwrap(ctx context.Context, id account.ID, wrapped []byte) (*AccountKeys, error) {
	keys, err := a.keyring.LoadAccount(ctx, id, wrapped)
	if errors.Is(err, ErrDamaged) && a.keyring.now.Load().digest != [sha256.Size]byte{} {
		if changed, _ := a.keyring.Reload(); changed {
			keys, err = a.keyring.LoadAccount(ctx, id, wrapped)
		}
	}
	if err != nil {
		return nil, err
	}
	keys.newer = func(generation uint32) *AccountKeys { return a.having(id, generation) }
	return keys, nil
}

// having is the account's keyset if it has the generation, read anew unless
// somebody has done that already.
func (a *Accounts) having(id account.ID, generation uint32) *AccountKeys {
	if keys := a.cached(id, accountsFresh); keys != nil && keys.secrets().wraps[generation] != nil {
		return keys
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	keys, err := a.Renew(ctx, id)
	if err != nil {
		return nil
	}
	return keys
}

// Forget drops the account's keys: after a rotation, or when it was deleted.
func (a *Accounts) Forget(id account.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epoch++
	a.cache.remove(id)
	a.flight.Forget(id.String())
}

// Renew reads the keyset anew: for a caller who met ErrUnknownKey, which a keyset
// cached before a rotation gives. One that is as it was is not unwrapped again.
func (a *Accounts) Renew(ctx context.Context, id account.ID) (*AccountKeys, error) {
	a.mu.Lock()
	a.epoch++
	if c, ok := a.cache.get(id); ok {
		c.read = time.Time{}
		a.cache.put(id, c)
	}
	a.flight.Forget(id.String())
	a.mu.Unlock()
	return a.Get(ctx, id)
}
