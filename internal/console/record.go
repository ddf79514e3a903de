package console

import (
	"encoding/json"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/store"
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
	Detail  json.RawMessage `json:"detail,omitempty" doc:"Ids, names of fields and counts; nothing personal."`
}

type recordIn struct {
	web.Page
	Actor  string `query:"actor" maxLength:"100" doc:"Only what this user or key did."`
	Action string `query:"action" maxLength:"100" doc:"Only this action; opened is every opening of personal data." example:"opened"`
	About  string `query:"about" maxLength:"100" doc:"Only what was done to the thing of this id."`
}

func (c *Console) recordRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/record", Name: "list-record", Tag: "record", Permission: account.ReadRecord,
		Summary: "Who did what to whose data, when and why", Detail: "Newest first. Every opening of personal data is here, and every change of the set-up. Nobody can change or remove an entry."}, listRecord)
}

func listRecord(_ *web.Visit, tx *store.Tx, in *recordIn) (*web.List[RecordEntry], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := audit.List(tx, audit.Filter{Actor: in.Actor, Action: in.Action, About: in.About}, audit.Place{At: from.At, ID: web.IDAt[audit.ID](from)}, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(r audit.Record) web.Place { return web.Place{At: r.At, ID: r.ID.UUID()} }, recordView), nil
}

func recordView(r audit.Record) RecordEntry {
	return RecordEntry{ID: r.ID.String(), At: r.At, Actor: r.Actor, Action: r.Action, Purpose: string(r.Purpose), About: r.About, Detail: r.Detail}
}
