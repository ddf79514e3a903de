package privacy

import (
	"context"
	"errors"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/grants"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// Support opens leads for somebody of the platform, by what accounts have
// granted to them and by nothing else: it has no account's keyset.
type Support struct {
	db     *store.DB
	events *events.Log
	opener *keyring.GrantOpener
	now    func() time.Time
}

// NewSupport returns it. now is time.Now when nil.
func NewSupport(db *store.DB, log *events.Log, keys *keyring.Grants, now func() time.Time) *Support {
	if now == nil {
		now = time.Now
	}
	s := &Support{db: db, events: log, now: func() time.Time { return store.Clock(now()) }}
	s.opener = &keyring.GrantOpener{Grants: keys, Record: s.record, Lent: s.lent}
	return s
}

// Grants lists up to limit grants to somebody that come after the place, newest
// first.
func (s *Support) Grants(ctx context.Context, to account.UserID, at time.Time, after account.GrantID, limit int) (out []grants.Grant, err error) {
	err = s.db.ReadDirectory(ctx, func(d *store.Dir) error {
		out, err = grants.OfOperator(d, to, at, after, limit)
		return err
	})
	return out, err
}

// errEnded is the answer for a grant that one had, or has not yet.
func errEnded(g grants.Grant, now time.Time) error {
	if g.EndedAt.IsZero() && now.Before(g.From) {
		return problem.Forbidden("grant_not_begun", "This grant begins later.")
	}
	return problem.Forbidden("grant_ended", "This grant has ended. Ask the account for another.")
}

// held admits to the account of a grant; 404 for what was granted to somebody
// else.
func (s *Support) held(ctx context.Context, to account.UserID, id account.GrantID) (of account.Scope, err error) {
	err = s.db.ReadDirectory(ctx, func(d *store.Dir) error {
		acct, err := grants.Whose(d, to, id)
		if errors.Is(err, store.ErrNone) {
			return problem.NotFound()
		}
		of = admit.To(acct)
		return err
	})
	return of, err
}

func open(tx *store.Tx, id account.GrantID, now time.Time) (grants.Grant, error) {
	g, err := grants.Get(tx, id)
	if errors.Is(err, store.ErrNone) {
		return g, problem.NotFound()
	}
	if err == nil && !g.Open(now) {
		err = errEnded(g, now)
	}
	return g, err
}

// Leads lists the leads of a grant, with nothing personal.
func (s *Support) Leads(ctx context.Context, to account.UserID, id account.GrantID) (g grants.Grant, out []leads.Lead, err error) {
	of, err := s.held(ctx, to, id)
	if err != nil {
		return g, nil, err
	}
	err = s.db.Read(ctx, of, func(tx *store.Tx) error {
		if g, err = open(tx, id, s.now()); err != nil {
			return err
		}
		ids, err := grants.Leads(tx, id)
		if err != nil {
			return err
		}
		out, err = leads.LeadsByID(tx, ids...)
		return err
	})
	return g, out, err
}

// Granted is a lead as a grant opens it. A field that the grant is not for is
// absent.
type Granted struct {
	Grant  grants.Grant
	Lead   leads.Lead
	Values []GrantedValue
}

// GrantedValue is one text of a lead.
type GrantedValue struct {
	Field  vault.Field
	At     time.Time // of a message or a note
	Text   vault.Personal
	Erased bool
}

// Open opens what the grant is for of one lead, with an entry on the account's
// record. 404: it is not granted to them, or not that lead; 403 grant_ended,
// grant_not_begun.
func (s *Support) Open(ctx context.Context, to account.UserID, id account.GrantID, of lead.ID, purpose vault.Purpose) (out Granted, err error) {
	scope, err := s.held(ctx, to, id)
	if err != nil {
		return out, err
	}
	var sealed []vault.Sealed
	err = s.db.Read(ctx, scope, func(tx *store.Tx) error {
		if out.Grant, err = open(tx, id, s.now()); err != nil {
			return err
		}
		mine, err := grants.Has(tx, id, of)
		if err != nil || !mine {
			return errors.Join(err, problem.NotFound())
		}
		if out.Lead, err = leads.LeadByID(tx, of); err != nil {
			return err
		}
		out.Values, sealed, err = gatherGranted(tx, out.Grant.Fields, out.Lead)
		return err
	})
	if err != nil {
		return Granted{}, err
	}
	opened, err := s.opener.Open(ctx, scope, keyring.GrantID(id.UUID()), to.String(), purpose, sealed...)
	if errors.Is(err, keyring.ErrNoGrant) {
		err = errEnded(grants.Grant{EndedAt: s.now()}, s.now())
	}
	if err != nil {
		return Granted{}, err
	}
	gone := false
	for i := range out.Values {
		out.Values[i].Text, out.Values[i].Erased = opened.Values[i], opened.States[i] == keyring.Erased
		gone = gone || out.Values[i].Erased
	}
	if gone { // or was it revoked after the record was written?
		err = s.db.Read(ctx, scope, func(tx *store.Tx) error {
			_, err := open(tx, id, s.now())
			return err
		})
	}
	if err != nil {
		return Granted{}, err
	}
	return out, nil
}

// mostTexts is more messages or notes than anybody looks through for help.
const mostTexts = 100

func gatherGranted(tx *store.Tx, fields []vault.Field, l leads.Lead) (values []GrantedValue, sealed []vault.Sealed, err error) {
	add := func(f vault.Field, at time.Time, s vault.Sealed) {
		if slices.Contains(fields, f) {
			values, sealed = append(values, GrantedValue{Field: f, At: at}), append(sealed, s)
		}
	}
	who, err := people.One(tx, l.Person)
	if err != nil {
		return nil, nil, err
	}
	add(vault.Name, time.Time{}, who.Name)
	add(vault.Phone, time.Time{}, who.Phone)
	add(vault.Email, time.Time{}, who.Email)
	came, err := leads.EnquiriesOf(tx, l.ID, leads.EnquiryPage{}, mostTexts)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range came {
		add(vault.Message, e.ReceivedAt, e.Message)
	}
	notes, err := leads.WorkNotes(tx, l.ID, time.Time{}, lead.NoteID{}, mostTexts)
	for _, n := range notes {
		add(vault.Note, n.CreatedAt, n.Text)
	}
	return values, sealed, err
}

// record refuses what the grant does not allow any more in the transaction that
// writes the entry, so that nothing is opened after a revocation was committed.
func (s *Support) record(ctx context.Context, o keyring.Opening) error {
	return s.db.Write(ctx, o.Scope, func(tx *store.Tx) error {
		now := s.now()
		id := account.GrantIDFrom(o.Grant)
		if _, err := open(tx, id, now); err != nil {
			return err
		}
		s.events.Emit(tx, events.Event{Kind: events.GrantUsed, At: now, Data: map[string]any{"grant_id": id.String(), "by": o.Actor}})
		return audit.Write(tx, now, Entry(o))
	})
}

func (s *Support) lent(ctx context.Context, of account.Scope, id keyring.GrantID, wanted []vault.Subject) (map[vault.Subject][]byte, error) {
	out := map[vault.Subject][]byte{}
	err := s.db.Read(ctx, of, func(tx *store.Tx) error {
		all, err := grants.Keys(tx, account.GrantIDFrom(id))
		for _, subject := range wanted {
			if w, ok := all[lead.PersonIDFrom(subject)]; ok {
				out[subject] = w
			}
		}
		return err
	})
	return out, err
}
