package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
)

// Limits of pages.
const (
	pageEvents = 200             // read and written at once
	keptPages  = 128             // of all accounts
	keptFor    = 5 * time.Second // streams that keep up are closer together than this
	loadWithin = 10 * time.Second
)

// pages reads events for all streams of an account together: those that keep
// up ask for the same position at about the same time, and what stands at a
// position never changes. So the cost of an event in SQL does not grow with
// the number of people who listen.
type pages struct {
	db     *store.DB
	flight singleflight.Group

	mu    sync.Mutex
	kept  map[pageKey]*page
	order []pageKey // oldest first
}

type pageKey struct {
	account account.ID
	from    int64
}

// page is what stands from a position on. It is shared and not changed.
type page struct {
	told  []told
	next  int64
	reset bool
	read  time.Time
}

// told is an event with its text for the stream, and by what a right to its lead
// goes; of an event of a project alone, by the project.
type told struct {
	events.Event
	hold leads.Hold
	text []byte
}

func newPages(db *store.DB) *pages {
	return &pages{db: db, kept: map[pageKey]*page{}}
}

// at returns the page that begins at the position.
func (p *pages) at(ctx context.Context, s account.Scope, from int64) (*page, error) {
	key := pageKey{s.Account(), from}
	p.mu.Lock()
	known := p.kept[key]
	p.mu.Unlock()
	if known != nil && time.Since(known.read) < keptFor {
		return known, nil
	}
	out, shared, err := p.once(ctx, s, key)
	if err == nil && shared && len(out.told) == 0 {
		// That reading may have begun before what we were woken for.
		out, _, err = p.once(ctx, s, key)
	}
	return out, err
}

// once reads the page, or waits for who is reading it.
func (p *pages) once(ctx context.Context, s account.Scope, key pageKey) (out *page, shared bool, err error) {
	done := p.flight.DoChan(fmt.Sprint(key.account, key.from), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadWithin) // others wait for it, too
		defer cancel()
		return p.load(ctx, s, key)
	})
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return nil, r.Shared, r.Err
		}
		return r.Val.(*page), r.Shared, nil
	}
}

func (p *pages) load(ctx context.Context, s account.Scope, key pageKey) (*page, error) {
	out := &page{read: time.Now()}
	err := p.db.Read(ctx, s, func(tx *store.Tx) error {
		list, next, reset, err := events.Read(tx, key.from, pageEvents)
		if err != nil {
			return err
		}
		out.told, out.next, out.reset = nil, next, reset
		holds, err := holdsOf(tx, list)
		if err != nil {
			return err
		}
		for _, e := range list {
			text, err := line(e)
			if err != nil {
				return err
			}
			hold := holds[e.Lead]
			if e.Lead.IsZero() {
				hold.Project = e.Project
			}
			out.told = append(out.told, told{e.Event, hold, text})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(out.told) > 0 { // an empty page will have events soon
		p.keep(key, out)
	}
	return out, nil
}

func (p *pages) keep(key pageKey, out *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept[key] == nil {
		p.order = append(p.order, key)
	}
	p.kept[key] = out
	for len(p.order) > keptPages {
		delete(p.kept, p.order[0])
		p.order = p.order[1:]
	}
}

func holdsOf(tx *store.Tx, list []events.Positioned) (map[lead.ID]leads.Hold, error) {
	seen := map[lead.ID]bool{}
	var ids []lead.ID
	for _, e := range list {
		if !e.Lead.IsZero() && !seen[e.Lead] {
			seen[e.Lead] = true
			ids = append(ids, e.Lead)
		}
	}
	return leads.WorkHolds(tx, ids)
}

// line is an event as it goes over the wire.
func line(e events.Positioned) ([]byte, error) {
	data, err := json.Marshal(e.Event)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", e.Position, e.Kind, data)
	return b.Bytes(), nil
}
