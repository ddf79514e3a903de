package keys

import (
	"fmt"

	"catchment/internal/ident"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Small is a table of small keys: one for each subject, wrapped by a generation
// of the account's keyset.
type Small struct {
	name                       string
	stale, rewrap, generations *store.Stmt
}

// The tables of small keys. The key of an import's or an export's file is
// destroyed before its row goes.
var (
	OfPersons = small("person", "person_key", "person_id")
	OfMembers = small("member", "member_key", "user_id")
	OfImports = small("import", "import", "import_id")
	OfExports = small("export", "export", "export_id")
)

func small(name, table, id string) Small {
	register := func(what, text string, args ...any) *store.Stmt {
		return store.Register("keys.small."+name+"."+what, fmt.Sprintf(text, args...))
	}
	return Small{name,
		register("stale", `SELECT %[2]s, wrapped FROM %[1]s
			WHERE account_id = $1 AND %[2]s > $2 AND keyset_version < $3 AND wrapped IS NOT NULL ORDER BY %[2]s LIMIT $4`, table, id),
		register("rewrap", `UPDATE %[1]s SET wrapped = $3, keyset_version = $4
			WHERE account_id = $1 AND %[2]s = $2 AND wrapped = $5`, table, id),
		register("generations", `SELECT keyset_version, count(*) FROM %[1]s
			WHERE account_id = $1 AND wrapped IS NOT NULL GROUP BY keyset_version`, table)}
}

// Name is what the keys are of: "person", "member", "import" or "export".
func (t Small) Name() string { return t.name }

// subject is an id of whatever the keys are of.
type subject struct{}

func (subject) Prefix() string { return "subject" }

// Stale reads up to limit wrapped keys of older generations than this one, by
// id, after the given subject.
func (t Small) Stale(tx *store.Tx, generation uint32, after vault.Subject, limit int) (out []vault.Wrapped, err error) {
	rows, err := tx.Query(t.stale, ident.From[subject](after), int64(generation), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id ident.ID[subject]
		var w vault.Wrapped
		err := scan(&id, &w.Key)
		w.Subject = vault.Subject(id.UUID())
		out = append(out, w)
		return err
	})
	return out, err
}

// Rewrap puts a key that was wrapped anew into the place of the old form. One
// that was destroyed meanwhile stays destroyed.
func (t Small) Rewrap(tx *store.Tx, old vault.Wrapped, wrapped []byte, generation uint32) error {
	_, err := tx.Exec(t.rewrap, ident.From[subject](old.Subject), wrapped, int64(generation), old.Key)
	return err
}

// Generations adds the number of wrapped keys of each generation.
func (t Small) Generations(tx *store.Tx, into map[uint32]int64) error {
	rows, err := tx.Query(t.generations)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var g, n int64
		err := scan(&g, &n)
		into[uint32(g)] += n
		return err
	})
}
