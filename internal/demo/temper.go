package demo

import (
	"math/rand/v2"
	"time"

	"catchment/internal/lead"
)

// temper is how a salesperson behaves. The demo's clock is fast: what takes
// people days, from a call to a visit, takes a minute here.
type temper struct {
	look          span    // from the offer to the answer
	miss, decline float64 // shares of the offers
	call          span    // from accepting to the first attempt
	breaks, pause span    // how long between two breaks, and how long one is
}

type span struct{ from, to time.Duration }

func (s span) any(r *rand.Rand) time.Duration {
	if s.to <= s.from {
		return s.from
	}
	return s.from + time.Duration(r.Int64N(int64(s.to-s.from)))
}

func seconds(from, to float64) span {
	return span{time.Duration(from * float64(time.Second)), time.Duration(to * float64(time.Second))}
}

var tempers = map[string]temper{
	"quick":     {seconds(1, 5), 0.02, 0.03, seconds(2, 6), seconds(180, 420), seconds(15, 35)},
	"steady":    {seconds(3, 10), 0.06, 0.06, seconds(4, 12), seconds(150, 360), seconds(20, 45)},
	"slow":      {seconds(8, 22), 0.10, 0.04, seconds(10, 25), seconds(150, 400), seconds(20, 60)},
	"picky":     {seconds(3, 9), 0.05, 0.35, seconds(4, 12), seconds(120, 300), seconds(20, 50)},
	"forgetful": {seconds(4, 15), 0.35, 0.03, seconds(8, 30), seconds(120, 300), seconds(25, 70)},
}

func temperFor(email string) temper {
	if t, ok := tempers[temperOf(email)]; ok {
		return t
	}
	return tempers["steady"]
}

// answer is what a salesperson makes of an offer.
type answer struct {
	after time.Duration
	miss  bool
	no    string // the reason of a decline; "" accepts
}

func (t temper) answer(r *rand.Rand) answer {
	a := answer{after: t.look.any(r)}
	switch x := r.Float64(); {
	case x < t.miss:
		a.miss = true
	case x < t.miss+t.decline:
		a.no = one(r, []string{"too-far-away", "on-a-visit", "other-language", "not-my-field", "in-a-meeting"})
	}
	return a
}

// try is what a salesperson is about to do with a lead.
type try struct {
	lead  string
	visit bool // they meet; else a call
	count int  // calls that did not reach the person so far
}

// result is what came of a try: the report to make, and the next try.
type result struct {
	channel     lead.Channel
	disposition lead.Disposition
	talk        time.Duration // 0: none
	note        string
	stage       string // a stage's slug; "" stays
	category    lead.Category
	reason      string
	next        *try
	after       time.Duration // until the next one
	what        string        // of the next follow-up
}

// Slugs of the stages that every new account has.
const (
	stageContacted   = "contacted"
	stageVisit       = "site-visit-planned"
	stageBooked      = "booked"
	stageNo          = "not-interested"
	stageUnreachable = "unreachable"
	stageWrong       = "wrong-number"
)

const giveUp = 3 // calls in vain

// outcome decides what comes of a try.
func outcome(r *rand.Rand, t try) result {
	if t.visit {
		return visited(r, t)
	}
	switch x := r.IntN(100); {
	case x < 30:
		return notReached(r, t)
	case x < 34:
		return result{channel: lead.ByCall, disposition: lead.WrongNumber, stage: stageWrong, category: lead.Dropped, reason: "wrong-number"}
	case x < 47:
		return result{channel: lead.ByCall, disposition: lead.NotInterested, talk: talk(r, 1), note: remark(r, "not-interested"),
			stage: stageNo, category: lead.Dropped, reason: lossReason(r)}
	case x < 60:
		return result{channel: lead.ByCall, disposition: lead.CallBack, talk: talk(r, 1), note: remark(r, "call-back"),
			stage: stageContacted, category: lead.FollowUp, next: &try{lead: t.lead}, after: seconds(20, 60).any(r), what: "call"}
	case x < 72:
		return result{channel: lead.ByCall, disposition: lead.Spoke, talk: talk(r, 3),
			stage: stageContacted, category: lead.FollowUp, next: &try{lead: t.lead}, after: seconds(25, 70).any(r), what: "call"}
	}
	return result{channel: lead.ByCall, disposition: lead.Interested, talk: talk(r, 6), note: remark(r, "interested"),
		stage: stageVisit, category: lead.FollowUp, next: &try{lead: t.lead, visit: true}, after: seconds(25, 90).any(r), what: "visit"}
}

func notReached(r *rand.Rand, t try) result {
	out := result{channel: lead.ByCall, disposition: one(r, []lead.Disposition{lead.NoAnswer, lead.NoAnswer, lead.NoAnswer, lead.LineBusy})}
	if t.count > 0 && r.IntN(3) == 0 {
		out.channel, out.disposition = lead.ByWhatsApp, lead.Sent
	}
	if t.count+1 >= giveUp {
		out.stage, out.category, out.reason = stageUnreachable, lead.Dropped, "no-answer"
		return out
	}
	out.note = remark(r, "no-answer")
	out.next, out.after, out.what = &try{lead: t.lead, count: t.count + 1}, seconds(12, 45).any(r), "call"
	return out
}

func visited(r *rand.Rand, t try) result {
	out := result{channel: lead.InPerson, talk: talk(r, 30), note: remark(r, "visit")}
	switch x := r.IntN(100); {
	case x < 50:
		out.disposition, out.stage, out.category = lead.Interested, stageBooked, lead.Won
	case x < 85:
		out.disposition, out.stage, out.category, out.reason = lead.NotInterested, stageNo, lead.Dropped, lossReason(r)
	default:
		out.disposition, out.next, out.after, out.what = lead.CallBack, &try{lead: t.lead}, seconds(20, 60).any(r), "call"
	}
	return out
}

// lossReason is a person's reason against buying, as a code.
func lossReason(r *rand.Rand) string {
	return one(r, []string{"too-expensive", "bought-elsewhere", "only-looking", "too-small", "timing"})
}

func remark(r *rand.Rand, about string) string {
	if r.IntN(2) == 0 {
		return ""
	}
	return one(r, remarks[about])
}

// talk is a talk's length as people talk, about so many minutes.
func talk(r *rand.Rand, minutes int) time.Duration {
	return time.Duration(20+r.IntN(minutes*90)) * time.Second
}
