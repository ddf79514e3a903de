package intake

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// errNoKey says that a person's key is gone or does not open.
var errNoKey = errors.New("intake: the person has no key")

// human is a person as a batch knows it: one row, or several that were merged
// by hand, of which id is the kept one.
type human struct {
	id      lead.PersonID
	key     Sealer // nil until it is needed
	wrapped []byte
	erased  bool

	hasName, hasPhone, hasEmail bool
	fill                        values // what the row lacks and an item brought
	fillCountry                 string
	filling                     bool

	open   map[account.ProjectID]openLead
	closed map[account.ProjectID]leads.Brief // the latest
}

type openLead struct {
	id    lead.ID
	since time.Time
	fresh *leads.Lead // of this transaction
	kept  bool        // its person is the kept one
}

// loadHumans reads the persons that the keys lead to, and more, with their leads.
func (b *batch) loadHumans(wanted []people.Key, more ...lead.PersonID) error {
	found := map[people.Key]lead.PersonID{}
	if err := people.Find(b.tx, wanted, found); err != nil || len(found)+len(more) == 0 {
		return err
	}
	ids := append(make([]lead.PersonID, 0, len(found)+len(more)), more...)
	for _, id := range found {
		ids = append(ids, id)
	}
	if err := b.know(ids); err != nil {
		return err
	}
	for key, id := range found {
		if h := b.byID[id]; h != nil {
			if h.erased && !b.careful {
				return store.ErrAgain // erased since the index was read, which is gone now: this is somebody new
			}
			b.byKey[key] = h
		}
	}
	return nil
}

// know loads persons and all that were merged with them, and their leads.
func (b *batch) know(ids []lead.PersonID) error {
	rows := map[lead.PersonID]*people.Known{}
	for todo := ids; len(todo) > 0; {
		next, err := b.fetch(todo, rows)
		if err != nil {
			return err
		}
		todo = next
	}
	var all []lead.PersonID
	for id := range rows {
		root := rootOf(rows, id)
		h := b.byID[root.ID]
		if h == nil {
			h = &human{id: root.ID, wrapped: root.WrappedKey, erased: root.Erased, hasName: root.HasName, hasPhone: root.HasPhone, hasEmail: root.HasEmail,
				open: map[account.ProjectID]openLead{}, closed: map[account.ProjectID]leads.Brief{}}
			b.byID[root.ID] = h
		}
		b.byID[id] = h
		all = append(all, id)
	}
	briefs, err := leads.LeadsOfPersons(b.tx, all)
	if err != nil {
		return err
	}
	for _, l := range briefs {
		b.byID[l.Person].has(l)
	}
	return nil
}

// fetch loads the rows that are not there yet and returns which others belong
// to them: what they were merged into, and what was merged into them.
func (b *batch) fetch(ids []lead.PersonID, rows map[lead.PersonID]*people.Known) (next []lead.PersonID, err error) {
	var todo []lead.PersonID
	for _, id := range ids {
		if rows[id] == nil && b.byID[id] == nil {
			todo = append(todo, id)
		}
	}
	got, err := people.Load(b.tx, todo)
	if err != nil {
		return nil, err
	}
	var kept []lead.PersonID
	for _, k := range got {
		rows[k.ID] = &k
		if !k.MergedInto.IsZero() {
			next = append(next, k.MergedInto)
		}
		if k.HasMerged {
			kept = append(kept, k.ID)
		}
	}
	if len(kept) == 0 {
		return next, nil
	}
	merged, err := people.MergedInto(b.tx, kept)
	return append(next, merged...), err
}

// rootOf follows merges to the person that was kept.
func rootOf(rows map[lead.PersonID]*people.Known, id lead.PersonID) *people.Known {
	k := rows[id]
	for range len(rows) { // a circle cannot be made, and would not hang us
		up := rows[k.MergedInto]
		if up == nil {
			break
		}
		k = up
	}
	return k
}

