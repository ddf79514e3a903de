package proof

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"

	"catchment/internal/lead"
	"catchment/internal/routing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the databases are opened as they are,
	_ "modernc.org/sqlite"             // past the program's own way to them
)

// tables reads the stopped instance's database itself: what the API does not
// show must be there as well, or the rate was bought by leaving it out.
func (t *trial) tables(ctx context.Context, i *instance, book *ledger, label string) error {
	db, err := i.database()
	if err != nil {
		return err
	}
	defer db.Close()
	want := int64(book.acknowledged())
	count := func(text string) (n int64, err error) {
		err = db.QueryRowContext(ctx, text).Scan(&n)
		return n, err
	}
	for _, c := range []struct {
		name, text string
		want       int64
	}{
		{"open offers", `SELECT count(*) FROM offer WHERE open`, want},
		{"leads with an offer of their own", `SELECT count(*) FROM (SELECT DISTINCT lead_id FROM offer) AS o`, want},
		{"decisions that chose somebody", `SELECT count(*) FROM decision WHERE offer_id IS NOT NULL`, want},
		{"wrapped keys, one a person", `SELECT count(*) - (SELECT count(*) FROM person WHERE test) FROM person_key`, want},
		{"submissions kept", `SELECT count(*) - (SELECT count(*) FROM enquiry WHERE test) FROM submission`, want},
	} {
		n, err := count(c.text)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		t.check(label+"rows: "+c.name, n == c.want, "%d of %d", n, c.want)
	}
	if err := t.pairsOfCounts(ctx, count, label); err != nil {
		return err
	}
	if err := t.spread(ctx, count, label); err != nil {
		return err
	}
	if err := t.told(ctx, db, want, label); err != nil {
		return err
	}
	return t.replayed(ctx, db, label)
}

// database opens the instance's, as its owner.
func (i *instance) database() (*sql.DB, error) {
	if i.cluster != nil {
		return openURL(i.cluster.URL("catchment"))
	}
	return sql.Open("sqlite", "file:"+filepath.Join(i.dir, "catchment.db")+"?mode=ro")
}

// writable is database for changes, beside the running program.
func (i *instance) writable() (*sql.DB, error) {
	if i.cluster != nil {
		return i.database()
	}
	return sql.Open("sqlite", "file:"+filepath.Join(i.dir, "catchment.db")+"?_pragma=busy_timeout(10000)")
}

func openURL(url string) (*sql.DB, error) { return sql.Open("pgx", url) }

// pairsOfCounts compares figures that two tables must agree on.
func (t *trial) pairsOfCounts(_ context.Context, count func(string) (int64, error), label string) error {
	for _, p := range []struct{ name, one, other string }{
		{"each round that made offers has its job to expire them", `SELECT count(*) FROM (SELECT DISTINCT round_id FROM offer WHERE open) AS r`, `SELECT count(*) FROM job WHERE kind = 'expire'`},
		{"rounds say how many decisions they hold", `SELECT sum(decisions) FROM round`, `SELECT count(*) FROM decision`},
		{"pools count the offers that are open", `SELECT sum(open_offers) FROM pool_member`, `SELECT count(*) FROM offer WHERE open`},
	} {
		a, err := count(p.one)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		b, err := count(p.other)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		t.check(label+"rows: "+p.name, a == b && a > 0, "%d and %d", a, b)
	}
	return nil
}

// spread checks that the offers went round: nobody has two more than another.
func (t *trial) spread(_ context.Context, count func(string) (int64, error), label string) error {
	const each = `(SELECT count(*) AS n FROM offer GROUP BY user_id) AS u`
	least, err := count(`SELECT min(n) FROM ` + each)
	if err != nil {
		return err
	}
	most, err := count(`SELECT max(n) FROM ` + each)
	if err != nil {
		return err
	}
	people, err := count(`SELECT count(*) FROM ` + each)
	t.check(label+"rows: the offers went round", most-least <= 1 && people == offerTeam, "%d people got %d to %d", people, least, most)
	return err
}

