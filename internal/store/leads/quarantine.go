package leads

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Held is a row of quarantine: an enquiry that waits for a human's look, or
// that a human has judged.
type Held struct {
	Enquiry    lead.EnquiryID
	Reason     string // which rule
	Test       bool
	State      lead.Held
	ReceivedAt time.Time
	JudgedAt   time.Time // zero: nobody has
	JudgedBy   string

	Rules       []int     // of the firewall, that spoke of it
	InspectedAt time.Time // the whole set of rules was asked; zero: not
}

// Burst is what is counted: a person or a network, at a source, in a span.
type Burst struct {
	Span   int64 // when it began, microseconds
	Kind   string
	Source account.SourceID
	MAC    vault.MAC
}

const heldColumns = `enquiry_id, reason, test, state, received_at, judged_at, judged_by, rules, inspected_at`

var (
	addHeld = store.Bulk("leads.quarantine.add", `INSERT INTO quarantine (account_id, enquiry_id, reason, test, state, received_at, judged_by, rules) VALUES`,
		`($1, $2, $3, $4, 'held', $5, '', $6)`, `ON CONFLICT DO NOTHING`)
	getHeld  = store.Register("leads.quarantine.get", `SELECT `+heldColumns+` FROM quarantine WHERE account_id = $1 AND enquiry_id = $2`)
	listHeld = store.Register("leads.quarantine.list", `SELECT `+heldColumns+` FROM quarantine WHERE account_id = $1 AND state = $2
		AND (received_at, enquiry_id) < ($3, $4) AND ($5 OR NOT test) ORDER BY received_at DESC, enquiry_id DESC LIMIT $6`)
	listTeamHeld = store.Register("leads.quarantine.list_teams", `SELECT `+named("q.", heldColumns)+` FROM quarantine q
		JOIN enquiry e ON e.account_id = $1 AND e.enquiry_id = q.enquiry_id WHERE q.account_id = $1 AND q.state = $2
		AND (q.received_at, q.enquiry_id) < ($3, $4) AND ($5 OR NOT q.test) AND `+store.InTeam("e.project_id", "$7")+`
		ORDER BY q.received_at DESC, q.enquiry_id DESC LIMIT $6`)
	judge = store.Register("leads.quarantine.judge", `UPDATE quarantine SET state = $4, judged_at = $5, judged_by = $6
		WHERE account_id = $1 AND enquiry_id = $2 AND state = $3`)
	unasked = store.Register("leads.quarantine.unasked", `SELECT `+heldColumns+` FROM quarantine
		WHERE account_id = $1 AND reason = 'firewall' AND state = 'held' AND inspected_at IS NULL AND rules IN ('[1]', '[2]')
		ORDER BY received_at, enquiry_id LIMIT $2`)  // firewall.TooLarge, firewall.Unjudged
	uninspected = store.Register("leads.quarantine.uninspected", `SELECT `+heldColumns+` FROM quarantine
		WHERE account_id = $1 AND reason = 'firewall' AND state = 'held' AND inspected_at IS NULL AND rules NOT IN ('[1]', '[2]')
		ORDER BY received_at, enquiry_id LIMIT $2`)
	inspected = store.Register("leads.quarantine.inspected", `UPDATE quarantine SET inspected_at = $3, rules = $4
		WHERE account_id = $1 AND enquiry_id = $2 AND inspected_at IS NULL`)
	releaseEnquiry = store.Register("leads.enquiry.release", `UPDATE enquiry SET state = 'attached', lead_id = $3, re_enquiry = $4
		WHERE account_id = $1 AND enquiry_id = $2 AND state = 'quarantined'`)
	enquiriesByID = store.List("leads.enquiry.by_id", `SELECT `+enquiryColumns+` FROM enquiry WHERE account_id = $1 AND enquiry_id IN (LIST)`)
	seenBursts    = store.List("leads.burst.seen", `SELECT mac, n FROM burst
		WHERE account_id = $1 AND span_at = $2 AND kind = $3 AND source_id = $4 AND mac IN (LIST)`)
	addBursts = store.Bulk("leads.burst.add", `INSERT INTO burst (account_id, span_at, kind, source_id, mac, n) VALUES`, `($1, $2, $3, $4, $5, $6)`,
		`ON CONFLICT (account_id, span_at, kind, source_id, mac) DO UPDATE SET n = burst.n + excluded.n`)
	sweepBursts = store.Register("leads.burst.sweep", `DELETE FROM burst WHERE account_id = $1 AND span_at < $2`)
)

// AddHeld puts enquiries into quarantine.
func AddHeld(tx *store.Tx, all []Held) error {
	rows := make([][]any, len(all))
	for i, h := range all {
		rows[i] = []any{h.Enquiry, h.Reason, h.Test, store.Micro(h.ReceivedAt), rulesJSON(h.Rules)}
	}
	_, err := tx.Bulk(addHeld, rows)
	return err
}

// HeldByID returns what the quarantine says of the enquiry, or store.ErrNone.
func HeldByID(tx *store.Tx, id lead.EnquiryID) (Held, error) {
	return scanHeld(tx.Row(getHeld, id).Scan)
}