// has notes a lead of the human. Of several open ones of a project (of persons
// merged later) the kept person's comes first, then the oldest.
func (h *human) has(l leads.Brief) {
	if !l.ClosedAt.IsZero() {
		if was, ok := h.closed[l.Project]; !ok || l.CreatedAt.After(was.CreatedAt) {
			h.closed[l.Project] = l
		}
		return
	}
	o := openLead{id: l.ID, since: l.CreatedAt, kept: l.Person == h.id}
	was, ok := h.open[l.Project]
	if !ok || (o.kept && !was.kept) || (o.kept == was.kept && o.since.Before(was.since)) {
		h.open[l.Project] = o
	}
}

// human finds or makes the item's person. A phone number says more than an
// address; when they name two people, other is the address's. A value that
// could not be read ("call me") says who somebody is only when nothing else does.
func (b *batch) human(it *item) (h, other *human, err error) {
	phone, email := b.byKey[it.phone], b.byKey[it.email]
	switch {
	case phone != nil && email != nil && phone != email:
		return phone, email, nil
	case phone != nil:
		return phone, nil, nil
	case email != nil:
		return email, nil, nil
	case it.phone.Field == "" && it.email.Field == "":
		for _, k := range it.weak {
			if h := b.byKey[k]; h != nil {
				return h, nil, nil
			}
		}
	}
	return b.make(it), nil, nil
}

func (b *batch) make(it *item) *human {
	v := &it.fresh.values
	h := &human{id: it.fresh.id, key: it.fresh.key, hasName: len(v.name) > 0, hasPhone: len(v.phone) > 0, hasEmail: len(v.email) > 0,
		open: map[account.ProjectID]openLead{}, closed: map[account.ProjectID]leads.Brief{}}
	b.byID[h.id] = h
	b.persons = append(b.persons, people.New{ID: h.id, Test: it.head.Test, Name: v.name, Phone: v.phone, Email: v.email, Country: it.country,
		CreatedAt: it.head.ReceivedAt, KeysetVersion: int64(it.keys.Version()), WrappedKey: it.fresh.wrapped})
	return h
}

// values are the item's ciphertexts under the human's key.
func (b *batch) values(it *item, h *human) (*values, error) {
	if h.id == it.fresh.id {
		return &it.fresh.values, nil
	}
	if h.key == nil {
		key, err := b.openKey(it.keys, h)
		if err != nil {
			return nil, err
		}
		h.key = b.in.o.Sealer(key)
	}
	v := it.seal(h.key, h.id)
	return &v, nil
}

func (b *batch) openKey(keys *keyring.AccountKeys, h *human) (keyring.SubjectKey, error) {
	if h.wrapped == nil {
		return keyring.SubjectKey{}, errNoKey
	}
	key, err := keys.OpenSubjectKey(vault.Subject(h.id.UUID()), h.wrapped)
	switch {
	case errors.Is(err, keyring.ErrUnknownKey):
		return key, errStaleKeys
	case err != nil:
		return key, errNoKey
	}
	return key, nil
}

// seal seals the item's texts for the person.
func (it *item) seal(key Sealer, id lead.PersonID) values {
	t := &it.text
	person := func(f vault.Field, p vault.Personal) []byte { return key.Seal(people.Place(id, f), p).Data }
	enquiry := func(f vault.Field, p vault.Personal) []byte {
		return key.Seal(leads.EnquiryPlace(it.head.Enquiry, f), p).Data
	}
	return values{
		name:    person(vault.Name, t.name),
		phone:   person(vault.Phone, t.phone),
		email:   person(vault.Email, t.email),
		message: enquiry(vault.Message, t.message),
		custom:  enquiry(vault.Custom, t.custom),
		consent: enquiry(vault.Consent, t.consent),
		raw:     key.Seal(leads.SubmissionPlace(it.subm, vault.Raw), t.raw).Data,
		trace:   key.Seal(leads.SubmissionPlace(it.subm, vault.Trace), t.trace).Data,
		note:    key.Seal(leads.NotePlace(it.note), t.note).Data,
	}
}

