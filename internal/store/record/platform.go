package record

import (
	"errors"
	"time"

	"catchment/internal/store"
)

const platformColumns = `e.event_id, e.at, e.actor, e.action, e.about, e.detail, e.review, s.by_actor, s.at, s.words
	FROM platform_event e LEFT JOIN platform_sign_off s ON s.event_id = e.event_id`

var (
	addPlatform = store.Unbound("record.platform.add", `INSERT INTO platform_event (event_id, at, actor, action, about, detail, review)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_id) DO NOTHING`)
	listPlatform = store.Unbound("record.platform.list", `SELECT `+platformColumns+`
		WHERE (e.at, e.event_id) < ($1, $2) AND e.at >= $3 AND ($4 = '' OR e.actor = $4) AND ($5 = '' OR e.action = $5) AND ($6 = '' OR e.about = $6)
		ORDER BY e.at DESC, e.event_id DESC LIMIT $7`)
	listUnsigned = store.Unbound("record.platform.unsigned", `SELECT `+platformColumns+`
		WHERE e.review AND s.event_id IS NULL AND (e.at, e.event_id) < ($1, $2) AND e.at >= $3 AND ($4 = '' OR e.actor = $4) AND ($5 = '' OR e.action = $5) AND ($6 = '' OR e.about = $6)
		ORDER BY e.at DESC, e.event_id DESC LIMIT $7`)
	countUnsigned = store.Unbound("record.platform.unsigned.count", `SELECT count(*) FROM platform_event e
		WHERE e.review AND e.at < $1 AND NOT EXISTS (SELECT 1 FROM platform_sign_off s WHERE s.event_id = e.event_id)`)
	onePlatform = store.Unbound("record.platform.one", `SELECT `+platformColumns+` WHERE e.event_id = $1`)
	addSignOff  = store.Unbound("record.platform.sign-off", `INSERT INTO platform_sign_off (event_id, by_actor, at, words) VALUES ($1, $2, $3, $4)
		ON CONFLICT (event_id) DO NOTHING`)
)

// PlatformRow is an entry of the platform's record (tables platform_event and
// platform_sign_off). It opens nothing, so it has no purpose.
type PlatformRow struct {
	Row
	Review bool // it is for another operator's eyes
	Signed SignOff
}

// SignOff says who has looked at an entry. The zero SignOff: nobody yet.
type SignOff struct {
	By   string
	At   time.Time
	Note string
}

// PlatformFilter chooses entries. They have no purpose.
type PlatformFilter struct {
	Filter
	Unsigned bool // only what waits to be signed off
}

// AddPlatform writes an entry. One that is there stays as it is.
func AddPlatform(d *store.Dir, r Row, review bool) error {
	_, err := d.Exec(addPlatform, r.ID, r.At.UnixMicro(), r.Actor, r.Action, r.About, r.Detail, review)
	return err
}

// ListPlatform reads entries, newest first, that are older than before (nil:
// all).
func ListPlatform(d *store.Dir, f PlatformFilter, before *Row, limit int) (out []PlatformRow, err error) {
	at, id, from := f.begin(before)
	st := listPlatform
	if f.Unsigned {
		st = listUnsigned
	}
	rows, err := d.Query(st, at, id, from, f.Actor, f.Action, f.About, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		r, err := platformRow(scan)
		out = append(out, r)
		return err
	})
	return out, err
}

// Platform reads one entry; store.ErrNone.
func Platform(d *store.Dir, id ID) (PlatformRow, error) {
	return platformRow(d.Row(onePlatform, id).Scan)
}

func platformRow(scan func(...any) error) (r PlatformRow, err error) {
	var by, note *string
	err = scan(&r.ID, store.Time(&r.At), &r.Actor, &r.Action, &r.About, &r.Detail, &r.Review, &by, store.Time(&r.Signed.At), &note)
	if by != nil && note != nil {
		r.Signed.By, r.Signed.Note = *by, *note
	}
	return r, err
}

// Unsigned counts entries from before then that nobody has signed off yet.
func Unsigned(d *store.Dir, before time.Time) (n int64, err error) {
	err = d.Row(countUnsigned, before.UnixMicro()).Scan(&n)
	return n, err
}

// AddSignOff signs an entry off. False: somebody was faster.
func AddSignOff(d *store.Dir, id ID, s SignOff) (bool, error) {
	if s.By == "" || s.At.IsZero() {
		return false, errors.New("record: a sign-off has somebody and a time")
	}
	n, err := d.Exec(addSignOff, id, s.By, s.At.UnixMicro(), s.Note)
	return n == 1, err
}
