package proof

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

// hammer asks one node the same thing with one credential, over and over, and
// notes when it was let in.
type hammer struct {
	node         string
	a            *api
	method, path string
	body         func(n int) []byte // nil: none

	mu  sync.Mutex
	now hammered
}

// hammered is what a hammer was answered so far.
type hammered struct {
	accepted, refused int         // 2xx, 401
	flapped           int         // accepted after a refusal
	last              time.Time   // of the last answer that accepted
	codes             map[int]int // 0: none came
}

const (
	hammerPace     = 10 * time.Millisecond
	hammerPatience = 1500 * time.Millisecond // for one answer
)

// strike runs all until ctx ends; wait returns when they have ended.
func strike(ctx context.Context, all []*hammer) (wait func()) {
	var wg sync.WaitGroup
	for _, h := range all {
		wg.Go(func() { h.run(ctx) })
	}
	return wg.Wait
}

func (h *hammer) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		h.once(ctx, n)
		_ = pause(ctx, hammerPace)
	}
}

func (h *hammer) once(ctx context.Context, n int) {
	var body []byte
	if h.body != nil {
		body = h.body(n)
	}
	one, cancel := context.WithTimeout(ctx, hammerPatience)
	defer cancel()
	got, err := h.a.do(one, h.method, h.path, nil, body)
	if err != nil && ctx.Err() != nil {
		return // the end of the round cut it off
	}
	h.note(got.status, time.Now())
}

func (h *hammer) note(status int, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.now
	if s.codes == nil {
		s.codes = map[int]int{}
	}
	s.codes[status]++
	switch {
	case status >= 200 && status < 300:
		s.accepted++
		s.last = at
		if s.refused > 0 {
			s.flapped++
		}
	case status == http.StatusUnauthorized:
		s.refused++
	}
}

// forget begins anew with what counts as refused: a node has just learned of
// the credential, and now all accept it.
func (h *hammer) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.refused, h.now.flapped = 0, 0
}

func (h *hammer) state() hammered {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.now
	s.codes = maps.Clone(s.codes)
	return s
}

func (h *hammer) String() string { return fmt.Sprintf("%s %v", h.node, h.state().codes) }

func nameOf(i *instance) string { return filepath.Base(i.dir) }