// ListHeld returns up to limit of that state, newest first; unless teamsOf is
// zero, of the projects whose team the user is in.
func ListHeld(tx *store.Tx, s lead.Held, test bool, teamsOf account.UserID, after EnquiryPage, limit int) (out []Held, err error) {
	at, place := workPlace(after.ReceivedAt, after.ID)
	st, args := listHeld, []any{string(s), at, place, test, limit}
	if !teamsOf.IsZero() {
		st, args = listTeamHeld, append(args, teamsOf)
	}
	rows, err := tx.Query(st, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		h, err := scanHeld(scan)
		out = append(out, h)
		return err
	})
	return out, err
}

func scanHeld(scan func(...any) error) (h Held, err error) {
	var rules string
	err = scan(&h.Enquiry, &h.Reason, &h.Test, &h.State, store.Time(&h.ReceivedAt), store.Time(&h.JudgedAt), &h.JudgedBy, &rules, store.Time(&h.InspectedAt))
	if err == nil {
		err = json.Unmarshal([]byte(rules), &h.Rules)
	}
	return h, err
}

func rulesJSON(rules []int) string {
	if len(rules) == 0 {
		return "[]"
	}
	b, _ := json.Marshal(rules) // ints always encode
	return string(b)
}

// Uninspected returns up to limit enquiries that the firewall holds and that the
// whole set of its rules was not asked about yet: first those that no rule was
// asked about at the door, as the whole set may find nothing in them; then the oldest.
func Uninspected(tx *store.Tx, limit int) (out []Held, err error) {
	for _, st := range []*store.Stmt{unasked, uninspected} {
		if limit <= len(out) {
			break
		}
		rows, err := tx.Query(st, limit-len(out))
		if err := store.Each(rows, err, func(scan func(...any) error) error {
			h, err := scanHeld(scan)
			out = append(out, h)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Inspected notes what the whole set said.
func Inspected(tx *store.Tx, id lead.EnquiryID, rules []int, at time.Time) error {
	_, err := tx.Exec(inspected, id, store.Micro(at), rulesJSON(rules))
	return err
}

// JudgeHeld writes a human's word on what is still in the state h was read in;
// store.ErrAgain when somebody else was faster.
func JudgeHeld(tx *store.Tx, h Held, s lead.Held, at time.Time, by string) error {
	return fenced(tx.Exec(judge, h.Enquiry, string(h.State), string(s), store.Micro(at), by))
}

// ReleaseEnquiry makes a quarantined enquiry one of the lead.
func ReleaseEnquiry(tx *store.Tx, id lead.EnquiryID, of lead.ID, again bool) error {
	return fenced(tx.Exec(releaseEnquiry, id, of, again))
}

// EnquiriesByID returns those enquiries that exist.
func EnquiriesByID(tx *store.Tx, ids []lead.EnquiryID) (map[lead.EnquiryID]Enquiry, error) {
	out := map[lead.EnquiryID]Enquiry{}
	err := tx.QueryList(enquiriesByID, nil, anys(ids), func(scan func(...any) error) error {
		e, err := scanEnquiry(scan)
		out[e.ID] = e
		return err
	})
	return out, err
}

// Bursts puts how often each was seen before into seen.
func Bursts(tx *store.Tx, wanted []Burst, seen map[Burst]int64) error {
	groups := map[Burst][]any{} // by all but the MAC
	for _, b := range wanted {
		g := b
		g.MAC = vault.MAC{}
		groups[g] = append(groups[g], b.MAC[:])
	}
	for g, macs := range groups {
		err := tx.QueryList(seenBursts, []any{g.Span, g.Kind, g.Source}, macs, func(scan func(...any) error) error {
			var mac []byte
			var n int64
			err := scan(&mac, &n)
			copy(g.MAC[:], mac)
			seen[g] = n
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AddBursts counts what was seen, and forgets what is a day older than that: by
// the time it was received, so that a backlog is counted like the days it is of.
func AddBursts(tx *store.Tx, more map[Burst]int64) error {
	if len(more) == 0 {
		return nil
	}
	var all []Burst
	for b := range more {
		all = append(all, b)
	}
	slices.SortFunc(all, func(x, y Burst) int { // in one order everywhere: nobody waits for each other in turn
		a, b := x.Source.UUID(), y.Source.UUID()
		return cmp.Or(cmp.Compare(x.Span, y.Span), strings.Compare(x.Kind, y.Kind), bytes.Compare(a[:], b[:]), bytes.Compare(x.MAC[:], y.MAC[:]))
	})
	rows := make([][]any, len(all))
	for i := range all {
		b := &all[i]
		rows[i] = []any{b.Span, b.Kind, b.Source, b.MAC[:], more[*b]}
	}
	if _, err := tx.Bulk(addBursts, rows); err != nil {
		return err
	}
	_, err := tx.Exec(sweepBursts, all[0].Span-(24*time.Hour).Microseconds())
	return err
}
