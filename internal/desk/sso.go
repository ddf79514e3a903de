package desk

import (
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/sift"
	"catchment/internal/signin"
	"catchment/internal/web"
)

// SSOFlow is a sign-in that goes through a company's identity provider.
type SSOFlow struct {
	Flow         string    `json:"flow" doc:"Keep it: POST /v1/sessions takes it once the browser has come back." example:"sfl_…"`
	AuthorizeURL string    `json:"authorize_url" doc:"Where the browser goes next. It has to be the one that got this answer's cookie."`
	ExpiresAt    time.Time `json:"expires_at" doc:"Ten minutes from now."`
}

type ssoIn struct {
	Body struct {
		Account string `json:"account,omitempty" doc:"The account's id."`
		Email   string `json:"email,omitempty" maxLength:"320" doc:"Or the address: its domain finds the account." example:"priya@example.com"`
	}
}

//go:embed sso.html
var ssoHTML string

var ssoPage = template.Must(template.New("sso").Parse(ssoHTML))

var ssoBackOp = web.Op{Method: http.MethodGet, Path: "/v1/sessions/sso/callback", Name: "return-from-sso", Tag: tagSession, Permission: account.Public,
	Summary: "Where the identity provider sends the browser back", Detail: "A page for people. The browser needs the cookie of POST /v1/sessions/sso."}

func (d *Desk) ssoRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodPost, Path: "/v1/sessions/sso", Name: "begin-sso", Tag: tagSession, Permission: account.Public, MaxBody: 4 << 10,
		Summary: "Begin to sign in through the company's identity provider",
		Detail:  "Send the browser to authorize_url; when it has come back, POST /v1/sessions with flow gives the session, once. The answer has a cookie, without which a return is refused. 409 no_sso: there is none for this account or domain; 409 choose_account: for several."}, d.beginSSO)
	d.API.Handle(ssoBackOp, d.backFromSSO)
	d.API.Describe(web.Fragment{"paths": map[string]any{ssoBackOp.Path: map[string]any{"get": map[string]any{
		"operationId": ssoBackOp.Name, "summary": ssoBackOp.Summary, "description": ssoBackOp.Detail, "tags": []string{ssoBackOp.Tag},
		"x-permission": string(ssoBackOp.Permission),
		"responses": map[string]any{
			"200": map[string]any{"description": "Whoever began can fetch the session now.", "content": map[string]any{"text/html": map[string]any{}}},
			"401": map[string]any{"description": "The sign-in is over, or was begun in another browser.", "content": map[string]any{"text/html": map[string]any{}}},
			"403": map[string]any{"description": "The identity provider, or the account, lets nobody of that name in.", "content": map[string]any{"text/html": map[string]any{}}},
			"429": map[string]any{"description": "Too many sign-ins from this network.", "content": map[string]any{"text/html": map[string]any{}}},
			"503": map[string]any{"description": "The identity provider does not answer.", "content": map[string]any{"text/html": map[string]any{}}},
		}}}}})
}

func (d *Desk) beginSSO(ctx context.Context, v *web.Visit, in *ssoIn) (*SSOFlow, error) {
	acct, err := sift.ID("account", in.Body.Account, account.ParseID)
	if err != nil {
		return nil, err
	}
	f, err := d.Signin.BeginSSO(ctx, client(v), acct, in.Body.Email)
	if err != nil {
		return nil, err
	}
	v.SetCookie(d.ssoCookie(f.Secret, signin.SSOLife))
	return &SSOFlow{f.Secret, f.Authorize, f.ExpiresAt}, nil
}

// ssoCookie binds a flow to the browser that began it. It comes along when the
// provider sends the browser back, which is a visit from another site.
func (d *Desk) ssoCookie(value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: "catchment-sso", Value: value, Path: "/v1/sessions/sso", MaxAge: int(life.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if strings.HasPrefix(d.Signin.PublicURL(), "https://") {
		c.Name, c.Secure = "__Secure-"+c.Name, true
	}
	return c
}

func (d *Desk) backFromSSO(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	v.Address, v.Agent = web.Caller(r), r.UserAgent()
	q := r.URL.Query()
	back := signin.Back{State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Issuer: q.Get("iss")}
	cookie := d.ssoCookie("", -time.Second)
	if held, err := r.Cookie(cookie.Name); err == nil {
		back.Cookie = held.Value
	}
	err := d.Signin.Returned(r.Context(), client(v), back)
	page := struct{ Title, Detail string }{"You are signed in.", "You can go back to where you came from, and close this window."}
	status := http.StatusOK
	if err != nil {
		p, known := problem.Of(err)
		if !known {
			d.Log.Error("desk: a return from an identity provider failed", "request_id", v.RequestID, "error", err)
			p = problem.Busy("try_again", 2*time.Second, "Something did not answer here. Begin again.")
		}
		status, page.Title, page.Detail = p.Status, "You could not be signed in.", p.Detail
	} else {
		http.SetCookie(w, cookie)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address has the provider's code
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = ssoPage.Execute(w, page) // the visitor has gone
}
