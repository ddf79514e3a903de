package demo

import (
	"math/rand/v2"
	"testing"

	"catchment/internal/lead"

	"pgregory.net/rapid"
)

// Every lead's life ends, and each report on the way is one that the API takes.
func TestEveryCourseEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { end(t, random(t)) })
	ends := map[string]int{}
	for r, n := seeded(), 0; n < 5000; n++ {
		ends[end(t, r)]++
	}
	for _, s := range []string{stageBooked, stageNo, stageUnreachable, stageWrong} {
		if ends[s] == 0 {
			t.Errorf("no lead ends in %s", s)
		}
	}
}

// end follows a lead to the stage in which its life ends.
func end(t rapid.TB, r *rand.Rand) string {
	next := try{lead: "lead_x"}
	for step := 0; ; step++ {
		if step > 200 {
			t.Fatal("it never ends")
		}
		got := outcome(r, next)
		if !got.channel.Valid() || !got.disposition.Valid() {
			t.Fatalf("%+v: no such channel or disposition", got)
		}
		if got.stage != "" && !got.category.Valid() {
			t.Fatalf("%+v: a stage of no category", got)
		}
		if got.category == lead.Dropped && got.reason == "" {
			t.Fatalf("%+v: dropped without a reason", got)
		}
		closed := got.stage != "" && !got.category.Open()
		if closed != (got.next == nil) {
			t.Fatalf("%+v: closed leads have no follow-up, open ones do", got)
		}
		if closed {
			return got.stage
		}
		if got.after <= 0 || got.next.lead != next.lead {
			t.Fatalf("%+v: not a follow-up of the lead", got)
		}
		next = *got.next
	}
}

func TestTempersDiffer(t *testing.T) {
	shares := map[string][3]int{}
	for name, temper := range tempers {
		var n [3]int
		r := newRhythm(1, seeded()).rand
		for range 2000 {
			switch a := temper.answer(r); {
			case a.miss:
				n[1]++
			case a.no != "":
				n[2]++
			default:
				n[0]++
			}
		}
		shares[name] = n
		if n[0] < 1000 {
			t.Errorf("%s accepts only %d of 2000", name, n[0])
		}
	}
	if shares["forgetful"][1] < 5*shares["quick"][1] || shares["picky"][2] < 5*shares["quick"][2] {
		t.Errorf("accepted, missed, declined: %v", shares)
	}
}
