package access

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Holder is in whose name factors are read and written: a user of the
// transaction's account, or an operator of the platform.
type Holder struct {
	tx  *store.Tx
	dir *store.Dir
}

// OfUser and OfOperator make one.
func OfUser(tx *store.Tx) Holder       { return Holder{tx: tx} }
func OfOperator(dir *store.Dir) Holder { return Holder{dir: dir} }

// User is the transaction of a user's; ok is false for an operator.
func (h Holder) User() (tx *store.Tx, ok bool) { return h.tx, h.tx != nil }

// AfterCommit is the transaction's.
func (h Holder) AfterCommit(f func()) {
	if h.tx != nil {
		h.tx.AfterCommit(f)
		return
	}
	h.dir.AfterCommit(f)
}

// pair is one text for both holders. $1 is the account, zeros for operators.
type pair struct{ user, operator *store.Stmt }

func both(name, text string) pair {
	return pair{store.Register(name, text), store.Unbound(name+".operator", text)}
}

var platform [16]byte

func (h Holder) exec(p pair, args ...any) (int64, error) {
	if h.tx != nil {
		return h.tx.Exec(p.user, args...)
	}
	return h.dir.Exec(p.operator, append([]any{platform[:]}, args...)...)
}

func (h Holder) query(p pair, args ...any) (store.Rows, error) {
	if h.tx != nil {
		return h.tx.Query(p.user, args...)
	}
	return h.dir.Query(p.operator, append([]any{platform[:]}, args...)...)
}

func (h Holder) row(p pair, args ...any) store.Row {
	if h.tx != nil {
		return h.tx.Row(p.user, args...)
	}
	return h.dir.Row(p.operator, append([]any{platform[:]}, args...)...)
}

var (
	tryFactor = both("access.factor.try", `INSERT INTO second_factor (account_id, user_id, tries, tries_at, totp_step) VALUES ($1, $2, 1, $3, 0)
		ON CONFLICT (account_id, user_id) DO UPDATE SET
			tries = CASE WHEN second_factor.tries_at <= $4 THEN 1 ELSE second_factor.tries + 1 END,
			tries_at = CASE WHEN second_factor.tries_at <= $4 THEN excluded.tries_at ELSE second_factor.tries_at END
		WHERE second_factor.tries < $5 OR second_factor.tries_at <= $4`)
	goodFactor = both("access.factor.good", `UPDATE second_factor SET tries = 0 WHERE account_id = $1 AND user_id = $2`)
	hasFactor  = both("access.factor.has", `SELECT EXISTS (SELECT 1 FROM second_factor WHERE account_id = $1 AND user_id = $2 AND totp_salt IS NOT NULL)
		OR EXISTS (SELECT 1 FROM passkey WHERE account_id = $1 AND user_id = $2)`)
	getFactor = both("access.factor.get", `SELECT totp_salt, totp_at, totp_step, next_salt, next_at FROM second_factor WHERE account_id = $1 AND user_id = $2`)
	offerTOTP = both("access.factor.offer", `INSERT INTO second_factor (account_id, user_id, tries, tries_at, totp_step, next_salt, next_at) VALUES ($1, $2, 0, 0, 0, $3, $4)
		ON CONFLICT (account_id, user_id) DO UPDATE SET next_salt = excluded.next_salt, next_at = excluded.next_at`)
	confirmTOTP = both("access.factor.confirm", `UPDATE second_factor SET totp_salt = next_salt, totp_at = $3, totp_step = $4, tries = 0, next_salt = NULL, next_at = NULL
		WHERE account_id = $1 AND user_id = $2 AND next_salt = $5`)
	stepTOTP   = both("access.factor.step", `UPDATE second_factor SET totp_step = $3 WHERE account_id = $1 AND user_id = $2 AND totp_step < $3 AND totp_salt IS NOT NULL`)
	removeTOTP = both("access.factor.remove", `UPDATE second_factor SET totp_salt = NULL, totp_at = NULL, next_salt = NULL, next_at = NULL
		WHERE account_id = $1 AND user_id = $2 AND totp_salt IS NOT NULL`)

	addRecovery  = both("access.recovery.add", `INSERT INTO recovery_code (account_id, user_id, code_mac, created_at) VALUES ($1, $2, $3, $4)`)
	endRecovery  = both("access.recovery.end", `DELETE FROM recovery_code WHERE account_id = $1 AND user_id = $2`)
	useRecovery  = both("access.recovery.use", `UPDATE recovery_code SET used_at = $4 WHERE account_id = $1 AND user_id = $2 AND code_mac = $3 AND used_at IS NULL`)
	leftRecovery = both("access.recovery.left", `SELECT count(*) FROM recovery_code WHERE account_id = $1 AND user_id = $2 AND used_at IS NULL`)
)

