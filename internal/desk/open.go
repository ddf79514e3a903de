package desk

import (
	"context"
	"errors"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
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

// sight is how much of each field of the lead the visitor is given.
func sight(tx *store.Tx, v *web.Visit, l leads.Lead) (rights.Sight, error) {
	if seen := reached(v, l.Owner, l.Project); seen != (rights.Sight{}) || !mayOpen(v) || !v.Rights.Offered(account.OpenPersons) {
		return seen, nil
	}
	mine, err := onOfferTo(tx, l, v.User)
	if err != nil || !mine {
		return rights.Sight{}, err
	}
	masks, err := people.MasksOnOffer(tx)
	return v.Rights.Sight(v.Standing(l.Owner, l.Project)|rights.Offered, masks), err
}

// reached is sight of a lead of that owner and project that is on offer to
// somebody else, or to nobody. Masking takes nothing from it.
func reached(v *web.Visit, owner account.UserID, project account.ProjectID) rights.Sight {
	if !mayOpen(v) {
		return rights.Sight{}
	}
	return v.Rights.Sight(v.Standing(owner, project), true)
}

// reachedIf is reached, when it was asked for.
func reachedIf(asked bool, v *web.Visit, l leads.Lead) rights.Sight {
	if !asked {
		return rights.Sight{}
	}
	return reached(v, l.Owner, l.Project)
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

// add has the value opened in this form; of nothing put is not called.
func (a *album) add(s vault.Sealed, as rights.Form, put func(text string, state keyring.State)) {
	if as == rights.Nothing {
		return
	}
	s.Mask = as == rights.Masked
	a.sealed = append(a.sealed, s)
	a.put = append(a.put, put)
}

// person adds a person's values; the returned Person is filled by open.
func (a *album) person(p people.Person, seen rights.Sight) *Person {
	out := &Person{ID: p.ID.String(), Country: p.Country, Contactable: true, Erased: !p.ErasedAt.IsZero()}
	text := func(to **string) func(string, keyring.State) {
		return func(s string, state keyring.State) {
			out.Erased = out.Erased || state == keyring.Erased
			*to = web.OrNull(s)
		}
	}
	a.add(p.Name, seen.Of(rights.Name), text(&out.Name))
	a.add(p.Phone, seen.Of(rights.Phone), text(&out.Phone))
	a.add(p.Email, seen.Of(rights.Email), text(&out.Email))
	for _, f := range []rights.Field{rights.Phone, rights.Email} {
		if seen.Of(f) == rights.Masked {
			out.Masked = append(out.Masked, f.String())
		}
	}
	return out
}

// seen is a person, and how much of them to show; the zero seen is nobody.
type seen struct {
	id lead.PersonID
	as rights.Sight
}

// persons adds the persons of a page's items, each person once, and puts them
// where they belong; an item may have none.
func (a *album) persons(tx *store.Tx, all []seen, put func(item int, p *Person)) error {
	var wanted []lead.PersonID
	for _, s := range all {
		if s.as != (rights.Sight{}) && !s.id.IsZero() {
			wanted = append(wanted, s.id)
		}
	}
	found, err := people.Get(tx, wanted...)
	if err != nil {
		return err
	}
	rows := map[lead.PersonID]people.Person{}
	for _, p := range found {
		rows[p.ID] = p
	}
	marks, err := people.Suppressed(tx, wanted)
	if err != nil {
		return err
	}
	known := map[seen]*Person{}
	for i, s := range all {
		row, ok := rows[s.id]
		if !ok || s.as == (rights.Sight{}) {
			continue
		}
		p := known[s]
		if p == nil {
			p = a.person(row, s.as)
			if m, ok := marks[s.id]; ok {
				p.Contactable, p.NotContacting = false, web.OrNull(m.Reason)
			}
			known[s] = p
		}
		put(i, p)
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
