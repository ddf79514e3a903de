// Package ending is the SQL of an account's end: table account_end, and the
// removal of every row that an account has, whichever table it is in.
package ending

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// End is an account that is to end.
type End struct {
	AskedAt   time.Time
	DueAt     time.Time // the end of the grace time
	By        string
	StartedAt time.Time // since when there is no way back; zero: there is
	Keys      Keys
	Counts    map[string]int64 // rows removed so far, by table
}

// Keys names the keys that were destroyed; none of them is a key.
type Keys struct {
	Generations []uint32        `json:"generations"` // of the keyset, with their drop boxes
	API         []account.KeyID `json:"api"`
	DestroyedAt time.Time       `json:"destroyed_at,omitzero"` // zero: not yet
}

const columns = `asked_at, due_at, by_actor, started_at, keys, counts`

var (
	add    = store.Register("ending.add", `INSERT INTO account_end (account_id, `+columns+`) VALUES ($1, $2, $3, $4, NULL, '{}', '{}') ON CONFLICT DO NOTHING`)
	get    = store.Register("ending.get", `SELECT `+columns+` FROM account_end WHERE account_id = $1`)
	hasten = store.Register("ending.hasten", `UPDATE account_end SET due_at = $2 WHERE account_id = $1 AND started_at IS NULL`)
	cancel = store.Register("ending.cancel", `DELETE FROM account_end WHERE account_id = $1 AND started_at IS NULL`)
	start  = store.Register("ending.start", `UPDATE account_end SET started_at = $2, keys = $3 WHERE account_id = $1 AND started_at IS NULL`)
	note   = store.Register("ending.note", `UPDATE account_end SET keys = $2 WHERE account_id = $1`)
	count  = store.Register("ending.count", `UPDATE account_end SET counts = $2 WHERE account_id = $1`)
	// the job that ends the account is the one that has to stay
	otherJobs = store.Register("ending.jobs", `DELETE FROM job WHERE account_id = $1 AND kind <> 'end-account'`)
	list      = store.Unbound("ending.list", `SELECT account_id, `+columns+` FROM account_end`)
)

// table is what is known of one: how its rows go, and whether there are any.
type table struct {
	store.Table
	remove, has *store.Stmt
	count       *store.Stmt // of those that somebody else empties
}

// tables lists all that have rows of accounts, those of keys first: from then on
// the rest is noise.
var tables = makeTables()

func makeTables() (out []table) {
	first := store.KeyTables()
	for _, t := range store.Tables() {
		if !t.Account {
			continue
		}
		one := table{Table: t, remove: store.Register("ending.remove."+t.Name, t.RemoveText()),
			has: store.Register("ending.has."+t.Name, "SELECT 1 FROM "+t.Name+" WHERE account_id = $1 LIMIT 1")}
		if t.InsertOnly {
			one.count = store.Register("ending.count."+t.Name, "SELECT count(*) FROM "+t.Name+" WHERE account_id = $1")
		}
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b table) int {
		return rank(slices.Contains(first, a.Name)) - rank(slices.Contains(first, b.Name))
	})
	return out
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// atOnce go in the transaction that destroys the keys: what somebody comes in by.
var atOnce = []string{"account_keyset", "api_key", "key_generation", "credential", "session", "one_time_link", "second_factor", "recovery_code", "passkey"}

// last stay until everything else is gone: without them nobody would go on.
var last = []string{"account", "account_end", "job"}

// Ask writes down that the account is to end; false when that was done before.
func Ask(tx *store.Tx, e End) (bool, error) {
	n, err := tx.Exec(add, store.Micro(e.AskedAt), store.Micro(e.DueAt), e.By)
	return n == 1, err
}

// Get returns the account's end, or store.ErrNone.
func Get(tx *store.Tx) (End, error) { return scan(tx.Row(get).Scan) }

// Hasten sets another end of the grace time; store.ErrNone when there is none
// that could be set.
func Hasten(tx *store.Tx, at time.Time) error { return tx.Must(hasten, store.Micro(at)) }

// Cancel takes it back; store.ErrNone when there is nothing that could be.
func Cancel(tx *store.Tx) error { return tx.Must(cancel) }

// OfAccount is an End with whose it is.
type OfAccount struct {
	Account account.ID
	End
}

