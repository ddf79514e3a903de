package carry

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Export is a row of export.
type Export struct {
	ID            lead.ExportID
	Project       account.ProjectID // zero: every project
	State         string            // running, ready, fetched, cancelled
	By            string
	Purpose       string
	KeysetVersion int64
	Wrapped       []byte // nil once the key is destroyed
	Chunks        int64
	Rows          int64
	AtCreated     time.Time // the last lead's place; zero at the beginning
	AtLead        lead.ID
	CreatedAt     time.Time
	FinishedAt    time.Time
	Asked, Filter string // JSON: which leads, in the API's words and as lists take it; "": those of Project
	Kind          string // OfLeads, OfAccount
	Recipient     string // of age, who alone opens an account's archive; "": it is in clear
	Total         int64  // rows that an account's archive will have, about
}

// The kinds of exports: some leads as CSV, or an archive of the whole account.
const (
	OfLeads   = "leads"
	OfAccount = "account"
)

const exportColumns = `export_id, project_id, state, by_actor, purpose, keyset_version, wrapped, chunks, row_count, at_created, at_lead, created_at, finished_at, asked, filter, kind, recipient, total`

var (
	addExport = store.Register("carry.export.add", `INSERT INTO export (account_id, export_id, project_id, state, by_actor, purpose, keyset_version, wrapped,
		chunks, row_count, at_created, created_at, asked, filter, kind, recipient) VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, 0, 0, 0, $8, $9, $10, $11, $12)`)
	getExport   = store.Register("carry.export.get", `SELECT `+exportColumns+` FROM export WHERE account_id = $1 AND export_id = $2`)
	listExports = store.Register("carry.export.list", `SELECT `+exportColumns+` FROM export
		WHERE account_id = $1 AND kind = $5 AND (created_at, export_id) < ($2, $3) ORDER BY created_at DESC, export_id DESC LIMIT $4`)
	morePages = store.Register("carry.export.more", `UPDATE export SET chunks = chunks + 1, row_count = row_count + $4, at_created = $5, at_lead = $6
		WHERE account_id = $1 AND export_id = $2 AND state = 'running' AND chunks = $3`)
	exportState = store.Register("carry.export.state", `UPDATE export SET state = $4, finished_at = COALESCE(finished_at, $5)
		WHERE account_id = $1 AND export_id = $2 AND state = $3`)
	endExport = store.Register("carry.export.end", `UPDATE export SET wrapped = NULL WHERE account_id = $1 AND export_id = $2`)
	addPage   = store.Register("carry.page.add", `INSERT INTO export_chunk (account_id, export_id, n, data) VALUES ($1, $2, $3, $4)`)
	getPage   = store.Register("carry.page.get", `SELECT data FROM export_chunk WHERE account_id = $1 AND export_id = $2 AND n = $3`)
	dropPages = store.Register("carry.page.drop", `DELETE FROM export_chunk WHERE account_id = $1 AND export_id = $2`)

	// an archive that is begun anew has another key: who wrote the pages before writes no more
	beginAgain = store.Register("carry.export.again", `UPDATE export SET chunks = 0, row_count = 0, total = 0, wrapped = $3, keyset_version = $4
		WHERE account_id = $1 AND export_id = $2 AND state = 'running'`)
	moreParts = store.Register("carry.export.part", `UPDATE export SET chunks = chunks + 1, row_count = $4, total = $5
		WHERE account_id = $1 AND export_id = $2 AND state = 'running' AND chunks = $3 AND wrapped = $6`)

	openExports = store.Register("carry.export.open", `SELECT `+exportColumns+` FROM export WHERE account_id = $1 AND state IN ('running', 'ready')`)
	exportKeys  = store.List("carry.export.keys", `SELECT export_id, wrapped FROM export WHERE account_id = $1 AND export_id IN (LIST)`)
)

