package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
)

// enrolled is somebody with an app for codes, signed in with the password alone.
type enrolled struct {
	user     user
	secret   string
	recovery []string
	strong   string // a token of a session that has shown the app
	weak     string // and of one that has not
}

// enrol sets up an app for the n-th salesperson.
func (a *attacker) enrol(ctx context.Context, n int) (e enrolled, err error) {
	all := append(a.c.with("salesperson"), a.i.world.Accounts[1].with("salesperson")...)
	if n >= len(all) {
		return e, fmt.Errorf("there are %d salespeople", len(all))
	}
	e.user = all[n]
	in, err := a.enter(ctx, "203.0.113.7", e.user)
	if err != nil {
		return e, err
	}
	token, err := a.stepUp(ctx, in.text("token"), e.user)
	if err != nil {
		return e, err
	}
	seed, err := a.send(ctx, "203.0.113.7", token, http.MethodPost, "/v1/me/totp", nil)
	if err != nil {
		return e, err
	}
	e.secret = seed.text("secret")
	code, err := totp.GenerateCode(e.secret, time.Now().Add(-30*time.Second)) // the step before counts, and the next is still to be used
	if err != nil {
		return e, fmt.Errorf("no seed: %d %s: %w", seed.status, seed.body, err)
	}
	done, err := a.send(ctx, "203.0.113.7", token, http.MethodPost, "/v1/me/totp/confirm", map[string]string{"code": code})
	if err != nil {
		return e, err
	}
	var got struct {
		Token string   `json:"token"`
		Codes []string `json:"recovery_codes"`
	}
	if err := json.Unmarshal(done.body, &got); err != nil || got.Token == "" {
		return e, fmt.Errorf("no app: %d %s", done.status, done.body)
	}
	e.strong, e.recovery = got.Token, got.Codes
	if in, err = a.enter(ctx, "203.0.113.7", e.user); err == nil {
		e.weak = in.text("token")
	}
	return e, err
}

// stepUp shows a code to the user's own phone: who has a phone does before
// they set up an app.
func (a *attacker) stepUp(ctx context.Context, token string, u user) (string, error) {
	flow, code, err := a.codeBy(ctx, u, func() (answer, error) {
		return a.send(ctx, "203.0.113.7", token, http.MethodPost, "/v1/sessions/current/codes", nil)
	})
	if err != nil {
		return "", err
	}
	got, err := a.send(ctx, "203.0.113.7", token, http.MethodPost, "/v1/sessions/current/factors", map[string]string{"flow": flow, "code": code})
	if err == nil && got.status != http.StatusOK {
		err = fmt.Errorf("no step up: %d %s", got.status, got.body)
	}
	return got.text("token"), err
}

func (a *attacker) show(ctx context.Context, token, factor, code string) (answer, error) {
	return a.send(ctx, "203.0.113.7", token, http.MethodPost, "/v1/sessions/current/factors", map[string]string{factor: code})
}

// guessFactor tries wrong ones until it is stopped, then the right one.
func (a *attacker) guessFactor(ctx context.Context, o *outcomes, who, other enrolled, factor string, wrong func(n int) string, right func(enrolled) (string, error)) error {
	for n := range 12 {
		got, err := a.show(ctx, who.weak, factor, wrong(n))
		if err != nil {
			return err
		}
		o.tried("a wrong one", got)
	}
	code, err := right(who)
	if err != nil {
		return err
	}
	got, err := a.show(ctx, who.weak, factor, code)
	if err != nil {
		return err
	}
	o.tried("the right one, after all tries were used", got)
	got, err = a.send(ctx, "203.0.113.7", who.weak, http.MethodGet, "/v1/leads", nil)
	if err != nil {
		return err
	}
	o.tried("a lead without a second factor", got)
	if code, err = right(other); err != nil {
		return err
	}
	got, err = a.show(ctx, other.weak, factor, code)
	o.control("the right one of somebody else", got.status == http.StatusOK)
	return err
}

