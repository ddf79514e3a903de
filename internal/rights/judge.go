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

// table asks for every permission and every sample, and for every field twice:
// in an account that masks what is on offer, and in one that does not. Only of
// fields may a policy ask which it is.
func (p policies) table(role account.Role, d Definition) *table {
	house := home
	if role == account.Support || role == account.Operator {
		house = platform
	}
	entities, all := fieldActions(), samples(house)
	entities[me] = principal(role, house, d)
	for _, s := range all {
		entities[s.id] = cedar.Entity{UID: s.id, Attributes: cedar.NewRecord(s.attr)}
	}
	t := &table{cells: map[account.Permission]cell{}}
	for _, w := range words {
		if c := p.cell(entities, action(w.Permission), all); c != 0 {
			t.cells[w.Permission] = c
			t.teams = t.teams || c.reach() == Teams
		}
	}
	for _, masks := range []bool{false, true} {
		for _, s := range all {
			s.attr["masks"] = cedar.Boolean(masks)
			entities[s.id] = cedar.Entity{UID: s.id, Attributes: cedar.NewRecord(s.attr)}
		}
		for f := range fieldCount {
			t.fields[state(masks)][f] = given{p.cell(entities, fieldAction(inClear, f), all), p.cell(entities, fieldAction(masking, f), all)}
		}
	}
	return t
}

// cell is for which of the samples the action is permitted.
func (p policies) cell(entities cedar.EntityMap, action cedar.EntityUID, all []sample) (c cell) {
	for _, s := range all {
		if p.permit(entities, action, s.id) {
			c |= s.bit
		}
	}
	return c
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
func (p policies) permit(entities cedar.EntityMap, action, resource cedar.EntityUID) bool {
	decision, diagnostic := cedar.Authorize(p.set, entities, cedar.Request{Principal: me, Action: action, Resource: resource})
	return decision == cedar.Allow && len(diagnostic.Errors) == 0
}
