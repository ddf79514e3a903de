// Package webhooks is the SQL of an account's webhooks and of what they did not
// take at the first try (tables webhook and webhook_delivery). Package webhook
// alone writes them.
package webhooks

import (
	"encoding/json"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Lease names a deliverer.
type Lease = ident.ID[leaseKind]

type leaseKind struct{}

// Prefix implements ident.Kind.
func (leaseKind) Prefix() string { return "dlvr" }

// NewLease makes one.
func NewLease() Lease { return ident.New[leaseKind]() }

// States of a webhook.
const (
	Active = "active"
	Paused = "paused" // by somebody of the account
	Gone   = "gone"   // the receiver has answered 410
)

// Webhook is a row of webhook.
type Webhook struct {
	ID           account.WebhookID
	URL          string
	Description  string
	Kinds        []string // of events that it asks for; none: of all
	State        string
	StateAt      time.Time
	ResumeAt     int64  // of a paused one: the position that it had read to
	SecretKey    []byte // wrapped
	Secret       []byte // sealed
	Earlier      []byte // sealed; signs too until then
	EarlierUntil time.Time
	CreatedAt    time.Time
	ChangedAt    time.Time

	RestUntil    time.Time // nothing is sent before
	NextAt       time.Time // when the first delivery that waits is due; zero: none waits
	Fails        int       // since something was taken last
	FailingSince time.Time
	Alarmed      bool
	Taken        int64
	Recent       []Answer // the newest first
	Checkpoint   int64    // entries in the newest checkpoint that was taken; -1: it asks for none
}

// Answer is how a receiver answered one message.
type Answer struct {
	Message string    `json:"message"` // its webhook-id
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Status  int       `json:"status"` // HTTP's; 0: there was none
	Class   string    `json:"class"`  // "": taken
	Took    int64     `json:"took_ms"`
}

// Follower is the webhook's name among the followers of events.
func Follower(id account.WebhookID) string { return FollowerPrefix + id.String() }

// FollowerPrefix begins the names of all of them.
const FollowerPrefix = "webhook:"

// SecretOf is a secret as an Opener takes it.
func (w *Webhook) SecretOf(data []byte) vault.Sealed {
	return vault.Sealed{Binding: Binding(w.ID), Subject: Subject(w.ID), Data: data}
}

// Subject is whose key seals a webhook's secrets: nobody's but its own.
func Subject(id account.WebhookID) vault.Subject { return vault.Subject(id.UUID()) }

// Binding is what they are bound to.
func Binding(id account.WebhookID) vault.Binding {
	return vault.Binding{Table: "webhook", Row: id.UUID(), Field: vault.ClientSecret}
}

const columns = `webhook_id, url, description, kinds, state, state_at, resume_at, secret_key, secret, earlier, earlier_until, created_at, changed_at,
	rest_until, next_at, fails, failing_since, alarmed, taken, recent, checkpoint_size`

var (
	add = store.Register("webhooks.add", `INSERT INTO webhook (account_id, webhook_id, url, description, kinds, state, state_at, resume_at, secret_key, secret, created_at, changed_at,
		follower, leased_until, rest_until, fails, alarmed, taken, recent, checkpoint_size)
		VALUES ($1, $2, $3, $4, $5, 'active', $6, 0, $7, $8, $6, $6, $9, 0, 0, 0, $10, 0, '[]', $11)`)
	get    = store.Register("webhooks.get", `SELECT `+columns+` FROM webhook WHERE account_id = $1 AND webhook_id = $2`)
	list   = store.Register("webhooks.list", `SELECT `+columns+` FROM webhook WHERE account_id = $1 ORDER BY created_at DESC, webhook_id DESC`)
	change = store.Register("webhooks.change", `UPDATE webhook SET url = $3, description = $4, kinds = $5, state = $6, state_at = $7, secret = $8, earlier = $9,
		earlier_until = $10, changed_at = $11, checkpoint_size = $12, resume_at = $13, rest_until = 0 WHERE account_id = $1 AND webhook_id = $2`)
	drop   = store.Register("webhooks.drop", `DELETE FROM webhook WHERE account_id = $1 AND webhook_id = $2`)
	rewrap = store.Register("webhooks.rewrap", `UPDATE webhook SET secret_key = $3 WHERE account_id = $1 AND webhook_id = $2 AND secret_key = $4`)
	lease  = store.Register("webhooks.lease", `UPDATE webhook SET lease = $3, leased_until = $4
		WHERE account_id = $1 AND webhook_id = $2 AND (leased_until <= $5 OR lease = $3)`)
	release = store.Register("webhooks.release", `UPDATE webhook SET leased_until = 0 WHERE account_id = $1 AND webhook_id = $2 AND lease = $3`)
	done    = store.Register("webhooks.done", `UPDATE webhook SET leased_until = $4, rest_until = $5, fails = $6, failing_since = $7, alarmed = $8, taken = $9, recent = $10,
		checkpoint_size = CASE WHEN checkpoint_size < 0 THEN checkpoint_size ELSE $11 END,
		next_at = (SELECT min(d.next_at) FROM webhook_delivery d WHERE d.account_id = $1 AND d.webhook_id = $2 AND d.next_at IS NOT NULL)
		WHERE account_id = $1 AND webhook_id = $2 AND lease = $3`)
	ended = store.Register("webhooks.gone", `UPDATE webhook SET state = 'gone', state_at = $3 WHERE account_id = $1 AND webhook_id = $2 AND state = 'active'`)
	wake  = store.Register("webhooks.wake", `UPDATE webhook SET rest_until = 0, next_at = $3 WHERE account_id = $1 AND webhook_id = $2`)

	// Whose turn it is, over all accounts: those that do not rest, with an event
	// that they have not read, a delivery that is due or a newer checkpoint.
	due = store.Unbound("webhooks.due", `SELECT w.account_id, w.webhook_id FROM webhook w
		LEFT JOIN event_head h ON h.account_id = w.account_id
		LEFT JOIN event_cursor c ON c.account_id = w.account_id AND c.follower = w.follower
		LEFT JOIN audit_head a ON a.account_id = w.account_id
		WHERE w.state = 'active' AND w.leased_until <= $1 AND w.rest_until <= $1
			AND (h.next_position > COALESCE(c.position, 1) OR w.next_at <= $1 OR (w.checkpoint_size >= 0 AND a.sign_at IS NULL AND a.size > w.checkpoint_size))
		ORDER BY w.rest_until, w.account_id, w.webhook_id LIMIT $2`)

	figures = store.Unbound("webhooks.figures", `SELECT COALESCE(SUM(CASE WHEN state = 'active' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'paused' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'gone' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'active' AND failing_since IS NOT NULL THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'active' AND next_at IS NOT NULL THEN 1 ELSE 0 END), 0), MIN(CASE WHEN state = 'active' THEN failing_since END) FROM webhook`)
)

// Figures count webhooks over all accounts.
type Figures struct {
	Active, Paused, Gone int64
	Failing              int64     // active ones whose last message was not taken
	Waiting              int64     // active ones with a message that is to be tried again
	Since                time.Time // when the first of the failing ones began to fail; zero: none does
}

// CountAll counts them.
func CountAll(d *store.Dir) (f Figures, err error) {
	err = d.Row(figures).Scan(&f.Active, &f.Paused, &f.Gone, &f.Failing, &f.Waiting, store.Time(&f.Since))
	return f, err
}

// Add keeps a new one; it reads what a caller may set, and Checkpoint.
func Add(tx *store.Tx, w Webhook) error {
	kinds, err := json.Marshal(w.Kinds)
	if err != nil {
		return err
	}
	return tx.Must(add, w.ID, w.URL, w.Description, string(kinds), store.Micro(w.CreatedAt), w.SecretKey, w.Secret, Follower(w.ID), false, w.Checkpoint)
}

// Get reads one, or store.ErrNone.
func Get(tx *store.Tx, id account.WebhookID) (Webhook, error) { return scan(tx.Row(get, id).Scan) }

// List reads all of the account, the newest first.
func List(tx *store.Tx) (out []Webhook, err error) {
	rows, err := tx.Query(list)
	err = store.Each(rows, err, func(row func(...any) error) error {
		w, err := scan(row)
		out = append(out, w)
		return err
	})
	return out, err
}

// Change writes what somebody may change, and has the deliverer begin at once.
func Change(tx *store.Tx, w Webhook) error {
	kinds, err := json.Marshal(w.Kinds)
	if err != nil {
		return err
	}
	var earlier any
	if len(w.Earlier) > 0 {
		earlier = w.Earlier
	}
	return tx.Must(change, w.ID, w.URL, w.Description, string(kinds), w.State, store.Micro(w.StateAt), w.Secret, earlier,
		store.Micro(w.EarlierUntil), store.Micro(w.ChangedAt), w.Checkpoint, w.ResumeAt)
}

// Drop forgets one, with its deliveries.
func Drop(tx *store.Tx, id account.WebhookID) error {
	if _, err := tx.Exec(dropDeliveries, id); err != nil {
		return err
	}
	return tx.Must(drop, id)
}

// Take gives the webhook to a deliverer. False: another one has it.
func Take(tx *store.Tx, id account.WebhookID, l Lease, now, until time.Time) (bool, error) {
	n, err := tx.Exec(lease, id, l, until.UnixMicro(), now.UnixMicro())
	return n == 1, err
}

// Release gives it back.
func Release(tx *store.Tx, id account.WebhookID, l Lease) error {
	_, err := tx.Exec(release, id, l)
	return err
}

// Done writes how the webhook stands after messages, and keeps it until then.
// False: another deliverer has it.
func Done(tx *store.Tx, w Webhook, l Lease, until time.Time) (bool, error) {
	recent, err := json.Marshal(w.Recent)
	if err != nil {
		return false, err
	}
	rest := int64(0)
	if !w.RestUntil.IsZero() {
		rest = w.RestUntil.UnixMicro()
	}
	n, err := tx.Exec(done, w.ID, l, until.UnixMicro(), rest, w.Fails, store.Micro(w.FailingSince), w.Alarmed, w.Taken, string(recent), w.Checkpoint)
	return n == 1, err
}

// SetGone notes that the receiver is gone.
func SetGone(tx *store.Tx, id account.WebhookID, at time.Time) error {
	_, err := tx.Exec(ended, id, at.UnixMicro())
	return err
}

// Wake has the deliverer look at once.
func Wake(tx *store.Tx, id account.WebhookID, now time.Time) error {
	return tx.Must(wake, id, now.UnixMicro())
}

// Turn is whose turn it is.
type Turn struct {
	Account account.ID
	ID      account.WebhookID
}

// Due lists, over all accounts, up to limit webhooks that have something to be told.
func Due(d *store.Dir, now time.Time, limit int) (out []Turn, err error) {
	rows, err := d.Query(due, now.UnixMicro(), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var t Turn
		err := scan(&t.Account, &t.ID)
		out = append(out, t)
		return err
	})
	return out, err
}

