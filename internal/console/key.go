package console

import (
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/web"
)

// APIKey is a publishable or a secret key. Its text is shown once, when it is
// made, and kept nowhere.
type APIKey struct {
	ID        string     `json:"id" example:"key_01h455vb4pex5vsknk084sn02q"`
	Kind      string     `json:"kind" enum:"publishable,secret" doc:"A publishable key only hands in leads and may stand in a page."`
	Role      *string    `json:"role" enum:"salesperson,manager,marketer,admin,auditor" doc:"What a secret key may do; null for a publishable one."`
	Name      string     `json:"name" example:"Website"`
	Tail      string     `json:"tail" doc:"The last four characters, to tell keys apart." example:"x7Qa"`
	Sources   []string   `json:"sources" nullable:"false" doc:"Ids of the sources that it may hand in leads for; empty: every source."`
	Origins   []string   `json:"origins" nullable:"false" doc:"Origins of the pages that a publishable key works from." example:"[\"https://homes.example\"]"`
	AnyOrigin bool       `json:"any_origin" doc:"It works from any page, and without an Origin header."`
	State     string     `json:"state" enum:"valid,expired,revoked"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// NewAPIKey is a key with its text.
type NewAPIKey struct {
	APIKey
	Key string `json:"key" doc:"Its text: this is the only time that it is shown. Empty in the answer to a repeated request." example:"csk_…"`
}

func keyView(k access.Key, now time.Time) APIKey {
	out := APIKey{ID: k.ID.String(), Kind: k.Kind, Role: web.OrNull(string(k.Role)), Name: k.Name, Tail: k.Tail, Sources: []string{},
		Origins: append([]string{}, k.Origins...), AnyOrigin: k.AnyOrigin, State: "valid", CreatedAt: k.CreatedAt,
		ExpiresAt: web.TimeOrNull(k.ExpiresAt), RevokedAt: web.TimeOrNull(k.RevokedAt)}
	for _, s := range k.Sources {
		out.Sources = append(out.Sources, s.String())
	}
	switch {
	case !k.RevokedAt.IsZero():
		out.State = "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		out.State = "expired"
	}
	return out
}

type keysIn struct{ web.Page }

type keyPath struct {
	ID string `path:"id" doc:"The key's id." example:"key_01h455vb4pex5vsknk084sn02q"`
}

type newKeyIn struct {
	Body struct {
		Kind      string     `json:"kind" enum:"publishable,secret"`
		Name      string     `json:"name" minLength:"1" maxLength:"120" example:"Website"`
		Role      string     `json:"role,omitempty" enum:"salesperson,manager,marketer,admin,auditor" doc:"Of a secret key, and needed there."`
		Sources   []string   `json:"sources,omitempty" maxItems:"100" doc:"Ids of sources; left out: every source, also later ones."`
		Origins   []string   `json:"origins,omitempty" maxItems:"50" doc:"Of a publishable key: https://host, each with its port unless it is the usual one."`
		AnyOrigin bool       `json:"any_origin,omitempty" doc:"Of a publishable key. Left out, it needs origins."`
		ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"Left out: never."`
	}
}

func (c *Console) keyRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/keys", Name: "list-keys", Tag: "keys", Permission: account.ManageKeys,
		Summary: "The account's keys", Detail: "With those that were revoked or have expired; without their texts, which are kept nowhere."}, listKeys)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/keys", Name: "create-key", Tag: "keys", Permission: account.ManageKeys, Status: 201, StepUp: true,
		Summary: "Make a key", Detail: "The answer has its text, this once; a repeat under the same Idempotency-Key gets the same key without it. It works at the doors within five seconds."}, c.newKey)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/keys/{id}/revoke", Name: "revoke-key", Tag: "keys", Permission: account.ManageKeys,
		Summary: "Revoke a key", Detail: "It stops working everywhere within five seconds, and for good. Revoking it again changes nothing."}, c.revokeKey)
}

func listKeys(v *web.Visit, tx *store.Tx, in *keysIn) (*web.List[APIKey], error) {
	all, err := access.Keys(tx)
	if err != nil {
		return nil, err
	}
	return window(in.Page, all, func(k access.Key) web.Place { return web.Place{At: k.CreatedAt, ID: k.ID.UUID()} },
		func(k access.Key) APIKey { return keyView(k, v.At) })
}

// newKey shows the text once: it goes into the answer after what is kept for
// a repeat was written, so that it stands nowhere.
func (c *Console) newKey(v *web.Visit, tx *store.Tx, in *newKeyIn) (*NewAPIKey, error) {
	b := in.Body
	sources, err := sourceIDs(b.Sources)
	if err != nil {
		return nil, err
	}
	text, k, err := c.Directory.CreateKey(tx, directory.NewKey{Kind: b.Kind, Name: b.Name, Role: account.Role(b.Role), Sources: sources,
		Origins: b.Origins, AnyOrigin: b.AnyOrigin, ExpiresAt: orNone(b.ExpiresAt)})
	if err != nil {
		return nil, err
	}
	out := &NewAPIKey{APIKey: keyView(k, v.At)}
	tx.AfterCommit(func() { out.Key = text })
	return out, c.changed(tx, v, "key", "key.created", out.ID, map[string]any{"kind": out.Kind, "role": b.Role, "any_origin": out.AnyOrigin})
}

func (c *Console) revokeKey(v *web.Visit, tx *store.Tx, in *keyPath) (*APIKey, error) {
	id, err := web.PathID(in.ID, account.ParseKeyID)
	if err != nil {
		return nil, err
	}
	ended, err := c.Directory.RevokeKey(tx, id)
	if err != nil {
		return nil, err
	}
	if ended {
		if err := c.changed(tx, v, "key", "key.revoked", id.String(), nil); err != nil {
			return nil, err
		}
	}
	k, err := keyOf(tx, id)
	out := keyView(k, v.At)
	return &out, err
}

func keyOf(tx *store.Tx, id account.KeyID) (access.Key, error) {
	all, err := access.Keys(tx)
	if err != nil {
		return access.Key{}, err
	}
	for _, k := range all {
		if k.ID == id {
			return k, nil
		}
	}
	return access.Key{}, store.ErrNone
}

func sourceIDs(list []string) (out []account.SourceID, err error) {
	var faults []problem.Field
	for i, s := range list {
		id, err := account.ParseSourceID(s)
		if err != nil {
			faults = append(faults, problem.Field{Field: fmt.Sprintf("sources.%d", i), Code: "bad_id", Detail: "This is not a source's id."})
		}
		out = append(out, id)
	}
	if len(faults) > 0 {
		return nil, problem.Invalid(faults...)
	}
	return out, nil
}
