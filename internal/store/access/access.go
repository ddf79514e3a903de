// Package access is the SQL of who may come in, by hash (tables credential,
// session, api_key, key_generation, one_time_link and operator).
package access

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Hash is SHA-256 of a token or key: each holds 256 random bits, so that a
// copy of the table lets nobody in.
type Hash = [32]byte

var (
	addCredential = store.Register("access.credential.add", `INSERT INTO credential (account_id, user_id, login_mac, password_hash, changed_at)
		VALUES ($1, $2, $3, '', $4) ON CONFLICT DO NOTHING`)
	setLogin = store.Register("access.credential.login", `UPDATE credential SET login_mac = $3 WHERE account_id = $1 AND user_id = $2
		AND NOT EXISTS (SELECT 1 FROM credential o WHERE o.account_id = $1 AND o.login_mac = $3 AND o.user_id <> $2)`)
	setPassword = store.Register("access.credential.password", `UPDATE credential SET password_hash = $3, changed_at = $4 WHERE account_id = $1 AND user_id = $2`)
	getPassword = store.Register("access.credential.get", `SELECT password_hash FROM credential WHERE account_id = $1 AND user_id = $2`)

	addLink  = store.Register("access.link.add", `INSERT INTO one_time_link (account_id, token_hash, user_id, expires_at) VALUES ($1, $2, $3, $4)`)
	useLink  = store.Register("access.link.use", `UPDATE one_time_link SET used_at = $3 WHERE account_id = $1 AND token_hash = $2 AND used_at IS NULL AND expires_at > $3`)
	endLinks = store.Register("access.links.end", `UPDATE one_time_link SET used_at = $3 WHERE account_id = $1 AND user_id = $2 AND used_at IS NULL`)

	invitations = store.Register("access.links.invitations", `SELECT l.user_id, max(l.expires_at), max(CASE WHEN l.used_at IS NULL THEN l.expires_at END)
		FROM one_time_link l JOIN member m ON m.account_id = l.account_id AND m.user_id = l.user_id
		WHERE l.account_id = $1 AND m.state = 'invited' GROUP BY l.user_id`)

	byLogin     = store.Unbound("access.credential.by-login", `SELECT account_id, user_id, password_hash FROM credential WHERE login_mac = $1`)
	linkBy      = store.Unbound("access.link.by-token", `SELECT account_id, user_id, expires_at FROM one_time_link WHERE token_hash = $1 AND used_at IS NULL`)
	addOperator = store.Unbound("access.operator.add", `INSERT INTO operator (operator_id, name, login_mac, password_hash, created_at, role, approves)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`)
	operatorBy       = store.Unbound("access.operator.by-login", `SELECT operator_id, name, password_hash FROM operator WHERE login_mac = $1`)
	operatorPassword = store.Unbound("access.operator.password", `UPDATE operator SET password_hash = $2 WHERE operator_id = $1`)
	operatorByID     = store.Unbound("access.operator", `SELECT name, role, approves FROM operator WHERE operator_id = $1`)
	supporters       = store.Unbound("access.supporters", `SELECT operator_id, name FROM operator WHERE role = 'support' ORDER BY name, operator_id`)
	approvers        = store.Unbound("access.approvers", `SELECT operator_id, name FROM operator WHERE role = 'operator' AND approves ORDER BY name, operator_id`)
)

// AddCredential lets a user sign in with the address behind mac, once a
// password is set. False: another user of the account has it.
func AddCredential(tx *store.Tx, id account.UserID, mac vault.MAC, at time.Time) (bool, error) {
	n, err := tx.Exec(addCredential, id, mac[:], at.UnixMicro())
	return n == 1, err
}

// SetLogin changes the address. False: another user of the account has it.
func SetLogin(tx *store.Tx, id account.UserID, mac vault.MAC) (bool, error) {
	n, err := tx.Exec(setLogin, id, mac[:])
	return n == 1, err
}

// SetPassword stores the PHC string of a new password.
func SetPassword(tx *store.Tx, id account.UserID, phc string, at time.Time) error {
	return tx.Must(setPassword, id, phc, at.UnixMicro())
}

// Password reads the PHC string; "" when none is set yet.
func Password(tx *store.Tx, id account.UserID) (phc string, err error) {
	err = tx.Row(getPassword, id).Scan(&phc)
	return phc, err
}

// Credential is a candidate of a sign-in.
type Credential struct {
	Account  account.ID // zero for an operator
	User     account.UserID
	Password string // PHC string
	Name     string // of an operator
}

