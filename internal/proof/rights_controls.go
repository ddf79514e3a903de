package proof

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// rightsControls tries what must be noticed.
func (t *trial) rightsControls(ctx context.Context, label string, c *cast, course []cell) error {
	forgot, leaks, err := c.forgetful(ctx)
	if err != nil {
		return err
	}
	t.check(label+"control: a route that forgot its permission is found", forgot > 0 && leaks > 0, "GET /v1/keys and GET /v1/leads/{id} for everybody: %d cells wrong, %d leaks", forgot, leaks)
	tried, missed := c.otherTables(course)
	t.check(label+"control: each cell of the tables, changed, is found", tried > 100 && len(missed) == 0, "%d changed tables; not noticed %s", tried, counted(missed))
	return t.widened(ctx, label, c)
}

// forgetful puts a door before the instance that lets everybody in as an admin
// at two routes, and counts what is found there.
func (c *cast) forgetful(ctx context.Context) (wrong, leaks int, err error) {
	routes := slices.DeleteFunc(slices.Clone(c.m.routes), func(r route) bool { return r.name != "list-keys" && r.name != "get-lead" })
	target, err := url.Parse(c.m.base.base)
	if err != nil {
		return 0, 0, err
	}
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Set("Authorization", "Bearer "+c.m.a.SecretKey)
		r.Out.Header.Set("Catchment-Purpose", "proof")
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	s := &http.Server{Handler: p}
	go func() { _ = s.Serve(l) }() // until Close
	defer s.Close()
	copied := *c
	copied.all = nil
	for _, w := range c.all {
		other := *w
		other.api = w.api.as(w.api.token)
		other.api.base = "http://" + l.Addr().String()
		other.wrong, other.stray, other.classes, other.found = nil, nil, map[string]int{}, map[string]string{}
		copied.all = append(copied.all, &other)
	}
	if _, err := copied.try(ctx, routes, copied.all); err != nil {
		return 0, 0, err
	}
	for _, w := range copied.all {
		_, leaked := copied.compare(c.table, w)
		wrong, leaks = wrong+len(w.wrong), leaks+len(leaked)
	}
	return wrong, leaks, nil
}

// otherTables changes each cell that somebody here is judged by, and each
// route's permission, and judges the same answers again: with each, some must
// be wrong.
func (c *cast) otherTables(course []cell) (tried int, missed []string) {
	t := c.table
	asked := map[string]bool{"persons:open": true} // permissions that a route asks for, or an answer shows
	for _, r := range t.routes {
		asked[r.permission], asked[r.orAs] = true, true
	}
	present := map[string]bool{}
	for _, x := range course {
		present[x.who.role] = true
	}
	try := func(name string, other *rightsTable) {
		tried++
		noticed := slices.ContainsFunc(course, func(x cell) bool {
			return x.want == x.got && other.expect(&x.who.standing, x.route, x.ids, x.gone) != x.got
		})
		if !noticed && !slices.ContainsFunc(c.all, func(w *credential) bool { return c.clean(t, w) && !c.clean(other, w) }) {
			missed = append(missed, name)
		}
	}
	for permission, cells := range t.grants {
		for _, role := range t.roles {
			if !asked[permission] || !present[role] || permission == "capture" && (role == "operator" || role == "support") {
				continue
			}
			for _, reach := range t.wordsOf(permission) {
				if permission == "persons:open" && reach != "" && t.grants["leads:read"][role] != reachAll {
					continue // nobody opens further than they read
				}
				if cells[role] != reach {
					try(fmt.Sprintf("%s, %s: %q", permission, role, reach), t.with(permission, role, reach))
				}
			}
		}
	}
	for name, r := range t.routes {
		other := r
		if other.permission = "platform:run"; strings.HasPrefix(r.permission, "platform:") {
			other.permission = "session:own"
		}
		copied := &rightsTable{roles: t.roles, grants: t.grants, routes: maps.Clone(t.routes)}
		copied.routes[name] = other
		try(name, copied)
	}
	slices.Sort(missed)
	return tried, missed
}

