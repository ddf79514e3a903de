package proof

import (
	"encoding/json"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/offers"
)

// The plain recount: every row of the tables is read once, as it stands, and
// each report is added up from them in the most obvious way. It shares no
// definition with the code that keeps figures; docs/figures.md is its source.

// allRows is every row of an account.
type allRows struct {
	leads    []plainLead
	at       map[lead.ID]int32
	enquired []plainEnquiry
	offers   []plainOffer
	attempts []plainAttempt
	moves    []plainMove
	presence []plainPresence
	spent    []plainSpend
	teams    map[string][]string // pool → members
	category map[lead.StageID]lead.Category
	interned map[string]string
}

type plainLead struct {
	project, source, owner, stage, category, reason, origin, campaign string
	enquiries, visits, bookings                                       int64
	test, history                                                     bool
	created, offered, accepted, attempted, contacted                  int64 // microseconds; 0: never
}

type plainEnquiry struct {
	lead, at int64
	again    bool
}

type plainOffer struct {
	lead           int32
	user, state    string
	made, resolved int64
}

type plainAttempt struct {
	lead    int32
	user    string
	at      int64
	reached bool
}

type plainMove struct {
	lead int32
	at   int64
	to   lead.Category
}

type plainPresence struct {
	user, presence string
	from, until    int64
}

type plainSpend struct {
	day      time.Time
	by, key  string // source or campaign
	currency string
	minor    int64
}

var (
	plainLeads = store.Register("proof.plain.leads", `SELECT lead_id, project_id, source_id, owner_id, stage_id, category, reason, enquiries, test, history,
		created_at, COALESCE(offered_at, 0), COALESCE(accepted_at, 0), COALESCE(attempted_at, 0), COALESCE(contacted_at, 0) FROM lead WHERE account_id = $1`)
	plainEnquiries = store.Register("proof.plain.enquiries", `SELECT lead_id, created_at, attribution, re_enquiry FROM enquiry WHERE account_id = $1 AND lead_id IS NOT NULL`)
	plainOffers    = store.Register("proof.plain.offers", `SELECT lead_id, user_id, state, made_at, COALESCE(resolved_at, 0) FROM offer WHERE account_id = $1`)
	plainAttempts  = store.Register("proof.plain.attempts", `SELECT lead_id, user_id, created_at, reached FROM attempt WHERE account_id = $1`)
	plainVisits    = store.Register("proof.plain.visits", `SELECT lead_id FROM site_visit WHERE account_id = $1 AND state = 'done'`)
	plainBookings  = store.Register("proof.plain.bookings", `SELECT lead_id FROM booking WHERE account_id = $1 AND cancelled_at IS NULL`)
	plainMoves     = store.Register("proof.plain.moves", `SELECT lead_id, at, from_stage, to_stage FROM stage_change WHERE account_id = $1`)
	plainPresences = store.Register("proof.plain.presences", `SELECT user_id, presence, from_at, COALESCE(until_at, 0) FROM presence_span WHERE account_id = $1`)
)

// readPlain reads all rows of the account.
func readPlain(tx *store.Tx, stages map[lead.StageID]lead.Category) (*allRows, error) {
	p := &allRows{at: map[lead.ID]int32{}, teams: map[string][]string{}, category: stages, interned: map[string]string{}}
	for _, q := range []struct {
		st *store.Stmt
		f  func(scan func(...any) error) error
	}{{plainLeads, p.lead}, {plainEnquiries, p.enquiry}, {plainOffers, p.offer}, {plainAttempts, p.attempt}, {plainVisits, p.visit},
		{plainBookings, p.booking}, {plainMoves, p.move}, {plainPresences, p.span}} {
		rows, err := tx.Query(q.st)
		if err := store.Each(rows, err, q.f); err != nil {
			return nil, err
		}
	}
	pools, err := offers.Pools(tx)
	for _, x := range pools {
		team, err := offers.Roster(tx, x.ID)
		if err != nil {
			return nil, err
		}
		for _, m := range team {
			p.teams[x.ID.String()] = append(p.teams[x.ID.String()], m.User.String())
		}
	}
	return p, err
}

