package people

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

var (
	eraseKey = store.List("people.erase.key", `DELETE FROM person_key WHERE account_id = $1 AND person_id IN (LIST)`)
	eraseRow = store.List("people.erase.row", `UPDATE person SET name = NULL, phone = NULL, email = NULL, erased_at = COALESCE(erased_at, $2)
		WHERE account_id = $1 AND person_id IN (LIST)`)
	eraseIndex    = store.List("people.erase.index", `DELETE FROM person_index WHERE account_id = $1 AND field = $2 AND mac IN (LIST)`)
	eraseWithheld = store.List("people.erase.withheld", `DELETE FROM withheld WHERE account_id = $1 AND person_id IN (LIST)`)
	erasePast     = store.List("people.erase.past", `DELETE FROM person_past WHERE account_id = $1 AND person_id IN (LIST)`)
	eraseEvidence = store.List("people.erase.evidence", `UPDATE suppression SET evidence = NULL WHERE account_id = $1 AND person_id IN (LIST)`)
	hold          = store.List("people.hold", `SELECT p.erased_at IS NOT NULL FROM person p WHERE p.account_id = $1 AND p.person_id IN (LIST) FOR KEY SHARE OF p`)
	holdAlone     = store.List("people.hold_alone", `SELECT p.person_id FROM person p WHERE p.account_id = $1 AND p.person_id IN (LIST) FOR UPDATE OF p`)
	notErased     = store.List("people.erase.left", `SELECT p.person_id FROM person p WHERE p.account_id = $1 AND p.person_id IN (LIST) AND (p.erased_at IS NULL
		OR EXISTS (SELECT 1 FROM person_key k WHERE k.account_id = $1 AND k.person_id = p.person_id))`)
	// All of an account's blind indexes are read: who erases is in no hurry, and
	// an index by person would be written with every lead.
	indexesOf = store.Register("people.indexes", `SELECT field, mac, person_id FROM person_index WHERE account_id = $1`)
)

// Indexes lists by what these persons are found. It reads every blind index of
// the account: use it in a reading transaction.
func Indexes(tx *store.Tx, of []lead.PersonID) (out []Entry, err error) {
	wanted := map[lead.PersonID]bool{}
	for _, id := range of {
		wanted[id] = true
	}
	rows, err := tx.Query(indexesOf)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var e Entry
		var mac []byte
		err := scan(&e.Field, &mac, &e.Person)
		if wanted[e.Person] {
			copy(e.MAC[:], mac)
			out = append(out, e)
		}
		return err
	})
	return out, err
}

// DropIndexes has these keys lead to nobody.
func DropIndexes(tx *store.Tx, all []Entry) error {
	byField := map[string][]any{}
	for _, e := range all {
		byField[string(e.Field)] = append(byField[string(e.Field)], e.MAC[:])
	}
	for field, macs := range byField {
		if _, err := tx.ExecList(eraseIndex, []any{field}, macs); err != nil {
			return err
		}
	}
	return nil
}

// Erase destroys the persons' keys, and all that was sealed under them in this
// package's tables. The rows stay and say when.
func Erase(tx *store.Tx, ids []lead.PersonID, at time.Time) error {
	list := anys(ids)
	if _, err := tx.ExecList(eraseRow, []any{store.Micro(at)}, list); err != nil {
		return err
	}
	for _, st := range []*store.ListStmt{eraseKey, eraseWithheld, erasePast, eraseEvidence} {
		if _, err := tx.ExecList(st, nil, list); err != nil {
			return err
		}
	}
	return nil
}

// Hold keeps these persons from being erased until the transaction ends, and
// reports whether they all are there and not erased. Whoever writes something of
// a person holds them first: then either the erasure finds it, or it is known
// here that nothing can be written any more. Several may hold a person at once.
func Hold(tx *store.Tx, ids ...lead.PersonID) (bool, error) {
	there := 0
	err := tx.QueryList(hold, nil, anys(ids), func(scan func(...any) error) error {
		var erased bool
		err := scan(&erased)
		if !erased {
			there++
		}
		return err
	})
	return there == len(ids), err
}

// HoldAlone waits until nobody holds these persons, and has nobody hold them
// until the transaction ends: an erasure's.
func HoldAlone(tx *store.Tx, ids []lead.PersonID) error {
	return tx.QueryList(holdAlone, nil, anys(ids), func(scan func(...any) error) error {
		var id lead.PersonID
		return scan(&id)
	})
}

// NotErased picks those persons that exist and are not erased, or not wholly.
func NotErased(tx *store.Tx, ids []lead.PersonID) (out []lead.PersonID, err error) {
	err = tx.QueryList(notErased, nil, anys(ids), func(scan func(...any) error) error {
		var id lead.PersonID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}
