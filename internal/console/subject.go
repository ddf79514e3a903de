package console

import (
	"cmp"
	"context"
	"slices"
	"time"

	"catchment/internal/audit"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/privacy"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// SubjectData is everything that is kept of a human.
type SubjectData struct {
	At        time.Time          `json:"at" doc:"As of when."`
	Persons   []SubjectPerson    `json:"persons" nullable:"false" doc:"More than one where persons were merged."`
	Leads     []SubjectLead      `json:"leads" nullable:"false"`
	Enquiries []SubjectEnquiry   `json:"enquiries" nullable:"false" doc:"Also those in quarantine."`
	Requests  []SubjectRequest   `json:"requests" nullable:"false"`
	NotToCall []SubjectRestraint `json:"suppressions" nullable:"false"`
	Dead      []SubjectDead      `json:"dead_letters" nullable:"false" doc:"Accepted, not processed, and with a number or an address of theirs in it."`
	Sealed    int                `json:"dead_letters_sealed" doc:"How many dead letters of the account open for nobody: whose they are cannot be known."`
}

// SubjectPerson is a person of somebody's data.
type SubjectPerson struct {
	ID        string    `json:"id" example:"prsn_01h455vb4pex5vsknk084sn02q"`
	Name      *string   `json:"name"`
	Phone     *string   `json:"phone"`
	Email     *string   `json:"email"`
	Country   string    `json:"country" doc:"Of the phone, ISO 3166; empty when unknown."`
	CreatedAt time.Time `json:"created_at"`
	Erased    bool      `json:"erased"`

	Corrected []SubjectPast `json:"corrected" nullable:"false" doc:"What stood there before a correction."`
}

// SubjectPast is what stood in a field of somebody's before it was corrected.
type SubjectPast struct {
	Field string    `json:"field" enum:"name,phone,email"`
	Was   *string   `json:"was" doc:"null: nothing."`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

// SubjectLead is a lead of somebody's data.
type SubjectLead struct {
	ID        string        `json:"id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	ProjectID string        `json:"project_id"`
	Category  string        `json:"category" enum:"new,follow-up,won,dropped"`
	Reason    string        `json:"reason" doc:"A code, of the last change of stage."`
	OwnerID   *string       `json:"owner_id"`
	CreatedAt time.Time     `json:"created_at"`
	ClosedAt  *time.Time    `json:"closed_at"`
	Attempts  []SubjectCall `json:"attempts" nullable:"false"`
	Notes     []SubjectNote `json:"notes" nullable:"false"`
	Visits    []SubjectSpot `json:"visits" nullable:"false"`
	Files     []SubjectFile `json:"files" nullable:"false" doc:"What is in them is fetched at GET /v1/leads/{id}/files/{file}."`
	Bookings  []SubjectSale `json:"bookings" nullable:"false"`
	Stages    []SubjectStep `json:"stages" nullable:"false" doc:"Changes of stage, oldest first."`
	Tags      []string      `json:"tags" nullable:"false"`
	NextAt    *time.Time    `json:"next_at" doc:"The next follow-up."`
	NextWhat  *string       `json:"next_what"`
}

// SubjectSale is a booking of somebody's.
type SubjectSale struct {
	Unit        string     `json:"unit" doc:"The account's own reference."`
	ValueMinor  int64      `json:"value_minor"`
	Currency    string     `json:"currency"`
	BookedAt    time.Time  `json:"booked_at"`
	CancelledAt *time.Time `json:"cancelled_at"`
}

// SubjectStep is a change of stage.
type SubjectStep struct {
	At     time.Time `json:"at"`
	Stage  string    `json:"stage_id"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

// SubjectFile is a file of somebody's lead.
type SubjectFile struct {
	ID        string    `json:"id" example:"file_01h455vb4pex5vsknk084sn02q"`
	Name      *string   `json:"name"`
	Kind      string    `json:"kind" doc:"Media type." example:"application/pdf"`
	Size      int64     `json:"size" doc:"Bytes."`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
}

// SubjectCall is an attempt to reach somebody.
type SubjectCall struct {
	Channel     string    `json:"channel"`
	Disposition string    `json:"disposition"`
	Reached     bool      `json:"reached"`
	StartedAt   time.Time `json:"started_at"`
}

// SubjectNote is what was written about somebody.
type SubjectNote struct {
	Text      *string   `json:"text"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
}

// SubjectSpot is a site visit of somebody.
type SubjectSpot struct {
	Place     *string   `json:"place"`
	State     string    `json:"state"`
	PlannedAt time.Time `json:"planned_at"`
}

// SubjectEnquiry is an enquiry of somebody's data, with what came in for it.
type SubjectEnquiry struct {
	ID          string              `json:"id" example:"enq_01h455vb4pex5vsknk084sn02q"`
	State       string              `json:"state" enum:"attached,quarantined,dead,erased"`
	SourceID    string              `json:"source_id"`
	ReceivedAt  time.Time           `json:"received_at"`
	Attribution string              `json:"attribution" doc:"JSON object, as text."`
	NonPersonal string              `json:"custom_non_personal" doc:"JSON object, as text."`
	Message     *string             `json:"message"`
	Custom      *string             `json:"custom" doc:"JSON object, as text."`
	Consent     *string             `json:"consent" doc:"JSON object, as text."`
	Submissions []SubjectSubmission `json:"submissions" nullable:"false"`
	Withheld    []SubjectPast       `json:"withheld" nullable:"false" doc:"What one in quarantine says of a known person, and is not believed yet."`
}

// SubjectDead is a dead letter that speaks of somebody.
type SubjectDead struct {
	ID         string    `json:"id" example:"dead_01h455vb4pex5vsknk084sn02q"`
	EnquiryID  string    `json:"enquiry_id"`
	Reason     string    `json:"reason" doc:"A code: why it could not be processed."`
	ReceivedAt time.Time `json:"received_at"`
	Raw        *string   `json:"raw" doc:"As it came."`
}

// SubjectSubmission is what came in, as it came.
type SubjectSubmission struct {
	Format     string    `json:"format" enum:"json,form"`
	Raw        *string   `json:"raw"`
	Trace      *string   `json:"trace" doc:"What was seen of the sender: a JSON object, as text."`
	ReceivedAt time.Time `json:"received_at"`
}

// SubjectRestraint is a time in which somebody was not to be contacted.
type SubjectRestraint struct {
	Reason   string     `json:"reason"`
	Evidence *string    `json:"evidence"`
	From     time.Time  `json:"from"`
	Until    *time.Time `json:"until"`
}

// manyOf is more than anybody leaves of one kind; the answer would not say that
// there is more.
const manyOf = 10_000

func gatherSubject(tx *store.Tx, id lead.PersonID, now time.Time, texts *opening) (*SubjectData, error) {
	out := &SubjectData{At: now, Persons: []SubjectPerson{}, Leads: []SubjectLead{}, Enquiries: []SubjectEnquiry{}, Requests: []SubjectRequest{}, NotToCall: []SubjectRestraint{}, Dead: []SubjectDead{}}
	ids, err := people.Same(tx, id)
	if err != nil {
		return nil, err
	}
	briefs, err := leads.LeadsOfPersons(tx, ids)
	if err != nil {
		return nil, err
	}
	var of []lead.ID
	for _, b := range briefs {
		of = append(of, b.ID)
	}
	for _, step := range []func() error{
		func() error { return out.persons(tx, ids, texts) },
		func() error { return out.leads(tx, of, texts) },
		func() error { return out.enquiries(tx, of, ids, texts) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *SubjectData) persons(tx *store.Tx, ids []lead.PersonID, texts *opening) error {
	all, err := people.Get(tx, ids...)
	if err != nil {
		return err
	}
	d.Persons = make([]SubjectPerson, len(all))
	for i, p := range all {
		to := &d.Persons[i]
		*to = SubjectPerson{ID: p.ID.String(), Country: p.Country, CreatedAt: p.CreatedAt, Erased: !p.ErasedAt.IsZero()}
		texts.add(p.Name, &to.Name)
		texts.add(p.Phone, &to.Phone)
		texts.add(p.Email, &to.Email)
		if err := d.personsOwn(tx, p.ID, to, texts); err != nil {
			return err
		}
	}
	return nil
}

// personsOwn adds what hangs on one person rather than on a lead.
func (d *SubjectData) personsOwn(tx *store.Tx, id lead.PersonID, to *SubjectPerson, texts *opening) error {
	asked, err := people.RequestsOf(tx, id)
	if err != nil {
		return err
	}
	past, err := people.Pasts(tx, id, manyOf)
	if err != nil {
		return err
	}
	to.Corrected = make([]SubjectPast, len(past))
	for i, p := range past {
		to.Corrected[i] = SubjectPast{Field: string(p.Field), By: p.By, At: p.At}
		texts.add(p.Was, &to.Corrected[i].Was)
	}
	for _, r := range asked {
		d.Requests = append(d.Requests, requestView(d.At)(r))
	}
	marks, err := people.Suppressions(tx, id, manyOf)
	if err != nil {
		return err
	}
	for _, s := range marks {
		evidence := new(*string)
		texts.add(s.Evidence, evidence)
		texts.then(func() {
			d.NotToCall = append(d.NotToCall, SubjectRestraint{Reason: s.Reason, Evidence: *evidence, From: s.From, Until: web.TimeOrNull(s.Until)})
		})
	}
	return nil
}

func (d *SubjectData) leads(tx *store.Tx, ids []lead.ID, texts *opening) error {
	all, err := leads.LeadsByID(tx, ids...)
	if err != nil {
		return err
	}
	d.Leads = make([]SubjectLead, len(all))
	for i, l := range all {
		to := &d.Leads[i]
		*to = SubjectLead{ID: l.ID.String(), ProjectID: l.Project.String(), Category: string(l.Category), Reason: l.Reason, OwnerID: web.OrNull(l.Owner.String()),
			CreatedAt: l.CreatedAt, ClosedAt: web.TimeOrNull(l.ClosedAt), Attempts: []SubjectCall{}}
		tries, err := leads.WorkAttempts(tx, l.ID, time.Time{}, lead.AttemptID{}, manyOf)
		if err != nil {
			return err
		}
		for _, a := range tries {
			to.Attempts = append(to.Attempts, SubjectCall{string(a.Channel), string(a.Disposition), a.Reached, a.StartedAt})
		}
		notes, err := leads.WorkNotes(tx, l.ID, time.Time{}, lead.NoteID{}, manyOf)
		if err != nil {
			return err
		}
		to.Notes = make([]SubjectNote, len(notes))
		for n, note := range notes {
			to.Notes[n] = SubjectNote{By: note.By, CreatedAt: note.CreatedAt}
			texts.add(note.Text, &to.Notes[n].Text)
		}
		visits, err := leads.ListVisits(tx, leads.VisitFilter{Lead: l.ID}, time.Time{}, lead.VisitID{}, manyOf)
		if err != nil {
			return err
		}
		to.Visits = make([]SubjectSpot, len(visits))
		for n, v := range visits {
			to.Visits[n] = SubjectSpot{State: string(v.State), PlannedAt: v.At}
			texts.add(v.Place, &to.Visits[n].Place)
		}
		if to.Files, err = subjectFiles(tx, l.ID, texts); err != nil {
			return err
		}
		if err := to.course(tx, l); err != nil {
			return err
		}
	}
	return nil
}

// course adds what became of a lead, in which nothing is sealed.
func (to *SubjectLead) course(tx *store.Tx, l leads.Lead) error {
	sales, err := leads.ListBookings(tx, l.ID, leads.Whose{}, time.Time{}, lead.BookingID{}, manyOf)
	if err != nil {
		return err
	}
	steps, err := leads.WorkChanges(tx, l.ID, manyOf)
	if err != nil {
		return err
	}
	tags, err := leads.TagsOf(tx, l.ID)
	if err != nil {
		return err
	}
	to.Bookings, to.Stages, to.Tags = []SubjectSale{}, []SubjectStep{}, append([]string{}, tags[l.ID]...)
	to.NextAt, to.NextWhat = web.TimeOrNull(l.NextAt), web.OrNull(l.NextWhat)
	for _, b := range sales {
		to.Bookings = append(to.Bookings, SubjectSale{b.Unit, b.Value, b.Currency, b.BookedAt, web.TimeOrNull(b.CancelledAt)})
	}
	for _, c := range steps {
		to.Stages = append(to.Stages, SubjectStep{c.At, c.To.String(), c.Reason, c.By})
	}
	return nil
}

func subjectFiles(tx *store.Tx, of lead.ID, texts *opening) ([]SubjectFile, error) {
	all, err := leads.FilesOf(tx, of, time.Time{}, lead.FileID{}, manyOf)
	all = slices.DeleteFunc(all, func(f leads.File) bool { return f.State != leads.FileKept })
	out := make([]SubjectFile, len(all))
	for i, f := range all {
		out[i] = SubjectFile{ID: f.ID.String(), Kind: f.Kind, Size: f.Size, By: f.By, CreatedAt: f.CreatedAt}
		texts.add(f.Name, &out[i].Name)
	}
	return out, err
}

func (d *SubjectData) enquiries(tx *store.Tx, of []lead.ID, persons []lead.PersonID, texts *opening) error {
	ids, err := leads.EnquiriesOfPersons(tx, of, persons)
	if err != nil {
		return err
	}
	all, err := leads.EnquiriesByID(tx, ids)
	if err != nil {
		return err
	}
	d.Enquiries = make([]SubjectEnquiry, len(ids))
	for i, id := range ids {
		e, to := all[id], &d.Enquiries[i]
		*to = SubjectEnquiry{ID: e.ID.String(), State: string(e.State), SourceID: e.Source.String(), ReceivedAt: e.ReceivedAt, Attribution: e.Attribution, NonPersonal: e.Custom}
		texts.add(e.Message, &to.Message)
		texts.add(e.CustomSeal, &to.Custom)
		texts.add(e.Consent, &to.Consent)
		came, err := leads.Submissions(tx, id)
		if err != nil {
			return err
		}
		to.Submissions = make([]SubjectSubmission, len(came))
		for n, s := range came {
			to.Submissions[n] = SubjectSubmission{Format: s.Format, ReceivedAt: s.ReceivedAt}
			texts.add(s.Raw, &to.Submissions[n].Raw)
			texts.add(s.Trace, &to.Submissions[n].Trace)
		}
		if err := to.withheld(tx, e, texts); err != nil {
			return err
		}
	}
	return nil
}

// withheld adds what the enquiry says of a person, and is not believed yet.
func (to *SubjectEnquiry) withheld(tx *store.Tx, e leads.Enquiry, texts *opening) error {
	all, err := people.WithheldBy(tx, e.Person, e.ID)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b people.Withheld) int { return cmp.Compare(a.Field, b.Field) })
	to.Withheld = make([]SubjectPast, len(all))
	for i, w := range all {
		to.Withheld[i] = SubjectPast{Field: string(w.Field), By: e.ID.String(), At: e.ReceivedAt}
		texts.add(vault.Sealed{Binding: people.Place(w.Person, w.Field), Subject: vault.Subject(w.Person.UUID()), Data: w.Value}, &to.Withheld[i].Was)
	}
	return nil
}

// foundBy lists by what the human is found, if there are dead letters that
// could be theirs.
func foundBy(tx *store.Tx, id lead.PersonID) ([]people.Entry, error) {
	open, err := leads.ListDead(tx, leads.DeadOpen, leads.DeadPage{}, 1)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	ids, err := people.Same(tx, id)
	if err != nil {
		return nil, err
	}
	return people.Indexes(tx, ids)
}

// unread adds dead letters, with one more entry on the record, which names
// those that are given.
func (c *Console) unread(ctx context.Context, v *web.Visit, id lead.PersonID, entries []people.Entry, out *SubjectData) error {
	found, sealed, err := c.Replayer.Unread(ctx, v.Scope, v.Actor, v.Purpose, id.String(), entries)
	if out.Sealed = sealed; err != nil || len(found) == 0 {
		return err
	}
	entry := keyring.Opening{ID: vault.NewOpeningID(), Scope: v.Scope, Actor: v.Actor, Purpose: v.Purpose, Count: len(found)}
	for _, u := range found {
		entry.Items = append(entry.Items, keyring.Item{Binding: vault.Binding{Table: "dead_letter", Row: u.ID.UUID(), Field: vault.Raw}, Subject: vault.Subject(u.Person.UUID())})
	}
	err = c.DB.Write(ctx, v.Scope, func(tx *store.Tx) error { return audit.Write(tx, v.At, privacy.Entry(entry)) })
	if err != nil {
		return err
	}
	for _, u := range found {
		out.Dead = append(out.Dead, SubjectDead{u.ID.String(), u.Enquiry.String(), u.Reason, u.ReceivedAt, web.OrNull(reveal.Text(u.Raw))})
	}
	return nil
}

func (o *opening) then(f func()) { o.last = append(o.last, f) }

// open writes the record and fills what was added.
func (o *opening) open(ctx context.Context, by Opener, v *web.Visit) error {
	opened, err := by.Open(ctx, v.Scope, v.Actor, v.Purpose, o.sealed...)
	if err != nil {
		return err
	}
	for i, to := range o.put {
		*to = web.OrNull(reveal.Text(opened.Values[i]))
	}
	for _, f := range o.last {
		f()
	}
	return nil
}
