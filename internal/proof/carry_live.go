package proof

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	liveRows  = 20_000 // at most; each is offered, which costs more than history
	liveTeam  = 20
	liveEvery = 200 * time.Millisecond // a lead is captured
	liveAlone = 25                     // leads that are captured before the import
)

// live brings a file in as if its rows were captured, captures leads at the
// door of the same project meanwhile, and kills the program in the middle.
func (c *carriage) live(ctx context.Context, rows int) error {
	rows = min(rows, liveRows)
	s, err := c.i.site(ctx, liveTeam)
	if err != nil {
		return err
	}
	alone, err := c.captured(ctx, s, "alone", func(n int) bool { return n < liveAlone })
	if err != nil {
		return err
	}
	was := c.source
	defer func() { c.source = was }()
	c.source = s.source
	m, err := c.send(ctx, "live", c.people("run", rows))
	if err != nil {
		return err
	}
	if err := c.api.post(ctx, "/v1/imports/"+m.ID+"/start", nil, nil); err != nil {
		return err
	}
	beside, err := c.captured(ctx, s, "beside", func(n int) bool {
		return c.api.get(ctx, "/v1/imports/"+m.ID, &m) == nil && m.State == "running" && m.Done < int64(rows)/2
	})
	if err != nil {
		return err
	}
	if err := c.untilSeen(ctx, beside); err != nil { // what a kill adds to a wait is not the file's doing
		return err
	}
	if err := c.api.get(ctx, "/v1/imports/"+m.ID, &m); err != nil {
		return err
	}
	c.i.kill()
	c.t.check(c.label+"live: the kill came in the middle", m.State == "running" && m.Done < int64(rows), "%d of %d rows done", m.Done, rows)
	if err := c.i.again(ctx); err != nil {
		return err
	}
	if m, err = c.follow(ctx, m.ID, -1); err != nil {
		return err
	}
	c.t.check(c.label+"live: it went on after the kill", m.State == "done" && m.Taken == int64(rows-carryUnread) && m.Duplicates == 0,
		"%d taken, %d refused, %d duplicates", m.Taken, m.Refused, m.Duplicates)
	if _, err := c.i.drain(ctx, 5*time.Minute); err != nil {
		return err
	}
	if err := c.outcomes(ctx, m.ID, map[string]int{"created": rows - carryUnread, "refused": carryUnread}); err != nil {
		return err
	}
	if err := c.counted(ctx, "live, with what was captured", rows-carryUnread+len(alone)+len(beside)); err != nil {
		return err
	}
	return c.fair(ctx, alone, beside)
}

// untilSeen waits until the newest of the captured leads was offered.
func (c *carriage) untilSeen(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return c.i.wait(ctx, 30*time.Second, "the offer of a captured lead", func() bool {
		done, _, err := c.waits(ctx, ids[len(ids)-1:])
		return err == nil && len(done) == 1
	})
}

// captured posts leads at the door as long as more says so, and returns their
// enquiries' ids.
func (c *carriage) captured(ctx context.Context, s site, tag string, more func(n int) bool) (ids []string, err error) {
	door := c.i.api(c.i.world.Accounts[0].PublishableKey)
	for n := 0; more(n); n++ {
		var a struct {
			ID string `json:"id"`
		}
		in := map[string]any{"source": s.source, "person": map[string]string{"name": "Captured Meanwhile", "email": fmt.Sprintf("%s.%d@door.example", tag, n)}}
		if err := door.post(ctx, "/v1/leads", in, &a); err != nil {
			return ids, err
		}
		ids = append(ids, a.ID)
		if err := pause(ctx, liveEvery); err != nil {
			return ids, err
		}
	}
	return ids, nil
}

// fair compares how long captured leads waited for their offer before and
// during the import. Both are what the server measured, from the door on.
func (c *carriage) fair(ctx context.Context, alone, beside []string) error {
	before, _, err := c.waits(ctx, alone)
	if err != nil {
		return err
	}
	during, never, err := c.waits(ctx, beside)
	if err != nil {
		return err
	}
	if len(before) == 0 || len(during) == 0 {
		c.t.check(c.label+"captured leads are offered while a file comes in", false, "%d before, %d during, %d never", len(before), len(during), never)
		return nil
	}
	half, most := during[len(during)/2], during[len(during)-1]
	c.t.figure(c.label+"a captured lead's time to offer, alone, median", float64(before[len(before)/2].Milliseconds()), "ms")
	c.t.figure(c.label+"… while a file comes in live, median", float64(half.Milliseconds()), "ms")
	c.t.figure(c.label+"… at its highest", float64(most.Milliseconds()), "ms")
	c.t.check(c.label+"captured leads do not wait behind the file", never == 0 && half < 5*time.Second,
		"%d leads, half within %d ms, all within %d ms; alone %d ms", len(during), half.Milliseconds(), most.Milliseconds(), before[len(before)/2].Milliseconds())
	return nil
}

// waits reads the clocks of leads by their enquiries, shortest first, and
// counts those that were never offered.
func (c *carriage) waits(ctx context.Context, enquiries []string) (out []time.Duration, never int, err error) {
	for _, id := range enquiries {
		var e seen
		if err := c.api.get(ctx, "/v1/enquiries/"+id, &e); err != nil {
			return nil, 0, err
		}
		var l struct {
			Clocks struct {
				Offer *int64 `json:"time_to_offer_ms"`
			} `json:"clocks"`
		}
		if err := c.api.call(ctx, http.MethodGet, "/v1/leads/"+e.LeadID, nil, &l); err != nil {
			return nil, 0, err
		}
		if l.Clocks.Offer == nil {
			never++
			continue
		}
		out = append(out, time.Duration(*l.Clocks.Offer)*time.Millisecond)
	}
	slices.Sort(out)
	return out, never, nil
}
