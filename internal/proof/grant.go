package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// proveGrant has support read by a grant while it is revoked: the next read
// fails, on every node, and with a copy of the database from before too; and the
// account has each opening.
func proveGrant(ctx context.Context, t *trial) error {
	err := t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e)
		if err != nil {
			return err
		}
		d := &deleting{t: t, i: i, label: string(e) + ": ", folder: filepath.Join(t.dir, string(e)+"-backups"), a: i.api(i.world.Accounts[0].SecretKey), none: true}
		return (&granting{deleting: d}).prove(ctx)
	})
	if err != nil {
		return err
	}
	return t.grantOnNodes(ctx)
}

// granting is the proof on its way.
type granting struct {
	*deleting
	support *api
}

// granted is a grant to the support.
type granted struct{ ID, State string }

func (g *granting) prove(ctx context.Context) error {
	c := g.i.world.Accounts[0]
	ada, err := g.enquire(ctx, c, "Ada Granted", 1)
	if err != nil {
		return err
	}
	bob, err := g.enquire(ctx, c, "Bob Withheld", 2)
	if err != nil {
		return err
	}
	if g.support, err = g.i.enter(ctx, g.i.world.Support); err != nil {
		return err
	}
	g.support.purpose = "ticket 4711"
	revoked, err := grant(ctx, g.a, ada.lead)
	if err != nil {
		return err
	}
	stays, err := grant(ctx, g.a, ada.lead)
	if err != nil {
		return err
	}
	if err := g.scope(ctx, revoked, ada, bob); err != nil {
		return err
	}
	if out, err := g.command(ctx, "backup", "--backup-to", g.folder); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := g.whileRead(ctx, revoked, ada); err != nil {
		return err
	}
	if err := g.again(ctx, true); err != nil {
		return err
	}
	g.support.base = g.i.url()
	return g.copied(ctx, revoked, stays, ada)
}

func grant(ctx context.Context, a *api, lead string) (out granted, err error) {
	var people struct{ Items []struct{ ID string } }
	if err := a.get(ctx, "/v1/grants/supporters", &people); err != nil {
		return out, err
	}
	if len(people.Items) == 0 {
		return out, errors.New("the platform has no support")
	}
	err = a.post(ctx, "/v1/grants", map[string]any{"to": people.Items[0].ID, "leads": []string{lead}, "fields": []string{"name", "phone"},
		"until": time.Now().Add(time.Hour), "reason": "a proof"}, &out)
	return out, err
}

// read opens a lead by a grant, and gives the status and whether the name was in
// the answer.
func readGranted(ctx context.Context, a *api, g granted, h human, name string) (status int, shown bool, err error) {
	r, err := a.do(ctx, http.MethodGet, "/v1/operator/grants/"+g.ID+"/leads/"+h.lead, nil, nil)
	return r.status, strings.Contains(string(r.body), name), err
}

// scope shows that the grant opens what it is for, and nothing beside.
func (g *granting) scope(ctx context.Context, of granted, ada, bob human) error {
	status, shown, err := readGranted(ctx, g.support, of, ada, "Ada Granted")
	if err != nil {
		return err
	}
	g.t.check(g.label+"control: support reads what was granted", status == 200 && shown, "%d", status)
	status, _, err = readGranted(ctx, g.support, of, bob, "Bob Withheld")
	if err != nil {
		return err
	}
	g.t.check(g.label+"a lead that was not granted is not there", status == 404, "%d", status)
	op, err := g.i.operator(ctx)
	if err != nil {
		return err
	}
	other := op.as(op.token)
	other.purpose = "ticket 4711"
	status, shown, err = readGranted(ctx, other, of, ada, "Ada Granted")
	if err != nil {
		return err
	}
	g.t.check(g.label+"somebody else of the platform does not see the grant", status == 404 && !shown, "%d", status)
	quiet := g.support.as(g.support.token)
	quiet.purpose = ""
	status, shown, err = readGranted(ctx, quiet, of, ada, "Ada Granted")
	g.t.check(g.label+"without a stated purpose nothing is opened", status == 422 && !shown, "%d", status)
	return err
}

