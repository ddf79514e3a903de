package followup_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
)

func TestClocksAreNullUntilMeasured(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c := followup.ClocksOf(leads.Lead{CreatedAt: at})
	none := followup.Clock{How: lead.NotMeasured}
	if want := (followup.Clocks{none, none, none, none, none, none, none}); c != want {
		t.Errorf("clocks of a lead with which nothing happened: %+v", c)
	}
	c = followup.ClocksOf(leads.Lead{CreatedAt: at, OfferedAt: at, AcceptedAt: at.Add(3 * time.Second), AttemptedAt: at.Add(2 * time.Second), ContactedAt: at.Add(time.Minute),
		AttemptedHow: lead.Measured, Talk: sql.Null[int64]{Valid: true}, TalkHow: lead.Measured})
	for name, x := range map[string]struct {
		got  followup.Clock
		want int64
		how  lead.Evidence
	}{"offer": {c.TimeToOffer, 0, lead.Seen}, "accept": {c.TimeToAccept, 3000, lead.Seen}, "lead": {c.SpeedToLead, 2000, lead.Measured},
		"contact, of a row without a grade": {c.TimeToContact, 60000, lead.Said}, "talk": {c.TalkTime, 0, lead.Measured}} {
		if x.got.MS == nil || *x.got.MS != x.want || x.got.How != x.how {
			t.Errorf("%s: %+v, want %d, %s", name, x.got, x.want, x.how)
		}
	}
	if c.WrapUp != none || followup.ClocksOf(leads.Lead{History: true, CreatedAt: at, AttemptedAt: at}).SpeedToLead != none {
		t.Error("what nothing measured has a value")
	}
	if c.FirstResponse != none {
		t.Error("an attempt before the acceptance answers it")
	}
}

func TestReason(t *testing.T) {
	for in, want := range map[string]string{"": "", "Too expensive": "too-expensive", " on_holiday ": "on-holiday", "speaks-tamil": "speaks-tamil"} {
		if got, ok := followup.Reason(in); !ok || got != want {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
	for _, bad := range []string{"call +44 20 7946 0123", "asha@example.com", "no.", "naïve", "a\x00b", strings.Repeat("a", 41), "zwei\nzeilen"} {
		if got, ok := followup.Reason(bad); ok {
			t.Errorf("%q is a reason: %q", bad, got)
		}
	}
}

func FuzzReason(f *testing.F) {
	f.Add("Too expensive")
	f.Add("+44 20 7946 0123")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := followup.Reason(s)
		if !ok {
			return
		}
		if again, ok := followup.Reason(got); !ok || again != got {
			t.Errorf("%q gives %q, and that %q", s, got, again)
		}
		if len(got) > 40 || strings.ContainsAny(got, "0123456789@+. \n") {
			t.Errorf("%q gives %q", s, got)
		}
	})
}

func TestDefaultStageIsTheFirstByPlace(t *testing.T) {
	a, b := lead.NewStageID(), lead.NewStageID()
	stages := []setup.Stage{{ID: a, Category: lead.Won, Place: 7}, {ID: b, Category: lead.Won, Place: 3}, {Category: lead.New, Place: 1}}
	if s, ok := followup.Default(stages, lead.Won); !ok || s.ID != b {
		t.Errorf("%v, %v", s, ok)
	}
	if _, ok := followup.Default(stages, lead.Dropped); ok {
		t.Error("a category without a stage has a default")
	}
}

func TestCheckNote(t *testing.T) {
	if f := followup.CheckNote("text", "two lines\nand a\ttab"); f != nil {
		t.Errorf("%+v", f)
	}
	for text, want := range map[string]string{" \n": "required", strings.Repeat("a", followup.MaxNote+1): "too_long", "a\xff": "bad_utf8", "a\x00b": "control_characters", "a\u009bb": "control_characters"} {
		if f := followup.CheckNote("text", text); f == nil || f.Code != want {
			t.Errorf("want %s, got %+v", want, f)
		}
	}
}
