package proof

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"catchment/docs"
)

// proveRights tries every route of the API's document with every kind of
// credential, and compares the answers with the table in docs/rights.md.
func proveRights(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		c, err := t.castOf(ctx, e, string(e)+": ")
		if err != nil {
			return err
		}
		return t.rights(ctx, c, string(e)+": ")
	})
}

func (t *trial) rights(ctx context.Context, c *cast, label string) error {
	t.say("%d credentials × %d routes", len(c.all), len(c.m.routes))
	course, err := c.try(ctx, c.m.routes, c.all)
	if err != nil {
		return err
	}
	t.judged(label, c, course)
	t.gridOf(c, course)
	return t.rightsControls(ctx, label, c, course)
}

// castOf starts an instance, reads the page and the document, and gives everybody
// who asks their place. Thousands of requests come from one address; how many it
// may send is not asked here.
func (t *trial) castOf(ctx context.Context, e Engine, label string) (*cast, error) {
	i, err := t.fresh(ctx, e, "--limit-stranger", "0", "--limit-address", "0", "--limit-account", "0", "--limit-holder", "0")
	if err != nil {
		return nil, err
	}
	table, err := readRights(docs.Rights)
	if err != nil {
		return nil, err
	}
	c := &cast{table: table, m: &matrix{a: i.world.Accounts[0], b: i.world.Accounts[1], base: i.api(""), statuses: map[int]int{}}, i: i}
	r, err := c.m.base.do(ctx, "GET", "/openapi.json", nil, nil)
	if err != nil {
		return nil, err
	}
	var faults []string
	if c.m.routes, c.m.doc, faults, err = readRoutes(r.body); err != nil {
		return nil, err
	}
	faults = append(faults, table.faults(c.m.routes)...)
	t.check(label+"the table and the document have the same routes, and ask the same of them", len(faults) == 0 && len(c.m.routes) > 100, "%d routes; %s", len(c.m.routes), counted(faults))
	return c, c.assemble(ctx)
}

// cell is one request that was judged.
type cell struct {
	who   *credential
	route route
	place string // near, offered, far, never: what the path names
	ids   map[string]string
	gone  bool // it names what never was
	got   string
	want  string
}

func (c cell) String() string {
	s := fmt.Sprintf("%s as %s", c.route, c.who.name)
	if c.route.namesThing() {
		s += ", " + c.place
	}
	return s + ": " + c.got + " and not " + c.want
}

