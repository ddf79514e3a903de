// Package snapshot is what the doors know without SQL: of each account its
// keys, sources, projects and public drop box, signed and sealed by whoever
// publishes it. A Reader keeps the newest of each account at hand and never
// goes back to an older one; when nobody publishes for a while, the last one
// stays valid.
package snapshot

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/limits"
	"catchment/internal/rights"
	"catchment/internal/vault"
)

// Account is one account's entry. What a Reader gives is shared: never change it.
type Account struct {
	ID            account.ID    `json:"id"`
	Version       int64         `json:"version"` // a newer entry has a higher one
	DefaultRegion string        `json:"default_region"`
	DropBox       vault.DropBox `json:"drop_box"`
	CaptureIDKey  []byte        `json:"capture_id_key"`
	Keys          []Key         `json:"keys"`
	Projects      []Project     `json:"projects"`
	Sources       []Source      `json:"sources"`
	Limits        limits.Own    `json:"limits,omitzero"`
	Off           bool          `json:"off,omitempty"` // the kill switch: nothing is captured

	KeyNetworks caller.Networks `json:"key_networks,omitempty"` // from where secret keys may be used
}

// The kinds of keys.
const (
	Publishable = "publishable" // in web pages: it only captures
	Secret      = "secret"      // in servers: it does what its role may
)

// Key is a key that is not revoked. Whoever holds a snapshot has its hash alone.
type Key struct {
	ID        account.KeyID      `json:"id"`
	Kind      string             `json:"kind"`
	Role      account.Role       `json:"role,omitempty"`     // of a secret key
	Captures  bool               `json:"captures,omitempty"` // the role is the account's own, and hands in leads
	Hash      Hash               `json:"hash"`
	Sources   []account.SourceID `json:"sources,omitempty"` // none means every source
	Origins   []string           `json:"origins,omitempty"` // of a publishable key
	AnyOrigin bool               `json:"any_origin,omitempty"`
	ExpiresAt time.Time          `json:"expires_at,omitzero"`
	Networks  caller.Networks    `json:"networks,omitempty"` // of a secret key, beside the account's
}

// MayCapture reports whether the key hands in leads at all.
func (k *Key) MayCapture() bool {
	return k.Kind == Publishable || k.Captures || rights.Of(k.Role).May(account.Capture)
}

// Serves reports whether the key may be used for the source.
func (k *Key) Serves(id account.SourceID) bool {
	return len(k.Sources) == 0 || slices.Contains(k.Sources, id)
}

// Allows reports whether a page of this origin may use the key: "" for a
// request that names none. Origins are compared as browsers write them
// (RFC 6454, 6.2): scheme, host in lower case, port unless it is the usual one.
func (k *Key) Allows(origin string) bool {
	return k.AnyOrigin || origin != "" && slices.Contains(k.Origins, origin)
}

// From reports whether a caller of this address may use the key. Publishable
// ones are in pages, which are opened from anywhere.
func (a *Account) From(k *Key, at netip.Addr) bool {
	return k.Kind != Secret || a.KeyNetworks.Has(at) && k.Networks.Has(at)
}

// Expired reports whether the key's time is over.
func (k *Key) Expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// Project is what is sold.
type Project struct {
	ID     account.ProjectID `json:"id"`
	Slug   string            `json:"slug"`
	Active bool              `json:"active"`
}

// Source is one way leads come in.
type Source struct {
	ID          account.SourceID  `json:"id"`
	Slug        string            `json:"slug"`
	Name        string            `json:"name"`
	Project     account.ProjectID `json:"project"`
	NonPersonal []string          `json:"non_personal,omitempty"` // custom fields that are not personal
	Mapping     map[string]string `json:"mapping,omitempty"`      // form field to word
	ThanksURL   string            `json:"thanks_url,omitempty"`
	Active      bool              `json:"active"`
}

// Source finds a source by its id or slug; nil if there is none.
func (a *Account) Source(ref string) *Source {
	id, err := account.ParseSourceID(ref)
	for i := range a.Sources {
		if err == nil && a.Sources[i].ID == id || a.Sources[i].Slug == ref {
			return &a.Sources[i]
		}
	}
	return nil
}

// Project finds a project by its id or slug; nil if there is none.
func (a *Account) Project(ref string) *Project {
	id, err := account.ParseProjectID(ref)
	for i := range a.Projects {
		if err == nil && a.Projects[i].ID == id || a.Projects[i].Slug == ref {
			return &a.Projects[i]
		}
	}
	return nil
}

// Hash is the SHA-256 of a key's text. Its own text is base64url.
type Hash [32]byte

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, h[:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	raw, err := base64.RawURLEncoding.DecodeString(string(b))
	if err != nil || len(raw) != len(h) {
		return errors.New("snapshot: a key's hash has 32 bytes")
	}
	copy(h[:], raw)
	return nil
}

// entryName is the account's place in the bucket.
func entryName(id account.ID) string { return "account/" + id.String() }

// decode reads an entry that was found under the name and opened. Members that
// it does not know are passed over: a newer publisher may write for older doors.
func decode(name string, plain []byte) (*Account, error) {
	a := new(Account)
	if err := json.Unmarshal(plain, a); err != nil {
		return nil, fmt.Errorf("snapshot: %s is not of the expected form", name) // err may quote it
	}
	if a.ID.IsZero() || entryName(a.ID) != name {
		return nil, fmt.Errorf("snapshot: %s holds another account", name)
	}
	if a.DropBox.Account != a.ID || len(a.DropBox.Public) == 0 || len(a.CaptureIDKey) == 0 {
		return nil, fmt.Errorf("snapshot: %s lacks its keys", name)
	}
	return a, nil
}

func isEntry(name string) bool { return strings.HasPrefix(name, "account/") }
