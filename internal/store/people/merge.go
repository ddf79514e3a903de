package people

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

// Merge is the record of one merge by a human.
type Merge struct {
	ID           lead.MergeID
	Kept, Merged lead.PersonID
	By           string
	At, UndoneAt time.Time
}

var (
	addMerge = store.Register("people.merge", `INSERT INTO merge (account_id, merge_id, kept_id, merged_id, by_actor, done_at)
		VALUES ($1, $2, $3, $4, $5, $6)`)
	setMerged = store.Register("people.set_merged", `UPDATE person SET merged_into = $3
		WHERE account_id = $1 AND person_id = $2 AND merged_into IS NULL`)
	// holdKept changes nothing and holds the row: of two merges that would close a circle, the later one waits and then sees.
	holdKept = store.Register("people.hold_kept", `UPDATE person SET merged_into = NULL
		WHERE account_id = $1 AND person_id = $2 AND merged_into IS NULL`)
	clearMerged = store.Register("people.clear_merged", `UPDATE person SET merged_into = NULL
		WHERE account_id = $1 AND person_id = $2 AND merged_into = $3`)
	undoMerge = store.Register("people.undo_merge", `UPDATE merge SET undone_at = $3
		WHERE account_id = $1 AND merge_id = $2 AND undone_at IS NULL`)
	getMerge = store.Register("people.get_merge", `SELECT merge_id, kept_id, merged_id, by_actor, done_at, undone_at FROM merge
		WHERE account_id = $1 AND merge_id = $2`)
	listMerges = store.Register("people.merges", `SELECT merge_id, kept_id, merged_id, by_actor, done_at, undone_at FROM merge
		WHERE account_id = $1 AND (done_at, merge_id) < ($2, $3) ORDER BY done_at DESC, merge_id DESC LIMIT $4`)
)

// SetMerged records the merge. False says that one of the two is merged already.
func SetMerged(tx *store.Tx, m Merge) (bool, error) {
	n, err := tx.Exec(holdKept, m.Kept)
	if err != nil || n == 0 {
		return false, err
	}
	n, err = tx.Exec(setMerged, m.Merged, m.Kept)
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Must(addMerge, m.ID, m.Kept, m.Merged, m.By, store.Micro(m.At))
}

// UndoMerge undoes it. False says that it was undone already.
func UndoMerge(tx *store.Tx, m Merge, at time.Time) (bool, error) {
	n, err := tx.Exec(undoMerge, m.ID, store.Micro(at))
	if err != nil || n == 0 {
		return false, err
	}
	return true, tx.Must(clearMerged, m.Merged, m.Kept)
}

// GetMerge returns the record of a merge, or store.ErrNone.
func GetMerge(tx *store.Tx, id lead.MergeID) (Merge, error) {
	return scanMerge(tx.Row(getMerge, id).Scan)
}

// Merges lists merges newest first, up to limit, older than (before, id); the
// zero time begins at the newest.
func Merges(tx *store.Tx, before time.Time, id lead.MergeID, limit int) (out []Merge, err error) {
	at := before.UnixMicro()
	if before.IsZero() {
		at = 1 << 62
		id = lead.NewMergeID() // any: no merge is that late
	}
	rows, err := tx.Query(listMerges, at, id, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		m, err := scanMerge(scan)
		out = append(out, m)
		return err
	})
	return out, err
}

func scanMerge(scan func(...any) error) (m Merge, err error) {
	err = scan(&m.ID, &m.Kept, &m.Merged, &m.By, store.Time(&m.At), store.Time(&m.UndoneAt))
	return m, err
}
