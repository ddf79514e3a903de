package console

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/privacy"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/retention"
	"catchment/internal/web"
)

// RetentionRules are after how many days what goes by itself.
type RetentionRules struct {
	LeadDays       int `json:"lead_days" doc:"Persons none of whose leads had activity for so many days are erased: 30 to 3650; 0: never." example:"730"`
	TestLeadDays   int `json:"test_lead_days" doc:"The same, of test leads: 1 to 3650; 0: never." example:"7"`
	SubmissionDays int `json:"submission_days" doc:"What came in, as it came, with the sender's address and browser: 30 to 3650; 0: it goes with its person." example:"90"`
	AttachmentDays int `json:"attachment_days" doc:"Files of leads that were closed so many days ago, and added before that: 1 to 3650; 0: they go with their person." example:"365"`
	FileDays       int `json:"file_days" doc:"Files of imports that nobody finished, and of exports that nobody fetched: 1 to 3650; 0: never." example:"14"`
}

// RetentionCounts are what went, or would.
type RetentionCounts struct {
	Persons     int64 `json:"persons" example:"214"`
	Leads       int64 `json:"leads" doc:"Of these persons." example:"231"`
	TestPersons int64 `json:"test_persons" example:"3"`
	TestLeads   int64 `json:"test_leads" example:"5"`
	Submissions int64 `json:"submissions" example:"1880"`
	Attachments int64 `json:"attachments" doc:"Files of leads." example:"12"`
	Files       int64 `json:"files" example:"2"`
}

// Retention is the account's rules, and what they took.
type Retention struct {
	Rules    RetentionRules   `json:"rules"`
	By       *string          `json:"by" doc:"Who set them: a user's or key's id."`
	SetAt    *time.Time       `json:"set_at"`
	BeginsAt *time.Time       `json:"begins_at" doc:"When they take something next, a day after they were set at the earliest; null: never."`
	RanAt    *time.Time       `json:"ran_at" doc:"When the last look ended."`
	Ran      *RetentionCounts `json:"ran" doc:"What it took."`
}

// RetentionPreview is what rules would take now.
type RetentionPreview struct {
	Would RetentionCounts `json:"would"`
	More  bool            `json:"more" doc:"There is more than was counted: 50,000 persons, submissions, or files of leads, are looked at."`
}

type retentionIn struct{ Body RetentionRules }

func (c *Console) retentionRoutes() {
	op := func(method, path, name, summary, detail string) web.Op {
		return web.Op{Method: method, Path: "/v1/retention" + path, Name: name, Tag: "privacy", Permission: account.ManagePrivacy, Summary: summary, Detail: detail}
	}
	web.See(c.API, op("GET", "", "get-retention", "After how long what goes by itself, and what went last", ""), c.getRetention)
	put := op("PUT", "", "put-retention", "Say after how long what goes by itself",
		"Takes nothing for a day, then looks once a day. A person goes as by a subject's request, when the last of their leads is due. Activity is an enquiry, offer, attempt, note, change of stage or owner, visit, booking and follow-up, one that is planned when it is to be. Who is restricted, or asked to be, or has a booking that stands, stays.")
	put.StepUp = true
	web.Do(c.API, put, c.putRetention)
	web.Meet(c.API, op("POST", "/preview", "preview-retention", "What rules would take now", "Counts, and changes nothing."), c.previewRetention)
}

func (r RetentionRules) stored() retention.Rules {
	return retention.Rules{Leads: r.LeadDays, Tests: r.TestLeadDays, Submissions: r.SubmissionDays, Attachments: r.AttachmentDays, Files: r.FileDays}
}

func rulesView(r retention.Rules) RetentionRules {
	return RetentionRules{LeadDays: r.Leads, TestLeadDays: r.Tests, SubmissionDays: r.Submissions, AttachmentDays: r.Attachments, FileDays: r.Files}
}

func retentionView(p retention.Plan) *Retention {
	out := &Retention{Rules: rulesView(p.Rules), By: web.OrNull(p.By), SetAt: web.TimeOrNull(p.ChangedAt),
		BeginsAt: web.TimeOrNull(privacy.RetentionBegins(p)), RanAt: web.TimeOrNull(p.RanAt)}
	if out.RanAt != nil {
		ran := RetentionCounts(p.Ran)
		out.Ran = &ran
	}
	return out
}

func (c *Console) getRetention(_ *web.Visit, tx *store.Tx, _ *struct{}) (*Retention, error) {
	p, err := retention.Get(tx)
	return retentionView(p), err
}

func (c *Console) putRetention(v *web.Visit, tx *store.Tx, in *retentionIn) (*Retention, error) {
	was, err := retention.Get(tx)
	if err != nil {
		return nil, err
	}
	now, err := c.Privacy.SetRetention(tx, in.Body.stored(), v.Actor, v.At)
	if err != nil || now.Rules == was.Rules {
		return retentionView(now), err
	}
	about := v.Scope.Account().String()
	if err := keep(tx, v, about, "retention.", rulesView(was.Rules), rulesView(now.Rules)); err != nil {
		return nil, err
	}
	return retentionView(now), c.changed(tx, v, "account", "retention.changed", about, in.Body)
}

func (c *Console) previewRetention(ctx context.Context, v *web.Visit, in *retentionIn) (*RetentionPreview, error) {
	if in.Body == (RetentionRules{}) {
		return nil, problem.InvalidField("lead_days", "required", "Send the days of one rule at least.")
	}
	would, more, err := c.Privacy.Preview(ctx, v.Scope, in.Body.stored())
	return &RetentionPreview{Would: RetentionCounts(would), More: more}, err
}
