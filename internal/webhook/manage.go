package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/courier"
	"catchment/internal/events"
	"catchment/internal/outward"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/webhooks"
	"catchment/internal/vault"
)

const (
	most    = 50             // webhooks of an account
	mostURL = 1000           // bytes
	Overlap = 24 * time.Hour // how long a secret that was rotated goes on signing
)

// Settings are what somebody of the account says of a webhook.
type Settings struct {
	URL         string
	Description string
	Kinds       []string // none: all that happens, and no checkpoints
}

// check refuses what could never be delivered to.
func (d *Deliverer) check(s *Settings) error {
	if err := checkURL(s.URL, d.Inside()); err != nil {
		return err
	}
	known := Kinds()
	for i, k := range s.Kinds {
		if !slices.Contains(known, k) {
			return problem.InvalidField(fmt.Sprintf("events.%d", i), "not_in_list", "There is no such event; docs/api.md lists them.")
		}
	}
	slices.Sort(s.Kinds)
	s.Kinds = slices.Compact(s.Kinds)
	return nil
}

// checkURL asks for a whole address with TLS; without, where the operator
// allows networks inside. What a name leads to is judged at each delivery.
func checkURL(text string, inside []netip.Prefix) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > mostURL || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" || strings.ContainsAny(text, " \t\r\n") {
		return problem.InvalidField("url", "bad_url", "Send a whole address: https://hooks.example.com/catchment, without user or fragment.")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && len(inside) > 0) {
		return problem.InvalidField("url", "needs_tls", "The address must begin with https://.")
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil || outward.Public(a) || slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) }) {
		return nil
	}
	return problem.InvalidField("url", "address_refused", "That address stands inside a network. The operator can allow networks (--allow-networks).")
}

// Create keeps a webhook, which is told what happens from now on, and gives its
// secret: it is shown this once.
func (d *Deliverer) Create(tx *store.Tx, s Settings, now time.Time) (w webhooks.Webhook, secret string, err error) {
	if err := d.check(&s); err != nil {
		return w, "", err
	}
	all, err := webhooks.List(tx)
	if err != nil {
		return w, "", err
	}
	if len(all) >= most {
		return w, "", problem.Conflict("too_many_webhooks", "An account has %d webhooks at most.", most)
	}
	keys, err := d.o.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return w, "", err
	}
	now = store.Clock(now)
	w = webhooks.Webhook{ID: account.NewWebhookID(), URL: s.URL, Description: s.Description, Kinds: s.Kinds, State: webhooks.Active, StateAt: now, CreatedAt: now, ChangedAt: now, Checkpoint: -1}
	if asksFor(s.Kinds, KindCheckpoint) {
		w.Checkpoint = 0
	}
	secret = courier.NewWebhookSecret()
	wrapped, key := keys.NewSubjectKey(webhooks.Subject(w.ID))
	w.SecretKey, w.Secret = wrapped, key.Seal(webhooks.Binding(w.ID), vault.Hide(secret)).Data
	if err := webhooks.Add(tx, w); err != nil {
		return w, "", err
	}
	return w, secret, follow(tx, w.ID, 0)
}

// follow has the webhook read from the position on, or what comes when it is 0.
func follow(tx *store.Tx, id account.WebhookID, to int64) error {
	from, err := events.Cursor(tx, webhooks.Follower(id))
	if err != nil {
		return err
	}
	if to == 0 {
		if to, err = events.Head(tx); err != nil {
			return err
		}
	}
	return events.MoveCursor(tx, webhooks.Follower(id), from, to)
}

// Change changes a webhook. A paused one is told, once it goes on, what
// happened meanwhile as far as events are kept: for a day.
func (d *Deliverer) Change(tx *store.Tx, id account.WebhookID, s Settings, state string, now time.Time) (was, is webhooks.Webhook, err error) {
	if was, err = webhooks.Get(tx, id); err != nil {
		return was, is, err
	}
	if err := d.check(&s); err != nil {
		return was, is, err
	}
	is, now = was, store.Clock(now)
	is.URL, is.Description, is.Kinds, is.ChangedAt = s.URL, s.Description, s.Kinds, now
	switch asks := asksFor(s.Kinds, KindCheckpoint); {
	case !asks:
		is.Checkpoint = -1
	case is.Checkpoint < 0:
		is.Checkpoint = 0
	}
	if state != "" && state != was.State {
		is.State, is.StateAt = state, now
		if err := d.turned(tx, was, &is, now); err != nil {
			return was, is, err
		}
	}
	return was, is, webhooks.Change(tx, is)
}

// turned has a webhook begin or cease to follow.
func (d *Deliverer) turned(tx *store.Tx, was webhooks.Webhook, is *webhooks.Webhook, now time.Time) (err error) {
	switch {
	case is.State == webhooks.Paused:
		if was.State == webhooks.Active {
			if is.ResumeAt, err = events.Cursor(tx, webhooks.Follower(is.ID)); err != nil {
				return err
			}
		}
		return events.DropCursor(tx, webhooks.Follower(is.ID))
	case was.State == webhooks.Gone: // it was told to be silent, and what it missed is not sent unasked
		if err := follow(tx, is.ID, 0); err != nil {
			return err
		}
	default:
		kept, err := events.Since(tx, time.UnixMicro(0))
		if err != nil {
			return err
		}
		if kept > 0 {
			kept = max(kept, was.ResumeAt)
		}
		if err := follow(tx, is.ID, kept); err != nil {
			return err
		}
	}
	return d.o.Bell.End(tx, alarm.Hook, is.ID.String(), now)
}

