package rights

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"catchment/internal/account"

	"github.com/cedar-policy/cedar-go"
)

// asked are the roles of the table: those built in, also with a definition that
// is not theirs to have, and own roles that ask for everything there is, with each
// reach, also for what they cannot have, or for nothing.
func asked() (names []string, tables []func(policies) *table) {
	all := append(account.AccountRoles(), account.Support, account.Operator)
	for _, r := range all {
		names = append(names, string(r))
	}
	owns := []Reach{All, Teams, Mine, None}
	for _, r := range owns {
		names = append(names, "own:"+r.String())
	}
	everything := func(r Reach) Definition {
		d := Definition{}
		for _, w := range words {
			d[w.Permission] = r
		}
		return d
	}
	for _, r := range all {
		tables = append(tables, func(p policies) *table { return p.sum(r, owns, everything) })
	}
	for _, r := range owns {
		tables = append(tables, func(p policies) *table { return p.table(own, everything(r)) })
	}
	return names, tables
}

func tablesOf(p policies) (out []*table) {
	_, tables := asked()
	for _, f := range tables {
		out = append(out, f(p))
	}
	return out
}

// sum is all that a role may with any of these definitions.
func (p policies) sum(role account.Role, of []Reach, everything func(Reach) Definition) *table {
	sum := &table{cells: map[account.Permission]cell{}}
	for _, reach := range of {
		t := p.table(role, everything(reach))
		for permission, c := range t.cells {
			sum.cells[permission] |= c
		}
		for masks := range t.fields {
			for f, c := range t.fields[masks] {
				sum.fields[masks][f].clear |= c.clear
				sum.fields[masks][f].masked |= c.masked
			}
		}
	}
	return sum
}

// write is the table as a text: what of the samples each role may.
func write(p policies) string {
	names, _ := asked()
	all := tablesOf(p)
	var b strings.Builder
	for _, w := range words {
		fmt.Fprintf(&b, "%s\n", w.Permission)
		for i, t := range all {
			if c := t.cells[w.Permission]; c != 0 {
				fmt.Fprintf(&b, "\t%s: %s\n", names[i], c)
			}
		}
	}
	for masks, when := range []string{"", ", masking"} {
		for f := range fieldCount {
			for i, t := range all {
				given := t.fields[masks][f]
				writeCell(&b, "open:"+f.String()+when, names[i], given.clear)
				writeCell(&b, "mask:"+f.String()+when, names[i], given.masked)
			}
		}
	}
	return b.String()
}

func writeCell(b *strings.Builder, what, who string, c cell) {
	if c != 0 {
		fmt.Fprintf(b, "%s\t%s: %s\n", what, who, c)
	}
}

func (c cell) String() string {
	var out []string
	for i, name := range []string{"owned", "offered", "team", "other", "house", "outside"} {
		if c&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// The table in testdata is what people agreed on; the policies have to make it.
// UPDATE=1 writes it anew, for the eyes of whoever reviews the change.
func TestPoliciesMakeTheTable(t *testing.T) {
	p, err := readPolicies()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "table.txt")
	got := write(p)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("the policies make another table (%v):\n%s", err, got)
	}
	if strings.Contains(got, "outside") {
		t.Error("somebody reaches out of their own house")
	}
}

func TestEveryCellIsAReach(t *testing.T) {
	names, _ := asked()
	for i, table := range tablesOf(mustPolicies()) {
		for p, c := range table.cells {
			w, _ := WordOf(p)
			if c != 0 && c.reach() == None || c == houses && w.Lead || c&houses == 0 && !w.Lead {
				t.Errorf("%s, %s: %s", names[i], p, c)
			}
		}
	}
}

// A policy that cannot be judged denies everything, whatever the others permit:
// an error in a forbid would drop the forbid.
func TestAnErrorDeniesEverything(t *testing.T) {
	for name, text := range map[string]string{
		"forbid": `forbid (principal, action, resource) when { principal.missing == 1 };`,
		"permit": `permit (principal, action, resource) when { resource.house.missing };`,
	} {
		p, err := readPolicies()
		if err != nil {
			t.Fatal(err)
		}
		if control := p.table(account.Admin, nil); len(control.cells) == 0 {
			t.Fatal("an admin may nothing at all")
		}
		var bad cedar.Policy
		if err := bad.UnmarshalCedar([]byte(text)); err != nil {
			t.Fatal(err)
		}
		p.set.Add("bad", &bad)
		for i, table := range tablesOf(p) {
			for permission, c := range table.cells {
				t.Errorf("%s: role %d, %s: %s", name, i, permission, c)
			}
			if table.fields != ([2][fieldCount]given{}) {
				t.Errorf("%s: role %d opens fields", name, i)
			}
		}
	}
}

