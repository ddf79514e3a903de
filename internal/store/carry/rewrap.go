package carry

import (
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// keyTable has the statements about the keys of one kind of file.
type keyTable struct{ stale, rewrap, generations *store.Stmt }

var importKeyTable = keyTable{
	stale: store.Register("carry.import.keys.stale", `SELECT import_id, wrapped FROM import
		WHERE account_id = $1 AND import_id > $2 AND keyset_version < $3 AND wrapped IS NOT NULL ORDER BY import_id LIMIT $4`),
	rewrap: store.Register("carry.import.key.rewrap", `UPDATE import SET wrapped = $3, keyset_version = $4
		WHERE account_id = $1 AND import_id = $2 AND wrapped = $5`),
	generations: store.Register("carry.import.keys.generations", `SELECT keyset_version, count(*) FROM import
		WHERE account_id = $1 AND wrapped IS NOT NULL GROUP BY keyset_version`),
}

var exportKeyTable = keyTable{
	stale: store.Register("carry.export.keys.stale", `SELECT export_id, wrapped FROM export
		WHERE account_id = $1 AND export_id > $2 AND keyset_version < $3 AND wrapped IS NOT NULL ORDER BY export_id LIMIT $4`),
	rewrap: store.Register("carry.export.key.rewrap", `UPDATE export SET wrapped = $3, keyset_version = $4
		WHERE account_id = $1 AND export_id = $2 AND wrapped = $5`),
	generations: store.Register("carry.export.keys.generations", `SELECT keyset_version, count(*) FROM export
		WHERE account_id = $1 AND wrapped IS NOT NULL GROUP BY keyset_version`),
}

// StaleImportKeys reads up to limit wrapped keys of imports' files that are of
// older generations than this one, by id, after the given subject.
func StaleImportKeys(tx *store.Tx, generation uint32, after vault.Subject, limit int) ([]vault.Wrapped, error) {
	return importKeyTable.read(tx, generation, after, limit)
}

// RewrapImport puts a key that was wrapped anew into the place of the old form;
// one that was destroyed meanwhile stays so.
func RewrapImport(tx *store.Tx, old vault.Wrapped, wrapped []byte, generation uint32) error {
	return importKeyTable.write(tx, old, wrapped, generation)
}

// ImportKeyGenerations counts the wrapped keys of each generation.
func ImportKeyGenerations(tx *store.Tx, into map[uint32]int64) error {
	return importKeyTable.count(tx, into)
}

// StaleExportKeys is StaleImportKeys for exports.
func StaleExportKeys(tx *store.Tx, generation uint32, after vault.Subject, limit int) ([]vault.Wrapped, error) {
	return exportKeyTable.read(tx, generation, after, limit)
}

// RewrapExport is RewrapImport for exports.
func RewrapExport(tx *store.Tx, old vault.Wrapped, wrapped []byte, generation uint32) error {
	return exportKeyTable.write(tx, old, wrapped, generation)
}

// ExportKeyGenerations is ImportKeyGenerations for exports.
func ExportKeyGenerations(tx *store.Tx, into map[uint32]int64) error {
	return exportKeyTable.count(tx, into)
}

func (t keyTable) read(tx *store.Tx, generation uint32, after vault.Subject, limit int) (out []vault.Wrapped, err error) {
	rows, err := tx.Query(t.stale, lead.ImportIDFrom(after), int64(generation), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id lead.ImportID
		var w vault.Wrapped
		err := scan(&id, &w.Key)
		w.Subject = vault.Subject(id.UUID())
		out = append(out, w)
		return err
	})
	return out, err
}

func (t keyTable) write(tx *store.Tx, old vault.Wrapped, wrapped []byte, generation uint32) error {
	_, err := tx.Exec(t.rewrap, lead.ImportIDFrom(old.Subject), wrapped, int64(generation), old.Key)
	return err
}

func (t keyTable) count(tx *store.Tx, into map[uint32]int64) error {
	rows, err := tx.Query(t.generations)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var g, n int64
		err := scan(&g, &n)
		into[uint32(g)] += n
		return err
	})
}