// Keys lists the wrapped keys of the account's webhooks.
func Keys(tx *store.Tx) (out []vault.Wrapped, err error) {
	all, err := List(tx)
	for _, w := range all {
		out = append(out, vault.Wrapped{Subject: Subject(w.ID), Key: w.SecretKey})
	}
	return out, err
}

// Rewrap puts a key that was wrapped anew into the place of the old form.
func Rewrap(tx *store.Tx, old vault.Wrapped, wrapped []byte) error {
	_, err := tx.Exec(rewrap, account.WebhookIDFrom(old.Subject), wrapped, old.Key)
	return err
}

func scan(row func(...any) error) (w Webhook, err error) {
	var kinds, recent string
	var rest int64
	err = row(&w.ID, &w.URL, &w.Description, &kinds, &w.State, store.Time(&w.StateAt), &w.ResumeAt, &w.SecretKey, &w.Secret, &w.Earlier, store.Time(&w.EarlierUntil),
		store.Time(&w.CreatedAt), store.Time(&w.ChangedAt), &rest, store.Time(&w.NextAt), &w.Fails, store.Time(&w.FailingSince), &w.Alarmed, &w.Taken, &recent, &w.Checkpoint)
	if err != nil {
		return w, err
	}
	if rest != 0 {
		w.RestUntil = time.UnixMicro(rest).UTC()
	}
	if err = json.Unmarshal([]byte(kinds), &w.Kinds); err == nil {
		err = json.Unmarshal([]byte(recent), &w.Recent)
	}
	if err != nil {
		err = fmt.Errorf("webhooks: a webhook's lists: %w", err)
	}
	return w, err
}
