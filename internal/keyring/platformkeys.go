package keyring

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Keys of the platform that take turns: what signs or seals from a time on has
// been known to all processes for a while by then. The first snapshot key has
// fields of its own in doorKeys, as it had before there were others.

// snapshotKey is one that came after the first.
type snapshotKey struct {
	Seal      []byte    `json:"seal"`   // AES-256-GCM key
	Public    []byte    `json:"public"` // Ed25519 public key
	NotBefore time.Time `json:"not_before"`
}

// flowKey makes codes, and what a browser or an authenticator must bring back.
type flowKey struct {
	Key       []byte    `json:"key"` // HMAC-SHA-256 key
	NotBefore time.Time `json:"not_before"`
}

// flowsLast is longer than any sign-in that was begun can go on.
const flowsLast = 24 * time.Hour

// ErrWaits says that the key before has not begun yet.
var ErrWaits = errors.New("keyring: a key of this kind is waiting for its time already")

// derived is a key that is made of another one.
func derived(from []byte, what string) []byte {
	key, err := hkdf.Expand(sha256.New, from, what, 32)
	if err != nil {
		panic(err) // only the length can be wrong
	}
	return key
}

func publicOf(seed []byte) ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}

// snapshots lists the snapshot's keys, oldest first. The first one began with
// the keyring.
func (k *doorKeys) snapshots() []snapshotKey {
	return append([]snapshotKey{{Seal: k.SnapshotSeal, Public: k.SnapshotPublic, NotBefore: k.Receipt[0].NotBefore}}, k.LaterSnapshots...)
}

// limits is what nodes name callers by when they count them together. It stays
// when snapshot keys change: nodes that have it from before count on.
func (k *doorKeys) limits() []byte {
	if len(k.Limits) > 0 {
		return k.Limits
	}
	return derived(k.SnapshotSeal, "catchment limits v1")
}

// snapshotSeeds are the private halves of snapshots; nil where it was destroyed.
func (k *platformKeys) snapshotSeeds() [][]byte {
	return append([][]byte{k.SnapshotSeed}, k.LaterSeeds...)
}

// snapshotAt tells which of the snapshot's keys signs.
func (k *platformKeys) snapshotAt(now time.Time) int {
	all, seeds := k.snapshots(), k.snapshotSeeds()
	for i := len(all) - 1; i > 0; i-- {
		if !all[i].NotBefore.After(now) || len(seeds[i-1]) == 0 {
			return i
		}
	}
	return 0
}

// records lists the keys of the record. Before it had one of its own, it was
// made of the snapshot's.
func (k *platformKeys) records() []receiptKey {
	if len(k.Record) > 0 {
		return k.Record
	}
	return []receiptKey{{Seed: derived(k.SnapshotSeed, "catchment record v1"), NotBefore: k.Receipt[0].NotBefore}}
}

// flow is the key of what was begun then.
func (k *platformKeys) flow(begun time.Time) []byte {
	key := k.Token // of what was begun before there were others
	for _, f := range k.Flows {
		if !f.NotBefore.After(begun) {
			key = f.Key
		}
	}
	return key
}

// checkTurns checks what takes turns.
func (k *platformKeys) checkTurns() error {
	all, seeds := k.snapshots(), k.snapshotSeeds()
	if len(all) != len(seeds) || len(seeds[len(seeds)-1]) == 0 || k.DoorsFrom < 0 || k.DoorsFrom >= len(all) {
		return errors.New("the snapshot's keys are not pairs")
	}
	for i, seed := range seeds {
		if len(seed) == 0 {
			continue
		}
		if len(seed) != ed25519.SeedSize || !publicOf(seed).Equal(ed25519.PublicKey(all[i].Public)) {
			return errors.New("the snapshot's keys are not a pair")
		}
	}
	if len(k.SnapshotSeed) == 0 && len(k.Record) == 0 {
		return errors.New("no key of the record")
	}
	for _, r := range k.Record {
		if len(r.Seed) != ed25519.SeedSize {
			return errors.New("a key has the wrong length")
		}
	}
	for _, f := range k.Flows {
		if len(f.Key) != 32 {
			return errors.New("a key has the wrong length")
		}
	}
	return nil
}

