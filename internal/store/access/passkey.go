package access

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Passkey is a credential of WebAuthn (table passkey).
type Passkey struct {
	Account    account.ID // zero: an operator's
	User       account.UserID
	ID         account.PasskeyID
	Credential []byte // its id at the authenticator
	PublicKey  []byte // COSE
	SignCount  uint32 // 0 for authenticators that do not count
	Eligible   bool   // it may be synced between devices
	Synced     bool   // it is, as it said last
	PRF        bool   // the authenticator makes keys of it
	Transports []string
	Name       []byte // sealed under the user's key; an operator's is clear
	CreatedAt  time.Time
	UsedAt     time.Time // zero: never
}

// SealedName is the name as an Opener takes it.
func (p *Passkey) SealedName() vault.Sealed {
	return vault.Sealed{Binding: PasskeyBinding(p.ID), Subject: vault.Subject(p.User.UUID()), Data: p.Name}
}

// PasskeyBinding is what a passkey's name is bound to.
func PasskeyBinding(id account.PasskeyID) vault.Binding {
	return vault.Binding{Table: "passkey", Row: id.UUID(), Field: vault.Name}
}

const passkeyColumns = `account_id, user_id, passkey_id, credential, public_key, sign_count, eligible, synced, prf, transports, name, created_at, used_at`

var (
	addPasskey = both("access.passkey.add", `INSERT INTO passkey (`+passkeyColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL) ON CONFLICT DO NOTHING`)
	passkeysOf = both("access.passkeys", `SELECT `+passkeyColumns+` FROM passkey WHERE account_id = $1 AND user_id = $2 ORDER BY created_at DESC, passkey_id DESC`)
	usePasskey = both("access.passkey.use", `UPDATE passkey SET sign_count = $4, synced = $5, used_at = $6
		WHERE account_id = $1 AND user_id = $2 AND passkey_id = $3 AND (sign_count < $4 OR sign_count = 0 AND $4 = 0)`)
	namePasskey    = both("access.passkey.name", `UPDATE passkey SET name = $4 WHERE account_id = $1 AND user_id = $2 AND passkey_id = $3`)
	removePasskey  = both("access.passkey.remove", `DELETE FROM passkey WHERE account_id = $1 AND user_id = $2 AND passkey_id = $3`)
	removePasskeys = both("access.passkeys.remove", `DELETE FROM passkey WHERE account_id = $1 AND user_id = $2`)

	passkeyBy     = store.Unbound("access.passkey.by-credential", `SELECT `+passkeyColumns+` FROM passkey WHERE credential = $1`)
	endCeremony   = store.Unbound("access.passkey.flow.end", `INSERT INTO passkey_flow (flow_id, ended_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`)
	oldCeremonies = store.Unbound("access.passkey.flow.forget", `DELETE FROM passkey_flow WHERE ended_at < $1`)
)

// AddPasskey stores a user's or an operator's. False: the credential is
// somebody's already.
func AddPasskey(h Holder, p Passkey) (bool, error) {
	n, err := h.exec(addPasskey, p.User, p.ID, p.Credential, p.PublicKey, int64(p.SignCount), p.Eligible, p.Synced, p.PRF, listText(p.Transports), p.Name, p.CreatedAt.UnixMicro())
	return n == 1, err
}

// Passkeys reads a user's, newest first.
func Passkeys(h Holder, id account.UserID) (out []Passkey, err error) {
	rows, err := h.query(passkeysOf, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		p, err := scanPasskey(scan)
		out = append(out, p)
		return err
	})
	return out, err
}

// PasskeyBy finds whose credential it is; store.ErrNone.
func PasskeyBy(d *store.Dir, credential []byte) (Passkey, error) {
	return scanPasskey(d.Row(passkeyBy, credential).Scan)
}

func scanPasskey(scan func(...any) error) (p Passkey, err error) {
	var count int64
	var transports string
	err = scan(&p.Account, &p.User, &p.ID, &p.Credential, &p.PublicKey, &count, &p.Eligible, &p.Synced, &p.PRF, &transports, &p.Name,
		store.Time(&p.CreatedAt), store.Time(&p.UsedAt))
	if err != nil {
		return p, err
	}
	p.SignCount = uint32(count)
	if err := json.Unmarshal([]byte(transports), &p.Transports); err != nil {
		return p, fmt.Errorf("access: transports of %s: %w", p.ID, err)
	}
	return p, nil
}

// UsePasskey notes a use. False: the counter did not grow, or it was removed.
func UsePasskey(h Holder, p Passkey, count uint32, synced bool, at time.Time) (bool, error) {
	n, err := h.exec(usePasskey, p.User, p.ID, int64(count), synced, at.UnixMicro())
	return n == 1, err
}

// NamePasskey gives it another name. False: the user has no such passkey.
func NamePasskey(h Holder, user account.UserID, id account.PasskeyID, name []byte) (bool, error) {
	n, err := h.exec(namePasskey, user, id, name)
	return n == 1, err
}

// RemovePasskey forgets it. False: the user has no such passkey.
func RemovePasskey(h Holder, user account.UserID, id account.PasskeyID) (bool, error) {
	n, err := h.exec(removePasskey, user, id)
	return n == 1, err
}

// RemovePasskeys forgets all of a user's, and says how many there were.
func RemovePasskeys(h Holder, user account.UserID) (int64, error) {
	return h.exec(removePasskeys, user)
}

// EndCeremony notes that a ceremony was used. False: it was before.
func EndCeremony(d *store.Dir, id FlowID, at time.Time) (bool, error) {
	n, err := d.Exec(endCeremony, id, at.UnixMicro())
	return n == 1, err
}

// ForgetCeremonies removes what is older.
func ForgetCeremonies(d *store.Dir, before time.Time) error {
	_, err := d.Exec(oldCeremonies, before.UnixMicro())
	return err
}