// TOTP is a user's app for codes. The seed is made of the salt.
type TOTP struct {
	Salt     []byte // nil: there is none
	Since    time.Time
	Step     int64  // the last time step of which a code was taken
	Next     []byte // of a seed that was shown and not confirmed yet; nil: none
	NextFrom time.Time
}

// GetTOTP reads it; the zero TOTP for a user who has none.
func GetTOTP(h Holder, id account.UserID) (t TOTP, err error) {
	err = h.row(getFactor, id).Scan(&t.Salt, store.Time(&t.Since), &t.Step, &t.Next, store.Time(&t.NextFrom))
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return t, err
}

// HasSecond reports whether the user has a second factor: an app or a passkey.
func HasSecond(h Holder, id account.UserID) (has bool, err error) {
	err = h.row(hasFactor, id).Scan(&has)
	return has, err
}

// HasPhone reports whether a code can find the user's phone. An operator has none.
func (h Holder) HasPhone(id account.UserID) (bool, error) {
	if h.tx == nil {
		return false, nil
	}
	_, ok, err := Phone(h.tx, id)
	return ok, err
}

// TryFactor takes one of the user's tries: most of them since the time given.
// False: there is none left.
func TryFactor(h Holder, id account.UserID, now, since time.Time, most int) (bool, error) {
	n, err := h.exec(tryFactor, id, now.UnixMicro(), since.UnixMicro(), most)
	return n == 1, err
}

// GoodFactor gives the tries back.
func GoodFactor(h Holder, id account.UserID) error {
	_, err := h.exec(goodFactor, id)
	return err
}

// OfferTOTP keeps the salt of a seed that is shown to the user.
func OfferTOTP(h Holder, id account.UserID, salt []byte, at time.Time) error {
	_, err := h.exec(offerTOTP, id, salt, at.UnixMicro())
	return err
}

// ConfirmTOTP makes the offered seed the user's. False: another was offered since.
func ConfirmTOTP(h Holder, id account.UserID, salt []byte, step int64, at time.Time) (bool, error) {
	n, err := h.exec(confirmTOTP, id, at.UnixMicro(), step, salt)
	return n == 1, err
}

// StepTOTP uses up a time step and those before it. False: it was used.
func StepTOTP(h Holder, id account.UserID, step int64) (bool, error) {
	n, err := h.exec(stepTOTP, id, step)
	return n == 1, err
}

// RemoveTOTP forgets seed and offer. False: there was none.
func RemoveTOTP(h Holder, id account.UserID) (bool, error) {
	n, err := h.exec(removeTOTP, id)
	return n == 1, err
}

// SetRecovery puts new recovery codes in the place of the old ones.
func SetRecovery(h Holder, id account.UserID, macs []Hash, at time.Time) error {
	if _, err := h.exec(endRecovery, id); err != nil {
		return err
	}
	for _, m := range macs {
		if _, err := h.exec(addRecovery, id, m[:], at.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

// UseRecovery uses a code up. False: there is no such code, or it was used.
func UseRecovery(h Holder, id account.UserID, mac Hash, at time.Time) (bool, error) {
	n, err := h.exec(useRecovery, id, mac[:], at.UnixMicro())
	return n == 1, err
}

// RecoveryLeft counts those that were not used.
func RecoveryLeft(h Holder, id account.UserID) (n int, err error) {
	err = h.row(leftRecovery, id).Scan(&n)
	return n, err
}

// EndSessionsOf is EndSessions for either holder.
func EndSessionsOf(h Holder, id account.UserID, but account.SessionID, at time.Time) error {
	if h.tx != nil {
		return EndSessions(h.tx, id, but, at)
	}
	_, err := h.dir.Exec(endOperatorSessions, id, at.UnixMicro(), but)
	return err
}
