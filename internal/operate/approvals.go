package operate

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store/approvals"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// Approval is what one operator asks for and others approve.
type Approval struct {
	ID        string       `json:"id" example:"appr_01h455vb4pex5vsknk084sn02q"`
	Kind      string       `json:"kind" enum:"break-glass,logs"`
	AccountID *string      `json:"account_id" doc:"Whose leads; of logs whom the lines name, null: any." example:"acct_01h455vb4pex5vsknk084sn02q"`
	By        string       `json:"by" doc:"Who asked, and alone may open or read it." example:"user_01h455vb4pex5vsknk084sn02q"`
	Purpose   string       `json:"purpose" doc:"The account reads it, if it is about one's leads."`
	Fields    []string     `json:"fields" nullable:"false" example:"[\"name\",\"phone\"]"`
	Leads     []string     `json:"leads" nullable:"false" doc:"Ids; empty: those that the project has when it opens."`
	ProjectID *string      `json:"project_id"`
	Log       *ApprovalLog `json:"log" doc:"null: it is not about logs."`
	Minutes   int64        `json:"minutes" doc:"For how long, from when it opens."`
	Needed    int64        `json:"needed" doc:"How many approvals it takes."`
	Approvals []ApprovedBy `json:"approvals" nullable:"false"`
	State     string       `json:"state" enum:"asked,approved,open,ended,closed,lapsed" doc:"approved: it opens in a moment. closed: withdrawn or refused. lapsed: not approved in time."`
	AskedAt   time.Time    `json:"asked_at"`
	LapsesAt  time.Time    `json:"lapses_at"`
	OpenedAt  *time.Time   `json:"opened_at"`
	EndsAt    *time.Time   `json:"ends_at"`
	GrantID   *string      `json:"grant_id" doc:"Since it opened; the leads are read by it." example:"grant_01h455vb4pex5vsknk084sn02q"`
	ClosedAt  *time.Time   `json:"closed_at"`
	ClosedBy  *string      `json:"closed_by" doc:"An operator, somebody of the account, or system:privacy when its time was over."`
}

// ApprovalLog is the part of the program's log that a request is for; an empty
// text stands for all.
type ApprovalLog struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Level   string    `json:"level" enum:",info,warn,error" doc:"The least."`
	Part    string    `json:"part" example:"intake"`
	Request string    `json:"request" doc:"The request's id."`
}

// ApprovedBy is one operator's approval.
type ApprovedBy struct {
	By string    `json:"by" example:"user_01h455vb4pex5vsknk084sn02q"`
	At time.Time `json:"at"`
}

type approvalsIn struct{ web.Page }

type newApprovalIn struct {
	Body struct {
		Kind      string   `json:"kind" enum:"break-glass,logs"`
		AccountID string   `json:"account_id,omitempty" maxLength:"60" doc:"Whose leads. Of logs: only lines that name this account." example:"acct_01h455vb4pex5vsknk084sn02q"`
		Leads     []string `json:"leads,omitempty" maxItems:"500" doc:"Ids of leads. Or project_id."`
		ProjectID string   `json:"project_id,omitempty" maxLength:"60" doc:"The leads that the project has when it opens, 500 at most."`
		Fields    []string `json:"fields,omitempty" maxItems:"5" doc:"Of break-glass: any of name, phone, email, message, note." example:"[\"name\",\"phone\"]"`
		From      string   `json:"from,omitempty" maxLength:"40" doc:"Of logs, RFC 3339: lines from then on."`
		To        string   `json:"to,omitempty" maxLength:"40" doc:"Of logs, RFC 3339: lines before then, a week after from at most."`
		Level     string   `json:"level,omitempty" enum:"info,warn,error" doc:"Of logs: the least level."`
		Part      string   `json:"part,omitempty" maxLength:"60" doc:"Of logs: only lines of this part of the program." example:"intake"`
		Request   string   `json:"request,omitempty" maxLength:"60" doc:"Of logs: only lines of the request of this id."`
		Minutes   int64    `json:"minutes" minimum:"1" maximum:"60" example:"15"`
		Purpose   string   `json:"purpose" minLength:"1" maxLength:"200" doc:"Why, with nothing personal: the other operators and the account read it." example:"Ticket 4711: leads arrive without numbers"`
	}
}

// ApprovalPath is the input of a route about one request.
type ApprovalPath struct {
	ID string `path:"id" doc:"The request's id." example:"appr_01h455vb4pex5vsknk084sn02q"`
}

func (p Parts) approvalRoutes() {
	op := func(method, path, name string, may account.Permission, summary, detail string) web.Op {
		return web.Op{Method: method, Path: "/v1/operator/approvals" + path, Name: name, Tag: "operator", Permission: may, StepUp: method == "POST", Summary: summary, Detail: detail}
	}
	web.Meet(p.API, op("GET", "", "list-approvals", account.ReviewPlatform, "What operators asked others to approve", "Newest first, with those that are over."), p.approvals)
	ask := op("POST", "", "ask-approval", account.RunPlatform, "Ask to open leads that no account granted, or to read the log",
		"break-glass is for an emergency. Others approve it (how many: --approvals), never who asks; it lapses after four hours. Once it is approved the account has it on its record, as an alarm and as a grant that it can take back, and who asked opens the leads as by any grant, for an hour at most. logs: who asked reads the lines of a week at most, for an hour at most.")
	ask.Status = 201
	web.Meet(p.API, ask, p.askApproval)
	web.Meet(p.API, op("POST", "/{id}/approve", "approve", account.ReviewPlatform, "Approve what another operator asked for", "409 own_request, approved_already, not_waiting; 403 no_approver."), p.approve)
	end := op("POST", "/{id}/close", "close-approval", account.ReviewPlatform, "Withdraw, refuse or end a request", "What is open ends at once. 409 request_over.")
	end.StepUp = false // to end something is never in the way
	web.Meet(p.API, end, p.closeApproval)
	web.Meet(p.API, op("GET", "/{id}/lines", "read-log", account.RunPlatform, "Read the log by an approved request",
		"Newest first, for who asked, while it is open; each page is on the platform's record before it is given. A page may be short and have a next_cursor: so much was looked through. 403 not_open."), p.logLines)
}