func (a *attacker) guessTOTP(ctx context.Context, o *outcomes) error {
	who, other, err := a.two(ctx, 3, 4)
	if err != nil {
		return err
	}
	now := func(e enrolled) (string, error) { return totp.GenerateCode(e.secret, time.Now()) }
	right, err := now(who)
	if err != nil {
		return err
	}
	return a.guessFactor(ctx, o, who, other, "totp", func(n int) string {
		if guess := fmt.Sprintf("%06d", n); guess != right {
			return guess
		}
		return "999999"
	}, now)
}

func (a *attacker) guessRecovery(ctx context.Context, o *outcomes) error {
	who, other, err := a.two(ctx, 5, 6)
	if err != nil {
		return err
	}
	return a.guessFactor(ctx, o, who, other, "recovery", func(n int) string { return fmt.Sprintf("7k2mx-9%04d", n) },
		func(e enrolled) (string, error) { return e.recovery[0], nil })
}

func (a *attacker) two(ctx context.Context, first, second int) (one, other enrolled, err error) {
	if one, err = a.enrol(ctx, first); err == nil {
		other, err = a.enrol(ctx, second)
	}
	return one, other, err
}

// wrongClock shows codes of long ago and of times to come, as an app would
// whose clock was moved, or whoever looked over a shoulder.
func (a *attacker) wrongClock(ctx context.Context, o *outcomes) error {
	e, err := a.enrol(ctx, 7)
	if err != nil {
		return err
	}
	for _, off := range []time.Duration{-time.Hour, -3 * time.Minute, 3 * time.Minute, time.Hour} {
		code, err := totp.GenerateCode(e.secret, time.Now().Add(off))
		if err != nil {
			return err
		}
		got, err := a.show(ctx, e.weak, "totp", code)
		if err != nil {
			return err
		}
		o.tried("a code of "+off.String()+" away", got)
	}
	code, err := totp.GenerateCode(e.secret, time.Now())
	if err != nil {
		return err
	}
	got, err := a.show(ctx, e.weak, "totp", code)
	if err != nil {
		return err
	}
	o.control("a code of now", got.status == http.StatusOK)
	if got, err = a.show(ctx, got.text("token"), "totp", code); err != nil {
		return err
	}
	o.tried("the same code again", got)
	return nil
}

// fixation offers tokens of the attacker's own, and uses one that was known
// before the session rose.
func (a *attacker) fixation(ctx context.Context, o *outcomes) error {
	const mine = "cst_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	u := a.c.with("salesperson")[0]
	body, err := json.Marshal(map[string]string{"email": u.Email, "password": u.Password})
	if err != nil {
		return err
	}
	h := from("203.0.113.8")
	h["Authorization"], h["Cookie"] = []string{"Bearer " + mine}, []string{"token=" + mine + "; session=" + mine}
	h["Origin"] = []string{"https://leads.example.com"}
	in, err := a.proxy.do(ctx, http.MethodPost, "/v1/sessions?token="+mine+"&session="+mine, h, body)
	if err != nil {
		return err
	}
	// A parameter that the route does not know may be refused as a whole: then
	// nothing was taken either.
	o.wants("a token of the caller's own was not taken", in.text("token") != mine)
	if got, err := a.proxy.do(ctx, http.MethodPost, "/v1/sessions", from("203.0.113.8"), fmt.Appendf(nil, `{"email":%q,"password":%q,"token":%q}`, u.Email, u.Password, mine)); err != nil {
		return err
	} else if got.status < 300 {
		o.wants("a token in the body was not taken", got.text("token") != mine)
	} else {
		o.tried("a token in the body", got)
	}
	got, err := a.send(ctx, "203.0.113.8", mine, http.MethodGet, "/v1/me", nil)
	if err != nil {
		return err
	}
	o.tried("the offered token", got)
	e, err := a.enrol(ctx, 8)
	if err != nil {
		return err
	}
	raised, err := a.show(ctx, e.weak, "recovery", e.recovery[1])
	if err != nil {
		return err
	}
	if got, err = a.send(ctx, "203.0.113.8", e.weak, http.MethodGet, "/v1/me", nil); err != nil {
		return err
	}
	o.tried("the token from before the second factor", got)
	for _, way := range []struct {
		path   string
		header http.Header
	}{{"/v1/me?token=" + raised.text("token"), http.Header{}}, {"/v1/me?access_token=" + raised.text("token"), http.Header{}},
		{"/v1/me", http.Header{"Cookie": {"token=" + raised.text("token") + "; session=" + raised.text("token")}}}} {
		if got, err = a.proxy.do(ctx, http.MethodGet, way.path, way.header, nil); err != nil {
			return err
		}
		o.tried("a good token, not in Authorization", got)
	}
	got, err = a.send(ctx, "203.0.113.8", raised.text("token"), http.MethodGet, "/v1/leads", nil)
	o.control("the token that the second factor gave", got.status == http.StatusOK)
	return err
}

