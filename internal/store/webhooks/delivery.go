package webhooks

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Delivery is a row of webhook_delivery: a message that was not taken at the
// first try.
type Delivery struct {
	Position   int64 // of the event
	Kind       string
	Body       string // JSON as it is sent
	HappenedAt time.Time
	Tries      int
	TriedAt    time.Time
	Status     int       // HTTP's; 0: there was no answer
	Class      string    // why it was not taken
	NextAt     time.Time // zero: it is on the dead list
}

const deliveryColumns = `position, kind, body, happened_at, tries, tried_at, status, class, next_at`

var (
	// A replay may send what waits already: then there is one row all the same.
	keep = store.Bulk("webhooks.delivery.keep", `INSERT INTO webhook_delivery (account_id, webhook_id, `+deliveryColumns+`) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, `ON CONFLICT (account_id, webhook_id, position) DO UPDATE SET
		tries = excluded.tries, tried_at = excluded.tried_at, status = excluded.status, class = excluded.class, next_at = excluded.next_at`)
	taken   = store.Register("webhooks.delivery.taken", `DELETE FROM webhook_delivery WHERE account_id = $1 AND webhook_id = $2 AND position = $3`)
	waiting = store.Register("webhooks.delivery.due", `SELECT `+deliveryColumns+` FROM webhook_delivery
		WHERE account_id = $1 AND webhook_id = $2 AND next_at IS NOT NULL AND next_at <= $3 ORDER BY next_at LIMIT $4`)
	page = store.Register("webhooks.delivery.page", `SELECT `+deliveryColumns+` FROM webhook_delivery
		WHERE account_id = $1 AND webhook_id = $2 AND position < $3 AND (next_at IS NULL) = $4 ORDER BY position DESC LIMIT $5`)
	again = store.Register("webhooks.delivery.again", `UPDATE webhook_delivery SET next_at = $4, tries = 0
		WHERE account_id = $1 AND webhook_id = $2 AND position = $3`)
	againSince = store.Register("webhooks.delivery.again-since", `UPDATE webhook_delivery SET next_at = $4, tries = 0
		WHERE account_id = $1 AND webhook_id = $2 AND happened_at >= $3`)
	atOnce = store.Register("webhooks.delivery.at-once", `UPDATE webhook_delivery SET next_at = $3, tries = CASE WHEN tries > 1 THEN tries - 1 ELSE tries END
		WHERE account_id = $1 AND webhook_id = $2 AND next_at > $3`)
	counts = store.Register("webhooks.delivery.count", `SELECT COALESCE(sum(CASE WHEN next_at IS NULL THEN 1 ELSE 0 END), 0), count(*)
		FROM webhook_delivery WHERE account_id = $1 AND webhook_id = $2`)
	forget = store.Register("webhooks.delivery.forget", `DELETE FROM webhook_delivery
		WHERE account_id = $1 AND webhook_id = $2 AND next_at IS NULL AND happened_at < $3`)
	dropDeliveries = store.Register("webhooks.delivery.drop", `DELETE FROM webhook_delivery WHERE account_id = $1 AND webhook_id = $2`)
)

// Keep writes what was not taken; a row that is there is written over.
func Keep(tx *store.Tx, id account.WebhookID, all []Delivery) error {
	rows := make([][]any, len(all))
	for i, d := range all {
		rows[i] = []any{id, d.Position, d.Kind, d.Body, store.Micro(d.HappenedAt), d.Tries, store.Micro(d.TriedAt), d.Status, d.Class, store.Micro(d.NextAt)}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.Bulk(keep, rows)
	return err
}

// Taken forgets what was taken after all.
func Taken(tx *store.Tx, id account.WebhookID, position int64) error {
	_, err := tx.Exec(taken, id, position)
	return err
}

// DueOf lists up to limit deliveries that are due, the longest due first.
func DueOf(tx *store.Tx, id account.WebhookID, now time.Time, limit int) ([]Delivery, error) {
	return listDeliveries(tx.Query(waiting, id, now.UnixMicro(), limit))
}

// Deliveries lists up to limit of those that wait, or are dead, the newest event
// first, from before the position on.
func Deliveries(tx *store.Tx, id account.WebhookID, before int64, dead bool, limit int) ([]Delivery, error) {
	return listDeliveries(tx.Query(page, id, before, dead, limit))
}

// Again has one delivery sent anew, from the first try on. False: there is none.
func Again(tx *store.Tx, id account.WebhookID, position int64, now time.Time) (bool, error) {
	n, err := tx.Exec(again, id, position, now.UnixMicro())
	return n == 1, err
}

// AgainSince has those of events since then sent anew, and says how many.
func AgainSince(tx *store.Tx, id account.WebhookID, since, now time.Time) (int64, error) {
	return tx.Exec(againSince, id, since.UnixMicro(), now.UnixMicro())
}

// AtOnce has all that waits for a later try sent now: the receiver is back. The
// try is one more than they had left.
func AtOnce(tx *store.Tx, id account.WebhookID, now time.Time) error {
	_, err := tx.Exec(atOnce, id, now.UnixMicro())
	return err
}

// Count says how many deliveries wait, and how many are dead.
func Count(tx *store.Tx, id account.WebhookID) (waits, dead int64, err error) {
	var all int64
	err = tx.Row(counts, id).Scan(&dead, &all)
	return all - dead, dead, err
}

// Forget deletes dead ones of events before then.
func Forget(tx *store.Tx, id account.WebhookID, before time.Time) error {
	_, err := tx.Exec(forget, id, before.UnixMicro())
	return err
}

func listDeliveries(rows store.Rows, err error) (out []Delivery, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var d Delivery
		err := scan(&d.Position, &d.Kind, &d.Body, store.Time(&d.HappenedAt), &d.Tries, store.Time(&d.TriedAt), &d.Status, &d.Class, store.Time(&d.NextAt))
		out = append(out, d)
		return err
	})
	return out, err
}
