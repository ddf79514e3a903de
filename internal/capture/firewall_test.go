package capture_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"catchment/internal/account"
	"catchment/internal/capture"
	"catchment/internal/firewall"
	"catchment/internal/submission"
)

func guarded(j capture.Judge) change {
	return change{door: func(o *capture.Options) { o.Firewall = j }}
}

// An attack is taken like any other lead, and its verdict goes with it: numbers
// of rules, by every way in.
func TestAttacksAreTakenWithAVerdict(t *testing.T) {
	h := newHouse(t, guarded(firewall.NewJudge(firewall.Settings{})))
	lead := func(message string) string {
		return fmt.Sprintf(`{"source":"site","person":{"name":"Ada Example","phone":"+44 20 7946 0123"},"message":%q}`, message)
	}
	const sql, script = "1' or '1'='1", "<script>alert(1)</script>"
	h.take(t, post(lead("Please call after six.")))
	h.take(t, post(lead("I'm free on Monday; isn't that good?")))
	h.take(t, post(lead(sql)))
	h.take(t, post(lead("Please call."), "User-Agent", sql))
	if a := h.send(t, request{path: "/v1/leads:batch", body: "[" + lead("Call me.") + "," + lead(script) + "]", header: map[string]string{"Authorization": "Bearer " + secret, "Content-Type": "application/json"}}); a.StatusCode != 202 {
		t.Fatal(a.StatusCode, string(a.text))
	}
	if a := h.send(t, request{path: h.form("site"), body: "name=Ada&phone=%2B442079460123&message=%3Cscript%3Ealert(1)%3C%2Fscript%3E", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}); a.StatusCode != 303 {
		t.Fatal(a.StatusCode, string(a.text))
	}
	want := []int{0, 0, 942100, 942100, 0, 941110, 941110}
	all := h.all(t)
	if len(all) != len(want) {
		t.Fatalf("%d entries", len(all))
	}
	for i, s := range all {
		if rules := s.Verdict.Rules(); (len(rules) > 0) != (want[i] != 0) || want[i] != 0 && !slices.Contains(rules, want[i]) {
			t.Errorf("%d: %v, want %d", i, rules, want[i])
		}
	}
	if n := h.door.Stats().Suspicious.Load(); n != 4 {
		t.Errorf("counted %d", n)
	}
}

type always []int

func (a always) Lead(context.Context, account.ID, account.SourceID, *submission.Submission, string, string) []int {
	return a
}

// Whatever the verdict, the answer and the receipt are the same.
func TestAVerdictRefusesNothing(t *testing.T) {
	h := newHouse(t, guarded(always(make([]int, 100))))
	a := h.take(t, post(goodLead))
	h.verify(t, a, goodLead)
}
