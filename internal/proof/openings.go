package proof

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// proveOpenings walks at random through what an account and its platform do,
// and searches every answer for everything personal: each find has to be theirs
// who asked, at that moment, by docs/rights.md, and of each this very request has
// to have made an entry on the account's record.
func proveOpenings(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		c, err := t.castOf(ctx, e, string(e)+": ")
		if err != nil {
			return err
		}
		return t.openings(ctx, c, string(e)+": ", cmp.Or(t.Seed, rand.Uint64()), 3*t.Rounds, true)
	})
}

// openings is the proof with a cast that is there: sequences of acts and reads,
// then what must be seen whatever was drawn, then the controls. thorough also draws
// routes that change something, and has everybody ask every route that reads; else a few
// do, and the cast is left as it was.
func (t *trial) openings(ctx context.Context, c *cast, label string, seed uint64, sequences int, thorough bool) error {
	all := c.all
	defer func() { c.all = all }()
	w := &walk{cast: c, t: t, thorough: thorough, rng: rand.New(rand.NewPCG(seed, 1)), gave: map[string]int{}, finds: map[string]int{}, grants: map[string]*opened{}}
	t.note("%sthe walk was drawn from --seed %d", label, seed)
	if err := w.settle(ctx); err != nil {
		return err
	}
	for range sequences {
		if err := w.sequence(ctx); err != nil {
			return err
		}
	}
	drawn := w.requests
	t.say("%d sequences, %d acts", sequences, w.acts)
	if err := w.everyRoute(ctx); err != nil {
		return err
	}
	t.figure(label+"sequences", float64(sequences), "")
	t.figure(label+"acts", float64(w.acts), "")
	t.figure(label+"requests drawn, and of every route", float64(drawn), fmt.Sprintf("and %d", w.requests-drawn))
	t.figure(label+"texts found in answers", float64(w.found), "")
	t.figure(label+"entries on the record that were compared", float64(w.compared), "")
	t.figure(label+"bytes of the live stream", float64(w.streamed), "")
	for _, f := range w.faults {
		t.say("     %s", f)
	}
	t.check(label+"no answer has a text that is not theirs who ask, or of which the record does not tell", len(w.faults) == 0, "%d requests, %d texts; faults %s", w.requests, w.found, counted(w.faults))
	if err := w.everythingSeen(label); err != nil {
		return err
	}
	return w.controls(ctx, label)
}

// walk is the proof on its way.
type walk struct {
	*cast
	t        *trial
	rng      *rand.Rand
	thorough bool

	people []*enquirer
	search *searcher // of all their texts
	masks  bool
	grants map[string]*opened
	dan    *credential // whose role and team change
	shift  string      // the own role that is dan's at times
	second *api        // the operator who approves, once somebody asks
	reads  []route     // that change nothing

	requests, found, compared, acts, streamed int
	gave                                      map[string]int // texts by route
	finds                                     map[string]int // texts by credential
	lately                                    []string       // acts of this sequence, for who looks for a fault
	faults                                    []string
}

// enquirer is somebody whose texts are nobody else's. A field may have had
// several.
type enquirer struct {
	n                 int
	texts             map[string][]string
	deal              deal
	office            *office
	erased            bool
	request           string // of theirs to have a copy
	export, exportFor string // of all leads, and its purpose
}

// opened is a grant, as it was made.
type opened struct {
	id     string
	to     *credential
	leads  map[string]bool
	fields []string
	over   bool
}

// settle makes what the walk needs beside the cast, and learns who everybody is.
func (w *walk) settle(ctx context.Context) error {
	for _, who := range w.all {
		if err := who.learn(ctx); err != nil {
			return err
		}
	}
	p, err := w.hire(ctx, "dan", "salesperson")
	if err != nil {
		return err
	}
	w.dan = w.add(&credential{name: "somebody whose role changes", api: p.api, user: p.user, id: p.id, standing: standing{role: "salesperson", session: true}}, w.near, w.far)
	if w.shift, err = w.role(ctx, "Shifting", map[string]string{"leads:read": reachTeams, "persons:open": reachTeams, "events:follow": reachAll}); err != nil {
		return err
	}
	for _, r := range w.m.routes {
		if r.method == http.MethodGet && r.name != "follow-events" {
			w.reads = append(w.reads, r)
		}
	}
	for _, o := range []*office{w.north, w.south} {
		if err := o.seller.api.call(ctx, http.MethodPut, "/v1/me/presence", map[string]string{"state": "available"}, nil); err != nil {
			return err
		}
		if err := w.comes(ctx, o, ""); err != nil {
			return err
		}
	}
	return nil
}

// learn asks under which id the record will have them.
func (c *credential) learn(ctx context.Context) error {
	if c.stranger || c.publishable || c.owing || c.id != "" {
		return nil
	}
	var me struct {
		User string `json:"user_id"`
		Key  string `json:"key_id"`
	}
	err := c.api.get(ctx, "/v1/me", &me)
	c.id = me.User + me.Key
	return err
}