// FlowMAC hashes a text of the kind under the key of what was begun then: a
// code, a challenge. The key is gone when nothing that was begun under it can
// go on; what must last longer takes TokenMAC.
func (k *Keyring) FlowMAC(begun time.Time, kind, text string) [32]byte {
	return [32]byte(mac(k.keys().flow(begun), kind+"\x00"+text))
}

// SnapshotKeyID names the key that signs the doors' snapshot now. When another
// one takes its place, every entry is to be published anew.
func (k *Keyring) SnapshotKeyID() string {
	p := k.keys()
	return keyID(p.snapshots()[p.snapshotAt(time.Now())].Public)
}

// RotateSnapshot adds a key that signs and seals the doors' snapshot from the
// given time on. The older ones open what they sealed; their private halves are
// destroyed by EndSnapshots.
func (k *Keyring) RotateSnapshot(from time.Time) (id string, err error) {
	err = k.change(func(p *platformKeys) error {
		all := p.snapshots()
		if !from.After(all[len(all)-1].NotBefore) || all[len(all)-1].NotBefore.After(time.Now()) {
			return ErrWaits
		}
		p.Record, p.Limits = p.records(), p.limits() // what was made of the first one stays
		seed := newKey()
		next := snapshotKey{Seal: newKey(), Public: publicOf(seed), NotBefore: from.UTC().Truncate(time.Second)}
		p.LaterSnapshots, p.LaterSeeds = append(p.LaterSnapshots, next), append(p.LaterSeeds, seed)
		id = keyID(next.Public)
		return nil
	})
	return id, err
}

// EndSnapshots destroys the private halves of older snapshot keys once the
// newest has signed for the time, and has doors refuse entries of theirs. What
// else they sealed, the deletion ledger first of all, opens on. It reports
// whether there was anything to end.
func (k *Keyring) EndSnapshots(settled time.Duration) (ended bool, err error) {
	due := func(p *platformKeys) bool {
		all := p.snapshots()
		return p.DoorsFrom < len(all)-1 && time.Since(all[len(all)-1].NotBefore) > settled
	}
	if !due(k.keys()) {
		return false, nil
	}
	err = k.change(func(p *platformKeys) error {
		if ended = due(p); !ended {
			return nil
		}
		p.SnapshotSeed = nil
		for i := range len(p.LaterSeeds) - 1 {
			p.LaterSeeds[i] = nil
		}
		p.DoorsFrom = len(p.LaterSnapshots)
		return nil
	})
	return ended, err
}

// forDoors reports whether an entry of the name is what a door goes by; only the
// present key's are taken once the older ones ended. Tombstones only close.
func forDoors(name string) bool { return strings.HasPrefix(name, "account/") }

// RotateRecord adds a key that signs checkpoints of accounts' records from the
// given time on. The older public keys stay published.
func (k *Keyring) RotateRecord(from time.Time) (id string, err error) {
	err = k.change(func(p *platformKeys) error {
		p.Record, id, err = nextSigner(p.records(), from)
		return err
	})
	return id, err
}

// nextSigner adds a key to those that sign in turn.
func nextSigner(all []receiptKey, from time.Time) ([]receiptKey, string, error) {
	if last := all[len(all)-1].NotBefore; !from.After(last) {
		return nil, "", fmt.Errorf("%w: %s", ErrWaits, last.Format(time.RFC3339))
	}
	r := receiptKey{Seed: newKey(), NotBefore: from.UTC().Truncate(time.Second)}
	return append(slices.Clone(all), r), keyID(publicOf(r.Seed)), nil
}

// RotateTokens adds a key of codes and challenges for what begins from the given
// time on, and destroys those under which nothing can go on.
func (k *Keyring) RotateTokens(from time.Time) error {
	return k.change(func(p *platformKeys) error {
		n := len(p.Flows)
		if n > 0 && !from.After(p.Flows[n-1].NotBefore) {
			return ErrWaits
		}
		for n > 1 && time.Since(p.Flows[1].NotBefore) > flowsLast {
			p.Flows, n = p.Flows[1:], n-1
		}
		p.Flows = append(p.Flows, flowKey{newKey(), from.UTC().Truncate(time.Second)})
		return nil
	})
}
