package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/events"
	"catchment/internal/keyring"
	"catchment/internal/outward"
	"catchment/internal/store"
	"catchment/internal/store/record"
	"catchment/internal/store/webhooks"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

func random() float64 { return rand.Float64() }

// errTaken: another deliverer has the webhook now. What was sent may be sent
// again by it, under the same ids.
var errTaken = errors.New("webhook: another deliverer has it")

// load is what one step has to send.
type load struct {
	w          webhooks.Webhook
	from, next int64 // the cursor, and where it is moved to
	all        []message
	dead       []webhooks.Delivery // that are too old to be tried
	checkpoint int64               // entries in the one that is among all
}

// turn works for one webhook until it has nothing to be told, rests, or had
// its share.
func (d *Deliverer) turn(ctx context.Context, s account.Scope, id account.WebhookID) error {
	now := d.o.Now()
	var mine bool
	err := d.o.DB.Write(ctx, s, func(tx *store.Tx) (err error) {
		mine, err = webhooks.Take(tx, id, d.lease, now, now.Add(leaseFor))
		return err
	})
	if err != nil || !mine {
		return err
	}
	defer func() { // also when the deliverer stops: the next one need not wait for the lease's end
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = d.o.DB.Write(ctx, s, func(tx *store.Tx) error { return webhooks.Release(tx, id, d.lease) })
	}()
	for range pages {
		more, err := d.step(ctx, s, id)
		if errors.Is(err, errTaken) || errors.Is(err, store.ErrNone) { // or somebody has removed it
			return nil
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// step sends a page of what a webhook waits for and writes down what came of
// it. more says that there may be more to do at once.
func (d *Deliverer) step(ctx context.Context, s account.Scope, id account.WebhookID) (more bool, err error) {
	l, err := d.load(ctx, s, id)
	if err != nil || l.w.State != webhooks.Active || l.w.RestUntil.After(d.o.Now()) || len(l.all)+len(l.dead) == 0 && l.next == l.from {
		return false, err
	}
	keys, err := d.secrets(ctx, s, &l.w)
	if err != nil {
		return false, err
	}
	answers := d.send(ctx, l.w, keys, l.all)
	if ctx.Err() != nil { // a broken-off try says nothing about the receiver
		return false, ctx.Err()
	}
	return d.o.Now().After(l.w.RestUntil), d.settle(ctx, s, l, answers)
}

// load reads what is due: what waits for another try first, then what happened
// since, then the newest checkpoint. A webhook that fails gets one at a time.
func (d *Deliverer) load(ctx context.Context, s account.Scope, id account.WebhookID) (l load, err error) {
	err = d.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
		l = load{}
		if l.w, err = webhooks.Get(tx, id); err != nil {
			return err
		}
		room := page
		if l.w.Fails >= tired {
			room = 1
		}
		now := d.o.Now()
		due, err := webhooks.DueOf(tx, id, now, room)
		if err != nil {
			return err
		}
		for _, x := range due {
			l.all = append(l.all, message{id: MessageID(s.Account(), x.Position), kind: x.Kind, at: x.HappenedAt, body: []byte(x.Body), position: x.Position, tried: x.Tries})
		}
		if err := d.happened(tx, &l, room-len(l.all), now); err != nil {
			return err
		}
		if l.w.Checkpoint < 0 || len(l.all) >= room {
			return nil
		}
		return newest(tx, &l)
	})
	return l, err
}

// happened adds events from the cursor on. What is older than the patience
// with a webhook that has taken nothing all that time goes to the dead list.
func (d *Deliverer) happened(tx *store.Tx, l *load, room int, now time.Time) (err error) {
	if l.from, err = events.Cursor(tx, webhooks.Follower(l.w.ID)); err != nil {
		return err
	}
	l.next = l.from
	look := lookAt
	if givenUp(&l.w, now) { // most of it only moves to the dead list, once in ten minutes
		look *= 10
	}
	evs, next, reset, err := events.Read(tx, l.from, look)
	if err != nil {
		return err
	}
	if reset { // it was paused for longer than events are kept
		l.next = next
		return nil
	}
	for _, e := range evs {
		if asksFor(l.w.Kinds, string(e.Kind)) {
			m, err := eventMessage(tx.Account(), e)
			if err != nil {
				return err
			}
			switch {
			case givenUp(&l.w, now) && now.Sub(e.At) >= patience:
				l.dead = append(l.dead, webhooks.Delivery{Position: m.position, Kind: m.kind, Body: string(m.body), HappenedAt: m.at, TriedAt: now, Class: "given_up"})
			case room == 0:
				return nil
			default:
				l.all, room = append(l.all, m), room-1
			}
		}
		l.next = e.Position + 1
	}
	return nil
}

// newest adds the newest checkpoint when the webhook has not had it. Those
// before it say nothing that it does not.
func newest(tx *store.Tx, l *load) error {
	list, err := record.Checkpoints(tx, math.MaxInt64, 1)
	if err != nil || len(list) == 0 || list[0].Size <= l.w.Checkpoint {
		return err
	}
	m, err := checkpointMessage(tx.Account(), list[0].Size, list[0].At, list[0].Note)
	l.all, l.checkpoint = append(l.all, m), list[0].Size
	return err
}

// secrets opens those that sign now, the newest first. They are nobody's, so
// that their use is on the record only through the settings.
func (d *Deliverer) secrets(ctx context.Context, s account.Scope, w *webhooks.Webhook) (keys [][]byte, err error) {
	sealed := []vault.Sealed{w.SecretOf(w.Secret)}
	if len(w.Earlier) > 0 && d.o.Now().Before(w.EarlierUntil) {
		sealed = append(sealed, w.SecretOf(w.Earlier))
	}
	o := keyring.Opener{Accounts: d.o.Accounts, Record: func(context.Context, keyring.Opening) error { return nil },
		Keys: func(context.Context, account.Scope, []vault.Subject) (map[vault.Subject][]byte, error) {
			return map[vault.Subject][]byte{webhooks.Subject(w.ID): w.SecretKey}, nil
		}}
	opened, err := o.Open(ctx, s, "system:webhook", "webhook", sealed...)
	if err != nil {
		return nil, err
	}
	for i, v := range opened.Values {
		if opened.States[i] != keyring.Clear {
			return nil, errors.New("webhook: a secret does not open")
		}
		key, err := courier.ParseWebhookSecret(reveal.Text(v))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// send sends messages, a few at a time, and gives their answers.
func (d *Deliverer) send(ctx context.Context, w webhooks.Webhook, keys [][]byte, all []message) []answer {
	out := make([]answer, len(all))
	slots := make(chan struct{}, atOnce)
	var sent sync.WaitGroup
	for i, m := range all {
		slots <- struct{}{}
		sent.Go(func() {
			defer func() { <-slots }()
			out[i] = d.post(ctx, w.URL, m, keys)
		})
	}
	sent.Wait()
	return out
}

func (d *Deliverer) post(ctx context.Context, address string, m message, keys [][]byte) answer {
	began := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(m.body))
	if err != nil {
		return answer{class: "bad_address"}
	}
	courier.SignWebhook(r.Header, m.id, d.o.Now(), m.body, keys...)
	r.Header.Set("User-Agent", d.o.Agent)
	resp, err := d.client.Do(r)
	if err != nil {
		return answer{class: outward.Class(err), took: time.Since(began)}
	}
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again; an endless one is not
	resp.Body.Close()
	a := read(resp.StatusCode, resp.Header)
	a.took = time.Since(began)
	return a
}

// settle writes what came of a step's messages, with the cursor.
func (d *Deliverer) settle(ctx context.Context, s account.Scope, l load, answers []answer) error {
	dead := 0
	err := d.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		w, err := webhooks.Get(tx, l.w.ID) // somebody may have changed it meanwhile
		if err != nil {
			return err
		}
		now := store.Clock(d.o.Now())
		failed, gone, err := d.took(tx, &w, l, answers, now)
		if err != nil {
			return err
		}
		if l.w.Fails >= tired && w.Fails == 0 { // it was down, and is back: what waits for a try tomorrow need not
			if err := webhooks.AtOnce(tx, w.ID, now); err != nil {
				return err
			}
		}
		dead = len(l.dead)
		for _, f := range failed {
			if f.NextAt.IsZero() {
				dead++
			}
		}
		if err := webhooks.Keep(tx, w.ID, append(failed, l.dead...)); err != nil {
			return err
		}
		if len(l.dead) > 0 {
			if err := webhooks.Forget(tx, w.ID, now.Add(-keptDead)); err != nil {
				return err
			}
		}
		if err := d.move(tx, w, l); err != nil {
			return err
		}
		if err := d.ring(tx, &w, gone, now); err != nil {
			return err
		}
		mine, err := webhooks.Done(tx, w, d.lease, now.Add(leaseFor))
		if err == nil && !mine {
			err = errTaken
		}
		return err
	})
	if err == nil {
		d.count(answers, dead)
	}
	return err
}

