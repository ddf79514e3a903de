// Package grants is the SQL of what accounts let somebody of the platform open
// (tables access_grant, grant_lead and grant_key).
package grants

import (
	"errors"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Kind says who made a grant.
type Kind string

// The kinds.
const (
	ByAccount  Kind = "account"     // the account's admin
	BreakGlass Kind = "break-glass" // several operators, in an emergency
)

// Grant is a row of access_grant.
type Grant struct {
	ID          account.GrantID
	Account     account.ID // known when it was found by whom it was given to
	Kind        Kind
	To          account.UserID // of the platform
	Fields      []vault.Field
	Reason      string
	From, Until time.Time
	By          string
	MadeAt      time.Time
	EndedBy     string
	EndedAt     time.Time // zero: not yet
	DestroyedAt time.Time // when its key was destroyed; zero: not yet
	Leads       int64     // how many; filled by lists
}

// Open reports whether something may be opened by it then.
func (g Grant) Open(now time.Time) bool {
	return g.EndedAt.IsZero() && !now.Before(g.From) && now.Before(g.Until)
}

// State is where the grant is then: waiting, open or ended.
func (g Grant) State(now time.Time) string {
	switch {
	case g.Open(now):
		return "open"
	case g.EndedAt.IsZero() && now.Before(g.From):
		return "waiting"
	}
	return "ended"
}

const columns = `grant_id, kind, operator_id, fields, reason, starts_at, ends_at, made_by, made_at, ended_by, ended_at, destroyed_at`

const counted = `SELECT ` + columns + `, (SELECT count(*) FROM grant_lead l WHERE l.account_id = $1 AND l.grant_id = g.grant_id) FROM access_grant g WHERE g.account_id = $1`

var (
	add = store.Register("grants.add", `INSERT INTO access_grant (account_id, `+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', NULL, NULL)`)
	addLeads = store.Bulk("grants.leads.add", `INSERT INTO grant_lead (account_id, grant_id, lead_id) VALUES`, `($1, $2, $3)`, ``)
	addKeys  = store.Bulk("grants.keys.add", `INSERT INTO grant_key (account_id, grant_id, person_id, wrapped) VALUES`, `($1, $2, $3, $4)`, ``)
	get      = store.Register("grants.get", counted+` AND g.grant_id = $2`)
	list     = store.Register("grants.list", counted+` AND (g.made_at, g.grant_id) < ($2, $3)
		AND ($4 = '' OR $4 = CASE WHEN g.ended_at IS NOT NULL OR g.ends_at <= $5 THEN 'ended' WHEN g.starts_at > $5 THEN 'waiting' ELSE 'open' END)
		ORDER BY g.made_at DESC, g.grant_id DESC LIMIT $6`)
	leadsOf  = store.Register("grants.leads", `SELECT lead_id FROM grant_lead WHERE account_id = $1 AND grant_id = $2 ORDER BY lead_id`)
	hasLead  = store.Register("grants.lead", `SELECT lead_id FROM grant_lead WHERE account_id = $1 AND grant_id = $2 AND lead_id = $3`)
	keysOf   = store.Register("grants.keys", `SELECT person_id, wrapped FROM grant_key WHERE account_id = $1 AND grant_id = $2`)
	dropKeys = store.Register("grants.keys.drop", `DELETE FROM grant_key WHERE account_id = $1 AND grant_id = $2`)
	forget   = store.List("grants.keys.forget", `DELETE FROM grant_key WHERE account_id = $1 AND person_id IN (LIST)`)
	end      = store.Register("grants.end", `UPDATE access_grant SET ended_by = $3, ended_at = $4 WHERE account_id = $1 AND grant_id = $2 AND ended_at IS NULL`)
	gone     = store.Register("grants.destroyed", `UPDATE access_grant SET destroyed_at = COALESCE(destroyed_at, $3) WHERE account_id = $1 AND grant_id = $2`)

	ofOperator = store.Unbound("grants.of-operator", `SELECT account_id, `+columns+` FROM access_grant
		WHERE operator_id = $1 AND (made_at, grant_id) < ($2, $3) ORDER BY made_at DESC, grant_id DESC LIMIT $4`)
	whose = store.Unbound("grants.whose", `SELECT account_id FROM access_grant WHERE operator_id = $1 AND grant_id = $2`)
)

// Add keeps a grant with its leads, and its persons' keys as the grant's key
// wraps them.
func Add(tx *store.Tx, g Grant, of []lead.ID, keys map[lead.PersonID][]byte) error {
	if err := tx.Must(add, g.ID, string(g.Kind), g.To, joined(g.Fields), g.Reason, store.Micro(g.From), store.Micro(g.Until), g.By, store.Micro(g.MadeAt)); err != nil {
		return err
	}
	var rows [][]any
	for _, id := range of {
		rows = append(rows, []any{g.ID, id})
	}
	if _, err := tx.Bulk(addLeads, rows); err != nil {
		return err
	}
	rows = nil
	for id, wrapped := range keys {
		rows = append(rows, []any{g.ID, id, wrapped})
	}
	_, err := tx.Bulk(addKeys, rows)
	return err
}

func joined(fields []vault.Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, string(f))
	}
	return strings.Join(out, ",")
}

