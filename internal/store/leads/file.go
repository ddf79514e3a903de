package leads

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// FileTable is the name that a file's ciphertexts are bound to.
const FileTable = "lead_file"

// The states of a file.
const (
	FileArriving = "arriving" // its content is not whole in the bucket
	FileKept     = "kept"
)

// FileArrives is how long a file may arrive: then it is given up.
const FileArrives = time.Hour

// File is a row of lead_file. Name and Key open with the person's key, and what
// lies in the bucket opens with Key.
type File struct {
	ID        lead.FileID
	Lead      lead.ID
	Person    lead.PersonID
	By        string // the actor
	State     string
	Name      vault.Sealed
	Key       vault.Sealed
	Kind      string // media type; "" while it arrives
	Size      int64  // bytes in clear; while it arrives what it may have
	CreatedAt time.Time
}

// FilePlace is what a value of a file's row is bound to.
func FilePlace(id lead.FileID, f vault.Field) vault.Binding {
	return vault.Binding{Table: FileTable, Row: id.UUID(), Field: f}
}

const fileColumns = `file_id, lead_id, person_id, by_actor, state, name, content_key, kind, size, created_at`

var (
	fileAdd = store.Register("leads.file.add", `INSERT INTO lead_file (account_id, `+fileColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`)
	fileKeep = store.Register("leads.file.keep", `UPDATE lead_file SET state = 'kept', name = $3, kind = $4, size = $5
		WHERE account_id = $1 AND file_id = $2 AND state = 'arriving'`)
	fileByID = store.Register("leads.file.by_id", `SELECT `+fileColumns+` FROM lead_file WHERE account_id = $1 AND file_id = $2`)
	fileOf   = store.Register("leads.file.of_lead", `SELECT `+fileColumns+` FROM lead_file
		WHERE account_id = $1 AND lead_id = $2 AND (created_at, file_id) < ($3, $4) ORDER BY created_at DESC, file_id DESC LIMIT $5`)
	fileDrop = store.Register("leads.file.drop", `DELETE FROM lead_file WHERE account_id = $1 AND file_id = $2`)
	// Nobody else counts the lead's files until this transaction ends.
	fileFence = store.Register("leads.file.fence", `UPDATE lead SET version = version WHERE account_id = $1 AND lead_id = $2`)
	fileCount = store.Register("leads.file.count", `SELECT count(*) FROM lead_file WHERE account_id = $1 AND lead_id = $2`)
	fileBytes = store.Register("leads.file.bytes", `SELECT COALESCE(sum(size), 0) FROM lead_file WHERE account_id = $1`)
	filesOf   = store.List("leads.file.of_leads", `SELECT file_id FROM lead_file WHERE account_id = $1 AND lead_id IN (LIST)`)
	eraseFile = store.List("leads.erase.files", `DELETE FROM lead_file WHERE account_id = $1 AND lead_id IN (LIST)`)
)

// AddFile keeps a file that arrives.
func AddFile(tx *store.Tx, f File) error {
	return tx.Must(fileAdd, f.ID, f.Lead, f.Person, f.By, f.State, f.Name.Data, f.Key.Data, f.Kind, f.Size, store.Micro(f.CreatedAt))
}

// KeepFile says that what arrived is whole. False: it does not arrive, or not
// any more.
func KeepFile(tx *store.Tx, f File) (bool, error) {
	n, err := tx.Exec(fileKeep, f.ID, f.Name.Data, f.Kind, f.Size)
	return n > 0, err
}

// FileByID reads one; store.ErrNone.
func FileByID(tx *store.Tx, id lead.FileID) (File, error) {
	return scanFile(tx.Row(fileByID, id).Scan)
}

// FilesOf lists up to limit files of the lead, newest first, from the place that
// WorkAttempts describes; those that arrive too.
func FilesOf(tx *store.Tx, id lead.ID, at time.Time, after lead.FileID, limit int) (out []File, err error) {
	from, place := workPlace(at, after)
	rows, err := tx.Query(fileOf, id, from, place, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		f, err := scanFile(scan)
		out = append(out, f)
		return err
	})
	return out, err
}

func scanFile(scan func(...any) error) (f File, err error) {
	err = scan(&f.ID, &f.Lead, &f.Person, &f.By, &f.State, &f.Name.Data, &f.Key.Data, &f.Kind, &f.Size, store.Time(&f.CreatedAt))
	f.Name.Binding, f.Name.Subject = FilePlace(f.ID, vault.FileName), vault.Subject(f.Person.UUID())
	f.Key.Binding, f.Key.Subject = FilePlace(f.ID, vault.Content), vault.Subject(f.Person.UUID())
	return f, err
}

// DropFile forgets a file. False: there was none.
func DropFile(tx *store.Tx, id lead.FileID) (bool, error) {
	n, err := tx.Exec(fileDrop, id)
	return n > 0, err
}

// CountFiles says how many files the lead has, and how many bytes all files of
// the account have, those that arrive counted with what they may have. Until the
// transaction ends nobody else counts those of the lead.
func CountFiles(tx *store.Tx, id lead.ID) (ofLead int, bytes int64, err error) {
	if err = tx.Must(fileFence, id); err != nil {
		return 0, 0, err
	}
	if err = tx.Row(fileCount, id).Scan(&ofLead); err == nil {
		bytes, err = FileBytes(tx)
	}
	return ofLead, bytes, err
}

// FileBytes says how many bytes all files of the account's leads have, those
// that arrive counted with what they may have.
func FileBytes(tx *store.Tx) (bytes int64, err error) {
	err = tx.Row(fileBytes).Scan(&bytes)
	return bytes, err
}

// FilesOfLeads lists the files of these leads, in no order.
func FilesOfLeads(tx *store.Tx, of []lead.ID) (out []lead.FileID, err error) {
	err = tx.QueryList(filesOf, nil, anys(of), func(scan func(...any) error) error {
		var id lead.FileID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}
