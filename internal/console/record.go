package console

import (
	"encoding/json"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/web"
)

// RecordEntry is one entry of the record: who did what to whose data, and why.
type RecordEntry struct {
	ID      string          `json:"id" example:"rec_01h455vb4pex5vsknk084sn02q"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor" doc:"A user's or key's id, or a part of the program." example:"user_01h455vb4pex5vsknk084sn02q"`
	Action  string          `json:"action" example:"lead.accepted"`
	Purpose string          `json:"purpose,omitempty" doc:"Of an opening of personal data."`
	About   string          `json:"about,omitempty" doc:"The id of the thing; absent when there are several, which detail then lists." example:"lead_01h455vb4pex5vsknk084sn02q"`
	Fields  []string        `json:"fields,omitempty" doc:"With about: the fields that were opened of its data." example:"[\"name\",\"phone\"]"`
	Detail  json.RawMessage `json:"detail,omitempty" doc:"Ids, names of fields and counts; nothing personal."`
}

type recordIn struct {
	web.Page
	Actor   string `query:"actor" maxLength:"100" doc:"Only what this user or key did."`
	Action  string `query:"action" maxLength:"100" doc:"Only this action; opened is every opening of personal data." example:"opened"`
	Purpose string `query:"purpose" maxLength:"100" doc:"Only openings with this stated reason." example:"contact"`
	About   string `query:"about" maxLength:"100" doc:"Only what was done to the thing of this id: a person's and a user's also where their data was opened, a lead's also where its person's was." example:"lead_01h455vb4pex5vsknk084sn02q"`
	From    string `query:"from" maxLength:"40" doc:"RFC 3339: from then on."`
	To      string `query:"to" maxLength:"40" doc:"RFC 3339: before then."`
}

func (c *Console) recordRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/record", Name: "list-record", Tag: "record", Permission: account.ReadRecord,
		Summary: "Who did what to whose data, when and why", Detail: "Newest first. Every opening of personal data is here, and every change of the set-up. Nobody can change or remove an entry."}, listRecord)
	if c.Tree != nil {
		c.verifyRoutes()
	}
}

func listRecord(_ *web.Visit, tx *store.Tx, in *recordIn) (*web.List[RecordEntry], error) {
	things, err := thingsOf(tx, in.About)
	if err != nil {
		return nil, err
	}
	return listEntries(tx, in, things, func(r audit.Record) RecordEntry {
		e := recordView(r)
		e.Fields = fieldsOf(r, things)
		return e
	})
}

// listEntries reads a page of the record, of any of the things, or of all.
func listEntries[T any](tx *store.Tx, in *recordIn, things []string, view func(audit.Record) T) (*web.List[T], error) {
	start, err := in.Start()
	if err != nil {
		return nil, err
	}
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	after := audit.Place{At: start.At, ID: web.IDAt[audit.ID](start)}
	var rows []audit.Record
	if len(things) == 0 {
		rows, err = audit.List(tx, f, after, in.Limit+1)
	} else {
		rows, err = audit.ListAny(tx, f, things, after, in.Limit+1)
	}
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(r audit.Record) web.Place { return web.Place{At: r.At, ID: r.ID.UUID()} }, view), nil
}

func (in *recordIn) filter() (f audit.Filter, err error) {
	f = audit.Filter{Actor: in.Actor, Action: in.Action, Purpose: in.Purpose}
	if f.From, err = web.Instant("from", in.From); err != nil {
		return f, err
	}
	f.Until, err = web.Instant("to", in.To)
	return f, err
}

// thingsOf lists what to look for: a lead's openings stand under its person,
// and under those that were merged into this one.
func thingsOf(tx *store.Tx, about string) ([]string, error) {
	if about == "" {
		return nil, nil
	}
	id, err := lead.ParseID(about)
	if err != nil {
		return []string{about}, nil
	}
	found, err := leads.LeadsByID(tx, id)
	if err != nil || len(found) == 0 {
		return []string{about}, err
	}
	merged, err := people.MergedInto(tx, []lead.PersonID{found[0].Person})
	out := []string{about, found[0].Person.String()}
	for _, p := range merged {
		out = append(out, p.String())
	}
	return out, err
}

// fieldsOf lists the fields that an entry opened of any of the things' data.
func fieldsOf(r audit.Record, things []string) (out []string) {
	var detail struct {
		Items []struct{ Row, Field, Whose string }
	}
	if len(things) == 0 || r.Action != "opened" || json.Unmarshal(r.Detail, &detail) != nil {
		return nil
	}
	for _, it := range detail.Items {
		if (slices.Contains(things, it.Whose) || slices.Contains(things, it.Row)) && !slices.Contains(out, it.Field) {
			out = append(out, it.Field)
		}
	}
	return out
}

func recordView(r audit.Record) RecordEntry {
	return RecordEntry{ID: r.ID.String(), At: r.At, Actor: r.Actor, Action: r.Action, Purpose: string(r.Purpose), About: r.About, Detail: r.Detail}
}
