package access

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Session is a signed-in user's.
type Session struct {
	Account   account.ID // zero for an operator
	ID        account.SessionID
	User      account.UserID
	Shown     account.Shown
	Device    []byte // sealed under the user's key; empty for an operator
	Network   []byte // likewise
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

// SealedDevice is the device as an Opener takes it.
func (s *Session) SealedDevice() vault.Sealed { return s.sealed(vault.Device, s.Device) }

// SealedNetwork is the network as an Opener takes it.
func (s *Session) SealedNetwork() vault.Sealed { return s.sealed(vault.Network, s.Network) }

func (s *Session) sealed(f vault.Field, data []byte) vault.Sealed {
	return vault.Sealed{Binding: SessionBinding(s.ID, f), Subject: vault.Subject(s.User.UUID()), Data: data}
}

// SessionBinding is what a sealed value of a session is bound to.
func SessionBinding(id account.SessionID, f vault.Field) vault.Binding {
	return vault.Binding{Table: "session", Row: id.UUID(), Field: f}
}

const sessionColumns = `session_id, user_id, factors, device, network, created_at, seen_at, expires_at`

var (
	endSessions = store.Register("access.sessions.end", `UPDATE session SET revoked_at = $3
		WHERE account_id = $1 AND user_id = $2 AND revoked_at IS NULL AND session_id <> $4`)
	addSession = store.Register("access.session.add", `INSERT INTO session (account_id, token_hash, `+sessionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`)
	sessionsOf = store.Register("access.sessions.of", `SELECT `+sessionColumns+` FROM session
		WHERE account_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 ORDER BY created_at DESC, session_id DESC`)
	// NOT … <> keeps the planner from the primary key, which has no account.
	endSessionOf = store.Register("access.sessions.end-one", `UPDATE session SET revoked_at = $4
		WHERE account_id = $1 AND user_id = $2 AND NOT session_id <> $3 AND revoked_at IS NULL`)

	operatorSessions = store.Unbound("access.sessions.of-operator", `SELECT `+sessionColumns+` FROM session
		WHERE account_id IS NULL AND user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY created_at DESC, session_id DESC`)
	endOperatorSessions = store.Unbound("access.sessions.end-operator", `UPDATE session SET revoked_at = $2
		WHERE user_id = $1 AND account_id IS NULL AND revoked_at IS NULL AND session_id <> $3`)
	addOperatorSession = store.Unbound("access.session.add-operator", `INSERT INTO session (token_hash, `+sessionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	sessionBy   = store.Unbound("access.session.by-token", `SELECT account_id, `+sessionColumns+` FROM session WHERE token_hash = $1 AND revoked_at IS NULL`)
	sessionByID = store.Unbound("access.session.by-id", `SELECT account_id, `+sessionColumns+` FROM session WHERE session_id = $1 AND revoked_at IS NULL`)
	seeSession  = store.Unbound("access.session.seen", `UPDATE session SET seen_at = $2 WHERE session_id = $1 AND seen_at < $2`)
	endSession  = store.Unbound("access.session.end", `UPDATE session SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL`)
	renew       = store.Unbound("access.session.renew", `UPDATE session SET token_hash = $2, factors = $4
		WHERE session_id = $1 AND factors = $3 AND revoked_at IS NULL`)
)

// AddSession stores a session of the account's user under the hash of its token.
func AddSession(tx *store.Tx, s Session, token Hash) error {
	return tx.Must(addSession, s.row(token)...)
}

// AddOperatorSession stores an operator's.
func AddOperatorSession(d *store.Dir, s Session, token Hash) error {
	_, err := d.Exec(addOperatorSession, s.row(token)...)
	return err
}

func (s *Session) row(token Hash) []any {
	return []any{token[:], s.ID, s.User, factorsText(s.Shown), s.Device, s.Network, s.CreatedAt.UnixMicro(), s.SeenAt.UnixMicro(), s.ExpiresAt.UnixMicro()}
}

func factorsText(s account.Shown) string {
	text, _ := json.Marshal(s) // words and numbers cannot fail
	return string(text)
}

// SessionBy finds a session that is not revoked; store.ErrNone.
func SessionBy(d *store.Dir, token Hash) (Session, error) {
	return oneSession(d.Row(sessionBy, token[:]))
}

// SessionByID is SessionBy for the id.
func SessionByID(d *store.Dir, id account.SessionID) (Session, error) {
	return oneSession(d.Row(sessionByID, id))
}

func oneSession(row store.Row) (s Session, err error) {
	err = s.scan(func(dest ...any) error { return row.Scan(append([]any{&s.Account}, dest...)...) })
	return s, err
}

func (s *Session) scan(scan func(...any) error) error {
	var factors string
	err := scan(&s.ID, &s.User, &factors, &s.Device, &s.Network, store.Time(&s.CreatedAt), store.Time(&s.SeenAt), store.Time(&s.ExpiresAt))
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(factors), &s.Shown); err != nil {
		return fmt.Errorf("access: factors of %s: %w", s.ID, err)
	}
	return nil
}

// Sessions reads a user's sessions that are neither revoked nor over, newest
// first. (Some may be idle for too long: that is the directory's to judge.)
func Sessions(tx *store.Tx, user account.UserID, now time.Time) (out []Session, err error) {
	rows, err := tx.Query(sessionsOf, user, now.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		s := Session{Account: tx.Account()}
		err := s.scan(scan)
		out = append(out, s)
		return err
	})
	return out, err
}

// OperatorSessions is Sessions for an operator.
func OperatorSessions(d *store.Dir, user account.UserID, now time.Time) (out []Session, err error) {
	rows, err := d.Query(operatorSessions, user, now.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Session
		err := s.scan(scan)
		out = append(out, s)
		return err
	})
	return out, err
}

// RenewSession gives a session another token and notes what it has shown: the
// old token is worth nothing from then on. was is what it had shown before;
// false: it shows something else by now, or is over.
func RenewSession(d *store.Dir, id account.SessionID, token Hash, was, is account.Shown) (bool, error) {
	n, err := d.Exec(renew, id, token[:], factorsText(was), factorsText(is))
	return n == 1, err
}

// SeeSession notes that it was used.
func SeeSession(d *store.Dir, id account.SessionID, at time.Time) error {
	_, err := d.Exec(seeSession, id, at.UnixMicro())
	return err
}

// EndSession revokes it.
func EndSession(d *store.Dir, id account.SessionID, at time.Time) error {
	_, err := d.Exec(endSession, id, at.UnixMicro())
	return err
}

// EndSessionOf revokes one of a user's sessions. False: they have none of that
// id, or not any more.
func EndSessionOf(tx *store.Tx, user account.UserID, id account.SessionID, at time.Time) (bool, error) {
	n, err := tx.Exec(endSessionOf, user, id, at.UnixMicro())
	return n == 1, err
}

// EndSessions revokes a user's sessions but the given one (zero: all).
func EndSessions(tx *store.Tx, id account.UserID, but account.SessionID, at time.Time) error {
	if but.IsZero() {
		but = account.NewSessionID() // <> NULL would match nothing
	}
	_, err := tx.Exec(endSessions, id, at.UnixMicro(), but)
	return err
}
