package proof

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// controls tries what must be noticed: each puts another door before the
// instance, or says something else of a role than is so.
func (w *walk) controls(ctx context.Context, label string) error {
	owned, offered := w.people[len(w.people)-2], w.people[len(w.people)-1]
	lead := w.routeNamed("get-lead")
	open := w.named("manager")
	if err := w.control(ctx, label+"control: a route that answers without an entry is found", "nothing on the record", func(ctx context.Context) error {
		kept, err := open.api.do(ctx, http.MethodGet, "/v1/leads/"+owned.deal.lead, nil, nil)
		if err != nil {
			return err
		}
		return w.through(ctx, open, lead, owned, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(kept.body) })
	}); err != nil {
		return err
	}
	if err := w.control(ctx, label+"control: an entry in somebody else's name is found", "nothing on the record", func(ctx context.Context) error {
		return w.through(ctx, open, lead, owned, func(rw http.ResponseWriter, r *http.Request) { pass(rw, r, w.admin, r.URL.RequestURI()) })
	}); err != nil {
		return err
	}
	if err := w.control(ctx, label+"control: a policy that lets too much is found", "not theirs to have", func(ctx context.Context) error {
		manager := w.named("manager")
		was := manager.standing
		manager.role, manager.grants = "", map[string]string{"leads:read": reachAll} // and not persons:open
		defer func() { manager.standing = was }()
		return w.ask(ctx, manager, lead, owned)
	}); err != nil {
		return err
	}
	if err := w.control(ctx, label+"control: a door that masks nothing is found", "it is on offer, and the account masks", func(ctx context.Context) error {
		w.masks = true
		defer func() { w.masks = false }()
		return w.ask(ctx, w.named("salesperson"), lead, offered)
	}); err != nil {
		return err
	}
	if err := w.control(ctx, label+"control: a grant that is not looked at after its end is found", "the grant is over", func(ctx context.Context) error {
		return w.overlooked(ctx, owned)
	}); err != nil {
		return err
	}
	return w.control(ctx, label+"control: an event with a text in it is found", "GET /v1/events", func(context.Context) error {
		s := &stream{who: open}
		s.got.WriteString(`data: {"kind":"note.added","text":"` + strings.ToUpper(owned.texts["note"][0]) + "\"}\n")
		return w.overhear(s)
	})
}

// control runs the sabotage, and wants faults of the kind.
func (w *walk) control(ctx context.Context, name, kind string, sabotage func(context.Context) error) error {
	was := w.faults
	w.faults = nil
	err := sabotage(ctx)
	n := 0
	for _, f := range w.faults {
		if strings.Contains(f, kind) {
			n++
		}
	}
	w.t.check(name, n > 0 && err == nil, "%d of %d faults say so", n, len(w.faults))
	w.faults = was
	return err
}

func (w *walk) routeNamed(name string) route {
	for _, r := range w.m.routes {
		if r.name == name {
			return r
		}
	}
	panic("proof: no route is called " + name)
}

// through has them ask at another door.
func (w *walk) through(ctx context.Context, who *credential, r route, of *enquirer, door http.HandlerFunc) error {
	return behind(door, who, func() error { return w.ask(ctx, who, r, of) })
}

// behind puts a door before the instance for one of them, while f runs.
func behind(door http.HandlerFunc, who *credential, f func() error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: door, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }() // until Close
	defer s.Close()
	was := who.api
	who.api = was.as(was.token)
	who.api.base = "http://" + l.Addr().String()
	defer func() { who.api = was }()
	return f()
}

// overlooked has a door that opens by a grant that lasts when it is asked by
// one that is over.
func (w *walk) overlooked(ctx context.Context, of *enquirer) error {
	if err := w.grantOf(ctx, of, []string{"name", "phone"}); err != nil {
		return err
	}
	var ended, lasts *opened
	for _, g := range w.grants {
		if !g.leads[of.deal.lead] || g.over || g.to != w.named("support") {
			continue
		}
		if ended == nil {
			ended = g
		} else {
			lasts = g
		}
	}
	if lasts == nil {
		return errors.New("only one grant of the lead lasts")
	}
	if err := w.revoke(ctx, ended); err != nil {
		return err
	}
	ended.over = true
	who := w.named("support")
	straight := who.api
	return behind(func(rw http.ResponseWriter, r *http.Request) {
		pass(rw, r, straight, strings.Replace(r.URL.RequestURI(), ended.id, lasts.id, 1))
	}, who, func() error { return w.askGranted(ctx, ended, w.routeNamed("operator-open-lead"), of) })
}

// pass asks the instance as somebody, for the purpose that came.
func pass(rw http.ResponseWriter, r *http.Request, as *api, path string) {
	a := as.as(as.token)
	a.purpose = r.Header.Get("Catchment-Purpose")
	got, err := a.do(r.Context(), r.Method, path, nil, nil)
	if err != nil {
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	_, _ = rw.Write(got.body) // who asks is told by what is missing
}