// sequence is a few acts, with people who read after each, and streams that
// are followed meanwhile.
func (w *walk) sequence(ctx context.Context) error {
	w.lately = nil
	heard, err := w.follow(ctx)
	if err != nil {
		return err
	}
	for range 3 + w.rng.IntN(4) {
		name := pick(w.rng, actNames)
		if err := w.act(ctx, name); err != nil {
			heard.stop()
			return fmt.Errorf("after %s: %w", strings.Join(w.lately, ", "), err)
		}
		for range 4 {
			if err := w.draw(ctx); err != nil {
				heard.stop()
				return err
			}
		}
	}
	return w.hear(ctx, heard)
}

func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

// draw has somebody ask something about somebody.
func (w *walk) draw(ctx context.Context) error {
	who := pick(w.rng, w.all)
	if who.stranger && w.rng.IntN(4) > 0 { // one in four of theirs is enough
		who = w.dan
	}
	r := pick(w.rng, w.m.routes)
	if !w.thorough || w.rng.IntN(3) > 0 {
		r = pick(w.rng, w.reads)
	}
	switch r.name {
	case "follow-events", "end-own-sessions", "sign-out", "change-password": // heard apart; would end who asks
		return nil
	}
	return w.ask(ctx, who, r, pick(w.rng, w.people))
}

// everyRoute has each of them ask each route that reads, about somebody who is on offer,
// somebody who has an owner, and with all that it can include.
func (w *walk) everyRoute(ctx context.Context) error {
	if err := w.setMasking(ctx, false); err != nil {
		return err
	}
	if err := w.showcase(ctx); err != nil {
		return err
	}
	for _, who := range w.all {
		if !w.thorough && !slices.Contains([]string{"salesperson", "support", "admin", "key: auditor"}, who.name) {
			continue
		}
		for _, of := range w.people[len(w.people)-2:] {
			for _, r := range w.m.routes {
				if r.method != http.MethodGet && r.name != "search-leads" || r.name == "follow-events" {
					continue
				}
				if err := w.ask(ctx, who, r, of); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// everythingSeen fails a walk that looked past what there is to see.
func (w *walk) everythingSeen(label string) error {
	var blind, stray []string
	for _, who := range w.all {
		opens := who.role == "support" || !who.stranger && !who.publishable && !who.owing && !who.abroad && who.role != "operator" && w.table.reach(&who.standing, "persons:open") != ""
		must := slices.Contains([]string{"salesperson", "support", "admin"}, who.name)
		switch {
		case must && w.finds[who.name] == 0:
			blind = append(blind, who.name)
		case !opens && w.finds[who.name] > 0 && who != w.dan && who.role != "operator":
			stray = append(stray, who.name)
		}
	}
	w.t.check(label+"control: who may open finds texts, who may not finds none", len(blind) == 0 && len(stray) == 0, "no text for %s; some for %s", counted(blind), counted(stray))
	var silent, undeclared []string
	for _, r := range w.m.routes {
		if r.opens && opensEnquirers[r.name] && w.gave[r.name] == 0 {
			silent = append(silent, r.name)
		}
		if w.gave[r.name] > 0 && !r.opens && r.name != "fetch-export-file" {
			undeclared = append(undeclared, r.String())
		}
	}
	w.t.figure(label+"routes that gave a text", float64(len(w.gave)), strings.Join(slices.Sorted(maps.Keys(w.gave)), ", "))
	w.t.check(label+"a route that gives texts says so in the API's document, and each that says so did", len(silent) == 0 && len(undeclared) == 0, "silent %s; undeclared %s", counted(silent), counted(undeclared))
	return nil
}

// opensEnquirers are the routes that open what enquirers said: of the others
// that take a purpose, some open users' data. Each has to have given something.
var opensEnquirers = map[string]bool{"list-enquiries": true, "get-enquiry": true, "list-submissions": true, "list-leads": true, "search-leads": true, "get-lead": true,
	"list-lead-enquiries": true, "lead-history": true, "list-notes": true, "list-lead-visits": true, "operator-open-lead": true, "get-person": true, "get-subject-data": true, "list-visits": true}

// includes is a query with all that the route can include.
func (w *walk) includes(r route) string {
	var op struct {
		Parameters []struct {
			Name   string
			Schema struct {
				Enum  []string
				Items struct{ Enum []string }
			}
		}
	}
	_ = json.Unmarshal(w.m.doc.Paths[r.path][strings.ToLower(r.method)], &op) // it was read before
	var out []string
	for _, p := range op.Parameters {
		switch p.Name {
		case "include":
			for _, word := range append(p.Schema.Enum, p.Schema.Items.Enum...) {
				out = append(out, "include="+word)
			}
		case "limit":
			out = append(out, "limit=200")
		}
	}
	return strings.Join(out, "&")
}

// stillToCome is how long the walk waits for what comes by itself.
const stillToCome = 30 * time.Second
