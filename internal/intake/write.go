package intake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/cursor"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// errStaleKeys says that the cached keyset is from before a rotation.
var errStaleKeys = errors.New("intake: a person's key is newer than the keyset at hand")

// write stores the items in one transaction. With careful it asks first which
// of them were taken before; without, it asks only about those whose person is
// known, finds out about the others by the count of inserted rows, and then
// runs again with care.
func (in *Intake) write(ctx context.Context, items []*item, careful bool) error {
	if len(items) == 0 {
		return nil
	}
	groups := byAccount(items)
	var done counts
	runs := 0
	err := in.o.DB.WriteMany(ctx, func(m *store.Many) error {
		done = counts{}
		if runs++; runs > 1 {
			in.stats.Again.Add(1)
		}
		for _, g := range groups {
			tx, err := m.For(g[0].scope)
			if err != nil {
				return err
			}
			if err := in.writeAccount(tx, g, careful || runs > 1, &done); err != nil {
				return err
			}
		}
		return cursor.Save(m, in.o.Stream, last(items), time.Now())
	})
	if err == nil {
		in.stats.add(done)
		in.sick.committed()
	}
	return err
}

// counts is what a transaction did.
type counts struct{ taken, duplicates, conflicts, dead, erased int64 }

func (s *Stats) add(c counts) {
	s.Taken.Add(c.taken)
	s.Duplicates.Add(c.duplicates)
	s.Conflicts.Add(c.conflicts)
	s.Dead.Add(c.dead)
	s.Erased.Add(c.erased)
	s.Batches.Add(1)
}

// byAccount groups the items, each group in their order, the accounts in one
// order everywhere: two transactions then do not wait for each other in turn.
func byAccount(items []*item) [][]*item {
	groups := map[account.ID][]*item{}
	var ids []account.ID
	for _, it := range items {
		id := it.head.Account
		if groups[id] == nil {
			ids = append(ids, id)
		}
		groups[id] = append(groups[id], it)
	}
	slices.SortFunc(ids, func(a, b account.ID) int {
		return compare(a.UUID(), b.UUID())
	})
	out := make([][]*item, len(ids))
	for i, id := range ids {
		out[i] = groups[id]
	}
	return out
}

func last(items []*item) (seq uint64) {
	for _, it := range items {
		seq = max(seq, it.Seq)
	}
	return seq
}

// batch is what one transaction gathers for one account before it writes.
type batch struct {
	in      *Intake
	tx      *store.Tx
	now     time.Time
	careful bool

	taken     map[leads.SubmissionKey]lead.PersonID // before this transaction
	states    map[lead.EnquiryID]lead.EnquiryState  // the same
	mine      map[lead.EnquiryID]*taking            // in it
	submitted map[leads.SubmissionKey]bool          // the same
	byKey     map[people.Key]*human
	byID      map[lead.PersonID]*human
	owners    map[lead.PersonID]*human // of enquiries taken before

	persons     []people.New
	index       []people.Entry
	fills       []*human
	newLeads    []*leads.Lead
	attached    []*leads.ReEnquiry
	again       map[lead.ID]*leads.ReEnquiry // of attached
	enquiries   []*leads.Enquiry
	submissions []*leads.Submission
	conflicts   []lead.EnquiryID
	revived     []lead.EnquiryID
	links       []link
	dead        []*item
	erased      []*item // their persons are gone
	held        []leads.Held
	withheld    []people.Withheld     // of what held says
	seen        map[leads.Burst]int64 // how often before, and by this transaction
	more        map[leads.Burst]int64 // by this transaction alone
	owned       []leads.Assignment    // of history
	notes       []leads.Note          // the same
	events      []events.Event
	projects    map[account.ProjectID]bool

	opened, duplicates, conflicted int64
}

// taking is an enquiry of this transaction.
type taking struct {
	enquiry    *leads.Enquiry
	submission *leads.Submission
	human      *human
}

type link struct {
	a, b    *human
	because *item
}

