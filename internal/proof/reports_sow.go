package proof

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

var (
	sowLead = store.Bulk("proof.sow.lead", `INSERT INTO lead (account_id, lead_id, person_id, project_id, source_id, test, stage_id, category, reason,
		route_state, owner_id, decided, offers_made, enquiries, version, created_at, enquired_at, offered_at, accepted_at, attempted_at, contacted_at,
		next_what, closed_at, history, waiting_at) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8, $9, $19, $10, true, 1, $18, 1, $11, $11, $12, $13, $14, $15, '', $16, $17, $20)`, ``)
	sowEnquiry = store.Bulk("proof.sow.enquiry", `INSERT INTO enquiry (account_id, enquiry_id, lead_id, person_id, project_id, source_id, state, test, re_enquiry,
		conflict, flags, attribution, custom, received_at, created_at, history) VALUES`,
		`($1, $2, $3, $4, $5, $6, 'attached', $7, $11, false, '[]', $8, '{}', $9, $9, $10)`, ``)
	sowOffer = store.Bulk("proof.sow.offer", `INSERT INTO offer (account_id, offer_id, lead_id, pool_id, user_id, round_id, state, open, made_at, expires_at,
		resolved_at, reason) VALUES`, `($1, $2, $3, $4, $5, $4, $6, false, $7, $7, $8, '')`, ``)
	sowAttempt = store.Bulk("proof.sow.attempt", `INSERT INTO attempt (account_id, attempt_id, lead_id, user_id, channel, disposition, reached, evidence,
		started_at, created_at) VALUES`, `($1, $2, $3, $4, 'call', $5, $6, 'said', $7, $7)`, ``)
	sowStage = store.Bulk("proof.sow.stage", `INSERT INTO stage_change (account_id, lead_id, at, from_stage, to_stage, reason, by_actor) VALUES`,
		`($1, $2, $3, $4, $5, $6, 'proof')`, ``)
	sowVisit = store.Bulk("proof.sow.visit", `INSERT INTO site_visit (account_id, visit_id, lead_id, project_id, person_id, state, planned_at, by_actor, created_at, changed_at) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, 'proof', $8, $7)`, ``)
	sowBooking = store.Bulk("proof.sow.booking", `INSERT INTO booking (account_id, booking_id, lead_id, project_id, unit, value_minor, currency, booked_at, cancelled_at, reason,
		by_actor, created_at) VALUES`, `($1, $2, $3, $4, '', 25000000, 'EUR', $5, $6, '', 'proof', $5)`, ``)
	sowPresence = store.Bulk("proof.sow.presence", `INSERT INTO presence_span (account_id, user_id, from_at, presence, until_at) VALUES`,
		`($1, $2, $3, $4, $5)`, ``)
)

// sown are the rows of some leads.
type sown struct{ leads, enquiries, offers, attempts, stages, visits, bookings [][]any }

func (r sown) write(tx *store.Tx) error {
	for _, x := range []struct {
		st   *store.Stmt
		rows [][]any
	}{{sowLead, r.leads}, {sowEnquiry, r.enquiries}, {sowOffer, r.offers}, {sowAttempt, r.attempts}, {sowStage, r.stages}, {sowVisit, r.visits}, {sowBooking, r.bookings}} {
		if _, err := tx.Bulk(x.st, slices.Clone(x.rows)); err != nil {
			return err
		}
	}
	return nil
}

const year = 365 * 24 * time.Hour

// sow writes n leads of the last year, with what happened to them.
func (t *trial) sow(ctx context.Context, s *seeded, n int) error {
	t.say("writing %d leads straight into %s, of %d sources and %d people", n, s.engine, len(s.sources), len(s.people))
	rnd := rand.New(rand.NewPCG(3, uint64(n)))
	const batch = 20_000
	began := time.Now()
	for from := 0; from < n; from += batch {
		var rows sown
		for k := from; k < min(n, from+batch); k++ {
			// In the order in which they came: that is how tables grow.
			at := s.end.Add(-year).Add(time.Duration(float64(year) * (float64(k) + rnd.Float64()) / float64(n)))
			s.sowOne(&rows, rnd, store.Clock(at))
		}
		if err := s.db.Write(ctx, s.scope, rows.write); err != nil {
			return err
		}
		if from == 0 || from%(5*batch) == 0 {
			t.say("%d", from+batch)
			if _, err := store.Analyze(ctx, s.options); err != nil {
				return err
			}
		}
	}
	if err := s.sowPresences(ctx, rnd); err != nil {
		return err
	}
	t.figure(fmt.Sprintf("%s: leads written", s.engine), float64(n), "")
	t.figure(fmt.Sprintf("%s: until they were there", s.engine), time.Since(began).Seconds(), "s")
	_, err := store.Analyze(ctx, s.options)
	return err
}

