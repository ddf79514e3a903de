package keyring

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"catchment/internal/keyservice"
)

// service is a key of a key service among the roots.
type service struct {
	ID  uint32 `json:"id"` // begins what it wrapped
	URI string `json:"uri"`
}

// What a service wrapped is 0x02 ‖ its id (4) ‖ n (2) ‖ n bytes of the service ‖
// AES-256-GCM. The n bytes are a key of 32 bytes that wraps this keyset alone,
// so that no service's limit of size meets a keyset. Both are bound to the
// associated data.
const (
	wrappedByService = 2
	serviceStart     = 1 + 4 + 2
)

// roots wraps by one root, and unwraps what any of them wrapped.
type roots struct {
	local    localRoot
	services map[uint32]KeyService
	primary  uint32
	ids      []uint32 // local ones first
}

// roots makes ready what the keyring's content names.
func (o Options) roots(local Root, p *platformKeys) (*roots, error) {
	l, ok := local.(localRoot)
	if !ok {
		return nil, errors.New("the root is not a local one")
	}
	r := &roots{local: l, services: map[uint32]KeyService{}, primary: l.primary}
	for _, id := range l.ids {
		// The one that a move to a service has left has no birth: it wraps nothing.
		if _, born := p.Born[RootKey(id)]; p.Wraps == 0 || born {
			r.ids = append(r.ids, id)
		}
	}
	for _, s := range p.Services {
		if o.Connect == nil {
			return nil, fmt.Errorf("the key service %s is not known to this program's settings", s.URI)
		}
		client, err := o.Connect(s.URI)
		if err != nil {
			return nil, err
		}
		r.services[s.ID] = client
		r.ids = append(r.ids, s.ID)
	}
	if p.Wraps != 0 {
		if r.services[p.Wraps] == nil {
			return nil, errors.New("the root that wraps is missing")
		}
		r.primary = p.Wraps
	}
	return r, nil
}

// EncryptWithContext implements Root.
func (r *roots) EncryptWithContext(ctx context.Context, plain, aad []byte) ([]byte, error) {
	s := r.services[r.primary]
	if s == nil {
		return r.local.EncryptWithContext(ctx, plain, aad)
	}
	key := newKey()
	defer clear(key)
	wrapped, err := s.EncryptWithContext(ctx, key, aad)
	if err != nil {
		return nil, err
	}
	if len(wrapped) > 1<<15 {
		return nil, errors.New("keyring: what the key service gave is too long")
	}
	return mustGCM(key).Seal(serviceHead(r.primary, wrapped), nil, plain, aad), nil
}

func serviceHead(id uint32, wrapped []byte) []byte {
	out := []byte{wrappedByService}
	out = binary.BigEndian.AppendUint32(out, id)
	out = binary.BigEndian.AppendUint16(out, uint16(len(wrapped)))
	return append(out, wrapped...)
}

// parts finds the service, the key that it wrapped, and the rest.
func (r *roots) parts(sealed []byte) (s KeyService, key, rest []byte, err error) {
	if len(sealed) < serviceStart {
		return nil, nil, nil, ErrDamaged
	}
	n := int(binary.BigEndian.Uint16(sealed[5:]))
	s = r.services[binary.BigEndian.Uint32(sealed[1:])]
	if s == nil || len(sealed) < serviceStart+n {
		return nil, nil, nil, ErrDamaged
	}
	return s, sealed[serviceStart : serviceStart+n], sealed[serviceStart+n:], nil
}

