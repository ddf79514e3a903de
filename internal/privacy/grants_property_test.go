package privacy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/grants"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"

	"pgregory.net/rapid"
)

// No sequence of grants, revocations, erasures, times and readers gives support
// a text without an entry that names the grant and its reader, nor one that the
// grant is not for; and while a grant is open, what it is for is given. Each human
// has a text of their own in each field, so that a stray one is seen.
func TestNoTextWithoutAGrantAndAnEntry(t *testing.T) {
	w := newWorld(t, storetest.SQLiteOptions(t))
	type held struct {
		g       grants.Grant
		leads   map[lead.ID]bool
		revoked bool
	}
	given, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var all []held
		humans := []human{}
		phones := map[lead.ID]string{}
		erased := map[lead.ID]bool{}
		for n := range 3 {
			phone := fmt.Sprintf("+44207946%04d", (given+refused+n)%10000)
			h := w.human(phone)
			humans, phones[h.lead] = append(humans, h), phone
		}
		readers := []account.UserID{account.NewUserID(), account.NewUserID()}
		pick := func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name) }
		// Each sequence begins with a reading that must give texts, and one that must not.
		first, err := w.grant(NewGrant{To: readers[0], Fields: GrantFields(), Leads: []lead.ID{humans[0].lead}, Reason: "r", From: w.now, Until: w.now.Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, held{g: first, leads: map[lead.ID]bool{humans[0].lead: true}})
		if got, err := w.support.Open(w.Context(), readers[0], first.ID, humans[0].lead, "property"); err != nil || len(got.Values) == 0 || len(w.entries(first.ID, readers[0])) != 1 {
			t.Fatalf("a grant that is open gives %d texts, %v", len(got.Values), err)
		}
		given++
		if _, err := w.support.Open(w.Context(), readers[1], first.ID, humans[0].lead, "property"); err == nil || len(w.entries(first.ID, readers[1])) != 0 {
			t.Fatal("somebody else's grant gives texts")
		}
		refused++
		t.Repeat(map[string]func(*rapid.T){
			"grant": func(t *rapid.T) {
				chosen := rapid.SliceOfNDistinct(rapid.IntRange(0, 2), 1, 3, rapid.ID).Draw(t, "leads")
				n := NewGrant{To: readers[pick("to", 2)], Fields: rapid.SliceOfNDistinct(rapid.SampledFrom(GrantFields()), 1, -1, rapid.ID).Draw(t, "fields"), Reason: "r",
					From: w.now.Add(time.Duration(pick("from", 3)) * time.Minute)}
				n.Until = n.From.Add(time.Duration(1+pick("until", 5)) * time.Minute)
				h := held{leads: map[lead.ID]bool{}}
				for _, i := range chosen {
					n.Leads = append(n.Leads, humans[i].lead)
					h.leads[humans[i].lead] = true
				}
				var err error
				if h.g, err = w.grant(n); err != nil {
					t.Fatal(err)
				}
				all = append(all, h)
			},
			"revoke": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip()
				}
				h := &all[pick("which", len(all))]
				if err := w.revoke(h.g.ID); (err != nil) != h.revoked {
					t.Fatalf("%v, revoked before: %v", err, h.revoked)
				}
				h.revoked = true
			},
			"time": func(t *rapid.T) { w.now = w.now.Add(time.Duration(1+pick("passes", 60)) * time.Second) },
			"erase": func(t *rapid.T) {
				if pick("rarely", 4) != 0 {
					t.Skip()
				}
				h := humans[pick("whom", 3)]
				if err := w.p.Erase(w.Context(), w.scope, h.id); err != nil {
					t.Fatal(err)
				}
				erased[h.lead] = true
			},
			"read": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip()
				}
				h, reader, of := all[pick("by", len(all))], readers[pick("who", 2)], humans[pick("of", 3)].lead
				if pick("stranger", 4) != 0 {
					reader = h.g.To
				}
				before := len(w.entries(h.g.ID, reader))
				got, err := w.support.Open(w.Context(), reader, h.g.ID, of, "property")
				texts := 0
				for _, v := range got.Values {
					text := reveal.Text(v.Text)
					if text == "" {
						continue
					}
					texts++
					if !strings.Contains(fmt.Sprint(h.g.Fields), string(v.Field)) || v.Field == vault.Phone && text != phones[of] {
						t.Fatalf("%s of a grant for %v", v.Field, h.g.Fields)
					}
				}
				may := reader == h.g.To && h.leads[of] && !h.revoked && !w.now.Before(h.g.From) && w.now.Before(h.g.Until)
				entries := len(w.entries(h.g.ID, reader)) - before
				switch {
				case texts > 0 && (!may || erased[of] || entries != 1):
					t.Fatalf("%d texts; open to them: %v, erased: %v, entries: %d", texts, may, erased[of], entries)
				case !may && (err == nil || entries != 0):
					t.Fatalf("not open, and %v, %d entries", err, entries)
				case may && !erased[of] && (err != nil || entries > 1 || texts == 0 && strings.Contains(fmt.Sprint(h.g.Fields), "phone")):
					t.Fatalf("open, and %v, %d texts", err, texts)
				}
				if texts > 0 {
					given++
				} else {
					refused++
				}
			},
		})
	})
	t.Logf("%d readings gave a text, %d gave none", given, refused)
}

// entries are the openings by a grant of one reader on the record.
func (w *world) entries(g account.GrantID, reader account.UserID) (out []int64) {
	w.Helper()
	w.write(func(tx *store.Tx) error {
		rows, err := tx.Query(openedBy, reader.String(), g.String())
		return store.Each(rows, err, func(scan func(...any) error) error {
			var at int64
			err := scan(&at)
			out = append(out, at)
			return err
		})
	})
	return out
}

var openedBy = store.Register("privacytest.opened.by", `SELECT e.at FROM audit_about a JOIN audit_event e ON e.account_id = a.account_id AND e.event_id = a.event_id
	WHERE a.account_id = $1 AND a.thing = $3 AND e.actor = $2 AND e.action = 'opened'`)