func (in *Intake) writeAccount(tx *store.Tx, items []*item, careful bool, done *counts) error {
	b := &batch{in: in, tx: tx, now: store.Clock(time.Now()), careful: careful,
		mine: map[lead.EnquiryID]*taking{}, submitted: map[leads.SubmissionKey]bool{},
		byKey: map[people.Key]*human{}, byID: map[lead.PersonID]*human{},
		again: map[lead.ID]*leads.ReEnquiry{}, projects: map[account.ProjectID]bool{}}
	if err := b.load(items); err != nil {
		return err
	}
	for _, it := range items {
		if err := b.take(it); err != nil {
			return err
		}
	}
	if err := b.save(); err != nil {
		return err
	}
	done.taken += int64(len(b.enquiries))
	done.duplicates += b.duplicates
	done.conflicts += b.conflicted
	done.dead += int64(len(b.dead))
	done.erased += int64(len(b.erased))
	return nil
}

// load reads what is known already of the items' enquiries and persons.
func (b *batch) load(items []*item) error {
	if b.careful {
		if err := b.loadTaken(items); err != nil {
			return err
		}
	}
	wanted := make([]people.Key, 0, 2*len(items))
	seen := make(map[people.Key]bool, 2*len(items))
	for _, it := range items {
		if it.dead != "" {
			continue
		}
		for _, k := range it.index() {
			if !seen[k] {
				seen[k] = true
				wanted = append(wanted, k)
			}
		}
	}
	if err := b.loadHumans(wanted); err != nil {
		return err
	}
	if !b.careful {
		if err := b.loadTaken(b.known(items)); err != nil {
			return err
		}
	}
	return b.loadBursts(items)
}

// known picks the items whose person is there already. What comes a second
// time is among them, because the first time made its person: asking about
// these few costs less than writing a thousand rows before their count tells.
func (b *batch) known(items []*item) (out []*item) {
	for _, it := range items {
		if it.dead == "" && slices.ContainsFunc(it.index(), func(k people.Key) bool { return b.byKey[k] != nil }) {
			out = append(out, it)
		}
	}
	return out
}

// index lists by what the item's person is found, the strongest first.
func (it *item) index() []people.Key {
	keys := make([]people.Key, 0, 2+len(it.weak))
	if it.phone.Field != "" {
		keys = append(keys, it.phone)
	}
	if it.email.Field != "" {
		keys = append(keys, it.email)
	}
	return append(keys, it.weak...)
}

