package intake

import (
	"encoding/json"
	"testing"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

var countWithheld = store.Register("intaketest.withheld", `SELECT count(*) FROM withheld WHERE account_id = $1`)

// pushy is a body that is held.
func pushy(name, phone, email string) string {
	b, _ := json.Marshal(map[string]any{"person": map[string]string{"name": name, "phone": phone, "email": email}, "message": "[url=https://www.example.com]"})
	return string(b)
}

// byPhone is who the number leads to; zero: nobody.
func (h *house) byPhone(e164 string) (id lead.PersonID) {
	h.t.Helper()
	key := people.Key{Field: vault.ByPhone, MAC: h.keys.Index(vault.ByPhone, false, e164)}
	h.read(func(tx *store.Tx) error {
		found := map[people.Key]lead.PersonID{}
		err := people.Find(tx, []people.Key{key}, found)
		id = found[key]
		return err
	})
	return id
}

func (h *house) withheld() (n int) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error { return tx.Row(countWithheld).Scan(&n) })
	return n
}

// phoneOf is the number that the person's row shows; "" for none.
func (h *house) phoneOf(id lead.PersonID) string {
	h.t.Helper()
	p := h.person(id)
	if p.Phone.Empty() {
		return ""
	}
	return reveal.Text(h.open(p.Phone).Values[0])
}

// A known person's new number counts from the release on, and not before.
func TestWhatAHeldEnquirySaysCountsOnceReleased(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.post(sent{body: body("", "", "ada@example.com")})
		held := h.post(sent{body: pushy("Ada", "020 7946 0177", "ada@example.com")})
		never := h.post(sent{body: pushy("Ada", "020 7946 0178", "ada@example.com")})
		if held.State != lead.Quarantined || held.Person != ada.Person || never.Person != ada.Person {
			t.Fatalf("%+v", held)
		}
		unknown := func(when string) {
			t.Helper()
			for _, phone := range []string{"+442079460177", "+442079460178"} {
				if !h.byPhone(phone).IsZero() || h.phoneOf(ada.Person) != "" || h.withheld() == 0 {
					t.Errorf("%s: %s leads to somebody, or the row shows a number", when, phone)
				}
			}
		}
		unknown("held")
		if code := h.judge(h.in.Keep, held.ID); code != "" {
			t.Fatal(code)
		}
		unknown("kept")
		if code := h.judge(h.in.Release, held.ID); code != "" {
			t.Fatal(code)
		}
		if h.byPhone("+442079460177") != ada.Person || h.phoneOf(ada.Person) != "+442079460177" || h.person(ada.Person).Name.Empty() {
			t.Error("released, and not found or not shown")
		}
		if !h.byPhone("+442079460178").IsZero() {
			t.Error("found by the number of what was not released")
		}
		if next := h.post(sent{body: body("", "+442079460177", "")}); next.Person != ada.Person || next.Lead != ada.Lead {
			t.Error("an enquiry under the new number is another person's")
		}

		// Somebody came under the other number meanwhile: it is theirs.
		eve := h.post(sent{body: body("Eve", "+442079460178", "")})
		if eve.Person == ada.Person {
			t.Fatal("what was not released counted")
		}
		if code := h.judge(h.in.Release, never.ID); code != "" {
			t.Fatal(code)
		}
		var links []people.Link
		h.read(func(tx *store.Tx) (err error) { links, err = people.Links(tx, ada.Person); return err })
		if h.byPhone("+442079460178") != eve.Person || len(links) != 1 || links[0].Other != eve.Person || links[0].Enquiry != never.ID {
			t.Errorf("%v", links)
		}
		if h.phoneOf(ada.Person) != "+442079460177" || h.withheld() != 0 {
			t.Errorf("%d rows are left of what was released", h.withheld())
		}
		h.post(sent{body: pushy("Ada", "020 7946 0177", "ada@example.com")})
		if n := h.withheld(); n != 0 {
			t.Errorf("%d rows of what is known", n)
		}
	})
}

// What was held for a person who was merged since leads to the kept one; the
// number is of the row whose key seals it.
func TestAReleaseAfterAMerge(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		kept, ada := h.post(sent{body: body("Ada", "", "a@example.com")}), h.post(sent{body: body("Ada", "", "ada@example.com")})
		held := h.post(sent{body: pushy("Ada", "020 7946 0177", "ada@example.com")})
		h.write(h.scope, func(tx *store.Tx) error { _, err := h.in.Merge(tx, kept.Person, ada.Person, "user_1"); return err })
		if code := h.judge(h.in.Release, held.ID); code != "" {
			t.Fatal(code)
		}
		if next := h.post(sent{body: body("", "+442079460177", "")}); next.Person != kept.Person || h.phoneOf(ada.Person) != "+442079460177" {
			t.Errorf("%s, want %s", next.Person, kept.Person)
		}
	})
}

// Nothing comes back of a person whose key was destroyed.
func TestAReleaseOfAnErasedPerson(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.post(sent{body: body("Ada", "", "ada@example.com")})
		held := h.post(sent{body: pushy("Ada", "020 7946 0177", "ada@example.com")})
		h.write(h.scope, func(tx *store.Tx) error { _, err := tx.Exec(spoilKey); return err })
		if code := h.judge(h.in.Release, held.ID); code != "person_erased" {
			t.Error(code)
		}
		if !h.byPhone("+442079460177").IsZero() || len(h.leads()) != 1 {
			t.Error("released all the same")
		}
	})
}
