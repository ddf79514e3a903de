// Package carry keeps what is carried in and out in files: imports with their
// pieces, results and saved mappings, and exports (export.go). It alone writes
// these tables.
package carry

import (
	"encoding/json"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// ChunkTable and ExportTable are the names that pieces of files are bound to.
const (
	ChunkTable  = "import_chunk"
	ExportTable = "export_chunk"
)

// Import is a row of import.
type Import struct {
	ID            lead.ImportID
	Source        account.SourceID
	Mode, State   string
	Mapping       map[string]string
	By            string
	KeysetVersion int64
	Wrapped       []byte // nil once the key is destroyed
	FileMAC       []byte
	Upload        int64
	Bytes         int64
	Rows          int64
	Chunks        int64 // of rows; the line of columns is chunk 0
	Next          int64 // the first chunk that is not done, from 1
	Done          int64 // rows
	Taken         int64
	Duplicates    int64
	Refused       int64
	Faults        string // JSON list
	CreatedAt     time.Time
	StartedAt     time.Time
	FinishedAt    time.Time
}

const importColumns = `import_id, source_id, mode, state, mapping, by_actor, keyset_version, wrapped, file_mac, upload, byte_count, row_count, chunks,
	next_chunk, rows_done, taken, duplicates, refused, faults, created_at, started_at, finished_at`

var (
	addImport = store.Register("carry.import.add", `INSERT INTO import (account_id, import_id, source_id, mode, state, mapping, by_actor, keyset_version,
		wrapped, upload, byte_count, row_count, chunks, next_chunk, rows_done, taken, duplicates, refused, faults, created_at)
		VALUES ($1, $2, $3, $4, 'new', $5, $6, $7, $8, 0, 0, 0, 0, 1, 0, 0, 0, 0, '[]', $9)`)
	getImport   = store.Register("carry.import.get", `SELECT `+importColumns+` FROM import WHERE account_id = $1 AND import_id = $2`)
	listImports = store.Register("carry.import.list", `SELECT `+importColumns+` FROM import
		WHERE account_id = $1 AND (created_at, import_id) < ($2, $3) ORDER BY created_at DESC, import_id DESC LIMIT $4`)
	beginUpload = store.Register("carry.import.begin_upload", `UPDATE import SET state = 'receiving', upload = upload + 1, byte_count = 0, row_count = 0, chunks = 0
		WHERE account_id = $1 AND import_id = $2 AND state IN ('new', 'receiving')`)
	moreUpload = store.Register("carry.import.more_upload", `UPDATE import SET byte_count = $4, row_count = $5, chunks = $6
		WHERE account_id = $1 AND import_id = $2 AND upload = $3 AND state = 'receiving'`)
	endUpload = store.Register("carry.import.end_upload", `UPDATE import SET state = 'received', file_mac = $4
		WHERE account_id = $1 AND import_id = $2 AND upload = $3 AND state = 'receiving'`)
	begin = store.Register("carry.import.begin", `UPDATE import SET state = $3, next_chunk = 1, rows_done = 0, taken = 0, duplicates = 0, refused = 0,
		faults = '[]', started_at = $4 WHERE account_id = $1 AND import_id = $2 AND state IN ('received', 'checked')`)
	progress = store.Register("carry.import.progress", `UPDATE import SET next_chunk = next_chunk + 1, rows_done = rows_done + $5, taken = taken + $6,
		duplicates = duplicates + $7, refused = refused + $8, faults = $9
		WHERE account_id = $1 AND import_id = $2 AND next_chunk = $4 AND (state = $3 OR $3 = 'running' AND state = 'cancelled')`)
	checked = store.Register("carry.import.checked", `UPDATE import SET state = 'checked'
		WHERE account_id = $1 AND import_id = $2 AND state = 'checking'`)
	finish = store.Register("carry.import.finish", `UPDATE import SET state = $3, wrapped = NULL, finished_at = $4
		WHERE account_id = $1 AND import_id = $2 AND state <> 'done' AND state <> 'cancelled'`)
	openImports = store.Register("carry.import.open", `SELECT `+importColumns+` FROM import
		WHERE account_id = $1 AND wrapped IS NOT NULL AND created_at < $2 AND state IN ('new', 'receiving', 'received', 'checked')`)
	importKeys = store.List("carry.import.keys", `SELECT import_id, wrapped FROM import WHERE account_id = $1 AND import_id IN (LIST)`)

	addChunk = store.Register("carry.chunk.add", `INSERT INTO import_chunk (account_id, import_id, n, first_row, data) VALUES ($1, $2, $3, $4, $5)`)
	getChunk = store.Register("carry.chunk.get", `SELECT first_row, data FROM import_chunk WHERE account_id = $1 AND import_id = $2 AND n = $3`)
	dropAll  = store.Register("carry.chunk.drop", `DELETE FROM import_chunk WHERE account_id = $1 AND import_id = $2`)
	dropOne  = store.Register("carry.chunk.drop_one", `DELETE FROM import_chunk WHERE account_id = $1 AND import_id = $2 AND n = $3`)

	addResult = store.Register("carry.result.add", `INSERT INTO import_result (account_id, import_id, n, first_row, outcomes)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`)
	getResult = store.Register("carry.result.get", `SELECT first_row, outcomes FROM import_result WHERE account_id = $1 AND import_id = $2 AND n = $3`)

	saveMapping = store.Register("carry.mapping.save", `INSERT INTO import_mapping (account_id, source_id, mapping) VALUES ($1, $2, $3)
		ON CONFLICT (account_id, source_id) DO UPDATE SET mapping = excluded.mapping`)
	savedMapping = store.Register("carry.mapping.get", `SELECT mapping FROM import_mapping WHERE account_id = $1 AND source_id = $2`)
)

// AddImport adds an import that waits for its file.
func AddImport(tx *store.Tx, m *Import) error {
	return tx.Must(addImport, m.ID, m.Source, m.Mode, object(m.Mapping), m.By, m.KeysetVersion, m.Wrapped, store.Micro(m.CreatedAt))
}

// GetImport returns the import, or store.ErrNone.
func GetImport(tx *store.Tx, id lead.ImportID) (*Import, error) {
	m := &Import{}
	return m, m.scan(tx.Row(getImport, id).Scan)
}

// ListImports returns up to limit imports after the place, newest first. The
// zero time is the beginning.
func ListImports(tx *store.Tx, at time.Time, after lead.ImportID, limit int) (out []*Import, err error) {
	from := at.UnixMicro()
	if at.IsZero() {
		from, after = int64(1)<<62, lead.NewImportID()
	}
	rows, err := tx.Query(listImports, from, after, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		m := &Import{}
		out = append(out, m)
		return m.scan(scan)
	})
	return out, err
}

