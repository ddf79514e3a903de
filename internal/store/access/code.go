package access

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// FlowID identifies a flow: one code that was asked for.
type FlowID = ident.ID[flowKind]

type flowKind struct{}

// Prefix implements ident.Kind.
func (flowKind) Prefix() string { return "flow" }

// NewFlowID returns a fresh one.
func NewFlowID() FlowID { return ident.New[flowKind]() }

// FlowIDFrom reads the 16 bytes of one.
func FlowIDFrom(b []byte) (FlowID, error) { return ident.FromBytes[flowKind](b) }

// Flow is a code on its way, for a number that may be nobody's (table
// code_flow).
type Flow struct {
	ID        FlowID
	Slot      vault.MAC // of purpose and number: one live flow each
	Number    vault.MAC
	Code      Hash              // HMAC of the code, bound to the flow
	Session   account.SessionID // whose second factor it is; zero: a sign-in
	CreatedAt time.Time
	ExpiresAt time.Time
}

var (
	addFlow = store.Unbound("access.flow.add", `INSERT INTO code_flow (flow_id, secret_hash, slot_mac, number_mac, code_mac, session_id, tries, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8) ON CONFLICT DO NOTHING`)
	endSlot   = store.Unbound("access.flow.end-slot", `UPDATE code_flow SET ended_at = $2 WHERE slot_mac = $1 AND ended_at IS NULL`)
	askedFlow = store.Unbound("access.flow.asked", `SELECT created_at FROM code_flow WHERE number_mac = $1 AND created_at > $2 ORDER BY created_at DESC LIMIT $3`)
	tryFlow   = store.Unbound("access.flow.try", `UPDATE code_flow SET tries = tries + 1
		WHERE secret_hash = $1 AND ended_at IS NULL AND tries < $2 AND expires_at > $3 AND created_at <= $4`)
	flowBy    = store.Unbound("access.flow.by-secret", `SELECT flow_id, slot_mac, number_mac, code_mac, session_id, created_at, expires_at FROM code_flow WHERE secret_hash = $1`)
	proveFlow = store.Unbound("access.flow.prove", `UPDATE code_flow SET proved_at = $2, tries = tries - 1 WHERE flow_id = $1 AND ended_at IS NULL`)
	endFlow   = store.Unbound("access.flow.end", `UPDATE code_flow SET ended_at = $2 WHERE flow_id = $1 AND ended_at IS NULL`)
	oldFlows  = store.Unbound("access.flow.forget", `DELETE FROM code_flow WHERE created_at < $1`)

	byPhone  = store.Unbound("access.credential.by-phone", `SELECT account_id, user_id FROM credential WHERE phone_mac = $1`)
	setPhone = store.Register("access.credential.phone", `UPDATE credential SET phone_mac = $3 WHERE account_id = $1 AND user_id = $2
		AND NOT EXISTS (SELECT 1 FROM credential o WHERE o.account_id = $1 AND o.phone_mac = $3 AND o.user_id <> $2)`)
	noPhone   = store.Register("access.credential.no-phone", `UPDATE credential SET phone_mac = NULL WHERE account_id = $1 AND user_id = $2`)
	getPhone  = store.Register("access.credential.phone.get", `SELECT phone_mac FROM credential WHERE account_id = $1 AND user_id = $2`)
	unindexed = store.Register("access.credential.unindexed", `SELECT m.user_id FROM member m JOIN credential c ON c.account_id = m.account_id AND c.user_id = m.user_id
		WHERE m.account_id = $1 AND m.phone IS NOT NULL AND c.phone_mac IS NULL ORDER BY m.user_id`)

	addSent = store.Register("access.sent.add", `INSERT INTO code_sent (account_id, sent_at, flow_id, user_id, prefix_mac, country)
		VALUES ($1, $2, $3, $4, $5, $6)`)
	useSent = store.Register("access.sent.use", `UPDATE code_sent SET used_at = $4 WHERE account_id = $1 AND sent_at = $2 AND flow_id = $3 AND used_at IS NULL`)
	tally   = store.Register("access.sent.tally", `SELECT count(*), count(used_at) FROM code_sent WHERE account_id = $1 AND sent_at >= $2 AND sent_at < $3`)
	oldSent = store.Register("access.sent.forget", `DELETE FROM code_sent WHERE account_id = $1 AND sent_at < $2`)
	prefix  = store.Unbound("access.sent.prefix", `SELECT count(*) FROM code_sent WHERE prefix_mac = $1 AND sent_at >= $2`)
)

// AddFlow stores a flow under the hash of its client's secret, and ends the one
// that was live in its slot. store.ErrAgain: another was begun at this moment.
func AddFlow(d *store.Dir, f Flow, secret Hash) error {
	if _, err := d.Exec(endSlot, f.Slot[:], f.CreatedAt.UnixMicro()); err != nil {
		return err
	}
	n, err := d.Exec(addFlow, f.ID, secret[:], f.Slot[:], f.Number[:], f.Code[:], f.Session, f.CreatedAt.UnixMicro(), f.ExpiresAt.UnixMicro())
	if err == nil && n != 1 {
		err = store.ErrAgain
	}
	return err
}