// once keeps a text once, however many rows have it.
func (p *allRows) once(s string) string {
	if kept, ok := p.interned[s]; ok {
		return kept
	}
	p.interned[s] = s
	return s
}

func idText[K ident.Kind](p *allRows, id ident.ID[K]) string {
	if id.IsZero() {
		return ""
	}
	return p.once(id.String())
}

func (p *allRows) lead(scan func(...any) error) error {
	var l plainLead
	var id lead.ID
	var project account.ProjectID
	var source account.SourceID
	var owner account.UserID
	var stage lead.StageID
	var category, reason string
	err := scan(&id, &project, &source, &owner, &stage, &category, &reason, &l.enquiries, &l.test, &l.history, &l.created, &l.offered, &l.accepted, &l.attempted, &l.contacted)
	l.project, l.source, l.owner, l.stage = idText(p, project), idText(p, source), idText(p, owner), idText(p, stage)
	l.category, l.reason = p.once(category), p.once(reason)
	p.at[id] = int32(len(p.leads))
	p.leads = append(p.leads, l)
	return err
}

func (p *allRows) enquiry(scan func(...any) error) error {
	var id lead.ID
	var e plainEnquiry
	var text string
	if err := scan(&id, &e.at, &text, &e.again); err != nil {
		return err
	}
	e.lead = int64(p.at[id])
	p.enquired = append(p.enquired, e)
	if e.again {
		return nil
	}
	var a map[string]string
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return err
	}
	clean := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	l := &p.leads[e.lead]
	l.campaign = p.once(clean(a["utm_campaign"]))
	if source, medium := clean(a["utm_source"]), clean(a["utm_medium"]); source != "" || medium != "" {
		l.origin = p.once(source + " / " + medium)
	}
	return nil
}

func (p *allRows) offer(scan func(...any) error) error {
	var id lead.ID
	var user account.UserID
	var o plainOffer
	err := scan(&id, &user, &o.state, &o.made, &o.resolved)
	o.lead, o.user, o.state = p.at[id], idText(p, user), p.once(o.state)
	p.offers = append(p.offers, o)
	return err
}

func (p *allRows) attempt(scan func(...any) error) error {
	var id lead.ID
	var user account.UserID
	var a plainAttempt
	err := scan(&id, &user, &a.at, &a.reached)
	a.lead, a.user = p.at[id], idText(p, user)
	p.attempts = append(p.attempts, a)
	return err
}

func (p *allRows) visit(scan func(...any) error) error {
	var id lead.ID
	err := scan(&id)
	p.leads[p.at[id]].visits++
	return err
}

func (p *allRows) booking(scan func(...any) error) error {
	var id lead.ID
	err := scan(&id)
	p.leads[p.at[id]].bookings++
	return err
}

func (p *allRows) move(scan func(...any) error) error {
	var id lead.ID
	var from, to lead.StageID
	var m plainMove
	err := scan(&id, &m.at, &from, &to)
	if m.lead, m.to = p.at[id], p.category[to]; p.category[from] != m.to {
		p.moves = append(p.moves, m)
	}
	return err
}

func (p *allRows) span(scan func(...any) error) error {
	var user account.UserID
	var s plainPresence
	err := scan(&user, &s.presence, &s.from, &s.until)
	s.user = idText(p, user)
	p.presence = append(p.presence, s)
	return err
}

// question is one report.
type question struct {
	by       string
	from, to time.Time
	zone     *time.Location
}

// values are the figures of one row, by name; zero ones may be missing.
type values map[string]float64

// plainRows are the rows of a report by id, name or hour; the total's key is "total".
type plainRows map[string]*plainRow

type plainRow struct {
	values
	speed []int64 // ms
}

func (r plainRows) of(key string) *plainRow {
	if r[key] == nil {
		r[key] = &plainRow{values: values{}}
	}
	return r[key]
}