// Remove forgets a webhook and what waits for it.
func (d *Deliverer) Remove(tx *store.Tx, id account.WebhookID, now time.Time) error {
	if err := events.DropCursor(tx, webhooks.Follower(id)); err != nil {
		return err
	}
	if err := d.o.Bell.End(tx, alarm.Hook, id.String(), now); err != nil {
		return err
	}
	return webhooks.Drop(tx, id)
}

// Rotate gives a webhook a new secret, shown this once. For a day both sign.
func (d *Deliverer) Rotate(tx *store.Tx, id account.WebhookID, now time.Time) (w webhooks.Webhook, secret string, err error) {
	if w, err = webhooks.Get(tx, id); err != nil {
		return w, "", err
	}
	keys, err := d.o.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return w, "", err
	}
	key, err := keys.OpenSubjectKey(webhooks.Subject(id), w.SecretKey)
	if err != nil {
		return w, "", err
	}
	secret, now = courier.NewWebhookSecret(), store.Clock(now)
	w.Earlier, w.EarlierUntil, w.ChangedAt = w.Secret, now.Add(Overlap), now
	w.Secret = key.Seal(webhooks.Binding(id), vault.Hide(secret)).Data
	return w, secret, webhooks.Change(tx, w)
}

// Replay has sent again what happened since then: all that is kept of it
// (events for a day, and longer what was not taken), also what was taken
// before, under the same ids. It returns how many had not been taken.
func (d *Deliverer) Replay(tx *store.Tx, id account.WebhookID, since, now time.Time) (again int64, err error) {
	w, err := webhooks.Get(tx, id)
	if err != nil {
		return 0, err
	}
	if w.State != webhooks.Active {
		return 0, notActive()
	}
	if again, err = webhooks.AgainSince(tx, id, since, now); err != nil {
		return 0, err
	}
	from, err := events.Since(tx, since)
	if err != nil {
		return 0, err
	}
	at, err := events.Cursor(tx, webhooks.Follower(id))
	if err != nil {
		return 0, err
	}
	if from > 0 && from < at {
		if err := events.MoveCursor(tx, webhooks.Follower(id), at, from); err != nil {
			return 0, err
		}
	}
	return again, webhooks.Wake(tx, id, now)
}

// ReplayOne has one message sent again that was not taken, by its webhook-id.
func (d *Deliverer) ReplayOne(tx *store.Tx, id account.WebhookID, message string, now time.Time) error {
	w, err := webhooks.Get(tx, id)
	if err != nil {
		return err
	}
	if w.State != webhooks.Active {
		return notActive()
	}
	position, err := positionOf(tx.Account(), message)
	if err != nil {
		return err
	}
	found, err := webhooks.Again(tx, id, position, now)
	if err != nil {
		return err
	}
	if !found {
		return problem.NotFound()
	}
	return webhooks.Wake(tx, id, now)
}

func notActive() error {
	return problem.Conflict("webhook_not_active", "The webhook is paused, or its receiver is gone: set it active first.")
}

// positionOf reads a webhook-id of the account's events.
func positionOf(a account.ID, message string) (position int64, err error) {
	text, ok := strings.CutPrefix(message, a.String()+".")
	if _, err := fmt.Sscanf(text, "%d", &position); !ok || err != nil || MessageID(a, position) != message {
		return 0, problem.NotFound()
	}
	return position, nil
}

// Test sends a message of no event, at once and once, and says how it was
// answered: HTTP's status (0: there was none), and why it was not taken, "" for
// taken. 429 when too many are on their way.
func (d *Deliverer) Test(ctx context.Context, s account.Scope, id account.WebhookID) (a webhooks.Answer, err error) {
	select {
	case d.tests <- struct{}{}:
		defer func() { <-d.tests }()
	default:
		return a, problem.TooMany("too_many_tests", 5*time.Second, "Too many tests of webhooks are under way.")
	}
	var w webhooks.Webhook
	err = d.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
		w, err = webhooks.Get(tx, id)
		return err
	})
	if err != nil {
		return a, err
	}
	keys, err := d.secrets(ctx, s, &w)
	if err != nil {
		return a, err
	}
	now := store.Clock(d.o.Now())
	m, err := testMessage(s.Account(), id, id.String()+".test."+webhooks.NewLease().String(), now)
	if err != nil {
		return a, err
	}
	got := d.post(ctx, w.URL, m, keys)
	if ctx.Err() != nil {
		return a, errors.New("webhook: a test broke off")
	}
	return webhooks.Answer{Message: m.id, Kind: m.kind, At: now, Status: got.status, Class: got.class, Took: got.took.Milliseconds()}, nil
}
