package console

import (
	"context"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/webhooks"
	"catchment/internal/web"
	"catchment/internal/webhook"
)

// Webhook is an address that is told what happens.
type Webhook struct {
	ID          string     `json:"id" example:"whk_01h455vb4pex5vsknk084sn02q"`
	URL         string     `json:"url" example:"https://hooks.example.com/catchment"`
	Description string     `json:"description" example:"CRM"`
	Events      []string   `json:"events" nullable:"false" doc:"Kinds of events that it is told; empty: all, and no record.checkpoint." example:"[\"lead.created\"]"`
	State       string     `json:"state" enum:"active,paused,gone" doc:"gone: the receiver has answered 410, and nothing is sent any more."`
	StateAt     time.Time  `json:"state_at" doc:"Since when."`
	CreatedAt   time.Time  `json:"created_at"`
	ChangedAt   time.Time  `json:"changed_at"`
	OverlapEnds *time.Time `json:"overlap_ends_at" doc:"After a rotation: until then the secret before signs, too."`

	FailingSince *time.Time      `json:"failing_since" doc:"Nothing has been taken since; null: the last message was."`
	NextTryAt    *time.Time      `json:"next_try_at" doc:"While it fails it rests in between, ten minutes at most unless it asks for more."`
	Taken        int64           `json:"taken" doc:"Messages that it has taken, in all."`
	Waiting      int64           `json:"waiting" doc:"Messages that it did not take, and that are tried again."`
	Dead         int64           `json:"dead" doc:"Messages that are not tried any more, unless they are replayed. Kept for 30 days."`
	Recent       []WebhookAnswer `json:"recent" nullable:"false" doc:"The last 20 answers, the newest first."`
}

// WebhookAnswer is how a receiver answered a message.
type WebhookAnswer struct {
	MessageID string    `json:"message_id" doc:"The message's webhook-id." example:"acct_01h455vb4pex5vsknk084sn02q.4711"`
	Kind      string    `json:"kind" example:"lead.created"`
	At        time.Time `json:"at"`
	Status    int       `json:"status" doc:"Of HTTP; 0: there was no answer." example:"200"`
	Class     string    `json:"class" doc:"Why it was not taken; empty: it was. redirect, refused, server_error, gone; without an answer address_refused, no_such_name, no_connection, no_tls, timeout, no_answer, answer_too_long." example:""`
	Took      int64     `json:"took_ms" example:"84"`
}

// NewWebhook is a webhook with its secret.
type NewWebhook struct {
	Webhook
	Secret string `json:"secret" doc:"What messages are signed with: this is the only time that it is shown. Empty in the answer to a repeated request." example:"whsec_…"`
}

// WebhookDelivery is a message that was not taken at the first try.
type WebhookDelivery struct {
	MessageID  string     `json:"message_id" example:"acct_01h455vb4pex5vsknk084sn02q.4711"`
	Kind       string     `json:"kind" example:"lead.created"`
	HappenedAt time.Time  `json:"happened_at"`
	Tries      int        `json:"tries"`
	TriedAt    time.Time  `json:"tried_at"`
	Status     int        `json:"status"`
	Class      string     `json:"class" doc:"As of an answer; given_up: the webhook had taken nothing for three days."`
	NextTryAt  *time.Time `json:"next_try_at" doc:"null: it is dead."`
}

// WebhookReplay is what a replay has begun.
type WebhookReplay struct {
	Again int64 `json:"again" doc:"How many messages are sent again that had not been taken. Events of the last day are sent again beside."`
}

type newWebhookIn struct {
	Body struct {
		URL         string   `json:"url" minLength:"1" maxLength:"1000" example:"https://hooks.example.com/catchment"`
		Description string   `json:"description,omitempty" maxLength:"200" example:"CRM"`
		Events      []string `json:"events,omitempty" maxItems:"100" doc:"Left out: all, and no record.checkpoint." example:"[\"lead.created\"]"`
	}
}

// WebhookPath is the input of a route about one webhook.
type WebhookPath struct {
	ID string `path:"id" doc:"The webhook's id." example:"whk_01h455vb4pex5vsknk084sn02q"`
}

type changeWebhookIn struct {
	WebhookPath
	Body struct {
		URL         string   `json:"url" minLength:"1" maxLength:"1000" example:"https://hooks.example.com/catchment"`
		Description string   `json:"description,omitempty" maxLength:"200" example:"CRM"`
		Events      []string `json:"events,omitempty" maxItems:"100" doc:"Left out: all, and no record.checkpoint." example:"[\"lead.created\"]"`
		State       string   `json:"state,omitempty" enum:"active,paused" doc:"Left out: as it is."`
	}
}

type webhooksIn struct{ web.Page }

type deliveriesIn struct {
	WebhookPath
	web.Page
	State string `query:"state" enum:"waiting,dead" default:"dead"`
}

type replayIn struct {
	WebhookPath
	Body struct {
		Since     *time.Time `json:"since,omitempty" doc:"Everything that happened since then and is kept: events for a day, whether they were taken or not, and what was not taken for 30 days."`
		MessageID string     `json:"message_id,omitempty" maxLength:"80" doc:"This one message, which was not taken."`
	}
}

