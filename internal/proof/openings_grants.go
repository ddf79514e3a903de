package proof

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"catchment/internal/account"
)

// grantOne lets the support open one or two leads, and some of their fields.
func (w *walk) grantOne(ctx context.Context) error {
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	fields := []string{"name", "phone", "email", "message", "note"}
	w.rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return w.grantOf(ctx, p, fields[:1+w.rng.IntN(len(fields))])
}

func (w *walk) grantOf(ctx context.Context, p *enquirer, fields []string) error {
	support := w.named("support")
	var made struct{ ID string }
	err := w.admin.post(ctx, "/v1/grants", map[string]any{"to": support.id, "leads": []string{p.deal.lead}, "fields": fields, "until": time.Now().Add(time.Hour), "reason": "walk"}, &made)
	if err != nil {
		return permitted(err)
	}
	w.grants[made.ID] = &opened{id: made.ID, to: support, leads: set(p.deal.lead), fields: slices.Clone(fields)}
	return nil
}

// endGrant ends one that is open, if there is one; support asks for what it was for before
// and after.
func (w *walk) endGrant(ctx context.Context, end func(context.Context, *opened) error) error {
	for _, id := range slices.Sorted(maps.Keys(w.grants)) {
		if g := w.grants[id]; !g.over {
			if err := w.readGranted(ctx, g); err != nil {
				return err
			}
			if err := end(ctx, g); err != nil {
				return err
			}
			g.over = true
			return w.readGranted(ctx, g)
		}
	}
	return nil
}

