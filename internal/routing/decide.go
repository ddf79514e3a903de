package routing

import (
	"bytes"

	"catchment/internal/account"
	"catchment/internal/lead"
)

// Round is everything one decision sees. Times are microseconds since 1970,
// UTC. Its JSON is what the ledger keeps (see Pack), so names in it stay.
type Round struct {
	At         int64       `json:"at"` // the clock of the decision
	Pool       Settings    `json:"pool"`
	Candidates []Candidate `json:"candidates"` // by user id
	Leads      []Waiting   `json:"leads"`      // oldest first
	Plan       *Plan       `json:"plan,omitempty"`
}

// Plan is the published policy as the round saw it. nil: the plain rotation.
type Plan struct {
	ID     account.PolicyID `json:"id"`
	Policy Policy           `json:"policy"`
	Closed bool             `json:"closed,omitempty"` // outside the routing hours at the round's clock
}

// Settings are the pool's, as they stood.
type Settings struct {
	ID            account.PoolID    `json:"id"`
	Project       account.ProjectID `json:"project"`
	AcceptSeconds int64             `json:"accept_seconds"`
	OffersAtOnce  int64             `json:"offers_at_once"`
	Queue         string            `json:"queue"`
	AlarmSeconds  int64             `json:"alarm_seconds"`
}

// Candidate is one member of the pool.
type Candidate struct {
	User     account.UserID   `json:"user"`
	Active   bool             `json:"active"`   // in the account and in the pool
	OnShift  bool             `json:"on_shift"` // at the round's clock, in the person's zone
	Presence account.Presence `json:"presence"`
	// Since is when this spell of availability began: the later of the last
	// change of presence and the start of the shift. Leads missed before it
	// may be offered again.
	Since       int64 `json:"since"`
	LastOfferAt int64 `json:"last_offer_at"` // 0: never
	OffersMade  int64 `json:"offers_made"`
	OpenOffers  int64 `json:"open_offers"` // in every pool

	// These are filled in when there is a Plan.
	Credit       int64    `json:"credit,omitempty"`         // millionths of a lead owed (or, below 0, had ahead)
	OpenLeads    int64    `json:"open_leads,omitempty"`     // owned and not closed, in every project
	TakenToday   int64    `json:"taken_today,omitempty"`    // since midnight in the project's zone
	LastAcceptAt int64    `json:"last_accept_at,omitempty"` // 0: never
	SeenAt       int64    `json:"seen_at,omitempty"`        // a device of the person; 0: never
	Tags         []string `json:"tags,omitempty"`
}

// Waiting is a lead that nobody has.
type Waiting struct {
	Lead      lead.ID `json:"lead"`
	WaitingAt int64   `json:"waiting_at"`
	QueuedAt  int64   `json:"queued_at,omitempty"` // 0: not in the named queue
	Decided   bool    `json:"decided,omitempty"`   // the ledger already says why it waits
	Tried     []Tried `json:"tried,omitempty"`
	// Suppressed says that the lead's person must not be contacted.
	Suppressed bool `json:"suppressed,omitempty"`
	// TakenFrom are those from whom a service-level clock took the lead.
	TakenFrom []account.UserID `json:"taken_from,omitempty"`

	// These are filled in when there is a Plan. Rule is the place of the first
	// rule whose condition held: what was evaluated once is saved, so that a
	// replay does not depend on the evaluator.
	Rule       int            `json:"rule,omitempty"`
	Attributes *Attributes    `json:"attributes,omitempty"`
	Sticky     account.UserID `json:"sticky,omitzero"` // who owned the person's last lead
}

// Tried is an earlier offer of the lead.
type Tried struct {
	User  account.UserID  `json:"user"`
	At    int64           `json:"at"`
	State lead.OfferState `json:"state"`
}

// Reason says why a candidate was or was not chosen. It is one byte in the
// ledger; the letters never change their meaning.
type Reason byte