// inOrder are the routes, those that change nothing first: what is searched for
// is still there. The last ones end what the others are tried with.
func inOrder(routes []route) []route {
	out := slices.Clone(routes)
	rank := func(r route) int {
		switch {
		case r.name == "end-own-sessions", r.name == "sign-out":
			return 3
		case r.method == http.MethodGet:
			return 0
		case r.method == http.MethodDelete:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b route) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

// try sends every route with every credential.
func (c *cast) try(ctx context.Context, routes []route, all []*credential) ([]cell, error) {
	var out []cell
	for _, r := range inOrder(routes) {
		for _, who := range all {
			for _, place := range c.places(r, who) {
				one, err := c.cell(ctx, r, who, place)
				if err != nil {
					return nil, fmt.Errorf("%s as %s, %s: %w", r, who.name, place, err)
				}
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// places are near, and where the path names something also far and never; who
// is let in nowhere is tried once.
func (c *cast) places(r route, who *credential) []string {
	kind, _ := r.thing(nil)
	switch {
	case !r.namesThing() || who.stranger:
		return []string{"near"}
	case leadKinds[kind] && onOfferToo(r, kind, who):
		return []string{"near", "offered", "far", "never"}
	case leadKinds[kind]:
		return []string{"near", "far", "never"}
	}
	return []string{"near", "never"}
}

// harmless are bodies for routes that would end what others are tried with, or
// that answer 401 to a wrong secret: those are refused as incomplete, after the
// rights were judged; these change nothing.
var harmless = map[string]string{
	"put-masking": `{"on_offer":false}`, "put-networks": `{"admins":[],"everyone":[],"keys":[]}`, "put-sign-in": `{"no_password":[],"second_factor":[],"code_countries":[]}`,
	"put-account-limits": `{}`, "put-sso": `{}`, "change-user": `{"name":"Spare"}`, "sign-in": `{}`, "redeem-link": `{}`, "show-factor": `{}`, "add-passkey": `{}`,
	"change-password": `{}`, "ask-code": `{}`, "begin-sso": `{}`,
}

// asks are queries without which nobody whose role reaches teams is answered.
var asks = map[string]string{"report-leads": "by=project", "report-figures": "by=project"}

// onOfferToo reports whether the route is tried with a lead that is on offer to
// the seller as well: by reading it, and by who would have to own it to do more.
func onOfferToo(r route, kind string, who *credential) bool {
	if kind != "lead" && kind != "enquiry" && kind != "person" {
		return false
	}
	return r.method == http.MethodGet || kind == "lead" && who.session && len(who.mine) > 0
}

func (c *cast) cell(ctx context.Context, r route, who *credential, place string) (cell, error) {
	ids := maps.Clone(who.near)
	switch place {
	case "far":
		ids = maps.Clone(who.far)
	case "offered":
		d := c.north.leads[onOffer]
		ids["lead"], ids["enquiry"], ids["person"] = d.lead, d.enquiry, d.person
	}
	if strings.HasPrefix(r.path, "/v1/quarantine/") {
		ids["enquiry"] = ids["held"]
	}
	if r.name == "transfer-lead" || r.name == "handover-lead" {
		ids["user"] = ids["owner"] // it stays where it is
	}
	api, err := c.prepare(ctx, r, who, ids)
	if err != nil {
		return cell{}, err
	}
	bodyIDs := maps.Clone(ids)
	bodyIDs["person"] = ids["mate"] // whom to merge with
	gone := place == "never"
	for _, p := range r.params {
		if kind := r.pathKind(p.name); p.in == "path" && (gone || ids[kind] == "") {
			delete(ids, kind)
			gone = true // there is none of the kind here
		}
	}
	req := r.request(c.m.doc, ids, nil, "")
	req.body = r.request(c.m.doc, bodyIDs, nil, "").body
	if more := asks[r.name]; more != "" {
		req.path += "?" + more
	}
	if text, ok := harmless[r.name]; ok {
		req.body = []byte(text)
	}
	got, err := c.m.send(ctx, api, req)
	if err != nil {
		return cell{}, err
	}
	one := cell{who, r, place, ids, gone, class(r, got), c.table.expect(&who.standing, r, ids, gone)}
	who.count(one, got)
	c.search(r, who, got)
	if one.got == passed {
		who.renew(r, got)
		if r.name == "merge-persons" {
			err = c.unmerge(ctx, got)
		} else {
			err = c.look(ctx, r, who, api, ids)
		}
	}
	return one, err
}

// unmerge parts two persons again.
func (c *cast) unmerge(ctx context.Context, a answer) error {
	var merged struct{ ID string }
	if a.status >= 400 || json.Unmarshal(a.body, &merged) != nil {
		return nil
	}
	return c.admin.post(ctx, "/v1/merges/"+merged.ID+"/undo", nil, nil)
}

func (w *credential) count(one cell, a answer) {
	w.cells++
	w.classes[one.got]++
	if one.got != one.want {
		w.wrong = append(w.wrong, fmt.Sprintf("%s (%d %s)", one, a.status, problemCode(a.status, a.body)))
	}
}

// renew keeps up with a session that got a new token.
func (w *credential) renew(r route, a answer) {
	var in struct{ Token string }
	if w.session && r.permission == "session:own" && json.Unmarshal(a.body, &in) == nil && strings.HasPrefix(in.Token, "cst_") {
		w.api.token = in.Token
	}
}

// look asks again for all that there is to see, for the search alone.
func (c *cast) look(ctx context.Context, r route, who *credential, api *api, ids map[string]string) error {
	if r.method != http.MethodGet {
		return nil
	}
	for _, more := range []string{"limit=500", "include=person", "include=message", "limit=500&include=person"} {
		name, _, _ := strings.Cut(more, "=")
		if !slices.ContainsFunc(r.params, func(p param) bool { return p.in == "query" && p.name == name }) {
			continue
		}
		req := r.request(c.m.doc, ids, nil, "")
		sep := "?"
		if strings.Contains(req.path, "?") {
			sep = "&"
		}
		req.path += sep + more
		got, err := c.m.send(ctx, api, req)
		if err != nil {
			return err
		}
		c.search(r, who, got)
	}
	return nil
}

// search looks for what is personal in an answer, and for what is another
// team's.
func (c *cast) search(r route, who *credential, a answer) {
	for _, mark := range c.marks() {
		if who.found[mark] == "" && bytes.Contains(a.body, []byte(mark)) {
			who.found[mark] = r.String()
		}
	}
	for _, id := range who.others {
		if bytes.Contains(a.body, []byte(id)) && a.status < 400 {
			who.stray = append(who.stray, fmt.Sprintf("%s shows %s of another team", r, id))
		}
	}
}

// shown is what is personal and by the table must be shown to them somewhere,
// and what may be beside.
func (c *cast) shown(t *rightsTable, w *credential) (must, may []string) {
	reads := t.reach(&w.standing, "leads:read")
	reach := t.reach(&w.standing, "persons:open")
	switch {
	case w.role == "support":
		return w.mine, nil // by the grant
	case w.stranger || w.publishable || w.owing || reads == "":
		return nil, nil
	case reach == reachAll && reads == reachAll && w.abroad:
		return []string{`canary-of-b"`}, nil
	case reach == reachAll && reads == reachAll:
		return append(append([]string{`canary-of-a"`}, c.marksOf(c.north)...), c.marksOf(c.south)...), nil
	case !w.session || reach == "":
		return nil, nil
	case (reach == reachTeams || reach == reachAll) && reads != reachMine && len(w.team) > 0:
		return c.marksOf(c.north), nil
	}
	return w.mine, w.onOffer
}

// lost are marks that should have been shown, and leaks those that should not.
func (c *cast) compare(t *rightsTable, w *credential) (lost, leaks []string) {
	must, may := c.shown(t, w)
	for _, mark := range must {
		if w.found[mark] == "" {
			lost = append(lost, w.name+" "+mark)
		}
	}
	for mark, at := range w.found {
		if !slices.Contains(must, mark) && !slices.Contains(may, mark) {
			leaks = append(leaks, at+" shows "+mark)
		}
	}
	return lost, append(leaks, w.stray...)
}

func (c *cast) clean(t *rightsTable, w *credential) bool {
	lost, leaks := c.compare(t, w)
	return len(lost)+len(leaks) == 0
}

// marks are the texts of all persons, in both accounts. The closing quote keeps one
// from being the beginning of another.
func (c *cast) marks() []string {
	if c.texts == nil {
		c.texts = []string{`canary-of-a"`, `canary-of-b"`}
		for _, o := range []*office{c.north, c.south} {
			for _, d := range o.leads {
				c.texts = append(c.texts, d.mark+`"`)
			}
		}
	}
	return c.texts
}

// judged writes what came of it: a line a credential.
func (t *trial) judged(label string, c *cast, course []cell) {
	wrong, leaks, disturbances := 0, 0, 0
	var blind []string
	for _, w := range c.all {
		lost, leaked := c.compare(c.table, w)
		wrong, leaks, blind = wrong+len(w.wrong), leaks+len(leaked), append(blind, lost...)
		for _, x := range append(w.wrong, leaked...) {
			t.say("     %s", x)
		}
		for k, n := range w.classes {
			if strings.HasPrefix(k, disturbed) {
				disturbances += n
			}
		}
		t.check(label+w.name, len(w.wrong) == 0 && len(leaked) == 0 && w.cells > 0, "%d cells: %d× 401, %d× 403, %d× 404, %d let through; wrong %s; leaks %s",
			w.cells, w.classes[unknown], w.classes[refused], w.classes[notThere], w.classes[passed], counted(w.wrong), counted(leaked))
	}
	t.check(label+"every answer is what the table says", wrong == 0 && disturbances == 0, "%d routes × %d credentials, %d cells: %d wrong, %d disturbed", len(c.m.routes), len(c.all), len(course), wrong, disturbances)
	t.check(label+"nothing personal is shown to who may not see it", leaks == 0, "%d leaks", leaks)
	if len(c.m.untried) > 0 {
		t.note("%sof these kinds there is nothing here: %s; they are tried with ids that never were", label, strings.Join(c.m.untried, ", "))
	}
	t.check(label+"control: who may see it does", len(blind) == 0, "not shown to them %s", counted(blind))
}