// Get reads a grant; store.ErrNone.
func Get(tx *store.Tx, id account.GrantID) (Grant, error) {
	return scanCounted(tx.Row(get, id).Scan, tx.Account())
}

// List reads up to limit grants of the account that come after the place,
// newest first: those that are in the state now, or all for "".
func List(tx *store.Tx, state string, now, at time.Time, after account.GrantID, limit int) (out []Grant, err error) {
	from, after := place(at, after)
	rows, err := tx.Query(list, from, after, state, now.UnixMicro(), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		g, err := scanCounted(scan, tx.Account())
		out = append(out, g)
		return err
	})
	return out, err
}

// place is where a page begins: after it, or for none at the newest.
func place(at time.Time, after account.GrantID) (int64, account.GrantID) {
	if at.IsZero() {
		return int64(1) << 62, account.NewGrantID()
	}
	return at.UnixMicro(), after
}

// Leads lists the leads of a grant.
func Leads(tx *store.Tx, id account.GrantID) (out []lead.ID, err error) {
	rows, err := tx.Query(leadsOf, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var l lead.ID
		err := scan(&l)
		out = append(out, l)
		return err
	})
	return out, err
}

// Has reports whether the lead is one of the grant's.
func Has(tx *store.Tx, id account.GrantID, of lead.ID) (bool, error) {
	err := tx.Row(hasLead, id, of).Scan(new(lead.ID))
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Keys reads the keys that the grant's key wraps, by person.
func Keys(tx *store.Tx, id account.GrantID) (map[lead.PersonID][]byte, error) {
	out := map[lead.PersonID][]byte{}
	rows, err := tx.Query(keysOf, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var p lead.PersonID
		var wrapped []byte
		err := scan(&p, &wrapped)
		out[p] = wrapped
		return err
	})
	return out, err
}

// End ends a grant and drops its keys. False: it has ended before.
func End(tx *store.Tx, id account.GrantID, by string, at time.Time) (bool, error) {
	n, err := tx.Exec(end, id, by, at.UnixMicro())
	if err != nil || n != 1 {
		return false, err
	}
	_, err = tx.Exec(dropKeys, id)
	return true, err
}

// Destroyed notes when the grant's key was destroyed, once.
func Destroyed(tx *store.Tx, id account.GrantID, at time.Time) error {
	_, err := tx.Exec(gone, id, at.UnixMicro())
	return err
}

// Forget drops these persons' keys from every grant.
func Forget(tx *store.Tx, of []lead.PersonID) error {
	ids := make([]any, len(of))
	for i, id := range of {
		ids[i] = id
	}
	_, err := tx.ExecList(forget, nil, ids)
	return err
}

// OfOperator lists up to limit grants to somebody of the platform, over all
// accounts, newest first.
func OfOperator(d *store.Dir, to account.UserID, at time.Time, after account.GrantID, limit int) (out []Grant, err error) {
	from, after := place(at, after)
	rows, err := d.Query(ofOperator, to, from, after, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var of account.ID
		g, err := scanGrant(func(into ...any) error { return scan(append([]any{&of}, into...)...) })
		g.Account = of
		out = append(out, g)
		return err
	})
	return out, err
}

// Whose finds the account of a grant to somebody; store.ErrNone.
func Whose(d *store.Dir, to account.UserID, id account.GrantID) (of account.ID, err error) {
	err = d.Row(whose, to, id).Scan(&of)
	return of, err
}

func scanCounted(scan func(...any) error, of account.ID) (Grant, error) {
	var n int64
	g, err := scanGrant(func(into ...any) error { return scan(append(into, &n)...) })
	g.Account, g.Leads = of, n
	return g, err
}

func scanGrant(scan func(...any) error) (g Grant, err error) {
	var fields string
	err = scan(&g.ID, &g.Kind, &g.To, &fields, &g.Reason, store.Time(&g.From), store.Time(&g.Until), &g.By, store.Time(&g.MadeAt), &g.EndedBy,
		store.Time(&g.EndedAt), store.Time(&g.DestroyedAt))
	for _, f := range strings.Split(fields, ",") {
		g.Fields = append(g.Fields, vault.Field(f))
	}
	return g, err
}
