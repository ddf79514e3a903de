package intake

import (
	"slices"
	"strings"
	"unicode"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Find returns the persons whom a number or an address leads to, as a whole:
// blind indexes serve equality alone. With them come those who were merged with
// one of them, and those who were corrected to the same number or address while
// it stayed the other's. A text that is neither finds nobody. The caller leaves
// out whom the visitor may not know.
func (in *Intake) Find(tx *store.Tx, text vault.Personal) ([]lead.PersonID, error) {
	keys, err := in.o.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return nil, err
	}
	facts, err := setup.ReadFacts(tx)
	if err != nil {
		return nil, err
	}
	by, normal := sought(reveal.Text(text), facts.Region)
	if normal == "" {
		return nil, nil
	}
	var wanted []people.Key
	for _, test := range []bool{false, true} {
		wanted = append(wanted, people.Key{Field: by, MAC: keys.Index(by, test, normal)})
	}
	found := map[people.Key]lead.PersonID{}
	if err := people.Find(tx, wanted, found); err != nil {
		return nil, err
	}
	var out []lead.PersonID
	for _, id := range found {
		if out, err = around(tx, out, id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sought is by which index a text is looked for, in that index's form; "" when
// it is neither a number nor an address.
func sought(s, region string) (vault.IndexField, string) {
	if strings.Contains(s, "@") {
		normal, _ := submission.Email(s)
		return vault.ByEmail, normal
	}
	if strings.ContainsFunc(s, unicode.IsLetter) {
		return "", ""
	}
	e164, _, _ := submission.Phone(s, region)
	return vault.ByPhone, e164
}

// around adds the person, who is merged with them, and whom a correction gave
// the same number or address.
func around(tx *store.Tx, all []lead.PersonID, id lead.PersonID) ([]lead.PersonID, error) {
	links, err := people.Links(tx, id)
	if err != nil {
		return nil, err
	}
	roots := []lead.PersonID{id}
	for _, l := range links {
		if l.Kind == people.LinkedByCorrection {
			roots = append(roots, l.Other)
		}
	}
	for _, root := range roots {
		same, err := people.Same(tx, root)
		if err != nil {
			return nil, err
		}
		for _, p := range append(same, root) {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all, nil
}