func (b *batch) loadTaken(items []*item) (err error) {
	var ids []lead.EnquiryID
	seen := map[lead.EnquiryID]bool{}
	for _, it := range items {
		if !seen[it.head.Enquiry] {
			seen[it.head.Enquiry] = true
			ids = append(ids, it.head.Enquiry)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if b.taken, err = leads.KnownSubmissions(b.tx, ids); err != nil {
		return err
	}
	if b.states, err = leads.EnquiryStates(b.tx, ids); err != nil {
		return err
	}
	return b.loadOwners()
}

// take decides about one item. Nothing is written yet.
func (b *batch) take(it *item) error {
	if it.dead == reasonErased {
		b.erased = append(b.erased, it)
		return nil
	}
	if it.dead != "" {
		b.dead = append(b.dead, it)
		return nil
	}
	b.opened++
	key := leads.SubmissionKey{Enquiry: it.head.Enquiry, BodyMAC: it.head.BodyMAC}
	if _, was := b.taken[key]; was || b.submitted[key] {
		b.duplicates++
		return nil
	}
	if first := b.mine[key.Enquiry]; first != nil {
		b.submitted[key] = true
		return b.conflictWithin(it, first)
	}
	switch b.states[key.Enquiry] {
	case "":
	case lead.Dead:
		b.revived = append(b.revived, key.Enquiry)
	default:
		b.submitted[key] = true
		return b.conflict(it)
	}
	err := b.attach(it)
	if errors.Is(err, errNoKey) {
		b.opened--
		it := *it // a later run may find the person erased and its index gone
		it.dead = ReasonPerson
		b.dead = append(b.dead, &it)
		return nil
	}
	b.submitted[key] = true
	return err
}

// attach makes the item an enquiry of its person's lead.
func (b *batch) attach(it *item) error {
	h, other, err := b.human(it)
	if err != nil {
		return err
	}
	v, err := b.values(it, h)
	if err != nil {
		return err
	}
	if reason := b.suspicion(it, h); reason != "" {
		b.hold(it, h, v, reason)
		return nil
	}
	b.learn(it, h, v)
	if other != nil {
		b.links = append(b.links, link{h, other, it})
	}
	id, again := b.lead(it, h)
	e := &leads.Enquiry{ID: it.head.Enquiry, Lead: id, Person: h.id, Project: it.project, Source: it.head.Source,
		State: lead.Attached, Test: it.head.Test, ReEnquiry: again, Flags: it.flags, Attribution: it.attribution, Custom: it.custom,
		Message: vault.Sealed{Data: v.message}, CustomSeal: vault.Sealed{Data: v.custom}, Consent: vault.Sealed{Data: v.consent},
		ReceivedAt: it.head.ReceivedAt, CreatedAt: b.now, History: it.past != nil}
	b.enquiries = append(b.enquiries, e)
	b.mine[e.ID] = &taking{e, b.submit(it, h, v, false), h}
	b.noteOf(it, id, h, v)
	if it.past != nil {
		return nil
	}
	b.emit(it, events.EnquiryAttached, id)
	if again {
		b.emit(it, events.LeadReEnquired, id)
	} else {
		b.emit(it, events.LeadCreated, id)
	}
	return nil
}

func (b *batch) submit(it *item, h *human, v *values, conflict bool) *leads.Submission {
	s := &leads.Submission{ID: it.subm, Enquiry: it.head.Enquiry, BodyMAC: it.head.BodyMAC, Person: h.id, Conflict: conflict,
		Format: string(it.head.Format), Raw: vault.Sealed{Data: v.raw}, Trace: vault.Sealed{Data: v.trace}, Key: it.head.Key,
		Stream: b.in.o.Stream, Seq: it.Seq, ReceivedAt: it.head.ReceivedAt}
	b.submissions = append(b.submissions, s)
	return s
}

// conflictWithin keeps another body of an enquiry that this transaction makes.
func (b *batch) conflictWithin(it *item, first *taking) error {
	v, err := b.values(it, first.human)
	if err != nil {
		return err
	}
	b.submit(it, first.human, v, true)
	first.enquiry.Conflict, first.submission.Conflict = true, true
	b.conflicted++
	b.emit(it, events.EnquiryConflict, first.enquiry.Lead)
	return nil
}

// conflict keeps another body of an enquiry that is there, under the key of
// its person. Of an erased one nothing is kept.
func (b *batch) conflict(it *item) error {
	h := b.owner(it.head.Enquiry)
	if h == nil {
		b.duplicates++
		return nil
	}
	v, err := b.values(it, h)
	if errors.Is(err, errNoKey) {
		b.duplicates++
		return nil
	}
	if err != nil {
		return err
	}
	b.submit(it, h, v, true)
	b.conflicts = append(b.conflicts, it.head.Enquiry)
	b.conflicted++
	b.emit(it, events.EnquiryConflict, lead.ID{})
	return nil
}

func (b *batch) emit(it *item, k events.Kind, id lead.ID) {
	b.events = append(b.events, events.Event{Kind: k, At: b.now, Lead: id, Enquiry: it.head.Enquiry, Project: it.project,
		Source: it.head.Source, Test: it.head.Test})
}

// save writes what was decided. Fewer rows than expected mean that somebody
// else was faster: then all is decided again.
func (b *batch) save() error {
	b.sort()
	if len(b.revived) > 0 {
		if err := leads.DropDeadEnquiries(b.tx, b.revived); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		want int
		do   func() (int64, error)
	}{
		{len(b.index), func() (int64, error) { return people.AddIndex(b.tx, b.index) }},
		{len(b.newLeads), func() (int64, error) { return leads.AddLeads(b.tx, b.newLeads) }},
		{len(b.enquiries), func() (int64, error) { return leads.AddEnquiries(b.tx, b.enquiries) }},
		{len(b.submissions), func() (int64, error) { return leads.AddSubmissions(b.tx, b.submissions) }},
		{len(b.attached), func() (int64, error) { return leads.ReEnquire(b.tx, b.attached) }},
	} {
		if step.want == 0 {
			continue
		}
		n, err := step.do()
		if err != nil {
			return err
		}
		if n != int64(step.want) {
			return store.ErrAgain
		}
	}
	return b.saveRest()
}

// sort puts rows that two transactions may both write into one order, so that
// neither waits for the other while the other waits for it.
func (b *batch) sort() {
	slices.SortFunc(b.newLeads, func(x, y *leads.Lead) int {
		return cmp.Or(compare(x.Person.UUID(), y.Person.UUID()), compare(x.Project.UUID(), y.Project.UUID()))
	})
	slices.SortFunc(b.enquiries, func(x, y *leads.Enquiry) int { return compare(x.ID.UUID(), y.ID.UUID()) })
	slices.SortFunc(b.submissions, func(x, y *leads.Submission) int {
		return cmp.Or(compare(x.Enquiry.UUID(), y.Enquiry.UUID()), bytes.Compare(x.BodyMAC[:], y.BodyMAC[:]))
	})
	slices.SortFunc(b.attached, func(x, y *leads.ReEnquiry) int { return compare(x.Lead.UUID(), y.Lead.UUID()) })
	slices.SortFunc(b.fills, func(x, y *human) int { return compare(x.id.UUID(), y.id.UUID()) })
}

func compare(x, y [16]byte) int { return bytes.Compare(x[:], y[:]) }

func (b *batch) saveRest() error {
	if len(b.persons) > 0 {
		if err := people.Add(b.tx, b.persons); err != nil {
			return err
		}
	}
	for _, h := range b.fills {
		if err := people.Fill(b.tx, h.id, h.fill.name, h.fill.phone, h.fill.email, h.fillCountry); err != nil {
			return err
		}
	}
	if len(b.conflicts) > 0 {
		if err := leads.MarkConflict(b.tx, b.conflicts); err != nil {
			return err
		}
	}
	for _, l := range b.links {
		if err := b.saveLink(l); err != nil {
			return err
		}
	}
	if err := b.saveHeld(); err != nil {
		return err
	}
	if err := b.savePast(); err != nil {
		return err
	}
	for _, it := range b.dead {
		if err := b.setAside(it); err != nil {
			return err
		}
	}
	for _, it := range b.erased {
		if err := b.saveErased(it); err != nil {
			return err
		}
	}
	return b.tell()
}

// saveErased has an enquiry of somebody who is gone answer that it is erased.
// One that is there, with its person destroyed, says so already.
func (b *batch) saveErased(it *item) error {
	e := leads.Enquiry{ID: it.head.Enquiry, Project: it.head.Project, Source: it.head.Source, State: lead.Erased, Test: it.head.Test,
		ReceivedAt: it.head.ReceivedAt, CreatedAt: b.now}
	n, err := leads.AddEnquiries(b.tx, []*leads.Enquiry{&e})
	if err != nil || n == 0 {
		return err
	}
	b.events = append(b.events, events.Event{Kind: events.EnquiryErased, At: b.now, Enquiry: e.ID, Source: e.Source, Project: e.Project, Test: e.Test})
	return nil
}

func (b *batch) saveLink(l link) error {
	fresh, err := people.PossibleDuplicate(b.tx, l.a.id, l.b.id, people.LinkedByEnquiry, l.because.head.Enquiry, b.now)
	if err != nil || !fresh {
		return err
	}
	b.events = append(b.events, events.Event{Kind: events.PersonPossibleDuplicate, At: b.now, Enquiry: l.because.head.Enquiry,
		Test: l.because.head.Test, Data: map[string]any{"person_id": l.a.id.String(), "other_id": l.b.id.String()}})
	return nil
}

// tell adds the jobs, the record and the events.
func (b *batch) tell() error {
	projects := slices.SortedFunc(maps.Keys(b.projects), func(x, y account.ProjectID) int { return compare(x.UUID(), y.UUID()) })
	for _, id := range projects {
		if err := b.in.o.Jobs.Add(b.tx, RouteJob, id.String(), b.now); err != nil {
			return err
		}
	}
	if b.opened > 0 {
		err := audit.Write(b.tx, b.now, audit.Entry{Actor: Actor, Action: "rewrap", Purpose: vault.ForIntake, About: b.in.o.Stream,
			Detail: map[string]int64{"submissions": b.opened, "duplicates": b.duplicates, "conflicts": b.conflicted}})
		if err != nil {
			return fmt.Errorf("intake: record: %w", err)
		}
	}
	if len(b.events) > 0 {
		b.in.o.Events.Emit(b.tx, b.events...)
	}
	return nil
}