// wordsOf are the words that could stand in the permission's cells. teams is of
// own roles alone here; how far counts go, or a file, no status tells.
func (t *rightsTable) wordsOf(permission string) []string {
	switch {
	case !t.ofLeads(permission):
		return []string{"", held}
	case t.namesLeads(permission):
		return []string{"", reachMine, reachAll}
	}
	return []string{"", reachAll}
}

// namesLeads reports whether a route of the permission names something of a lead.
func (t *rightsTable) namesLeads(permission string) bool {
	for name, r := range t.routes {
		if permission == "persons:open" || r.permission == permission && (r.whole || regexp.MustCompile(`^\w+ /v1/(leads|enquiries|persons|offers|visits|bookings|attempts|merges)/\{`).MatchString(name)) {
			return true
		}
	}
	return false
}

func (t *rightsTable) with(permission, role, reach string) *rightsTable {
	out := &rightsTable{roles: t.roles, grants: maps.Clone(t.grants), routes: t.routes}
	out.grants[permission] = maps.Clone(t.grants[permission])
	if out.grants[permission][role] = reach; reach == "" {
		delete(out.grants[permission], role)
	}
	return out
}

// widened gives a key one permission more than is said of it.
func (t *trial) widened(ctx context.Context, label string, c *cast) error {
	said := map[string]string{"leads:read": reachAll, "setup:read": reachAll}
	more := maps.Clone(said)
	more["spend:enter"] = reachAll
	id, err := c.role(ctx, "Widened", more)
	if err != nil {
		return err
	}
	k, err := c.key(ctx, map[string]any{"kind": "secret", "name": "Widened", "role": id})
	if err != nil {
		return err
	}
	w := c.add(&credential{name: "widened", api: c.m.base.as(k.Key), standing: standing{grants: said}}, c.near, c.far)
	if err := c.atTheDoor(ctx); err != nil {
		return err
	}
	if _, err := c.try(ctx, c.m.routes, []*credential{w}); err != nil {
		return err
	}
	other := slices.ContainsFunc(w.wrong, func(s string) bool { return !strings.Contains(s, "/v1/spend") })
	t.check(label+"control: a role that may one thing more than is said is found", len(w.wrong) > 0 && !other, "wrong %s", counted(w.wrong))
	return nil
}

// grid is a table of answers: routes × credentials.
type grid struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"` // a route, and what each got near, far and at what never was
}

var short = map[string]string{unknown: "1", refused: "3", notThere: "4", passed: "+"}

func (t *trial) gridOf(c *cast, course []cell) {
	g := &grid{}
	column := map[*credential]int{}
	for i, w := range c.all {
		column[w] = i + 1
		g.Columns = append(g.Columns, w.name)
	}
	at := map[string]int{}
	for _, x := range course {
		name := x.route.String()
		if _, ok := at[name]; !ok {
			at[name] = len(g.Rows)
			row := make([]string, len(c.all)+1)
			row[0] = name
			g.Rows = append(g.Rows, row)
		}
		letter, ok := short[x.got]
		if !ok {
			letter = "!"
		}
		g.Rows[at[name]][column[x.who]] += letter
	}
	slices.SortFunc(g.Rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	t.res.Grid = g
}

// write is the grid for people: the columns have numbers.
func (g *grid) write(b *strings.Builder) {
	b.WriteString("\n  + let through, 1 401, 3 403, 4 404; where the path names something: near, perhaps one on offer, another team's, one that never was\n")
	head := []string{""}
	for i, name := range g.Columns {
		fmt.Fprintf(b, "    %2d  %s\n", i+1, name)
		head = append(head, fmt.Sprint(i+1))
	}
	writeRows(b, append([][]string{head}, g.Rows...))
}
