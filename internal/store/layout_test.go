package store_test

import (
	"database/sql"
	"testing"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// The columns that the migrations say are those that the database has.
func TestColumnsAreThoseOfTheDatabase(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+storetest.SQLiteOptions(t).Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	types := map[string]string{"ID": "BLOB", "BYTES": "BLOB", "INT": "INTEGER", "BOOL": "INTEGER", "TEXT": "TEXT"}
	n := 0
	for _, table := range store.Tables() {
		var have []store.Column
		rows, err := db.Query(`SELECT name, type FROM pragma_table_info(?) ORDER BY cid`, table.Name)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var c store.Column
			if err := rows.Scan(&c.Name, &c.Kind); err != nil {
				t.Fatal(err)
			}
			have = append(have, c)
		}
		rows.Close()
		for i, c := range table.Columns {
			if len(have) != len(table.Columns) || have[i].Name != c.Name || have[i].Kind != types[c.Kind] {
				t.Errorf("%s: said %v, and the database has %v", table.Name, table.Columns, have)
				break
			}
			n++
		}
	}
	if n < 300 {
		t.Errorf("only %d columns were compared", n)
	}
}
