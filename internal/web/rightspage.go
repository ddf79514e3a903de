package web

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"catchment/internal/account"
	"catchment/internal/rights"
)

//go:embed rights.html
var rightsHTML string

// rightsRow is a permission on the page: who holds it, and which routes ask for it.
type rightsRow struct {
	Name, Words string
	Anchor      string
	Coming      bool
	Cells       []rightsCell
	Own         string // how far a role of an account's own may have it
	Routes      []docsRoute
}

type rightsCell struct{ Role, Reach, Class string }

// rightsPage shows the built-in roles as a table, and the document's routes by
// the permission that they ask for.
func rightsPage(doc []byte) ([]byte, error) {
	var d struct {
		Paths map[string]map[string]map[string]any
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("web: the page of rights: %w", err)
	}
	routes := map[string][]docsRoute{}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			op := d.Paths[path][method]
			p, _ := op["x-permission"].(string)
			r := docsRoute{Method: strings.ToUpper(method), Path: path}
			r.ID, _ = op["operationId"].(string)
			r.Summary, _ = op["summary"].(string)
			routes[p] = append(routes[p], r)
		}
	}
	roles := append(account.AccountRoles(), account.Support, account.Operator)
	var rows []rightsRow
	for _, w := range rights.Permissions() {
		row := rightsRow{Name: string(w.Permission), Anchor: strings.ReplaceAll(string(w.Permission), ":", "-"), Words: w.Words, Coming: w.Coming, Routes: routes[string(w.Permission)]}
		for _, role := range roles {
			row.Cells = append(row.Cells, rightsCellOf(role, w))
		}
		var own []string
		for _, r := range w.Reaches {
			own = append(own, r.String())
		}
		row.Own = strings.Join(own, ", ")
		rows = append(rows, row)
	}
	t, err := template.New("rights").Parse(rightsHTML)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{"Roles": roles, "Permissions": rows})
	return out.Bytes(), err
}

func rightsCellOf(role account.Role, w rights.Word) rightsCell {
	c := rightsCell{Role: string(role), Reach: "–"}
	reach := rights.Of(role).Reach(w.Permission)
	switch {
	case reach == rights.None:
		return c
	case w.Lead:
		c.Reach = reach.String()
	default:
		c.Reach = "yes"
	}
	c.Class = c.Reach
	return c
}
