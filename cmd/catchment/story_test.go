package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"catchment/internal/receipt"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// What an account can still show of a lead: the receipts of what came in, as
// the door gave them, and who opened the person's data, when and why.
func TestStoryOfALead(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { story(t, store.Options{}) })
	t.Run("postgres", func(t *testing.T) { story(t, storetest.PostgresOptions(t)) })
}

func story(t *testing.T, o store.Options) {
	c := settingsFor(t, o)
	web := serve(t, c)
	shop := openShop(t, c, web)
	awaitKey(t, web, shop.pub)
	admin, seller, page := web.as(t, shop.admin), web.as(t, shop.seller), web.as(t, shop.pub)

	var bodies []json.RawMessage
	for i := range 5 { // one commit, so that receipts have a path
		text, err := json.Marshal(shop.lead(fmt.Sprintf("Asha Example %d", i), fmt.Sprintf("+1202555014%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, text)
	}
	batch, err := json.Marshal(bodies)
	if err != nil {
		t.Fatal(err)
	}
	var given []struct {
		ID      string          `json:"id"`
		Receipt json.RawMessage `json:"receipt"`
	}
	if err := json.Unmarshal(page.want(202, "POST", "/v1/leads:batch", batch).body, &given); err != nil {
		t.Fatal(err)
	}
	keys, err := receipt.ParseKeys(web.as(t, "").want(200, "GET", "/.well-known/catchment-receipt-keys.json", nil).body)
	if err != nil {
		t.Fatal(err)
	}
	lead := ""
	for i, g := range given {
		id := attached(admin, g.ID)
		if i == 0 {
			lead = id
		}
		receiptAgain(t, admin, keys, g.ID, g.Receipt, bodies[i])
	}

	// Who may not open persons gets what is not personal; whoever asks for no body gets none.
	auditor := web.as(t, worksAs(t, web, admin, "auditor"))
	auditor.want(403, "GET", "/v1/enquiries/"+given[0].ID+"/submissions", nil)
	marketer := web.as(t, worksAs(t, web, admin, "marketer"))
	marketer.want(403, "GET", "/v1/enquiries/"+given[0].ID+"/submissions", nil)
	secret := web.as(t, admin.want(201, "POST", "/v1/keys", fields{"kind": "secret", "name": "CRM", "role": "manager"}).text("key"))
	without := secret.want(200, "GET", "/v1/enquiries/"+given[0].ID+"/submissions", nil).items()[0].(fields)
	if without["receipt"] != nil || without["body"] != nil || without["stream"] == "" {
		t.Errorf("without a purpose: %v", without)
	}

	admin.want(200, "GET", "/v1/leads/"+lead, nil, "Catchment-Purpose", "looking-after")
	openings := auditor.want(200, "GET", "/v1/record?action=opened&about="+lead, nil).items()
	for field, purpose := range map[string]string{"phone": "looking-after", "raw": "receipts"} {
		if !slices.ContainsFunc(openings, func(o any) bool { return opened(o, field, purpose) }) {
			t.Errorf("that %s was opened for %s is not told: %v", field, purpose, openings)
		}
	}
	if slices.ContainsFunc(openings, func(o any) bool { return opened(o, "raw", "looking-after") }) {
		t.Errorf("more than was opened is told: %v", openings)
	}
	marketer.want(403, "GET", "/v1/record?about="+lead, nil)
	seller.want(403, "GET", "/v1/record?about="+lead, nil)
}

// receiptAgain asks for the receipts of an enquiry: the one that was given, to
// the byte, which the published keys verify, of the body that was sent.
func receiptAgain(t *testing.T, admin api, keys receipt.Keys, enquiry string, given, body []byte) {
	t.Helper()
	var list struct {
		Items []struct {
			Receipt json.RawMessage
			Body    string
		}
	}
	a := admin.want(200, "GET", "/v1/enquiries/"+enquiry+"/submissions?include=body", nil, "Catchment-Purpose", "receipts")
	if err := json.Unmarshal(a.body, &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%s: %v", a.body, err)
	}
	if string(list.Items[0].Receipt) != string(given) {
		t.Errorf("given:\n%s\nagain:\n%s", given, list.Items[0].Receipt)
	}
	r, err := receipt.Parse(list.Items[0].Receipt)
	if err != nil {
		t.Fatal(err)
	}
	if err := receipt.Verify(r, keys); err != nil || r.Size < 2 {
		t.Errorf("size %d: %v", r.Size, err)
	}
	got, err := base64.RawURLEncoding.DecodeString(list.Items[0].Body)
	if err != nil || string(got) != string(body) || r.MatchesBody(got) != nil {
		t.Errorf("the body came back as %q, %v", got, err)
	}
}

func opened(entry any, field, purpose string) bool {
	e := entry.(fields)
	list, _ := e["fields"].([]any)
	return e["purpose"] == purpose && slices.Contains(list, any(field))
}

// worksAs makes a user of the role and returns the token of their session.
func worksAs(t *testing.T, web *running, admin api, role string) string {
	t.Helper()
	made := admin.want(201, "POST", "/v1/users", fields{"name": "Kim Example", "role": role, "email": role + "@example.com"})
	return web.as(t, "").want(201, "POST", "/v1/links/redeem", fields{"token": made.text("link"), "password": "a long password of Kim"}).text("token")
}
