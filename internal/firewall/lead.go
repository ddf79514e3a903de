package firewall

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"catchment/internal/account"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Lead returns the rules that speak of what a lead of the account's source says, and of
// the headers that are kept with it; none when there is nothing to say. It
// waits for no more than a moment: under an attack each source has its turns,
// and what finds none is not judged, which its verdict says.
func (j *Judge) Lead(ctx context.Context, of account.ID, source account.SourceID, sub *submission.Submission, userAgent, referer string) []int {
	if j == nil {
		return nil
	}
	values := j.Suspicious(Values(sub))
	heads := j.clean.unknown(j, userAgent, referer)
	if len(values)+len(heads) == 0 {
		j.counts.inert.Add(1)
		return nil
	}
	if !j.turns.Enter(ctx, source, 1) {
		j.counts.unjudged.Add(1)
		return []int{Unjudged}
	}
	defer j.turns.Leave(source, 1)
	ids := j.Verdict(append(values, heads...))
	if len(ids) == 0 {
		j.clean.learn(heads)
	}
	j.counts.verdict(ids)
	j.Lookout.hit(Sample{Door: AtCapture, Rules: ids, Account: of})
	return ids
}

// Values are all texts of a submission that its sender could choose.
func Values(s *submission.Submission) []string {
	var out []string
	add := func(all ...vault.Personal) {
		for _, p := range all {
			if !p.Empty() {
				out = append(out, reveal.Text(p))
			}
		}
	}
	add(s.Person.Name, s.Person.Phone, s.Person.Email, s.Message, s.Attribution.LandingPage, s.Attribution.Referrer, s.Consent.Text, s.Consent.GivenText)
	for _, p := range s.Attribution.Params {
		out = append(out, p.Value)
	}
	out = append(append(out, s.Consent.Version), s.Consent.Channels...)
	for _, f := range s.Custom {
		out = append(append(out, f.Name), texts(reveal.Text(f.Value()))...)
	}
	return out
}

// texts are the strings of a custom field's JSON, which is a string, number or
// bool, or an array of those.
func texts(value string) []string {
	var one string
	var many []any
	switch {
	case value == "":
		return nil
	case value[0] == '"' && json.Unmarshal([]byte(value), &one) == nil:
		return []string{one}
	case value[0] == '[' && json.Unmarshal([]byte(value), &many) == nil:
		var out []string
		for _, x := range many {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return []string{value} // a number or a bool has no other letters
}

// headers remembers, by hash, which headers' values nothing was said of: there
// are few browsers, and none of their names is inert.
type headers struct {
	mu   sync.RWMutex
	seed maphash.Seed
	seen map[uint64]struct{}
}

const mostHeaders = 4096

// unknown returns those that are neither inert nor known.
func (h *headers) unknown(j *Judge, values ...string) (out []string) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, v := range values {
		if v != "" && !h.knows(v) {
			out = append(out, v)
		}
	}
	return j.Suspicious(out)
}

// knows reports whether nothing was said of it. The caller holds the lock.
func (h *headers) knows(v string) bool {
	if h.seen == nil {
		return false
	}
	_, ok := h.seen[maphash.String(h.seed, v)]
	return ok
}

func (h *headers) learn(values []string) {
	if len(values) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil || len(h.seen) >= mostHeaders { // by a new seed, so that nobody finds a hash that stays
		h.seed, h.seen = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	for _, v := range values {
		h.seen[maphash.String(h.seed, v)] = struct{}{}
	}
}

// counts are what Stats tells.
type counts struct {
	inert, judged, spoke, unjudged atomic.Uint64
	mu                             sync.Mutex
	rules                          map[int]uint64
}

func (c *counts) verdict(ids []int) {
	c.judged.Add(1)
	if len(ids) == 0 {
		return
	}
	c.spoke.Add(1)
	c.hit(ids)
}

// mostRules bounds what is counted by rule; the set has fewer.
const mostRules = 2000

func (c *counts) hit(ids []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rules == nil {
		c.rules = map[int]uint64{}
	}
	for _, id := range ids {
		if _, ok := c.rules[id]; ok || len(c.rules) < mostRules {
			c.rules[id]++
		}
	}
}

// byRule copies the counts.
func (c *counts) byRule() map[int]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[int]uint64, len(c.rules))
	for id, n := range c.rules {
		out[id] = n
	}
	return out
}

// Stats counts leads since the start.
type Stats struct {
	Inert, Judged, Spoke, Unjudged uint64
	Rules                          map[int]uint64 // how often each spoke
}

// Stats gives the counts; zeros of a nil Judge.
func (j *Judge) Stats() Stats {
	if j == nil {
		return Stats{}
	}
	c := &j.counts
	return Stats{c.inert.Load(), c.judged.Load(), c.spoke.Load(), c.unjudged.Load(), c.byRule()}
}
