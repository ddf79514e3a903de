// Package devices is the SQL of users' devices: our share of the key to what a
// phone keeps, and where pushes go (tables device, device_rule and
// push_subscription).
package devices

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Device is one that was given a share of a key.
type Device struct {
	ID         account.DeviceID
	User       account.UserID
	Session    account.SessionID // the one that had the share last
	Share      []byte            // sealed under the user's key; nil once destroyed
	Label      []byte            // likewise: browser and system; may be empty
	CreatedAt  time.Time
	ReleasedAt time.Time // when the share was given last
	LeaseUntil time.Time
	EndedAt    time.Time // zero: it is not
}

// Why a device ended.
const (
	Revoked      = "revoked"
	Deactivated  = "deactivated"
	RoleChanged  = "role-changed"
	FactorsReset = "factors-reset"
)

// SealedShare is the share as an Opener takes it.
func (d *Device) SealedShare() vault.Sealed { return d.sealed(vault.KeyShare, d.Share) }

// SealedLabel is the label as an Opener takes it.
func (d *Device) SealedLabel() vault.Sealed { return d.sealed(vault.Device, d.Label) }

func (d *Device) sealed(f vault.Field, data []byte) vault.Sealed {
	return vault.Sealed{Binding: Binding(d.ID, f), Subject: vault.Subject(d.User.UUID()), Data: data}
}

// Binding is what a sealed value of a device is bound to.
func Binding(id account.DeviceID, f vault.Field) vault.Binding {
	return vault.Binding{Table: "device", Row: id.UUID(), Field: f}
}

const columns = `device_id, user_id, session_id, share, label, created_at, released_at, lease_until, ended_at`

var (
	add = store.Register("devices.add", `INSERT INTO device (account_id, device_id, user_id, session_id, share, label, created_at, released_at, lease_until, ended_why)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '')`)
	get     = store.Register("devices.get", `SELECT `+columns+` FROM device WHERE account_id = $1 AND device_id = $2`)
	of      = store.Register("devices.of", `SELECT `+columns+` FROM device WHERE account_id = $1 AND user_id = $2 AND ended_at IS NULL ORDER BY created_at DESC`)
	release = store.Register("devices.release", `UPDATE device SET session_id = $3, released_at = $4, lease_until = $5
		WHERE account_id = $1 AND device_id = $2 AND ended_at IS NULL`)
	end = store.Register("devices.end", `UPDATE device SET share = NULL, label = NULL, ended_at = $3, ended_why = $4
		WHERE account_id = $1 AND device_id = $2 AND ended_at IS NULL`)
	remove = store.Register("devices.remove", `DELETE FROM device WHERE account_id = $1 AND device_id = $2`)
	forget = store.Register("devices.forget", `DELETE FROM device WHERE account_id = $1 AND ended_at < $2`)

	endedBy = store.Unbound("devices.ended-by-token", `SELECT d.ended_at FROM session s JOIN device d ON d.session_id = s.session_id
		WHERE s.token_hash = $1 AND d.ended_at IS NOT NULL LIMIT 1`)
)

// Add stores a new device.
func Add(tx *store.Tx, d Device) error {
	return tx.Must(add, d.ID, d.User, d.Session, d.Share, d.Label, store.Micro(d.CreatedAt), store.Micro(d.ReleasedAt), store.Micro(d.LeaseUntil))
}

// Get reads one, also one that ended; store.ErrNone.
func Get(tx *store.Tx, id account.DeviceID) (d Device, err error) {
	return d, d.scan(tx.Row(get, id).Scan)
}

func (d *Device) scan(scan func(...any) error) error {
	return scan(&d.ID, &d.User, &d.Session, &d.Share, &d.Label, store.Time(&d.CreatedAt), store.Time(&d.ReleasedAt), store.Time(&d.LeaseUntil), store.Time(&d.EndedAt))
}

// Of lists a user's devices that have not ended, newest first.
func Of(tx *store.Tx, user account.UserID) (out []Device, err error) {
	rows, err := tx.Query(of, user)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var d Device
		err := d.scan(scan)
		out = append(out, d)
		return err
	})
	return out, err
}

// Release notes that a session is given the share. False: the device ended.
func Release(tx *store.Tx, id account.DeviceID, to account.SessionID, at, until time.Time) (bool, error) {
	n, err := tx.Exec(release, id, to, store.Micro(at), store.Micro(until))
	return n == 1, err
}

// End destroys the share. What is left says that there was a device, so that
// it can be told when it comes. False: it had ended.
func End(tx *store.Tx, id account.DeviceID, why string, at time.Time) (bool, error) {
	n, err := tx.Exec(end, id, store.Micro(at), why)
	return n == 1, err
}

// Remove forgets a device whose local data is gone anyway.
func Remove(tx *store.Tx, id account.DeviceID) error { return tx.Must(remove, id) }

// ForgetEnded removes the rows of devices that ended before then.
func ForgetEnded(tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(forget, store.Micro(before))
	return err
}

// EndedBy reports whether the session of a token, live or over, had a device
// that ended.
func EndedBy(d *store.Dir, token [32]byte) (bool, error) {
	var at time.Time
	err := d.Row(endedBy, token[:]).Scan(store.Time(&at))
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Rule is what an account wants of devices.
type Rule struct {
	Lease time.Duration // how long the app works without us
	Level int           // of the session that gets a share
}

// DefaultRule is that of an account that has set none.
var DefaultRule = Rule{Lease: 12 * time.Hour, Level: 1}

var (
	getRule = store.Register("devices.rule", `SELECT lease_ms, level FROM device_rule WHERE account_id = $1`)
	setRule = store.Register("devices.rule.set", `INSERT INTO device_rule (account_id, lease_ms, level, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id) DO UPDATE SET lease_ms = excluded.lease_ms, level = excluded.level, changed_at = excluded.changed_at`)
)

// GetRule reads the account's rule.
func GetRule(tx *store.Tx) (r Rule, err error) {
	var ms int64
	err = tx.Row(getRule).Scan(&ms, &r.Level)
	if errors.Is(err, store.ErrNone) {
		return DefaultRule, nil
	}
	r.Lease = time.Duration(ms) * time.Millisecond
	return r, err
}

// SetRule changes it.
func SetRule(tx *store.Tx, r Rule, at time.Time) error {
	return tx.Must(setRule, r.Lease.Milliseconds(), r.Level, store.Micro(at))
}
