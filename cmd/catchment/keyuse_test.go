package main

import (
	"io"
	"os"
	"slices"
	"testing"

	"catchment/internal/snapshot"
	"catchment/internal/store"
)

// When a key handed in a lead is seen where keys are listed, also when the door
// is a process of its own; of a rotated key, by which text.
func TestKeysThatHandInLeadsAreSeen(t *testing.T) {
	t.Parallel()
	bus := startNATS(t)
	all, apart := settingsFor(t, store.Options{}), settingsFor(t, store.Options{})
	all.NATSURL, apart.NATSURL, apart.Role = bus, bus, "capture"
	s := serve(t, all)
	if status := run([]string{"keys", "door", "--data", all.Data, "--out", apart.Data}, io.Discard, os.Stderr); status != 0 {
		t.Fatalf("keys door: %d", status)
	}
	door := serve(t, apart)
	shop := openShop(t, all, s)
	admin := s.as(t, shop.admin)
	key := func(name string) (id, text string) {
		made := admin.want(201, "POST", "/v1/keys", fields{"kind": "publishable", "name": name, "any_origin": true})
		return made.text("id"), made.text("key")
	}
	used, text := key("Used")
	spare, _ := key("Spare")
	of := func(a answer, id string) fields {
		for _, k := range a.items() {
			if k := k.(fields); k["id"] == id {
				return k
			}
		}
		t.Fatalf("no %s in %s", id, a.body)
		return nil
	}
	waitFor(t, "the door knows the key", func() bool {
		a, err := door.as(t, text).try("POST", "/v1/leads", shop.lead("Asha Example", "+12025550141"))
		return err == nil && a.status == 202
	})
	door.house.tellUses() // a door tells by itself every few seconds
	list := admin.until("the key was used", "/v1/keys", func(a answer) bool { return of(a, used)["used_at"] != nil })
	if of(list, spare)["used_at"] != nil {
		t.Error("the control: a key that nobody has used was used")
	}

	turned := admin.want(200, "POST", "/v1/keys/"+spare+"/rotate", nil).text("key")
	waitFor(t, "the door knows the new text", func() bool {
		a, err := door.as(t, turned).try("POST", "/v1/leads", shop.lead("Asha Example", "+12025550141"))
		return err == nil && a.status == 202
	})
	door.house.tellUses()
	list = admin.until("the new text was used", "/v1/keys", func(a answer) bool { return of(a, spare)["used_at"] != nil })
	texts := of(list, spare)["generations"].([]any)
	if len(texts) != 2 || texts[0].(fields)["used_at"] == nil || texts[1].(fields)["used_at"] != nil {
		t.Errorf("used by the new text alone: %v", texts)
	}
}

func FuzzParseUses(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 64))
	f.Add(make([]byte, 63))
	f.Fuzz(func(t *testing.T, b []byte) {
		hashes, ok := parseUses(b)
		if !ok {
			return
		}
		var again []snapshot.Hash
		for _, h := range hashes {
			again = append(again, snapshot.Hash(h))
		}
		if !slices.Equal(appendUses(nil, again), b) {
			t.Errorf("%x is read as %x", b, again)
		}
	})
}
