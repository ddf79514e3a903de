// Package people keeps persons: their sealed values, their wrapped keys, the
// blind indexes they are found by, and what links them to each other. It alone
// writes the tables person, person_key, person_past, person_index, person_link,
// merge and withheld.
package people

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Table is the name that a person's ciphertexts are bound to.
const Table = "person"

// Place is what one value of a person is bound to.
func Place(id lead.PersonID, f vault.Field) vault.Binding {
	return vault.Binding{Table: Table, Row: id.UUID(), Field: f}
}

// Person is a row of person. The sealed values open with the person's own key.
type Person struct {
	ID                 lead.PersonID
	Test               bool
	Name, Phone, Email vault.Sealed
	Country            string        // of the phone, ISO 3166, "" when unknown
	MergedInto         lead.PersonID // zero unless a human merged it
	CreatedAt          time.Time
	ErasedAt           time.Time // zero: not erased
}

// New is a person to add: the sealed values are nil where there is none.
type New struct {
	ID                 lead.PersonID
	Test               bool
	Name, Phone, Email []byte
	Country            string
	CreatedAt          time.Time
	KeysetVersion      int64
	WrappedKey         []byte
}

var (
	addPerson = store.Bulk("people.add",
		`INSERT INTO person (account_id, person_id, test, name, phone, email, country, created_at) VALUES`,
		`($1, $2, $3, $4, $5, $6, $7, $8)`, ``)
	addKey = store.Bulk("people.add_key",
		`INSERT INTO person_key (account_id, person_id, keyset_version, wrapped) VALUES`, `($1, $2, $3, $4)`, ``)
	get = store.List("people.get", `SELECT person_id, test, name, phone, email, country, merged_into, created_at, erased_at
		FROM person WHERE account_id = $1 AND person_id IN (LIST)`)
	keys = store.List("people.keys", `SELECT person_id, wrapped FROM person_key WHERE account_id = $1 AND person_id IN (LIST)`)
	fill = store.Register("people.fill", `UPDATE person SET name = COALESCE(name, $3), phone = COALESCE(phone, $4),
		email = COALESCE(email, $5), country = CASE WHEN country = '' THEN $6 ELSE country END
		WHERE account_id = $1 AND person_id = $2`)
)

// Add inserts persons with their keys.
func Add(tx *store.Tx, all []New) error {
	persons, wrapped := make([][]any, len(all)), make([][]any, len(all))
	for i := range all {
		p := &all[i]
		persons[i] = []any{p.ID, p.Test, bytesOrNull(p.Name), bytesOrNull(p.Phone), bytesOrNull(p.Email), p.Country, store.Micro(p.CreatedAt)}
		wrapped[i] = []any{p.ID, p.KeysetVersion, p.WrappedKey}
	}
	if _, err := tx.Bulk(addPerson, persons); err != nil {
		return err
	}
	_, err := tx.Bulk(addKey, wrapped)
	return err
}

// bytesOrNull keeps a nil slice from becoming an empty value.
func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Fill puts values where the person has none yet; nil leaves one as it is.
func Fill(tx *store.Tx, id lead.PersonID, name, phone, email []byte, country string) error {
	return tx.Must(fill, id, bytesOrNull(name), bytesOrNull(phone), bytesOrNull(email), country)
}

// Get returns the persons of these ids that exist, in no order.
func Get(tx *store.Tx, ids ...lead.PersonID) ([]Person, error) {
	out := make([]Person, 0, len(ids))
	err := tx.QueryList(get, nil, anys(ids), func(scan func(...any) error) error {
		var p Person
		err := scan(&p.ID, &p.Test, &p.Name.Data, &p.Phone.Data, &p.Email.Data, &p.Country, &p.MergedInto, store.Time(&p.CreatedAt), store.Time(&p.ErasedAt))
		p.bind()
		out = append(out, p)
		return err
	})
	return out, err
}

// One returns the person, or store.ErrNone.
func One(tx *store.Tx, id lead.PersonID) (Person, error) {
	found, err := Get(tx, id)
	if err == nil && len(found) == 0 {
		err = store.ErrNone
	}
	if err != nil {
		return Person{}, err
	}
	return found[0], nil
}

func (p *Person) bind() {
	for f, s := range map[vault.Field]*vault.Sealed{vault.Name: &p.Name, vault.Phone: &p.Phone, vault.Email: &p.Email} {
		s.Binding, s.Subject = Place(p.ID, f), vault.Subject(p.ID.UUID())
	}
}

// Keys returns the wrapped keys of those subjects that still have one.
func Keys(tx *store.Tx, subjects []vault.Subject) (map[vault.Subject][]byte, error) {
	list := make([]any, len(subjects))
	for i, s := range subjects {
		var id lead.PersonID
		_ = id.Scan(s[:]) // 16 bytes always fit
		list[i] = id
	}
	out := make(map[vault.Subject][]byte, len(subjects))
	err := tx.QueryList(keys, nil, list, func(scan func(...any) error) error {
		var id lead.PersonID
		var wrapped []byte
		err := scan(&id, &wrapped)
		out[vault.Subject(id.UUID())] = wrapped
		return err
	})
	return out, err
}

func anys[T any](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}
