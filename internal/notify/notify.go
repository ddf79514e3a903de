// Package notify tells a salesperson that a lead waits, and a manager of an
// alarm, on a phone whose app is closed: by web push; and admins by e-mail of what
// must not wait. A push holds an id and a kind and nothing personal. Callers may rely on this: a push goes out after
// the transaction that made its offer, and once or a few times; what a push
// service does, or does not, holds up nobody else, because each service has
// workers of its own and no job waits for one; and a push is not tried after
// its offer's end.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/courier"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/vault"
)

// The kinds of jobs. Routing adds the first two: stages meet in jobs, so the
// names stand there, too.
const (
	KindOffers jobs.Kind = "notify"       // key: the round's id
	KindAlarm  jobs.Kind = "notify-alarm" // key: the alarm's id, or the project's of a queue
	KindWipe   jobs.Kind = "wipe"         // key: the user's id
)

const (
	actor      = "system:notify"
	again      = 10 * time.Second // then a job looks whether its pushes went out
	alarmLife  = 15 * time.Minute // how long an alarm is worth a push
	testLife   = time.Minute
	wipeLife   = 28 * 24 * time.Hour // what push services keep at most
	wipeAgain  = time.Minute
	mostPlaces = 10_000 // that are kept open
)

// Carrier is how pushes leave. courier.WebPush is one.
type Carrier interface {
	courier.Carrier
	Hosts() courier.PushHosts
	Lane(place vault.Personal) string
}

// Options are a Notifier's parts. All are needed but Mail, Log and Now.
type Options struct {
	DB      *store.DB
	Jobs    *jobs.List
	Carrier Carrier
	Opener  *keyring.Opener
	// TokenMAC is a keyed hash, of a key that is in no database.
	TokenMAC func(kind, text string) [32]byte
	// Seal seals under a user's key. The directory has it.
	Seal func(tx *store.Tx, user account.UserID) (func(vault.Binding, vault.Personal) vault.Sealed, error)
	// Pushed and Acked note how far an offer got; routing's.
	Pushed func(tx *store.Tx, id lead.OfferID, user account.UserID) error
	Acked  func(tx *store.Tx, id lead.OfferID, user account.UserID) error
	// Mail carries letters to admins, who come to PublicURL; nil: none go out.
	Mail      Mailer
	PublicURL string
	Log       *slog.Logger
	Now       func() time.Time
}

// Notifier is safe for concurrent use. Close ends it.
type Notifier struct {
	o     Options
	lanes map[string]*courier.Courier

	mu     sync.Mutex
	flying map[flight]bool           // handed over and not settled
	places map[string]vault.Personal // by what is sealed: an opening is on the record once, not for each push
}

// flight is a push on its way.
type flight struct {
	about string // the offer's id, or the alarm's
	to    account.PushID
}

// New returns a Notifier whose push services have their workers.
func New(o Options) *Notifier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	n := &Notifier{o: o, lanes: map[string]*courier.Courier{}, flying: map[flight]bool{}, places: map[string]vault.Personal{}}
	for _, h := range o.Carrier.Hosts() {
		if n.lanes[h] == nil {
			n.lanes[h] = courier.New(courier.Options{Carrier: o.Carrier, Log: o.Log, Workers: 16, Waiting: 2000, Each: 5 * time.Second})
		}
	}
	return n
}

// Close lets what waits have one try, and ends.
func (n *Notifier) Close() {
	var all sync.WaitGroup
	for _, c := range n.lanes {
		all.Go(c.Close)
	}
	all.Wait()
}

// Stats are the counters of each push service.
func (n *Notifier) Stats() map[string]*courier.Stats {
	out := map[string]*courier.Stats{}
	for name, c := range n.lanes {
		out[name] = c.Stats()
	}
	return out
}

// Register names the handlers.
func (n *Notifier) Register(r *jobs.Runner) {
	r.Handle(KindOffers, n.offers)
	r.Handle(KindAlarm, n.alarm)
	r.Handle(KindWipe, n.wipe)
	r.Handle(alarm.MailJob, n.mail)
}

func (n *Notifier) now() time.Time { return store.Clock(n.o.Now()) }

// offers hands over the pushes of a round, and looks again later: a push that
// was lost with the process is handed over anew.
func (n *Notifier) offers(ctx context.Context, j jobs.Job) error {
	var round lead.RoundID
	if err := round.UnmarshalText([]byte(j.Key)); err != nil {
		return fmt.Errorf("notify: job: %w", err)
	}
	var list []devices.Offered
	err := n.o.DB.Read(ctx, j.Scope, func(tx *store.Tx) (err error) {
		list, err = devices.OfferedIn(tx, round)
		return err
	})
	if err != nil {
		return err
	}
	now, waits := n.now(), time.Time{}
	var out []errand
	for _, o := range list {
		if o.State != lead.OfferQueued || !now.Before(o.ExpiresAt) {
			continue // a device has it
		}
		if o.ExpiresAt.After(waits) {
			waits = o.ExpiresAt
		}
		out = append(out, errand{push: o.Push, kind: courier.PushOffer, about: o.Offer.String(), offer: o.Offer, until: o.ExpiresAt})
	}
	if err := n.send(ctx, j.Scope, out); err != nil {
		return err
	}
	return n.later(ctx, j, waits, again)
}

// later has the job look again while there is something to wait for.
func (n *Notifier) later(ctx context.Context, j jobs.Job, until time.Time, pause time.Duration) error {
	at := n.now().Add(pause)
	return n.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if !at.Before(until) {
			return j.Done(tx)
		}
		return j.Later(tx, at)
	})
}