// ByLogin lists, over all accounts and operators, who signs in with this
// address.
func ByLogin(d *store.Dir, mac vault.MAC) (out []Credential, err error) {
	rows, err := d.Query(byLogin, mac[:])
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var c Credential
		err := scan(&c.Account, &c.User, &c.Password)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err = d.Query(operatorBy, mac[:])
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var c Credential
		err := scan(&c.User, &c.Name, &c.Password)
		out = append(out, c)
		return err
	})
	return out, err
}

// Staff is somebody of the platform.
type Staff struct {
	Name     string
	Role     account.Role // operator or support
	Approves bool         // one of those who approve what needs several
}

// AddOperator stores somebody of the platform. False: the address is taken.
func AddOperator(d *store.Dir, id account.UserID, s Staff, mac vault.MAC, phc string, at time.Time) (bool, error) {
	n, err := d.Exec(addOperator, id, s.Name, mac[:], phc, at.UnixMicro(), string(s.Role), s.Approves && s.Role == account.Operator)
	return n == 1, err
}

// SetOperatorPassword replaces an operator's.
func SetOperatorPassword(d *store.Dir, id account.UserID, phc string) error {
	_, err := d.Exec(operatorPassword, id, phc)
	return err
}

// Operator reads somebody of the platform; store.ErrNone when there is none.
func Operator(d *store.Dir, id account.UserID) (s Staff, err error) {
	err = d.Row(operatorByID, id).Scan(&s.Name, &s.Role, &s.Approves)
	return s, err
}

// Supporter is somebody of the platform by id and name.
type Supporter struct {
	ID   account.UserID
	Name string
}

// Supporters lists the support, Approvers the operators who approve what needs
// several.
func Supporters(d *store.Dir) ([]Supporter, error) { return staff(d, supporters) }
func Approvers(d *store.Dir) ([]Supporter, error)  { return staff(d, approvers) }

func staff(d *store.Dir, st *store.Stmt) (out []Supporter, err error) {
	rows, err := d.Query(st)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Supporter
		err := scan(&s.ID, &s.Name)
		out = append(out, s)
		return err
	})
	return out, err
}

// AddLink stores a one-time link and ends the user's earlier ones.
func AddLink(tx *store.Tx, id account.UserID, token Hash, now, expires time.Time) error {
	if _, err := tx.Exec(endLinks, id, now.UnixMicro()); err != nil {
		return err
	}
	return tx.Must(addLink, token[:], id, expires.UnixMicro())
}

// EndLinks makes a user's links useless.
func EndLinks(tx *store.Tx, id account.UserID, now time.Time) error {
	_, err := WithdrawLinks(tx, id, now)
	return err
}

// WithdrawLinks is EndLinks. False: there were none that had not been used.
func WithdrawLinks(tx *store.Tx, id account.UserID, now time.Time) (bool, error) {
	n, err := tx.Exec(endLinks, id, now.UnixMicro())
	return n > 0, err
}

// Invitation is what the one-time links of somebody who has never signed in say.
type Invitation struct {
	Newest time.Time // the end of the newest link, used up or not
	Until  time.Time // the end of the one that can be used; zero: none can
}

// Invitations reads those of all invited users.
func Invitations(tx *store.Tx) (map[account.UserID]Invitation, error) {
	out := map[account.UserID]Invitation{}
	rows, err := tx.Query(invitations)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.UserID
		var i Invitation
		err := scan(&id, store.Time(&i.Newest), store.Time(&i.Until))
		out[id] = i
		return err
	})
	return out, err
}

// UseLink uses up a link. False: it was used, or its time is over.
func UseLink(tx *store.Tx, token Hash, now time.Time) (bool, error) {
	n, err := tx.Exec(useLink, token[:], now.UnixMicro())
	return n == 1, err
}

// LinkBy finds whose unused link it is; store.ErrNone.
func LinkBy(d *store.Dir, token Hash) (acct account.ID, user account.UserID, expires time.Time, err error) {
	err = d.Row(linkBy, token[:]).Scan(&acct, &user, store.Time(&expires))
	return acct, user, expires, err
}

var userByLogin = store.Register("access.credential.user", `SELECT user_id FROM credential WHERE account_id = $1 AND login_mac = $2`)

// UserByLogin finds the account's user by the keyed hash of their address; the
// zero id when there is none.
func UserByLogin(tx *store.Tx, mac vault.MAC) (id account.UserID, err error) {
	err = tx.Row(userByLogin, mac[:]).Scan(&id)
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return id, err
}
