package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// course keeps what the terminal shows: the newest leads with what happened to
// them, the last minute's counts, and how long things take. It is told events
// and boards and reads no clock. Nothing personal gets into it.
type course struct {
	mu       sync.Mutex
	names    map[string]string // of projects, sources, users and stages, by id
	rows     []*row            // oldest first
	byLead   map[string]*row
	late     map[string]*row      // by enquiry: leads whose sending is not known yet
	sent     map[string]time.Time // enquiries on their way, by id: when the visitor sent them
	captured window
	offered  window
	accepted window
	toAccept spans // offer → accepted
	boards   map[string]board
	won      int
	dropped  int
	total    int
}

// row is the course of one lead.
type row struct {
	lead     string
	account  string
	enquiry  string    // the first, while late
	at       time.Time // enquired
	began    time.Time // when the visitor pressed the button, else at
	project  string    // an id
	source   string    // an id
	timed    bool      // began is the visitor's, or the door's for a lead that no visitor of ours sent
	asked    time.Time // first offered
	again    int       // enquiries after the first
	offered  time.Time // the open offer
	offers   int
	parts    []part
	finished bool
	who      string // whose it is, or who is asked now
}

// part is one step of a course.
type part struct {
	text string
	mood mood
	wait bool // it says only that nothing happens: the next step takes its place
	took bool // the first offer: how long it took goes behind it
}

type mood byte

// What a step means for the lead.
const (
	plain mood = iota
	good
	bad
	odd
)

// board is how an account's leads stand, as the API counted them.
type board struct {
	at               time.Time
	waiting, offered int
	oldest           time.Duration // of the waiting; -1: none waits
	available, away  int
}

const keepRows = 200

func newCourse() *course {
	return &course{names: map[string]string{}, byLead: map[string]*row{}, late: map[string]*row{}, sent: map[string]time.Time{}, boards: map[string]board{}}
}

// name remembers what an id is called.
func (c *course) name(id, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names[id] = name
}

// taken notes that an enquiry was acknowledged which was sent at the time. Its
// events may have been faster than the answer.
func (c *course) taken(enquiry string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.late[enquiry]; r != nil {
		r.began, r.timed = at, true
		delete(c.late, enquiry)
		return
	}
	if len(c.sent) > 5000 { // their events were missed
		clear(c.sent)
	}
	c.sent[enquiry] = at
}

// untimed lists leads of the account that were offered before the time and of
// which nobody said when they were sent: those that somebody posted by hand.
func (c *course) untimed(account string, before time.Time, most int) (leads []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range slices.Backward(c.rows) {
		if len(leads) == most {
			break
		}
		if r.account == account && r.enquiry != "" && !r.timed && !r.asked.IsZero() && r.asked.Before(before) {
			leads = append(leads, r.lead)
		}
	}
	return leads
}

// received notes when the door took the lead's first enquiry.
func (c *course) received(lead string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.byLead[lead]; r != nil && !r.timed {
		r.began, r.timed = at, true
		delete(c.late, r.enquiry)
	}
}

// stands notes an account's board.
func (c *course) stands(account string, b board) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boards[account] = b
}

// happened adds an event to the picture. It returns the event as a line of
// words, "" when it says nothing to a reader, and whether a name is missing.
func (c *course) happened(e event) (line string, unknown bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Test {
		return "", false
	}
	what := c.apply(e)
	if what == "" {
		return "", false
	}
	r := c.byLead[e.Lead]
	if r == nil {
		return fmt.Sprintf("%s  %s", e.At.Local().Format(time.TimeOnly), what), false
	}
	unknown = c.names[r.project] == "" || c.names[r.source] == ""
	return fmt.Sprintf("%s  %s  %s  lead …%s  %s", e.At.Local().Format(time.TimeOnly), c.called(r.project), c.called(r.source), tail(r.lead), what), unknown
}

// tail is enough of an id to tell the leads on a screen apart.
func tail(id string) string { return id[max(0, len(id)-5):] }

func (c *course) called(id string) string { return cmp.Or(c.names[id], "…") }

// first is the name that colleagues call.
func (c *course) first(user string) string {
	if user == "" {
		return "a key"
	}
	name, _, _ := strings.Cut(c.called(user), " ")
	return name
}

