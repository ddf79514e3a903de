package console

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/privacy"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/web"
)

// OpeningEntry is one opening of personal data: who opened what, when and why.
type OpeningEntry struct {
	ID      string     `json:"id" doc:"The record's entry." example:"rec_01h455vb4pex5vsknk084sn02q"`
	At      time.Time  `json:"at"`
	Actor   string     `json:"actor" example:"user_01h455vb4pex5vsknk084sn02q"`
	Who     string     `json:"who" enum:"user,key,program,platform" doc:"platform: somebody of the platform, by a grant."`
	Purpose string     `json:"purpose" doc:"The stated reason." example:"contact"`
	GrantID *string    `json:"grant_id" doc:"null: by the account's own right."`
	Count   int        `json:"count" doc:"How many values."`
	Of      []OpenedOf `json:"of" nullable:"false" doc:"Empty for a batch of intake."`
}

// OpenedOf is what was opened of one person, or user.
type OpenedOf struct {
	ID     string   `json:"id" doc:"A person's or a user's id." example:"prsn_01h455vb4pex5vsknk084sn02q"`
	Fields []string `json:"fields" nullable:"false" doc:"phone:masked, email:masked: only the masked form." example:"[\"name\",\"phone\"]"`
}

type openingsIn struct {
	web.Page
	Actor   string `query:"actor" maxLength:"100" doc:"Only what this user, key or somebody of the platform opened."`
	About   string `query:"about" maxLength:"100" doc:"Only what was opened of this lead, person or user." example:"lead_01h455vb4pex5vsknk084sn02q"`
	Grant   string `query:"grant" maxLength:"100" doc:"Only what was opened by this grant." example:"grant_01h455vb4pex5vsknk084sn02q"`
	Purpose string `query:"purpose" maxLength:"100" doc:"Only with this stated reason." example:"contact"`
	From    string `query:"from" maxLength:"40" doc:"RFC 3339: from then on."`
	To      string `query:"to" maxLength:"40" doc:"RFC 3339: before then."`
}

func (c *Console) openingRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/openings", Name: "list-openings", Tag: "record", Permission: account.ReadRecord,
		Summary: "Who opened what, when and why", Detail: "Newest first: every opening of personal data in the account, also by somebody of the platform under a grant. From the record, which nobody can change. about and grant exclude each other."}, listOpenings)
}

func listOpenings(_ *web.Visit, tx *store.Tx, in *openingsIn) (*web.List[OpeningEntry], error) {
	if in.About != "" && in.Grant != "" {
		return nil, problem.InvalidField("grant", "one_of", "Send about or grant, not both.")
	}
	r := recordIn{Page: in.Page, Actor: in.Actor, Action: privacy.Opened, Purpose: in.Purpose, From: in.From, To: in.To}
	things, err := thingsOf(tx, in.About)
	if err != nil {
		return nil, err
	}
	if in.Grant != "" {
		things = []string{in.Grant}
	}
	return listEntries(tx, &r, things, openingView)
}

func openingView(r audit.Record) OpeningEntry {
	var d struct {
		Count int
		Grant string
		Items []struct{ Field, Whose string }
	}
	_ = json.Unmarshal(r.Detail, &d) // one that cannot be read shows no items, and the record shows it as it is
	out := OpeningEntry{ID: r.ID.String(), At: r.At, Actor: r.Actor, Who: whoOf(r.Actor, d.Grant), Purpose: string(r.Purpose), GrantID: web.OrNull(d.Grant), Count: d.Count, Of: []OpenedOf{}}
	at := map[string]int{}
	for _, it := range d.Items {
		i, known := at[it.Whose]
		if !known {
			i = len(out.Of)
			at[it.Whose] = i
			out.Of = append(out.Of, OpenedOf{ID: it.Whose})
		}
		if of := &out.Of[i]; !slices.Contains(of.Fields, it.Field) {
			of.Fields = append(of.Fields, it.Field)
		}
	}
	return out
}

func whoOf(actor, grant string) string {
	switch {
	case grant != "":
		return "platform"
	case strings.HasPrefix(actor, "user_"):
		return "user"
	case strings.HasPrefix(actor, "key_"):
		return "key"
	}
	return "program"
}