// AddExport adds an export that is to run.
func AddExport(tx *store.Tx, e *Export) error {
	if e.Kind == "" {
		e.Kind = OfLeads
	}
	return tx.Must(addExport, e.ID, e.Project, e.By, e.Purpose, e.KeysetVersion, e.Wrapped, store.Micro(e.CreatedAt), e.Asked, e.Filter, e.Kind, e.Recipient)
}

// BeginAgain has an account's archive begun from its first byte, under the key
// that e has now; false when it was cancelled.
func BeginAgain(tx *store.Tx, e *Export) (bool, error) {
	n, err := tx.Exec(beginAgain, e.ID, e.Wrapped, e.KeysetVersion)
	if err != nil || n == 0 {
		return false, err
	}
	e.Chunks = 0
	_, err = tx.Exec(dropPages, e.ID)
	return err == nil, err
}

// AddPart keeps the next sealed part of an account's archive; false when it was
// cancelled, or begun again by somebody else.
func AddPart(tx *store.Tx, e *Export, rows, total int64, data []byte) (bool, error) {
	n, err := tx.Exec(moreParts, e.ID, e.Chunks, rows, total, e.Wrapped)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Must(addPage, e.ID, e.Chunks, data)
}

// GetExport returns the export, or store.ErrNone.
func GetExport(tx *store.Tx, id lead.ExportID) (*Export, error) {
	e := &Export{}
	return e, e.scan(tx.Row(getExport, id).Scan)
}

// ListExports is ListImports for exports of a kind.
func ListExports(tx *store.Tx, kind string, at time.Time, after lead.ExportID, limit int) (out []*Export, err error) {
	from := at.UnixMicro()
	if at.IsZero() {
		from, after = int64(1)<<62, lead.NewExportID()
	}
	rows, err := tx.Query(listExports, from, after, limit, kind)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		e := &Export{}
		out = append(out, e)
		return e.scan(scan)
	})
	return out, err
}

// OpenExports lists those that hold a file, or will.
func OpenExports(tx *store.Tx) (out []*Export, err error) {
	rows, err := tx.Query(openExports)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		e := &Export{}
		out = append(out, e)
		return e.scan(scan)
	})
	return out, err
}

func (e *Export) scan(scan func(...any) error) error {
	var at int64
	err := scan(&e.ID, &e.Project, &e.State, &e.By, &e.Purpose, &e.KeysetVersion, &e.Wrapped, &e.Chunks, &e.Rows, &at, &e.AtLead,
		store.Time(&e.CreatedAt), store.Time(&e.FinishedAt), &e.Asked, &e.Filter, &e.Kind, &e.Recipient, &e.Total)
	if at != 0 {
		e.AtCreated = time.UnixMicro(at).UTC()
	}
	return err
}

// AddPage keeps the next sealed page and where the one after it begins; false
// when the export was cancelled or somebody else made the page.
func AddPage(tx *store.Tx, e *Export, rows int64, at time.Time, last lead.ID, data []byte) (bool, error) {
	n, err := tx.Exec(morePages, e.ID, e.Chunks, rows, store.Micro(at), last)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Must(addPage, e.ID, e.Chunks, data)
}

// Page reads a sealed page, or store.ErrNone.
func Page(tx *store.Tx, id lead.ExportID, n int64) (data []byte, err error) {
	err = tx.Row(getPage, id, n).Scan(&data)
	return data, err
}

// MoveExport changes the state; false when it was not in from.
func MoveExport(tx *store.Tx, id lead.ExportID, from, to string, at time.Time) (bool, error) {
	n, err := tx.Exec(exportState, id, from, to, store.Micro(at))
	return n == 1, err
}

// EndExport destroys an export's pages and their key.
func EndExport(tx *store.Tx, id lead.ExportID) error {
	if _, err := tx.Exec(dropPages, id); err != nil {
		return err
	}
	_, err := tx.Exec(endExport, id)
	return err
}
