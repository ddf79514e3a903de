package main

import (
	"strings"
	"testing"

	"catchment/internal/store"
)

// The database is away when the program starts: leads are taken from the last
// snapshot, the rest says when to come again, and all follows when it is back.
func TestDatabaseAwayAtStart(t *testing.T) {
	t.Parallel()
	cluster := ownPostgres(t)
	c := settingsFor(t, store.Options{URL: cluster.URL("postgres")})
	before := serve(t, c)
	shop := openShop(t, c, before)
	awaitKey(t, before, shop.pub)
	known := before.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141"), "Idempotency-Key", "one").text("id")
	attached(before.as(t, shop.admin), known)
	before.stop()

	cluster.Halt()
	neverSeen(t, c)
	s := serve(t, c)
	door, admin := s.as(t, shop.pub), s.as(t, shop.admin)
	if again := door.want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141"), "Idempotency-Key", "one").text("id"); again != known {
		t.Errorf("the same idempotency key gives %s, and gave %s", again, known)
	}
	var taken []string
	for _, phone := range []string{"+12025550150", "+12025550151", "+12025550152"} {
		taken = append(taken, door.want(202, "POST", "/v1/leads", shop.lead("Ben Example", phone)).text("id"))
	}
	for _, path := range []string{"/v1/leads", "/v1/me", "/v1/enquiries/" + taken[0]} {
		a := admin.want(503, "GET", path, nil)
		if a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("GET %s: %v %s", path, a.header, a.body)
		}
	}
	api{t, s.health, ""}.want(200, "GET", "/readyz", nil)

	if err := cluster.Run(); err != nil {
		t.Fatal(err)
	}
	for _, id := range taken {
		lead := attached(admin, id)
		admin.until("its offer", "/v1/leads/"+lead, func(a answer) bool { return a.text("state") == "offered" })
	}
	if n := len(admin.want(200, "GET", "/v1/leads", nil).items()); n != 4 {
		t.Errorf("%d leads, want 4", n)
	}
}

// neverSeen is a machine that has the keys and has never seen a snapshot: it
// refuses, and is not ready.
func neverSeen(t *testing.T, c config) {
	t.Helper()
	fresh := settingsFor(t, store.Options{URL: c.DatabaseURL})
	copyKeys(t, c.Data, fresh.Data)
	s := serve(t, fresh)
	defer s.stop()
	a := s.as(t, "cpk_unknown").want(503, "POST", "/v1/leads", fields{})
	if a.header.Get("Retry-After") == "" {
		t.Errorf("without Retry-After: %v", a.header)
	}
	api{t, s.health, ""}.want(503, "GET", "/readyz", nil)

	// Without keys it cannot even tell whether to make new ones.
	_, err := startServer(&world{ctx: t.Context(), out: s.logs, err: s.logs}, settingsFor(t, store.Options{URL: c.DatabaseURL}))
	if err == nil || !strings.Contains(err.Error(), "no keyring") {
		t.Errorf("start without keys and database: %v", err)
	}
}
