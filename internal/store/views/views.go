// Package views is the SQL of the views of the list of leads that people keep
// (table saved_view). A view has words of a filter, and nothing of a lead.
package views

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// View is a row of saved_view.
type View struct {
	ID        account.ViewID
	User      account.UserID // whose it is
	Name      string
	Filter    string // JSON: which leads, in the words of the list
	List      string // a work list instead; "": none
	Hidden    []string
	Shared    bool
	CreatedAt time.Time
	ChangedAt time.Time
}

const columns = `view_id, user_id, name, filter, list, hidden, shared, created_at, changed_at`

var (
	add    = store.Register("views.add", `INSERT INTO saved_view (account_id, `+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`)
	get    = store.Register("views.get", `SELECT `+columns+` FROM saved_view WHERE account_id = $1 AND view_id = $2`)
	own    = store.Register("views.own", `SELECT `+columns+` FROM saved_view WHERE account_id = $1 AND user_id = $2 ORDER BY view_id`)
	shared = store.Register("views.shared", `SELECT `+columns+` FROM saved_view WHERE account_id = $1 AND shared ORDER BY view_id`)
	update = store.Register("views.update", `UPDATE saved_view SET name = $4, filter = $5, list = $6, hidden = $7, shared = $8, changed_at = $9
		WHERE account_id = $1 AND view_id = $2 AND user_id = $3`)
	drop = store.Register("views.drop", `DELETE FROM saved_view WHERE account_id = $1 AND view_id = $2 AND user_id = $3`)
)

// Add keeps the view.
func Add(tx *store.Tx, v View) error {
	hidden, err := json.Marshal(v.Hidden)
	if err != nil {
		return err
	}
	return tx.Must(add, v.ID, v.User, v.Name, v.Filter, v.List, string(hidden), v.Shared, store.Micro(v.CreatedAt), store.Micro(v.ChangedAt))
}

// Get returns the view, or store.ErrNone.
func Get(tx *store.Tx, id account.ViewID) (View, error) { return scan(tx.Row(get, id).Scan) }

// Of lists what is the user's own, Shared what anybody shares.
func Of(tx *store.Tx, u account.UserID) ([]View, error) {
	rows, err := tx.Query(own, u)
	return all(rows, err)
}

// Shared lists what anybody of the account shares.
func Shared(tx *store.Tx) ([]View, error) {
	rows, err := tx.Query(shared)
	return all(rows, err)
}

// Update writes a view of its user's; store.ErrNone when there is none.
func Update(tx *store.Tx, v View) error {
	hidden, err := json.Marshal(v.Hidden)
	if err != nil {
		return err
	}
	return tx.Must(update, v.ID, v.User, v.Name, v.Filter, v.List, string(hidden), v.Shared, store.Micro(v.ChangedAt))
}

// Drop forgets a view of its user's; store.ErrNone when there is none.
func Drop(tx *store.Tx, v View) error { return tx.Must(drop, v.ID, v.User) }

func all(rows store.Rows, err error) (out []View, e error) {
	e = store.Each(rows, err, func(s func(...any) error) error {
		v, err := scan(s)
		out = append(out, v)
		return err
	})
	return out, e
}

func scan(row func(...any) error) (v View, err error) {
	var hidden string
	err = row(&v.ID, &v.User, &v.Name, &v.Filter, &v.List, &hidden, &v.Shared, store.Time(&v.CreatedAt), store.Time(&v.ChangedAt))
	if err == nil {
		if err = json.Unmarshal([]byte(hidden), &v.Hidden); err != nil {
			err = fmt.Errorf("views: columns of a view: %w", err)
		}
	}
	return v, err
}
