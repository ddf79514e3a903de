package access

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/rights"
	"catchment/internal/store"
)

// OwnRole is a role that an account made for itself (table own_role).
type OwnRole struct {
	ID        account.RoleID
	Name      string
	Grants    rights.Definition
	CreatedAt time.Time
	ChangedAt time.Time
}

const roleColumns = `role_id, name, grants, created_at, changed_at`

var (
	addRole = store.Register("access.role.add", `INSERT INTO own_role (account_id, `+roleColumns+`) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`)
	getRole = store.Register("access.role", `SELECT `+roleColumns+` FROM own_role WHERE account_id = $1 AND role_id = $2`)
	allRole = store.Register("access.role.all", `SELECT `+roleColumns+` FROM own_role WHERE account_id = $1 ORDER BY created_at DESC, role_id DESC`)
	setRole = store.Register("access.role.set", `UPDATE own_role SET name = $3, grants = $4, changed_at = $5
		WHERE account_id = $1 AND role_id = $2`)
	dropRole  = store.Register("access.role.drop", `DELETE FROM own_role WHERE account_id = $1 AND role_id = $2`)
	roleUsers = store.Register("access.role.users", `SELECT user_id FROM member WHERE account_id = $1 AND role = $2 ORDER BY user_id`)
	able      = store.Register("access.role.able", `SELECT count(*), count(CASE
			WHEN $3 AND EXISTS (SELECT 1 FROM credential c WHERE c.account_id = $1 AND c.user_id = m.user_id AND c.password_hash <> '') THEN 1
			WHEN $3 AND EXISTS (SELECT 1 FROM passkey k WHERE k.account_id = $1 AND k.user_id = m.user_id) THEN 1
			WHEN EXISTS (SELECT 1 FROM sso_bond b JOIN sso_provider p ON p.account_id = b.account_id WHERE b.account_id = $1 AND b.user_id = m.user_id) THEN 1
		END) FROM member m WHERE m.account_id = $1 AND m.role = $2 AND m.state = 'active'`)
	roleKeys = store.Register("access.role.keys", `SELECT key_id FROM api_key WHERE account_id = $1 AND role = $2 AND revoked_at IS NULL ORDER BY key_id`)
)

// AddRole stores a role. False: the account has one of that name.
func AddRole(tx *store.Tx, r OwnRole) (bool, error) {
	n, err := tx.Exec(addRole, r.ID, r.Name, grantsText(r.Grants), store.Micro(r.CreatedAt), store.Micro(r.ChangedAt))
	return n == 1, err
}

// Role reads one; store.ErrNone when there is none.
func Role(tx *store.Tx, id account.RoleID) (OwnRole, error) {
	return scanRole(tx.Row(getRole, id).Scan)
}

// Roles lists them, newest first.
func Roles(tx *store.Tx) (out []OwnRole, err error) {
	rows, err := tx.Query(allRole)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		r, err := scanRole(scan)
		out = append(out, r)
		return err
	})
	return out, err
}

// SetRole stores name and grants; store.ErrNone when there is no such role. The
// caller has seen that no other has the name.
func SetRole(tx *store.Tx, r OwnRole) error {
	return tx.Must(setRole, r.ID, r.Name, grantsText(r.Grants), store.Micro(r.ChangedAt))
}

// DropRole removes one; store.ErrNone when there is none.
func DropRole(tx *store.Tx, id account.RoleID) error { return tx.Must(dropRole, id) }

// RoleHolders lists the users and the keys that are not revoked which have the role.
func RoleHolders(tx *store.Tx, id account.RoleID) (users []account.UserID, keys []account.KeyID, err error) {
	rows, err := tx.Query(roleUsers, id.String())
	if users, err = ids[account.UserID](rows, err); err != nil {
		return nil, nil, err
	}
	rows, err = tx.Query(roleKeys, id.String())
	keys, err = ids[account.KeyID](rows, err)
	return users, keys, err
}

// Able counts the active users of a role, and those of them who can sign in:
// through the account's identity provider, and when alone is set by password or
// passkey.
func Able(tx *store.Tx, r account.Role, alone bool) (active, canSignIn int, err error) {
	err = tx.Row(able, string(r), alone).Scan(&active, &canSignIn)
	return active, canSignIn, err
}

func ids[T any](rows store.Rows, err error) (out []T, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id T
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

func scanRole(scan func(...any) error) (r OwnRole, err error) {
	var grants string
	if err := scan(&r.ID, &r.Name, &grants, store.Time(&r.CreatedAt), store.Time(&r.ChangedAt)); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(grants), &r.Grants); err != nil {
		return r, fmt.Errorf("access: grants of %s: %w", r.ID, err)
	}
	return r, nil
}

func grantsText(d rights.Definition) string {
	text, _ := json.Marshal(d) // words cannot fail
	return string(text)
}
