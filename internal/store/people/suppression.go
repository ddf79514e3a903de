package people

import (
	"errors"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// ProofPlace is what the evidence of a suppression is bound to.
func ProofPlace(id lead.SuppressionID) vault.Binding {
	return vault.Binding{Table: "suppression", Row: id.UUID(), Field: vault.Proof}
}

// Suppression is a row of suppression: a span in which a person must not be
// contacted.
type Suppression struct {
	ID       lead.SuppressionID
	Person   lead.PersonID
	Reason   string // a code
	Evidence vault.Sealed
	By       string
	From     time.Time
	Until    time.Time // zero: now
	UntilBy  string
}

const suppressionColumns = `suppression_id, person_id, reason, evidence, by_actor, from_at, until_at, until_by`

var (
	suppress = store.Register("people.suppress", `INSERT INTO suppression (account_id, `+suppressionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, '') ON CONFLICT DO NOTHING`)
	unsuppress = store.Register("people.unsuppress", `UPDATE suppression SET until_at = $3, until_by = $4
		WHERE account_id = $1 AND person_id = $2 AND until_at IS NULL`)
	suppressions = store.Register("people.suppressions", `SELECT `+suppressionColumns+` FROM suppression
		WHERE account_id = $1 AND person_id = $2 ORDER BY from_at DESC LIMIT $3`)
	suppressionNow = store.Register("people.suppression_now", `SELECT `+suppressionColumns+` FROM suppression
		WHERE account_id = $1 AND person_id = $2 AND until_at IS NULL`)
	suppressedAny = store.Register("people.suppressed_any", `SELECT person_id FROM suppression WHERE account_id = $1 AND until_at IS NULL LIMIT 1`)
	suppressedNow = store.List("people.suppressed", `SELECT person_id, reason, from_at FROM suppression
		WHERE account_id = $1 AND until_at IS NULL AND person_id IN (LIST)`)
	keptBy = store.List("people.kept_by", `SELECT person_id, merged_into FROM person
		WHERE account_id = $1 AND merged_into IS NOT NULL AND person_id IN (LIST)`)
	keeps = store.List("people.keeps", `SELECT person_id, merged_into FROM person WHERE account_id = $1 AND merged_into IN (LIST)`)
)

// Suppress marks the person. False: they are marked already.
func Suppress(tx *store.Tx, s Suppression) (bool, error) {
	n, err := tx.Exec(suppress, s.ID, s.Person, s.Reason, bytesOrNull(s.Evidence.Data), s.By, store.Micro(s.From))
	return n == 1, err
}

// Unsuppress ends the person's mark. False: there is none.
func Unsuppress(tx *store.Tx, id lead.PersonID, at time.Time, by string) (bool, error) {
	n, err := tx.Exec(unsuppress, id, store.Micro(at), by)
	return n == 1, err
}

// SuppressionOf returns the person's present mark, or store.ErrNone.
func SuppressionOf(tx *store.Tx, id lead.PersonID) (Suppression, error) {
	return scanSuppression(tx.Row(suppressionNow, id).Scan)
}

// Suppressions lists up to limit marks of the person, newest first.
func Suppressions(tx *store.Tx, id lead.PersonID, limit int) (out []Suppression, err error) {
	rows, err := tx.Query(suppressions, id, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		s, err := scanSuppression(scan)
		out = append(out, s)
		return err
	})
	return out, err
}

func scanSuppression(scan func(...any) error) (s Suppression, err error) {
	err = scan(&s.ID, &s.Person, &s.Reason, &s.Evidence.Data, &s.By, store.Time(&s.From), store.Time(&s.Until), &s.UntilBy)
	s.Evidence.Binding, s.Evidence.Subject = ProofPlace(s.ID), vault.Subject(s.Person.UUID())
	return s, err
}

// Mark is why and since when somebody must not be contacted.
type Mark struct {
	Reason string
	From   time.Time
}

// AnySuppressed reports whether the account has a person who must not be
// contacted.
func AnySuppressed(tx *store.Tx) (bool, error) {
	var id lead.PersonID
	err := tx.Row(suppressedAny).Scan(&id)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Same lists the person and all who are merged with them.
func Same(tx *store.Tx, id lead.PersonID) (out []lead.PersonID, err error) {
	root, _, err := merged(tx, []lead.PersonID{id})
	for p := range root {
		out = append(out, p)
	}
	return out, err
}

// Suppressed returns the marks of those persons who must not be contacted. A
// mark is of the human: it counts for all persons that were merged with the
// marked one, and undoing the merge takes it from them again.
func Suppressed(tx *store.Tx, ids []lead.PersonID) (map[lead.PersonID]Mark, error) {
	root, group, err := merged(tx, ids)
	if err != nil {
		return nil, err
	}
	var all []lead.PersonID
	for id := range root {
		all = append(all, id)
	}
	marks := map[lead.PersonID]Mark{} // by root
	err = tx.QueryList(suppressedNow, nil, anys(all), func(scan func(...any) error) error {
		var id lead.PersonID
		var m Mark
		err := scan(&id, &m.Reason, store.Time(&m.From))
		if was, ok := marks[root[id]]; !ok || m.From.Before(was.From) {
			marks[root[id]] = m
		}
		return err
	})
	out := map[lead.PersonID]Mark{}
	for _, id := range group {
		if m, ok := marks[root[id]]; ok {
			out[id] = m
		}
	}
	return out, err
}

// merged finds, for each person and all who were merged with them, the one
// who was kept. asked are the ids without repeats.
func merged(tx *store.Tx, ids []lead.PersonID) (root map[lead.PersonID]lead.PersonID, asked []lead.PersonID, err error) {
	up := map[lead.PersonID]lead.PersonID{}
	for _, id := range ids {
		if _, seen := up[id]; !seen && !id.IsZero() {
			up[id] = lead.PersonID{}
			asked = append(asked, id)
		}
	}
	look := func(l *store.ListStmt, todo []lead.PersonID) (next []lead.PersonID, err error) {
		err = tx.QueryList(l, nil, anys(todo), func(scan func(...any) error) error {
			var id, kept lead.PersonID
			if err := scan(&id, &kept); err != nil {
				return err
			}
			for _, p := range []lead.PersonID{id, kept} {
				if _, seen := up[p]; !seen {
					up[p] = lead.PersonID{}
					next = append(next, p)
				}
			}
			up[id] = kept
			return nil
		})
		return next, err
	}
	for todo := asked; len(todo) > 0; {
		above, err := look(keptBy, todo)
		if err != nil {
			return nil, nil, err
		}
		below, err := look(keeps, todo)
		if err != nil {
			return nil, nil, err
		}
		todo = append(above, below...)
	}
	root = map[lead.PersonID]lead.PersonID{}
	for id := range up {
		top := id
		for range len(up) {
			if up[top].IsZero() {
				break
			}
			top = up[top]
		}
		root[id] = top
	}
	return root, asked, nil
}
