// Command sqlcipher reads a database with Zetetic's SQLCipher 4, for the test
// that the file on the phone is of that format: given a file and a key (64
// hexadecimal digits) it prints SQLCipher's version, and how many rows each
// table has. It ends with 1 when the key does not open the file.
package main

import (
	"database/sql"
	"fmt"
	"os"

	_ "github.com/mutecomm/go-sqlcipher/v4"
)

func main() {
	if err := read(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(file, key string) error {
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro&_pragma_key=x'"+key+"'")
	if err != nil {
		return err
	}
	defer db.Close()
	var version string
	if err := db.QueryRow("PRAGMA cipher_version").Scan(&version); err != nil {
		return err
	}
	fmt.Println("cipher_version", version)
	for _, table := range []string{"kept", "outbox"} {
		var n int
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
			return err
		}
		fmt.Println(table, n)
	}
	rows, err := db.Query("SELECT value FROM kept")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return err
		}
		fmt.Println("value", value)
	}
	return rows.Err()
}
