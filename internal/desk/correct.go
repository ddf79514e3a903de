package desk

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/intake"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// Corrected is what stood in a person's row before.
type Corrected struct {
	Field string    `json:"field" enum:"name,phone,email"`
	Was   *string   `json:"was" doc:"Personal: null without a purpose, and when nothing stood there." example:"+442079460199"`
	By    string    `json:"by" doc:"A user's or key's id."`
	At    time.Time `json:"at"`
}

// Correction is the answer to a correction. The values are not repeated.
type Correction struct {
	ID         string      `json:"id" example:"prsn_01h455vb4pex5vsknk084sn02q"`
	Changed    []string    `json:"changed" nullable:"false" enum:"name,phone,email" doc:"Which fields are others now."`
	Duplicates []MaybeSame `json:"possible_duplicates" nullable:"false" doc:"Who else it may be, as far as you may know them: merge the two if they are one human."`
}

type correctIn struct {
	PersonPath
	Body struct {
		Name  *string `json:"name,omitempty" maxLength:"800" example:"Asha Example"`
		Phone *string `json:"phone,omitempty" maxLength:"160" doc:"With its country code, or as it is dialled in the account's country." example:"+442079460123"`
		Email *string `json:"email,omitempty" maxLength:"254" example:"asha@example.com"`
	}
}

// to is what is asked for, by field.
func (in *correctIn) to() map[vault.Field]vault.Personal {
	out := map[vault.Field]vault.Personal{}
	for f, s := range map[vault.Field]*string{vault.Name: in.Body.Name, vault.Phone: in.Body.Phone, vault.Email: in.Body.Email} {
		if s != nil {
			out[f] = vault.Hide(*s)
		}
	}
	return out
}

// correctPerson opens what stands there before it changes it: which number the
// person is no longer found by is known from the number alone. That makes two
// transactions, and a change between them is refused.
func (d *Desk) correctPerson(ctx context.Context, v *web.Visit, in *correctIn) (*Correction, error) {
	id, err := web.PathID(in.ID, lead.ParsePersonID)
	if err != nil {
		return nil, err
	}
	c := intake.Correction{Person: id, To: in.to(), Actor: v.Actor, Purpose: v.Purpose, At: v.At}
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		c.Row, err = correctable(tx, v, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(c.To) == 0 {
		return nil, problem.InvalidField("phone", "required", "Send name, phone or email.")
	}
	opened, err := d.Opener.Open(ctx, v.Scope, v.Actor, v.Purpose, c.Row.Name, c.Row.Phone, c.Row.Email)
	if err != nil {
		return nil, err
	}
	c.Was = map[vault.Field]vault.Personal{vault.Name: opened.Values[0], vault.Phone: opened.Values[1], vault.Email: opened.Values[2]}
	out := &Correction{ID: id.String()}
	err = d.DB.Write(ctx, v.Scope, func(tx *store.Tx) error {
		out.Changed = []string{}
		if _, err := correctable(tx, v, id); err != nil {
			return err
		}
		changed, err := d.Persons.Correct(tx, c)
		for _, f := range changed {
			out.Changed = append(out.Changed, string(f))
		}
		if err != nil {
			return err
		}
		out.Duplicates, err = duplicates(tx, v, id)
		return err
	})
	return out, err
}

// correctable finds a person whose lead the visitor works, and whose data they
// may open for a purpose.
func correctable(tx *store.Tx, v *web.Visit, id lead.PersonID) (people.Person, error) {
	if err := mayKnow(tx, v, id); err != nil {
		return people.Person{}, err
	}
	for _, p := range []account.Permission{account.WorkLeads, account.OpenPersons} {
		if ok, err := knows(tx, v, p, id); err != nil || !ok {
			return people.Person{}, orNotFound(err)
		}
	}
	if v.Purpose == "" {
		return people.Person{}, problem.InvalidField("Catchment-Purpose", "purpose_missing", "Say why the person is opened: it goes on the record.")
	}
	p, err := people.One(tx, id)
	if errors.Is(err, store.ErrNone) {
		err = problem.NotFound()
	}
	return p, err
}

func orNotFound(err error) error {
	if err == nil {
		err = problem.NotFound()
	}
	return err
}

// correctionsOf shows what was corrected; the values go into the album.
func correctionsOf(tx *store.Tx, id lead.PersonID, sees rights.Sight, page *album) ([]Corrected, error) {
	found, err := people.Pasts(tx, id, 100)
	out := make([]Corrected, len(found))
	for i, p := range found {
		out[i] = Corrected{Field: string(p.Field), By: p.By, At: p.At}
		if !p.Was.Empty() {
			page.add(p.Was, sees.Of(personField[p.Field]), func(text string, _ keyring.State) { out[i].Was = web.OrNull(text) })
		}
	}
	return out, err
}
