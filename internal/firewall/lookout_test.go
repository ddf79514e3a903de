package firewall

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/clocktest"
	"catchment/internal/submission"
)

func leadOf(t *testing.T, message string) *submission.Submission {
	t.Helper()
	sub, err := submission.Decode(submission.AsJSON, "", fmt.Appendf(nil, `{"source":"site","person":{"name":"Ada Example","email":"ada@example.com"},"message":%q}`, message), nil)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// kinds are what stands, apart by commas.
func kinds(l *Lookout) string {
	var out []string
	all, _ := l.Alarms()
	for _, a := range all {
		if a.EndedAt.IsZero() {
			out = append(out, string(a.Kind))
		}
	}
	return strings.Join(out, ",")
}

func newLookout() (*Lookout, *clocktest.Clock, *int) {
	clock, told := clocktest.At(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), new(int)
	return NewLookout(clock.Now, func(Alarm) { *told++ }), clock, told
}

// Far more than usual is a burst; a busy day as usual is none. It ends by itself.
func TestBurst(t *testing.T) {
	l, clock, told := newLookout()
	for range 180 { // control: one a minute, of several accounts, for three hours
		l.hit(Sample{Door: AtCapture, Rules: []int{942100}, Account: account.NewID()})
		clock.Pass(time.Minute)
	}
	if kinds(l) != "" || *told != 0 {
		t.Fatal("quiet traffic raises", kinds(l))
	}
	for n := range 100 {
		l.hit(Sample{Door: AtCapture, Rules: []int{942100}, Account: account.NewID()})
		if got := kinds(l); n < 40 && got != "" || n > 60 && got != "burst" {
			t.Fatalf("%d hits: %q", n+1, got)
		}
	}
	if *told != 1 {
		t.Errorf("told %d times of one", *told)
	}
	clock.Pass(calm - time.Second)
	if kinds(l) != "burst" {
		t.Error("it ended too soon")
	}
	clock.Pass(time.Second)
	all, _ := l.Alarms()
	if kinds(l) != "" || len(all) != 1 || !all[0].EndedAt.Equal(clock.Now()) || all[0].Hits < 40 {
		t.Errorf("it does not settle: %+v", all)
	}
	clock.Pass(keepOver)
	if all, _ := l.Alarms(); len(all) != 0 {
		t.Errorf("it stays for ever: %+v", all)
	}
}

// A door where a hundred hits in five minutes are usual is not alarmed at the next.
func TestWhatIsUsualIsNoBurst(t *testing.T) {
	l, clock, _ := newLookout()
	for minute := range 120 {
		for range 20 {
			l.hit(Sample{Door: AtOthers, Rules: []int{930100}})
		}
		clock.Pass(time.Minute)
		if minute >= 60 && kinds(l) != "" {
			t.Fatalf("minute %d: %s", minute, kinds(l))
		}
	}
}

func TestOneAccountIsAimedAt(t *testing.T) {
	l, _, _ := newLookout()
	of := account.NewID()
	for range aimLeast - 1 {
		l.hit(Sample{Door: AtCapture, Rules: []int{941100}, Account: of})
	}
	if got := kinds(l); got != "" {
		t.Fatal(got)
	}
	l.hit(Sample{Door: AtCapture, Rules: []int{941100}, Account: of})
	all, last := l.Alarms()
	if kinds(l) != "one_account" || all[0].Account != of {
		t.Errorf("%+v", all)
	}
	if len(last) != mostSamples || last[0].Account != of {
		t.Errorf("%d samples", len(last))
	}
	// Control: as many that are aimed at everybody.
	l, _, _ = newLookout()
	for range 10 {
		a := account.NewID()
		for range 4 {
			l.hit(Sample{Door: AtCapture, Rules: []int{941100}, Account: a})
		}
	}
	if got := kinds(l); got != "" {
		t.Error("of all accounts:", got)
	}
}

func TestARuleNeverSeenBefore(t *testing.T) {
	l, clock, told := newLookout()
	l.hit(Sample{Door: AtCapture, Rules: []int{942100}})
	clock.Pass(learning)
	l.hit(Sample{Door: AtCapture, Rules: []int{942100}})
	l.hit(Sample{Door: AtCapture, Rules: []int{TooLarge}})
	if kinds(l) != "" {
		t.Fatal("what is known raises", kinds(l))
	}
	l.hit(Sample{Door: AtOthers, Rules: []int{932100, 942100}})
	if all, _ := l.Alarms(); kinds(l) != "new_rule" || all[0].Rule != 932100 || *told != 1 {
		t.Fatalf("%+v", all)
	}
	clock.Pass(calm)
	l.hit(Sample{Door: AtOthers, Rules: []int{932100}})
	if kinds(l) != "" {
		t.Error("it is known now, and raises", kinds(l))
	}
}

// Both doors tell the lookout, of numbers alone.
func TestDoorsTellTheLookout(t *testing.T) {
	l, _, _ := newLookout()
	j, g := newJudge(t), NewGuard(Settings{})
	j.Lookout, g.Lookout = l, l
	of := account.NewID()
	if ids := j.Lead(t.Context(), of, account.NewSourceID(), leadOf(t, "1' or '1'='1"), "", ""); len(ids) == 0 {
		t.Fatal("no rule spoke")
	}
	r := httptest.NewRequest("GET", "/v1/leads?cursor=../../../etc/passwd", nil)
	if ids, err := g.Look(t.Context(), netip.Prefix{}, "the-reference", r, nil); err != nil || len(ids) == 0 {
		t.Fatal(ids, err)
	}
	j.Lead(t.Context(), of, account.NewSourceID(), leadOf(t, "Call me."), "", "") // control
	_, last := l.Alarms()
	if len(last) != 2 || last[0].Door != AtOthers || last[0].Reference != "the-reference" || last[1].Account != of || last[1].Door != AtCapture {
		t.Errorf("%+v", last)
	}
}
