package notify

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/store/offers"
	"catchment/internal/vault"
)

const mostPushes = 10 // of a user; one more takes the place of the oldest

// Subscription is what a browser says of itself.
type Subscription struct {
	Endpoint, P256DH, Auth string
	Alarms                 bool
}

// Subscribe has the pushes of a session's user go to a browser. 422: it is no
// subscription, or of no push service that pushes go to.
func (n *Notifier) Subscribe(tx *store.Tx, user account.UserID, session account.SessionID, in Subscription) (devices.Push, error) {
	place, err := courier.ParsePush(n.o.Carrier.Hosts(), in.Endpoint, in.P256DH, in.Auth)
	if errors.Is(err, courier.ErrPushHost) {
		return devices.Push{}, problem.InvalidField("subscription.endpoint", "host_not_allowed", "Pushes go to known push services over https alone; --push-hosts adds others.")
	}
	if err != nil {
		return devices.Push{}, problem.InvalidField("subscription", "not_a_subscription", "Send what the browser's PushSubscription.toJSON() gives.")
	}
	had, err := n.Own(tx, user)
	if err != nil {
		return devices.Push{}, err
	}
	for i, p := range had {
		if p.Session != session && i < mostPushes-1 {
			continue
		}
		if err := devices.RemovePush(tx, p.ID); err != nil {
			return devices.Push{}, err
		}
	}
	seal, err := n.o.Seal(tx, user)
	if err != nil {
		return devices.Push{}, err
	}
	text, err := json.Marshal(place)
	if err != nil {
		return devices.Push{}, err
	}
	p := devices.Push{ID: account.NewPushID(), User: user, Session: session, Alarms: in.Alarms, CreatedAt: n.now()}
	p.Place = seal(devices.PushBinding(p.ID), vault.Hide(string(text))).Data
	if err := devices.AddPush(tx, p, n.o.TokenMAC("push-endpoint", tx.Account().String()+place.Endpoint)); err != nil {
		return p, err
	}
	return p, audit.Write(tx, p.CreatedAt, audit.Entry{Actor: user.String(), Action: "push.subscribe", About: p.ID.String(),
		Detail: map[string]any{"session": session, "alarms": p.Alarms}})
}

// Own lists a user's subscriptions that are in use, newest first.
func (n *Notifier) Own(tx *store.Tx, user account.UserID) (out []devices.Push, err error) {
	all, err := devices.Pushes(tx, user)
	for _, p := range all {
		if p.WipeAt.IsZero() {
			out = append(out, p)
		}
	}
	return out, err
}

// Unsubscribe ends the pushes of a session; true if there were any.
func (n *Notifier) Unsubscribe(tx *store.Tx, user account.UserID, session account.SessionID) (bool, error) {
	had, err := n.Own(tx, user)
	any := false
	for _, p := range had {
		if err == nil && p.Session == session {
			any, err = true, devices.RemovePush(tx, p.ID)
		}
	}
	if err != nil || !any {
		return any, err
	}
	return any, audit.Write(tx, n.now(), audit.Entry{Actor: user.String(), Action: "push.unsubscribe", About: session.String()})
}

// Try sends a push of the kind test to a session's browser, once and without a
// job. 409: the session has no pushes.
func (n *Notifier) Try(ctx context.Context, s account.Scope, user account.UserID, session account.SessionID) error {
	var out []errand
	err := n.o.DB.Read(ctx, s, func(tx *store.Tx) error {
		out = nil
		had, err := n.Own(tx, user)
		for _, p := range had {
			if p.Session == session {
				out = append(out, errand{push: p, kind: courier.PushTest, about: p.ID.String(), until: n.now().Add(testLife)})
			}
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = problem.Conflict("no_pushes", "This browser has no pushes. Turn them on first.")
	}
	if err != nil {
		return err
	}
	return n.send(ctx, s, out)
}

// Wiped has a user's revoked browsers told, after the transaction.
func (n *Notifier) Wiped(tx *store.Tx, user account.UserID) error {
	return n.o.Jobs.Add(tx, KindWipe, user.String(), n.now())
}

// An acknowledgement's token is psa_ and, in base64url, account ‖ subscription
// ‖ user ‖ offer (zeros for what is none) ‖ 16 bytes of a keyed hash. It stands
// in the push, which only the browser can read.
const (
	ackPrefix = "psa_"
	ackIDs    = 4 * 16
	ackSize   = ackIDs + 16
)

func (n *Notifier) ackToken(acct account.ID, e errand) string {
	b := make([]byte, 0, ackSize)
	for _, id := range [][16]byte{acct.UUID(), e.push.ID.UUID(), e.push.User.UUID(), e.offer.UUID()} {
		b = append(b, id[:]...)
	}
	mac := n.o.TokenMAC("push-ack", string(b))
	return ackPrefix + base64.RawURLEncoding.EncodeToString(append(b, mac[:16]...))
}

type ack struct {
	scope account.Scope
	push  account.PushID
	user  account.UserID
	offer lead.OfferID
}

func (n *Notifier) parseAck(text string) (a ack, ok bool) {
	rest, found := strings.CutPrefix(text, ackPrefix)
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if !found || err != nil || len(b) != ackSize {
		return a, false
	}
	mac := n.o.TokenMAC("push-ack", string(b[:ackIDs]))
	if !hmac.Equal(mac[:16], b[ackIDs:]) {
		return a, false
	}
	id := func(i int) [16]byte { return [16]byte(b[16*i : 16*i+16]) }
	return ack{admit.To(account.IDFrom(id(0))), account.PushIDFrom(id(1)), account.UserIDFrom(id(2)), lead.OfferIDFrom(id(3))}, true
}

// Had is what an acknowledged push was about, as it is now.
type Had struct {
	Open      bool      // the offer can still be answered
	ExpiresAt time.Time // the offer's; zero for what is none
}

// Ack notes that a browser has a push: a device of the user answered, and has
// the offer. 404: it is no acknowledgement, or the browser is not subscribed
// any more.
func (n *Notifier) Ack(ctx context.Context, text string) (out Had, err error) {
	a, ok := n.parseAck(text)
	if !ok {
		return out, problem.NotFound()
	}
	now := n.now()
	err = n.o.DB.Write(ctx, a.scope, func(tx *store.Tx) error {
		out = Had{}
		ok, err := devices.Answered(tx, a.push, a.user, now)
		if err == nil && !ok {
			err = problem.NotFound()
		}
		if err != nil || a.offer.IsZero() {
			return err
		}
		if err := n.o.Acked(tx, a.offer, a.user); err != nil {
			return err
		}
		o, err := offers.Get(tx, a.offer)
		out = Had{o.Open && now.Before(o.ExpiresAt), o.ExpiresAt}
		return err
	})
	return out, err
}

// topic lets a push service keep one push about a thing (RFC 8030, 5.4).
func topic(e errand) string {
	id := e.push.ID.UUID()
	if !e.offer.IsZero() {
		id = e.offer.UUID()
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}
