package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/web"
)

// DeadLetter is an enquiry that was accepted and could not be processed. It is
// kept sealed, as it came.
type DeadLetter struct {
	ID         string    `json:"id" example:"dead_01h455vb4pex5vsknk084sn02q"`
	EnquiryID  *string   `json:"enquiry_id" doc:"As its receipt has it; null when it is damaged beyond that." example:"enq_01h455vb4pex5vsknk084sn02q"`
	Reason     string    `json:"reason" doc:"A code: why it could not be processed." example:"unknown_source"`
	State      string    `json:"state" enum:"open,replayed"`
	Tries      int64     `json:"tries"`
	Stream     string    `json:"stream" doc:"Where it stands in the journal: stream, message, place."`
	Seq        uint64    `json:"seq"`
	Place      int       `json:"place"`
	ReceivedAt time.Time `json:"received_at"`
	ChangedAt  time.Time `json:"changed_at" doc:"The last try."`
}

type deadIn struct {
	web.Page
	State string `query:"state" enum:"open,replayed" doc:"Only these."`
}

type deadPath struct {
	ID string `path:"id" doc:"The dead letter's id." example:"dead_01h455vb4pex5vsknk084sn02q"`
}

// Asked says that something will be done in a moment.
type Asked struct {
	ID    string `json:"id" doc:"Of what it is about."`
	State string `json:"state" enum:"asked"`
}

func (c *Console) deadRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/dead-letters", Name: "list-dead-letters", Tag: "dead letters", Permission: account.MoveLeads,
		Summary: "What was accepted and could not be processed", Detail: "Newest first. Nothing of what they hold is shown: they are sealed."}, listDead)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/dead-letters/{id}/replay", Name: "replay-dead-letter", Tag: "dead letters", Permission: account.MoveLeads, Status: 202,
		Summary: "Try a dead letter again", Detail: "Do it after mending the cause: an unknown source, say. It is tried within a second; look at the dead letter again, or at its enquiry. 409 when it was replayed before."}, c.replay)
}

func listDead(v *web.Visit, tx *store.Tx, in *deadIn) (*web.List[DeadLetter], error) {
	if err := v.Whole(account.MoveLeads); err != nil { // of what project they are is not known
		return nil, err
	}
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := leads.ListDead(tx, in.State, leads.DeadPage{ReceivedAt: from.At, ID: web.IDAt[lead.DeadID](from)}, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(d leads.DeadLetter) web.Place { return web.Place{At: d.ReceivedAt, ID: d.ID.UUID()} }, deadView), nil
}

func deadView(d leads.DeadLetter) DeadLetter {
	return DeadLetter{ID: d.ID.String(), EnquiryID: web.OrNull(d.Enquiry.String()), Reason: d.Reason, State: d.State, Tries: d.Tries, Stream: d.Stream,
		Seq: d.Seq, Place: d.Place, ReceivedAt: d.ReceivedAt, ChangedAt: d.ChangedAt}
}

func (c *Console) replay(v *web.Visit, tx *store.Tx, in *deadPath) (*Asked, error) {
	if err := v.Whole(account.MoveLeads); err != nil {
		return nil, err
	}
	id, err := web.PathID(in.ID, lead.ParseDeadID)
	if err != nil {
		return nil, err
	}
	if err := c.Replayer.AskReplay(tx, id, v.Actor); err != nil {
		return nil, err
	}
	return &Asked{ID: id.String(), State: "asked"}, nil
}
