package desk_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault/reveal"
)

// history is the lead's changes as "field was now", oldest first.
func (v *visitor) history(l lead.ID, query string, header ...string) (out []string) {
	v.Helper()
	got := v.get("/v1/leads/"+l.String()+"/history"+query, header...).want(v, 200)
	for _, c := range got.reply.List("changes") {
		was, _ := json.Marshal(c["was"])
		now, _ := json.Marshal(c["now"])
		line := c["field"].(string) + " " + string(was) + " " + string(now)
		if c["sealed"] == true {
			line += " sealed"
		}
		out = append(out, line)
	}
	return out
}

// Whoever reads a lead sees what was changed of it, by whom, from what to what;
// what was corrected of the person opens for a purpose, on the record, and not
// at all once the person is erased.
func TestALeadsHistoryHasWhatWasAndWhatBecame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db)
		c, other := d.company(), d.company()
		sam, boss, key, stranger := c.user(account.Salesperson), c.user(account.Manager), c.key(account.Manager), other.user(account.Manager)
		a := c.arrive(sam.id)
		if got := boss.history(a.lead, ""); len(got) != 0 {
			t.Errorf("changed already: %v", got)
		}
		at := "/v1/leads/" + a.lead.String()
		sam.ask(http.MethodPut, at+"/tags", map[string]any{"tags": []string{"hot", "abroad"}}).want(t, 200)
		sam.ask(http.MethodPut, at+"/tags", map[string]any{"tags": []string{"abroad", "hot"}}).want(t, 200) // the same
		next := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		for range 2 {
			sam.post(at+"/next-action", map[string]any{"at": next, "what": "visit"}).want(t, 200)
		}
		sam.post(at+"/next-action", map[string]any{"at": nil}).want(t, 200)
		const second, third = "+442079460777", "+442079460778"
		sam.correct(a.person, map[string]any{"phone": second}).want(t, 200)
		boss.correct(a.person, map[string]any{"phone": third, "name": ""}).want(t, 200)

		visit := `{"at":"` + next.Format(time.RFC3339) + `","what":"visit"}`
		plain := []string{`tags [] ["abroad","hot"]`, `next null ` + visit, `next ` + visit + ` null`}
		sealed := append(plain[:3:3], "phone null null sealed", "name null null sealed", "phone null null sealed")
		clear := append(plain[:3:3], `phone "`+canaryPhone+`" "`+second+`"`, `name "`+canaryName+`" null`, `phone "`+second+`" "`+third+`"`)
		same := func(what string, got, want []string) {
			t.Helper()
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		before := c.openings()
		same("not asked for", boss.history(a.lead, ""), sealed)
		same("no purpose", key.history(a.lead, "?include=person"), sealed)
		if c.openings() != before {
			t.Error("something was opened")
		}
		same("opened", boss.history(a.lead, "?include=person", "Catchment-Purpose", "check"), clear)
		if c.openings() != before+1 {
			t.Errorf("%d openings on the record", c.openings()-before)
		}
		first := boss.get(at+"/history").want(t, 200).reply.List("changes")[0]
		if first["by"] != sam.id.String() || first["at"] == nil {
			t.Errorf("%v", first)
		}
		if got, none := stranger.get(at+"/history?include=person").want(t, 404), stranger.get("/v1/leads/"+lead.NewID().String()+"/history?include=person").want(t, 404); got.code() != none.code() {
			t.Errorf("%s and %s", got.text, none.text)
		}

		// Erased: there is nothing to see, and a copy of what stood there opens nowhere.
		var kept []people.Past
		c.write(func(tx *store.Tx) (err error) { kept, err = people.Pasts(tx, a.person, 9); return err })
		read := func() keyring.Opened {
			got, err := d.ring.Opener().Open(t.Context(), c.scope, boss.id.String(), "check", kept[0].Was)
			d.ok(err)
			return got
		}
		if got := read(); got.States[0] != keyring.Clear || reveal.Text(got.Values[0]) == "" {
			t.Fatal("the copy does not open while the person is there: the test shows nothing")
		}
		c.write(func(tx *store.Tx) error { return people.Erase(tx, []lead.PersonID{a.person}, time.Now()) })
		same("erased", boss.history(a.lead, "?include=person", "Catchment-Purpose", "check"), plain)
		if got := read(); got.States[0] != keyring.Erased || !got.Values[0].Empty() {
			t.Errorf("the copy opens after the person was erased: %v", got.States)
		}
	})
}