func approvalView(now time.Time) func(approvals.Request) Approval {
	return func(r approvals.Request) Approval {
		out := Approval{ID: r.ID.String(), Kind: string(r.Kind), AccountID: web.OrNull(r.Target.String()), By: r.By.String(), Purpose: r.Purpose, Fields: []string{}, Leads: []string{},
			ProjectID: web.OrNull(r.Scope.Project.String()), Minutes: r.Minutes, Needed: r.Needed, Approvals: []ApprovedBy{}, State: string(r.StateAt(now)), AskedAt: r.AskedAt, LapsesAt: r.LapsesAt,
			OpenedAt: web.TimeOrNull(r.OpenedAt), EndsAt: web.TimeOrNull(r.EndsAt), ClosedAt: web.TimeOrNull(r.ClosedAt), ClosedBy: web.OrNull(r.ClosedBy)}
		for _, f := range r.Scope.Fields {
			out.Fields = append(out.Fields, string(f))
		}
		for _, l := range r.Scope.Leads {
			out.Leads = append(out.Leads, l.String())
		}
		for _, a := range r.Approvals {
			out.Approvals = append(out.Approvals, ApprovedBy{a.By.String(), a.At})
		}
		if l := r.Scope.Log; l != nil {
			out.Log = &ApprovalLog{l.From, l.Until, l.Level, l.Part, l.Request}
		}
		if !r.OpenedAt.IsZero() && r.Kind == approvals.BreakGlass {
			out.GrantID = web.OrNull(account.GrantIDFrom(r.ID.UUID()).String())
		}
		return out
	}
}

func (p Parts) approvals(ctx context.Context, v *web.Visit, in *approvalsIn) (*web.List[Approval], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := p.Approvals.List(ctx, from.At, web.IDAt[approvals.ID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(r approvals.Request) web.Place { return web.Place{At: r.AskedAt, ID: r.ID.UUID()} }, approvalView(v.At)), nil
}

func (p Parts) askApproval(ctx context.Context, v *web.Visit, in *newApprovalIn) (*Approval, error) {
	var of account.ID
	if in.Body.AccountID != "" || in.Body.Kind == string(approvals.BreakGlass) {
		var err error
		if of, err = account.ParseID(in.Body.AccountID); err != nil {
			return nil, problem.InvalidField("account_id", "unknown_account", "There is no such account.")
		}
	}
	if in.Body.Kind == string(approvals.Logs) {
		return p.askLogs(ctx, v, of, in)
	}
	return p.askEmergency(ctx, v, of, in)
}

func (p Parts) askLogs(ctx context.Context, v *web.Visit, of account.ID, in *newApprovalIn) (*Approval, error) {
	b := in.Body
	scope, err := approvals.Log{Level: b.Level, Part: b.Part, Request: b.Request}, error(nil)
	if scope.From, err = web.Instant("from", b.From); err != nil {
		return nil, err
	}
	if scope.Until, err = web.Instant("to", b.To); err != nil {
		return nil, err
	}
	return p.answered(v, func() (approvals.Request, error) {
		return p.Approvals.AskLogs(ctx, v.User, of, scope, b.Minutes, b.Purpose)
	})
}

func (p Parts) askEmergency(ctx context.Context, v *web.Visit, of account.ID, in *newApprovalIn) (_ *Approval, err error) {
	b := in.Body
	var scope approvals.Scope
	for _, text := range b.Leads {
		id, err := lead.ParseID(text)
		if err != nil {
			return nil, problem.InvalidField("leads", "unknown_lead", "No lead of this account has one of these ids.")
		}
		scope.Leads = append(scope.Leads, id)
	}
	if b.ProjectID != "" {
		if scope.Project, err = account.ParseProjectID(b.ProjectID); err != nil {
			return nil, problem.InvalidField("project_id", "no_leads", "This project has no leads, or is none of this account.")
		}
	}
	for _, f := range b.Fields {
		scope.Fields = append(scope.Fields, vault.Field(f))
	}
	return p.answered(v, func() (approvals.Request, error) {
		return p.Approvals.AskEmergency(ctx, v.User, of, scope, b.Minutes, b.Purpose)
	})
}

func (p Parts) approve(ctx context.Context, v *web.Visit, in *ApprovalPath) (*Approval, error) {
	id, err := web.PathID(in.ID, approvals.ParseID)
	if err != nil {
		return nil, err
	}
	return p.answered(v, func() (approvals.Request, error) { return p.Approvals.Approve(ctx, id, v.User) })
}

func (p Parts) closeApproval(ctx context.Context, v *web.Visit, in *ApprovalPath) (*Approval, error) {
	id, err := web.PathID(in.ID, approvals.ParseID)
	if err != nil {
		return nil, err
	}
	return p.answered(v, func() (approvals.Request, error) { return p.Approvals.Close(ctx, id, v.User) })
}

func (p Parts) answered(v *web.Visit, do func() (approvals.Request, error)) (*Approval, error) {
	r, err := do()
	if err != nil {
		return nil, err
	}
	out := approvalView(v.At)(r)
	return &out, nil
}
