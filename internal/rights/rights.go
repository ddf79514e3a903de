// Package rights says what a role may. The rules are Cedar policies in this
// binary, a file for each role and one for everybody; callers get a table that
// was made from them once, so that a request costs a look-up.
//
// What the policies do not permit is denied, and so is everything that a policy
// fails to judge: an error inside a forbid would otherwise drop the forbid.
package rights

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"catchment/internal/account"

	"github.com/cedar-policy/cedar-go"
)

// Rights is what somebody may. The zero Rights permits nothing.
type Rights struct{ t *table }

// May reports whether they hold the permission, with whichever reach.
func (r Rights) May(p account.Permission) bool {
	return p == account.Public || r.cell(p)&somewhere != 0
}

// Reach is how far the permission goes.
func (r Rights) Reach(p account.Permission) Reach { return r.cell(p).reach() }

// Offered reports whether the permission goes for a lead of somebody else
// that is on offer to them.
func (r Rights) Offered(p account.Permission) bool { return r.cell(p)&offered != 0 }

// Teams reports whether any permission goes as far as one's teams, so that
// these have to be known.
func (r Rights) Teams() bool { return r.t != nil && r.t.teams }

// Cover reports whether they may all that the others may, as far.
func (r Rights) Cover(other Rights) bool {
	if other.t == nil {
		return true
	}
	for p, c := range other.t.cells {
		if r.Reach(p) < c.reach() {
			return false
		}
	}
	return true
}

func (r Rights) cell(p account.Permission) cell {
	if r.t == nil {
		return 0
	}
	return r.t.cells[p]
}

// table is never changed once made.
type table struct {
	cells  map[account.Permission]cell
	fields [2][fieldCount]given // without and with the account's masking
	teams  bool
}

// cell is for which of the sample resources a permission was given.
type cell uint8

const (
	owned     cell = 1 << iota // a lead that the principal owns
	offered                    // one on open offer to them
	team                       // one of a project whose team they are in
	other                      // any other of the account
	houses                     // the account, or for its own people the platform
	outside                    // something of another account, or of the platform
	somewhere = owned | team | other | houses
)

// reach is None for a cell of a shape that the policies must not make.
func (c cell) reach() Reach {
	switch c {
	case houses, owned | offered | team | other:
		return All
	case owned | team, owned | team | offered:
		return Teams
	case owned, owned | offered:
		return Mine
	}
	return None
}

// Definition is what an account's own role holds.
type Definition map[account.Permission]Reach

// Of returns the rights of a role that is built in; none for any other.
func Of(r account.Role) Rights { return builtIn()[r] }

var builtIn = sync.OnceValue(func() map[account.Role]Rights {
	out := map[account.Role]Rights{}
	for _, r := range append(account.AccountRoles(), account.Support, account.Operator) {
		out[r] = Rights{mustPolicies().table(r, nil)}
	}
	return out
})

// Own returns the rights of an account's own role. Equal definitions are
// judged once.
func Own(d Definition) Rights {
	name := d.String()
	known.Lock()
	defer known.Unlock()
	if t, ok := known.tables[name]; ok {
		return Rights{t}
	}
	if known.tables == nil || len(known.tables) >= mostKnown {
		known.tables = map[string]*table{}
	}
	t := mustPolicies().table(own, d)
	known.tables[name] = t
	return Rights{t}
}

const mostKnown = 4096

var known struct {
	sync.Mutex
	tables map[string]*table
}

// String is the same for equal definitions.
func (d Definition) String() string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(d)) {
		if d[p] != None {
			fmt.Fprintf(&b, "%s=%s ", p, d[p])
		}
	}
	return strings.TrimSpace(b.String())
}

//go:embed policies/*.cedar
var files embed.FS

var mustPolicies = sync.OnceValue(func() policies {
	p, err := readPolicies()
	if err != nil {
		panic(err) // they are part of the binary
	}
	return p
})

// readPolicies reads the embedded files; a policy is named by its file and its
// place there.
func readPolicies() (policies, error) {
	set := cedar.NewPolicySet()
	entries, err := files.ReadDir("policies")
	if err != nil {
		return policies{}, err
	}
	for _, e := range entries {
		text, err := files.ReadFile("policies/" + e.Name())
		if err != nil {
			return policies{}, err
		}
		list, err := cedar.NewPolicyListFromBytes(e.Name(), text)
		if err != nil {
			return policies{}, fmt.Errorf("rights: %s: %w", e.Name(), err)
		}
		for i, p := range list {
			set.Add(cedar.PolicyID(fmt.Sprintf("%s#%d", e.Name(), i+1)), p)
		}
	}
	return policies{set}, nil
}
