package capture_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"catchment/internal/capture"
	"catchment/internal/clocktest"
	"catchment/internal/journal"
	"catchment/internal/limits"
)

func TestAnAccountHasItsLimit(t *testing.T) {
	c := clocktest.At(time.Now())
	l := limits.New(limits.Rates{Leads: limits.Rate{N: 1, Per: 2 * time.Second, Burst: 3}}, []byte("secret"), c.Now)
	h := newHouse(t, change{door: func(o *capture.Options) { o.Limits = l }})
	want := func(what string, q request, status int) answer {
		t.Helper()
		got := h.send(t, q)
		if got.StatusCode != status {
			t.Fatalf("%s: %d %s", what, got.StatusCode, got.text)
		}
		return got
	}
	form := request{path: h.form("site"), body: "tel=%2B442079460001", header: pairs([]string{"Accept", "application/json"})}
	batch := func(body string) request { return request{path: "/v1/leads:batch", body: body} }
	want("the first", post(goodLead), 202)
	want("a form", form, 202)
	want("a batch of four, of which one fits", batch("["+strings.Repeat(goodLead+",", 3)+goodLead+"]"), 429)
	want("the third", post(goodLead), 202)
	stored := h.journal.Stats().Appended
	got := want("the fourth", post(goodLead), 429)
	if got.Header.Get("Retry-After") != "2" || got.problem.Code != "too_many_requests" {
		t.Errorf("Retry-After %q, %s", got.Header.Get("Retry-After"), got.text)
	}
	want("a form", form, 429)
	want("a batch", batch("["+goodLead+"]"), 429)
	if now := h.journal.Stats().Appended; now != stored {
		t.Errorf("%d refused leads were stored", now-stored)
	}
	want("another account", post(`{"source":"elsewhere","person":{"phone":"+442079460001"}}`, "Authorization", "Bearer "+otherSecret), 202)
	c.Pass(2*time.Second - time.Millisecond)
	want("a millisecond before Retry-After", post(goodLead), 429)
	c.Pass(time.Millisecond)
	want("after Retry-After", post(goodLead), 202)
}

// holding is a journal whose commits take as long as the test wants.
type holding struct {
	capture.Journal
	came chan struct{}
	free chan struct{}
}

func (j *holding) Append(ctx context.Context, e journal.Entry) (journal.Ack, error) {
	j.came <- struct{}{}
	<-j.free
	return j.Journal.Append(ctx, e)
}

// While one account's flood waits for its commits, another finds a place.
func TestOneAccountDoesNotTakeAllPlaces(t *testing.T) {
	const flood = 900 // of 1,024 places one account has 768
	slow := &holding{came: make(chan struct{}, flood+1), free: make(chan struct{})}
	h := newHouse(t, change{door: func(o *capture.Options) { slow.Journal, o.Journal = o.Journal, slow }})
	door := h.door.Handler()
	send := func(token, source string) int {
		r := httptest.NewRequest("POST", "/v1/leads", strings.NewReader(`{"source":"`+source+`","person":{"phone":"+442079460001"}}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		return w.Code
	}
	codes := make(chan int, flood)
	for range flood {
		go func() { codes <- send(secret, "site") }()
	}
	for range 768 {
		<-slow.came
	}
	for range flood - 768 { // no more of its own are let in
		if got := <-codes; got != 503 {
			t.Fatalf("one more than its share: %d", got)
		}
	}
	other := make(chan int)
	go func() { other <- send(otherSecret, "elsewhere") }()
	<-slow.came // it is at the journal while the flood still waits
	close(slow.free)
	if got := <-other; got != 202 {
		t.Errorf("the other account got %d", got)
	}
	for range 768 {
		if got := <-codes; got != 202 {
			t.Errorf("within its share: %d", got)
		}
	}
}
