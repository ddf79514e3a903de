// Package counts keeps two kinds of sums in one table (figure_cell). Flows: how
// often each measure happened in a half hour, by project and source. Figures: what
// leads add to them as they stand now (table figure_share), work and presence.
// It also counts both anew from the tables themselves, for when events were
// missed and for tests.
package counts

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Measure is what is counted.
type Measure string

// The measures. The last four count leads as they enter a category; a lead
// that is reopened and won again counts twice.
const (
	Leads       Measure = "leads"
	Enquiries   Measure = "enquiries"
	ReEnquiries Measure = "re_enquiries"
	Offers      Measure = "offers"
	Accepted    Measure = "accepted"
	Declined    Measure = "declined"
	Expired     Measure = "expired"
	Lost        Measure = "lost"
	Attempts    Measure = "attempts"
	Contacts    Measure = "contacts"
	New         Measure = "new"
	FollowUp    Measure = "follow-up"
	Won         Measure = "won"
	Dropped     Measure = "dropped"
)

// Measures lists them.
func Measures() []Measure {
	return []Measure{Leads, Enquiries, ReEnquiries, Offers, Accepted, Declined, Expired, Lost, Attempts, Contacts, New, FollowUp, Won, Dropped}
}

// Cell is one place that is counted: a half hour, a project, a source, a measure.
type Cell struct {
	At      time.Time // its beginning, UTC
	Project account.ProjectID
	Source  account.SourceID
	Measure Measure
}

// Counts says how often each thing happened.
type Counts map[Cell]int64

// Add counts n more in the half hour of at.
func (c Counts) Add(at time.Time, p account.ProjectID, s account.SourceID, m Measure, n int64) {
	c[Cell{at.UTC().Truncate(Step), p, s, m}] += n
}

// flowCounts says which sum each measure is kept as.
var flowCounts = map[Measure]Count{Leads: FLeads, Enquiries: FEnquiries, ReEnquiries: FReEnquiries, Offers: FOffers, Accepted: FAccepted,
	Declined: FDeclined, Expired: FExpired, Lost: FLost, Attempts: FAttempts, Contacts: FContacts, New: FNew, FollowUp: FFollowUp, Won: FWon, Dropped: FDropped}

func flowDims() []Dim { return []Dim{flowAll, flowProject, flowSource} }

// figures are the counts, for each dim of flows.
func (c Counts) figures() Figures {
	out := Figures{}
	for at, n := range c {
		count := flowCounts[at.Measure]
		if count == 0 || n == 0 {
			continue
		}
		out.at(slotOf(flowAll, grainStep, at.At), "").Add(count, n)
		out.at(slotOf(flowProject, grainStep, at.At), at.Project.String()).Add(count, n)
		out.at(slotOf(flowSource, grainStep, at.At), at.Source.String()).Add(count, n)
	}
	return out
}

// Save adds the counts to the flows that are kept. The caller holds the
// follower's cursor.
func Save(tx *store.Tx, c Counts) error { return Change(tx, c.figures()) }

// Replace puts the counts in the place of all flows of the account.
func Replace(tx *store.Tx, c Counts) error {
	if err := forget(tx, flowDims()); err != nil {
		return err
	}
	return Save(tx, c)
}

// KeptFlows reads all flows of the account.
func KeptFlows(tx *store.Tx) (Figures, error) { return kept(tx, flowDims()) }

// TakeCounts takes from flows what the counts make: what is left is too much,
// or missing.
func (f Figures) TakeCounts(c Counts) { f.Merge(c.figures().whole(), -1) }

// Sums are the counts of one thing: of a project, a source, or the account.
type Sums map[Measure]int64

// ByProject sums what lies in [from, to), whole Steps.
func ByProject(tx *store.Tx, from, to time.Time) (map[account.ProjectID]Sums, error) {
	return sums(tx, flowProject, account.ParseProjectID, from, to)
}

// BySource sums what lies in [from, to), whole Steps. An enquiry's source is its
// own; whatever happens to a lead later counts for its first enquiry's.
func BySource(tx *store.Tx, from, to time.Time) (map[account.SourceID]Sums, error) {
	return sums(tx, flowSource, account.ParseSourceID, from, to)
}

func sums[K comparable](tx *store.Tx, d Dim, parse func(string) (K, error), from, to time.Time) (map[K]Sums, error) {
	by, err := Between(tx, d, from, to)
	out := map[K]Sums{}
	for key, t := range by {
		id, err := parse(key)
		if err != nil {
			return nil, err
		}
		out[id] = t.flows()
	}
	return out, err
}

// Flow sums what lies in [from, to), whole Steps over the whole account.
func Flow(tx *store.Tx, from, to time.Time) (Sums, error) {
	t, err := total(tx, flowAll, from, to)
	return t.flows(), err
}

func (t *Tally) flows() Sums {
	out := Sums{}
	for m, c := range flowCounts {
		if n := t.Of(c); n != 0 {
			out[m] = n
		}
	}
	return out
}

// What is kept of an account is whole when it was counted from the first event
// on, or anew from the tables. A row says so. Where it is missing – of a new
// account, and once the form of what is kept has changed – all is counted anew.
var (
	wholeGet = store.Register("counts.whole.get", `SELECT cell FROM figure_cell WHERE account_id = $1 AND cell = $2`)
	wholeSet = store.Register("counts.whole.set", `INSERT INTO figure_cell (account_id, cell, sums) VALUES ($1, $2, $3)
		ON CONFLICT (account_id, cell) DO NOTHING`)
	wholeDrop = store.Register("counts.whole.drop", `DELETE FROM figure_cell WHERE account_id = $1 AND cell = $2`)
	shareDrop = store.Register("counts.share.drop", `DELETE FROM figure_share WHERE account_id = $1`)
)

// wholeName names the row; the number goes up when the form of what is kept changes.
// 2: what a lead's link named stands in lead_origin, too.
func wholeName(follower string) string { return "whole/" + follower + "/2" }

// Whole says whether what a follower keeps of the account is whole.
func Whole(tx *store.Tx, follower string) (bool, error) {
	var name string
	err := tx.Row(wholeGet, wholeName(follower)).Scan(&name)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// SetWhole says that it is, from this transaction on.
func SetWhole(tx *store.Tx, follower string) error {
	_, err := tx.Exec(wholeSet, wholeName(follower), []byte{})
	return err
}

// NotWhole says that it is not: all of it is counted anew.
func NotWhole(tx *store.Tx, follower string) error {
	_, err := tx.Exec(wholeDrop, wholeName(follower))
	return err
}

// Forget removes all figures of the account, and begins again with what was
// declared of presences.
func Forget(tx *store.Tx) error {
	if _, err := tx.Exec(shareDrop); err != nil {
		return err
	}
	if err := forget(tx, append(Dims(), ofHour)); err != nil {
		return err
	}
	all, err := Spans(tx)
	if err != nil {
		return err
	}
	f := Figures{}
	for _, s := range all {
		f.AddSpan(s, 1)
	}
	return Change(tx, f)
}
