package console

import (
	"context"
	"crypto/subtle"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/privacy"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/ending"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// AccountEnd is whether, and when, the account is to end.
type AccountEnd struct {
	State       string     `json:"state" enum:"none,waiting,running" doc:"waiting: the grace time runs, and it can be taken back. running: it cannot."`
	AskedAt     *time.Time `json:"asked_at"`
	By          *string    `json:"by" doc:"Who asked: a user's or key's id."`
	DueAt       *time.Time `json:"due_at" doc:"When the grace time is over. Then all keys are destroyed, and rows, files and what waits are removed."`
	Certificate string     `json:"certificate_url" doc:"Where the certificate of deletion will be. Keep it: afterwards nobody can sign in and ask." example:"https://leads.example.com/v1/ended/acct_01h455vb4pex5vsknk084sn02q.8Ur3nVtq4h0d"`
	MinDays     int        `json:"min_days" doc:"The shortest grace time." example:"3"`
	MaxDays     int        `json:"max_days" doc:"The longest." example:"60"`
}

type accountEndIn struct {
	Body struct {
		Name      string `json:"name" minLength:"1" maxLength:"200" doc:"The account's name, as you see it: so that nobody ends the wrong one." example:"Harbour Homes"`
		GraceDays int    `json:"grace_days" doc:"How long it can be taken back: 3 to 60 days." example:"14"`
	}
}

// AccountEnded is what remains of an account: the proof of its end.
type AccountEnded struct {
	State       string `json:"state" enum:"running,ended" doc:"running: its keys are destroyed, or about to be, and its rows are being removed."`
	Certificate string `json:"certificate" doc:"A signed note: catchment account certificate verify FILE. Empty until everything is removed."`
}

type accountEndedIn struct {
	ID string `path:"id" maxLength:"100" doc:"What certificate_url ends with: the account's id, a dot, and what nobody can guess." example:"acct_01h455vb4pex5vsknk084sn02q.8Ur3nVtq4h0d"`
}

func (c *Console) endRoutes() {
	op := func(method, name, summary, detail string) web.Op {
		return web.Op{Method: method, Path: "/v1/account/end", Name: name, Tag: "privacy", Permission: account.LeaveAccount, Summary: summary, Detail: detail}
	}
	web.See(c.API, op("GET", "get-account-end", "Whether the account is to end, and when", ""), c.seeEnd)
	ask := op("POST", "ask-account-end", "End the account",
		"Take your data out first. Until the grace time is over everything works as before, and DELETE takes it back. Then the account's keys are destroyed, its API keys and sessions get 401 from that moment, everything of it is removed within seven business days, and a signed certificate lists what was destroyed.")
	ask.Status, ask.StepUp = 201, true
	web.Do(c.API, ask, c.askEnd)
	web.Do(c.API, op("DELETE", "cancel-account-end", "Take it back", "For as long as the grace time runs."), c.cancelEnd)
	web.Meet(c.API, web.Op{Method: "GET", Path: "/v1/ended/{id}", Name: "get-ended", Tag: "privacy", Permission: account.Public,
		Summary: "The certificate of deletion of an account", Detail: "Nobody can sign in to an account that was ended: the address is known from before."}, c.seeEnded)
}

func (c *Console) endView(tx *store.Tx, e ending.End, asked bool) *AccountEnd {
	out := &AccountEnd{State: "none", Certificate: c.PublicURL + "/v1/ended/" + tx.Account().String() + "." + c.EndProof(tx.Account()),
		MinDays: int(privacy.ShortestGrace.Hours() / 24), MaxDays: int(privacy.LongestGrace.Hours() / 24)}
	if !asked {
		return out
	}
	out.State, out.AskedAt, out.DueAt, out.By = "waiting", &e.AskedAt, &e.DueAt, &e.By
	if !e.StartedAt.IsZero() {
		out.State = "running"
	}
	return out
}

func (c *Console) seeEnd(_ *web.Visit, tx *store.Tx, _ *struct{}) (*AccountEnd, error) {
	e, asked, err := privacy.EndOf(tx)
	return c.endView(tx, e, asked), err
}

func (c *Console) askEnd(v *web.Visit, tx *store.Tx, in *accountEndIn) (*AccountEnd, error) {
	own, err := setup.GetAccount(tx)
	if err != nil {
		return nil, err
	}
	if in.Body.Name != own.Name {
		return nil, problem.InvalidField("name", "another_name", "Send the account's name, letter for letter.")
	}
	e, err := c.Privacy.AskEnd(tx, time.Duration(in.Body.GraceDays)*24*time.Hour, v.Actor, v.At)
	if err != nil {
		return nil, err
	}
	return c.endView(tx, e, true), c.changed(tx, v, "account", "account.end.asked", own.ID.String(), map[string]any{"due_at": e.DueAt})
}

func (c *Console) cancelEnd(v *web.Visit, tx *store.Tx, _ *struct{}) (*AccountEnd, error) {
	if err := c.Privacy.CancelEnd(tx); err != nil {
		return nil, err
	}
	return c.endView(tx, ending.End{}, false), c.changed(tx, v, "account", "account.end.cancelled", tx.Account().String(), nil)
}

// seeEnded answers who knows the address, and everybody else as if nothing was
// there.
func (c *Console) seeEnded(_ context.Context, _ *web.Visit, in *accountEndedIn) (*AccountEnded, error) {
	name, proof, _ := strings.Cut(in.ID, ".")
	id, err := account.ParseID(name)
	if err != nil || subtle.ConstantTimeCompare([]byte(proof), []byte(c.EndProof(id))) != 1 {
		return nil, problem.NotFound()
	}
	certificate, ended := c.Ended(id)
	switch {
	case !ended:
		return nil, problem.NotFound()
	case certificate == "":
		return &AccountEnded{State: "running"}, nil
	}
	return &AccountEnded{State: "ended", Certificate: certificate}, nil
}
