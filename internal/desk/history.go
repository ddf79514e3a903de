package desk

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"catchment/internal/keyring"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/changes"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// StageMove is one change of stage.
type StageMove struct {
	At     time.Time `json:"at"`
	From   LeadStage `json:"from"`
	To     LeadStage `json:"to"`
	Reason string    `json:"reason"`
	By     string    `json:"by" doc:"A user's or key's id."`
}

// Ownership is the time that somebody was accountable for the lead.
type Ownership struct {
	UserID string     `json:"user_id"`
	Name   string     `json:"name"`
	From   time.Time  `json:"from"`
	Until  *time.Time `json:"until" doc:"null: still."`
	Reason string     `json:"reason" doc:"accepted, claimed, or the code given with a transfer."`
	By     string     `json:"by"`
}

// LeadChange is one field's change to another value.
type LeadChange struct {
	At    time.Time       `json:"at"`
	By    string          `json:"by" doc:"A user's or key's id."`
	Field string          `json:"field" enum:"tags,next,name,phone,email" doc:"next: the next follow-up."`
	Was   json.RawMessage `json:"was" doc:"null: nothing. Of tags a list of codes; of next an object with at and what; else a text, which is personal."`
	Now   json.RawMessage `json:"now"`

	Sealed bool `json:"sealed" doc:"The two are personal and were not opened."`
}

// LeadHistory is how a lead got where it is.
type LeadHistory struct {
	Stages []StageMove `json:"stages" nullable:"false" doc:"Oldest first."`
	Owners []Ownership `json:"owners" nullable:"false" doc:"Oldest first."`

	Changes []LeadChange `json:"changes" nullable:"false" doc:"Of everything else, oldest first; of more than 500 of a kind the newest."`
}

type historyIn struct {
	LeadPath
	Include string `query:"include" enum:"person" doc:"person: with what a name, a phone or an e-mail address was and became."`
}

const (
	maxHistory = 1000
	maxChanges = 500
)

func (d *Desk) leadHistory(ctx context.Context, v *web.Visit, in *historyIn) (*LeadHistory, error) {
	var h *LeadHistory
	var page *album
	err := d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		l, err := leadOf(&in.LeadPath, tx, v)
		if err != nil {
			return err
		}
		var sees rights.Sight
		if in.Include == "person" {
			if sees, err = sight(tx, v, l); err != nil {
				return err
			}
		}
		if h, err = moves(tx, l); err != nil {
			return err
		}
		h.Changes, err = changesOf(tx, l, sees, page)
		return err
	})
	if err != nil {
		return nil, err
	}
	return h, page.open(ctx, d.Opener, v)
}

// moves is a lead's way through stages and owners.
func moves(tx *store.Tx, l leads.Lead) (*LeadHistory, error) {
	stages, err := leads.WorkChanges(tx, l.ID, maxHistory)
	if err != nil {
		return nil, err
	}
	owners, err := leads.Assignments(tx, l.ID)
	if err != nil {
		return nil, err
	}
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	h := &LeadHistory{Stages: []StageMove{}, Owners: []Ownership{}}
	for _, c := range stages {
		h.Stages = append(h.Stages, StageMove{c.At, n.stage(c.From, ""), n.stage(c.To, ""), c.Reason, c.By})
	}
	for _, a := range owners {
		h.Owners = append(h.Owners, Ownership{a.User.String(), n.users[a.User], a.From, web.TimeOrNull(a.Until), a.Reason, a.By})
	}
	return h, nil
}

// changesOf lists what else was changed of a lead and its person. The texts of
// the person go into the album as far as they are seen.
func changesOf(tx *store.Tx, l leads.Lead, sees rights.Sight, page *album) ([]LeadChange, error) {
	kept, err := changes.List(tx, l.ID.String(), time.Time{}, changes.ID{}, maxChanges)
	if err != nil {
		return nil, err
	}
	out, err := corrected(tx, l, sees, page)
	if err != nil {
		return nil, err
	}
	for _, c := range kept {
		out = append(out, &LeadChange{At: c.At, By: c.By, Field: c.Field, Was: c.Was, Now: c.Now})
	}
	slices.SortStableFunc(out, func(a, b *LeadChange) int { return a.At.Compare(b.At) })
	list := make([]LeadChange, len(out))
	page.then(func() {
		for i, c := range out {
			list[i] = *c
		}
	})
	return list, nil
}

// corrected lists what was put right of the lead's person. What a value became
// is what stood there before the next correction, or stands there now.
func corrected(tx *store.Tx, l leads.Lead, sees rights.Sight, page *album) (out []*LeadChange, err error) {
	found, err := people.Pasts(tx, l.Person, maxChanges)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	p, err := people.One(tx, l.Person)
	if err != nil {
		return nil, err
	}
	became := map[vault.Field]vault.Sealed{vault.Name: p.Name, vault.Phone: p.Phone, vault.Email: p.Email}
	for _, past := range found {
		as := sees.Of(personField[past.Field])
		c := &LeadChange{At: past.At, By: past.By, Field: string(past.Field), Sealed: as == rights.Nothing}
		page.text(past.Was, as, &c.Was)
		page.text(became[past.Field], as, &c.Now)
		became[past.Field] = past.Was
		out = append(out, c)
	}
	return out, nil
}

// personField is what policies call a field of a person's row.
var personField = map[vault.Field]rights.Field{vault.Name: rights.Name, vault.Phone: rights.Phone, vault.Email: rights.Email}

// text adds a value of which the answer has the text, or null.
func (a *album) text(s vault.Sealed, as rights.Form, to *json.RawMessage) {
	if s.Empty() {
		return
	}
	a.add(s, as, func(text string, _ keyring.State) {
		if text != "" {
			*to, _ = json.Marshal(text) // a text can be
		}
	})
}
