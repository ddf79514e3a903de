package privacy

import (
	"encoding/json"
	"testing"

	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// The record tells a field that was given in clear from one that was masked.
func TestAMaskedFieldStandsOnTheRecordAsOne(t *testing.T) {
	id := lead.NewPersonID()
	item := func(f vault.Field, masked bool) keyring.Item {
		return keyring.Item{Binding: people.Place(id, f), Subject: vault.Subject(id.UUID()), Masked: masked}
	}
	e := Entry(keyring.Opening{Actor: "user_x", Purpose: vault.ForContact, Items: []keyring.Item{item(vault.Name, false), item(vault.Phone, true)}, Count: 2})
	text, err := json.Marshal(e.Detail)
	if err != nil {
		t.Fatal(err)
	}
	who := id.String()
	want := `{"count":2,"items":[{"table":"person","row":"` + who + `","field":"name","whose":"` + who + `"},{"table":"person","row":"` + who + `","field":"phone:masked","whose":"` + who + `"}]}`
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}