func (c *Console) webhookRoutes() {
	op := func(method, path, name, summary, detail string) web.Op {
		return web.Op{Method: method, Path: "/v1/webhooks" + path, Name: name, Tag: "webhooks", Permission: account.ManageKeys, Summary: summary, Detail: detail}
	}
	strong := func(o web.Op, status int) web.Op { o.StepUp, o.Status = true, status; return o }
	web.See(c.API, op("GET", "", "list-webhooks", "The addresses that are told what happens", ""), c.listWebhooks)
	web.See(c.API, op("GET", "/{id}", "get-webhook", "One webhook, with its last answers", ""), c.getWebhook)
	web.Do(c.API, strong(op("POST", "", "create-webhook", "Have an address told what happens",
		"From now on, by the rules of Standard Webhooks (docs/webhooks.md). The answer has its secret, this once. Whoever makes one must read every lead, and the record for record.checkpoint."), 201), c.newWebhook)
	web.Do(c.API, strong(op("PUT", "/{id}", "put-webhook", "Change a webhook, pause it, or have it go on",
		"A paused one is told later what happened meanwhile, as far as events are kept: for a day. One that is gone begins with what comes."), 200), c.putWebhook)
	web.Do(c.API, strong(op("DELETE", "/{id}", "delete-webhook", "Forget a webhook", "With what waits for it."), 200), c.dropWebhook)
	web.Do(c.API, strong(op("POST", "/{id}/rotate", "rotate-webhook", "Give a webhook a new secret",
		"The answer has it, this once. For 24 hours messages are signed with both."), 200), c.rotateWebhook)
	web.Meet(c.API, op("POST", "/{id}/test", "test-webhook", "Send a test message", "At once, once, also to a paused one: webhook.test. The answer is the receiver's."), c.testWebhook)
	web.See(c.API, op("GET", "/{id}/deliveries", "list-webhook-deliveries", "Messages that were not taken", "The newest event first. What was taken at the first try is not kept."), c.listDeliveries)
	web.Do(c.API, op("POST", "/{id}/replay", "replay-webhook", "Send messages again", "Under the ids that they had: give since, or message_id."), c.replayWebhook)
}

// webhookView is one as it stands in lists: its deliveries are counted.
func webhookView(tx *store.Tx, w webhooks.Webhook, now time.Time) (Webhook, error) {
	out := Webhook{ID: w.ID.String(), URL: w.URL, Description: w.Description, Events: append([]string{}, w.Kinds...), State: w.State, StateAt: w.StateAt, CreatedAt: w.CreatedAt, ChangedAt: w.ChangedAt,
		FailingSince: web.TimeOrNull(w.FailingSince), Taken: w.Taken, Recent: []WebhookAnswer{}}
	if now.Before(w.EarlierUntil) {
		out.OverlapEnds = web.TimeOrNull(w.EarlierUntil)
	}
	if now.Before(w.RestUntil) {
		out.NextTryAt = web.TimeOrNull(w.RestUntil)
	}
	for _, a := range w.Recent {
		out.Recent = append(out.Recent, answerView(a))
	}
	var err error
	out.Waiting, out.Dead, err = webhooks.Count(tx, w.ID)
	return out, err
}

func answerView(a webhooks.Answer) WebhookAnswer {
	return WebhookAnswer{MessageID: a.Message, Kind: a.Kind, At: a.At, Status: a.Status, Class: a.Class, Took: a.Took}
}

func (in WebhookPath) id() (account.WebhookID, error) {
	return web.PathID(in.ID, account.ParseWebhookID)
}

// mayHear refuses who would learn by a webhook what they may not read.
func mayHear(v *web.Visit, kinds []string) error {
	if v.Reach(account.ReadLeads) != rights.All || slices.Contains(kinds, webhook.KindCheckpoint) && !v.May(account.ReadRecord) {
		return problem.Forbidden("beyond_own_rights", "A webhook is told of every lead, and of the record when it asks for that: you may not read as much. Ask an admin.")
	}
	return nil
}

func (c *Console) listWebhooks(v *web.Visit, tx *store.Tx, in *webhooksIn) (*web.List[Webhook], error) {
	rows, err := webhooks.List(tx)
	if err != nil {
		return nil, err
	}
	all := make([]Webhook, len(rows))
	for i, w := range rows {
		if all[i], err = webhookView(tx, w, v.At); err != nil {
			return nil, err
		}
	}
	return window(in.Page, all, func(w Webhook) web.Place {
		id, _ := account.ParseWebhookID(w.ID) // it was one a moment ago
		return web.Place{At: w.CreatedAt, ID: id.UUID()}
	}, func(w Webhook) Webhook { return w })
}

func (c *Console) getWebhook(v *web.Visit, tx *store.Tx, in *WebhookPath) (*Webhook, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	w, err := webhooks.Get(tx, id)
	if err != nil {
		return nil, err
	}
	out, err := webhookView(tx, w, v.At)
	return &out, err
}