// learn adds what the item says of the human that was not known yet: keys to
// find it by, and values that its row lacks.
func (b *batch) learn(it *item, h *human, v *values) {
	b.findBy(it, h)
	if h.id == it.fresh.id {
		return
	}
	fill := func(has *bool, to *[]byte, from []byte) bool {
		if *has || len(from) == 0 {
			return false
		}
		*has, *to = true, from
		return true
	}
	some := fill(&h.hasName, &h.fill.name, v.name)
	if fill(&h.hasPhone, &h.fill.phone, v.phone) {
		some, h.fillCountry = true, it.country
	}
	if it.email.Field == "" || b.byKey[it.email] == h { // else it is the other's
		some = fill(&h.hasEmail, &h.fill.email, v.email) || some
	}
	if some && !h.filling {
		h.filling = true
		b.fills = append(b.fills, h)
	}
}

// findBy has the item's keys lead to the human, as far as they lead to nobody.
func (b *batch) findBy(it *item, h *human) {
	for _, k := range it.index() {
		if b.byKey[k] == nil {
			b.byKey[k] = h
			b.index = append(b.index, people.Entry{Key: k, Person: h.id})
		}
	}
}

// lead finds the human's open lead of the project, or makes one; again says
// that it was there.
func (b *batch) lead(it *item, h *human) (id lead.ID, again bool) {
	if o, ok := h.open[it.project]; ok && !it.closed() {
		b.reEnquire(it, o)
		return o.id, true
	}
	l := &leads.Lead{ID: lead.NewID(), Person: h.id, Project: it.project, Source: it.head.Source, Test: it.head.Test,
		Stage: it.stage, Category: lead.New, RouteState: lead.Waiting, WaitingAt: it.head.ReceivedAt, Enquiries: 1,
		CreatedAt: it.head.ReceivedAt, EnquiredAt: it.head.ReceivedAt}
	if was, ok := h.closed[it.project]; ok {
		l.Previous = was.ID
	}
	switch {
	case it.past != nil:
		b.restore(it, l)
	case l.Test:
		l.RouteState, l.WaitingAt = lead.Unrouted, time.Time{}
	default:
		b.projects[it.project] = true
	}
	if it.closed() {
		h.has(leads.Brief{ID: l.ID, Person: h.id, Project: l.Project, CreatedAt: l.CreatedAt, ClosedAt: l.ClosedAt})
		b.newLeads = append(b.newLeads, l)
		return l.ID, false
	}
	h.open[it.project] = openLead{id: l.ID, since: l.CreatedAt, fresh: l, kept: true}
	b.newLeads = append(b.newLeads, l)
	return l.ID, false
}

func (b *batch) reEnquire(it *item, o openLead) {
	if o.fresh != nil {
		o.fresh.Enquiries++
		if it.head.ReceivedAt.After(o.fresh.EnquiredAt) {
			o.fresh.EnquiredAt = it.head.ReceivedAt
		}
		return
	}
	r := b.again[o.id]
	if r == nil {
		r = &leads.ReEnquiry{Lead: o.id}
		b.again[o.id] = r
		b.attached = append(b.attached, r)
	}
	r.Count++
	if it.head.ReceivedAt.After(r.At) {
		r.At = it.head.ReceivedAt
	}
}

// loadOwners loads the persons of the enquiries that were taken before: a
// conflicting body is sealed under their keys.
func (b *batch) loadOwners() error {
	var ids []lead.PersonID
	for _, id := range b.taken {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	got, err := people.Load(b.tx, ids)
	if err != nil {
		return err
	}
	b.owners = map[lead.PersonID]*human{}
	for _, k := range got {
		b.owners[k.ID] = &human{id: k.ID, wrapped: k.WrappedKey}
	}
	return nil
}

// owner is whose key seals the enquiry's submissions; nil when it is not known.
func (b *batch) owner(id lead.EnquiryID) *human {
	for k, p := range b.taken {
		if k.Enquiry == id {
			return b.owners[p]
		}
	}
	return nil
}
