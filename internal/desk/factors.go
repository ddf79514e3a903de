package desk

import (
	"context"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/web"
)

// Factors is what one can show beside the factor one came in with.
type Factors struct {
	Level             int        `json:"level" doc:"Of this session. 1: one factor was shown. 2: two, or a passkey."`
	Shown             []string   `json:"shown" doc:"By this session."`
	Needs             []string   `json:"needs" doc:"Which of your factors bring it to level 2; empty when nothing more is asked for."`
	Limited           bool       `json:"limited" doc:"Nothing but session:own is open before one of needs was shown, or one of offers set up."`
	Offers            []string   `json:"offers" doc:"What you could set up: passkey when you have none; when nothing can be shown and something must be, totp too."`
	Passkeys          int        `json:"passkeys" doc:"How many you have: GET /v1/me/passkeys lists them."`
	TOTPSince         *time.Time `json:"totp_since" doc:"Since when you have an app for codes; null: you have none."`
	RecoveryCodesLeft int        `json:"recovery_codes_left"`
}

// Enrolment is a seed for an app. It is shown this once.
type Enrolment struct {
	Secret    string    `json:"secret" doc:"Base 32, for typing." example:"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"`
	URL       string    `json:"url" doc:"For a QR code." example:"otpauth://totp/Catchment:Priya?issuer=Catchment&secret=…"`
	ExpiresAt time.Time `json:"expires_at" doc:"Send its first code until then."`
}

// ConfirmedFactor is the session after the second factor was set up.
type ConfirmedFactor struct {
	RenewedSession
	RecoveryCodes []string `json:"recovery_codes" doc:"Each stands in for the app once. They are shown this once."`
}

// RecoveryCodes are shown once.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes" doc:"Each stands in for your second factor once. Those from before are worth nothing."`
}

type factorIn struct {
	Body struct {
		Flow     string `json:"flow,omitempty" maxLength:"100" doc:"Of POST /v1/sessions/current/codes, with code; of POST /v1/sessions/current/passkeys, with passkey." example:"cfl_…"`
		Code     string `json:"code,omitempty" maxLength:"20" doc:"The six digits of the message." example:"123456"`
		TOTP     string `json:"totp,omitempty" maxLength:"6" doc:"Six digits of the app." example:"492039"`
		Recovery string `json:"recovery,omitempty" maxLength:"40" doc:"A recovery code." example:"7k2mx-90qtd"`

		Passkey map[string]any `json:"passkey,omitempty" doc:"What navigator.credentials.get gave, by its toJSON()."`
	}
}

type confirmIn struct {
	Body struct {
		Code string `json:"code" maxLength:"6" doc:"Six digits of the app." example:"492039"`
	}
}

func (d *Desk) factorRoutes() {
	op := func(method, path, name string, status int, summary, detail string) web.Op {
		return web.Op{Method: method, Path: path, Name: name, Tag: tagSession, Permission: account.UseOwnSession, Status: status, MaxBody: 8 << 10, Summary: summary, Detail: detail}
	}
	web.Meet(d.API, op(http.MethodGet, "/v1/me/factors", "get-factors", 0, "Your factors, and what this session has shown", ""), d.factors)
	web.Meet(d.API, op(http.MethodPost, "/v1/sessions/current/factors", "show-factor", 0, "Show a second factor",
		"The session rises to level 2, dangerous acts are open for ten minutes, and the answer's token takes the place of this one. Five wrong ones close it for ten minutes."), d.showFactor)
	web.Meet(d.API, op(http.MethodPost, "/v1/sessions/current/codes", "ask-own-code", http.StatusAccepted, "Have a code sent to your own phone, as a second factor",
		"409 no_phone: there is none. 429 code_asked_already says when to ask again."), d.askOwnCode)
	web.Meet(d.API, op(http.MethodPost, "/v1/me/totp", "offer-totp", http.StatusCreated, "Get a seed for an app that shows codes (TOTP)",
		"It counts once its first code was confirmed. Within ten minutes of signing in, or of your second factor: else 403 step_up_required."), d.offerTOTP)
	web.Meet(d.API, op(http.MethodPost, "/v1/me/totp/confirm", "confirm-totp", 0, "Confirm the app with its first code",
		"From then on each session has to show it. Your other sessions end, this one gets the answer's token, and you get ten recovery codes."), d.confirmTOTP)
	web.Meet(d.API, op(http.MethodDelete, "/v1/me/totp", "remove-totp", 0, "Remove the app and the recovery codes",
		"Within ten minutes of your second factor. The answer's token takes the place of this one."), d.removeTOTP)
	web.Meet(d.API, op(http.MethodPost, "/v1/me/recovery-codes", "renew-recovery-codes", http.StatusCreated, "Get ten new recovery codes",
		"Those from before are worth nothing. Within ten minutes of your second factor."), d.newRecovery)
}