// apply changes the picture, and says what happened.
func (c *course) apply(e event) string {
	switch e.Kind {
	case "enquiry.attached":
		c.captured.add(e.At)
		return ""
	case "enquiry.dead":
		return "an enquiry could not be processed: " + e.text("reason")
	case "lead.created":
		c.begin(e)
		return "new lead"
	case "lead.re_enquired":
		return c.reEnquired(e)
	case "alarm.raised":
		return "ALARM: leads wait in the queue " + e.text("queue")
	case "alarm.cleared":
		return "the queue " + e.text("queue") + " is empty again"
	case "presence.changed":
		return c.first(e.User) + " is " + e.text("presence")
	}
	r := c.byLead[e.Lead]
	if r == nil {
		if e.Lead == "" || !isStep(e.Kind) {
			return ""
		}
		r = c.begin(e) // of an earlier run
	}
	p, ok := c.step(r, e)
	if !ok {
		return ""
	}
	r.add(p)
	if e.Kind == "offer.made" {
		return "→ " + r.words(p)
	}
	return p.text
}

// words adds to the first offer how long it took, once that is known.
func (r *row) words(p part) string {
	if !p.took || !r.timed {
		return p.text
	}
	return p.text + " (offered " + short(r.asked.Sub(r.began)) + ")"
}

func isStep(kind string) bool {
	return slices.Contains([]string{"lead.waiting", "lead.queued", "lead.transferred", "lead.stage_changed", "offer.made", "offer.accepted",
		"offer.declined", "offer.expired", "offer.lost", "attempt.made"}, kind)
}

func (c *course) begin(e event) *row {
	r := &row{lead: e.Lead, account: e.account, at: e.At, began: e.At, project: e.Project, source: e.Source}
	if at, ok := c.sent[e.Enquiry]; ok {
		r.began, r.timed = at, true
		delete(c.sent, e.Enquiry)
	} else if e.Enquiry != "" {
		r.enquiry = e.Enquiry
		c.late[e.Enquiry] = r
	}
	if e.Kind == "lead.created" {
		c.total++
	}
	c.rows = append(c.rows, r)
	c.byLead[e.Lead] = r
	if len(c.rows) > keepRows {
		delete(c.byLead, c.rows[0].lead)
		delete(c.late, c.rows[0].enquiry)
		c.rows = slices.Delete(c.rows, 0, 1)
	}
	return r
}

func (c *course) reEnquired(e event) string {
	delete(c.sent, e.Enquiry)
	r := c.byLead[e.Lead]
	if r == nil {
		r = c.begin(e)
		r.offered = e.At // its first offer was long ago
	}
	r.again++
	r.add(part{text: "enquired again", mood: odd})
	return "the same person enquired again"
}

// step turns an event of a lead into a part of its course.
func (c *course) step(r *row, e event) (part, bool) {
	switch e.Kind {
	case "lead.waiting":
		return part{text: "waiting", mood: odd, wait: true}, true
	case "lead.queued":
		return part{text: "in the queue " + e.text("queue"), mood: bad, wait: true}, true
	case "lead.transferred":
		r.who = c.first(e.User)
		return part{text: "given to " + r.who}, true
	case "lead.stage_changed":
		return c.stage(r, e), true
	case "offer.made":
		return c.offer(r, e), true
	case "offer.accepted":
		c.accepted.add(e.At)
		p := part{text: "accepted", mood: good}
		if !r.offered.IsZero() && r.offers > 0 {
			c.toAccept.add(e.At.Sub(r.offered))
			p.text += " " + short(e.At.Sub(r.offered))
		}
		return p, true
	case "offer.declined":
		return part{text: words("declined", e.text("reason")), mood: odd}, true
	case "offer.expired":
		return part{text: "missed", mood: bad}, true
	case "offer.lost":
		return part{text: "lost", mood: odd}, true
	case "attempt.made":
		return attempt(e), true
	}
	return part{}, false
}

func (c *course) offer(r *row, e event) part {
	c.offered.add(e.At)
	r.who = c.first(e.User)
	p := part{text: r.who}
	if r.offers == 0 && r.offered.IsZero() {
		p.took, r.asked = true, e.At
	}
	r.offers++
	r.offered = e.At
	return p
}