// foreignPage is a page of somebody else's, in the browser of a user.
func (a *attacker) foreignPage(ctx context.Context, o *outcomes) error {
	u := a.c.with("salesperson")[0]
	in, err := a.enter(ctx, "203.0.113.9", u)
	if err != nil {
		return err
	}
	token := in.text("token")
	evil := func(kind string) http.Header {
		h := from("203.0.113.9")
		h["Origin"], h["Sec-Fetch-Site"], h["Content-Type"] = []string{"https://evil.example"}, []string{"cross-site"}, []string{kind}
		h["Cookie"] = []string{"token=" + token + "; session=" + token + "; __Host-session=" + token}
		return h
	}
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/json"} {
		for _, way := range [][2]string{{"POST", "/v1/sessions"}, {"DELETE", "/v1/me/sessions"}, {"POST", "/v1/keys"}, {"POST", "/v1/users"}, {"PUT", "/v1/me/presence"}} {
			got, err := a.proxy.do(ctx, way[0], way[1], evil(kind), []byte(`{"email":"a@example.com"}`))
			if err != nil {
				return err
			}
			o.tried(strings.Join(way[:], " "), got)
			bare := evil(kind)
			delete(bare, "Cookie")
			if got, err = a.proxy.do(ctx, way[0], way[1], bare, []byte(`{"email":"a@example.com"}`)); err != nil {
				return err
			}
			o.tried(strings.Join(way[:], " ")+" without cookies", got)
			o.wants("no page may read the answer", got.header.Get("Access-Control-Allow-Origin") == "" && got.header.Get("Access-Control-Allow-Credentials") == "")
		}
	}
	h := from("203.0.113.9")
	h["Origin"], h["Cookie"] = []string{"https://leads.example.com"}, []string{"theme=dark"}
	got, err := a.proxy.as(token).do(ctx, http.MethodPut, "/v1/me/presence", h, []byte(`{"state":"available"}`))
	o.control("the platform's own page", got.status == http.StatusOK)
	return err
}

// foreignReturn brings back from a provider what was never sent there. The
// whole way, with a provider, is tried by internal/desk and internal/signin.
func (a *attacker) foreignReturn(ctx context.Context, o *outcomes) error {
	state := "sst_" + strings.Repeat("A", 43)
	for _, path := range []string{"?state=" + state + "&code=x", "?state=&code=x", "?code=x", "?state=" + state + "&error=access_denied"} {
		for _, cookie := range []string{"", "sso=sfl_" + strings.Repeat("A", 43), "__Host-sso=sfl_" + strings.Repeat("A", 43)} {
			h := from("203.0.113.10")
			if cookie != "" {
				h["Cookie"] = []string{cookie}
			}
			got, err := a.proxy.do(ctx, http.MethodGet, "/v1/sessions/sso/callback"+path, h, nil)
			if err != nil {
				return err
			}
			o.tried("a return", got)
		}
	}
	got, err := a.send(ctx, "203.0.113.10", "", http.MethodPost, "/v1/sessions", map[string]string{"flow": "sfl_" + strings.Repeat("A", 43)})
	if err != nil {
		return err
	}
	o.tried("a session of a flow that never was", got)
	good, err := a.enter(ctx, "203.0.113.10", a.c.with("salesperson")[0])
	o.control("a sign-in from there", good.status == http.StatusCreated)
	return err
}