func (d *Desk) factors(ctx context.Context, v *web.Visit, _ *struct{}) (*Factors, error) {
	w, err := d.Signin.Ways(ctx, v.Principal)
	if err != nil {
		return nil, err
	}
	a, err := d.Signin.Asked(ctx, v.Principal)
	return &Factors{Level: v.Shown.Level(), Shown: texts(v.Shown.List()), Needs: texts(a.Needs), Limited: a.Limited, Offers: texts(a.Offers),
		Passkeys: w.Passkeys, TOTPSince: web.TimeOrNull(w.TOTP), RecoveryCodesLeft: w.Recovery}, err
}

func (d *Desk) showFactor(ctx context.Context, v *web.Visit, in *factorIn) (*RenewedSession, error) {
	b := in.Body
	if b.Flow != "" || b.Code != "" || b.Passkey != nil {
		if b.TOTP != "" || b.Recovery != "" || b.Code != "" && b.Passkey != nil {
			return nil, problem.InvalidField("flow", "not_here", "Send flow and code, or flow and passkey, or totp, or recovery.")
		}
		if b.Passkey != nil {
			return renewed(d.Signin.ShowPasskey(ctx, v.Principal, b.Flow, answerText(b.Passkey)))
		}
		return renewed(d.Signin.ShowCode(ctx, v.Principal, b.Flow, b.Code))
	}
	return renewed(d.Signin.Show(ctx, v.Principal, signin.Proof{TOTP: b.TOTP, Recovery: b.Recovery}))
}

func (d *Desk) askOwnCode(ctx context.Context, v *web.Visit, _ *struct{}) (*CodeFlow, error) {
	f, err := d.Signin.AskOwnCode(ctx, v.Principal)
	return &CodeFlow{f.Secret, f.ExpiresAt, f.AgainAt}, err
}

func (d *Desk) offerTOTP(ctx context.Context, v *web.Visit, _ *struct{}) (*Enrolment, error) {
	e, err := d.Signin.OfferTOTP(ctx, v.Principal)
	return &Enrolment{e.Secret, e.URL, e.Expires}, err
}

func (d *Desk) confirmTOTP(ctx context.Context, v *web.Visit, in *confirmIn) (*ConfirmedFactor, error) {
	c, err := d.Signin.ConfirmTOTP(ctx, v.Principal, in.Body.Code)
	if err != nil {
		return nil, err
	}
	s, err := renewed(c.SignedIn, nil)
	return &ConfirmedFactor{*s, c.Recovery}, err
}

func (d *Desk) removeTOTP(ctx context.Context, v *web.Visit, _ *struct{}) (*RenewedSession, error) {
	return renewed(d.Signin.RemoveTOTP(ctx, v.Principal))
}

func (d *Desk) newRecovery(ctx context.Context, v *web.Visit, _ *struct{}) (*RecoveryCodes, error) {
	codes, err := d.Signin.NewRecovery(ctx, v.Principal)
	return &RecoveryCodes{codes}, err
}

func renewed(s signin.SignedIn, err error) (*RenewedSession, error) {
	return &RenewedSession{Token: s.Token, ExpiresAt: s.Expires, Level: s.Shown.Level()}, err
}

// texts is never nil, so that it becomes a list.
func texts(factors []account.Factor) []string {
	out := make([]string, len(factors))
	for i, f := range factors {
		out[i] = string(f)
	}
	return out
}