// IdleImports lists those from before the time whose file waits for somebody.
func IdleImports(tx *store.Tx, before time.Time) (out []*Import, err error) {
	rows, err := tx.Query(openImports, before.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		m := &Import{}
		out = append(out, m)
		return m.scan(scan)
	})
	return out, err
}

func (m *Import) scan(scan func(...any) error) error {
	var mapping string
	err := scan(&m.ID, &m.Source, &m.Mode, &m.State, &mapping, &m.By, &m.KeysetVersion, &m.Wrapped, &m.FileMAC, &m.Upload, &m.Bytes, &m.Rows, &m.Chunks,
		&m.Next, &m.Done, &m.Taken, &m.Duplicates, &m.Refused, &m.Faults, store.Time(&m.CreatedAt), store.Time(&m.StartedAt), store.Time(&m.FinishedAt))
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(mapping), &m.Mapping)
}

// BeginUpload begins to take the file, anew if one was begun; false when the
// import has its file already. It returns the number of the upload.
func BeginUpload(tx *store.Tx, id lead.ImportID) (upload int64, ok bool, err error) {
	n, err := tx.Exec(beginUpload, id)
	if err != nil || n == 0 {
		return 0, false, err
	}
	if _, err := tx.Exec(dropAll, id); err != nil {
		return 0, false, err
	}
	m, err := GetImport(tx, id)
	return m.Upload, err == nil, err
}

// Chunk is a sealed piece of a file.
type Chunk struct {
	N, FirstRow int64
	Data        []byte
}

// AddChunk keeps a piece and how far the file has come; false when somebody
// began the upload anew.
func AddChunk(tx *store.Tx, id lead.ImportID, upload, bytes, rows int64, c Chunk) (bool, error) {
	n, err := tx.Exec(moreUpload, id, upload, bytes, rows, c.N)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Must(addChunk, id, c.N, c.FirstRow, c.Data)
}

