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
	Role      *string    `json:"role" doc:"What a secret key may do: a built-in role, or the id of one of the account's own; null for a publishable one." example:"manager"`
	Name      string     `json:"name" example:"Website"`
	Tail      string     `json:"tail" doc:"The last four characters, to tell keys apart." example:"x7Qa"`
	Sources   []string   `json:"sources" nullable:"false" doc:"Ids of the sources that it may hand in leads for; empty: every source."`
	Origins   []string   `json:"origins" nullable:"false" doc:"Origins of the pages that a publishable key works from." example:"[\"https://homes.example\"]"`
	AnyOrigin bool       `json:"any_origin" doc:"It works from any page, and without an Origin header."`
	Networks  []string   `json:"networks" nullable:"false" doc:"From where a secret key may be used, within the account's own networks for keys; empty: from anywhere." example:"[\"192.0.2.0/24\"]"`
	State     string     `json:"state" enum:"valid,expired,revoked"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at" doc:"Of the newest text. A secret key always has an end."`
	RevokedAt *time.Time `json:"revoked_at"`
	UsedAt    *time.Time `json:"used_at" doc:"When it was used last, to a minute or so: at the API, or to hand in leads."`

	Generations []KeyGeneration `json:"generations" nullable:"false" doc:"Its texts, the newest first: more than one after it was rotated."`
}

// KeyGeneration is one text of a key, which is rotated without a gap.
type KeyGeneration struct {
	Tail      string     `json:"tail" doc:"The text's last four characters." example:"x7Qa"`
	State     string     `json:"state" enum:"current,overlap,ended" doc:"overlap: an earlier text that still works."`
	CreatedAt time.Time  `json:"created_at"`
	EndsAt    *time.Time `json:"ends_at"`
	UsedAt    *time.Time `json:"used_at" doc:"When it was used last, to a minute or so."`
}

// NewAPIKey is a key with its text.
type NewAPIKey struct {
	APIKey
	Key string `json:"key" doc:"Its text: this is the only time that it is shown. Empty in the answer to a repeated request." example:"csk_…"`
}

