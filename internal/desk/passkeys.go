package desk

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/signin"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// PasskeyCeremony is what a browser needs to make or show a passkey.
type PasskeyCeremony struct {
	Flow      string         `json:"flow" doc:"Send it with the browser's answer, which is worth nothing without it." example:"pfl_…"`
	ExpiresAt time.Time      `json:"expires_at" doc:"Five minutes; it works once."`
	Options   map[string]any `json:"options" doc:"For PublicKeyCredential.parseRequestOptionsFromJSON (showing) or parseCreationOptionsFromJSON (making)."`
}

// AddedPasskey is the session after a passkey was made.
type AddedPasskey struct {
	RenewedSession
	PasskeyID     string   `json:"passkey_id" example:"passkey_01h455vb4pex5vsknk084sn02q"`
	RecoveryCodes []string `json:"recovery_codes" nullable:"false" doc:"With the first factor: each stands in for it once, and they are shown this once. Else empty."`
}

// PasskeyPath is the input of a route about one passkey.
type PasskeyPath struct {
	ID string `path:"id" doc:"The passkey's id." example:"passkey_01h455vb4pex5vsknk084sn02q"`
}

// NamedPasskey says whose name changed. The name is personal, and not repeated.
type NamedPasskey struct {
	ID string `json:"id"`
}

type addPasskeyIn struct {
	Body struct {
		Flow    string         `json:"flow" maxLength:"100" doc:"Of POST /v1/me/passkeys." example:"pfl_…"`
		Name    string         `json:"name,omitempty" maxLength:"200" doc:"What you call it, up to 60 characters; the browser's name when empty." example:"My phone"`
		Passkey map[string]any `json:"passkey" doc:"What navigator.credentials.create gave, by its toJSON()."`
	}
}

type namePasskeyIn struct {
	PasskeyPath
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"200" doc:"Up to 60 characters." example:"My phone"`
	}
}

func (d *Desk) passkeyRoutes() {
	op := func(method, path, name string, status int, summary, detail string) web.Op {
		return web.Op{Method: method, Path: path, Name: name, Tag: tagSession, Permission: account.UseOwnSession, Status: status, MaxBody: 16 << 10, Summary: summary, Detail: detail}
	}
	web.Meet(d.API, web.Op{Method: http.MethodPost, Path: "/v1/sessions/passkeys", Name: "ask-passkey", Tag: tagSession, Permission: account.Public, Status: http.StatusCreated, MaxBody: 4 << 10,
		Summary: "Begin signing in with a passkey", Detail: "No name is needed. Send flow and the browser's answer to POST /v1/sessions. 409 no_passkeys: this site is reached by an address."}, d.askPasskey)
	web.Meet(d.API, op(http.MethodPost, "/v1/sessions/current/passkeys", "ask-own-passkey", http.StatusCreated, "Begin showing a passkey as a second factor",
		"Send flow and the browser's answer to POST /v1/sessions/current/factors. 409 no_passkey: you have none."), d.askOwnPasskey)
	list := op(http.MethodGet, "/v1/me/passkeys", "list-own-passkeys", 0, "Your passkeys", "Newest first, whole. Their names are opened, on the record.")
	list.Opens = true
	web.Meet(d.API, list, d.ownPasskeys)
	web.Meet(d.API, op(http.MethodPost, "/v1/me/passkeys", "offer-passkey", http.StatusCreated, "Begin making a passkey",
		"Within ten minutes of your second factor; who has none, of a code to their phone; who has no phone either, of signing in: else 403 step_up_required."), d.offerPasskey)
	web.Meet(d.API, op(http.MethodPost, "/v1/me/passkeys/confirm", "add-passkey", http.StatusCreated, "Add the passkey that was made",
		"The session rises to level 2 and gets the answer's token. Your first factor ends your other sessions and comes with ten recovery codes."), d.addPasskey)
	web.Meet(d.API, op(http.MethodPatch, "/v1/me/passkeys/{id}", "name-passkey", 0, "Call a passkey otherwise", ""), d.namePasskey)
	web.Meet(d.API, op(http.MethodDelete, "/v1/me/passkeys/{id}", "remove-passkey", 0, "Remove a passkey",
		"Within ten minutes of your second factor. The answer's token takes the place of this one. 409 last_factor: you have to have one."), d.removePasskey)
}

func ceremony(c signin.Ceremony, err error) (*PasskeyCeremony, error) {
	return &PasskeyCeremony{c.Secret, c.ExpiresAt, c.Options}, err
}

func (d *Desk) askPasskey(context.Context, *web.Visit, *struct{}) (*PasskeyCeremony, error) {
	return ceremony(d.Signin.AskPasskey())
}

func (d *Desk) askOwnPasskey(ctx context.Context, v *web.Visit, _ *struct{}) (*PasskeyCeremony, error) {
	return ceremony(d.Signin.AskOwnPasskey(ctx, v.Principal))
}

func (d *Desk) ownPasskeys(ctx context.Context, v *web.Visit, _ *struct{}) (*web.List[signin.Passkey], error) {
	list, err := d.Signin.Passkeys(ctx, v.Principal)
	return &web.List[signin.Passkey]{Items: list}, err
}

func (d *Desk) offerPasskey(ctx context.Context, v *web.Visit, _ *struct{}) (*PasskeyCeremony, error) {
	return ceremony(d.Signin.OfferPasskey(ctx, v.Principal))
}

func (d *Desk) addPasskey(ctx context.Context, v *web.Visit, in *addPasskeyIn) (*AddedPasskey, error) {
	c, id, err := d.Signin.AddPasskey(ctx, client(v), v.Principal, in.Body.Flow, vault.Hide(in.Body.Name), answerText(in.Body.Passkey))
	if err != nil {
		return nil, err
	}
	s, err := renewed(c.SignedIn, nil)
	return &AddedPasskey{*s, id.String(), append([]string{}, c.Recovery...)}, err
}

// answerText is the browser's answer as it came, but for spaces and order.
func answerText(answer map[string]any) []byte {
	text, _ := json.Marshal(answer) // it was JSON
	return text
}

func (d *Desk) namePasskey(ctx context.Context, v *web.Visit, in *namePasskeyIn) (*NamedPasskey, error) {
	id, err := web.PathID(in.ID, account.ParsePasskeyID)
	if err != nil {
		return nil, err
	}
	return &NamedPasskey{in.ID}, d.Signin.NamePasskey(ctx, v.Principal, id, vault.Hide(in.Body.Name))
}

func (d *Desk) removePasskey(ctx context.Context, v *web.Visit, in *PasskeyPath) (*RenewedSession, error) {
	id, err := web.PathID(in.ID, account.ParsePasskeyID)
	if err != nil {
		return nil, err
	}
	return renewed(d.Signin.RemovePasskey(ctx, v.Principal, id))
}
