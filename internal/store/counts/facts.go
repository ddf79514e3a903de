package counts

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

const (
	factLead = `SELECT l.lead_id, l.project_id, l.source_id, l.test, l.stage_id, l.category, l.reason, l.owner_id, l.enquiries,
		l.created_at, l.offered_at, l.accepted_at, l.attempted_at, l.contacted_at, l.history FROM lead l WHERE l.account_id = $1 AND `
	factEnquiry = `SELECT e.lead_id, e.attribution, e.received_at FROM enquiry e WHERE e.account_id = $1 AND NOT e.re_enquiry AND `
	factOffer   = `SELECT o.lead_id, o.user_id, o.state, o.made_at, o.resolved_at FROM offer o WHERE o.account_id = $1 AND `
	factVisit   = `SELECT v.lead_id FROM site_visit v WHERE v.account_id = $1 AND v.state = 'done' AND `
	factBooking = `SELECT b.lead_id FROM booking b WHERE b.account_id = $1 AND b.cancelled_at IS NULL AND `
	factAttempt = `SELECT a.lead_id, a.user_id, a.reached, a.created_at FROM attempt a WHERE a.account_id = $1 AND `

	// rangeOf joins the leads after one place in their list, up to another.
	rangeOf = `(l.created_at, l.lead_id) > ($2, $3) AND (l.created_at, l.lead_id) <= ($4, $5)`
)

// The same rows in two ways: of a few leads, and of a stretch of all leads.
var (
	leadFew    = store.List("counts.fact.lead", factLead+`l.lead_id IN (LIST)`)
	enquiryFew = store.List("counts.fact.enquiry", factEnquiry+`e.lead_id IN (LIST)`)
	offerFew   = store.List("counts.fact.offer", factOffer+`o.lead_id IN (LIST)`)
	attemptFew = store.List("counts.fact.attempt", factAttempt+`a.lead_id IN (LIST)`)
	visitFew   = store.List("counts.fact.visit", factVisit+`v.lead_id IN (LIST)`)
	bookingFew = store.List("counts.fact.booking", factBooking+`b.lead_id IN (LIST)`)

	leadRange    = store.Register("counts.fact.leads", factLead+`(l.created_at, l.lead_id) > ($2, $3) ORDER BY l.created_at, l.lead_id LIMIT $4`)
	enquiryRange = store.Register("counts.fact.enquiries", `SELECT e.lead_id, e.attribution, e.received_at FROM lead l
		JOIN enquiry e ON e.account_id = $1 AND e.lead_id = l.lead_id WHERE l.account_id = $1 AND NOT e.re_enquiry AND `+rangeOf)
	offerRange = store.Register("counts.fact.offers", `SELECT o.lead_id, o.user_id, o.state, o.made_at, o.resolved_at FROM lead l
		JOIN offer o ON o.account_id = $1 AND o.lead_id = l.lead_id WHERE l.account_id = $1 AND `+rangeOf)
	attemptRange = store.Register("counts.fact.attempts", `SELECT a.lead_id, a.user_id, a.reached, a.created_at FROM lead l
		JOIN attempt a ON a.account_id = $1 AND a.lead_id = l.lead_id WHERE l.account_id = $1 AND `+rangeOf)
	visitRange = store.Register("counts.fact.visits", `SELECT v.lead_id FROM lead l JOIN site_visit v ON v.account_id = $1 AND v.lead_id = l.lead_id
		WHERE l.account_id = $1 AND v.state = 'done' AND `+rangeOf)
	bookingRange = store.Register("counts.fact.bookings", `SELECT b.lead_id FROM lead l JOIN booking b ON b.account_id = $1 AND b.lead_id = l.lead_id
		WHERE l.account_id = $1 AND b.cancelled_at IS NULL AND `+rangeOf)
)

type scanner = func(...any) error

// gathered are facts on their way.
type gathered struct {
	all  []Facts
	at   map[lead.ID]int
	came []time.Time // of the enquiry that the attribution is from
}

// FactsOf reads the facts of those of the leads that exist, in no order.
func FactsOf(tx *store.Tx, ids []lead.ID) ([]Facts, error) {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	g := &gathered{at: map[lead.ID]int{}}
	if err := tx.QueryList(leadFew, nil, list, g.lead); err != nil {
		return nil, err
	}
	for _, q := range []struct {
		st *store.ListStmt
		f  func(scanner) error
	}{{enquiryFew, g.enquiry}, {offerFew, g.offer}, {attemptFew, g.attempt}, {visitFew, g.visit}, {bookingFew, g.booking}} {
		if err := tx.QueryList(q.st, nil, list, q.f); err != nil {
			return nil, err
		}
	}
	return g.all, nil
}

