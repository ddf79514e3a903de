package desk

import (
	"context"
	"errors"
	"slices"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// Opener opens sealed values for an actor with one entry on the record, which
// is committed before anything is decrypted. keyring.Opener is one.
type Opener interface {
	Open(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, sealed ...vault.Sealed) (keyring.Opened, error)
}

// mayOpen reports whether the visitor gets personal data at all: with the
// right, and with a purpose. A key that states none gets the rest.
func mayOpen(v *web.Visit) bool {
	return v.Purpose != "" && v.May(account.OpenPersons)
}

// readable finds a lead that the visitor may read: as far as the right reaches, or
// one on open offer to oneself. Every other one is not there.
func readable(tx *store.Tx, v *web.Visit, id lead.ID) (leads.Lead, error) {
	l, err := leads.LeadByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return l, problem.NotFound()
	}
	if err != nil || v.Reads(l.Owner, l.Project) {
		return l, err
	}
	mine, err := onOfferTo(tx, l, v.User)
	if err == nil && !(mine && v.Rights.Offered(account.ReadLeads)) {
		err = problem.NotFound()
	}
	return l, err
}

// opensLead reports whether the visitor gets what is personal of the lead.
func opensLead(tx *store.Tx, v *web.Visit, l leads.Lead) (bool, error) {
	if !mayOpen(v) || v.Reaches(account.OpenPersons, l.Owner, l.Project) {
		return mayOpen(v), nil
	}
	if !v.Rights.Offered(account.OpenPersons) {
		return false, nil
	}
	return onOfferTo(tx, l, v.User)
}

func onOfferTo(tx *store.Tx, l leads.Lead, u account.UserID) (bool, error) {
	if l.Offer.IsZero() || u.IsZero() {
		return false, nil
	}
	o, err := offers.Get(tx, l.Offer)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil && o.Open && o.User == u, err
}

// album gathers sealed values of a page, so that they are opened together and
// stand as one entry on the record, and hands each text to where it belongs.
type album struct {
	sealed []vault.Sealed
	put    []func(text string, state keyring.State)
	last   []func()
}

// then has f run when all is in its place.
func (a *album) then(f func()) { a.last = append(a.last, f) }

func (a *album) finish() {
	for _, f := range a.last {
		f()
	}
}

func (a *album) add(s vault.Sealed, put func(text string, state keyring.State)) {
	a.sealed = append(a.sealed, s)
	a.put = append(a.put, put)
}

// person adds a person's values; the returned Person is filled by open.
func (a *album) person(p people.Person) *Person {
	out := &Person{ID: p.ID.String(), Country: p.Country, Contactable: true, Erased: !p.ErasedAt.IsZero()}
	text := func(to **string) func(string, keyring.State) {
		return func(s string, state keyring.State) {
			out.Erased = out.Erased || state == keyring.Erased
			*to = web.OrNull(s)
		}
	}
	a.add(p.Name, text(&out.Name))
	a.add(p.Phone, text(&out.Phone))
	a.add(p.Email, text(&out.Email))
	return out
}

// persons adds the persons of a page's items, each person once, and puts them
// where they belong; an item may have none.
func (a *album) persons(tx *store.Tx, ids []lead.PersonID, put func(item int, p *Person)) error {
	wanted := slices.DeleteFunc(slices.Clone(ids), lead.PersonID.IsZero)
	found, err := people.Get(tx, wanted...)
	if err != nil {
		return err
	}
	known := map[lead.PersonID]*Person{}
	for _, p := range found {
		if known[p.ID] == nil {
			known[p.ID] = a.person(p)
		}
	}
	marks, err := people.Suppressed(tx, wanted)
	if err != nil {
		return err
	}
	for id, m := range marks {
		if p := known[id]; p != nil {
			p.Contactable, p.NotContacting = false, web.OrNull(m.Reason)
		}
	}
	for i, id := range ids {
		if p := known[id]; p != nil {
			put(i, p)
		}
	}
	return nil
}

// open writes the record and fills what was added.
func (a *album) open(ctx context.Context, o Opener, v *web.Visit) error {
	defer a.finish()
	if len(a.sealed) == 0 {
		return nil
	}
	opened, err := o.Open(ctx, v.Scope, v.Actor, v.Purpose, a.sealed...)
	if err != nil {
		return err
	}
	for i, put := range a.put {
		put(reveal.Text(opened.Values[i]), opened.States[i])
	}
	return nil
}