// List gives the ends of all accounts.
func List(d *store.Dir) (out []OfAccount, err error) {
	rows, err := d.Query(list)
	err = store.Each(rows, err, func(s func(...any) error) (err error) {
		var o OfAccount
		o.End, err = scan(func(dest ...any) error { return s(append([]any{&o.Account}, dest...)...) })
		out = append(out, o)
		return err
	})
	return out, err
}

func scan(row func(...any) error) (e End, err error) {
	var keys, counts []byte
	err = row(store.Time(&e.AskedAt), store.Time(&e.DueAt), &e.By, store.Time(&e.StartedAt), &keys, &counts)
	if err == nil {
		err = errors.Join(json.Unmarshal(keys, &e.Keys), json.Unmarshal(counts, &e.Counts))
	}
	return e, err
}

// Start closes the way back and notes which keys there are.
func Start(tx *store.Tx, at time.Time, keys Keys) error {
	text, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	return tx.Must(start, store.Micro(at), string(text))
}

// Destroy takes away the keyset, what somebody comes in by, and all other jobs.
func Destroy(tx *store.Tx, at time.Time) error {
	e, err := Get(tx)
	if err != nil {
		return err
	}
	e.Keys.DestroyedAt = at
	text, err := json.Marshal(e.Keys)
	if err != nil {
		return err
	}
	if err := tx.Must(note, string(text)); err != nil {
		return err
	}
	for _, t := range tables {
		for more := slices.Contains(atOnce, t.Name); more; {
			n, err := tx.Exec(t.remove)
			if err != nil {
				return err
			}
			if err := Count(tx, map[string]int64{t.Name: n}); err != nil {
				return err
			}
			more = n > 0
		}
	}
	return removeJobs(tx)
}

func removeJobs(tx *store.Tx) error {
	n, err := tx.Exec(otherJobs)
	if err != nil {
		return err
	}
	return Count(tx, map[string]int64{"job": n})
}

// Count adds to what was removed. Where nobody has asked for the end, in an
// older database of an account that is gone, nothing is counted.
func Count(tx *store.Tx, more map[string]int64) error {
	e, err := Get(tx)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	changed := false
	for name, n := range more {
		if n > 0 {
			e.Counts[name], changed = e.Counts[name]+n, true
		}
	}
	if !changed {
		return nil
	}
	text, err := json.Marshal(e.Counts)
	if err != nil {
		return err
	}
	return tx.Must(count, string(text))
}

// Remove takes away some rows, of one table, and counts them: one transaction of
// many. from is the place in the list of tables to go on at, beginning with 0;
// next is the one for the call after this, below 0 when there are no more rows
// but the last ones. kept says that the tables of the record are somebody else's
// to empty, as on PostgreSQL.
func Remove(tx *store.Tx, from int, kept bool) (next int, err error) {
	for i := from; i < len(tables); i++ {
		t := tables[i]
		if slices.Contains(last, t.Name) || kept && t.InsertOnly {
			continue
		}
		n, err := tx.Exec(t.remove)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t.Name, err)
		}
		if n > 0 {
			return i, Count(tx, map[string]int64{t.Name: n})
		}
	}
	return -1, removeJobs(tx)
}

// CountKept counts the rows of the record, once, before somebody else empties
// its tables.
func CountKept(tx *store.Tx) error {
	e, err := Get(tx)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	for _, t := range tables {
		if !t.InsertOnly || e.Counts[t.Name] > 0 {
			continue
		}
		var n int64
		if err := tx.Row(t.count).Scan(&n); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if err := Count(tx, map[string]int64{t.Name: n}); err != nil {
			return err
		}
	}
	return nil
}

// Finish takes away the last rows and whatever came meanwhile; the caller has
// settled its job before, in the same transaction.
func Finish(tx *store.Tx, kept bool) error {
	for _, t := range tables {
		for more := !kept || !t.InsertOnly; more; {
			n, err := tx.Exec(t.remove)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
			more = n > 0
		}
	}
	return nil
}

// Left names a table that has rows of the account; "" when none has.
func Left(tx *store.Tx) (string, error) {
	for _, t := range tables {
		var one int
		err := tx.Row(t.has).Scan(&one)
		if err == nil {
			return t.Name, nil
		}
		if !errors.Is(err, store.ErrNone) {
			return "", fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return "", nil
}
