package intake

import (
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"

	"catchment/internal/lead"
)

// A dead letter is found by a number or an address in it, whether its body can be
// read or not; what opens for nobody is counted; and who looked is on the record.
func TestDeadLettersOfAPerson(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		other := *h.tenant
		other.sources = []account.SourceID{account.NewSourceID()}
		spoilt := h.entry(&other, sent{body: body("Eve", "+442079460101", "")})
		spoilt.Data[len(spoilt.Data)-1] ^= 1
		h.take(
			h.entry(&other, sent{body: body("Ada", "020 7946 0101", "")}),
			h.entry(&other, sent{body: body("Ada", "", "Ada@Example.com")}),
			h.entry(h.tenant, sent{body: `{"person":{"phone":"+44 20 7946 0101"`}), // cut off
			h.entry(h.tenant, sent{body: `"tel=%2B442079460101"`}),                 // something else
			h.entry(&other, sent{body: body("Bob", "+442079460102", "bob@example.com")}),
			spoilt)
		if n := len(h.dead("")); n != 6 {
			t.Fatalf("%d dead letters", n)
		}
		ada, nobody := lead.NewPersonID(), lead.NewPersonID()
		by := func(of lead.PersonID, phone, email string) []people.Entry {
			return []people.Entry{{Key: people.Key{Field: vault.ByPhone, MAC: h.keys.Index(vault.ByPhone, false, phone)}, Person: of},
				{Key: people.Key{Field: vault.ByEmail, MAC: h.keys.Index(vault.ByEmail, false, email)}, Person: of}}
		}
		found, sealed, err := h.in.Unread(t.Context(), h.scope, "user_1", "subject-access", ada.String(), by(ada, "+442079460101", "ada@example.com"))
		if err != nil || len(found) != 4 || sealed != 1 {
			t.Errorf("%d found, %d sealed: %v", len(found), sealed, err)
		}
		for _, u := range found {
			if text := reveal.Text(u.Raw); u.Person != ada || u.Enquiry.IsZero() || u.Reason == "" || strings.Contains(text, "Bob") || !strings.Contains(text, "0101") && !strings.Contains(text, "Ada@") {
				t.Errorf("%+v %s", u, text)
			}
		}
		if found, _, err := h.in.Unread(t.Context(), h.scope, "user_1", "subject-access", nobody.String(), by(nobody, "+442079460199", "nobody@example.com")); err != nil || len(found) != 0 {
			t.Errorf("of somebody else: %d, %v", len(found), err)
		}
		elsewhere := h.newTenant(1)
		if found, sealed, err := h.in.Unread(t.Context(), elsewhere.scope, "user_1", "subject-access", ada.String(), by(ada, "+442079460101", "ada@example.com")); err != nil || len(found)+sealed != 0 {
			t.Errorf("another account: %d, %d, %v", len(found), sealed, err)
		}
		looks := 0
		h.read(func(tx *store.Tx) error {
			rows, err := tx.Query(allAudit)
			return store.Each(rows, err, func(scan func(...any) error) error {
				var actor, action, purpose string
				err := scan(&actor, &action, &purpose)
				if actor == "user_1" && action == "dead_letter.searched" && purpose == "subject-access" {
					looks++
				}
				return err
			})
		})
		if looks != 2 {
			t.Errorf("%d looks on the record", looks)
		}
	})
}

func FuzzGuessed(f *testing.F) {
	f.Add(`{"person":{"phone":"+44 20 7946 0101"`)
	f.Add("a@b@c.example %zz 0123456789012345678901234567890123456789")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range append(likeEmail.FindAllString(text, -1), likePhone.FindAllString(text, -1)...) {
			if !strings.Contains(text, s) || len(s) < 3 {
				t.Errorf("%q is not in the text", s)
			}
		}
	})
}