// told counts the events and the record.
func (t *trial) told(ctx context.Context, db *sql.DB, want int64, label string) error {
	kinds := map[string]int64{}
	err := each(ctx, db, `SELECT events, '' FROM event_batch`, func(text, _ []byte) error {
		var list []struct {
			Kind string `json:"kind"`
			Test bool   `json:"test"`
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		for _, e := range list {
			if !e.Test {
				kinds[e.Kind]++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.check(label+"rows: an event for each lead and each offer", kinds["lead.created"] == want && kinds["offer.made"] == want,
		"%d lead.created, %d offer.made of %d", kinds["lead.created"], kinds["offer.made"], want)
	opened := int64(0)
	err = each(ctx, db, `SELECT detail, '' FROM audit_event WHERE action = 'rewrap'`, func(text, _ []byte) error {
		var d struct {
			Submissions int64 `json:"submissions"`
		}
		err := json.Unmarshal(text, &d)
		opened += d.Submissions
		return err
	})
	t.check(label+"rows: every opening at intake is on the record", opened >= want, "%d of %d", opened, want)
	return err
}

// each reads two columns of every row.
func each(ctx context.Context, db *sql.DB, text string, f func(a, b []byte) error) error {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b []byte
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		if err := f(a, b); err != nil {
			return err
		}
	}
	return rows.Err()
}

// savedDecision is a row of the ledger of decisions.
type savedDecision struct {
	lead, user string
	reasons    []byte
}

// replayed decides every saved round again and compares each decision, each
// candidate's reason included.
func (t *trial) replayed(ctx context.Context, db *sql.DB, label string) error {
	saved, err := savedDecisions(ctx, db)
	if err != nil {
		return err
	}
	rounds, decisions, different, control := 0, 0, 0, 0
	err = each(ctx, db, `SELECT round_id, input FROM round`, func(id, input []byte) error {
		rounds++
		in, out, err := routing.Replay(input)
		if err != nil {
			return err
		}
		rows := saved[idOf(id)]
		decisions += len(rows)
		different += differences(in, out, rows)
		if len(rows) > 0 {
			bad := append([]savedDecision{}, rows...)
			bad[0].reasons = append([]byte{bad[0].reasons[0] ^ 1}, bad[0].reasons[1:]...)
			control += differences(in, out, bad)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.check(label+"every saved decision is the same when it is decided again", different == 0 && decisions > 0, "%d rounds, %d decisions, %d different", rounds, decisions, different)
	t.check(label+"control: one changed reason in each round is noticed", control == rounds, "%d of %d", control, rounds)
	return nil
}

func savedDecisions(ctx context.Context, db *sql.DB) (map[string][]savedDecision, error) {
	out := map[string][]savedDecision{}
	rows, err := db.QueryContext(ctx, `SELECT round_id, lead_id, user_id, reasons FROM decision ORDER BY round_id, n`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var round, lead, user, reasons []byte
		if err := rows.Scan(&round, &lead, &user, &reasons); err != nil {
			return nil, err
		}
		out[idOf(round)] = append(out[idOf(round)], savedDecision{idOf(lead), idOf(user), reasons})
	}
	return out, rows.Err()
}

func differences(in routing.Round, out routing.Outcome, rows []savedDecision) (n int) {
	if len(rows) != len(out.Decisions) {
		return 1
	}
	for k, d := range out.Decisions {
		user := ""
		if d.Chosen != routing.Nobody {
			user = in.Candidates[d.Chosen].User.UUID().String()
		}
		if rows[k].lead != uuidOf(in.Leads[k].Lead) || rows[k].user != user || !bytes.Equal(rows[k].reasons, d.Reasons) {
			n++
		}
	}
	return n
}

func uuidOf(id lead.ID) string { return id.UUID().String() }

// idOf reads an id as either engine gives it: 16 bytes, or the text of a UUID.
func idOf(b []byte) string {
	if len(b) == 16 {
		return uuid.UUID(b).String()
	}
	return string(b)
}