// Place is one in the list of all leads; the zero value is before the first.
type Place struct {
	At   int64
	Lead lead.ID
}

// FactsAfter reads the facts of up to limit leads after a place, and the place
// of the last of them.
func FactsAfter(tx *store.Tx, from Place, limit int) ([]Facts, Place, error) {
	g := &gathered{at: map[lead.ID]int{}}
	rows, err := tx.Query(leadRange, from.At, from.Lead.Bytes(), limit)
	if err := store.Each(rows, err, g.lead); err != nil || len(g.all) == 0 {
		return nil, from, err
	}
	last := g.all[len(g.all)-1]
	to := Place{last.CreatedAt.UnixMicro(), last.Lead}
	for _, q := range []struct {
		st *store.Stmt
		f  func(scanner) error
	}{{enquiryRange, g.enquiry}, {offerRange, g.offer}, {attemptRange, g.attempt}, {visitRange, g.visit}, {bookingRange, g.booking}} {
		rows, err := tx.Query(q.st, from.At, from.Lead.Bytes(), to.At, to.Lead)
		if err := store.Each(rows, err, q.f); err != nil {
			return nil, from, err
		}
	}
	return g.all, to, nil
}

func (g *gathered) lead(scan func(...any) error) error {
	var f Facts
	err := scan(&f.Lead, &f.Project, &f.Source, &f.Test, &f.Stage, &f.Category, &f.Reason, &f.Owner, &f.Enquiries, store.Time(&f.CreatedAt),
		store.Time(&f.OfferedAt), store.Time(&f.AcceptedAt), store.Time(&f.AttemptedAt), store.Time(&f.ContactedAt), &f.History)
	g.at[f.Lead] = len(g.all)
	g.all = append(g.all, f)
	g.came = append(g.came, time.Time{})
	return err
}

func (g *gathered) enquiry(scan func(...any) error) error {
	var id lead.ID
	var text string
	var at time.Time
	if err := scan(&id, &text, store.Time(&at)); err != nil {
		return err
	}
	if i, ok := g.at[id]; ok && (g.came[i].IsZero() || at.Before(g.came[i])) {
		g.all[i].Attribution, g.came[i] = text, at
	}
	return nil
}

func (g *gathered) offer(scan func(...any) error) error {
	var id lead.ID
	var o OfferFact
	err := scan(&id, &o.User, &o.State, store.Time(&o.MadeAt), store.Time(&o.ResolvedAt))
	if i, ok := g.at[id]; ok {
		g.all[i].Offers = append(g.all[i].Offers, o)
	}
	return err
}

func (g *gathered) visit(scan func(...any) error) error {
	var id lead.ID
	err := scan(&id)
	if i, ok := g.at[id]; ok {
		g.all[i].Visits++
	}
	return err
}

func (g *gathered) booking(scan func(...any) error) error {
	var id lead.ID
	err := scan(&id)
	if i, ok := g.at[id]; ok {
		g.all[i].Bookings++
	}
	return err
}

func (g *gathered) attempt(scan func(...any) error) error {
	var id lead.ID
	var a AttemptFact
	err := scan(&id, &a.User, &a.Reached, store.Time(&a.At))
	if i, ok := g.at[id]; ok {
		g.all[i].Attempts = append(g.all[i].Attempts, a)
	}
	return err
}

// recountPage is how many leads are recounted at a time.
const recountPage = 20_000

// TakeRecounted takes from the figures what the tables give when everything is
// counted anew. For the leads that wait to be counted it takes what they added
// when they were counted last. What is left is too much, or missing.
func TakeRecounted(tx *store.Tx, f Figures, waiting []lead.ID) error {
	late := map[lead.ID]bool{}
	for _, id := range waiting {
		late[id] = true
	}
	want := Figures{}
	for at := (Place{}); ; {
		facts, to, err := FactsAfter(tx, at, recountPage)
		if err != nil {
			return err
		}
		if len(facts) == 0 {
			break
		}
		at = to
		for _, x := range facts {
			if !late[x.Lead] {
				want.Add(ShareOf(x), 1)
			}
		}
	}
	if err := addShares(tx, want, waiting); err != nil {
		return err
	}
	all, err := Spans(tx)
	for _, s := range all {
		want.AddSpan(s, 1)
	}
	f.Merge(want.whole(), -1)
	return err
}

func addShares(tx *store.Tx, f Figures, ids []lead.ID) error {
	shares, err := sharesOf(tx, ids)
	if err != nil {
		return err
	}
	for _, packed := range shares {
		s, err := UnpackShare(packed)
		if err != nil {
			return err
		}
		f.Add(s, 1)
	}
	return nil
}
