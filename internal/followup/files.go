package followup

import (
	"errors"
	"time"

	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/content"
	"catchment/internal/store/leads"
	"catchment/internal/vault"
)

// MaxFiles is how many files a lead has.
const MaxFiles = 50

// kindFile is filing's job that makes the bucket say of a file what its row
// says; its key is the file's id.
const kindFile jobs.Kind = "file"

// File is a file of a lead on its way in. Name and Key are sealed under the
// person's key.
type File struct {
	ID   lead.FileID
	Lead lead.ID
	Name vault.Personal
	Key  vault.Personal // opens the content
	Kind string         // media type; "" until it is known
	Size int64          // bytes in clear; until it is known what it may have
}

// BeginFile makes room for a file, before any of it is read. room is how many
// bytes all files of the account may have together. What is begun and not kept
// is given up after leads.FileArrives.
func (f *Followup) BeginFile(tx *store.Tx, w Worker, n File, room int64, now time.Time) error {
	l, err := f.load(tx, w, n.Lead)
	if err != nil {
		return err
	}
	count, bytes, err := leads.CountFiles(tx, l.ID)
	if err != nil {
		return err
	}
	if count >= MaxFiles {
		return fullUp("too_many_files", "This lead has %d files, which is as many as a lead has. Remove one that is not needed.", MaxFiles)
	}
	_, shown, err := content.CountImages(tx)
	if err != nil {
		return err
	}
	if bytes+shown+n.Size > room {
		return fullUp("account_full", "The files of this account fill its %d MiB. Remove some, or ask whoever runs the server for more (--files-room).", room>>20)
	}
	row, err := f.fileRow(tx, w, l, n, now)
	if err != nil {
		return err
	}
	row.State = leads.FileArriving
	if err := leads.AddFile(tx, row); err != nil {
		return err
	}
	return f.jobs.Add(tx, kindFile, n.ID.String(), now.Add(leads.FileArrives))
}

// fullUp is 413: what is too large is all files together.
func fullUp(code, format string, args ...any) error {
	p := problem.TooLarge(code, format, args...)
	p.Errors = []problem.Field{{Field: "file", Code: code, Detail: p.Detail}}
	return p
}

func (f *Followup) fileRow(tx *store.Tx, w Worker, l leads.Lead, n File, now time.Time) (leads.File, error) {
	key, err := f.personKey(tx, l.Person)
	if err != nil {
		return leads.File{}, err
	}
	return leads.File{ID: n.ID, Lead: l.ID, Person: l.Person, By: w.Actor, Kind: n.Kind, Size: n.Size, CreatedAt: now,
		Name: key.Seal(leads.FilePlace(n.ID, vault.FileName), n.Name), Key: key.Seal(leads.FilePlace(n.ID, vault.Content), n.Key)}, nil
}

// KeepFile says that a file's content is whole in the bucket. Whoever may not
// work the lead any more, or whose person was erased meanwhile, keeps nothing.
func (f *Followup) KeepFile(tx *store.Tx, w Worker, n File, now time.Time) (leads.File, error) {
	l, err := f.load(tx, w, n.Lead)
	if err != nil {
		return leads.File{}, err
	}
	row, err := f.fileRow(tx, w, l, n, now)
	if err != nil {
		return row, err
	}
	row.State = leads.FileKept
	ok, err := leads.KeepFile(tx, row)
	if err == nil && !ok {
		err = problem.Conflict("file_given_up", "The file took too long, or was removed while it arrived. Send it again.")
	}
	if err != nil {
		return row, err
	}
	f.emit(tx, events.LeadFileAdded, l, w, now, map[string]any{"file_id": n.ID.String(), "kind": n.Kind, "size": n.Size})
	return row, audit.Write(tx, now, audit.Entry{Actor: w.Actor, Action: "file.added", About: l.ID.String(), Detail: map[string]any{"file_id": n.ID.String(), "kind": n.Kind, "size": n.Size}})
}

// GiveUpFile forgets a file that does not arrive after all.
func (f *Followup) GiveUpFile(tx *store.Tx, id lead.FileID, now time.Time) error {
	if _, err := leads.DropFile(tx, id); err != nil {
		return err
	}
	return f.jobs.Add(tx, kindFile, id.String(), now)
}

// RemoveFile destroys a file of the lead: its row now, its content a moment
// later.
func (f *Followup) RemoveFile(tx *store.Tx, w Worker, of lead.ID, id lead.FileID, now time.Time) error {
	l, err := f.load(tx, w, of)
	if err != nil {
		return err
	}
	row, err := leads.FileByID(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && (row.Lead != l.ID || row.State != leads.FileKept) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	if err := f.GiveUpFile(tx, id, now); err != nil {
		return err
	}
	f.emit(tx, events.LeadFileRemoved, l, w, now, map[string]any{"file_id": id.String()})
	return audit.Write(tx, now, audit.Entry{Actor: w.Actor, Action: "file.removed", About: l.ID.String(), Detail: map[string]any{"file_id": id.String()}})
}
