package desk

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/notify"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/web"
)

// PushServerKey is what a browser subscribes with.
type PushServerKey struct {
	Key string `json:"key" doc:"applicationServerKey: an uncompressed point of P-256, base64url without padding."`
}

// PushSubscribed is where the pushes of this session go.
type PushSubscribed struct {
	Subscribed bool       `json:"subscribed"`
	Alarms     bool       `json:"alarms" doc:"Also the account's alarms."`
	Since      *time.Time `json:"since"`
	AnsweredAt *time.Time `json:"answered_at" doc:"When this browser last said that it had a push."`
}

// PushAnswer is what an acknowledged push was about, as it is now.
type PushAnswer struct {
	Open      bool       `json:"open" doc:"The offer can still be answered."`
	ExpiresAt *time.Time `json:"expires_at" doc:"The offer's end; null for what is no offer."`
}

type pushIn struct {
	Body struct {
		Subscription struct {
			Endpoint string `json:"endpoint" maxLength:"1024" example:"https://updates.push.services.mozilla.com/wpush/v2/…"`
			Expires  *int64 `json:"expirationTime,omitempty" doc:"As browsers send it; not used."`
			Keys     struct {
				P256DH string `json:"p256dh" maxLength:"100"`
				Auth   string `json:"auth" maxLength:"40"`
			} `json:"keys"`
		} `json:"subscription" doc:"What PushSubscription.toJSON() gives."`
		Alarms bool `json:"alarms,omitempty" doc:"Also the account's alarms; for who may read every lead."`
	}
}

type ackIn struct {
	Body struct {
		Ack string `json:"ack" maxLength:"200" doc:"Of the push." example:"psa_…"`
	}
}

func (d *Desk) pushRoutes() {
	op := func(method, path, name string, p account.Permission, summary, detail string) web.Op {
		return web.Op{Method: method, Path: path, Name: name, Tag: tagOffers, Permission: p, MaxBody: 4 << 10, Summary: summary, Detail: detail}
	}
	web.Meet(d.API, op(http.MethodGet, "/v1/push/key", "get-push-key", account.UseOwnSession, "The key that a browser subscribes to pushes with", ""), d.pushKey)
	web.Meet(d.API, op(http.MethodGet, "/v1/me/push", "get-push", account.UseOwnSession, "Whether this session has pushes", ""), d.getPush)
	web.Meet(d.API, op(http.MethodPut, "/v1/me/push", "put-push", account.UseOwnSession, "Have your offers pushed to this browser",
		"In the place of what this session or this browser had. Known push services alone. A push holds an id and a kind, encrypted for the browser."), d.putPush)
	web.Meet(d.API, op(http.MethodDelete, "/v1/me/push", "delete-push", account.UseOwnSession, "No pushes to this browser any more", ""), d.deletePush)
	web.Meet(d.API, op(http.MethodPost, "/v1/me/push/test", "test-push", account.UseOwnSession, "Send a push to this browser, to try it",
		"Of the kind test. answered_at says that it came. 409 no_pushes: this session has none."), d.testPush)
	web.Meet(d.API, op(http.MethodPost, "/v1/push/acks", "ack-push", account.Public, "Say that a push came",
		"With the ack of the push, which only the browser can read; no session is asked for. Counts as a device that answered, and its offer is acked. 404: it is none, or the browser is not subscribed any more."), d.ackPush)
}

func (d *Desk) pushKey(context.Context, *web.Visit, *struct{}) (*PushServerKey, error) {
	return &PushServerKey{base64.RawURLEncoding.EncodeToString(d.PushKey)}, nil
}

// pushing runs f for a session of a user of an account.
func (d *Desk) pushing(ctx context.Context, v *web.Visit, write bool, f func(*store.Tx) error) error {
	if v.Session.IsZero() || !v.Scope.Valid() {
		return noPushes()
	}
	if write {
		return d.DB.Write(ctx, v.Scope, f)
	}
	return d.DB.Read(ctx, v.Scope, f)
}

func (d *Desk) getPush(ctx context.Context, v *web.Visit, _ *struct{}) (out *PushSubscribed, err error) {
	out = &PushSubscribed{}
	return out, d.pushing(ctx, v, false, func(tx *store.Tx) error {
		all, err := d.Notify.Own(tx, v.User)
		for _, p := range all {
			if p.Session == v.Session {
				out = subscribed(p)
			}
		}
		return err
	})
}

func subscribed(p devices.Push) *PushSubscribed {
	return &PushSubscribed{true, p.Alarms, &p.CreatedAt, web.TimeOrNull(p.AnsweredAt)}
}

func (d *Desk) putPush(ctx context.Context, v *web.Visit, in *pushIn) (out *PushSubscribed, err error) {
	if in.Body.Alarms && v.Reach(account.ReadLeads) != rights.All {
		return nil, problem.Forbidden("forbidden", "Alarms are for those who may read every lead. Leave alarms out.")
	}
	s := in.Body.Subscription
	err = d.pushing(ctx, v, true, func(tx *store.Tx) error {
		p, err := d.Notify.Subscribe(tx, v.User, v.Session, notify.Subscription{Endpoint: s.Endpoint, P256DH: s.Keys.P256DH, Auth: s.Keys.Auth, Alarms: in.Body.Alarms})
		out = subscribed(p)
		return err
	})
	return out, err
}

func (d *Desk) deletePush(ctx context.Context, v *web.Visit, _ *struct{}) (*PushSubscribed, error) {
	return &PushSubscribed{}, d.pushing(ctx, v, true, func(tx *store.Tx) error {
		_, err := d.Notify.Unsubscribe(tx, v.User, v.Session)
		return err
	})
}

func (d *Desk) testPush(ctx context.Context, v *web.Visit, _ *struct{}) (*PushSubscribed, error) {
	if v.Session.IsZero() || !v.Scope.Valid() {
		return nil, noPushes()
	}
	if err := d.Notify.Try(ctx, v.Scope, v.User, v.Session); err != nil {
		return nil, err
	}
	return d.getPush(ctx, v, nil)
}

func noPushes() error {
	return problem.Conflict("no_session", "Only a user's session of an account has pushes.")
}

func (d *Desk) ackPush(ctx context.Context, _ *web.Visit, in *ackIn) (*PushAnswer, error) {
	had, err := d.Notify.Ack(ctx, in.Body.Ack)
	return &PushAnswer{had.Open, web.TimeOrNull(had.ExpiresAt)}, err
}
