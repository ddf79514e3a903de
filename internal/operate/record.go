package operate

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/web"
)

// PlatformEntry is one entry of the platform's record.
type PlatformEntry struct {
	ID        string          `json:"id" example:"rec_01h455vb4pex5vsknk084sn02q"`
	At        time.Time       `json:"at"`
	Actor     string          `json:"actor" doc:"An operator's id; command:USER@HOST for the command line; system: and a part of the program." example:"command:root@db1"`
	Action    string          `json:"action" example:"account.create"`
	About     string          `json:"about,omitempty" doc:"The id of the thing." example:"acct_01h455vb4pex5vsknk084sn02q"`
	Detail    json.RawMessage `json:"detail,omitempty" doc:"Ids and counts; nothing personal."`
	Review    bool            `json:"review" doc:"An operator or somebody at the command line did it: another operator looks at it."`
	SignedOff *SignOff        `json:"signed_off" doc:"null: nobody has."`
}

// SignOff says who has looked at an entry.
type SignOff struct {
	By   string    `json:"by" doc:"An operator's id." example:"user_01h455vb4pex5vsknk084sn02q"`
	At   time.Time `json:"at"`
	Note string    `json:"note"`
}

// PlatformRecord is a page of the record.
type PlatformRecord struct {
	Items      []PlatformEntry `json:"items" nullable:"false"`
	NextCursor string          `json:"next_cursor,omitempty" doc:"Send as cursor for the next page; absent on the last."`
	Unsigned   int64           `json:"unsigned" doc:"How many entries of the whole record wait to be signed off."`
}

type recordIn struct {
	web.Page
	From     string `query:"from" maxLength:"40" doc:"RFC 3339: from then on."`
	To       string `query:"to" maxLength:"40" doc:"RFC 3339: before then."`
	Actor    string `query:"actor" maxLength:"200" doc:"Only what this one did, whole, as it stands in the entries."`
	Action   string `query:"action" maxLength:"100" doc:"Only this action." example:"account.create"`
	Unsigned bool   `query:"unsigned" doc:"Only what waits to be signed off."`
}

type signOffIn struct {
	ID   string `path:"id" doc:"The entry's id." example:"rec_01h455vb4pex5vsknk084sn02q"`
	Body struct {
		Note string `json:"note" maxLength:"500" doc:"Why it was in order; nothing personal. It may be empty." example:"Asked for in ticket 4711."`
	}
}

func (p Parts) recordRoutes() {
	web.Meet(p.API, web.Op{Method: "GET", Path: "/v1/platform/record", Name: "platform-record", Tag: "operator", Permission: account.ReviewPlatform,
		Summary: "Who did what on the platform", Detail: "Newest first: sessions and acts of operators, acts at the command line, and refusals where no account is known. Nobody can change or remove an entry."}, p.record)
	web.Meet(p.API, web.Op{Method: "POST", Path: "/v1/platform/record/{id}/sign-off", Name: "sign-off", Tag: "operator", Permission: account.ReviewPlatform,
		Summary: "Say that you have looked at an act of somebody else", Detail: "It stands in the record itself. 409 own_act: another operator signs it off. 409 signed_off: somebody has. 409 no_review: nobody has to."}, p.signOff)
}

func (p Parts) record(ctx context.Context, _ *web.Visit, in *recordIn) (*PlatformRecord, error) {
	start, err := in.Start()
	if err != nil {
		return nil, err
	}
	f := audit.ReviewFilter{Filter: audit.Filter{Actor: in.Actor, Action: in.Action}, Unsigned: in.Unsigned}
	if f.From, err = web.Instant("from", in.From); err != nil {
		return nil, err
	}
	if f.Until, err = web.Instant("to", in.To); err != nil {
		return nil, err
	}
	rows, unsigned, err := p.Record.List(ctx, f, audit.Place{At: start.At, ID: web.IDAt[audit.ID](start)}, in.Limit+1)
	if err != nil {
		return nil, err
	}
	l := web.ListOf(in.Page, rows, func(r audit.Reviewed) web.Place { return web.Place{At: r.At, ID: r.ID.UUID()} }, entryView)
	return &PlatformRecord{Items: l.Items, NextCursor: l.NextCursor, Unsigned: unsigned}, nil
}

func entryView(r audit.Reviewed) PlatformEntry {
	out := PlatformEntry{ID: r.ID.String(), At: r.At, Actor: r.Actor, Action: r.Action, About: r.About, Detail: r.Detail, Review: r.Review}
	if r.By != "" {
		out.SignedOff = &SignOff{r.By, r.SignedAt, r.Note}
	}
	return out
}

func (p Parts) signOff(ctx context.Context, v *web.Visit, in *signOffIn) (*PlatformEntry, error) {
	id, err := web.PathID(in.ID, audit.ParseID)
	if err != nil {
		return nil, err
	}
	r, err := p.Record.SignOff(ctx, id, v.Actor, strings.TrimSpace(in.Body.Note), v.At)
	if err != nil {
		return nil, err
	}
	out := entryView(r)
	return &out, nil
}
