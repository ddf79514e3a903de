package operate

import (
	"context"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/concern"
	"catchment/internal/problem"
	"catchment/internal/store/concerns"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// Concern is a report from outside, without what it says.
type Concern struct {
	ID         string     `json:"id" doc:"The reference that whoever sent it has." example:"rpt_01h455vb4pex5vsknk084sn02q"`
	Kind       string     `json:"kind" enum:"vulnerability,misuse,contact,data,other" doc:"vulnerability: of the software. misuse: a form or page that deceives. contact: somebody is contacted against their will. data: somebody's data are where they should not be."`
	State      string     `json:"state" enum:"new,looked,answered,closed" doc:"looked: an operator has opened it."`
	ReceivedAt time.Time  `json:"received_at"`
	LookedAt   *time.Time `json:"looked_at" doc:"First."`
	AnsweredAt *time.Time `json:"answered_at" doc:"Last."`
	ClosedAt   *time.Time `json:"closed_at"`
	GoneAt     *time.Time `json:"gone_at" doc:"When it is deleted: 180 days after it was closed."`
	HasEmail   bool       `json:"has_email" doc:"Whoever sent it said where an answer goes."`
}

// ConcernList is a page of reports.
type ConcernList struct {
	Items      []Concern `json:"items" nullable:"false"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Send as cursor for the next page; absent on the last."`
	Waiting    int64     `json:"waiting" doc:"How many of all reports nobody has answered or closed."`
}

// OpenConcern is a report with what it says.
type OpenConcern struct {
	Concern
	Place   string        `json:"place" doc:"Where: an address or an id, in the words of whoever sent it; it may be empty." example:"https://example.com/offer"`
	Message string        `json:"message" example:"This form asks for a card number."`
	Email   string        `json:"email" doc:"Empty: no answer is wanted but at the link." example:"ada@example.com"`
	Words   []ConcernWord `json:"words" nullable:"false" doc:"What operators wrote, oldest first."`
}

// ConcernWord is what an operator wrote to a report.
type ConcernWord struct {
	Kind string    `json:"kind" enum:"note,answer" doc:"answer: whoever sent the report reads it by their link."`
	By   string    `json:"by" doc:"An operator's id." example:"user_01h455vb4pex5vsknk084sn02q"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

type concernsIn struct {
	web.Page
	Open bool `query:"open" doc:"Only those that are not closed."`
}

// ConcernPath is the input of a route about one report.
type ConcernPath struct {
	ID string `path:"id" doc:"The report's id." example:"rpt_01h455vb4pex5vsknk084sn02q"`
}

type concernWordIn struct {
	ConcernPath
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"8000" example:"The page is down since noon."`
	}
}

func (p Parts) concernRoutes() {
	op := func(method, path, name, summary, detail string) web.Op {
		return web.Op{Method: method, Path: "/v1/platform/reports" + path, Name: name, Tag: "operator", Permission: account.RunPlatform, Summary: summary, Detail: detail}
	}
	web.Meet(p.API, op("GET", "", "list-concerns", "What strangers reported by the form", "Newest first, without what they say."), p.listConcerns)
	web.Meet(p.API, op("POST", "/{id}/open", "open-concern", "Read a report", "It stands on the platform's record before it is given."), p.openConcern)
	web.Meet(p.API, op("POST", "/{id}/notes", "note-concern", "Write a note to a report", "Operators read it, and nobody else."), p.noteConcern)
	web.Meet(p.API, op("POST", "/{id}/answers", "answer-concern", "Answer a report", "Whoever sent it reads the answer by the link that they were given; no mail goes out. 409 report_closed."), p.answerConcern)
	web.Meet(p.API, op("POST", "/{id}/close", "close-concern", "Close a report", "It is deleted 180 days later. 409 report_closed."), p.closeConcern)
}

func concernView(c concerns.Concern) Concern {
	out := Concern{ID: c.ID.String(), Kind: string(c.Kind), State: string(c.State()), ReceivedAt: c.ReceivedAt, LookedAt: web.TimeOrNull(c.LookedAt), AnsweredAt: web.TimeOrNull(c.AnsweredAt),
		ClosedAt: web.TimeOrNull(c.ClosedAt), HasEmail: len(c.Email) > 0}
	if !c.ClosedAt.IsZero() {
		out.GoneAt = web.TimeOrNull(c.ClosedAt.Add(concern.Keep))
	}
	return out
}

func (p Parts) listConcerns(ctx context.Context, _ *web.Visit, in *concernsIn) (*ConcernList, error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, waiting, err := p.Concerns.List(ctx, in.Open, from.At, web.IDAt[concerns.ID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	l := web.ListOf(in.Page, rows, func(c concerns.Concern) web.Place { return web.Place{At: c.ReceivedAt, ID: c.ID.UUID()} }, concernView)
	return &ConcernList{Items: l.Items, NextCursor: l.NextCursor, Waiting: waiting}, nil
}

// onConcern does something with one report, whose answer is the whole of it.
func (p Parts) onConcern(id string, do func(concerns.ID) (concern.Opened, error)) (*OpenConcern, error) {
	of, err := web.PathID(id, concerns.ParseID)
	if err != nil {
		return nil, err
	}
	c, err := do(of)
	if err != nil {
		return nil, err
	}
	out := &OpenConcern{Concern: concernView(c.Concern), Place: reveal.Text(c.Place), Message: reveal.Text(c.Message), Email: reveal.Text(c.Email), Words: []ConcernWord{}}
	for _, w := range c.Words {
		out.Words = append(out.Words, ConcernWord{Kind: string(w.Kind), By: w.By.String(), At: w.At, Text: reveal.Text(w.Text)})
	}
	return out, nil
}

func (p Parts) openConcern(ctx context.Context, v *web.Visit, in *ConcernPath) (*OpenConcern, error) {
	return p.onConcern(in.ID, func(id concerns.ID) (concern.Opened, error) { return p.Concerns.Open(ctx, v.User, id) })
}

func (p Parts) closeConcern(ctx context.Context, v *web.Visit, in *ConcernPath) (*OpenConcern, error) {
	return p.onConcern(in.ID, func(id concerns.ID) (concern.Opened, error) { return p.Concerns.Close(ctx, v.User, id) })
}

func (p Parts) noteConcern(ctx context.Context, v *web.Visit, in *concernWordIn) (*OpenConcern, error) {
	text, err := in.words()
	if err != nil {
		return nil, err
	}
	return p.onConcern(in.ID, func(id concerns.ID) (concern.Opened, error) { return p.Concerns.Note(ctx, v.User, id, text) })
}

func (p Parts) answerConcern(ctx context.Context, v *web.Visit, in *concernWordIn) (*OpenConcern, error) {
	text, err := in.words()
	if err != nil {
		return nil, err
	}
	return p.onConcern(in.ID, func(id concerns.ID) (concern.Opened, error) { return p.Concerns.Answer(ctx, v.User, id, text) })
}

func (in *concernWordIn) words() (vault.Personal, error) {
	text := strings.TrimSpace(in.Body.Text)
	if text == "" {
		return vault.Personal{}, problem.InvalidField("text", "required", "Write something.")
	}
	return vault.Hide(text), nil
}
