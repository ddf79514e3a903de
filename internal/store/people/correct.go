package people

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Past is what stood in a person's row before it was corrected.
type Past struct {
	Person lead.PersonID
	Field  vault.Field  // Name, Phone or Email
	Was    vault.Sealed // empty: nothing
	By     string
	At     time.Time
}

// Why two persons are linked.
const (
	LinkedByEnquiry    = "possible_duplicate" // an enquiry named both
	LinkedByCorrection = "corrected"          // one was given what the other is found by
)

func correctStmt(f vault.Field) *store.Stmt {
	column := string(f)
	return store.Register("people.correct."+column, `UPDATE person SET `+column+` = $3, country = COALESCE($6, country)
		WHERE account_id = $1 AND person_id = $2 AND (`+column+` = $4 OR `+column+` IS NULL AND $5)`)
}

var (
	correct = map[vault.Field]*store.Stmt{vault.Name: correctStmt(vault.Name), vault.Phone: correctStmt(vault.Phone), vault.Email: correctStmt(vault.Email)}
	addPast = store.Register("people.past.add", `INSERT INTO person_past (account_id, person_id, corrected_at, field, was, by_actor)
		VALUES ($1, $2, $3, $4, $5, $6)`)
	listPast = store.Register("people.past.list", `SELECT field, was, by_actor, corrected_at FROM person_past
		WHERE account_id = $1 AND person_id = $2 ORDER BY corrected_at DESC, field LIMIT $3`)
	dropIndex = store.Register("people.drop_index", `DELETE FROM person_index WHERE account_id = $1 AND field = $2 AND mac = $3 AND person_id = $4`)
)

// Correct puts another ciphertext into the person's row and keeps the one that
// stood there; now is nil for none. country is the phone's, and of no meaning
// with the other fields. store.ErrAgain: something else stands there by now.
func Correct(tx *store.Tx, p Past, now []byte, country string) error {
	of := any(nil)
	if p.Field == vault.Phone {
		of = country
	}
	err := again(tx.Exec(correct[p.Field], p.Person, bytesOrNull(now), p.Was.Data, p.Was.Empty(), of))
	if err != nil {
		return err
	}
	return tx.Must(addPast, p.Person, store.Micro(p.At), string(p.Field), bytesOrNull(p.Was.Data), p.By)
}

func again(n int64, err error) error {
	if err == nil && n == 0 {
		err = store.ErrAgain
	}
	return err
}

// Pasts lists what was corrected, newest first, up to limit.
func Pasts(tx *store.Tx, id lead.PersonID, limit int) (out []Past, err error) {
	rows, err := tx.Query(listPast, id, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		p := Past{Person: id}
		err := scan(&p.Field, &p.Was.Data, &p.By, store.Time(&p.At))
		p.Was.Binding, p.Was.Subject = Place(id, p.Field), vault.Subject(id.UUID())
		out = append(out, p)
		return err
	})
	return out, err
}

// DropIndex has the key lead to the person no longer, if it did.
func DropIndex(tx *store.Tx, e Entry) error {
	_, err := tx.Exec(dropIndex, string(e.Field), e.MAC[:], e.Person)
	return err
}
