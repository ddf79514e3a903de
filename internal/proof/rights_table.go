package proof

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rightsTable is what docs/rights.md says: who may what, and what each route
// asks for. It is read from the page alone, so that a fault in the policies or
// in a route's declaration is not a fault in the expectation as well.
type rightsTable struct {
	roles  []string
	grants map[string]map[string]string // reach by permission and role; absent: none
	routes map[string]rule              // by method and path
}

// rule is what a route asks for.
type rule struct {
	permission string
	own        bool   // one's own things only
	with       string // and this permission, for the same thing
	orAs       string // or those of a lead that this permission reaches
	whole      bool   // for the whole account only
	user       bool   // not for keys
	key        bool   // for keys alone
	session    bool   // a key has none, and gets a conflict
	pool       bool   // for those who are offered the project's leads
	items      bool   // refused one by one, not as a whole
	notOffered bool   // what is only on offer to one does not count
	any        bool   // the same whatever the id
	second     bool   // the second factor lately
	fresh      bool   // likewise; who has none, a sign-in lately
}

// The words of a cell.
const (
	reachAll   = "all"
	reachTeams = "teams"
	reachMine  = "mine"
	held       = "yes"
	notHeld    = "–"
)

// readRights reads the page. A word that it does not know is a fault: the page
// would promise what nobody tries.
func readRights(page string) (*rightsTable, error) {
	t := &rightsTable{grants: map[string]map[string]string{}, routes: map[string]rule{}}
	var head []string
	for line := range strings.Lines(page) {
		cells := row(line)
		var err error
		switch {
		case cells == nil:
			head = nil
		case head == nil && len(cells) < 3:
			head = []string{""} // of another kind
		case head == nil:
			head = cells
		case head[0] == "":
		case strings.HasPrefix(cells[0], "--"):
		case len(cells) != len(head):
			err = fmt.Errorf("%d cells, the head has %d: %s", len(cells), len(head), line)
		case head[0] == "permission":
			err = t.permission(head[2:], cells)
		case head[0] == "route":
			err = t.route(cells)
		}
		if err != nil {
			return nil, fmt.Errorf("docs/rights.md: %w", err)
		}
	}
	if len(t.grants) == 0 || len(t.routes) == 0 {
		return nil, fmt.Errorf("docs/rights.md: %d permissions and %d routes", len(t.grants), len(t.routes))
	}
	return t, nil
}

// row splits a line of a table; nil when it is none.
func row(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") {
		return nil
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(c)
	}
	return cells
}

func (t *rightsTable) permission(roles, cells []string) error {
	name := strings.Trim(cells[0], "`")
	if t.grants[name] != nil {
		return fmt.Errorf("%s stands there twice", name)
	}
	t.roles, t.grants[name] = roles, map[string]string{}
	for i, c := range cells[2:] {
		switch c {
		case notHeld:
		case reachAll, reachTeams, reachMine, held:
			t.grants[name][roles[i]] = c
		default:
			return fmt.Errorf("%s, %s: what is %q?", name, roles[i], c)
		}
	}
	return nil
}

func (t *rightsTable) route(cells []string) error {
	name := strings.Trim(cells[0], "`")
	if _, ok := t.routes[name]; ok {
		return fmt.Errorf("%s stands there twice", name)
	}
	r := rule{permission: strings.Trim(cells[1], "`")}
	for word := range strings.SplitSeq(cells[2], ", ") {
		as, isOr := strings.CutPrefix(word, "own or ")
		with, isWith := strings.CutPrefix(word, "with ")
		switch {
		case word == "":
		case isOr:
			r.own, r.orAs = true, strings.Trim(as, "`")
		case isWith:
			r.with = strings.Trim(with, "`")
		case word == "own":
			r.own = true
		case word == "whole":
			r.whole = true
		case word == "user":
			r.user = true
		case word == "key":
			r.key = true
		case word == "session":
			r.session = true
		case word == "pool":
			r.pool = true
		case word == "items":
			r.items = true
		case word == "not on offer":
			r.notOffered = true
		case word == "any":
			r.any = true
		case word == "fresh":
			r.fresh = true
		case word == "second factor":
			r.second = true
		default:
			return fmt.Errorf("%s: what is %q?", name, word)
		}
	}
	t.routes[name] = r
	return nil
}

// faults compares the page with the routes that are served: a route of one and
// not of the other, a permission that differs or that the page does not know.
func (t *rightsTable) faults(routes []route) (out []string) {
	seen := map[string]bool{}
	for _, r := range routes {
		seen[r.String()] = true
		rule, ok := t.routes[r.String()]
		switch {
		case !ok:
			out = append(out, r.String()+" is not in docs/rights.md")
		case rule.permission != r.permission:
			out = append(out, fmt.Sprintf("%s asks for %s, docs/rights.md says %s", r, r.permission, rule.permission))
		case rule.second != r.second:
			out = append(out, fmt.Sprintf("%s: the second factor is asked for: %v, docs/rights.md says %v", r, r.second, rule.second))
		case t.grants[rule.permission] == nil && rule.permission != "public":
			out = append(out, fmt.Sprintf("%s asks for %s, which no role of docs/rights.md can have", r, rule.permission))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.routes)) {
		if !seen[name] {
			out = append(out, name+" is in docs/rights.md, and not served")
		}
	}
	return out
}
