package people

import (
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Withheld is one thing that an enquiry in quarantine says of a person who was
// known before.
type Withheld struct {
	Person  lead.PersonID
	Enquiry lead.EnquiryID
	Field   vault.Field // Name, Phone or Email
	Key     Key         // what it is found by; no Field: it leads to the person already, or is a name
	Value   []byte      // sealed for Place(Person, Field); nil: the person has one
	Country string
}

var (
	addWithheld = store.Bulk("people.withheld.add",
		`INSERT INTO withheld (account_id, person_id, enquiry_id, field, mac_field, mac, value, country) VALUES`, `($1, $2, $3, $4, $5, $6, $7, $8)`,
		`ON CONFLICT DO NOTHING`)
	getWithheld = store.Register("people.withheld.get", `SELECT field, mac_field, mac, value, country FROM withheld
		WHERE account_id = $1 AND person_id = $2 AND enquiry_id = $3`)
	dropWithheld = store.Register("people.withheld.drop", `DELETE FROM withheld WHERE account_id = $1 AND person_id = $2 AND enquiry_id = $3`)
)

// Withhold keeps what must not be known of a person yet.
func Withhold(tx *store.Tx, all []Withheld) error {
	rows := make([][]any, len(all))
	for i := range all {
		w := &all[i]
		var mac []byte
		if w.Key.Field != "" {
			mac = w.Key.MAC[:]
		}
		rows[i] = []any{w.Person, w.Enquiry, string(w.Field), string(w.Key.Field), bytesOrNull(mac), bytesOrNull(w.Value), w.Country}
	}
	_, err := tx.Bulk(addWithheld, rows)
	return err
}

// WithheldBy lists what the person's enquiry withholds, in no order.
func WithheldBy(tx *store.Tx, person lead.PersonID, enquiry lead.EnquiryID) (out []Withheld, err error) {
	rows, err := tx.Query(getWithheld, person, enquiry)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		w := Withheld{Person: person, Enquiry: enquiry}
		var mac []byte
		err := scan(&w.Field, &w.Key.Field, &mac, &w.Value, &w.Country)
		copy(w.Key.MAC[:], mac)
		out = append(out, w)
		return err
	})
	return out, err
}

// DropWithheld forgets what the person's enquiry withheld.
func DropWithheld(tx *store.Tx, person lead.PersonID, enquiry lead.EnquiryID) error {
	_, err := tx.Exec(dropWithheld, person, enquiry)
	return err
}