// EndUpload says that the file is whole; false as AddChunk's.
func EndUpload(tx *store.Tx, id lead.ImportID, upload int64, mac []byte) (bool, error) {
	n, err := tx.Exec(endUpload, id, upload, mac)
	return n == 1, err
}

// GetChunk reads a piece, or store.ErrNone.
func GetChunk(tx *store.Tx, id lead.ImportID, n int64) (c Chunk, err error) {
	c.N = n
	err = tx.Row(getChunk, id, n).Scan(&c.FirstRow, &c.Data)
	return c, err
}

// Begin starts a check or a run from the first row; false when the import is
// not in a state for it.
func Begin(tx *store.Tx, id lead.ImportID, state string, at time.Time) (bool, error) {
	n, err := tx.Exec(begin, id, state, store.Micro(at))
	return n == 1, err
}

// Step is what one chunk brought.
type Step struct {
	Rows, Taken, Duplicates, Refused int64
	Faults                           string // JSON, all so far
}

// Progress notes that chunk n is done in the state; false when a check was
// cancelled or somebody else did the chunk. A run that is cancelled still
// counts what it had given away. A run's chunk is dropped.
func Progress(tx *store.Tx, id lead.ImportID, state string, n int64, s Step) (bool, error) {
	changed, err := tx.Exec(progress, id, state, n, s.Rows, s.Taken, s.Duplicates, s.Refused, s.Faults)
	if err != nil || changed == 0 || state != "running" {
		return changed == 1, err
	}
	_, err = tx.Exec(dropOne, id, n)
	return true, err
}

// Checked ends a check; the file stays.
func Checked(tx *store.Tx, id lead.ImportID) error {
	_, err := tx.Exec(checked, id)
	return err
}

// Finish ends an import and destroys its file and the file's key; false when
// it had ended.
func Finish(tx *store.Tx, id lead.ImportID, state string, at time.Time) (bool, error) {
	n, err := tx.Exec(finish, id, state, store.Micro(at))
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.Exec(dropAll, id)
	return true, err
}

// AddResult keeps the outcomes of a chunk's rows as JSON. The first ones stay.
func AddResult(tx *store.Tx, id lead.ImportID, n, first int64, outcomes string) error {
	_, err := tx.Exec(addResult, id, n, first, outcomes)
	return err
}

// Result reads them, or store.ErrNone.
func Result(tx *store.Tx, id lead.ImportID, n int64) (first int64, outcomes string, err error) {
	err = tx.Row(getResult, id, n).Scan(&first, &outcomes)
	return first, outcomes, err
}

// SaveMapping keeps a source's mapping for its next imports.
func SaveMapping(tx *store.Tx, id account.SourceID, mapping map[string]string) error {
	return tx.Must(saveMapping, id, object(mapping))
}

// SavedMapping reads it; nil when there is none.
func SavedMapping(tx *store.Tx, id account.SourceID) (out map[string]string, err error) {
	var text string
	if err := tx.Row(savedMapping, id).Scan(&text); err != nil {
		if errors.Is(err, store.ErrNone) {
			err = nil
		}
		return nil, err
	}
	return out, json.Unmarshal([]byte(text), &out)
}

// Keys returns the wrapped keys of those files that still have one.
func Keys(tx *store.Tx, subjects []vault.Subject) (map[vault.Subject][]byte, error) {
	out := map[vault.Subject][]byte{}
	var ids []any
	for _, s := range subjects {
		var id lead.ImportID
		_ = id.Scan(s[:]) // 16 bytes always fit
		ids = append(ids, id)
	}
	err := tx.QueryList(importKeys, nil, ids, func(scan func(...any) error) error {
		var id lead.ImportID
		var wrapped []byte
		err := scan(&id, &wrapped)
		if wrapped != nil {
			out[vault.Subject(id.UUID())] = wrapped
		}
		return err
	})
	if err != nil || len(out) == len(subjects) {
		return out, err
	}
	return out, tx.QueryList(exportKeys, nil, ids, func(scan func(...any) error) error {
		var id lead.ExportID
		var wrapped []byte
		err := scan(&id, &wrapped)
		if wrapped != nil {
			out[vault.Subject(id.UUID())] = wrapped
		}
		return err
	})
}

func object(m map[string]string) string {
	if m == nil {
		m = map[string]string{}
	}
	b, _ := json.Marshal(m) // strings always encode
	return string(b)
}