// took puts the answers into the webhook and returns what is kept for another
// try, or on the dead list.
func (d *Deliverer) took(tx *store.Tx, w *webhooks.Webhook, l load, answers []answer, now time.Time) (failed []webhooks.Delivery, gone bool, err error) {
	for i, m := range l.all {
		a := answers[i]
		heard(w, m.id, m.kind, a, now)
		gone = gone || a.class == "gone"
		switch {
		case m.kind == KindCheckpoint: // the next one says it, too
			if a.class == "" && w.Checkpoint >= 0 {
				w.Checkpoint = l.checkpoint
			} else if w.RestUntil.IsZero() {
				w.RestUntil = now.Add(10 * time.Second)
			}
		case a.class == "":
			if err := webhooks.Taken(tx, w.ID, m.position); err != nil {
				return nil, false, err
			}
		default:
			failed = append(failed, webhooks.Delivery{Position: m.position, Kind: m.kind, Body: string(m.body), HappenedAt: m.at, Tries: m.tried + 1, TriedAt: now,
				Status: a.status, Class: a.class, NextAt: next(m.tried+1, a, now, d.o.Jitter())})
		}
	}
	return failed, gone, nil
}

// move moves the cursor, unless a replay has moved it meanwhile: then what was
// sent is sent again, and nothing is left out.
func (d *Deliverer) move(tx *store.Tx, w webhooks.Webhook, l load) error {
	at, err := events.Cursor(tx, webhooks.Follower(w.ID))
	if err != nil || at != l.from || l.next == l.from || w.State != webhooks.Active {
		return err
	}
	return events.MoveCursor(tx, webhooks.Follower(w.ID), l.from, l.next)
}