// sowOne draws one lead: most are answered within minutes, some never. One of
// a hundred is history.
func (s *seeded) sowOne(rows *sown, rnd *rand.Rand, at time.Time) {
	history := rnd.IntN(100) == 0
	after := func(from time.Time, median time.Duration, chance float64) time.Time {
		if from.IsZero() || rnd.Float64() > chance {
			return time.Time{}
		}
		return from.Add(time.Duration(float64(median) * math.Exp(1.5*rnd.NormFloat64()))).Truncate(time.Microsecond)
	}
	id, person, source := lead.NewID(), lead.NewPersonID(), s.sources[rnd.IntN(len(s.sources))]
	test := rnd.IntN(200) == 0
	offered := after(at, 3*time.Second, 0.99)
	if history {
		offered = time.Time{}
	}
	accepted := after(offered, 15*time.Second, 0.8)
	tried := after(accepted, 4*time.Minute, 0.9)
	if history && rnd.IntN(2) == 0 { // tried here, long after it came in elsewhere
		tried = at.Add(90 * 24 * time.Hour)
	}
	reached := after(tried, 20*time.Minute, 0.6)
	owner := s.people[rnd.IntN(len(s.people))]
	if accepted.IsZero() && !history {
		owner = account.UserID{}
	}
	stage := s.stages[rnd.IntN(len(s.stages))]
	reason, closed := "", time.Time{}
	if !stage.Category.Open() {
		closed = at.Add(240 * time.Hour)
		if stage.Category == lead.Dropped {
			reason = []string{"too-expensive", "no-answer", "other-area", ""}[rnd.IntN(4)]
		}
	}
	// Of those that nobody took some still wait: one of 25 of all.
	state, waits := lead.Owned, time.Time{}
	if accepted.IsZero() && !history && closed.IsZero() && rnd.IntN(5) < 2 {
		state, waits = lead.Waiting, at
	}
	enquiries := 1 + b2i(rnd.IntN(30) == 0)
	rows.leads = append(rows.leads, []any{id, person, source.Project, source.ID, test, stage.ID, string(stage.Category), reason, owner, at.UnixMicro(),
		store.Micro(offered), store.Micro(accepted), store.Micro(tried), store.Micro(reached), store.Micro(closed), history, enquiries, string(state), store.Micro(waits)})
	for n := range enquiries {
		rows.enquiries = append(rows.enquiries, []any{lead.NewEnquiryID(), id, person, source.Project, source.ID, test, drawnAttribution(rnd),
			at.Add(time.Duration(n) * time.Hour).UnixMicro(), history, n > 0})
	}
	if stage.ID != s.stages[0].ID && !history {
		rows.stages = append(rows.stages, []any{id, at.Add(24 * time.Hour).UnixMicro(), s.stages[0].ID, stage.ID, reason})
	}
	who := s.people[rnd.IntN(len(s.people))]
	if !offered.IsZero() {
		state, ended := lead.OfferExpired, offered.Add(45*time.Second)
		if rnd.IntN(4) == 0 {
			state = lead.OfferDeclined
		}
		if !accepted.IsZero() {
			state, ended, who = lead.OfferAccepted, accepted, owner
		}
		rows.offers = append(rows.offers, []any{lead.NewOfferID(), id, who.Bytes(), who, string(state), offered.UnixMicro(), ended.UnixMicro()})
	}
	for _, try := range []time.Time{tried, reached} {
		if !try.IsZero() {
			rows.attempts = append(rows.attempts, []any{lead.NewAttemptID(), id, owner, []string{"no-answer", "spoke"}[b2i(try.Equal(reached))], try.Equal(reached), try.UnixMicro()})
		}
	}
	if rnd.IntN(8) == 0 {
		when := at.Add(72 * time.Hour).UnixMicro()
		rows.visits = append(rows.visits, []any{lead.NewVisitID(), id, source.Project, person, []string{"done", "done", "no-show"}[rnd.IntN(3)], when, at.UnixMicro()})
	}
	if stage.Category == lead.Won {
		when, cancelled := at.Add(200*time.Hour), time.Time{}
		if rnd.IntN(10) == 0 {
			cancelled = when.Add(time.Hour)
		}
		rows.bookings = append(rows.bookings, []any{lead.NewBookingID(), id, source.Project, when.UnixMicro(), store.Micro(cancelled)})
	}
}

// sowPresences draws who was there when: a few changes a day.
func (s *seeded) sowPresences(ctx context.Context, rnd *rand.Rand) error {
	declared := []account.Presence{account.Available, account.Engaged, account.Away, account.LoggedOff}
	for _, user := range s.people {
		var rows [][]any
		for at := s.end.Add(-year); ; {
			until := at.Add(time.Duration(1+rnd.IntN(12*3600_000)) * time.Millisecond)
			if !until.Before(s.end.Add(-24 * time.Hour)) { // the people of the house have declared something since
				break
			}
			rows = append(rows, []any{user, at.UnixMicro(), string(declared[rnd.IntN(4)]), until.UnixMicro()})
			at = until
		}
		err := s.db.Write(ctx, s.scope, func(tx *store.Tx) error { _, err := tx.Bulk(sowPresence, slices.Clone(rows)); return err })
		if err != nil {
			return err
		}
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// drawnAttribution: forty campaigns of six origins, and a part without.
func drawnAttribution(rnd *rand.Rand) string {
	if rnd.IntN(5) == 0 {
		return "{}"
	}
	return fmt.Sprintf(`{"utm_source":"%s","utm_medium":"%s","utm_campaign":"Campaign %02d"}`, []string{"Google", "meta", "Portal"}[rnd.IntN(3)],
		[]string{"cpc", "social"}[rnd.IntN(2)], rnd.IntN(40))
}
