package keyring

import (
	"crypto/hpke"
	"encoding/binary"
	"fmt"
	"sync"

	"catchment/internal/account"
)

const (
	boxesCached = 1024 // at most 10 KiB each
	markEvery   = 256  // distance of the kept states of an opened box
)

// DropOpener is intake's side of the drop boxes. It remembers boxes, so that
// leads in their order cost two hashes each and any other one at most 65,536.
type DropOpener struct {
	mu    sync.Mutex
	boxes *lru[boxName, *openBox]
}

type boxName struct {
	account account.ID
	box     string
}

// openBox is a box whose secret is known. marks[i] is the state at index
// i×markEvery; the chain is walked no further than asked.
type openBox struct {
	version byte
	mu      sync.Mutex
	marks   []ratchet
	at      int // where state stands
	state   ratchet
}

// NewDropOpener returns an empty one. It is made for one process, shared by its workers.
func NewDropOpener() *DropOpener {
	return &DropOpener{boxes: newLRU[boxName, *openBox](boxesCached)}
}

// Open returns what Sealer.Seal was given, when box, data and aad are its own
// and the keys are that account's. The error is ErrDamaged or ErrUnknownKey.
func (o *DropOpener) Open(keys *AccountKeys, box, data, aad []byte) ([]byte, error) {
	if len(data) < dataHeader || len(box) < boxHeader || data[0] != box[0] {
		return nil, fmt.Errorf("drop box: %w", ErrDamaged)
	}
	name := boxName{keys.id, string(box)}
	o.mu.Lock()
	opened, known := o.boxes.get(name)
	o.mu.Unlock()
	if !known {
		var err error
		if opened, err = decapsulate(keys, box); err != nil {
			return nil, err
		}
	}
	key := opened.key(int(binary.BigEndian.Uint16(data[1:])))
	plain, err := singleUse(opened.version, &key).Open(nil, zeroNonce[:], data[dataHeader:], aad)
	clear(key[:])
	if err != nil {
		return nil, fmt.Errorf("drop box: %w", ErrDamaged)
	}
	if !known {
		// Only now: a forged box decapsulates to a random secret without an
		// error, and must not push a good one out.
		o.mu.Lock()
		if _, raced := o.boxes.get(name); !raced {
			o.boxes.put(name, opened)
		}
		o.mu.Unlock()
	}
	return plain, nil
}

func decapsulate(keys *AccountKeys, box []byte) (*openBox, error) {
	version := box[0]
	if version < firstBoxVersion || version > boxVersion {
		return nil, fmt.Errorf("drop box: %w", ErrDamaged)
	}
	keyID := binary.BigEndian.Uint32(box[1:])
	private, ok := keys.secrets().boxes[keyID]
	if !ok {
		return nil, fmt.Errorf("drop box: %w", ErrUnknownKey)
	}
	r, err := hpke.NewRecipient(box[boxHeader:], private, hpke.HKDFSHA256(), hpke.AES256GCM(), dropBoxInfo(keys.id, keyID))
	if err != nil {
		return nil, fmt.Errorf("drop box: %w", ErrDamaged)
	}
	secret, err := r.Export(epochContext(version), len(ratchet{}))
	if err != nil {
		return nil, fmt.Errorf("drop box: %w", ErrDamaged)
	}
	start := ratchet(secret)
	return &openBox{version: version, marks: []ratchet{start}, state: start}, nil
}

// key returns the key at the index, from the nearest known state before it.
func (b *openBox) key(index int) [32]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	mark := min(index/markEvery, len(b.marks)-1)
	if b.at > index || b.at < mark*markEvery {
		b.at, b.state = mark*markEvery, b.marks[mark]
	}
	for b.at < index {
		b.state.skip(b.version)
		b.move()
	}
	key := b.state.step(b.version)
	b.move()
	return key
}

// move counts a step of the state and keeps it when it is a mark.
func (b *openBox) move() {
	b.at++
	if b.at == len(b.marks)*markEvery && b.at < EpochLeads {
		b.marks = append(b.marks, b.state)
	}
}