// The reasons, in the order in which they are looked for.
const (
	Inactive       Reason = 'I' // not active in the account or the pool
	OffShift       Reason = 'S'
	IsAway         Reason = 'A'
	IsEngaged      Reason = 'G'
	IsLoggedOff    Reason = 'L'
	DeclinedBefore Reason = 'D' // this person declined this lead
	AlreadyOffered Reason = 'O' // and missed, in this spell of availability
	Busy           Reason = 'B' // has as many open offers as the pool allows
	LaterInTurn    Reason = 'E' // eligible, but somebody waited longer for an offer
	Chosen         Reason = 'C'

	Unreachable Reason = 'U' // no device answered lately
	CoolingDown Reason = 'H' // accepted a lead a moment ago
	AtCapacity  Reason = 'K' // has as many open leads as the policy allows
	DayFull     Reason = 'Y' // took as many leads today as the policy allows
	HoursClosed Reason = 'R' // outside the routing hours
	NotInRule   Reason = 'N' // not a member of the rules that were tried
	NoWeight    Reason = 'W' // with weight 0 in the rule
	LacksTag    Reason = 'T' // without a tag that the rule asks for
	NoContact   Reason = 'X' // the person must not be contacted
	WasSilent   Reason = 'Z' // had this lead and let a service-level clock run out
)

// String is the reason in words, as screens and the API give it.
func (r Reason) String() string {
	switch r {
	case Inactive:
		return "inactive"
	case OffShift:
		return "off_shift"
	case IsAway:
		return "away"
	case IsEngaged:
		return "engaged"
	case IsLoggedOff:
		return "logged_off"
	case DeclinedBefore:
		return "declined_before"
	case AlreadyOffered:
		return "already_offered"
	case Busy:
		return "busy"
	case LaterInTurn:
		return "later_in_rotation"
	case Chosen:
		return "chosen"
	case Unreachable:
		return "unreachable"
	case CoolingDown:
		return "cooling_down"
	case AtCapacity:
		return "at_capacity"
	case DayFull:
		return "day_full"
	case HoursClosed:
		return "hours_closed"
	case NotInRule:
		return "not_in_rule"
	case NoWeight:
		return "no_weight"
	case LacksTag:
		return "lacks_tag"
	case NoContact:
		return "suppressed"
	case WasSilent:
		return "was_silent"
	}
	return "unknown"
}

// Nobody stands for no candidate.
const Nobody = -1

// Outcome is what a round decided.
type Outcome struct {
	Decisions  []Decision // one a lead, in the round's order
	Candidates []Candidate
	// Candidates are those of the round with their counters after it.
}

// Decision is who gets one lead, and why not the others.
type Decision struct {
	Chosen  int    // index of the candidate, or Nobody
	Reasons []byte // one Reason a candidate, in the round's order
	// Also are those who are offered the lead at the same time, of method
	// first_to_claim.
	Also []int
	// Rule is the place of the rule that gave it; 0 without a Plan.
	Rule int
	// Exhausted says that every candidate who could take a lead now has
	// declined or missed this one: it belongs in the named queue.
	Exhausted bool
	// Held says that the lead is not offered to anybody: its person must not be
	// contacted.
	Held bool
}

// Decide gives each lead, oldest first, to an eligible candidate, as the plan
// says; without one, to the candidate whose last offer is the oldest, then to
// who had fewer offers, then by id. It is a pure
// function: the same round always gives the same outcome. A lead that nobody
// gets changes nothing for those after it.
func Decide(in Round) Outcome {
	d := newDecider(in)
	out := Outcome{Decisions: make([]Decision, len(in.Leads)), Candidates: d.people}
	reasons := make([]byte, len(in.Leads)*len(in.Candidates))
	for i, w := range in.Leads {
		n := len(in.Candidates)
		out.Decisions[i] = d.decide(w, reasons[i*n:(i+1)*n:(i+1)*n])
	}
	return out
}

type decider struct {
	limit  int64
	people []Candidate
	fixed  []Reason // what keeps the candidate from any lead, or 0
	place  map[account.UserID]int
	tried  []Reason // scratch: what keeps the candidate from the lead at hand
	turn   int64    // the rotation's clock
	plan   *Plan
	shares []map[account.UserID]int64 // of each rule; nil: everybody, with weight 1
	able   []int                      // scratch: who is eligible under the rule at hand
}