func TestRights(t *testing.T) {
	var none Rights
	if none.May(account.ReadSetup) || none.Reach(account.ReadLeads) != None || !none.May(account.Public) || none.Teams() || none.Offered(account.ReadLeads) {
		t.Error("no rights are some")
	}
	if Of("role_x").May(account.UseOwnSession) || Of("").May(account.UseOwnSession) || Of(own).May(account.UseOwnSession) {
		t.Error("an unknown role may something")
	}
	s := Of(account.Salesperson)
	if s.Reach(account.ReadLeads) != Mine || !s.Offered(account.OpenPersons) || s.Offered(account.WorkLeads) || s.Teams() {
		t.Error("salesperson")
	}
	if m := Of(account.Marketer); m.May(account.ReadLeads) || m.May(account.OpenPersons) || !m.May(account.DraftContent) || m.May(account.PublishContent) {
		t.Error("a marketer drafts, and never sees a person")
	}
	lead := Own(Definition{account.ReadLeads: Teams, account.ReadSetup: All})
	if !lead.Teams() || lead.Reach(account.ReadLeads) != Teams || !lead.May(account.ReadSetup) || lead.May(account.ManageSetup) || !lead.May(account.UseOwnSession) {
		t.Error("an own role")
	}
	if Own(Definition{account.RunPlatform: All}).May(account.RunPlatform) {
		t.Error("an own role runs the platform")
	}
	admin := Of(account.Admin)
	if !admin.Cover(lead) || lead.Cover(admin) || !admin.Cover(s) || s.Cover(lead) || !lead.Cover(none) || !none.Cover(none) || admin.Cover(Of(account.Operator)) {
		t.Error("who covers whom")
	}
}

// Without masking, the fields of a lead are open to whom persons:open reaches; and
// masking takes from nobody but who has the lead only on offer.
func TestFieldsFollowTheRightToOpen(t *testing.T) {
	names, _ := asked()
	for i, table := range tablesOf(mustPolicies()) {
		r := Rights{table}
		for _, as := range []Standing{Owner, InTeam, Other, Owner | Offered, InTeam | Offered, Other | Offered} {
			opens := table.cells[account.OpenPersons]&cell(as) != 0
			plain, masked := r.Sight(as, false), r.Sight(as, true)
			if (plain == Sight{}) == opens || slices.Contains(plain[:], Masked) || opens && slices.Contains(plain[:], Nothing) {
				t.Errorf("%s, %v: %v", names[i], as, plain)
			}
			reached := table.cells[account.OpenPersons]&cell(as)&^offered != 0
			if want := (Sight{Name: Clear, Phone: Masked, Email: Masked}); reached && masked != plain || opens && !reached && masked != want || !opens && masked != (Sight{}) {
				t.Errorf("%s, %v, masking: %v", names[i], as, masked)
			}
		}
	}
	if (Rights{}).Sight(Owner, false) != (Sight{}) {
		t.Error("no rights open something")
	}
}

func TestDefinitionsThatAreEqualAreJudgedOnce(t *testing.T) {
	a := Own(Definition{account.ReadLeads: Teams, account.ReadSetup: All, account.WorkLeads: None})
	b := Own(Definition{account.ReadSetup: All, account.ReadLeads: Teams})
	if a != b {
		t.Error("they are judged anew")
	}
	if c := Own(Definition{account.ReadSetup: All, account.ReadLeads: Mine}); c == a {
		t.Error("another definition is taken for the same")
	}
}

func TestReachesAreRead(t *testing.T) {
	for r := None; r <= All; r++ {
		if got, err := ParseReach(r.String()); err != nil || got != r {
			t.Errorf("%s: %v, %v", r, got, err)
		}
	}
	for _, s := range []string{"", "All", "own", "all "} {
		if _, err := ParseReach(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestEveryPermissionHasWords(t *testing.T) {
	names, _ := asked()
	held := tablesOf(mustPolicies())
	for _, w := range words {
		if w.Words == "" || slices.Contains(w.Reaches, None) {
			t.Errorf("%s: %+v", w.Permission, w)
		}
		if !slices.ContainsFunc(held, func(t *table) bool { return t.cells[w.Permission] != 0 }) {
			t.Errorf("nobody of %v holds %s", names, w.Permission)
		}
	}
}

func BenchmarkReach(b *testing.B) {
	r := Of(account.Manager)
	b.ReportAllocs()
	for b.Loop() {
		if r.Reach(account.ReadLeads) != All {
			b.Fatal()
		}
	}
}

func BenchmarkOwn(b *testing.B) {
	d := Definition{account.ReadLeads: Teams, account.WorkLeads: Teams, account.OpenPersons: Mine, account.ReadSetup: All}
	b.ReportAllocs()
	for b.Loop() {
		if Own(d).Reach(account.ReadLeads) != Teams {
			b.Fatal()
		}
	}
}

func BenchmarkTable(b *testing.B) {
	p := mustPolicies()
	for b.Loop() {
		p.table(account.Manager, nil)
	}
}