// readGranted asks for each lead of the grant, as who it is to.
func (w *walk) readGranted(ctx context.Context, g *opened) error {
	for _, r := range w.m.routes {
		for _, p := range w.people {
			if r.name == "operator-open-lead" && g.leads[p.deal.lead] {
				if err := w.askGranted(ctx, g, r, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// askGranted is ask, by this grant and no other.
func (w *walk) askGranted(ctx context.Context, g *opened, r route, p *enquirer) error {
	w.requests++
	asking := g.to.api.as(g.to.api.token)
	asking.purpose = fmt.Sprintf("walk %d", w.requests)
	got, err := asking.do(ctx, http.MethodGet, "/v1/operator/grants/"+g.id+"/leads/"+p.deal.lead, nil, nil)
	if err != nil {
		return err
	}
	return w.judge(ctx, g.to, r, p, map[string]string{"grant": g.id, "lead": p.deal.lead}, asking.purpose, nil, got)
}

func (w *walk) revoke(ctx context.Context, g *opened) error {
	return w.admin.post(ctx, "/v1/grants/"+g.id+"/revoke", nil, nil)
}

// lapse lets the grant's time be over: a proof cannot wait for it.
func (w *walk) lapse(ctx context.Context, g *opened) error {
	id, err := account.ParseGrantID(g.id)
	if err != nil {
		return err
	}
	db, err := w.i.writable()
	if err != nil {
		return err
	}
	defer db.Close()
	ago := time.Now().Add(-time.Second).UnixMicro()
	res, err := db.ExecContext(ctx, `UPDATE access_grant SET starts_at = $1, ends_at = $2 WHERE grant_id = $3`, ago-int64(time.Hour/time.Microsecond), ago, id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d grants were changed: %v", n, err)
	}
	return nil
}

// breakGlass has one operator ask for somebody's lead in an emergency, and the
// other approve.
func (w *walk) breakGlass(ctx context.Context) error {
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	op := w.named("operator")
	if w.second == nil {
		if w.second, err = w.i.enter(ctx, w.i.world.Second); err != nil {
			return err
		}
	}
	fields := []string{pick(w.rng, []string{"name", "phone", "email", "message", "note"})}
	var asked struct{ ID string }
	if err := op.api.post(ctx, "/v1/operator/approvals", map[string]any{"kind": "break-glass", "account_id": w.m.a.ID, "leads": []string{p.deal.lead}, "fields": fields,
		"minutes": 15, "purpose": "walk"}, &asked); err != nil {
		return err
	}
	if err := w.second.post(ctx, "/v1/operator/approvals/"+asked.ID+"/approve", nil, nil); err != nil {
		return err
	}
	var is string
	err = w.i.wait(ctx, stillToCome, "the grant of an approval", func() bool {
		_ = pages(ctx, op.api, "/v1/operator/approvals", func(a struct {
			ID    string `json:"id"`
			Grant string `json:"grant_id"`
		}) {
			if a.ID == asked.ID {
				is = a.Grant
			}
		})
		return is != ""
	})
	if err != nil {
		return err
	}
	g := &opened{id: is, to: op, leads: set(p.deal.lead), fields: fields}
	w.grants[g.id] = g
	return w.readGranted(ctx, g)
}

// heard are live streams that are followed, and what came by each.
type heard struct {
	stop func()
	all  []*stream
	done sync.WaitGroup
}

type stream struct {
	who *credential
	mu  sync.Mutex
	got bytes.Buffer
}

func (s *stream) text() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.got.Bytes())
}

// follow begins to follow the live stream as several people.
func (w *walk) follow(ctx context.Context) (*heard, error) {
	ctx, cancel := context.WithCancel(ctx)
	h := &heard{}
	h.stop = func() { cancel(); h.done.Wait() }
	for _, name := range []string{"key: manager", "salesperson", "own role, teams", "auditor", w.dan.name} {
		s := &stream{who: w.named(name)}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.m.base.base+"/v1/events", nil)
		if err != nil {
			h.stop()
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+s.who.api.token)
		resp, err := (&http.Client{Transport: s.who.api.http.Transport}).Do(r)
		if err != nil {
			h.stop()
			return nil, err
		}
		h.all = append(h.all, s)
		h.done.Go(func() {
			defer resp.Body.Close()
			for lines := bufio.NewReader(resp.Body); ; {
				line, err := lines.ReadBytes('\n')
				s.mu.Lock()
				s.got.Write(line)
				s.mu.Unlock()
				if err != nil {
					return // it was stopped, or refused, or ended with a role
				}
			}
		})
	}
	return h, nil
}

// hear waits until the stream has told of somebody who comes now, ends the streams, and judges
// them: no event has a text.
func (w *walk) hear(ctx context.Context, h *heard) error {
	defer h.stop()
	if err := w.comes(ctx, w.north, ""); err != nil {
		return err
	}
	last := []byte(w.people[len(w.people)-1].deal.enquiry)
	if err := w.i.wait(ctx, stillToCome, "the event of an enquiry", func() bool { return bytes.Contains(h.all[0].text(), last) }); err != nil {
		return err
	}
	h.stop()
	for _, s := range h.all {
		if err := w.overhear(s); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) overhear(s *stream) error {
	text := s.text()
	w.streamed += len(text)
	finds, err := w.look(answer{body: text}, nil)
	for _, f := range finds {
		w.faults = append(w.faults, fmt.Sprintf("GET /v1/events as %s: %s of lead %s", s.who.name, f.field, f.of.deal.lead))
	}
	return err
}

// showcase is somebody on offer and somebody with an owner, with a note, a visit and all
// else that can be read, granted to the support.
func (w *walk) showcase(ctx context.Context) error {
	for _, how := range []string{"owned", "offered"} {
		if err := w.comes(ctx, w.north, ""); err != nil {
			return err
		}
		p := w.people[len(w.people)-1]
		if how == "owned" {
			if err := w.admin.post(ctx, "/v1/leads/"+p.deal.lead+"/transfer", map[string]any{"to": w.north.seller.id, "reason": "walk"}, nil); err != nil {
				return err
			}
		}
		if err := w.writeOf(ctx, p, "note", "notes", nil); err != nil {
			return err
		}
		if err := w.writeOf(ctx, p, "place", "visits", map[string]any{"at": time.Now().Add(time.Hour)}); err != nil {
			return err
		}
		var made struct{ ID string }
		if err := w.admin.post(ctx, "/v1/subject-requests", map[string]any{"kind": "access", "person_id": p.deal.person}, &made); err != nil {
			return err
		}
		p.request = made.ID
		if err := w.grantOf(ctx, p, []string{"name", "phone", "email", "message", "note"}); err != nil {
			return err
		}
		if err := w.admin.call(ctx, http.MethodPatch, "/v1/persons/"+p.deal.person, map[string]any{"name": p.texts["name"][0] + " again"}, nil); err != nil {
			return err
		}
	}
	_, err := w.i.drain(ctx, stillToCome)
	return err
}
