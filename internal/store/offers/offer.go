package offers

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Offer is a timed invitation to one salesperson.
type Offer struct {
	ID         lead.OfferID
	Lead       lead.ID
	Pool       account.PoolID
	Project    account.ProjectID
	Source     account.SourceID // of the lead
	User       account.UserID
	Round      lead.RoundID
	State      lead.OfferState
	Open       bool
	MadeAt     time.Time
	ExpiresAt  time.Time
	ResolvedAt time.Time // zero: open
	Reason     string    // a code, of a decline or a loss
}

const offerSelect = `SELECT o.offer_id, o.lead_id, o.pool_id, l.project_id, l.source_id, o.user_id, o.round_id, o.state, o.open,
	o.made_at, o.expires_at, o.resolved_at, o.reason FROM offer o JOIN lead l ON l.account_id = $1 AND l.lead_id = o.lead_id`

var (
	offerAdd = store.Bulk("offers.offer_add", `INSERT INTO offer (account_id, offer_id, lead_id, pool_id, user_id, round_id, state, open, made_at, expires_at, reason) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '')`, ``)
	offerGet    = store.Register("offers.offer_get", offerSelect+` WHERE o.account_id = $1 AND o.offer_id = $2`)
	offerOpenOf = store.Register("offers.offer_open_of", offerSelect+` WHERE o.account_id = $1 AND o.user_id = $2 AND o.open
		ORDER BY o.expires_at, o.offer_id LIMIT $3`)
	offerOfLead  = store.Register("offers.offer_of_lead", offerSelect+` WHERE o.account_id = $1 AND o.lead_id = $2 ORDER BY o.made_at, o.offer_id`)
	offerOfRound = store.Register("offers.offer_due", offerSelect+` WHERE o.account_id = $1 AND o.round_id = $2 AND o.open AND o.expires_at <= $3`)
	offerLate    = store.Register("offers.offer_late", `SELECT expires_at FROM offer WHERE account_id = $1 AND round_id = $2 AND open
		ORDER BY expires_at LIMIT 1`)
	offerResolve = store.Register("offers.offer_resolve", `UPDATE offer SET state = $3, open = $4, resolved_at = $5, reason = $6
		WHERE account_id = $1 AND offer_id = $2 AND open`)
	offerExpire = store.Register("offers.offer_expire", `UPDATE offer SET state = 'expired', open = $3, resolved_at = $4
		WHERE account_id = $1 AND round_id = $2 AND open AND expires_at <= $4`)
	offerMark = store.Register("offers.offer_mark", `UPDATE offer SET state = $3
		WHERE account_id = $1 AND offer_id = $2 AND open AND state = $4`)
	offerTried = store.List("offers.tried", `SELECT lead_id, user_id, made_at, state FROM offer WHERE account_id = $1 AND lead_id IN (LIST)`)
	offerBoard = store.Register("offers.board", `SELECT p.project_id, CAST(sum(m.open_offers) AS bigint) FROM pool_member m
		JOIN pool p ON p.account_id = $1 AND p.pool_id = m.pool_id WHERE m.account_id = $1 AND m.open_offers > 0 GROUP BY p.project_id`)
)

// Add makes a round's offers, all of them queued.
func Add(tx *store.Tx, offers []Offer) error {
	rows := make([][]any, len(offers))
	for i, o := range offers {
		rows[i] = []any{o.ID, o.Lead, o.Pool, o.User, o.Round, string(lead.OfferQueued), true, store.Micro(o.MadeAt), store.Micro(o.ExpiresAt)}
	}
	_, err := tx.Bulk(offerAdd, rows)
	return err
}

func scanOffer(scan func(...any) error) (o Offer, err error) {
	err = scan(&o.ID, &o.Lead, &o.Pool, &o.Project, &o.Source, &o.User, &o.Round, &o.State, &o.Open,
		store.Time(&o.MadeAt), store.Time(&o.ExpiresAt), store.Time(&o.ResolvedAt), &o.Reason)
	return o, err
}

func scanOffers(rows store.Rows, err error) (out []Offer, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		o, err := scanOffer(scan)
		out = append(out, o)
		return err
	})
	return out, err
}

// Get reads an offer; store.ErrNone when there is none.
func Get(tx *store.Tx, id lead.OfferID) (Offer, error) { return scanOffer(tx.Row(offerGet, id).Scan) }

// OpenOf lists a user's open offers, the one that ends first at the front.
func OpenOf(tx *store.Tx, u account.UserID, limit int) ([]Offer, error) {
	rows, err := tx.Query(offerOpenOf, u, limit)
	return scanOffers(rows, err)
}

// OfLead lists a lead's offers, the first one first.
func OfLead(tx *store.Tx, id lead.ID) ([]Offer, error) {
	rows, err := tx.Query(offerOfLead, id)
	return scanOffers(rows, err)
}

// Due lists a round's open offers that ended at or before the given time.
func Due(tx *store.Tx, r lead.RoundID, at time.Time) ([]Offer, error) {
	rows, err := tx.Query(offerOfRound, r, store.Micro(at))
	return scanOffers(rows, err)
}

// NextDue is when the next open offer of a round ends; store.ErrNone when
// none is open.
func NextDue(tx *store.Tx, r lead.RoundID) (at time.Time, err error) {
	err = tx.Row(offerLate, r).Scan(store.Time(&at))
	return at, err
}

// Resolve ends an open offer. False: it was not open.
func Resolve(tx *store.Tx, id lead.OfferID, s lead.OfferState, at time.Time, reason string) (bool, error) {
	n, err := tx.Exec(offerResolve, id, string(s), false, store.Micro(at), reason)
	return n == 1, err
}

// Expire ends a round's open offers that ended at or before the given time,
// and returns their number.
func Expire(tx *store.Tx, r lead.RoundID, at time.Time) (int64, error) {
	return tx.Exec(offerExpire, r, false, store.Micro(at))
}

// Mark moves an open offer from one open state to another. False: it is not
// in that state.
func Mark(tx *store.Tx, id lead.OfferID, from, to lead.OfferState) (bool, error) {
	n, err := tx.Exec(offerMark, id, string(to), string(from))
	return n == 1, err
}

// Tried is an earlier offer of a lead.
type Tried struct {
	Lead lead.ID
	User account.UserID
	At   int64 // microseconds
	// State is the offer's.
	State lead.OfferState
}

// TriedOf calls f with each earlier offer of the leads, in no order.
func TriedOf(tx *store.Tx, ids []lead.ID, f func(Tried)) error {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	return tx.QueryList(offerTried, nil, list, func(scan func(...any) error) error {
		var t Tried
		if err := scan(&t.Lead, &t.User, &t.At, &t.State); err != nil {
			return err
		}
		f(t)
		return nil
	})
}

// Board counts the open offers of every project that has any, by what its
// members are counted to have: an account may have many more offers than people.
func Board(tx *store.Tx) (map[account.ProjectID]int64, error) {
	out := map[account.ProjectID]int64{}
	rows, err := tx.Query(offerBoard)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var p account.ProjectID
		var n int64
		err := scan(&p, &n)
		out[p] = n
		return err
	})
	return out, err
}
