package counts

import "catchment/internal/store"

// Each recount reads: the beginning of the half hour
// in microseconds, project,
// source, measure, count. Test leads never count.
var recounts = []*store.Stmt{
	store.Register("counts.re.enquiries", `SELECT created_at - created_at % 1800000000, project_id, source_id, 'enquiries', count(*)
		FROM enquiry WHERE account_id = $1 AND lead_id IS NOT NULL AND NOT test AND NOT history GROUP BY 1, project_id, source_id`),
	store.Register("counts.re.re_enquiries", `SELECT created_at - created_at % 1800000000, project_id, source_id, 're_enquiries', count(*)
		FROM enquiry WHERE account_id = $1 AND lead_id IS NOT NULL AND NOT test AND NOT history AND re_enquiry GROUP BY 1, project_id, source_id`),
	store.Register("counts.re.leads", `SELECT created_at - created_at % 1800000000, project_id, source_id, 'leads', count(*)
		FROM enquiry WHERE account_id = $1 AND lead_id IS NOT NULL AND NOT test AND NOT history AND NOT re_enquiry GROUP BY 1, project_id, source_id`),
	store.Register("counts.re.new", `SELECT created_at - created_at % 1800000000, project_id, source_id, 'new', count(*)
		FROM enquiry WHERE account_id = $1 AND lead_id IS NOT NULL AND NOT test AND NOT history AND NOT re_enquiry GROUP BY 1, project_id, source_id`),
	store.Register("counts.re.offers", `SELECT o.made_at - o.made_at % 1800000000, l.project_id, l.source_id, 'offers', count(*)
		FROM offer o JOIN lead l ON l.account_id = $1 AND l.lead_id = o.lead_id
		WHERE o.account_id = $1 AND NOT l.test GROUP BY 1, l.project_id, l.source_id`),
	store.Register("counts.re.resolved", `SELECT o.resolved_at - o.resolved_at % 1800000000, l.project_id, l.source_id, o.state, count(*)
		FROM offer o JOIN lead l ON l.account_id = $1 AND l.lead_id = o.lead_id
		WHERE o.account_id = $1 AND NOT l.test AND NOT o.open AND o.state IN ('accepted', 'declined', 'expired', 'lost')
		GROUP BY 1, l.project_id, l.source_id, o.state`),
	store.Register("counts.re.attempts", `SELECT a.created_at - a.created_at % 1800000000, l.project_id, l.source_id, 'attempts', count(*)
		FROM attempt a JOIN lead l ON l.account_id = $1 AND l.lead_id = a.lead_id
		WHERE a.account_id = $1 AND NOT l.test GROUP BY 1, l.project_id, l.source_id`),
	store.Register("counts.re.contacts", `SELECT a.created_at - a.created_at % 1800000000, l.project_id, l.source_id, 'contacts', count(*)
		FROM attempt a JOIN lead l ON l.account_id = $1 AND l.lead_id = a.lead_id
		WHERE a.account_id = $1 AND NOT l.test AND a.reached GROUP BY 1, l.project_id, l.source_id`),
	// A stage never changes its category, so the stages of a change tell them.
	store.Register("counts.re.categories", `SELECT c.at - c.at % 1800000000, l.project_id, l.source_id, t.category, count(*)
		FROM stage_change c JOIN lead l ON l.account_id = $1 AND l.lead_id = c.lead_id
		JOIN stage f ON f.account_id = $1 AND f.stage_id = c.from_stage JOIN stage t ON t.account_id = $1 AND t.stage_id = c.to_stage
		WHERE c.account_id = $1 AND NOT l.test AND f.category <> t.category GROUP BY 1, l.project_id, l.source_id, t.category`),
}

// Recount counts everything anew from the tables. It reads each of them once,
// so it is slow on a large account, and wants a read-only transaction, whose
// view is one moment's.
func Recount(tx *store.Tx) (Counts, error) {
	out := Counts{}
	for _, st := range recounts {
		rows, err := tx.Query(st)
		if err := store.Each(rows, err, out.scan); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c Counts) scan(scan func(...any) error) error {
	var at Cell
	var n int64
	err := scan(store.Time(&at.At), &at.Project, &at.Source, &at.Measure, &n)
	c[at] += n
	return err
}
