package capture_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/capture"
	"catchment/internal/limits"
)

// clock stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestAnAccountHasItsLimit(t *testing.T) {
	c := &clock{at: time.Now()}
	l := limits.New(limits.Rates{Leads: limits.Rate{N: 1, Per: 2 * time.Second, Burst: 3}}, []byte("secret"), c.now)
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
	c.add(2*time.Second - time.Millisecond)
	want("a millisecond before Retry-After", post(goodLead), 429)
	c.add(time.Millisecond)
	want("after Retry-After", post(goodLead), 202)
}
