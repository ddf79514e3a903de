package record

import (
	"math"

	"catchment/internal/store"
)

var (
	addPlatform = store.Unbound("record.platform.add", `INSERT INTO platform_event (event_id, at, actor, action, about, detail)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (event_id) DO NOTHING`)
	listPlatform = store.Unbound("record.platform.list", `SELECT event_id, at, actor, action, about, detail FROM platform_event
		WHERE (at, event_id) < ($1, $2) AND ($3 = '' OR actor = $3) AND ($4 = '' OR action = $4) AND ($5 = '' OR about = $5)
		ORDER BY at DESC, event_id DESC LIMIT $6`)
)

// AddPlatform writes an entry on the platform's record (table platform_event).
// It opens nothing, so it has no purpose. One that is there stays as it is.
func AddPlatform(d *store.Dir, r Row) error {
	_, err := d.Exec(addPlatform, r.ID, r.At.UnixMicro(), r.Actor, r.Action, r.About, r.Detail)
	return err
}

// ListPlatform is List of the platform's record.
func ListPlatform(d *store.Dir, like Row, before *Row, limit int) (out []Row, err error) {
	at, id := int64(math.MaxInt64), NewID()
	if before != nil {
		at, id = before.At.UnixMicro(), before.ID
	}
	rows, err := d.Query(listPlatform, at, id, like.Actor, like.Action, like.About, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var r Row
		if err := scan(&r.ID, store.Time(&r.At), &r.Actor, &r.Action, &r.About, &r.Detail); err != nil {
			return err
		}
		out = append(out, r)
		return nil
	})
	return out, err
}
