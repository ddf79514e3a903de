package desk

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"catchment/internal/account"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

const tagOffers = "offers"

type offersIn struct {
	All bool `query:"all" doc:"Everybody's open offers, or your teams'; takes the right to read more leads than your own."`
}

// OfferPath is the input of a route about one offer.
type OfferPath struct {
	ID string `path:"id" doc:"The offer's id." example:"offr_01h455vb4pex5vsknk084sn02q"`
}

func (p OfferPath) offer() (lead.OfferID, error) { return web.PathID(p.ID, lead.ParseOfferID) }

type declineIn struct {
	OfferPath
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"80" doc:"A code: letters and hyphens." example:"too-far-away"`
	} `required:"false"`
}

func (d *Desk) offerRoutes() {
	see := func(path, name, summary, detail string) web.Op {
		return web.Op{Method: http.MethodGet, Path: path, Name: name, Tag: tagOffers, Permission: account.AnswerOffers, Summary: summary, Detail: detail}
	}
	do := func(verb, summary, detail string) web.Op {
		return web.Op{Method: http.MethodPost, Path: "/v1/offers/{id}/" + verb, Name: verb + "-offer", Tag: tagOffers, Permission: account.AnswerOffers,
			Summary: summary, Detail: detail}
	}
	web.See(d.API, see("/v1/offers", "list-offers", "Your open offers, newest first", "At most 500; they are few and short-lived, so there are no pages."), d.listOffers)
	web.See(d.API, see("/v1/offers/{id}", "get-offer", "One offer, also after it was resolved", ""), d.getOffer)
	web.Do(d.API, do("accept", "Accept an offer and own its lead", "Accepting again gives the same answer. Too late: 409 with the code offer_expired or offer_lost."), d.acceptOffer)
	web.Do(d.API, do("decline", "Decline an offer", "The lead goes to the next person and is not offered to you again."), d.declineOffer)
	web.Do(d.API, do("ack", "Say that a device has the offer", ""), d.ackOffer)
	web.Do(d.API, do("seen", "Say that the offer was looked at", ""), d.seenOffer)
}

func (d *Desk) listOffers(v *web.Visit, tx *store.Tx, in *offersIn) (*web.List[Offer], error) {
	var open []offers.Offer
	var err error
	switch {
	case in.All && v.Reach(account.ReadLeads) < rights.Teams:
		return nil, problem.Forbidden("forbidden", "The role %s may list its own offers only. Leave all out.", v.Role)
	case in.All && v.Reach(account.ReadLeads) == rights.Teams && v.User.IsZero(): // a key is in no team
	case in.All:
		of, _ := whose(v)
		open, err = offers.AllOpen(tx, v.At, 500, of.TeamsOf)
	case !v.User.IsZero():
		open, err = d.Routing.Offers(tx, v.User, v.At)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(open, func(a, b offers.Offer) int {
		return cmp.Or(b.MadeAt.Compare(a.MadeAt), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	return offerViews(tx, open)
}

func offerViews(tx *store.Tx, found []offers.Offer) (*web.List[Offer], error) {
	list := &web.List[Offer]{Items: []Offer{}}
	if len(found) == 0 {
		return list, nil
	}
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	ids := make([]lead.ID, len(found))
	for i, o := range found {
		ids[i] = o.Lead
	}
	rows, err := leads.LeadsByID(tx, ids...)
	if err != nil {
		return nil, err
	}
	byID := map[lead.ID]leads.Lead{}
	for _, l := range rows {
		byID[l.ID] = l
	}
	for _, o := range found {
		list.Items = append(list.Items, n.offer(o, byID[o.Lead]))
	}
	return list, nil
}

func offerView(tx *store.Tx, o offers.Offer) (*Offer, error) {
	list, err := offerViews(tx, []offers.Offer{o})
	if err != nil {
		return nil, err
	}
	return &list.Items[0], nil
}

func (d *Desk) getOffer(v *web.Visit, tx *store.Tx, in *OfferPath) (*Offer, error) {
	id, err := in.offer()
	if err != nil {
		return nil, err
	}
	o, err := offers.Get(tx, id)
	if errors.Is(err, store.ErrNone) || (err == nil && !v.Reads(o.User, o.Project)) {
		return nil, problem.NotFound()
	}
	if err != nil {
		return nil, err
	}
	return offerView(tx, o)
}

func (d *Desk) acceptOffer(v *web.Visit, tx *store.Tx, in *OfferPath) (*Offer, error) {
	id, err := in.offer()
	if err != nil {
		return nil, err
	}
	o, err := d.Routing.Accept(tx, id, v.User, v.At)
	if err != nil {
		return nil, err
	}
	return offerView(tx, o)
}

func (d *Desk) declineOffer(v *web.Visit, tx *store.Tx, in *declineIn) (*Offer, error) {
	id, err := in.offer()
	if err != nil {
		return nil, err
	}
	reason := ""
	if in.Body != nil {
		if reason, err = code("reason", in.Body.Reason); err != nil {
			return nil, err
		}
	}
	o, err := d.Routing.Decline(tx, id, v.User, reason, v.At)
	if err != nil {
		return nil, err
	}
	return offerView(tx, o)
}

// code reads a reason, see followup.Reason.
func code(field, s string) (string, error) {
	c, ok := followup.Reason(s)
	if !ok {
		return "", problem.InvalidField(field, "bad_reason", "A reason is a code: up to 40 letters and hyphens. Keep sentences in a note.")
	}
	return c, nil
}

func (d *Desk) ackOffer(v *web.Visit, tx *store.Tx, in *OfferPath) (*Offer, error) {
	return d.markOffer(v, tx, in, func(id lead.OfferID) error { return d.Routing.Acked(tx, id, v.User) })
}

func (d *Desk) seenOffer(v *web.Visit, tx *store.Tx, in *OfferPath) (*Offer, error) {
	return d.markOffer(v, tx, in, func(id lead.OfferID) error { return d.Routing.Seen(tx, id, v.User, v.At) })
}

func (d *Desk) markOffer(v *web.Visit, tx *store.Tx, in *OfferPath, mark func(lead.OfferID) error) (*Offer, error) {
	id, err := in.offer()
	if err != nil {
		return nil, err
	}
	if err := mark(id); err != nil {
		return nil, err
	}
	return d.getOffer(v, tx, in)
}
