package carry

import (
	"context"
	"time"

	"catchment/internal/journal"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
)

// A lead that is captured while a file comes in stands behind the file's rows
// that are in the journal just then. So only few are there at once: as many as
// intake takes, on this machine and at this hour, in about fairWait; and in a
// live import it waits a little for routing, which looks at the oldest first.
const (
	ahead     = 2 // groups of rows in the journal that intake has not taken yet
	fairWait  = 300 * time.Millisecond
	leastRows = 50 // of a group; fewer are hardly faster
	mostRows  = journal.MaxBatchEntries
	routeWait = 500 * time.Millisecond // at most: a project without people never decides
)

// given is a group of rows that went into the journal.
type given struct {
	last lead.EnquiryID
	at   time.Time
}

// pace is how large the groups are. Its zero value begins small.
type pace struct{ n int }

func (p *pace) rows() int {
	if p.n == 0 {
		return 2 * leastRows
	}
	return p.n
}

// took says how long a group stood in the journal, with the one before it; 0
// when it was taken before anybody looked.
func (p *pace) took(d time.Duration) {
	switch n := p.rows(); {
	case d > fairWait:
		p.n = max(n/2, leastRows)
	case d < fairWait/2:
		p.n = min(n*2, mostRows)
	}
}

// turn returns when the next group may go into the journal.
func (r *run) turn(ctx context.Context) error {
	if len(r.given) < ahead {
		return nil
	}
	g := r.given[0]
	r.given = r.given[1:]
	waited, err := r.wait(ctx, g.last)
	if err != nil {
		return err
	}
	if r.m.Mode == Live {
		late, err := r.waitForRouting(ctx)
		if err != nil {
			return err
		}
		waited = waited || late
	}
	took := time.Duration(0)
	if waited {
		took = time.Since(g.at)
	}
	r.pace.took(took)
	return nil
}

// wait returns when intake has written the enquiry, or set it aside, and
// whether it had not when it was first asked.
func (r *run) wait(ctx context.Context, id lead.EnquiryID) (waited bool, err error) {
	return r.poll(ctx, func(tx *store.Tx) (bool, error) {
		known, err := leads.EnquiryStates(tx, []lead.EnquiryID{id})
		return known[id] != "", err
	})
}

// waitForRouting returns when routing has looked at every lead that waits in
// the source's project, or does not get round to it.
func (r *run) waitForRouting(ctx context.Context) (waited bool, err error) {
	end := time.Now().Add(routeWait)
	return r.poll(ctx, func(tx *store.Tx) (bool, error) {
		fresh, err := leads.RouteWaitingPage(tx, r.plan.source.Project, false, leads.RouteFrom{}, 1)
		return len(fresh) == 0 || time.Now().After(end), err
	})
}

// poll asks until the answer is yes, ever less often.
func (r *run) poll(ctx context.Context, ask func(*store.Tx) (bool, error)) (waited bool, err error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		var yes bool
		err := r.c.DB.Read(ctx, r.scope, func(tx *store.Tx) (err error) {
			yes, err = ask(tx)
			return err
		})
		if err != nil || yes {
			return waited, err
		}
		waited = true
		select {
		case <-ctx.Done():
			return waited, ctx.Err()
		case <-time.After(pause):
		}
	}
}