func keyView(k access.Key, now time.Time) APIKey {
	out := APIKey{ID: k.ID.String(), Kind: k.Kind, Role: web.OrNull(string(k.Role)), Name: k.Name, Tail: k.Tail, Sources: []string{},
		Origins: append([]string{}, k.Origins...), AnyOrigin: k.AnyOrigin, Networks: k.Networks.Strings(), State: "valid", CreatedAt: k.CreatedAt,
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
	out.Generations = generations(k, out.State == "valid", now)
	used := k.UsedAt
	for _, g := range k.Earlier {
		if g.UsedAt.After(used) {
			used = g.UsedAt
		}
	}
	out.UsedAt = web.TimeOrNull(used)
	return out
}

func generations(k access.Key, valid bool, now time.Time) []KeyGeneration {
	began := k.RotatedAt
	if began.IsZero() {
		began = k.CreatedAt
	}
	state := func(works bool, name string) string {
		if valid && works {
			return name
		}
		return "ended"
	}
	out := []KeyGeneration{{Tail: k.Tail, State: state(true, "current"), CreatedAt: began, EndsAt: web.TimeOrNull(k.ExpiresAt), UsedAt: web.TimeOrNull(k.UsedAt)}}
	for _, g := range k.Earlier {
		out = append(out, KeyGeneration{Tail: g.Tail, State: state(now.Before(g.EndsAt), "overlap"), CreatedAt: g.CreatedAt, EndsAt: web.TimeOrNull(g.EndsAt), UsedAt: web.TimeOrNull(g.UsedAt)})
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
		Role      string     `json:"role,omitempty" maxLength:"40" doc:"Of a secret key, and needed there: a built-in role, or the id of one of the account's own." example:"manager"`
		Sources   []string   `json:"sources,omitempty" maxItems:"100" doc:"Ids of sources; left out: every source, also later ones."`
		Origins   []string   `json:"origins,omitempty" maxItems:"50" doc:"Of a publishable key: https://host, each with its port unless it is the usual one."`
		AnyOrigin bool       `json:"any_origin,omitempty" doc:"Of a publishable key. Left out, it needs origins."`
		Networks  []string   `json:"networks,omitempty" maxItems:"100" doc:"Of a secret key: addresses and networks from where it may be used. Left out: from anywhere." example:"[\"192.0.2.0/24\"]"`
		ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"Left out: a secret key ends after a year, a publishable one never. A secret key ends within five years."`
	}
}

type changeKeyIn struct {
	ID   string `path:"id" doc:"The key's id." example:"key_01h455vb4pex5vsknk084sn02q"`
	Body struct {
		Networks []string `json:"networks" nullable:"false" maxItems:"100" doc:"From where it may be used; empty: from anywhere." example:"[\"192.0.2.0/24\"]"`
	}
}

type rotateKeyIn struct {
	ID   string `path:"id" doc:"The key's id." example:"key_01h455vb4pex5vsknk084sn02q"`
	Body *struct {
		Overlap   *int       `json:"overlap_seconds,omitempty" minimum:"0" maximum:"7776000" doc:"How long the text before goes on working, but not beyond its own end. Left out: a day. 0 ends it at once, everywhere within five seconds."`
		ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"The key's new end. Left out: a secret key ends a year from now, a publishable one when it did."`
	}
}

// overlapUnsaid is a rotation's overlap when none is said.
const overlapUnsaid = 24 * time.Hour

func (c *Console) keyRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/keys", Name: "list-keys", Tag: "keys", Permission: account.ManageKeys,
		Summary: "The account's keys", Detail: "With those that were revoked or have expired; without their texts, which are kept nowhere."}, listKeys)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/keys", Name: "create-key", Tag: "keys", Permission: account.ManageKeys, Status: 201, StepUp: true,
		Summary: "Make a key", Detail: "The answer has its text, this once; a repeat under the same Idempotency-Key gets the same key without it. It works at the doors within five seconds."}, c.newKey)
	web.Do(c.API, web.Op{Method: "PATCH", Path: "/v1/keys/{id}", Name: "change-key", Tag: "keys", Permission: account.ManageKeys, StepUp: true,
		Summary: "Say from where a secret key may be used", Detail: "At every door within five seconds. 409 locks_you_out when the key that asks would shut itself out."}, c.changeKey)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/keys/{id}/rotate", Name: "rotate-key", Tag: "keys", Permission: account.ManageKeys, StepUp: true,
		Summary: "Give a key a new text", Detail: "The answer has the new text, this once. The text before works until the overlap ends: put the new one in its place, see at the key's generations that the old one is not used any more, and be done. It is one key all the while, with one id."}, c.rotateKey)
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
	if err := directory.Covers(tx, v.Principal, account.Role(b.Role)); err != nil {
		return nil, err
	}
	text, k, err := c.Directory.CreateKey(tx, directory.NewKey{Kind: b.Kind, Name: b.Name, Role: account.Role(b.Role), Sources: sources,
		Origins: b.Origins, AnyOrigin: b.AnyOrigin, Networks: b.Networks, ExpiresAt: orNone(b.ExpiresAt)})
	if err != nil {
		return nil, err
	}
	out := &NewAPIKey{APIKey: keyView(k, v.At)}
	tx.AfterCommit(func() { out.Key = text })
	return out, c.changed(tx, v, "key", "key.created", out.ID, map[string]any{"kind": out.Kind, "role": b.Role, "any_origin": out.AnyOrigin, "networks": len(out.Networks)})
}

func (c *Console) changeKey(v *web.Visit, tx *store.Tx, in *changeKeyIn) (*APIKey, error) {
	id, err := web.PathID(in.ID, account.ParseKeyID)
	if err != nil {
		return nil, err
	}
	was, err := directory.KeyOf(tx, id)
	if err != nil {
		return nil, err
	}
	k, err := c.Directory.SetKeyNetworks(tx, v.Principal, id, in.Body.Networks)
	if err != nil {
		return nil, err
	}
	out := keyView(k, v.At)
	if err := keep(tx, v, out.ID, "", keyView(was, v.At), out); err != nil {
		return nil, err
	}
	return &out, c.changed(tx, v, "key", "key.changed", out.ID, map[string]any{"networks": len(out.Networks)})
}

func (c *Console) rotateKey(v *web.Visit, tx *store.Tx, in *rotateKeyIn) (*NewAPIKey, error) {
	id, err := web.PathID(in.ID, account.ParseKeyID)
	if err != nil {
		return nil, err
	}
	overlap, expires := overlapUnsaid, time.Time{}
	if b := in.Body; b != nil {
		expires = orNone(b.ExpiresAt)
		if b.Overlap != nil {
			overlap = time.Duration(*b.Overlap) * time.Second
		}
	}
	was, err := directory.KeyOf(tx, id)
	if err != nil {
		return nil, err
	}
	if err := directory.Covers(tx, v.Principal, was.Role); err != nil { // the new text is shown
		return nil, err
	}
	text, k, err := c.Directory.RotateKey(tx, id, overlap, expires)
	if err != nil {
		return nil, err
	}
	out := &NewAPIKey{APIKey: keyView(k, v.At)}
	tx.AfterCommit(func() { out.Key = text })
	return out, c.changed(tx, v, "key", "key.rotated", out.ID, map[string]any{"overlap_seconds": int(overlap.Seconds())})
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
	k, err := directory.KeyOf(tx, id)
	out := keyView(k, v.At)
	return &out, err
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
