package whole

import (
	"slices"
	"testing"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// plain are columns of bytes that are nobody's text: hashes, sums, and what a
// decision saw.
var plain = []string{"audit_event.prev", "audit_event.salt", "audit_leaf.hash", "audit_head.peaks", "api_key.key_hash", "decision.reasons", "round.input",
	"figure_share.share", "figure_cell.sums", "person_index.mac", "submission.body_mac", "withheld.mac",
	"dead_letter.entry", "dead_letter.box"} // opened and sealed apart: by the drop box

// Whoever adds a table says what it is to an export, and whoever adds a column
// of bytes whether it is ciphertext.
func TestEveryTableHasAnAnswer(t *testing.T) {
	known := map[string]*Table{}
	for _, of := range Tables() {
		known[of.Name] = of
		if of.Left == "?" {
			t.Errorf("table %s: say in fates.go what it is to an export of the account", of.Name)
		}
		if of.Left != "" {
			continue
		}
		for _, c := range of.Columns() {
			sealed := slices.ContainsFunc(of.Sealed, func(s Sealed) bool { return s.Column == c.Name })
			if c.Kind == "BYTES" && !sealed && !slices.Contains(plain, of.Name+"."+c.Name) && !slices.Contains(of.Empty, c.Name) {
				t.Errorf("%s.%s holds bytes: say whether it is sealed", of.Name, c.Name)
			}
		}
		for _, s := range of.Sealed {
			for _, name := range []string{s.Column, s.Row, s.Whose} {
				if !slices.ContainsFunc(of.Columns(), func(c store.Column) bool { return c.Name == name }) {
					t.Errorf("%s has no column %s", of.Name, name)
				}
			}
		}
	}
	for name := range fates {
		if known[name] == nil {
			t.Errorf("there is no table %s", name)
		}
	}
	for _, key := range store.KeyTables() {
		if of := known[key]; of != nil && of.Left == "" { // nil: the platform's
			t.Errorf("%s has keys, and is carried", key)
		}
	}
}

var (
	putTag  = store.Register("test.whole.tag", `INSERT INTO lead_tag (account_id, lead_id, tag, lead_created_at) VALUES ($1, $2, $3, 7)`)
	putSpan = store.Register("test.whole.span", `INSERT INTO spend (account_id, day_at, dim, key, currency, minor) VALUES ($1, $2, 'source', $3, 'EUR', 1)`)
)

// Pages are every row of the account once, in the order of the key, and nobody
// else's; rows go in as they came out.
func TestPagesAreAllRowsOfOneAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, other := storetest.Account(), storetest.Account()
		many := PageRows + PageRows/2
		for i, s := range []struct{ n int }{{many}, {3}} {
			scope := one
			if i == 1 {
				scope = other
			}
			err := db.Write(t.Context(), scope, func(tx *store.Tx) error {
				for n := range s.n {
					if err := tx.Must(putSpan, int64(n/2), string(rune('a'+n%2))); err != nil {
						return err
					}
				}
				return tx.Must(putTag, scope.Account(), "x")
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		i := slices.IndexFunc(Tables(), func(x *Table) bool { return x.Name == "spend" })
		spend := Tables()[i]
		var all []Row
		read := func(tx *store.Tx) error {
			all = nil
			for at, more := Place(nil), true; more; more = at != nil {
				rows, next, err := Page(tx, spend, at)
				if err != nil {
					return err
				}
				all, at = append(all, rows...), next
			}
			return nil
		}
		if err := db.Read(t.Context(), one, read); err != nil || len(all) != many {
			t.Fatalf("%d rows, %v", len(all), err)
		}
		for n, r := range all {
			if r["day_at"] != int64(n/2) || r["key"] != string(rune('a'+n%2)) {
				t.Fatalf("row %d is %v", n, r)
			}
		}
		third := storetest.Account()
		if err := db.Write(t.Context(), third, func(tx *store.Tx) error { return Add(tx, spend, all[:5]) }); err != nil {
			t.Fatal(err)
		}
		first := all[:5]
		if err := db.Read(t.Context(), third, read); err != nil || len(all) != 5 {
			t.Fatalf("%d rows, %v", len(all), err)
		}
		for n := range all {
			if all[n]["key"] != first[n]["key"] || all[n]["minor"] != first[n]["minor"] {
				t.Errorf("%v is not %v", all[n], first[n])
			}
		}
	})
}
