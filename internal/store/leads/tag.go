package leads

import (
	"catchment/internal/lead"
	"catchment/internal/store"
)

var (
	addTags = store.Bulk("leads.tag.add", `INSERT INTO lead_tag (account_id, lead_id, tag, lead_created_at) VALUES`,
		`($1, $2, $3, $4)`, `ON CONFLICT DO NOTHING`)
	dropTags = store.List("leads.tag.drop", `DELETE FROM lead_tag WHERE account_id = $1 AND lead_id = $2 AND tag IN (LIST)`)
	tagsOf   = store.List("leads.tag.of", `SELECT lead_id, tag FROM lead_tag WHERE account_id = $1 AND lead_id IN (LIST)`)
	bumpLead = store.Register("leads.work.bump", `UPDATE lead SET version = version + 1 WHERE account_id = $1 AND lead_id = $2 AND version = $3`)
)

// Bump fences a change beside the lead's row: store.ErrAgain when the lead is
// not as it was read.
func Bump(tx *store.Tx, l *Lead) error {
	if err := fenced(tx.Exec(bumpLead, l.ID, l.Version)); err != nil {
		return err
	}
	l.Version++
	return nil
}

// AddTags marks the lead; a tag that is there stays. DropTags takes tags away.
func AddTags(tx *store.Tx, l Lead, tags []string) error {
	rows := make([][]any, len(tags))
	for i, t := range tags {
		rows[i] = []any{l.ID, t, store.Micro(l.CreatedAt)}
	}
	_, err := tx.Bulk(addTags, rows)
	return err
}

// DropTags takes tags away from the lead.
func DropTags(tx *store.Tx, id lead.ID, tags []string) error {
	_, err := tx.ExecList(dropTags, []any{id}, anys(tags))
	return err
}

// TagsOf returns the tags of the leads, in no order.
func TagsOf(tx *store.Tx, ids ...lead.ID) (map[lead.ID][]string, error) {
	out := map[lead.ID][]string{}
	err := tx.QueryList(tagsOf, nil, anys(ids), func(scan func(...any) error) error {
		var id lead.ID
		var tag string
		err := scan(&id, &tag)
		out[id] = append(out[id], tag)
		return err
	})
	return out, err
}
