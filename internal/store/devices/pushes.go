package devices

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Push is where the pushes of a user's browser go.
type Push struct {
	ID        account.PushID
	User      account.UserID
	Session   account.SessionID
	Place     []byte // sealed under the user's key
	Alarms    bool
	CreatedAt time.Time
	WipeAt    time.Time // zero: it is in use

	AnsweredAt time.Time // when it last said that it had a push; zero: never
}

// SealedPlace is the place as an Opener takes it.
func (p *Push) SealedPlace() vault.Sealed {
	return vault.Sealed{Binding: PushBinding(p.ID), Subject: vault.Subject(p.User.UUID()), Data: p.Place}
}

// PushBinding is what a subscription's place is bound to.
func PushBinding(id account.PushID) vault.Binding {
	return vault.Binding{Table: "push_subscription", Row: id.UUID(), Field: vault.Pushing}
}

const pushColumns = `p.push_id, p.user_id, p.session_id, p.place, p.alarms, p.created_at, p.wipe_at, p.answered_at`

// live: the session that subscribed was not ended. (NOT … <> keeps the planner
// from the primary key, which has no account.)
const live = ` AND p.wipe_at IS NULL AND EXISTS (SELECT 1 FROM session s
	WHERE s.account_id = $1 AND s.user_id = p.user_id AND NOT s.session_id <> p.session_id AND s.revoked_at IS NULL)`

var (
	addPush = store.Register("devices.push.add", `INSERT INTO push_subscription (account_id, push_id, user_id, session_id, endpoint_mac, place, alarms, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
	noEndpoint  = store.Register("devices.push.no-endpoint", `DELETE FROM push_subscription WHERE account_id = $1 AND endpoint_mac = $2`)
	noPush      = store.Register("devices.push.remove", `DELETE FROM push_subscription WHERE account_id = $1 AND push_id = $2`)
	pushesOf    = store.Register("devices.push.of", `SELECT `+pushColumns+` FROM push_subscription p WHERE p.account_id = $1 AND p.user_id = $2 ORDER BY p.created_at DESC, p.push_id`)
	anyPush     = store.Register("devices.push.any", `SELECT created_at FROM push_subscription WHERE account_id = $1 LIMIT 1`)
	alarmPushes = store.Register("devices.push.alarms", `SELECT `+pushColumns+` FROM push_subscription p WHERE p.account_id = $1 AND p.alarms`+live)
	movePush    = store.Register("devices.push.move", `UPDATE push_subscription SET session_id = $4 WHERE account_id = $1 AND user_id = $2 AND session_id = $3 AND wipe_at IS NULL`)
	wipePush    = store.Register("devices.push.wipe", `UPDATE push_subscription SET wipe_at = $3 WHERE account_id = $1 AND push_id = $2 AND wipe_at IS NULL`)
	answered    = store.Register("devices.push.answered", `UPDATE push_subscription SET answered_at = $4 WHERE account_id = $1 AND push_id = $2 AND user_id = $3 AND wipe_at IS NULL`)
	offered     = store.Register("devices.push.offered", `SELECT o.offer_id, o.state, o.expires_at, `+pushColumns+` FROM offer o
		JOIN push_subscription p ON p.account_id = $1 AND p.user_id = o.user_id
		WHERE o.account_id = $1 AND o.round_id = $2 AND o.open`+live)
)

// AddPush stores where a browser's pushes go, in the place of what that browser
// had before, whosever it was: mac is its endpoint's.
func AddPush(tx *store.Tx, p Push, mac [32]byte) error {
	if _, err := tx.Exec(noEndpoint, mac[:]); err != nil {
		return err
	}
	return tx.Must(addPush, p.ID, p.User, p.Session, mac[:], p.Place, p.Alarms, store.Micro(p.CreatedAt))
}

// RemovePush forgets one.
func RemovePush(tx *store.Tx, id account.PushID) error {
	_, err := tx.Exec(noPush, id)
	return err
}

// AnyPush reports whether anybody of the account has pushes.
func AnyPush(tx *store.Tx) (bool, error) {
	var at time.Time
	err := tx.Row(anyPush).Scan(store.Time(&at))
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Pushes lists a user's, newest first, also those that are to be wiped.
func Pushes(tx *store.Tx, user account.UserID) ([]Push, error) {
	rows, err := tx.Query(pushesOf, user)
	return scanPushes(rows, err)
}

// AlarmPushes lists those of the account that want alarms.
func AlarmPushes(tx *store.Tx) ([]Push, error) {
	rows, err := tx.Query(alarmPushes)
	return scanPushes(rows, err)
}

func scanPushes(rows store.Rows, err error) (out []Push, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var p Push
		err := scan(p.dest()...)
		out = append(out, p)
		return err
	})
	return out, err
}

func (p *Push) dest() []any {
	return []any{&p.ID, &p.User, &p.Session, &p.Place, &p.Alarms, store.Time(&p.CreatedAt), store.Time(&p.WipeAt), store.Time(&p.AnsweredAt)}
}

// Offered is an open offer and a browser of the one who is asked.
type Offered struct {
	Offer     lead.OfferID
	State     lead.OfferState
	ExpiresAt time.Time
	Push
}

// OfferedIn lists those of a round.
func OfferedIn(tx *store.Tx, round lead.RoundID) (out []Offered, err error) {
	rows, err := tx.Query(offered, round)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var o Offered
		err := scan(append([]any{&o.Offer, &o.State, store.Time(&o.ExpiresAt)}, o.dest()...)...)
		out = append(out, o)
		return err
	})
	return out, err
}

// MovePushes has the pushes of a device follow it to its next session.
func MovePushes(tx *store.Tx, user account.UserID, from, to account.SessionID) error {
	_, err := tx.Exec(movePush, user, from, to)
	return err
}

// WipePushes leaves, to those of a user's browsers whose session which chooses
// (nil: all), only the push that wipes; how many.
func WipePushes(tx *store.Tx, user account.UserID, which func(account.SessionID) bool, at time.Time) (n int, err error) {
	list, err := Pushes(tx, user)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		if !p.WipeAt.IsZero() || which != nil && !which(p.Session) {
			continue
		}
		if _, err := tx.Exec(wipePush, p.ID, store.Micro(at)); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Answered notes that a browser has had a push. False: it is not subscribed
// any more.
func Answered(tx *store.Tx, id account.PushID, user account.UserID, at time.Time) (bool, error) {
	n, err := tx.Exec(answered, id, user, store.Micro(at))
	return n == 1, err
}
