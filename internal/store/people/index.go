package people

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Key is what a person is found by: one blind index.
type Key struct {
	Field vault.IndexField
	MAC   vault.MAC
}

// Entry says that the key leads to the person.
type Entry struct {
	Key
	Person lead.PersonID
}

// Known is what intake needs of a person that is there already.
type Known struct {
	ID                          lead.PersonID
	MergedInto                  lead.PersonID
	HasName, HasPhone, HasEmail bool
	HasMerged                   bool   // another was merged into it
	WrappedKey                  []byte // nil when the person was erased
	Erased                      bool
}

var (
	find = store.List("people.find", `SELECT mac, person_id FROM person_index
		WHERE account_id = $1 AND field = $2 AND mac IN (LIST)`)
	known = store.List("people.known", `SELECT p.person_id, p.merged_into, p.name IS NOT NULL, p.phone IS NOT NULL, p.email IS NOT NULL,
		EXISTS (SELECT 1 FROM person m WHERE m.account_id = $1 AND m.merged_into = p.person_id),
		(SELECT k.wrapped FROM person_key k WHERE k.account_id = $1 AND k.person_id = p.person_id), p.erased_at IS NOT NULL
		FROM person p WHERE p.account_id = $1 AND p.person_id IN (LIST) FOR KEY SHARE OF p`)
	mergedInto = store.List("people.merged_into", `SELECT person_id FROM person WHERE account_id = $1 AND merged_into IN (LIST)`)
	addIndex   = store.Bulk("people.add_index",
		`INSERT INTO person_index (account_id, field, mac, person_id) VALUES`, `($1, $2, $3, $4)`, `ON CONFLICT DO NOTHING`)
	addLink = store.Register("people.link", `INSERT INTO person_link (account_id, person_id, other_id, kind, enquiry_id, created_at)
		VALUES ($1, $2, $3, $6, $4, $5) ON CONFLICT DO NOTHING`)
	links = store.Register("people.links", `SELECT other_id, kind, enquiry_id, created_at FROM person_link
		WHERE account_id = $1 AND person_id = $2 ORDER BY created_at, other_id`)
)

// Find looks the keys up and puts what it finds into found.
func Find(tx *store.Tx, wanted []Key, found map[Key]lead.PersonID) error {
	byField := map[vault.IndexField][]any{}
	for i := range wanted {
		byField[wanted[i].Field] = append(byField[wanted[i].Field], wanted[i].MAC[:])
	}
	for field, macs := range byField {
		err := tx.QueryList(find, []any{string(field)}, macs, func(scan func(...any) error) error {
			var mac []byte
			var id lead.PersonID
			err := scan(&mac, &id)
			if len(mac) == len(vault.MAC{}) {
				found[Key{field, vault.MAC(mac)}] = id
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AddIndex adds the entries whose key leads to nobody yet, and returns how
// many they were: fewer than given means that somebody else was faster, and
// that what was decided before must be decided again.
func AddIndex(tx *store.Tx, entries []Entry) (int64, error) {
	// In one order everywhere, so that two transactions do not wait for each other.
	slices.SortFunc(entries, func(a, b Entry) int {
		if c := strings.Compare(string(a.Field), string(b.Field)); c != 0 {
			return c
		}
		return bytes.Compare(a.MAC[:], b.MAC[:])
	})
	rows := make([][]any, len(entries))
	for i := range entries {
		e := &entries[i]
		rows[i] = []any{string(e.Field), e.MAC[:], e.Person}
	}
	return tx.Bulk(addIndex, rows)
}

// Load returns what intake needs of the persons, as far as they exist, and
// holds them, see Hold: what is taken of them is not destroyed by an erasure
// that did not know of it.
func Load(tx *store.Tx, ids []lead.PersonID) ([]Known, error) {
	out := make([]Known, 0, len(ids))
	err := tx.QueryList(known, nil, anys(ids), func(scan func(...any) error) error {
		var k Known
		err := scan(&k.ID, &k.MergedInto, &k.HasName, &k.HasPhone, &k.HasEmail, &k.HasMerged, &k.WrappedKey, &k.Erased)
		if k.Erased {
			k.WrappedKey = nil // PostgreSQL waited for the erasure, and knows the key from before it
		}
		out = append(out, k)
		return err
	})
	return out, err
}

// MergedInto returns the persons that were merged into one of these.
func MergedInto(tx *store.Tx, ids []lead.PersonID) (out []lead.PersonID, err error) {
	err = tx.QueryList(mergedInto, nil, anys(ids), func(scan func(...any) error) error {
		var id lead.PersonID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// Link is one side of "these two may be the same human".
type Link struct {
	Other   lead.PersonID
	Kind    string
	Enquiry lead.EnquiryID // that gave the hint; of a correction, the latest one of who was corrected
	At      time.Time
}

// PossibleDuplicate links two persons, both ways; false when they were already.
func PossibleDuplicate(tx *store.Tx, a, b lead.PersonID, kind string, because lead.EnquiryID, at time.Time) (bool, error) {
	n, err := tx.Exec(addLink, a, b, because, store.Micro(at), kind)
	if err != nil {
		return false, err
	}
	_, err = tx.Exec(addLink, b, a, because, store.Micro(at), kind)
	return n == 1, err
}

// Links lists who else the person may be, in the order of discovery.
func Links(tx *store.Tx, id lead.PersonID) (out []Link, err error) {
	rows, err := tx.Query(links, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var l Link
		err := scan(&l.Other, &l.Kind, &l.Enquiry, store.Time(&l.At))
		out = append(out, l)
		return err
	})
	return out, err
}