// DecryptWithContext implements Root.
func (r *roots) DecryptWithContext(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != wrappedByService {
		return r.local.DecryptWithContext(ctx, sealed, aad)
	}
	s, wrapped, rest, err := r.parts(sealed)
	if err != nil {
		return nil, err
	}
	key, err := s.DecryptWithContext(ctx, wrapped, aad)
	if errors.Is(err, keyservice.ErrWrong) || err == nil && len(key) != 32 {
		return nil, ErrDamaged
	}
	if err != nil {
		return nil, err
	}
	defer clear(key)
	plain, err := mustGCM(key).Open(nil, nil, rest, aad)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// rewrap moves to the newest version that the service has of its key; nil when
// it is there.
func (r *roots) rewrap(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	if sealed[0] != wrappedByService {
		return nil, nil
	}
	s, wrapped, rest, err := r.parts(sealed)
	if err != nil {
		return nil, err
	}
	again, changed, err := s.Rewrap(ctx, wrapped, aad)
	if err != nil || !changed {
		return nil, err
	}
	return append(serviceHead(r.primary, again), rest...), nil
}

// newContent is newPlatform, with the key service as its root where there is one.
func (o Options) newContent() ([]byte, error) {
	plain, err := newPlatform()
	if err != nil || o.KeyService == "" {
		return plain, err
	}
	defer clear(plain)
	var p platformKeys
	if err := decodeStrict(plain, &p); err != nil {
		return nil, err
	}
	m, err := rootOf(&p)
	if err != nil {
		return nil, err
	}
	delete(p.Born, RootKey(p.wraps(m)))
	p.addService(o.KeyService)
	return json.Marshal(&p)
}

// RotateRootTo has the key of a key service wrap from now on. The older roots
// unwrap what they wrapped until DropRoots.
func (k *Keyring) RotateRootTo(ctx context.Context, uri string) (id uint32, err error) {
	connect := k.from.Load().Connect
	if connect == nil {
		return 0, errors.New("keyring: there is no way to a key service")
	}
	s, err := connect(uri)
	if err != nil {
		return 0, err
	}
	aad := []byte("catchment-try-v1\n")
	sealed, err := s.EncryptWithContext(ctx, []byte("catchment"), aad)
	if err == nil {
		_, err = s.DecryptWithContext(ctx, sealed, aad)
	}
	if err != nil {
		return 0, fmt.Errorf("keyring: it was tried, and nothing was changed: %w", err)
	}
	err = k.change(func(p *platformKeys) error {
		if p.serviceOf(p.Wraps) == uri {
			return errors.New("this key wraps already; a key service rotates its own keys, and catchment keys rewrap follows")
		}
		id = p.addService(uri)
		return nil
	})
	return id, err
}

func (p *platformKeys) addService(uri string) uint32 {
	id := rand.Uint32() | 1 // never 0
	p.Services = append(p.Services, service{id, uri})
	p.Wraps = id
	p.note(RootKey(id))
	return id
}

// serviceOf is the URI of the service root with this id, or "".
func (p *platformKeys) serviceOf(id uint32) string {
	for _, s := range p.Services {
		if s.ID == id {
			return s.URI
		}
	}
	return ""
}

// wraps is the id of the root that wraps.
func (p *platformKeys) wraps(m *keyset.Manager) uint32 {
	if p.Wraps != 0 {
		return p.Wraps
	}
	h, err := m.Handle()
	if err != nil {
		return 0
	}
	return h.KeysetInfo().GetPrimaryKeyId()
}

func (p *platformKeys) dropService(id uint32) bool {
	before := len(p.Services)
	p.Services = slices.DeleteFunc(p.Services, func(s service) bool { return s.ID == id })
	return len(p.Services) < before
}

// replaceLocal destroys a local root. Of the last one another takes the place,
// which wraps nothing and has no birth: a keyset of tink is never empty.
func replaceLocal(m *keyset.Manager, id uint32) error {
	h, err := m.Handle()
	if err != nil {
		return err
	}
	if h.KeysetInfo().GetPrimaryKeyId() == id {
		next, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return err
		}
		if err := m.SetPrimary(next); err != nil {
			return err
		}
	}
	return m.Delete(id)
}

// serviceStanza is the kind of recipient by which a key service opens the
// keyring. Its body is the file's key, wrapped by the service.
const (
	serviceStanza = "catchment-key-service"
	serviceAAD    = "catchment-keyring-v1\n"
)

// NeedsService reports whether a key service opens this keyring's file.
func (k *Keyring) NeedsService() bool { return k.from.Load().KeyService != "" }

// serviceWait is for a call where there is no context: age has none.
const serviceWait = 30 * time.Second

func (o Options) serviceLock() (lock, error) {
	if o.Connect == nil {
		return lock{}, errors.New("keyring: there is no way to a key service")
	}
	s, err := o.Connect(o.KeyService)
	if err != nil {
		return lock{}, err
	}
	return lock{serviceKey{s}, []age.Identity{serviceKey{s}}}, nil
}

func (o Options) otherLock(path string, byService bool) error {
	if byService {
		return fmt.Errorf("%w: %s is sealed by a key service: name it (--kms-uri)", ErrLocked, path)
	}
	return fmt.Errorf("%w: %s is not sealed by a key service: start without --kms-uri, or seal it by catchment keys lock", ErrLocked, path)
}

type serviceKey struct{ s KeyService }

// Wrap implements age.Recipient.
func (k serviceKey) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	ctx, cancel := context.WithTimeout(context.Background(), serviceWait)
	defer cancel()
	body, err := k.s.EncryptWithContext(ctx, fileKey, []byte(serviceAAD))
	if err != nil {
		return nil, err
	}
	return []*age.Stanza{{Type: serviceStanza, Body: body}}, nil
}

// Unwrap implements age.Identity.
func (k serviceKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), serviceWait)
	defer cancel()
	for _, s := range stanzas {
		if s.Type == serviceStanza {
			return k.s.DecryptWithContext(ctx, bytes.Clone(s.Body), []byte(serviceAAD))
		}
	}
	return nil, age.ErrIncorrectIdentity
}
