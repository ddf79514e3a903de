// Package members is the SQL of the people who work in an account (tables
// member and member_key; their shifts belong to store/offers).
package members

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// State is whether somebody may come in.
type State string

// The states of a member.
const (
	Invited     State = "invited" // has a one-time link
	Active      State = "active"
	Deactivated State = "deactivated"
)

// Member is one who works in the account. Phone and Email are sealed with the
// member's own key.
type Member struct {
	ID         account.UserID
	Role       account.Role
	State      State
	Name       string // what colleagues call them
	Phone      []byte
	Email      []byte
	TimeZone   string
	Presence   account.Presence
	PresenceAt time.Time
	CreatedAt  time.Time
}

// SealedPhone is the phone as an Opener takes it.
func (m *Member) SealedPhone() vault.Sealed { return m.sealed(vault.Phone, m.Phone) }

// SealedEmail is the e-mail address as an Opener takes it.
func (m *Member) SealedEmail() vault.Sealed { return m.sealed(vault.Email, m.Email) }

func (m *Member) sealed(f vault.Field, data []byte) vault.Sealed {
	return vault.Sealed{Binding: Binding(m.ID, f), Subject: vault.Subject(m.ID.UUID()), Data: data}
}

// Binding is what a sealed value of the member is bound to.
func Binding(id account.UserID, f vault.Field) vault.Binding {
	return vault.Binding{Table: "member", Row: id.UUID(), Field: f}
}

const columns = `user_id, role, state, name, phone, email, time_zone, presence, presence_at, created_at`

var (
	add = store.Register("members.add", `INSERT INTO member (account_id, `+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`)
	get    = store.Register("members.get", `SELECT `+columns+` FROM member WHERE account_id = $1 AND user_id = $2`)
	all    = store.Register("members.all", `SELECT `+columns+` FROM member WHERE account_id = $1 ORDER BY created_at, user_id`)
	update = store.Register("members.update", `UPDATE member SET role = $3, state = $4, name = $5, phone = $6, email = $7, time_zone = $8
		WHERE account_id = $1 AND user_id = $2`)
	welcome = store.Register("members.welcome", `UPDATE member SET state = 'active' WHERE account_id = $1 AND user_id = $2 AND state = 'invited'`)

	addKey = store.Register("members.key.add", `INSERT INTO member_key (account_id, user_id, keyset_version, wrapped) VALUES ($1, $2, $3, $4)`)
	getKey = store.Register("members.key.get", `SELECT wrapped FROM member_key WHERE account_id = $1 AND user_id = $2`)
	keys   = store.List("members.keys", `SELECT user_id, wrapped FROM member_key WHERE account_id = $1 AND user_id IN (LIST)`)
)

// Add stores a new member.
func Add(tx *store.Tx, m *Member) error {
	return tx.Must(add, m.ID, string(m.Role), string(m.State), m.Name, m.Phone, m.Email, m.TimeZone,
		string(m.Presence), m.PresenceAt.UnixMicro(), m.CreatedAt.UnixMicro())
}

// Get reads a member; store.ErrNone when there is none.
func Get(tx *store.Tx, id account.UserID) (*Member, error) {
	m := &Member{}
	return m, m.scan(tx.Row(get, id).Scan)
}

// All reads every member, the first one first.
func All(tx *store.Tx) (out []*Member, err error) {
	rows, err := tx.Query(all)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		m := &Member{}
		out = append(out, m)
		return m.scan(scan)
	})
	return out, err
}

func (m *Member) scan(scan func(...any) error) error {
	var role, state, presence string
	err := scan(&m.ID, &role, &state, &m.Name, &m.Phone, &m.Email, &m.TimeZone, &presence, store.Time(&m.PresenceAt), store.Time(&m.CreatedAt))
	m.Role, m.State, m.Presence = account.Role(role), State(state), account.Presence(presence)
	return err
}

// Update stores role, state, name, phone, e-mail and time zone.
func Update(tx *store.Tx, m *Member) error {
	return tx.Must(update, m.ID, string(m.Role), string(m.State), m.Name, m.Phone, m.Email, m.TimeZone)
}

// Welcome makes an invited member active. Others stay as they are.
func Welcome(tx *store.Tx, id account.UserID) error {
	_, err := tx.Exec(welcome, id)
	return err
}

// AddKey stores a member's wrapped key.
func AddKey(tx *store.Tx, id account.UserID, version uint32, wrapped []byte) error {
	return tx.Must(addKey, id, int64(version), wrapped)
}

// Key reads a member's wrapped key; store.ErrNone when it was destroyed.
func Key(tx *store.Tx, id account.UserID) (wrapped []byte, err error) {
	err = tx.Row(getKey, id).Scan(&wrapped)
	return wrapped, err
}

// Keys reads the wrapped keys of those subjects that are members.
func Keys(tx *store.Tx, subjects []vault.Subject) (map[vault.Subject][]byte, error) {
	list := make([]any, len(subjects))
	for i, s := range subjects {
		var id account.UserID
		if err := id.Scan(s[:]); err != nil {
			return nil, err
		}
		list[i] = id
	}
	out := map[vault.Subject][]byte{}
	err := tx.QueryList(keys, nil, list, func(scan func(...any) error) error {
		var id account.UserID
		var wrapped []byte
		err := scan(&id, &wrapped)
		out[vault.Subject(id.UUID())] = wrapped
		return err
	})
	return out, err
}
