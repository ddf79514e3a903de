package archtest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"catchment/internal/store"
	"catchment/internal/store/storetest"

	"github.com/jackc/pgx/v5"
)

// What PostgreSQL gets of a list in place of the registered text (see
// store.List) keeps to the account, too, and searches for one value after the
// other instead of joining them with all of the account's rows.
func TestEveryListIsASearch(t *testing.T) {
	c := planner(t)
	seen := 0
	for _, l := range store.Lists("uuid") {
		if strings.HasPrefix(l.Name, "test.") {
			continue
		}
		seen++
		plan, err := explain(t, c, l.Text)
		for _, kind := range []string{"bytea", "text", "bigint"} {
			if err != nil {
				plan, err = explain(t, c, strings.Replace(l.Text, "::uuid[]", "::"+kind+"[]", 1))
			}
		}
		if err != nil {
			t.Errorf("%s: %v", l.Name, err)
		} else if fault := strays(plan); fault != "" {
			t.Errorf("%s: %s\n%s", l.Name, fault, plan)
		}
	}
	if seen < 20 {
		t.Errorf("only %d lists were planned", seen)
	}
}

// Controls: a list of any account, and one that is joined.
func TestOtherListsAreNoticed(t *testing.T) {
	c := planner(t)
	for _, text := range []string{
		`SELECT x.* FROM unnest($2::uuid[]) AS list (one) CROSS JOIN LATERAL (SELECT note_id FROM note WHERE $1::uuid IS NOT NULL AND lead_id = list.one OFFSET 0) AS x`,
		`SELECT note_id FROM note JOIN unnest($2::uuid[]) AS list (one) ON account_id = $1 AND person_id = list.one`,
	} {
		plan, err := explain(t, c, text)
		if err != nil {
			t.Fatal(err)
		}
		if strays(plan) == "" {
			t.Errorf("not noticed:\n%s", plan)
		}
	}
}

// planner is a connection that plans as ours do, and for any values; row-level
// security, which would put the account into every search, does not hold for it.
func planner(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), storetest.PostgresOptions(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	if _, err := c.Exec(t.Context(), "SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	return c
}

func explain(t *testing.T, c *pgx.Conn, text string) (string, error) {
	t.Helper()
	s, err := c.Prepare(t.Context(), "explained", text)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Deallocate(context.Background(), "explained") }()
	none := strings.TrimSuffix(strings.Repeat("NULL, ", len(s.ParamOIDs)), ", ")
	rows, err := c.Query(t.Context(), fmt.Sprintf("EXPLAIN (COSTS off) EXECUTE explained (%s)", none), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

// strays says what in the plan is not a search within the account.
func strays(plan string) string {
	scans := 0
	for line := range strings.Lines(plan) {
		line = strings.TrimSpace(line)
		switch {
		case strings.Contains(line, "Index Scan") || strings.Contains(line, "Index Only Scan"):
			scans++
		case strings.HasPrefix(line, "Index Cond:") && strings.Contains(line, "account_id = $1"):
			scans--
		case strings.Contains(line, "Seq Scan") || strings.Contains(line, "Hash") || strings.Contains(line, "Merge"):
			return line
		}
	}
	if scans != 0 {
		return "a search is not bound to the account"
	}
	return ""
}
