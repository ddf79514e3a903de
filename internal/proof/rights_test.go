package proof

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"catchment/docs"
	"catchment/internal/account"
	"catchment/internal/rights"
)

// The page says what the policies make.
func TestThePageSaysWhatRolesMay(t *testing.T) {
	page, err := readRights(docs.Rights)
	if err != nil {
		t.Fatal(err)
	}
	roles := append(account.AccountRoles(), account.Support, account.Operator)
	if len(page.roles) != len(roles) {
		t.Errorf("the page has the roles %v", page.roles)
	}
	words := rights.Permissions()
	if len(words) != len(page.grants) {
		t.Errorf("%d permissions on the page, %d there are", len(page.grants), len(words))
	}
	for _, w := range words {
		for _, role := range roles {
			want := ""
			if r := rights.Of(role); r.May(w.Permission) {
				if want = held; w.Lead {
					want = r.Reach(w.Permission).String()
				}
			}
			if got := page.grants[string(w.Permission)][string(role)]; got != want {
				t.Errorf("%s, %s: the page says %q, the policies %q", w.Permission, role, got, want)
			}
		}
	}
}

// The page lists what the document lists; the copy that the web app is made
// from is kept equal to the served one by its own test.
func TestThePageListsTheRoutes(t *testing.T) {
	text, err := os.ReadFile("../../browser/app/src/api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	routes, _, _, err := readRoutes(text)
	if err != nil {
		t.Fatal(err)
	}
	page, err := readRights(docs.Rights)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range page.faults(routes) {
		t.Error(f)
	}
	r := routes[0]
	r.permission += "x"
	gone, _ := json.Marshal(page.faults(append(routes[1:len(routes)-1:len(routes)-1], r)))
	if !strings.Contains(string(gone), "asks for") || !strings.Contains(string(gone), "and not served") {
		t.Errorf("control: another permission and a missing route: %s", gone)
	}
	extra := append(routes[:len(routes):len(routes)], route{method: "GET", path: "/v1/else", permission: "public"})
	if len(page.faults(extra)) != 1 {
		t.Error("control: a route that is not on the page is not noticed")
	}
}

func TestPagesThatSayNothingKnown(t *testing.T) {
	for name, page := range map[string]string{
		"another word for a reach":  "| permission | x | admin |\n|---|---|---|\n| `a` | A | some |\n",
		"a permission twice":        "| permission | x | admin |\n|---|---|---|\n| `a` | A | all |\n| `a` | A | all |\n",
		"a cell less":               "| permission | x | admin |\n|---|---|---|\n| `a` | A |\n",
		"another word for a route":  "| route | permission | further |\n|---|---|---|\n| `GET /` | `a` | sometimes |\n",
		"a route twice":             "| route | permission | further |\n|---|---|---|\n| `GET /` | `a` | |\n| `GET /` | `a` | |\n",
		"no table":                  "# Rights\n",
		"no routes":                 "| permission | x | admin |\n|---|---|---|\n| `a` | A | all |\n",
		"a route with no such cell": "| route | permission | further |\n|---|---|---|\n| `GET /` | `a` |\n",
	} {
		if _, err := readRights(page); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func FuzzReadRights(f *testing.F) {
	f.Add(docs.Rights)
	f.Add("| permission |\n| `a` |\n")
	f.Fuzz(func(t *testing.T, page string) {
		if table, err := readRights(page); err == nil && (len(table.grants) == 0 || len(table.routes) == 0) {
			t.Error("an empty table is read")
		}
	})
}