// Asked lists when codes for the number were asked for since then, newest
// first, most at most.
func Asked(d *store.Dir, number vault.MAC, since time.Time, most int) (out []time.Time, err error) {
	rows, err := d.Query(askedFlow, number[:], since.UnixMicro(), most)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var at time.Time
		err := scan(store.Time(&at))
		out = append(out, at)
		return err
	})
	return out, err
}

// TryFlow takes one of the flow's tries. False: there is no such flow, it is
// over, has no tries left, or began after notAfter, which only a clock that
// went back can see.
func TryFlow(d *store.Dir, secret Hash, tries int, now, notAfter time.Time) (f Flow, ok bool, err error) {
	n, err := d.Exec(tryFlow, secret[:], tries, now.UnixMicro(), notAfter.UnixMicro())
	if err != nil || n == 0 {
		return f, false, err
	}
	var slot, number, code []byte
	err = d.Row(flowBy, secret[:]).Scan(&f.ID, &slot, &number, &code, &f.Session, store.Time(&f.CreatedAt), store.Time(&f.ExpiresAt))
	copy(f.Slot[:], slot)
	copy(f.Number[:], number)
	copy(f.Code[:], code)
	return f, err == nil, err
}

// ProveFlow notes that the right code came, and gives its try back.
func ProveFlow(d *store.Dir, id FlowID, at time.Time) error {
	_, err := d.Exec(proveFlow, id, at.UnixMicro())
	return err
}

// EndFlow uses a flow up. False: it was over.
func EndFlow(d *store.Dir, id FlowID, at time.Time) (bool, error) {
	n, err := d.Exec(endFlow, id, at.UnixMicro())
	return n == 1, err
}

// ForgetFlows removes those that began before then.
func ForgetFlows(d *store.Dir, before time.Time) (int64, error) {
	return d.Exec(oldFlows, before.UnixMicro())
}

// ByPhone lists, over all accounts, whose phone it is.
func ByPhone(d *store.Dir, number vault.MAC) (out []Credential, err error) {
	rows, err := d.Query(byPhone, number[:])
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var c Credential
		err := scan(&c.Account, &c.User)
		out = append(out, c)
		return err
	})
	return out, err
}

// SetPhone has the user found by the phone behind the number. False: another
// user of the account has it.
func SetPhone(tx *store.Tx, id account.UserID, number vault.MAC) (bool, error) {
	n, err := tx.Exec(setPhone, id, number[:])
	return n == 1, err
}

// NoPhone has the user found by no phone.
func NoPhone(tx *store.Tx, id account.UserID) error {
	_, err := tx.Exec(noPhone, id)
	return err
}

// Phone is the keyed hash of the user's phone; false when they have none.
func Phone(tx *store.Tx, id account.UserID) (number vault.MAC, ok bool, err error) {
	var b []byte
	err = tx.Row(getPhone, id).Scan(&b)
	if errors.Is(err, store.ErrNone) {
		return number, false, nil
	}
	copy(number[:], b)
	return number, len(b) > 0, err
}

// Unindexed lists users with a phone by which they are not found: those of a
// database from before there were codes.
func Unindexed(tx *store.Tx) (out []account.UserID, err error) {
	rows, err := tx.Query(unindexed)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.UserID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// Sent is a code that went out to a user (table code_sent).
type Sent struct {
	Flow    FlowID
	At      time.Time // of the flow's beginning
	User    account.UserID
	Prefix  vault.MAC // of the number without its last four digits
	Country string
}

// AddSent notes that a code went out.
func AddSent(tx *store.Tx, s Sent) error {
	return tx.Must(addSent, s.At.UnixMicro(), s.Flow, s.User, s.Prefix[:], s.Country)
}

// UseSent notes that it was used.
func UseSent(tx *store.Tx, f Flow, at time.Time) error {
	_, err := tx.Exec(useSent, f.CreatedAt.UnixMicro(), f.ID, at.UnixMicro())
	return err
}

// SentBetween counts the account's codes, and how many of them were used.
func SentBetween(tx *store.Tx, from, until time.Time) (sent, used int, err error) {
	err = tx.Row(tally, from.UnixMicro(), until.UnixMicro()).Scan(&sent, &used)
	return sent, used, err
}

// SentToPrefix counts the codes to a block of numbers since then, over all
// accounts.
func SentToPrefix(d *store.Dir, p vault.MAC, since time.Time) (n int, err error) {
	err = d.Row(prefix, p[:], since.UnixMicro()).Scan(&n)
	return n, err
}

// ForgetSent removes what went out before then.
func ForgetSent(tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(oldSent, before.UnixMicro())
	return err
}
