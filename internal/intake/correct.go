package intake

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Correction is what a human says stands wrongly in a person's row.
type Correction struct {
	Person  lead.PersonID
	To      map[vault.Field]vault.Personal // Name, Phone, Email; empty: it is taken away
	Was     map[vault.Field]vault.Personal // what stands there, opened on the record by the caller
	Row     people.Person                  // as it was read with that
	Actor   string
	Purpose vault.Purpose
	At      time.Time
}

// Correct puts right what a person's row says. The new value is sealed under
// the person's key, the old one stays as it was, as history. The person is
// found by the new value, and no longer by the old one; who must not be
// contacted stays known by both.
//
// What leads to somebody else stays theirs, as with an enquiry that names two:
// the row has the value, the two are linked, and whoever may know both can
// merge them. It returns the fields that changed. The error is a
// *problem.Problem with the field at fault, or 409 suppressed: the new value is
// of somebody who must not be contacted, or person_changed: the row is another
// by now.
func (in *Intake) Correct(tx *store.Tx, c Correction) ([]vault.Field, error) {
	keys, err := in.o.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return nil, err
	}
	facts, err := setup.ReadFacts(tx)
	if err != nil {
		return nil, err
	}
	if err := unchanged(tx, c.Row); err != nil {
		return nil, err
	}
	f := &fixing{Correction: c, in: in, tx: tx, keys: keys, region: facts.Region}
	if err := f.settle(); err != nil || len(f.changed) == 0 {
		return nil, err
	}
	if err := f.mind(); err != nil {
		return nil, err
	}
	key, err := in.keyOf(tx, keys, c.Person)
	if err != nil {
		return nil, err
	}
	for _, field := range f.changed {
		if err := f.write(field, key); err != nil {
			return nil, err
		}
	}
	return f.changed, f.tell()
}

func unchanged(tx *store.Tx, was people.Person) error {
	now, err := people.One(tx, was.ID)
	if err == nil && !(bytes.Equal(now.Name.Data, was.Name.Data) && bytes.Equal(now.Phone.Data, was.Phone.Data) && bytes.Equal(now.Email.Data, was.Email.Data)) {
		err = problem.Conflict("person_changed", "Somebody else corrected this person a moment ago. Look at what stands there now.")
	}
	return err
}

// fixing is a correction on its way through a transaction.
type fixing struct {
	Correction
	in      *Intake
	tx      *store.Tx
	keys    *keyring.AccountKeys
	region  string
	changed []vault.Field
	country string
	mark    bool            // the person must not be contacted
	others  []lead.PersonID // whom new values lead to
}

// settle brings what was sent into its normal form, and finds what changes.
func (f *fixing) settle() error {
	var faults []problem.Field
	to := map[vault.Field]vault.Personal{}
	for _, field := range []vault.Field{vault.Name, vault.Phone, vault.Email} {
		said, given := f.To[field]
		if !given {
			continue
		}
		text, fault := f.normal(field, reveal.Text(said))
		if fault != nil {
			faults = append(faults, *fault)
		}
		if to[field] = vault.Hide(text); text != reveal.Text(f.Was[field]) {
			f.changed = append(f.changed, field)
		}
	}
	f.To = to
	if len(faults) > 0 {
		return problem.Invalid(faults...)
	}
	return f.reachable()
}

// reachable refuses to take the last way to the person away.
func (f *fixing) reachable() error {
	taken := vault.Field("")
	for _, field := range []vault.Field{vault.Phone, vault.Email} {
		to, given := f.To[field]
		if given && !to.Empty() || !given && !f.Was[field].Empty() {
			return nil
		}
		if given {
			taken = field
		}
	}
	if taken == "" {
		return nil // there was none
	}
	return problem.InvalidField(string(taken), "last_contact", "A person keeps a phone or an e-mail address.")
}

// normal is the form in which a value is kept, or what is wrong with it. A
// fault never repeats the value.
func (f *fixing) normal(field vault.Field, s string) (string, *problem.Field) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	fault := func(code, detail string) (string, *problem.Field) {
		return "", &problem.Field{Field: string(field), Code: code, Detail: detail}
	}
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fault("control_characters", "Send a line of text.")
	case field == vault.Phone:
		e164, country, ok := submission.Phone(s, f.region)
		if !ok {
			return fault("phone_unreadable", "Send the number with its country code, such as +44 20 7946 0123.")
		}
		f.country = country
		return e164, nil
	case field == vault.Email:
		if _, ok := submission.Email(s); !ok {
			return fault("email_unreadable", "Send an address such as asha@example.com.")
		}
	case utf8.RuneCountInString(s) > submission.MaxName:
		return fault("too_long", "A name has up to 200 characters.")
	}
	return s, nil
}

// mind asks who the new values lead to. Somebody's mark must not be passed by
// writing their number into another row.
func (f *fixing) mind() error {
	same, err := people.Same(f.tx, f.Person)
	if err != nil {
		return err
	}
	found := map[people.Key]lead.PersonID{}
	for _, field := range f.changed {
		if k, ok := f.key(f.To[field], field); ok {
			if err := people.Find(f.tx, []people.Key{k}, found); err != nil {
				return err
			}
		}
	}
	ids := []lead.PersonID{f.Person}
	for _, id := range found {
		if !slices.Contains(same, id) {
			f.others = append(f.others, id)
			ids = append(ids, id)
		}
	}
	marks, err := people.Suppressed(f.tx, ids)
	if err != nil {
		return err
	}
	_, f.mark = marks[f.Person]
	if !f.mark && len(marks) > 0 {
		return problem.Conflict("suppressed", "Whoever has this number or address must not be contacted.")
	}
	return nil
}

