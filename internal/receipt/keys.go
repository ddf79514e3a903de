package receipt

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Algorithm is the only signature algorithm of version 1.
const Algorithm = "Ed25519"

// Key is a published key. It is good for receipts received from NotBefore to
// NotAfter; a zero NotAfter means that it is still in use.
type Key struct {
	ID        string
	PublicKey ed25519.PublicKey
	NotBefore time.Time
	NotAfter  time.Time
}

// Keys is the document at /.well-known/catchment-receipt-keys.json. Keys are
// never taken out of it, or old receipts could not be checked any more.
type Keys []Key

// leeway widens a key's time at both ends: a lead is received before it is
// signed, maybe across the change of keys, and nodes' clocks differ a little.
const leeway = 5 * time.Minute

// Covers reports whether what is of this time may carry the key's signature.
func (k Key) Covers(at time.Time) bool {
	if at.Before(k.NotBefore.Add(-leeway)) {
		return false
	}
	return k.NotAfter.IsZero() || !at.After(k.NotAfter.Add(leeway))
}

func (ks Keys) find(id string) (Key, bool) {
	for _, k := range ks {
		if k.ID == id {
			return k, true
		}
	}
	return Key{}, false
}

type keyJSON struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"`
	PublicKey string `json:"public_key"`
	NotBefore string `json:"not_before"`
	NotAfter  string `json:"not_after,omitempty"`
}

// MarshalKeys writes the document. It refuses what ParseKeys would.
func MarshalKeys(ks Keys) ([]byte, error) {
	doc := struct {
		Keys []keyJSON `json:"keys"`
	}{Keys: []keyJSON{}}
	for _, k := range ks {
		j := keyJSON{KeyID: k.ID, Algorithm: Algorithm, PublicKey: b64.EncodeToString(k.PublicKey), NotBefore: FormatTime(k.NotBefore)}
		if !k.NotAfter.IsZero() {
			j.NotAfter = FormatTime(k.NotAfter)
		}
		doc.Keys = append(doc.Keys, j)
	}
	if err := ks.check(); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// ParseKeys reads the document strictly. A key of another algorithm is an
// error, not passed over: version 1 has one.
func ParseKeys(b []byte) (Keys, error) {
	if len(b) > 1<<20 {
		return nil, fmt.Errorf("%w: longer than a mebibyte", errKeys)
	}
	p := parser{in: jsontext.NewDecoder(bytes.NewReader(b))}
	var ks Keys
	listed := false
	err := p.object(func(name string) error {
		if name != "keys" {
			return fmt.Errorf("%w: an unknown member", errKeys)
		}
		listed = true
		return p.array(func() error {
			k, err := p.key()
			ks = append(ks, k)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	if !listed {
		return nil, fmt.Errorf("%w: keys is missing", errKeys)
	}
	return ks, ks.check()
}

var errKeys = fmt.Errorf("%w keys document", ErrForm)

func (p *parser) key() (Key, error) {
	var k Key
	var algorithm string
	err := p.object(func(name string) (err error) {
		switch name {
		case "key_id":
			k.ID, err = p.string()
		case "algorithm":
			algorithm, err = p.string()
		case "public_key":
			var h Hash // an Ed25519 public key has a hash's length
			err = p.text(&h)
			k.PublicKey = h[:]
		case "not_before":
			k.NotBefore, err = p.time()
		case "not_after":
			k.NotAfter, err = p.time()
		default:
			return fmt.Errorf("%w: an unknown member", errKeys)
		}
		return err
	})
	if err == nil && algorithm != Algorithm {
		err = fmt.Errorf("%w: the algorithm is not %s", errKeys, Algorithm)
	}
	return k, err
}

func (p *parser) time() (time.Time, error) {
	s, err := p.string()
	if err != nil {
		return time.Time{}, err
	}
	return ParseTime(s)
}

// check refuses two keys of one id, and one key under two ids: either would
// let a changed receipt pass.
func (ks Keys) check() error {
	ids, keys := map[string]bool{}, map[string]bool{}
	for _, k := range ks {
		switch {
		case !isName(k.ID):
			return fmt.Errorf("%w: key_id is not 1 to 64 letters, digits, _ . or -", errKeys)
		case len(k.PublicKey) != ed25519.PublicKeySize:
			return fmt.Errorf("%w: public_key is not 32 bytes", errKeys)
		case k.NotBefore.IsZero():
			return fmt.Errorf("%w: not_before is missing", errKeys)
		case !k.NotAfter.IsZero() && k.NotAfter.Before(k.NotBefore):
			return fmt.Errorf("%w: not_after is before not_before", errKeys)
		case ids[k.ID]:
			return fmt.Errorf("%w: a key_id stands twice", errKeys)
		case keys[string(k.PublicKey)]:
			return fmt.Errorf("%w: a public_key stands twice", errKeys)
		}
		ids[k.ID], keys[string(k.PublicKey)] = true, true
	}
	return nil
}