// figures adds up one report.
func (p *allRows) figures(q question) plainRows {
	out := plainRows{"total": &plainRow{values: values{}}}
	from, to := q.from.UnixMicro(), q.to.UnixMicro()
	in := func(at int64) bool { return at >= from && at < to }
	each := func(l *plainLead, user string, at int64, f func(*plainRow)) {
		if l.test {
			return
		}
		f(out["total"])
		for _, key := range p.keys(q, l, user, at) {
			f(out.of(key))
		}
	}
	for i := range p.leads {
		if l := &p.leads[i]; in(l.created) {
			each(l, l.owner, l.created, func(r *plainRow) { r.came(l) })
		}
	}
	for _, o := range p.offers {
		if in(o.made) {
			each(&p.leads[o.lead], o.user, o.made, func(r *plainRow) { r.values["work/offers"]++ })
		}
		if in(o.resolved) && o.resolved > 0 {
			each(&p.leads[o.lead], o.user, o.resolved, func(r *plainRow) { r.values["work/"+o.state]++ })
		}
	}
	for _, a := range p.attempts {
		if in(a.at) {
			each(&p.leads[a.lead], a.user, a.at, func(r *plainRow) {
				r.values["work/attempts"]++
				if a.reached {
					r.values["work/contacts"]++
				}
			})
		}
	}
	p.present(q, out)
	p.costs(q, out)
	for _, r := range out {
		r.rates()
	}
	return out
}

// keys says whose rows something belongs to that happened to a lead, by a user
// ("": nobody), at a time.
func (p *allRows) keys(q question, l *plainLead, user string, at int64) []string {
	switch q.by {
	case "source":
		return []string{l.source}
	case "project":
		return []string{l.project}
	case "origin":
		return []string{l.origin}
	case "campaign":
		return []string{l.campaign}
	case "hour":
		return []string{strconv.Itoa(100 + time.UnixMicro(at).In(q.zone).Hour())[1:]}
	}
	return p.whose(q.by, user)
}

func (p *allRows) whose(by, user string) (out []string) {
	switch {
	case user == "":
	case by == "salesperson":
		out = []string{user}
	case by == "team":
		for pool, team := range p.teams {
			for _, m := range team {
				if m == user {
					out = append(out, pool)
				}
			}
		}
	}
	return out
}

// came counts a lead in the row that it came in by.
func (r *plainRow) came(l *plainLead) {
	v := r.values
	v["leads"]++
	v["enquiries"] += float64(l.enquiries)
	v["visits"] += float64(l.visits)
	v["bookings"] += float64(l.bookings)
	v["category/"+l.category]++
	v["stage/"+l.stage]++
	if l.category == "dropped" && l.reason != "" {
		v["reason/"+l.reason]++
	}
	for name, at := range map[string]int64{"offered": l.offered, "accepted": l.accepted, "attempted": l.attempted, "contacted": l.contacted} {
		if at != 0 {
			v[name]++
		}
	}
	if l.history {
		return // nobody measured it
	}
	r.clock("speed_to_lead", l.created, l.attempted)
	r.clock("time_to_offer", l.created, l.offered)
	r.clock("time_to_accept", l.offered, l.accepted)
	r.clock("first_response", l.accepted, l.attempted)
	r.clock("time_to_contact", l.created, l.contacted)
}

func (r *plainRow) clock(name string, from, to int64) {
	if from == 0 || to == 0 || to < from {
		return
	}
	ms := (to - from) / 1000
	r.values[name+"/measured"]++
	span := 0 // from 2^(n-1) to below 2^n ms
	if ms > 0 {
		span = 1 << (bits.Len64(uint64(ms)) - 1)
	}
	r.values[name+"/from "+strconv.Itoa(span)]++
	if name == "speed_to_lead" {
		r.speed = append(r.speed, ms)
	}
}

