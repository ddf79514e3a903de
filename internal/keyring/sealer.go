package keyring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// An epoch of a door and an account ends after this time or number of leads,
// whichever comes first.
const (
	EpochAge   = 10 * time.Minute
	EpochLeads = 1 << 16 // an index is two bytes
)

// The formats. A box is version ‖ generation (4 bytes, big-endian) ‖
// encapsulated key. Data is the box's version ‖ index (2 bytes, big-endian) ‖
// ChaCha20-Poly1305. A door writes the newest version; what lies in journals of
// the first one opens too, see ratchet.go.
const (
	boxHeader  = 1 + 4
	dataHeader = 1 + 2

	firstBoxVersion = 1
	boxVersion      = 2
)

// epochContext is HPKE's for the export from which an epoch begins: no two
// versions have a chain of keys in common.
func epochContext(version byte) string {
	return "catchment-drop-box-epoch-v" + string('0'+rune(version))
}

// ErrNoDropBox: the snapshot has no drop box for the account.
var ErrNoDropBox = errors.New("keyring: the account has no drop box")

// Sealer is the door's side of the drop boxes. It has public keys only, and of
// each running epoch the state that seals the next lead: whoever copies its
// memory opens nothing that was sealed before.
type Sealer struct {
	boxes func(account.ID) (vault.DropBox, bool)

	mu     sync.Mutex
	epochs map[account.ID]*epoch
	closed bool
}

// epoch is one encapsulation and where its ratchet stands. Whoever makes one
// holds its lock until it has begun.
type epoch struct {
	keyID uint32
	timer *time.Timer

	mu    sync.Mutex
	box   []byte
	state hidden[ratchet]
	next  int // index of the next lead; EpochLeads when it is over
	err   error
}

// NewSealer returns a Sealer for the drop boxes that boxes gives: the current
// one of an account, asked for each lead, so a rotation takes effect at once.
func NewSealer(boxes func(account.ID) (vault.DropBox, bool)) *Sealer {
	return &Sealer{boxes: boxes, epochs: map[account.ID]*epoch{}}
}

// Seal encrypts plaintext to the account's drop box, bound to aad. box is the
// encapsulation, shared by all leads of an epoch: the caller may store it once
// and must not change it. DropOpener.Open takes both.
func (s *Sealer) Seal(id account.ID, plaintext, aad []byte) (box, data []byte, err error) {
	drop, ok := s.boxes(id)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %s", ErrNoDropBox, id)
	}
	for {
		e, err := s.epochFor(id, drop)
		if err != nil {
			return nil, nil, err
		}
		scrub()
		data, ok, err := e.seal(plaintext, aad)
		scrub()
		if err != nil {
			return nil, nil, err
		}
		if !ok { // it ended between the two lines above
			s.retire(id, e)
			continue
		}
		return e.box, data, nil
	}
}

// seal seals the epoch's next lead; !ok says that the epoch is over.
//
//go:noinline
func (e *epoch) seal(plaintext, aad []byte) (data []byte, ok bool, err error) {
	key, index, ok, err := e.take()
	if err != nil || !ok {
		return nil, false, err
	}
	data = make([]byte, dataHeader, dataHeader+len(plaintext)+16)
	data[0] = boxVersion
	binary.BigEndian.PutUint16(data[1:], uint16(index))
	return sealOnce(data, &key, plaintext, aad), true, nil
}

// Close ends and wipes all epochs; Seal fails afterwards.
func (s *Sealer) Close() {
	s.mu.Lock()
	s.closed = true
	epochs := s.epochs
	s.epochs = map[account.ID]*epoch{}
	s.mu.Unlock()
	for _, e := range epochs {
		e.wipe()
	}
}

// epochFor returns the account's running epoch, or begins one: outside the
// Sealer's lock, so that other accounts do not wait for the encapsulation.
func (s *Sealer) epochFor(id account.ID, drop vault.DropBox) (*epoch, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errors.New("keyring: the sealer is closed")
	}
	old, ok := s.epochs[id]
	if ok && old.keyID == drop.KeyID {
		s.mu.Unlock()
		return old, nil
	}
	e := &epoch{keyID: drop.KeyID}
	e.mu.Lock()
	s.epochs[id] = e
	e.timer = time.AfterFunc(EpochAge, func() { s.retire(id, e) })
	s.mu.Unlock()
	if ok {
		old.wipe()
	}
	err := e.begin(drop)
	e.mu.Unlock()
	if err != nil {
		s.retire(id, e)
	}
	return e, err
}

// retire takes the epoch out of use.
func (s *Sealer) retire(id account.ID, e *epoch) {
	s.mu.Lock()
	if s.epochs[id] == e {
		delete(s.epochs, id)
	}
	s.mu.Unlock()
	e.wipe()
}

// take returns the key of the next lead; !ok says that the epoch is over.
func (e *epoch) take() (key [32]byte, index int, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil || e.next >= EpochLeads {
		return key, 0, false, e.err
	}
	index = e.next
	e.next++
	return e.state().step(boxVersion), index, true, nil
}

// begin is called with the lock held. Its error stays for those who wait.
func (e *epoch) begin(drop vault.DropBox) error {
	box, start, err := encapsulate(drop)
	e.box, e.state, e.err = box, hide(start), err
	return err
}

func (e *epoch) wipe() {
	e.timer.Stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next = EpochLeads
	if start := e.state(); start != nil {
		clear(start[:])
	}
}

// dropBoxInfo binds an epoch to its account and key.
func dropBoxInfo(id account.ID, keyID uint32) []byte {
	u := id.UUID()
	info := append([]byte("catchment-drop-box-v1\n"), u[:]...)
	return binary.BigEndian.AppendUint32(info, keyID)
}
