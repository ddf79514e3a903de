package desk_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/intake"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

// indexed has the person be found by the number, as intake does.
func (c *company) indexed(p lead.PersonID, number string) {
	c.write(func(tx *store.Tx) error {
		n, err := people.AddIndex(tx, []people.Entry{{Key: people.Key{Field: vault.ByPhone, MAC: c.keyset.Index(vault.ByPhone, false, number)}, Person: p}})
		c.must(n == 1, err)
		return nil
	})
}

// finds is who the number leads to; zero: nobody.
func (c *company) finds(number string) (id lead.PersonID) {
	k := people.Key{Field: vault.ByPhone, MAC: c.keyset.Index(vault.ByPhone, false, number)}
	c.write(func(tx *store.Tx) error {
		found := map[people.Key]lead.PersonID{}
		err := people.Find(tx, []people.Key{k}, found)
		id = found[k]
		return err
	})
	return id
}

func (v *visitor) correct(p lead.PersonID, body map[string]any, more ...string) answer {
	v.Helper()
	return v.ask(http.MethodPatch, "/v1/persons/"+p.String(), body, more...)
}

func words(v any) (out []string) {
	for _, x := range v.([]any) {
		out = append(out, x.(string))
	}
	return out
}

// The number was wrong: the owner of the lead puts it right. The person is found
// by the right one, the wrong one stays as history, and all of it is on the record.
func TestCorrectAWrongNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, kim, boss := c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Manager)
		auditor, key := c.user(account.Auditor), c.key(account.Manager)
		a := c.arrive(sam.id)
		c.indexed(a.person, canaryPhone)
		live := sam.listen("", "")
		const right = "+442079460777"
		kim.correct(a.person, map[string]any{"phone": right}).want(t, 404)
		auditor.correct(a.person, map[string]any{"phone": right}).want(t, 403)
		if got := key.correct(a.person, map[string]any{"phone": right}).want(t, 422); got.code() != "invalid Catchment-Purpose purpose_missing" {
			t.Error(got.text)
		}
		for field, bad := range map[string]map[string]any{"phone": {"phone": "call me"}, "email": {"email": "asha at example"}, "name": {"name": "A\nB"}} {
			if got := sam.correct(a.person, bad).want(t, 422); !strings.HasPrefix(got.code(), "invalid "+field+" ") || strings.Contains(got.text, "call me") {
				t.Errorf("%s", got.text)
			}
		}
		sam.correct(a.person, map[string]any{}).want(t, 422)
		if got := sam.correct(a.person, map[string]any{"phone": "", "email": ""}).want(t, 422); !strings.Contains(got.code(), "last_contact") {
			t.Error(got.text)
		}
		if c.finds(canaryPhone) != a.person {
			t.Fatal("a refused correction changed the index")
		}

		before := c.openings()
		got := sam.correct(a.person, map[string]any{"phone": "020 7946 0777", "name": canaryName}, "Catchment-Purpose", "wrong number").want(t, 200)
		if !slices.Equal(words(got.body["changed"]), []string{"phone"}) {
			t.Errorf("%s", got.text)
		}
		if c.openings() != before+1 {
			t.Errorf("%d openings on the record", c.openings()-before)
		}
		if p := sam.get("/v1/leads/"+a.lead.String()).want(t, 200).body["person"].(map[string]any); p["phone"] != right || p["name"] != canaryName {
			t.Errorf("%v", p)
		}
		if c.finds(right) != a.person || c.finds(canaryPhone) != (lead.PersonID{}) {
			t.Error("the index does not lead by the new number alone")
		}
		past := boss.get("/v1/persons/"+a.person.String()).want(t, 200).body["corrections"].([]any)
		if x := past[0].(map[string]any); len(past) != 1 || x["was"] != canaryPhone || x["field"] != "phone" || x["by"] != sam.id.String() {
			t.Errorf("%v", past)
		}
		if got := key.get("/v1/persons/"+a.person.String()).want(t, 200); strings.Contains(got.text, canaryPhone) {
			t.Error("a key without a purpose reads what stood there")
		}
		if e := live.next("person.corrected"); !strings.Contains(e[len(e)-1].data, a.lead.String()) || strings.Contains(e[len(e)-1].data, "0777") {
			t.Errorf("%v", e)
		}
		c.write(func(tx *store.Tx) error {
			list, err := audit.List(tx, audit.Filter{Action: "person.correct"}, audit.Place{}, 10)
			if len(list) != 1 || list[0].Purpose != "wrong number" || strings.Contains(string(list[0].Detail), "0777") {
				t.Errorf("%+v", list)
			}
			return err
		})
		// Again: nothing changes, and there is no second history.
		if got := boss.correct(a.person, map[string]any{"phone": right}).want(t, 200); len(words(got.body["changed"])) != 0 {
			t.Errorf("%s", got.text)
		}
	})
}