// alarm tells those who asked for alarms.
func (n *Notifier) alarm(ctx context.Context, j jobs.Job) error {
	var list []devices.Push
	err := n.o.DB.Read(ctx, j.Scope, func(tx *store.Tx) (err error) {
		list, err = devices.AlarmPushes(tx)
		return err
	})
	if err != nil {
		return err
	}
	out := make([]errand, len(list))
	for i, p := range list {
		out[i] = errand{push: p, kind: courier.PushAlarm, about: j.Key, until: n.now().Add(alarmLife)}
	}
	return n.send(ctx, j.Scope, out)
}

// wipe tells a user's revoked browsers to delete what they keep, until their
// push service has taken it, or for a day.
func (n *Notifier) wipe(ctx context.Context, j jobs.Job) error {
	user, err := account.ParseUserID(j.Key)
	if err != nil {
		return fmt.Errorf("notify: job: %w", err)
	}
	var list []devices.Push
	err = n.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		all, err := devices.Pushes(tx, user)
		list = nil
		for _, p := range all {
			if err == nil && !p.WipeAt.IsZero() && n.now().Sub(p.WipeAt) > 24*time.Hour {
				err = devices.RemovePush(tx, p.ID)
			} else if !p.WipeAt.IsZero() {
				list = append(list, p)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	out := make([]errand, len(list))
	waits := time.Time{}
	for i, p := range list {
		out[i] = errand{push: p, kind: courier.PushWipe, about: p.ID.String(), until: n.now().Add(wipeLife)}
		waits = p.WipeAt.Add(25 * time.Hour)
	}
	if err := n.send(ctx, j.Scope, out); err != nil {
		return err
	}
	return n.later(ctx, j, waits, wipeAgain)
}

// errand is a push to hand over.
type errand struct {
	push  devices.Push
	kind  courier.Kind
	about string
	offer lead.OfferID // zero for what is no offer
	until time.Time
}

// Payload is what the page's worker gets.
type Payload struct {
	Version int    `json:"v"`
	Kind    string `json:"kind"` // offer, alarm, wipe, test
	ID      string `json:"id"`   // of the offer; of the alarm, or the project whose queue it is about; else the subscription's
	Ack     string `json:"ack"`  // POST it to /v1/push/acks
}

// send opens where they go and hands them to their push services.
func (n *Notifier) send(ctx context.Context, s account.Scope, list []errand) error {
	places, err := n.open(ctx, s, list)
	if err != nil {
		return err
	}
	for _, e := range list {
		place, ok := places[e.push.ID]
		f := flight{e.about, e.push.ID}
		if !ok || !n.take(f) {
			continue
		}
		if err := n.hand(s, e, place, f); err != nil {
			n.giveBack(f)
			n.o.Log.Warn("notify: a push was not handed over", "kind", e.kind, "error", err)
		}
	}
	return nil
}

func (n *Notifier) hand(s account.Scope, e errand, place vault.Personal, f flight) error {
	lane := n.lanes[n.o.Carrier.Lane(place)]
	text, err := json.Marshal(Payload{1, string(e.kind)[len("push-"):], e.about, n.ackToken(s.Account(), e)})
	if err != nil {
		return err
	}
	return lane.Send(courier.Message{To: place, Text: vault.Hide(string(text)), Kind: e.kind, Topic: topic(e)}, e.until, func(err error) {
		defer n.giveBack(f)
		if err := n.settled(s, e, err); err != nil {
			n.o.Log.Warn("notify: what came of a push was not kept", "kind", e.kind, "error", err)
		}
	})
}

// settled keeps what came of a push.
func (n *Notifier) settled(s account.Scope, e errand, outcome error) error {
	var f *courier.Failure
	gone := errors.As(outcome, &f) && f.Permanent && (f.Code == "404" || f.Code == "410" || f.Code == "host_not_allowed")
	if outcome != nil && !gone {
		return nil // the courier told of it
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return n.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		if gone || e.kind == courier.PushWipe {
			return devices.RemovePush(tx, e.push.ID)
		}
		if e.offer.IsZero() {
			return nil
		}
		return n.o.Pushed(tx, e.offer, e.push.User)
	})
}

func (n *Notifier) take(f flight) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.flying[f] {
		return false
	}
	n.flying[f] = true
	return true
}

func (n *Notifier) giveBack(f flight) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.flying, f)
}

// open gives the places, opening those that are not known yet: one entry on
// the record.
func (n *Notifier) open(ctx context.Context, s account.Scope, list []errand) (map[account.PushID]vault.Personal, error) {
	out := map[account.PushID]vault.Personal{}
	var sealed []vault.Sealed
	var of []devices.Push
	n.mu.Lock()
	for _, e := range list {
		if p, ok := n.places[string(e.push.Place)]; ok {
			out[e.push.ID] = p
		} else {
			sealed, of = append(sealed, e.push.SealedPlace()), append(of, e.push)
		}
	}
	n.mu.Unlock()
	if len(sealed) == 0 {
		return out, nil
	}
	opened, err := n.o.Opener.Open(ctx, s, actor, vault.ForPush, sealed...)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.places) > mostPlaces {
		clear(n.places)
	}
	for i, p := range of {
		if opened.States[i] == keyring.Clear {
			n.places[string(p.Place)], out[p.ID] = opened.Values[i], opened.Values[i]
		}
	}
	return out, nil
}