// whileRead has support read again and again while the grant is revoked.
func (g *granting) whileRead(ctx context.Context, of granted, ada human) error {
	run, stop := context.WithCancel(ctx)
	defer stop()
	var answered atomic.Int64 // when the revocation was, in nanoseconds; 0: not yet
	type read struct {
		begun  time.Time
		status int
		shown  bool
	}
	var reads []read
	begun, done := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(done)
		for n := 0; run.Err() == nil; n++ {
			r := read{begun: time.Now()}
			var err error
			if r.status, r.shown, err = readGranted(run, g.support, of, ada, "Ada Granted"); err != nil {
				if run.Err() == nil {
					done <- err
				}
				return
			}
			reads = append(reads, r)
			if n == 20 {
				close(begun)
			}
			if at := answered.Load(); at != 0 && r.begun.UnixNano() > at && len(reads) > 40 {
				return
			}
		}
	}()
	select {
	case <-begun:
	case err := <-done:
		return err
	}
	began := time.Now()
	if err := g.a.post(ctx, "/v1/grants/"+of.ID+"/revoke", nil, nil); err != nil {
		return err
	}
	g.t.figure(g.label+"to revoke", ms(time.Since(began)), "ms")
	answered.Store(time.Now().UnixNano())
	if err := <-done; err != nil {
		return err
	}
	good, late, after := 1, 0, 0 // one was before
	for _, r := range reads {
		if r.status == 200 && r.shown {
			good++
		}
		if r.begun.UnixNano() > answered.Load() {
			after++
			if r.status != 403 || r.shown {
				late++
			}
		}
	}
	g.t.check(g.label+"support reads while it is revoked: no read that begins afterwards opens anything", late == 0 && after > 0 && good > 20, "%d reads opened before, %d began after, %d of them opened", good, after, late)
	var seen struct{ Items []struct{ ID string } }
	if err := g.a.get(ctx, "/v1/openings?limit=500&grant="+of.ID, &seen); err != nil {
		return err
	}
	// One may have been on its way: recorded, and without a key after it.
	g.t.check(g.label+"the account has each opening", len(seen.Items) == good || len(seen.Items) == good+1, "%d openings, %d reads", len(seen.Items), good)
	return nil
}

// copied looks at the database from before the revocation: by it the grant is
// open, and opens nothing. One that was not revoked is the control.
func (g *granting) copied(ctx context.Context, revoked, stays granted, ada human) error {
	var is granted
	if err := g.a.get(ctx, "/v1/grants/"+revoked.ID, &is); err != nil {
		return err
	}
	status, shown, err := readGranted(ctx, g.support, revoked, ada, "Ada Granted")
	if err != nil {
		return err
	}
	g.t.check(g.label+"with a copy of the database from before, by which the grant is open, the next read fails", is.State == "open" && status == 403 && !shown, "%s by the copy, %d", is.State, status)
	status, shown, err = readGranted(ctx, g.support, stays, ada, "Ada Granted")
	g.t.check(g.label+"control: without the destruction of its key the copy opens", status == 200 && shown, "%d", status)
	return err
}

// grantOnNodes revokes at one node, and reads at each of them.
func (t *trial) grantOnNodes(ctx context.Context) error {
	w, err := t.town(ctx, 1)
	if err != nil {
		return err
	}
	first := w.web[0]
	key := first.world.Accounts[0].SecretKey
	d := &deleting{t: t, i: first, a: first.api(key), door: w.doors[0].api(key)}
	ada, err := d.enquire(ctx, first.world.Accounts[0], "Ada Granted", 1)
	if err != nil {
		return err
	}
	of, err := grant(ctx, d.a, ada.lead)
	if err != nil {
		return err
	}
	support, err := first.enter(ctx, first.world.Support)
	if err != nil {
		return err
	}
	support.purpose = "ticket 4711"
	each := func() (good, refused int, err error) {
		for _, node := range w.web {
			support.base = node.url()
			status, shown, err := readGranted(ctx, support, of, ada, "Ada Granted")
			if err != nil {
				return 0, 0, err
			}
			if status == 200 && shown {
				good++
			}
			if status == 403 && !shown {
				refused++
			}
		}
		return good, refused, nil
	}
	good, _, err := each()
	if err != nil {
		return err
	}
	t.check("nodes: control: every node opens by the grant", good == len(w.web) && good > 1, "%d of %d", good, len(w.web))
	if err := d.a.post(ctx, "/v1/grants/"+of.ID+"/revoke", nil, nil); err != nil {
		return err
	}
	_, refused, err := each()
	t.check("nodes: revoked at one node, the next read fails on every node", refused == len(w.web), "%d of %d", refused, len(w.web))
	return err
}