func newDecider(in Round) *decider {
	d := &decider{
		limit:  in.Pool.OffersAtOnce,
		people: append([]Candidate(nil), in.Candidates...),
		fixed:  make([]Reason, len(in.Candidates)),
		tried:  make([]Reason, len(in.Candidates)),
		place:  make(map[account.UserID]int, len(in.Candidates)),
		turn:   in.At,
		plan:   in.Plan,
	}
	if d.plan != nil {
		d.shares = shares(d.plan.Policy)
	}
	for i, c := range in.Candidates {
		d.fixed[i] = c.absent()
		if d.plan != nil && d.fixed[i] == 0 {
			d.fixed[i] = d.plan.kept(c, in.At)
		}
		d.place[c.User] = i
		d.turn = max(d.turn, c.LastOfferAt)
	}
	return d
}

// absent says what keeps the candidate from any lead; 0 when nothing does.
func (c Candidate) absent() Reason {
	switch {
	case !c.Active:
		return Inactive
	case !c.OnShift:
		return OffShift
	}
	switch c.Presence {
	case account.Available:
		return 0
	case account.Engaged:
		return IsEngaged
	case account.Away:
		return IsAway
	}
	return IsLoggedOff
}

func (d *decider) decide(w Waiting, reasons []byte) Decision {
	if w.Suppressed {
		for i := range reasons {
			reasons[i] = byte(NoContact)
		}
		return Decision{Chosen: Nobody, Reasons: reasons, Held: true}
	}
	marked := d.mark(w)
	if d.plan != nil {
		return d.byPolicy(w, marked, reasons)
	}
	best, missed, busy := Nobody, false, false
	for i := range d.people {
		r := d.reason(i, marked)
		reasons[i] = byte(r)
		switch r {
		case DeclinedBefore, AlreadyOffered, WasSilent:
			missed = true
		case Busy:
			busy = true
		case LaterInTurn:
			if best == Nobody || d.before(i, best) {
				best = i
			}
		}
	}
	if best == Nobody {
		return Decision{Chosen: Nobody, Reasons: reasons, Exhausted: missed && !busy}
	}
	reasons[best] = byte(Chosen)
	d.take(best)
	return Decision{Chosen: best, Reasons: reasons}
}

// mark notes who declined or missed the lead, and from whom it was taken.
func (d *decider) mark(w Waiting) bool {
	if len(w.Tried)+len(w.TakenFrom) == 0 {
		return false
	}
	clear(d.tried)
	for _, t := range w.Tried {
		i, ok := d.place[t.User]
		switch {
		case !ok:
		case t.State == lead.OfferDeclined:
			d.tried[i] = DeclinedBefore
		case t.At >= d.people[i].Since && d.tried[i] == 0:
			d.tried[i] = AlreadyOffered
		}
	}
	for _, u := range w.TakenFrom {
		if i, ok := d.place[u]; ok {
			d.tried[i] = WasSilent
		}
	}
	return true
}

func (d *decider) reason(i int, marked bool) Reason {
	switch {
	case d.fixed[i] != 0:
		return d.fixed[i]
	case marked && d.tried[i] != 0:
		return d.tried[i]
	case d.plan != nil && d.plan.full(d.people[i]) != 0:
		return d.plan.full(d.people[i])
	case d.people[i].OpenOffers >= d.limit:
		return Busy
	}
	return LaterInTurn
}

// before tells whose turn comes first.
func (d *decider) before(i, j int) bool {
	a, b := &d.people[i], &d.people[j]
	if a.LastOfferAt != b.LastOfferAt {
		return a.LastOfferAt < b.LastOfferAt
	}
	if a.OffersMade != b.OffersMade {
		return a.OffersMade < b.OffersMade
	}
	x, y := a.User.UUID(), b.User.UUID()
	return bytes.Compare(x[:], y[:]) < 0
}

// take counts an offer. Within a round the clock stands still, so the rotation
// has its own, a microsecond an offer: else everybody's last offer would be at
// the same time, and whoever had the fewest in their life would get the rest.
func (d *decider) take(i int) {
	d.turn++
	c := &d.people[i]
	c.LastOfferAt = d.turn
	c.OffersMade++
	c.OpenOffers++
}
