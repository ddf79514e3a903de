package console

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/changes"
	"catchment/internal/store/members"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// SettingChange is one field's change to another value.
type SettingChange struct {
	ID    string          `json:"id" example:"chg_01h455vb4pex5vsknk084sn02q"`
	At    time.Time       `json:"at"`
	By    string          `json:"by" doc:"A user's or key's id."`
	Field string          `json:"field" doc:"As the thing's own JSON names it; before a point, what it is part of: pool, policy, watch, sign_in, networks, devices, retention, masking." example:"pool.accept_seconds"`
	Was   json.RawMessage `json:"was" doc:"As it stands in the thing's own JSON; null: nothing."`
	Now   json.RawMessage `json:"now"`

	Sealed bool `json:"sealed" doc:"The two are personal and were not opened."`
}

type changesIn struct {
	web.Page
	Including
	About string `query:"about" required:"true" maxLength:"60" doc:"The id of a project (with its pool, team and policies), a source, a stage, a user (with their hours), a role, a key, a webhook, or the account (sign-in, networks, devices, retention, masking)." example:"proj_01h455vb4pex5vsknk084sn02q"`
}

// changesBy is the permission that a thing's changes need, by what its id begins with.
var changesBy = map[string]account.Permission{
	"proj": account.ReadSetup, "src": account.ReadSetup, "stg": account.ReadSetup,
	"user": account.ManagePeople, "role": account.ManagePeople, "acct": account.ManagePeople, "key": account.ManageKeys, "whk": account.ManageKeys,
}

func (c *Console) changeRoutes() {
	web.Meet(c.API, web.Op{Method: "GET", Path: "/v1/changes", Name: "list-changes", Tag: "set-up", Opens: true, Permission: account.ReadSetup,
		Summary: "What was changed of a part of the set-up, by whom, from what to what",
		Detail: "Newest first. Of users, roles and the account's rules it needs people:manage, of keys and webhooks keys:manage. What a user's phone or e-mail was and became opens with include=person and a purpose: the page is one opening on the record. " +
			"A lead's changes are at GET /v1/leads/{id}/history."}, c.listChanges)
}

func (c *Console) listChanges(ctx context.Context, v *web.Visit, in *changesIn) (*web.List[SettingChange], error) {
	kind, _, _ := strings.Cut(in.About, "_")
	needs, ok := changesBy[kind]
	if !ok {
		return nil, problem.InvalidField("about", "bad_id", "Send the id of a project, a source, a stage, a user, a role, a key, a webhook or the account.")
	}
	if !v.May(needs) {
		return nil, problem.Forbidden("forbidden", "The role %s may not see what was changed here (it needs %s).", v.Role, needs)
	}
	with, err := in.mayInclude(v)
	if err != nil {
		return nil, err
	}
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	var rows []changes.Change
	err = c.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		rows, err = changes.List(tx, in.About, from.At, web.IDAt[changes.ID](from), in.Limit+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	rows = rows[:min(len(rows), in.Limit+1)]
	list := web.ListOf(in.Page, rows, func(r changes.Change) web.Place { return web.Place{At: r.At, ID: r.ID.UUID()} }, changeView)
	if !with {
		return list, nil
	}
	return list, c.openChanges(ctx, v, rows[:len(list.Items)], list.Items)
}

func changeView(r changes.Change) SettingChange {
	return SettingChange{ID: r.ID.String(), At: r.At, By: r.By, Field: r.Field, Was: r.Was, Now: r.Now, Sealed: r.Personal()}
}

// openChanges fills in what users' phones and e-mails were: one opening for the page.
func (c *Console) openChanges(ctx context.Context, v *web.Visit, rows []changes.Change, out []SettingChange) error {
	var sealed []vault.Sealed
	var to []*json.RawMessage
	for i, r := range rows {
		if !r.Personal() {
			continue
		}
		user, err := account.ParseUserID(r.Thing)
		if err != nil {
			return err
		}
		for _, one := range []struct {
			data []byte
			to   *json.RawMessage
		}{{r.WasSealed, &out[i].Was}, {r.NowSealed, &out[i].Now}} {
			sealed = append(sealed, vault.Sealed{Binding: members.Binding(user, vault.Field(r.Field)), Subject: vault.Subject(user.UUID()), Data: one.data})
			to = append(to, one.to)
		}
		out[i].Sealed = false
	}
	if len(sealed) == 0 {
		return nil
	}
	opened, err := c.Opener.Open(ctx, v.Scope, v.Actor, v.Purpose, sealed...)
	if err != nil {
		return err
	}
	for i, p := range opened.Values {
		if text := reveal.Text(p); opened.States[i] == keyring.Clear && text != "" {
			*to[i], _ = json.Marshal(text) // a text can be
		}
	}
	return nil
}

// keepUser writes down what of a user is another now. A phone and an e-mail are
// kept as they stand, sealed under the user's own key.
func keepUser(tx *store.Tx, v *web.Visit, was, is *members.Member, phone, email bool) error {
	facts := func(m *members.Member) any {
		return map[string]any{"name": m.Name, "role": m.Role, "state": m.State, "time_zone": m.TimeZone}
	}
	all, err := changes.Between("", facts(was), facts(is))
	if err != nil {
		return err
	}
	if phone {
		all = append(all, changes.Sealed(vault.Phone, was.Phone, is.Phone))
	}
	if email {
		all = append(all, changes.Sealed(vault.Email, was.Email, is.Email))
	}
	return changes.Add(tx, is.ID.String(), store.Clock(v.At), v.Actor, all...)
}
