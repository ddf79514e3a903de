// Package offers is the SQL of pools, their members and shifts, the offers
// made to them, and the ledger of decisions (tables pool, pool_member, shift,
// holiday, offer, round, decision). Package routing alone writes them.
package offers

import (
	"bytes"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Pool says how a project's leads are offered.
type Pool struct {
	ID            account.PoolID
	Project       account.ProjectID
	Name          string
	AcceptSeconds int64  // how long an offer stands
	OffersAtOnce  int64  // open offers that one salesperson may have
	QueueName     string // the named place where a lead ends that nobody takes
	AlarmSeconds  int64  // waiting longer than this raises the queue's alarm
	Version       int64
	CreatedAt     time.Time
	Policy        account.PolicyID // the published one; zero: the plain rotation
}

const (
	poolNew     = `pool_id, project_id, name, accept_seconds, offers_at_once, queue_name, alarm_seconds, version, created_at`
	poolColumns = poolNew + `, policy_id`
)

var (
	poolAdd = store.Register("offers.pool_add", `INSERT INTO pool (account_id, `+poolNew+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) ON CONFLICT DO NOTHING`)
	poolGet  = store.Register("offers.pool_get", `SELECT `+poolColumns+` FROM pool WHERE account_id = $1 AND pool_id = $2`)
	poolOf   = store.Register("offers.pool_of", `SELECT `+poolColumns+` FROM pool WHERE account_id = $1 AND project_id = $2`)
	poolList = store.Register("offers.pool_list", `SELECT `+poolColumns+` FROM pool WHERE account_id = $1 ORDER BY created_at, pool_id`)
	poolSet  = store.Register("offers.pool_set", `UPDATE pool SET name = $3, accept_seconds = $4, offers_at_once = $5, queue_name = $6,
		alarm_seconds = $7, version = version + 1 WHERE account_id = $1 AND pool_id = $2 AND version = $8`)
	poolPolicy = store.Register("offers.pool_policy", `UPDATE pool SET policy_id = $3, version = version + 1
		WHERE account_id = $1 AND pool_id = $2 AND version = $4`)
	poolNext = store.Register("offers.pool_next", `UPDATE pool SET version = version + 1
		WHERE account_id = $1 AND pool_id = $2 AND version = $3`)
	poolTurn = store.Register("offers.pool_turn", `UPDATE pool SET version = version WHERE account_id = $1 AND pool_id = (
		SELECT p.pool_id FROM pool p WHERE p.account_id = $1 ORDER BY p.created_at, p.pool_id LIMIT 1)`)
)

// AddPool makes a pool; false when the project has one.
func AddPool(tx *store.Tx, p Pool) (bool, error) {
	n, err := tx.Exec(poolAdd, p.ID, p.Project, p.Name, p.AcceptSeconds, p.OffersAtOnce, p.QueueName, p.AlarmSeconds, store.Micro(p.CreatedAt))
	return n == 1, err
}

func scanPool(scan func(...any) error) (p Pool, err error) {
	err = scan(&p.ID, &p.Project, &p.Name, &p.AcceptSeconds, &p.OffersAtOnce, &p.QueueName, &p.AlarmSeconds, &p.Version, store.Time(&p.CreatedAt), &p.Policy)
	return p, err
}

// GetPool reads a pool; store.ErrNone when there is none.
func GetPool(tx *store.Tx, id account.PoolID) (Pool, error) {
	return scanPool(tx.Row(poolGet, id).Scan)
}

// PoolOf reads a project's pool; store.ErrNone when it has none.
func PoolOf(tx *store.Tx, p account.ProjectID) (Pool, error) { return scanPool(tx.Row(poolOf, p).Scan) }

// Pools lists the account's pools, the oldest first.
func Pools(tx *store.Tx) (out []Pool, err error) {
	rows, err := tx.Query(poolList)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		p, err := scanPool(scan)
		out = append(out, p)
		return err
	})
	return out, err
}

// SetPool changes a pool that is still as it was read (version). False: it is not.
func SetPool(tx *store.Tx, p Pool) (bool, error) {
	n, err := tx.Exec(poolSet, p.ID, p.Name, p.AcceptSeconds, p.OffersAtOnce, p.QueueName, p.AlarmSeconds, p.Version)
	return n == 1, err
}

// SetPolicy publishes a policy for a pool that is still as it was read
// (version); the zero id is the plain rotation. False: it is not.
func SetPolicy(tx *store.Tx, p Pool, id account.PolicyID) (bool, error) {
	n, err := tx.Exec(poolPolicy, p.ID, id, p.Version)
	return n == 1, err
}

// Turn makes the account's rounds take turns, by writing one row that all of
// them write first: a salesperson may be in several pools, and the limit of
// open offers counts them together.
func Turn(tx *store.Tx) error {
	_, err := tx.Exec(poolTurn)
	return err
}

// NextRound is the compare-and-set of a round: false when the pool is not as
// it was read.
func NextRound(tx *store.Tx, p Pool) (bool, error) {
	n, err := tx.Exec(poolNext, p.ID, p.Version)
	return n == 1, err
}

// Members ---------------------------------------------------------------------

var (
	memberSet = store.Register("offers.member_set", `INSERT INTO pool_member (account_id, pool_id, user_id, active, last_offer_at, offers_made, open_offers)
		VALUES ($1, $2, $3, $4, 0, 0, 0) ON CONFLICT (account_id, pool_id, user_id) DO UPDATE SET active = excluded.active`)
	memberCount = store.Bulk("offers.member_count", `INSERT INTO pool_member (account_id, pool_id, user_id, active, last_offer_at, offers_made, open_offers, credit, misses) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9)`, `ON CONFLICT (account_id, pool_id, user_id) DO UPDATE SET
		last_offer_at = CASE WHEN excluded.last_offer_at > pool_member.last_offer_at THEN excluded.last_offer_at ELSE pool_member.last_offer_at END,
		offers_made = pool_member.offers_made + excluded.offers_made, open_offers = pool_member.open_offers + excluded.open_offers,
		credit = pool_member.credit + excluded.credit, misses = pool_member.misses + excluded.misses`)
	memberFree = store.Register("offers.member_free", `UPDATE pool_member SET open_offers = open_offers - 1, misses = CASE WHEN $4 THEN 0 ELSE misses END
		WHERE account_id = $1 AND pool_id = $2 AND user_id = $3`)
	memberIn = store.Register("offers.member_in", `SELECT m.user_id FROM pool_member m JOIN pool p ON p.account_id = $1 AND p.pool_id = m.pool_id
		WHERE m.account_id = $1 AND m.user_id = $2 AND m.active AND p.project_id = $3`)
	memberLead = store.Register("offers.member_lead", `INSERT INTO pool_member (account_id, pool_id, user_id, active, leads, last_offer_at, offers_made, open_offers)
		VALUES ($1, $2, $3, false, $4, 0, 0, 0) ON CONFLICT (account_id, pool_id, user_id) DO UPDATE SET leads = excluded.leads`)
	memberLeads = store.Register("offers.member_leads", `SELECT user_id FROM pool_member WHERE account_id = $1 AND pool_id = $2 AND leads`)
	memberTeams = store.Register("offers.member_teams", `SELECT p.project_id FROM pool_member m JOIN pool p ON p.account_id = $1 AND p.pool_id = m.pool_id
		WHERE m.account_id = $1 AND m.user_id = $2 AND (m.active OR m.leads) ORDER BY p.project_id`)
	memberProjects = store.Register("offers.member_projects", `SELECT p.project_id FROM pool_member m JOIN pool p ON p.account_id = $1 AND p.pool_id = m.pool_id
		WHERE m.account_id = $1 AND m.user_id = $2 AND m.active ORDER BY p.project_id`)
	memberShared = store.Register("offers.member_shared", `SELECT DISTINCT p.project_id FROM pool_member a
		JOIN pool_member b ON b.account_id = $1 AND b.user_id = a.user_id JOIN pool p ON p.account_id = $1 AND p.pool_id = b.pool_id
		WHERE a.account_id = $1 AND a.pool_id = $2 ORDER BY p.project_id`)
)

// SetMember puts a user into a pool, or (active false) out of it. The row
// stays, and with it the person's place in the rotation.
func SetMember(tx *store.Tx, p account.PoolID, u account.UserID, active bool) error {
	return tx.Must(memberSet, p, u, active)
}

// SetLead has a user lead the pool's team, or not any more: a lead follows the
// team, and is offered its leads only as a member, too.
func SetLead(tx *store.Tx, p account.PoolID, u account.UserID, leads bool) error {
	return tx.Must(memberLead, p, u, leads)
}

// Leads lists who leads the pool's team.
func Leads(tx *store.Tx, p account.PoolID) (ids []account.UserID, err error) {
	rows, err := tx.Query(memberLeads, p)
	err = each(rows, err, &ids)
	return ids, err
}

// Count is what a round or an expiry changes for one member.
type Count struct {
	User        account.UserID
	LastOfferAt int64 // 0: unchanged
	Made, Open  int64 // added
	Credit      int64 // added
	Missed      int64 // added
}

// CountMembers adds to the counters of a pool's members, always in the order
// of their ids, so that two transactions do not wait for each other.
func CountMembers(tx *store.Tx, p account.PoolID, cs []Count) error {
	slices.SortFunc(cs, func(a, b Count) int { x, y := a.User.UUID(), b.User.UUID(); return bytes.Compare(x[:], y[:]) })
	rows := make([][]any, len(cs))
	for i, c := range cs {
		rows[i] = []any{p, c.User, false, c.LastOfferAt, c.Made, c.Open, c.Credit, c.Missed} // the row is there: false changes nothing
	}
	_, err := tx.Bulk(memberCount, rows)
	return err
}

// FreeMember counts one open offer less. answered: the person did so, and the
// row of offers missed one after the other ends.
func FreeMember(tx *store.Tx, p account.PoolID, u account.UserID, answered bool) error {
	return tx.Must(memberFree, p, u, answered)
}

// IsMember reports whether the user is in the project's pool.
func IsMember(tx *store.Tx, u account.UserID, p account.ProjectID) (bool, error) {
	var ids []account.UserID
	rows, err := tx.Query(memberIn, u, p)
	err = each(rows, err, &ids)
	return len(ids) > 0, err
}

// ProjectsOf lists the projects in whose pools the user is.
func ProjectsOf(tx *store.Tx, u account.UserID) (ids []account.ProjectID, err error) {
	rows, err := tx.Query(memberProjects, u)
	err = each(rows, err, &ids)
	return ids, err
}

// TeamsOf lists the projects whose team the user is in: as a member of the pool or
// as a lead. store.InTeam is the same as a condition.
func TeamsOf(tx *store.Tx, u account.UserID) (ids []account.ProjectID, err error) {
	rows, err := tx.Query(memberTeams, u)
	err = each(rows, err, &ids)
	return ids, err
}

// ProjectsSharing lists the pool's own project and those whose pools have a
// member in common with it.
func ProjectsSharing(tx *store.Tx, p account.PoolID) (ids []account.ProjectID, err error) {
	rows, err := tx.Query(memberShared, p)
	err = each(rows, err, &ids)
	return ids, err
}

// each gathers a result of one column.
func each[T any](rows store.Rows, err error, out *[]T) error {
	return store.Each(rows, err, func(scan func(...any) error) error {
		var v T
		if err := scan(&v); err != nil {
			return err
		}
		*out = append(*out, v)
		return nil
	})
}