// The right number is somebody else's: theirs it stays. Who may know both is
// offered to merge them; who may not learns nothing.
func TestCorrectToAnothersNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, kim, boss := c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Manager)
		a, b, free := c.arrive(sam.id), c.arrive(kim.id), c.arrive(sam.id)
		const taken, unknown = "+442079460500", "+442079460501"
		c.indexed(b.person, taken)
		strip := func(x answer, p lead.PersonID) string { return strings.ReplaceAll(x.text, p.String(), "PERSON") }
		told := strip(sam.correct(a.person, map[string]any{"phone": taken}).want(t, 200), a.person)
		control := strip(sam.correct(free.person, map[string]any{"phone": unknown}).want(t, 200), free.person)
		if told != control {
			t.Errorf("the answer tells that the number is known:\n%s\n%s", told, control)
		}
		see := func(p lead.PersonID) []any {
			return sam.get("/v1/persons/"+p.String()).want(t, 200).body["possible_duplicates"].([]any)
		}
		if len(see(a.person)) != 0 {
			t.Error("the page of the person tells it")
		}
		if c.finds(taken) != b.person || c.finds(unknown) != free.person {
			t.Error("the index was taken away from whose it is")
		}
		dup := boss.get("/v1/persons/"+a.person.String()).want(t, 200).body["possible_duplicates"].([]any)
		if len(dup) != 1 || dup[0].(map[string]any)["person_id"] != b.person.String() || dup[0].(map[string]any)["kind"] != "corrected" {
			t.Errorf("the manager is not offered to merge: %v", dup)
		}
		boss.post("/v1/persons/"+b.person.String()+"/merge", map[string]any{"other": a.person.String()}).want(t, 201)

		// Somebody who must not be contacted is not reached through another's row.
		boss.post("/v1/persons/"+b.person.String()+"/suppress", map[string]any{"reason": "asked-not-to"}).want(t, 201)
		if got := sam.correct(free.person, map[string]any{"phone": taken}).want(t, 409); got.code() != "suppressed" {
			t.Errorf("%s", got.text)
		}
	})
}

// What was corrected between looking and writing is not overwritten.
func TestCorrectWhatIsAnotherByNow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam := c.user(account.Salesperson)
		a := c.arrive(sam.id)
		fix := intake.New(intake.Options{DB: db, Accounts: c.ring.Accounts, Jobs: c.list, Events: c.emits})
		var row people.Person
		c.write(func(tx *store.Tx) (err error) { row, err = people.One(tx, a.person); return err })
		once := func(phone string) (err error) {
			return db.Write(t.Context(), c.scope, func(tx *store.Tx) error {
				_, err := fix.Correct(tx, intake.Correction{Person: a.person, Row: row, Actor: sam.id.String(), Purpose: "contact", At: store.Clock(time.Now()),
					To:  map[vault.Field]vault.Personal{vault.Phone: vault.Hide(phone)},
					Was: map[vault.Field]vault.Personal{vault.Name: vault.Hide(canaryName), vault.Phone: vault.Hide(canaryPhone), vault.Email: vault.Hide("asha@example.com")}})
				return err
			})
		}
		c.ok(once("+442079460601"))
		if err := once("+442079460602"); err == nil || !strings.Contains(err.Error(), "person_changed") {
			t.Errorf("%v", err)
		}
		if c.finds("+442079460601") != a.person || c.finds("+442079460602") != (lead.PersonID{}) {
			t.Error("the later one counts")
		}
	})
}