// ring tells the account of a webhook that has taken nothing for three days or
// is gone, and that it is right again.
func (d *Deliverer) ring(tx *store.Tx, w *webhooks.Webhook, gone bool, now time.Time) error {
	switch {
	case gone && w.State == webhooks.Active:
		w.Alarmed = true
		if err := webhooks.SetGone(tx, w.ID, now); err != nil {
			return err
		}
		if err := events.DropCursor(tx, webhooks.Follower(w.ID)); err != nil {
			return err
		}
		if err := audit.Write(tx, now, audit.Entry{Actor: "system:webhook", Action: "webhook.gone", About: w.ID.String()}); err != nil {
			return err
		}
		return d.o.Bell.Raise(tx, alarm.Hook, about(*w, "gone"), now)
	case !w.Alarmed && givenUp(w, now):
		w.Alarmed = true
		return d.o.Bell.Raise(tx, alarm.Hook, about(*w, w.Recent[0].Class), now)
	case w.Alarmed && w.Fails == 0 && w.State == webhooks.Active:
		w.Alarmed = false
		return d.o.Bell.End(tx, alarm.Hook, w.ID.String(), now)
	}
	return nil
}

func about(w webhooks.Webhook, class string) alarm.Alarm {
	return alarm.Alarm{About: w.ID.String(), Detail: map[string]any{"webhook_id": w.ID.String(), "class": class}}
}
