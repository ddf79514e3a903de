package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/descope/virtualwebauthn"
)

// Where the second company lets its people come from, and where it does not.
const onTheList, offTheList = "203.0.113.20", "198.51.100.20"

// authenticator is a device with a passkey, whose browser is on the platform's site.
type authenticator struct {
	site virtualwebauthn.RelyingParty
	own  virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

// show answers what a sign-in with a passkey asks.
func (d authenticator) show(options json.RawMessage) (json.RawMessage, error) {
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		return nil, err
	}
	return json.RawMessage(virtualwebauthn.CreateAssertionResponse(d.site, d.own, d.key, *o)), nil
}

// passkeyOf has somebody make a passkey. Token is their session, which has risen.
func (a *attacker) passkeyOf(ctx context.Context, u user) (d authenticator, token string, err error) {
	in, err := a.enter(ctx, onTheList, u)
	if err != nil {
		return d, "", err
	}
	if token, err = a.stepUp(ctx, in.text("token"), u); err != nil {
		return d, "", err
	}
	asked, err := a.send(ctx, onTheList, token, http.MethodPost, "/v1/me/passkeys", nil)
	if err != nil {
		return d, "", err
	}
	var offer struct {
		Flow    string
		Options json.RawMessage
	}
	if err := json.Unmarshal(asked.body, &offer); err != nil {
		return d, "", err
	}
	o, err := virtualwebauthn.ParseAttestationOptions(string(offer.Options))
	if err != nil {
		return d, "", fmt.Errorf("no passkey offered: %d: %w", asked.status, err)
	}
	d = authenticator{virtualwebauthn.RelyingParty{ID: o.RelyingPartyID, Origin: "https://" + o.RelyingPartyID}, virtualwebauthn.NewAuthenticator(),
		virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)} // its EC keys lack leading zeros now and then
	d.own.Options.UserHandle = []byte(o.UserID)
	made, err := a.send(ctx, onTheList, token, http.MethodPost, "/v1/me/passkeys/confirm", map[string]any{"flow": offer.Flow, "name": "Phone",
		"passkey": json.RawMessage(virtualwebauthn.CreateAttestationResponse(d.site, d.own, d.key, *o))})
	if err == nil && made.status != http.StatusOK && made.status != http.StatusCreated {
		err = fmt.Errorf("no passkey made: %d %s", made.status, made.body)
	}
	return d, made.text("token"), err
}

// byPasskey signs in with it.
func (a *attacker) byPasskey(ctx context.Context, address string, d authenticator) (answer, error) {
	asked, err := a.send(ctx, address, "", http.MethodPost, "/v1/sessions/passkeys", nil)
	if err != nil {
		return asked, err
	}
	var ask struct {
		Flow    string
		Options json.RawMessage
	}
	if err := json.Unmarshal(asked.body, &ask); err != nil {
		return asked, err
	}
	shown, err := d.show(ask.Options)
	if err != nil {
		return asked, err
	}
	return a.send(ctx, address, "", http.MethodPost, "/v1/sessions", map[string]any{"flow": ask.Flow, "passkey": shown})
}

// newcomer is somebody new, so that no code was asked for yet, and how they
// come in by the one that they have been sent.
func (a *attacker) newcomer(ctx context.Context, admin, phone, email string) (come func(address string) (answer, error), err error) {
	made, err := a.send(ctx, onTheList, admin, http.MethodPost, "/v1/users", map[string]string{"role": "salesperson", "name": "Noor Example", "phone": phone, "email": email})
	if err != nil {
		return nil, err
	}
	if made.status != http.StatusCreated {
		return nil, fmt.Errorf("nobody was invited: %d %s", made.status, made.body)
	}
	flow, code, err := a.code(ctx, onTheList, user{Role: "salesperson", Phone: phone})
	return func(address string) (answer, error) { return a.byCode(ctx, address, flow, code) }, err
}

// elsewhere comes with everything that is right, from an address that is not on
// the account's list: by password, code and passkey, and with a session and a
// key that are good inside.
func (a *attacker) elsewhere(ctx context.Context, o *outcomes) error {
	c := a.i.world.Accounts[1]
	admin, err := a.i.enter(ctx, c.with("admin")[0])
	if err != nil {
		return err
	}
	keepTo := func(networks ...string) error {
		if networks == nil {
			networks = []string{}
		}
		got, err := a.send(ctx, onTheList, admin.token, http.MethodPut, "/v1/account/networks", map[string]any{"admins": []string{}, "everyone": networks, "keys": networks})
		if err == nil && got.status != http.StatusOK {
			err = fmt.Errorf("no list of networks: %d %s", got.status, got.body)
		}
		return err
	}
	u := c.with("manager")[0]
	d, session, err := a.passkeyOf(ctx, u)
	if err != nil {
		return err
	}
	// A code is used up by the try, so that the control has one of its own.
	out, err := a.newcomer(ctx, admin.token, "+12025550198", "noor@example.com")
	if err != nil {
		return err
	}
	in, err := a.newcomer(ctx, admin.token, "+12025550199", "sami@example.com")
	if err != nil {
		return err
	}
	if err := keepTo("203.0.113.0/24"); err != nil {
		return err
	}
	ways := []struct {
		name, record string
		come         func(address string) (answer, error)
	}{
		{"a password", "sign-in.refused", func(at string) (answer, error) { return a.enter(ctx, at, u) }},
		{"a code", "sign-in.refused", func(at string) (answer, error) {
			if at == onTheList {
				return in(at)
			}
			return out(at)
		}},
		{"a passkey", "sign-in.refused", func(at string) (answer, error) { return a.byPasskey(ctx, at, d) }},
		{"a session begun inside", "request.refused", func(at string) (answer, error) { return a.send(ctx, at, session, http.MethodGet, "/v1/me", nil) }},
		{"a secret key", "request.refused", func(at string) (answer, error) {
			return a.send(ctx, at, c.SecretKey, http.MethodGet, "/v1/sources", nil)
		}},
	}
	for _, w := range ways {
		k := attack{action: w.record, why: "network"}
		before, err := a.onRecord(ctx, k)
		if err != nil {
			return err
		}
		got, err := w.come(offTheList)
		if err != nil {
			return err
		}
		o.tried(w.name, got)
		o.wants(w.name+" is refused for where it comes from", problemCode(got.status, got.body) == "403 network")
		after := before
		until(ctx, 10*time.Second, func() bool {
			after, err = a.onRecord(ctx, k)
			return err != nil || after > before
		})
		if err != nil {
			return err
		}
		o.wants(w.name+" is on the record", after > before)
		if got, err = w.come(onTheList); err != nil {
			return err
		}
		o.control(w.name+", inside", got.status == http.StatusOK || got.status == http.StatusCreated)
	}
	return keepTo()
}
