package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/descope/virtualwebauthn"
)

// passkey has a manager of the company make one, and keep a view, so that there is one of each.
func (m *matrix) passkey(ctx context.Context, c company, out map[string]string) error {
	who := c.with("manager")
	if len(who) == 0 {
		return errors.New("no manager makes a passkey")
	}
	a, err := m.base.signIn(ctx, who[0].Email, who[0].Password)
	if err != nil {
		return err
	}
	if a, err = a.showCode(ctx, who[0].Phone); err != nil {
		return err
	}
	made, err := a.addPasskey(ctx, "canary-of-a")
	if err != nil {
		return err
	}
	out["passkey"] = made.ID
	out["view"], err = m.base.as(made.Token).keepView(ctx, "canary-of-a")
	return err
}

func (a *api) keepView(ctx context.Context, name string) (id string, err error) {
	var made struct{ ID string }
	err = a.post(ctx, "/v1/views", map[string]any{"name": name, "shared": false}, &made)
	return made.ID, err
}

// newPasskey is what comes of making one.
type newPasskey struct {
	ID       string   `json:"passkey_id"`
	Token    string   `json:"token"` // of the session, which has risen
	Recovery []string `json:"recovery_codes"`
}

func (a *api) addPasskey(ctx context.Context, name string) (made newPasskey, err error) {
	var offer struct {
		Flow    string
		Options map[string]any
	}
	if err := a.post(ctx, "/v1/me/passkeys", nil, &offer); err != nil {
		return made, err
	}
	answer, err := makePasskey(a.base, offer.Options)
	if err != nil {
		return made, err
	}
	return made, a.post(ctx, "/v1/me/passkeys/confirm", map[string]any{"flow": offer.Flow, "name": name, "passkey": answer}, &made)
}

// makePasskey answers as a browser does at the address, or at localhost for one on
// loopback.
func makePasskey(base string, options map[string]any) (json.RawMessage, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	o, err := virtualwebauthn.ParseAttestationOptions(string(text))
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	site := virtualwebauthn.RelyingParty{ID: o.RelyingPartyID, Origin: at.Scheme + "://" + o.RelyingPartyID + ":" + at.Port()}
	key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA) // its EC keys lack leading zeros now and then
	return json.RawMessage(virtualwebauthn.CreateAttestationResponse(site, virtualwebauthn.NewAuthenticator(), key, *o)), nil
}

// showCode raises the session by the code that the demo's outbox shows.
func (a *api) showCode(ctx context.Context, phone string) (*api, error) {
	began := time.Now()
	var asked struct{ Flow string }
	if err := a.post(ctx, "/v1/sessions/current/codes", nil, &asked); err != nil {
		return nil, err
	}
	for time.Since(began) < 10*time.Second {
		var out struct {
			Items []struct {
				To, Code string
				At       time.Time
			}
		}
		if err := a.get(ctx, "/demo/outbox", &out); err != nil {
			return nil, err
		}
		for _, m := range out.Items {
			if m.To == phone && !m.At.Before(began) {
				var in struct{ Token string }
				err := a.post(ctx, "/v1/sessions/current/factors", map[string]string{"flow": asked.Flow, "code": m.Code}, &in)
				return a.as(in.Token), err
			}
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no code came within 10s")
}
