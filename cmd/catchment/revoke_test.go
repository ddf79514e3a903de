package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"catchment/internal/audit"
	"catchment/internal/snapshot"
	"catchment/internal/store"
)

// A key is revoked by the command while the database is away: the doors refuse
// it, also after a restart; and when the database is back it has it, and both
// records tell of it once.
func TestRevokedWhileSQLIsAway(t *testing.T) {
	t.Parallel()
	cluster := ownPostgres(t)
	c := settingsFor(t, store.Options{URL: cluster.URL("postgres")})
	s := serve(t, c)
	shop := openShop(t, c, s)
	made := s.as(t, shop.admin).want(201, "POST", "/v1/keys", fields{"kind": "secret", "role": "manager", "name": "CRM"})
	spare := s.as(t, shop.admin).want(201, "POST", "/v1/keys", fields{"kind": "secret", "role": "manager", "name": "Spare"}).text("key")
	secret, id := made.text("key"), made.text("id")
	awaitKey(t, s, shop.pub)
	awaitKey(t, s, secret)
	awaitKey(t, s, spare)
	s.as(t, secret).want(200, "GET", "/v1/leads", nil)

	cluster.Halt()
	revoke(t, c, "SQL +away", id)
	refusedEverywhere := func() {
		t.Helper()
		s.as(t, secret).refused("POST", "/v1/leads", shop.lead("Asha Example", "+12025550141"))
		s.as(t, secret).refused("GET", "/v1/leads", nil)
		s.as(t, spare).want(202, "POST", "/v1/leads", shop.lead("Ben Example", "+12025550142")) // the control
		s.as(t, spare).want(503, "GET", "/v1/leads", nil)
	}
	refusedEverywhere()
	s.stop()
	s = serve(t, c)
	refusedEverywhere()

	if err := cluster.Run(); err != nil {
		t.Fatal(err)
	}
	admin := s.as(t, shop.admin)
	keyState := func(state string) func(answer) bool {
		return func(a answer) bool {
			for _, k := range a.items() {
				if k := k.(fields); k["id"] == id {
					return k["state"] == state
				}
			}
			return false
		}
	}
	admin.until("the revocation in SQL", "/v1/keys", keyState("revoked"))
	revoke(t, c, "SQL +revoked", id) // again, with SQL: nothing more happens, and it is on the platform's record again
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(spare)))
	revoke(t, c, "SQL +revoked", "--hash", hash)
	s.as(t, spare).refused("POST", "/v1/leads", shop.lead("Ben Example", "+12025550142"))
	s.as(t, spare).refused("GET", "/v1/leads", nil)
	if n := len(admin.want(200, "GET", "/v1/record?action=key.revoked", nil).items()); n != 2 {
		t.Errorf("the account's record has %d revocations, want one of each key", n)
	}
	waitFor(t, "the server has taken up and settled all", func() bool {
		left, err := os.ReadDir(c.revocations())
		open := s.house.snapshot.Tombstones(func(g *snapshot.Tombstone) bool { return !g.Settled })
		return err == nil && len(left) == 0 && len(open) == 0
	})
	if n := platformHas(t, s, "key.revoked"); n != 3 {
		t.Errorf("%d acts on the platform's record, want 3", n)
	}
	s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Cem Example", "+12025550143"))
}

