package offers

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Round is one saved decision: all that it saw.
type Round struct {
	ID        lead.RoundID
	Pool      account.PoolID
	At        time.Time
	Decisions int64
	Input     []byte // packed by package routing
}

// Decision is what a round decided for one lead.
type Decision struct {
	Lead    lead.ID
	Round   lead.RoundID
	N       int            // place in the round
	User    account.UserID // zero: nobody
	Offer   lead.OfferID   // zero: none
	Reasons []byte         // one byte a candidate, in the round's order
}

var (
	roundAdd = store.Register("offers.round_add", `INSERT INTO round (account_id, round_id, pool_id, decided_at, decisions, input)
		VALUES ($1, $2, $3, $4, $5, $6)`)
	roundGet = store.Register("offers.round_get", `SELECT round_id, pool_id, decided_at, decisions, input FROM round
		WHERE account_id = $1 AND round_id = $2`)
	roundProject = store.Register("offers.round_project", `SELECT p.pool_id, p.project_id FROM round r
		JOIN pool p ON p.account_id = $1 AND p.pool_id = r.pool_id WHERE r.account_id = $1 AND r.round_id = $2`)
	roundPage = store.Register("offers.round_page", `SELECT round_id, pool_id, decided_at, decisions, input FROM round
		WHERE account_id = $1 AND pool_id = $2 AND (decided_at, round_id) > ($3, $4) AND decided_at < $5 ORDER BY decided_at, round_id LIMIT $6`)
	roundCount = store.Register("offers.round_count", `SELECT count(*) FROM round
		WHERE account_id = $1 AND pool_id = $2 AND decided_at >= $3 AND decided_at < $4`)
	decisionAdd = store.Bulk("offers.decision_add", `INSERT INTO decision (account_id, lead_id, round_id, n, user_id, offer_id, reasons) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7)`, ``)
	decisionOfLead = store.Register("offers.decision_of_lead", `SELECT d.lead_id, d.round_id, d.n, d.user_id, d.offer_id, d.reasons
		FROM decision d JOIN round r ON r.account_id = $1 AND r.round_id = d.round_id
		WHERE d.account_id = $1 AND d.lead_id = $2 ORDER BY r.decided_at, d.round_id LIMIT $3`)
	decisionOfRound = store.Register("offers.decision_of_round", `SELECT lead_id, round_id, n, user_id, offer_id, reasons
		FROM decision WHERE account_id = $1 AND round_id = $2 ORDER BY n`)
)

// AddRound saves a round and its decisions.
func AddRound(tx *store.Tx, r Round, ds []Decision) error {
	if err := tx.Must(roundAdd, r.ID, r.Pool, store.Micro(r.At), int64(len(ds)), r.Input); err != nil {
		return err
	}
	rows := make([][]any, len(ds))
	for i, d := range ds {
		rows[i] = []any{d.Lead, r.ID, d.N, d.User, d.Offer, d.Reasons}
	}
	_, err := tx.Bulk(decisionAdd, rows)
	return err
}

// GetRound reads a round; store.ErrNone when there is none.
func GetRound(tx *store.Tx, id lead.RoundID) (r Round, err error) {
	err = tx.Row(roundGet, id).Scan(&r.ID, &r.Pool, store.Time(&r.At), &r.Decisions, &r.Input)
	return r, err
}

// RoundsAfter lists a pool's rounds before the time until, oldest first, that
// come after the given time and id; the zero id is before every other.
func RoundsAfter(tx *store.Tx, p account.PoolID, at time.Time, id lead.RoundID, until time.Time, limit int) (out []Round, err error) {
	from := store.Micro(at)
	if id.IsZero() {
		from = at.UnixMicro() - 1
		id = lead.NewRoundID() // any: the time alone decides
	}
	rows, err := tx.Query(roundPage, p, from, id, store.Micro(until), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var r Round
		err := scan(&r.ID, &r.Pool, store.Time(&r.At), &r.Decisions, &r.Input)
		out = append(out, r)
		return err
	})
	return out, err
}

// CountRounds counts a pool's rounds from a time until another.
func CountRounds(tx *store.Tx, p account.PoolID, from, until time.Time) (n int64, err error) {
	err = tx.Row(roundCount, p, store.Micro(from), store.Micro(until)).Scan(&n)
	return n, err
}

// ProjectOf says whose round it was.
func ProjectOf(tx *store.Tx, id lead.RoundID) (pool account.PoolID, project account.ProjectID, err error) {
	err = tx.Row(roundProject, id).Scan(&pool, &project)
	return pool, project, err
}

// DecisionsOf lists a lead's decisions, the first one first.
func DecisionsOf(tx *store.Tx, id lead.ID, limit int) ([]Decision, error) {
	rows, err := tx.Query(decisionOfLead, id, limit)
	return scanDecisions(rows, err)
}

// DecisionsIn lists a round's decisions in their order.
func DecisionsIn(tx *store.Tx, id lead.RoundID) ([]Decision, error) {
	rows, err := tx.Query(decisionOfRound, id)
	return scanDecisions(rows, err)
}

func scanDecisions(rows store.Rows, err error) (out []Decision, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var d Decision
		err := scan(&d.Lead, &d.Round, &d.N, &d.User, &d.Offer, &d.Reasons)
		out = append(out, d)
		return err
	})
	return out, err
}