// spoof says things in headers that are not for a caller to say.
func (a *attacker) spoof(ctx context.Context, o *outcomes) error {
	u := a.c.with("salesperson")[1]
	body, err := json.Marshal(map[string]string{"email": u.Email, "password": u.Password})
	if err != nil {
		return err
	}
	network := func(by *api, h http.Header) (string, error) {
		in, err := by.do(ctx, http.MethodPost, "/v1/sessions", h, body)
		if err != nil {
			return "", err
		}
		var list struct {
			Items []struct {
				Current bool
				Network string
			}
		}
		if err := by.as(in.text("token")).get(ctx, "/v1/me/sessions", &list); err != nil {
			return "", err
		}
		for _, s := range list.Items {
			if s.Current {
				return s.Network, nil
			}
		}
		return "", nil
	}
	told, err := network(a.proxy, from("203.0.113.11"))
	if err != nil {
		return err
	}
	o.control("a trusted proxy's word of an address", strings.HasPrefix(told, "203.0.113."))
	o2 := a.i.apiFrom("127.0.0.3") // the network of the spraying is closed
	for name, value := range map[string]string{"X-Forwarded-For": "203.0.113.12", "X-Real-Ip": "203.0.113.12", "Forwarded": "for=203.0.113.12;proto=https;host=evil.example", "True-Client-Ip": "203.0.113.12"} {
		told, err := network(o2, http.Header{name: {value}})
		if err != nil {
			return err
		}
		o.wants(name+" of a stranger was not believed", strings.HasPrefix(told, "127.0."))
	}
	for _, h := range []http.Header{{"X-Forwarded-Host": {"evil.example"}}, {"Forwarded": {"host=evil.example;proto=http"}}, {"X-Forwarded-Proto": {"http"}}, {"X-Original-Url": {"/v1/users"}, "X-Rewrite-Url": {"/v1/users"}}} {
		got, err := a.proxy.as(a.c.SecretKey).do(ctx, http.MethodGet, "/v1/sources/"+a.c.Sources[0].ID, h, nil)
		if err != nil {
			return err
		}
		o.wants("the address in a snippet is the platform's own", got.status == http.StatusOK && strings.Contains(string(got.body), "https://leads.example.com/") && !strings.Contains(string(got.body), "evil.example"))
	}
	return a.overrides(ctx, o, u)
}

// overrides asks for another method in a header.
func (a *attacker) overrides(ctx context.Context, o *outcomes, u user) error {
	in, err := a.enter(ctx, "203.0.113.13", u)
	if err != nil {
		return err
	}
	h := from("203.0.113.13")
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		h[name] = []string{"DELETE"}
	}
	session := a.proxy.as(in.text("token"))
	if _, err = session.do(ctx, http.MethodGet, "/v1/sessions/current", h, nil); err != nil {
		return err
	}
	if _, err = session.do(ctx, http.MethodPost, "/v1/sessions/current?_method=DELETE", h, nil); err != nil {
		return err
	}
	got, err := session.do(ctx, http.MethodGet, "/v1/me", from("203.0.113.13"), nil)
	if err != nil {
		return err
	}
	o.wants("a method in a header was not believed", got.status == http.StatusOK)
	if _, err = session.do(ctx, http.MethodDelete, "/v1/sessions/current", from("203.0.113.13"), nil); err != nil {
		return err
	}
	got, err = session.do(ctx, http.MethodGet, "/v1/me", from("203.0.113.13"), nil)
	o.control("the method itself", got.status == http.StatusUnauthorized)
	return err
}
