package rights

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// mutant is one policy with one thing wrong; a nil policy is gone.
type mutant struct {
	what   string
	policy *ast.Policy
}

// mutants of a policy: gone, its effect the other, its principal, action or
// resource wider, an action less, a condition less or turned round, and in a
// condition each "and" and "or" the other or one of its sides, each
// "contains", "==" and attribute always true or never, each "not" gone.
func mutants(p *ast.Policy) []mutant {
	out := []mutant{{"removed", nil}}
	add := func(what string, change func(*ast.Policy)) {
		q := *p
		q.Conditions = slices.Clone(p.Conditions)
		change(&q)
		out = append(out, mutant{what, &q})
	}
	add("the other effect", func(q *ast.Policy) { q.Effect = !q.Effect })
	if _, all := p.Principal.(ast.ScopeTypeAll); !all {
		add("any principal", func(q *ast.Policy) { q.Principal = ast.Scope{}.All() })
	}
	if _, all := p.Action.(ast.ScopeTypeAll); !all {
		add("any action", func(q *ast.Policy) { q.Action = ast.Scope{}.All() })
	}
	if _, all := p.Resource.(ast.ScopeTypeAll); !all {
		add("any resource", func(q *ast.Policy) { q.Resource = ast.Scope{}.All() })
	}
	if set, ok := p.Action.(ast.ScopeTypeInSet); ok {
		for i, e := range set.Entities {
			add("without "+string(e.ID), func(q *ast.Policy) { q.Action = ast.Scope{}.InSet(without(set.Entities, i)) })
		}
	}
	for i, c := range p.Conditions {
		add("a condition less", func(q *ast.Policy) { q.Conditions = slices.Delete(q.Conditions, i, i+1) })
		add("when for unless", func(q *ast.Policy) { q.Conditions[i].Condition = !c.Condition })
		for n, body := range bodies(c.Body) {
			add(fmt.Sprintf("condition, %d", n+1), func(q *ast.Policy) { q.Conditions[i].Body = body })
		}
	}
	return out
}

func without(list []types.EntityUID, i int) []types.EntityUID {
	return slices.Delete(slices.Clone(list), i, i+1)
}

// bodies are a condition with one thing in it wrong.
func bodies(n ast.IsNode) (out []ast.IsNode) {
	switch n := n.(type) {
	case ast.NodeTypeAnd:
		out = append(out, n.Left, n.Right, ast.NodeTypeOr(n))
		for _, x := range sides(n.BinaryNode) {
			out = append(out, ast.NodeTypeAnd{BinaryNode: x})
		}
	case ast.NodeTypeOr:
		out = append(out, n.Left, n.Right, ast.NodeTypeAnd(n))
		for _, x := range sides(n.BinaryNode) {
			out = append(out, ast.NodeTypeOr{BinaryNode: x})
		}
	case ast.NodeTypeNot:
		out = append(out, n.Arg)
	case ast.NodeTypeContains, ast.NodeTypeEquals, ast.NodeTypeAccess:
		out = append(out, ast.NodeValue{Value: types.True}, ast.NodeValue{Value: types.False})
	default:
		panic(fmt.Sprintf("no mutants are made of a %T: say which", n))
	}
	return out
}

func sides(n ast.BinaryNode) (out []ast.BinaryNode) {
	for _, x := range bodies(n.Left) {
		out = append(out, ast.BinaryNode{Left: x, Right: n.Right})
	}
	for _, x := range bodies(n.Right) {
		out = append(out, ast.BinaryNode{Left: n.Left, Right: x})
	}
	return out
}

// about is 0 for a role that the file is about, else 1.
func about(file, role string) int {
	if strings.HasPrefix(role, file) {
		return 0
	}
	return 1
}

// Every mutant of every policy makes another table than the one that is kept.
func TestEveryMutantIsNoticed(t *testing.T) {
	kept, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPolicies()
	if err != nil {
		t.Fatal(err)
	}
	if write(p) != string(kept) {
		t.Fatal("control: the policies as they are do not make the table")
	}
	names, tables := asked()
	right := tablesOf(p)
	all := maps.Collect(p.set.All())
	made, killed := 0, 0
	for _, id := range slices.Sorted(maps.Keys(all)) {
		// Who a file is about is judged first: it is there that most mutants show.
		role, _, _ := strings.Cut(string(id), ".")
		order := make([]int, len(names))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(about(role, names[a]), about(role, names[b])) })
		for _, m := range mutants((*ast.Policy)(all[id].AST())) {
			set := cedar.NewPolicySet()
			for other, q := range all {
				if other != id {
					set.Add(other, q)
				}
			}
			if m.policy != nil {
				set.Add(id, cedar.NewPolicyFromAST((*cedarast.Policy)(m.policy)))
			}
			made++
			noticed := slices.ContainsFunc(order, func(i int) bool { return !reflect.DeepEqual(tables[i](policies{set}), right[i]) })
			if !noticed {
				t.Errorf("%s: %s: nobody notices", id, m.what)
				continue
			}
			killed++
		}
	}
	t.Logf("%d policies, %d mutants, %d noticed", len(all), made, killed)
	if len(all) < 15 || made < 100 {
		t.Errorf("only %d mutants of %d policies", made, len(all))
	}
}
