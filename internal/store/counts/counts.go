// Package counts keeps the rollups: how often each measure happened in an
// hour, by project and source (table rollup). It also counts the same anew
// from the tables themselves, for when events were missed and for tests.
package counts

import (
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

// Cell is one place that is counted: an hour, a project, a source, a measure.
type Cell struct {
	Hour    time.Time // its beginning, UTC
	Project account.ProjectID
	Source  account.SourceID
	Measure Measure
}

// Counts says how often each thing happened.
type Counts map[Cell]int64

// Add counts n more in the hour of at.
func (c Counts) Add(at time.Time, p account.ProjectID, s account.SourceID, m Measure, n int64) {
	c[Cell{at.UTC().Truncate(time.Hour), p, s, m}] += n
}

var (
	add = store.Bulk("counts.add", `INSERT INTO rollup (account_id, hour_at, project_id, source_id, measure, n) VALUES`,
		`($1, $2, $3, $4, $5, $6)`, `ON CONFLICT (account_id, hour_at, project_id, source_id, measure) DO UPDATE SET n = rollup.n + excluded.n`)
	drop      = store.Register("counts.drop", `DELETE FROM rollup WHERE account_id = $1`)
	all       = store.Register("counts.all", `SELECT hour_at, project_id, source_id, measure, n FROM rollup WHERE account_id = $1`)
	byProject = store.Register("counts.by_project", `SELECT project_id, measure, CAST(sum(n) AS bigint) FROM rollup
		WHERE account_id = $1 AND hour_at >= $2 AND hour_at < $3 GROUP BY project_id, measure`)
	bySource = store.Register("counts.by_source", `SELECT source_id, measure, CAST(sum(n) AS bigint) FROM rollup
		WHERE account_id = $1 AND hour_at >= $2 AND hour_at < $3 GROUP BY source_id, measure`)
	total = store.Register("counts.total", `SELECT measure, CAST(sum(n) AS bigint) FROM rollup
		WHERE account_id = $1 AND hour_at >= $2 AND hour_at < $3 GROUP BY measure`)
)

// Save adds the counts to the rollups.
func Save(tx *store.Tx, c Counts) error {
	rows := make([][]any, 0, len(c))
	for at, n := range c {
		if n != 0 {
			// Bytes, because a zero id is NULL and these are part of the key.
			rows = append(rows, []any{store.Micro(at.Hour), at.Project.Bytes(), at.Source.Bytes(), string(at.Measure), n})
		}
	}
	_, err := tx.Bulk(add, rows)
	return err
}

// Replace puts the counts in the place of all rollups of the account.
func Replace(tx *store.Tx, c Counts) error {
	if _, err := tx.Exec(drop); err != nil {
		return err
	}
	return Save(tx, c)
}

// All reads every rollup of the account.
func All(tx *store.Tx) (Counts, error) {
	out := Counts{}
	rows, err := tx.Query(all)
	err = store.Each(rows, err, out.scan)
	return out, err
}

func (c Counts) scan(scan func(...any) error) error {
	var at Cell
	var n int64
	err := scan(store.Time(&at.Hour), &at.Project, &at.Source, &at.Measure, &n)
	c[at] += n
	return err
}

// Sums are the counts of one thing: of a project, a source, or the account.
type Sums map[Measure]int64

// ByProject sums the hours that begin in [from, to).
func ByProject(tx *store.Tx, from, to time.Time) (map[account.ProjectID]Sums, error) {
	return sums[account.ProjectID](tx, byProject, from, to)
}

// BySource sums the hours that begin in [from, to). An enquiry's source is its
// own; whatever happens to a lead later counts for its first enquiry's.
func BySource(tx *store.Tx, from, to time.Time) (map[account.SourceID]Sums, error) {
	return sums[account.SourceID](tx, bySource, from, to)
}

func sums[K comparable](tx *store.Tx, st *store.Stmt, from, to time.Time) (map[K]Sums, error) {
	out := map[K]Sums{}
	rows, err := tx.Query(st, from.UnixMicro(), to.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id K
		var m Measure
		var n int64
		if err := scan(&id, &m, &n); err != nil {
			return err
		}
		if out[id] == nil {
			out[id] = Sums{}
		}
		out[id][m] = n
		return nil
	})
	return out, err
}

// Total sums the hours that begin in [from, to).
func Total(tx *store.Tx, from, to time.Time) (Sums, error) {
	out := Sums{}
	rows, err := tx.Query(total, from.UnixMicro(), to.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var m Measure
		var n int64
		err := scan(&m, &n)
		out[m] = n
		return err
	})
	return out, err
}
