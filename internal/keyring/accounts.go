package keyring

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"catchment/internal/account"
)

const (
	accountsCached = 4096             // some ten kilobytes each
	accountsFor    = 10 * time.Minute // after which a rotation elsewhere is seen
	loadTimeout    = 10 * time.Second // of a load that several callers may wait for
)

// Accounts caches account keysets.
type Accounts struct {
	keyring *Keyring
	load    func(context.Context, account.ID) ([]byte, error)
	flight  singleflight.Group

	mu    sync.Mutex
	cache *lru[account.ID, cachedKeys]
	epoch uint64 // counts Forget, so that a load begun before it is not kept
}

type cachedKeys struct {
	keys  *AccountKeys
	until time.Time
}

// NewAccounts returns a cache over load, which gives the newest wrapped keyset
// of an account; its error reaches the caller of Get.
func NewAccounts(k *Keyring, load func(context.Context, account.ID) (wrapped []byte, err error)) *Accounts {
	return &Accounts{keyring: k, load: load, cache: newLRU[account.ID, cachedKeys](accountsCached)}
}

// Get returns the account's keys. Several callers for one account wait for one
// load, which none of them cancels for the others.
func (a *Accounts) Get(ctx context.Context, id account.ID) (*AccountKeys, error) {
	if keys := a.cached(id); keys != nil {
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

func (a *Accounts) cached(id account.ID) *AccountKeys {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.cache.get(id)
	if !ok || time.Now().After(c.until) {
		return nil
	}
	return c.keys
}

func (a *Accounts) fetch(ctx context.Context, id account.ID) (*AccountKeys, error) {
	a.mu.Lock()
	begun := a.epoch
	a.mu.Unlock()
	wrapped, err := a.load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("keyring: load the keyset of %s: %w", id, err)
	}
	keys, err := a.keyring.LoadAccount(ctx, id, wrapped)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch == begun {
		a.cache.put(id, cachedKeys{keys, time.Now().Add(accountsFor)})
	}
	return keys, nil
}

// Forget drops the account's keys: after a rotation, or when it was deleted.
func (a *Accounts) Forget(id account.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epoch++
	a.cache.remove(id)
	a.flight.Forget(id.String())
}

// Renew is Forget and Get: for a caller who met ErrUnknownKey, which a keyset
// cached before a rotation gives.
func (a *Accounts) Renew(ctx context.Context, id account.ID) (*AccountKeys, error) {
	a.Forget(id)
	return a.Get(ctx, id)
}
