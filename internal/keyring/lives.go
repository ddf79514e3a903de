package keyring

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Kind says what a key of the platform is for.
type Kind string

// The kinds, as the operator's page names them.
const (
	RootKind     Kind = "root"     // wraps account keysets
	ReceiptKind  Kind = "receipt"  // signs receipts
	RecordKind   Kind = "record"   // signs checkpoints of accounts' records
	SnapshotKind Kind = "snapshot" // signs and seals what the doors know
	TokensKind   Kind = "tokens"   // codes and challenges of sign-in
	FactorsKind  Kind = "factors"  // TOTP seeds, recovery codes, providers' subjects, push
	LoginKind    Kind = "login"    // finds users at sign-in
	AccountKind  Kind = "account"  // a generation: wraps persons' keys, and is the drop box
	IndexKind    Kind = "index"    // finds persons of an account, and makes ids of captures
)

// ProviderKind is an account's client secret at its identity provider: sealed
// here, made and ended there.
const ProviderKind Kind = "provider"

// Kinds lists those that are made here.
func Kinds() []Kind {
	return []Kind{RootKind, AccountKind, ReceiptKind, RecordKind, SnapshotKind, TokensKind, FactorsKind, LoginKind, IndexKind}
}

// Life is how long keys of a kind serve: warned of after Due, refused after
// End. The zero End never refuses: a lead that came is not refused because
// nobody changed a lock.
type Life struct{ Due, End time.Duration }

const day = 24 * time.Hour

// LifeOf tells the life of a kind. What keys without a rotation hashed is in the
// tables, or in people's apps: they are warned of after five years, and end with
// the installation or the account (docs/decisions/0012-rotation.md).
func LifeOf(k Kind) Life {
	switch k {
	case RootKind:
		return Life{365 * day, 730 * day}
	case ReceiptKind, RecordKind, SnapshotKind, TokensKind, ProviderKind:
		return Life{Due: 365 * day}
	case AccountKind:
		return Life{Due: 180 * day}
	case LoginKind, FactorsKind, IndexKind:
		return Life{Due: 5 * 365 * day}
	}
	return Life{}
}

// Rotates reports whether another key can take the place of one of the kind.
func (k Kind) Rotates() bool { return k != LoginKind && k != FactorsKind && k != IndexKind }

// Held is one key of the platform: its name, never its bytes.
type Held struct {
	Kind  Kind
	ID    string
	Born  time.Time // zero: before this was noted
	Uses  bool      // it seals, signs or wraps what is new; else it only reads
	Due   time.Time // zero: it has no end
	Ends  time.Time // zero: it is never refused
	Until time.Time // of a receipt key that waits: when it begins

	Service string // URI of the key service that has it; "": it is in the keyring
}

// Late reports whether the key is overdue, and refused.
func (h Held) Late(now time.Time) (due, refused bool) {
	return h.Uses && !h.Due.IsZero() && now.After(h.Due), h.Uses && !h.Ends.IsZero() && now.After(h.Ends)
}

// lived fills in the dates of a key that was born then.
func (h Held) lived() Held {
	if l := LifeOf(h.Kind); !h.Born.IsZero() {
		if l.Due > 0 {
			h.Due = h.Born.Add(l.Due)
		}
		if l.End > 0 {
			h.Ends = h.Born.Add(l.End)
		}
	}
	return h
}

// Held lists the platform's keys, by kind and birth.
func (k *Keyring) Held() []Held {
	p := k.keys()
	born := func(name string) time.Time {
		if at, ok := p.Born[name]; ok {
			return at
		}
		return p.Receipt[0].NotBefore // made in the same moment as the keyring
	}
	var out []Held
	for _, id := range k.Roots() {
		name := RootKey(id)
		h := Held{Kind: RootKind, ID: strings.TrimPrefix(name, "root "), Born: born(name), Uses: id == k.Root(), Service: p.serviceOf(id)}
		if h.Service == "" { // a service rotates its own
			h = h.lived()
		}
		out = append(out, h)
	}
	inTurn := func(kind Kind, all []PublicKey, signs string) {
		for _, r := range all {
			out = append(out, Held{Kind: kind, ID: r.KeyID, Born: r.NotBefore, Uses: r.KeyID == signs, Until: r.NotBefore}.lived())
		}
	}
	inTurn(ReceiptKind, k.ReceiptPublicKeys(), k.ReceiptSigner().KeyID)
	inTurn(RecordKind, k.RecordPublicKeys(), k.RecordKey().KeyID)
	var snapshots []PublicKey
	for _, s := range p.snapshots() {
		snapshots = append(snapshots, PublicKey{KeyID: keyID(s.Public), NotBefore: s.NotBefore})
	}
	inTurn(SnapshotKind, snapshots, k.SnapshotKeyID())
	flows, makes := p.flowKeys()
	inTurn(TokensKind, flows, makes)
	out = append(out,
		Held{Kind: LoginKind, ID: "login", Born: born("login"), Uses: true}.lived(),
		Held{Kind: FactorsKind, ID: "factors", Born: born("factors"), Uses: true}.lived())
	slices.SortStableFunc(out, func(a, b Held) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Born.Compare(b.Born)) })
	return out
}

// flowKeys names the keys of codes by a hash of them, and tells which one is in use.
func (k *platformKeys) flowKeys() (all []PublicKey, uses string) {
	now := time.Now()
	list := k.Flows
	if len(list) == 0 || list[0].NotBefore.After(now) {
		list = append([]flowKey{{k.Token, k.Receipt[0].NotBefore}}, list...)
	}
	for _, f := range list {
		id := hex.EncodeToString(mac(f.Key, "catchment key id")[:8])
		all = append(all, PublicKey{KeyID: id, NotBefore: f.NotBefore})
		if !f.NotBefore.After(now) {
			uses = id
		}
	}
	return all, uses
}

// rootEnded reports that the root key is past its end: it opens what it
// wrapped, and wraps nothing new.
func (k *Keyring) rootEnded(now time.Time) bool {
	for _, h := range k.Held() {
		if _, refused := h.Late(now); refused && h.Kind == RootKind {
			return true
		}
	}
	return false
}
