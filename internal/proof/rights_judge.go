package proof

import (
	"fmt"
	"net/http"
	"strings"
)

// The classes of answers that rights decide. passed is every other answer to
// who may: a 422 is about the request and not about rights.
const (
	unknown   = "401"
	refused   = "403"
	notThere  = "404"
	passed    = "passed"
	disturbed = "disturbed" // by a limit or a fault: it says nothing of rights
)

// class of an answer. 404 is about rights only where the path names something.
func class(r route, a answer) string {
	switch {
	case a.status == http.StatusUnauthorized && problemCode(a.status, a.body) == "401 unauthenticated":
		return unknown // a page for people that says so is not about who asks
	case a.status == http.StatusForbidden:
		return refused
	case a.status == http.StatusNotFound && r.namesThing():
		return notThere
	case a.status == http.StatusTooManyRequests && problemCode(a.status, a.body) == "429 too_many_requests" || a.status >= 500:
		return fmt.Sprintf("%s %d", disturbed, a.status)
	}
	return passed
}

func (r route) namesThing() bool { return strings.Contains(r.path, "{") }

// thing is the id in the route's path that rights are about, with its kind: the
// last one that a lead has, else the first. "" without one.
func (r route) thing(ids map[string]string) (kind, id string) {
	for _, p := range r.params {
		if p.in != "path" {
			continue
		}
		k := r.pathKind(p.name)
		if kind == "" || leadKinds[k] {
			kind, id = k, ids[k]
		}
	}
	return kind, id
}

// leadKinds belong to a lead: a right reaches them as far as it reaches leads.
var leadKinds = map[string]bool{"lead": true, "enquiry": true, "offer": true, "person": true, "merge": true, "visit": true, "booking": true, "attempt": true, "file": true}

// standing is what the table needs to know of who asks.
type standing struct {
	role        string            // a column of the table; "" with grants
	grants      map[string]string // of an account's own role
	stranger    bool              // no credential, or none that is valid (any more)
	publishable bool
	source      bool            // of a publishable key: its own one
	page        bool            // of a publishable key: sent by one of its own
	session     bool            // else a key
	abroad      bool            // of another account
	owing       bool            // the second factor has still to be shown
	stale       bool            // it was shown too long ago
	second      bool            // they have a second factor
	owns        map[string]bool // ids that are theirs
	team        map[string]bool // ids that belong to their team's leads
	pool        map[string]bool // leads of projects whose leads they are offered
	offered     map[string]bool // what is of a lead that is on offer to them
}

// reach is how far the permission goes by the table.
func (t *rightsTable) reach(s *standing, permission string) string {
	if s.role != "" {
		return t.grants[permission][s.role]
	}
	if permission == "session:own" {
		return held // everybody has it
	}
	reach := s.grants[permission]
	if reach == reachAll && !t.ofLeads(permission) {
		return held
	}
	return reach
}

// ofLeads reports whether the table gives the permission reaches.
func (t *rightsTable) ofLeads(permission string) bool {
	for _, reach := range t.grants[permission] {
		if reach != held {
			return true
		}
	}
	return false
}

// expect is the class that the table wants for a request about the ids. gone
// says that the ids are of nothing that there is.
func (t *rightsTable) expect(s *standing, r route, ids map[string]string, gone bool) string {
	rule, ok := t.routes[r.String()]
	switch {
	case !ok:
		return "in docs/rights.md"
	case rule.permission == "public":
		return t.there(r, rule, gone)
	case s.stranger || rule.key && s.session:
		return unknown
	case s.publishable && (rule.permission != "capture" || !s.page || !s.source && !rule.items):
		return refused
	case s.publishable:
		return passed
	}
	reach := t.reach(s, rule.permission)
	switch {
	case reach == "",
		s.owing && (rule.permission != "session:own" || r.opens || rule.fresh && s.second),
		s.stale && (rule.second || rule.fresh), // of one who has no second factor: not tried
		rule.whole && reach != reachAll,
		rule.user && !s.session:
		return refused
	case rule.session && !s.session:
		return passed // a conflict
	case gone && r.namesThing(), s.abroad && r.namesThing():
		return notThere
	}
	if rule.with != "" && t.reached(s, r, rule, t.reach(s, rule.with), ids) != passed {
		return notThere
	}
	return t.reached(s, r, rule, reach, ids)
}

// there is passed for what is public, and for what there is.
func (t *rightsTable) there(r route, rule rule, gone bool) string {
	if gone && r.namesThing() && !rule.any {
		return notThere
	}
	return passed
}

// reached judges a thing that there is.
func (t *rightsTable) reached(s *standing, r route, rule rule, reach string, ids map[string]string) string {
	kind, id := r.thing(ids)
	if rule.own && s.owns[id] || rule.pool && s.pool[id] {
		return passed
	}
	if rule.pool {
		return notThere
	}
	if rule.own {
		reach = ""
		if rule.orAs != "" {
			reach = t.reach(s, rule.orAs)
		}
	}
	switch {
	case rule.permission == "leads:read" && reach != "" && s.offered[id] && !rule.notOffered:
		return passed
	case kind == "", reach == reachAll, reach == held && !rule.own, !leadKinds[kind] && !rule.own:
		return passed
	case reach == reachTeams && s.session && (s.team[id] || s.owns[id]), reach == reachMine && s.session && s.owns[id]:
		return passed
	}
	return notThere
}
