package intake

import (
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// A known person is not found by what an enquiry in quarantine says, and their
// row does not show it: anybody can write somebody's address beside a number
// of their own. It is kept beside, sealed and hashed as it would have been,
// and counts from the moment a human lets the enquiry through.

// withhold keeps what the item says of the human that was not known yet.
func (b *batch) withhold(it *item, h *human, v *values) {
	keep := func(f vault.Field, k people.Key, has bool, value []byte, country string) {
		if k.Field != "" && b.byKey[k] == h {
			k = people.Key{}
		}
		if has {
			value = nil
		}
		if k.Field != "" || len(value) > 0 {
			b.withheld = append(b.withheld, people.Withheld{Person: h.id, Enquiry: it.head.Enquiry, Field: f, Key: k, Value: value, Country: country})
		}
	}
	keep(vault.Name, people.Key{}, h.hasName, v.name, "")
	keep(vault.Phone, it.keyOf(it.phone, vault.ByRawPhone), h.hasPhone, v.phone, it.country)
	keep(vault.Email, it.keyOf(it.email, vault.ByRawEmail), h.hasEmail, v.email, "")
}

// keyOf is what a value is found by: as it was understood, else as it was typed.
func (it *item) keyOf(k people.Key, raw vault.IndexField) people.Key {
	for _, w := range it.weak {
		if k.Field == "" && w.Field == raw {
			return w
		}
	}
	return k
}

// readWithheld reads what a held enquiry says, into the item, and who it leads
// to by now.
func (b *batch) readWithheld(it *item, e leads.Enquiry) (all []people.Withheld, err error) {
	if all, err = people.WithheldBy(b.tx, e.Person, e.ID); err != nil {
		return nil, err
	}
	for _, w := range all {
		switch w.Key.Field {
		case "":
		case vault.ByPhone:
			it.phone = w.Key
		case vault.ByEmail:
			it.email = w.Key
		default:
			it.weak = append(it.weak, w.Key)
		}
	}
	return all, b.loadHumans(it.index(), e.Person)
}

// unfold gives the human what was withheld. What leads to somebody else by now
// stays theirs, and the two are linked.
func (b *batch) unfold(it *item, h *human, all []people.Withheld) error {
	var name, phone, email []byte
	country := ""
	for _, w := range all {
		if other := b.byKey[w.Key]; other != nil && other != h {
			if w.Key == it.phone || w.Key == it.email {
				b.links = append(b.links, link{h, other, it})
			}
			continue
		}
		switch w.Field {
		case vault.Name:
			name = w.Value
		case vault.Phone:
			phone, country = w.Value, w.Country
		case vault.Email:
			email = w.Value
		}
	}
	b.findBy(it, h)
	if len(name)+len(phone)+len(email) > 0 {
		// Of the row that it is sealed for, also when that was merged since.
		if err := people.Fill(b.tx, all[0].Person, name, phone, email, country); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	return people.DropWithheld(b.tx, all[0].Person, all[0].Enquiry)
}
