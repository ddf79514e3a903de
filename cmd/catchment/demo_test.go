package main

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	"catchment/internal/demo"
	"catchment/internal/store"
)

// A seeding that is cut off at any moment goes on at the next start and makes
// nothing twice; after that it keeps what it made.
func TestSeedingGoesOnWhereItWasCutOff(t *testing.T) {
	s := serve(t, settingsFor(t, store.Options{}))
	dir := s.c.Data
	var made *demo.World
	var err error
	cuts := 0
	for after := 25 * time.Millisecond; made == nil; after += after / 2 {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		made, err = demo.Seed(ctx, s.url, dir, founder{s.house})
		cancel()
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		if cuts++; after > time.Minute {
			t.Fatal("it never ends")
		}
	}
	if cuts < 3 {
		t.Errorf("only %d starts: nothing was cut off", cuts)
	}
	accounts, err := s.house.scopes(t.Context())
	if err != nil || len(accounts) != 2 || len(made.Accounts) != 2 {
		t.Fatalf("%d accounts, %d in demo.json, %v", len(accounts), len(made.Accounts), err)
	}
	for _, a := range made.Accounts {
		if n := count(t, s.url, a.SecretKey, "/v1/users", ""); n != len(a.Users) {
			t.Errorf("%s: %d users, %d in demo.json", a.Name, n, len(a.Users))
		}
		if n := count(t, s.url, a.SecretKey, "/v1/sources", ""); n != len(a.Sources) {
			t.Errorf("%s: %d sources, %d in demo.json", a.Name, n, len(a.Sources))
		}
		if n := count(t, s.url, a.SecretKey, "/v1/keys", "valid"); n != 2 {
			t.Errorf("%s: %d valid keys", a.Name, n)
		}
	}
	again, err := demo.Seed(t.Context(), s.url, dir, nil) // nothing is founded
	if err != nil || !reflect.DeepEqual(again, made) {
		t.Errorf("seeded again: %+v, %v", again, err)
	}
}

// An account whose admin never came is not made a second time.
func TestFoundingTwiceIsOneAccount(t *testing.T) {
	s := serve(t, settingsFor(t, store.Options{}))
	f := founder{s.house}
	found := func(name string) string {
		link, err := f.CreateAccount(t.Context(), name, "GB", "Ada Example", "+447700900100", "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	first, second := found("One"), found("One")
	if _, err := s.house.directory.Redeem(t.Context(), first, "a long password"); err == nil {
		t.Error("the first link still works")
	}
	if _, err := s.house.directory.Redeem(t.Context(), second, "a long password"); err != nil {
		t.Error(err)
	}
	found("Two")
	if all, err := s.house.scopes(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%d accounts, %v", len(all), err)
	}
}

// count counts a list's items, of one state if it is given.
func count(t *testing.T, url, key, path, state string) (n int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path+"?limit=500", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Items []struct{ State string } }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
	for _, i := range list.Items {
		if state == "" || i.State == state {
			n++
		}
	}
	return n
}
