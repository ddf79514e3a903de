package rights

import (
	"catchment/internal/account"

	"github.com/cedar-policy/cedar-go"
)

// policies judge a role by asking about a sample of each kind of resource
// that a right can tell apart.
type policies struct{ set *cedar.PolicySet }

// own is the role that all of an account's own roles have in the policies.
const own account.Role = "own"

var (
	me       = cedar.NewEntityUID("Person", "me")
	home     = cedar.NewEntityUID("Account", "home")
	platform = cedar.NewEntityUID("Platform", "catchment")
	nobody   = cedar.NewSet()
	i        = cedar.NewSet(me)
)

// sample is one resource, and what being permitted there means.
type sample struct {
	id   cedar.EntityUID
	bit  cell
	attr cedar.RecordMap
}

func leadSample(id cedar.String, bit cell, house cedar.EntityUID, owner, offered, team cedar.Set) sample {
	return sample{cedar.NewEntityUID("Lead", id), bit, cedar.RecordMap{"house": house, "owner": owner, "offered": offered, "team": team}}
}

// samples of the resources for one who is at home in the account, or on the
// platform. A lead of another account that names them is not theirs, and what is
// no lead does not become one by naming them.
func samples(house cedar.EntityUID) []sample {
	abroad := cedar.NewEntityUID("Account", "abroad")
	all := []sample{
		leadSample("owned", owned, home, i, nobody, nobody),
		leadSample("offered", offered, home, nobody, i, nobody),
		leadSample("team", team, home, nobody, nobody, i),
		leadSample("other", other, home, nobody, nobody, nobody),
		leadSample("abroad", outside, abroad, i, i, i),
		{home, houses, cedar.RecordMap{"house": home, "owner": i, "offered": i, "team": i}},
		{abroad, outside, cedar.RecordMap{"house": abroad, "owner": i, "offered": i, "team": i}},
		{platform, houses, cedar.RecordMap{"house": platform, "owner": i, "offered": i, "team": i}},
	}
	for n, s := range all {
		if s.attr["house"] != house {
			all[n].bit = outside
		}
	}
	return all
}

// table asks for every permission and every sample.
func (p policies) table(role account.Role, d Definition) *table {
	house := home
	if role == account.Support || role == account.Operator {
		house = platform
	}
	entities := cedar.EntityMap{me: principal(role, house, d)}
	all := samples(house)
	for _, s := range all {
		entities[s.id] = cedar.Entity{UID: s.id, Attributes: cedar.NewRecord(s.attr)}
	}
	t := &table{cells: map[account.Permission]cell{}}
	for _, w := range words {
		for _, s := range all {
			if p.permit(entities, w.Permission, s.id) {
				t.cells[w.Permission] |= s.bit
			}
		}
		t.teams = t.teams || t.cells[w.Permission].reach() == Teams
	}
	return t
}

// principal carries an own role's definition as sets of actions.
func principal(role account.Role, house cedar.EntityUID, d Definition) cedar.Entity {
	sets := map[cedar.String][]cedar.Value{"account": nil, "all": nil, "teams": nil, "mine": nil}
	for p, r := range d {
		name := cedar.String(r.String())
		if w, _ := WordOf(p); !w.Lead {
			if name = "account"; r != All {
				continue // what is of the account goes for all of it or not at all
			}
		}
		if r != None {
			sets[name] = append(sets[name], action(p))
		}
	}
	attr := cedar.RecordMap{"house": house}
	for name, list := range sets {
		attr[name] = cedar.NewSet(list...)
	}
	return cedar.Entity{UID: me, Parents: cedar.NewEntityUIDSet(cedar.NewEntityUID("Role", cedar.String(role))), Attributes: cedar.NewRecord(attr)}
}

func action(p account.Permission) cedar.EntityUID {
	return cedar.NewEntityUID("Action", cedar.String(p))
}

// permit is the policies' word. An error anywhere is a no.
func (p policies) permit(entities cedar.EntityMap, of account.Permission, resource cedar.EntityUID) bool {
	decision, diagnostic := cedar.Authorize(p.set, entities, cedar.Request{Principal: me, Action: action(of), Resource: resource})
	return decision == cedar.Allow && len(diagnostic.Errors) == 0
}