// newWebhook shows the secret once, as newKey does its text.
func (c *Console) newWebhook(v *web.Visit, tx *store.Tx, in *newWebhookIn) (*NewWebhook, error) {
	b := in.Body
	if err := mayHear(v, b.Events); err != nil {
		return nil, err
	}
	w, secret, err := c.Webhooks.Create(tx, webhook.Settings{URL: b.URL, Description: b.Description, Kinds: b.Events}, v.At)
	if err != nil {
		return nil, err
	}
	return c.withSecret(v, tx, w, secret, "webhook.created")
}

func (c *Console) withSecret(v *web.Visit, tx *store.Tx, w webhooks.Webhook, secret, action string) (*NewWebhook, error) {
	view, err := webhookView(tx, w, v.At)
	if err != nil {
		return nil, err
	}
	out := &NewWebhook{Webhook: view}
	tx.AfterCommit(func() { out.Secret = secret })
	return out, c.changed(tx, v, "webhook", action, out.ID, map[string]any{"events": out.Events})
}

// settings are what of a webhook is kept as its history. Its address may hold
// a secret of the receiver's; who may see the webhook may see the history.
func settings(w webhooks.Webhook) any {
	return map[string]any{"url": w.URL, "description": w.Description, "events": append([]string{}, w.Kinds...), "state": w.State}
}

func (c *Console) putWebhook(v *web.Visit, tx *store.Tx, in *changeWebhookIn) (*Webhook, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	b := in.Body
	if err := mayHear(v, b.Events); err != nil {
		return nil, err
	}
	was, is, err := c.Webhooks.Change(tx, id, webhook.Settings{URL: b.URL, Description: b.Description, Kinds: b.Events}, b.State, v.At)
	if err != nil {
		return nil, err
	}
	if err := keep(tx, v, in.ID, "", settings(was), settings(is)); err != nil {
		return nil, err
	}
	if err := c.changed(tx, v, "webhook", "webhook.changed", in.ID, map[string]any{"events": is.Kinds, "state": is.State, "address_changed": was.URL != is.URL}); err != nil {
		return nil, err
	}
	out, err := webhookView(tx, is, v.At)
	return &out, err
}

func (c *Console) dropWebhook(v *web.Visit, tx *store.Tx, in *WebhookPath) (*Gone, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if err := c.Webhooks.Remove(tx, id, v.At); err != nil {
		return nil, err
	}
	return &Gone{true}, c.changed(tx, v, "webhook", "webhook.deleted", in.ID, nil)
}

func (c *Console) rotateWebhook(v *web.Visit, tx *store.Tx, in *WebhookPath) (*NewWebhook, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	was, err := webhooks.Get(tx, id)
	if err != nil {
		return nil, err
	}
	if err := mayHear(v, was.Kinds); err != nil { // the secret is shown
		return nil, err
	}
	w, secret, err := c.Webhooks.Rotate(tx, id, v.At)
	if err != nil {
		return nil, err
	}
	return c.withSecret(v, tx, w, secret, "webhook.rotated")
}

func (c *Console) testWebhook(ctx context.Context, v *web.Visit, in *WebhookPath) (*WebhookAnswer, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	a, err := c.Webhooks.Test(ctx, v.Scope, id)
	out := answerView(a)
	return &out, err
}

func (c *Console) listDeliveries(_ *web.Visit, tx *store.Tx, in *deliveriesIn) (*web.List[WebhookDelivery], error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if _, err := webhooks.Get(tx, id); err != nil {
		return nil, err
	}
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	before := int64(1) << 62
	if !from.At.IsZero() {
		before = from.At.UnixMicro() // positions stand in a cursor where times do
	}
	rows, err := webhooks.Deliveries(tx, id, before, in.State == "dead", in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(d webhooks.Delivery) web.Place { return web.Place{At: time.UnixMicro(d.Position).UTC()} },
		func(d webhooks.Delivery) WebhookDelivery {
			return WebhookDelivery{MessageID: webhook.MessageID(tx.Account(), d.Position), Kind: d.Kind, HappenedAt: d.HappenedAt, Tries: d.Tries, TriedAt: d.TriedAt, Status: d.Status, Class: d.Class,
				NextTryAt: web.TimeOrNull(d.NextAt)}
		}), nil
}

func (c *Console) replayWebhook(v *web.Visit, tx *store.Tx, in *replayIn) (*WebhookReplay, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	b, out, detail := in.Body, &WebhookReplay{Again: 1}, map[string]any{}
	switch {
	case (b.Since == nil) == (b.MessageID == ""):
		return nil, problem.InvalidField("since", "required", "Give either since or message_id.")
	case b.Since != nil:
		detail["since"] = b.Since.UTC().Format(time.RFC3339)
		out.Again, err = c.Webhooks.Replay(tx, id, *b.Since, v.At)
	default:
		detail["message_id"] = b.MessageID
		err = c.Webhooks.ReplayOne(tx, id, b.MessageID, v.At)
	}
	if err != nil {
		return nil, err
	}
	return out, c.changed(tx, v, "webhook", "webhook.replayed", in.ID, detail)
}