// present adds how long somebody declared what; what lasts counts until now,
// but not by hour.
func (p *allRows) present(q question, out plainRows) {
	if q.by != "salesperson" && q.by != "team" && q.by != "hour" {
		return
	}
	for _, s := range p.presence {
		if s.presence == "logged-off" || s.until == 0 { // what lasts began after the time that is asked for
			continue
		}
		from, until := max(s.from, q.from.UnixMicro()), min(s.until, q.to.UnixMicro())
		for from < until {
			end := until
			if q.by == "hour" {
				at := time.UnixMicro(from).In(q.zone)
				left := time.Hour - time.Duration(at.Minute())*time.Minute - time.Duration(at.Second())*time.Second - time.Duration(at.Nanosecond())
				end = min(until, at.Add(left).UnixMicro())
			}
			ms := float64(end/1000 - from/1000)
			keys := p.whose(q.by, s.user)
			if q.by == "hour" {
				keys = []string{strconv.Itoa(100 + time.UnixMicro(from).In(q.zone).Hour())[1:]}
			}
			for _, k := range append(keys, "total") {
				out.of(k).values["presence/"+s.presence] += ms
			}
			from = end
		}
	}
}

func (p *allRows) costs(q question, out plainRows) {
	want := map[string]string{"source": "source", "project": "source", "campaign": "campaign"}[q.by]
	if want == "" {
		return
	}
	project := map[string]string{}
	for _, l := range p.leads {
		project[l.source] = l.project
	}
	for _, s := range p.spent {
		if s.by != want || s.day.Before(q.from) || !s.day.Before(q.to) {
			continue
		}
		key := s.key
		if q.by == "project" {
			key = project[s.key]
		}
		for _, k := range []string{key, "total"} {
			out.of(k).values["cost/"+s.currency] += float64(s.minor)
		}
	}
}

// rates adds what is one figure divided by another.
func (r *plainRow) rates() {
	v := r.values
	part := func(name string, n, of float64) {
		if of > 0 {
			v["rate/"+name] = n / of
		}
	}
	part("acceptance", v["work/accepted"], v["work/accepted"]+v["work/declined"]+v["work/expired"])
	part("contact", v["contacted"], v["leads"])
	part("win", v["category/won"], v["leads"])
	for name, spent := range v {
		currency, ok := strings.CutPrefix(name, "cost/")
		if !ok || strings.Contains(currency, "/") {
			continue
		}
		for per, n := range map[string]float64{"lead": v["leads"], "won": v["category/won"], "visit": v["visits"], "booking": v["bookings"]} {
			if n > 0 {
				v["cost/"+currency+"/"+per] = float64((int64(spent) + int64(n)/2) / int64(n))
			}
		}
	}
}

// flows adds up what happened, by source or project.
func (p *allRows) flows(q question) map[string]values {
	out := map[string]values{"total": {}}
	from, to := q.from.UnixMicro(), q.to.UnixMicro()
	add := func(l *plainLead, at int64, names ...string) {
		if l.test || at < from || at >= to || at == 0 {
			return
		}
		key := l.source
		if q.by == "project" {
			key = l.project
		}
		if out[key] == nil {
			out[key] = values{}
		}
		for _, n := range names {
			out[key][n]++
			out["total"][n]++
		}
	}
	for _, e := range p.enquired {
		l := &p.leads[e.lead]
		switch {
		case l.history:
		case e.again:
			add(l, e.at, "enquiries", "re_enquiries")
		default:
			add(l, e.at, "enquiries", "leads", "new")
		}
	}
	for _, o := range p.offers {
		add(&p.leads[o.lead], o.made, "offers")
		add(&p.leads[o.lead], o.resolved, o.state)
	}
	for _, a := range p.attempts {
		add(&p.leads[a.lead], a.at, "attempts")
		if a.reached {
			add(&p.leads[a.lead], a.at, "contacts")
		}
	}
	for _, m := range p.moves {
		add(&p.leads[m.lead], m.at, strings.ReplaceAll(string(m.to), "-", "_"))
	}
	return out
}
