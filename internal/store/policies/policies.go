// Package policies is the SQL of routing policies (table policy). Package
// routing alone writes them.
package policies

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Policy is one version of a project's policy. Body is its JSON, which is
// never changed.
type Policy struct {
	ID          account.PolicyID
	Project     account.ProjectID
	Version     int64
	Name        string
	Body        string
	By          string // the actor who wrote it
	CreatedAt   time.Time
	PublishedAt time.Time        // last; zero: never
	Replaced    account.PolicyID // what was published before it; zero: the plain rotation
}

const columns = `policy_id, project_id, version, name, body, by_actor, created_at, published_at, replaced_id`

var (
	add = store.Register("policies.add", `INSERT INTO policy (account_id, policy_id, project_id, version, name, body, by_actor, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`)
	get    = store.Register("policies.get", `SELECT `+columns+` FROM policy WHERE account_id = $1 AND policy_id = $2`)
	newest = store.Register("policies.newest", `SELECT version FROM policy WHERE account_id = $1 AND project_id = $2 ORDER BY version DESC LIMIT 1`)
	list   = store.Register("policies.list", `SELECT `+columns+` FROM policy WHERE account_id = $1 ORDER BY created_at DESC, policy_id DESC`)
	mark   = store.Register("policies.mark", `UPDATE policy SET published_at = $3, replaced_id = $4 WHERE account_id = $1 AND policy_id = $2`)
)

// Add stores a new version. False: another of that number is there.
func Add(tx *store.Tx, p Policy) (bool, error) {
	n, err := tx.Exec(add, p.ID, p.Project, p.Version, p.Name, p.Body, p.By, store.Micro(p.CreatedAt))
	return n == 1, err
}

// Get reads one; store.ErrNone when there is none.
func Get(tx *store.Tx, id account.PolicyID) (Policy, error) { return scan(tx.Row(get, id).Scan) }

// Newest is the highest version of a project; store.ErrNone when there is none.
func Newest(tx *store.Tx, p account.ProjectID) (n int64, err error) {
	err = tx.Row(newest, p).Scan(&n)
	return n, err
}

// All lists every version of the account, newest first.
func All(tx *store.Tx) (out []Policy, err error) {
	rows, err := tx.Query(list)
	err = store.Each(rows, err, func(s func(...any) error) error {
		p, err := scan(s)
		out = append(out, p)
		return err
	})
	return out, err
}

// Mark notes that it was published, and in whose place.
func Mark(tx *store.Tx, id account.PolicyID, at time.Time, replaced account.PolicyID) error {
	return tx.Must(mark, id, store.Micro(at), replaced)
}

func scan(s func(...any) error) (p Policy, err error) {
	err = s(&p.ID, &p.Project, &p.Version, &p.Name, &p.Body, &p.By, store.Time(&p.CreatedAt), store.Time(&p.PublishedAt), &p.Replaced)
	return p, err
}