// key is what a value is found by, as intake finds it; false: it is not.
func (f *fixing) key(p vault.Personal, field vault.Field) (people.Key, bool) {
	s := reveal.Text(p)
	by, normal := vault.IndexField(""), ""
	switch field {
	case vault.Phone:
		by = vault.ByPhone
		var ok bool
		if normal, _, ok = submission.Phone(s, f.region); !ok {
			by, normal = vault.ByRawPhone, submission.RawKey(s)
		}
	case vault.Email:
		by = vault.ByEmail
		var ok bool
		if normal, ok = submission.Email(s); !ok {
			by, normal = vault.ByRawEmail, submission.RawKey(s)
		}
	}
	if normal == "" {
		return people.Key{}, false
	}
	return people.Key{Field: by, MAC: f.keys.Index(by, f.Row.Test, normal)}, true
}

func (f *fixing) write(field vault.Field, key Sealer) error {
	was := map[vault.Field]vault.Sealed{vault.Name: f.Row.Name, vault.Phone: f.Row.Phone, vault.Email: f.Row.Email}[field]
	p := people.Past{Person: f.Person, Field: field, Was: was, By: f.Actor, At: f.At}
	if err := people.Correct(f.tx, p, key.Seal(people.Place(f.Person, field), f.To[field]).Data, f.country); err != nil {
		return err
	}
	if old, ok := f.key(f.Was[field], field); ok && !f.mark {
		if err := people.DropIndex(f.tx, people.Entry{Key: old, Person: f.Person}); err != nil {
			return err
		}
	}
	k, ok := f.key(f.To[field], field)
	if !ok {
		return nil
	}
	found := map[people.Key]lead.PersonID{}
	if err := people.Find(f.tx, []people.Key{k}, found); err != nil || len(found) > 0 {
		return err // it is theirs, or led to this human before
	}
	if n, err := people.AddIndex(f.tx, []people.Entry{{Key: k, Person: f.Person}}); err != nil || n == 0 {
		return errors.Join(err, store.ErrAgain)
	}
	return nil
}

// tell puts it on the record, links whom the value leads to, and tells those
// who have a lead of the person open.
func (f *fixing) tell() error {
	fields := make([]string, len(f.changed))
	for i, field := range f.changed {
		fields[i] = string(field)
	}
	err := audit.Write(f.tx, f.At, audit.Entry{Actor: f.Actor, Action: "person.correct", Purpose: f.Purpose, About: f.Person.String(), Detail: map[string]any{"fields": fields}})
	if err != nil {
		return err
	}
	all, err := leads.LeadsOfPersons(f.tx, []lead.PersonID{f.Person})
	if err != nil {
		return err
	}
	for _, l := range all {
		f.in.o.Events.Emit(f.tx, events.Event{Kind: events.PersonCorrected, At: f.At, Lead: l.ID, Project: l.Project, Test: f.Row.Test,
			Data: map[string]any{"person_id": f.Person.String(), "fields": fields}})
	}
	if len(f.others) == 0 || len(all) == 0 {
		return nil
	}
	latest := slices.MaxFunc(all, func(a, b leads.Brief) int { return a.CreatedAt.Compare(b.CreatedAt) })
	enquiries, err := leads.EnquiriesOf(f.tx, latest.ID, leads.EnquiryPage{}, 1)
	for _, id := range f.others {
		if err != nil || len(enquiries) == 0 {
			return err
		}
		err = f.link(id, enquiries[0].ID)
	}
	return err
}

// link has the two be looked at by who may know both.
func (f *fixing) link(other lead.PersonID, latest lead.EnquiryID) error {
	fresh, err := people.PossibleDuplicate(f.tx, f.Person, other, people.LinkedByCorrection, latest, f.At)
	if err != nil || !fresh {
		return err
	}
	f.in.o.Events.Emit(f.tx, events.Event{Kind: events.PersonPossibleDuplicate, At: f.At, Enquiry: latest, Test: f.Row.Test,
		Data: map[string]any{"person_id": f.Person.String(), "other_id": other.String()}})
	return nil
}

// keyOf unwraps the person's key, for sealing.
func (in *Intake) keyOf(tx *store.Tx, keys *keyring.AccountKeys, id lead.PersonID) (Sealer, error) {
	subject := vault.Subject(id.UUID())
	wrapped, err := people.Keys(tx, []vault.Subject{subject})
	if err != nil {
		return nil, err
	}
	if wrapped[subject] == nil {
		return nil, problem.Conflict("person_erased", "This person was erased.")
	}
	key, err := keys.OpenSubjectKey(subject, wrapped[subject])
	if errors.Is(err, keyring.ErrUnknownKey) {
		if keys, err = in.o.Accounts.Renew(tx.Context(), tx.Account()); err != nil {
			return nil, err
		}
		key, err = keys.OpenSubjectKey(subject, wrapped[subject])
	}
	if err != nil {
		return nil, err
	}
	return in.o.Sealer(key), nil
}
