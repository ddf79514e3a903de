package keyring

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
)

// Generation is what is known of one generation of an account's keys.
type Generation struct {
	Number uint32
	Born   time.Time // zero: before this was noted
	Wraps  bool      // it still unwraps persons' keys
	Opens  bool      // its drop box still opens
}

// Generations lists those of the keyset, the oldest first; the last one seals.
func (a *AccountKeys) Generations() []Generation {
	var out []Generation
	for _, g := range a.secrets().content.Generations {
		out = append(out, Generation{g.Number, g.Born, len(g.Wrap) > 0, len(g.DropBox) > 0})
	}
	return out
}

// Born is when the keyset was made, and with it its index keys; zero when that
// was before it was noted.
func (a *AccountKeys) Born() time.Time { return a.secrets().content.Born }

// Rewrap wraps a keyset anew, by the present root key; nil when it is of that
// already, and of the newest version that a key service has of it. The keys in
// it stay.
func (k *Keyring) Rewrap(ctx context.Context, id account.ID, wrapped []byte) ([]byte, error) {
	if r, ok := k.root().(*roots); ok && WrappedBy(wrapped) == r.primary {
		return r.rewrap(ctx, wrapped, keysetAAD(id))
	}
	keys, err := k.LoadAccount(ctx, id, wrapped)
	if err != nil {
		return nil, err
	}
	again, _, err := k.wrapAccount(ctx, id, keys.secrets().content)
	return again, err
}

// Shed destroys keys of older generations: those that unwrap persons' keys and
// those that open drop boxes. The caller has seen that nothing is under them,
// and stores wrapped in the place of the keyset. The newest stay.
func (k *Keyring) Shed(ctx context.Context, keys *AccountKeys, wraps, boxes []uint32) (wrapped []byte, _ *AccountKeys, err error) {
	if slices.Contains(wraps, keys.newest) || slices.Contains(boxes, keys.newest) {
		return nil, nil, fmt.Errorf("keyring: generation %d of %s is in use", keys.newest, keys.id)
	}
	content := keys.secrets().content
	kept := make([]generation, 0, len(content.Generations))
	for _, g := range content.Generations {
		if slices.Contains(wraps, g.Number) {
			g.Wrap = nil
		}
		if slices.Contains(boxes, g.Number) {
			g.DropBox = nil
		}
		if len(g.Wrap)+len(g.DropBox) > 0 {
			kept = append(kept, g)
		}
	}
	content.Generations = kept
	return k.wrapAccount(ctx, keys.id, content)
}

// GenerationOf tells which generation wrapped a subject's key; 0 for what is
// none.
func GenerationOf(wrapped []byte) uint32 {
	if len(wrapped) < wrappedHeader || wrapped[0] != formatVersion {
		return 0
	}
	return binary.BigEndian.Uint32(wrapped[1:])
}