// The same for nodes that share a NATS, at which the command puts the tombstone
// itself: every node refuses, also one that starts later without SQL.
func TestRevokedOnEveryNode(t *testing.T) {
	t.Parallel()
	cluster := ownPostgres(t)
	bus := startNATS(t)
	node := func(role string) config {
		c := settingsFor(t, store.Options{})
		c.Role, c.NATSURL = role, bus
		if role != "capture" {
			c.DatabaseURL = cluster.URL("postgres")
		}
		return c
	}
	first, second, door, later := node("all"), node("web"), node("capture"), node("capture")
	s := serve(t, first)
	copyKeys(t, first.Data, second.Data)
	for _, c := range []config{door, later} {
		if status := run([]string{"keys", "door", "--data", first.Data, "--out", c.Data}, io.Discard, os.Stderr); status != 0 {
			t.Fatalf("keys door: %d", status)
		}
	}
	web, capture := serve(t, second), serve(t, door)
	shop := openShop(t, first, s)
	lead := shop.lead("Asha Example", "+12025550141")
	key := func(name string) (id, text string) {
		made := s.as(t, shop.admin).want(201, "POST", "/v1/keys", fields{"kind": "secret", "role": "manager", "name": name})
		for _, r := range []*running{s, capture} {
			awaitKey(t, r, made.text("key"))
		}
		web.as(t, made.text("key")).want(200, "GET", "/v1/leads", nil)
		return made.text("id"), made.text("key")
	}
	id, gone := key("CRM")
	awayID, away := key("Other CRM")
	_, spare := key("Spare")
	everywhere := func(key string) {
		t.Helper()
		for _, r := range []*running{s, capture} {
			r.as(t, key).refused("POST", "/v1/leads", lead)
			r.as(t, spare).want(202, "POST", "/v1/leads", lead)
		}
		for _, r := range []*running{s, web} {
			r.as(t, key).refused("GET", "/v1/leads", nil)
		}
	}
	external := []string{"--nats-url", bus, "--nats-storage", "1"}
	revoke(t, first, "every node that reaches NATS, now", append(external, id)...)
	everywhere(gone)
	web.as(t, spare).want(200, "GET", "/v1/leads", nil)

	cluster.Halt()
	revoke(t, first, "SQL away", append(external, awayID)...)
	everywhere(away)
	fresh := serve(t, later)
	for _, key := range []string{gone, away} {
		if a := fresh.as(t, key).send("POST", "/v1/leads", lead); a.status != 401 {
			t.Errorf("a door that starts later answers a revoked key with %d", a.status)
		}
	}
	fresh.as(t, spare).want(202, "POST", "/v1/leads", lead)
	if err := cluster.Run(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "both are on the account's record", func() bool {
		a, err := s.as(t, shop.admin).try("GET", "/v1/record?action=key.revoked", nil)
		return err == nil && a.status == 200 && len(a.items()) == 2
	})
}

// A key near its end is told of once as an event, and by doctor until it is
// rotated.
func TestKeysNearTheirEnd(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	s := serve(t, c)
	shop := openShop(t, c, s)
	admin := s.as(t, shop.admin)
	doctor := func() string {
		var out strings.Builder
		if status := run([]string{"doctor", "--data", c.Data}, &out, io.Discard); status != 0 {
			t.Errorf("doctor: %d %s", status, &out)
		}
		return out.String()
	}
	admin.want(201, "POST", "/v1/keys", fields{"kind": "secret", "role": "manager", "name": "Later"})
	if !strings.Contains(doctor(), "no key ends within two weeks") {
		t.Error("the control: a key of a year is told of")
	}
	id := admin.want(201, "POST", "/v1/keys", fields{"kind": "secret", "role": "manager", "name": "CRM", "expires_at": time.Now().Add(72 * time.Hour)}).text("id")
	if !strings.Contains(doctor(), "key "+id+" of "+shop.account+" ends on ") {
		t.Error("doctor does not tell")
	}
	live := follow(admin)
	for range 2 {
		if err := s.house.tidyOnce(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	mark := time.Now()
	admin.want(201, "POST", "/v1/projects", fields{"name": "After it"})
	waitFor(t, "the event after it", func() bool {
		_, ok := live.find(func(e event) bool { return e.Kind == "setup.changed" && e.At.After(mark.Add(-time.Millisecond)) })
		return ok
	})
	told := 0
	live.find(func(e event) bool {
		if e.Kind == "key.ending" {
			told++
		}
		return false
	})
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	admin.want(200, "POST", "/v1/keys/"+id+"/rotate", fields{})
	if !strings.Contains(doctor(), "no key ends within two weeks") {
		t.Error("doctor tells of a key that was rotated")
	}
}

// refused waits for 401: what the command leaves is taken up within a second.
func (v api) refused(method, path string, body any) {
	v.t.Helper()
	waitFor(v.t, method+" "+path+" is refused", func() bool {
		a, err := v.try(method, path, body)
		return err == nil && a.status == 401
	})
}

func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("did not come: %s", what)
}

// revoke runs the command and wants a line of its answer.
func revoke(t *testing.T, c config, line string, args ...string) {
	t.Helper()
	var out, complaints strings.Builder
	args = append([]string{"keys", "revoke", "--data", c.Data, "--database-url", c.DatabaseURL}, args...)
	if status := run(args, &out, &complaints); status != 0 {
		t.Fatalf("keys revoke: %d %s", status, complaints.String())
	}
	if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.ReplaceAll(line, " +", " ")) {
		t.Errorf("keys revoke said %s, want %q", out.String(), line)
	}
}

func platformHas(t *testing.T, s *running, action string) (n int) {
	t.Helper()
	err := s.house.db.ReadDirectory(t.Context(), func(d *store.Dir) error {
		list, err := audit.ListPlatform(d, audit.Filter{Action: action}, audit.Place{}, 100)
		n = len(list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