func attempt(e event) part {
	p := part{text: channelWord(e.text("channel")) + ": " + strings.ReplaceAll(e.text("disposition"), "-", " ")}
	switch e.text("disposition") {
	case "interested":
		p.mood = good
	case "not-interested", "wrong-number":
		p.mood = bad
	}
	return p
}

func channelWord(s string) string {
	if s == "in-person" {
		return "visit"
	}
	return s
}

func (c *course) stage(r *row, e event) part {
	p := part{text: cmp.Or(c.names[e.text("to_stage")], e.text("to_category"))}
	switch e.text("to_category") {
	case "won":
		c.won++
		p.mood, r.finished = good, true
	case "dropped":
		c.dropped++
		p.mood, r.finished = bad, true
	default:
		r.finished = false
	}
	if reason := e.text("reason"); reason != "" && strings.ReplaceAll(reason, "-", " ") != strings.ToLower(p.text) {
		p.text = words(p.text, reason)
	}
	return p
}

func words(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + " (" + strings.ReplaceAll(reason, "-", " ") + ")"
}

func (r *row) add(p part) {
	if n := len(r.parts); n > 0 && r.parts[n-1].wait {
		r.parts = r.parts[:n-1]
	}
	r.parts = append(r.parts, p)
}

// short writes a duration in the fewest words: 24 ms, 0.2 s, 6 s, 3 min 05 s.
func short(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < 95*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute-time.Second/2:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
}

// window counts what happened in the last minute.
type window struct{ at []time.Time }

func (w *window) add(at time.Time) {
	w.at = append(w.at, at)
	if len(w.at) > 20_000 {
		w.at = slices.Delete(w.at, 0, 10_000)
	}
}

// perMinute counts the minute before now. Events come almost in order.
func (w *window) perMinute(now time.Time) int {
	from := now.Add(-time.Minute)
	for len(w.at) > 0 && w.at[0].Before(from) {
		w.at = w.at[1:]
	}
	return len(w.at)
}

// spans keeps the last durations for their median.
type spans struct{ last []time.Duration }

func (s *spans) add(d time.Duration) {
	s.last = append(s.last, d)
	if len(s.last) > 100 {
		s.last = s.last[1:]
	}
}

// median is -1 while nothing was measured.
func (s *spans) median() time.Duration {
	if len(s.last) == 0 {
		return -1
	}
	sorted := slices.Sorted(slices.Values(s.last))
	return sorted[len(sorted)/2]
}

// sight is the picture at an instant, for the renderer.
type sight struct {
	now                        time.Time
	oldest                     time.Duration // of the waiting leads; -1: none waits
	waiting, offered           int
	available, away            int
	captured, offers, accepted int // in the last minute
	toOffer, toAccept          time.Duration
	total, won, dropped        int
	lines                      []sightLine // newest first
	projectWide, sourceWide    int
}

type sightLine struct {
	at              time.Time
	project, source string
	parts           []part
	finished        bool
	who             string
}

func (c *course) look(now time.Time) sight {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := sight{now: now, oldest: -1, captured: c.captured.perMinute(now), offers: c.offered.perMinute(now), accepted: c.accepted.perMinute(now),
		toOffer: c.toOffer(), toAccept: c.toAccept.median(), total: c.total, won: c.won, dropped: c.dropped}
	for _, b := range c.boards {
		s.waiting += b.waiting
		s.offered += b.offered
		s.available += b.available
		s.away += b.away
		if b.oldest >= 0 {
			s.oldest = max(s.oldest, b.oldest+max(0, now.Sub(b.at)))
		}
	}
	for _, r := range slices.Backward(c.rows) {
		l := sightLine{at: r.at, project: c.called(r.project), source: c.called(r.source), parts: slices.Clone(r.parts),
			finished: r.finished, who: r.who}
		for i := range l.parts {
			l.parts[i].text = r.words(l.parts[i])
		}
		s.projectWide, s.sourceWide = max(s.projectWide, width(l.project)), max(s.sourceWide, width(l.source))
		s.lines = append(s.lines, l)
	}
	return s
}

// toOffer is the median from sending to the first offer, of the leads that are
// shown.
func (c *course) toOffer() time.Duration {
	var s spans
	for _, r := range c.rows {
		if r.timed && !r.asked.IsZero() {
			s.add(r.asked.Sub(r.began))
		}
	}
	return s.median()
}
