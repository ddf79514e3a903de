package console_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/signin"
	"catchment/internal/signin/signintest"
	"catchment/internal/store"
)

func TestProjectsAndSources(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		p := c.admin.post("/v1/projects", map[string]any{"name": "Harbour Löfts!", "time_zone": "Europe/London"}).want(t, 201)
		if p.str("slug") != "harbour-lofts" || p.str("time_zone") != "Europe/London" || p.body["active"] != true {
			t.Error(p.text)
		}
		id := p.str("id")
		q := c.admin.ask("PATCH", "/v1/projects/"+id, map[string]any{"active": false, "name": "Harbour Lofts II"}).want(t, 200)
		if q.str("slug") != "harbour-lofts" || q.body["active"] != false || q.str("name") != "Harbour Lofts II" || q.str("time_zone") != "Europe/London" {
			t.Error(q.text)
		}
		if got := c.admin.get("/v1/projects/"+id).want(t, 200); got.text != q.text {
			t.Errorf("read back %s, want %s", got.text, q.text)
		}
		s := c.admin.post("/v1/sources", map[string]any{"project_id": id, "name": "Spring form", "kind": "form",
			"non_personal": []string{"budget", `a"><b>`, "it's"}, "mapping": map[string]string{"q1": "person.phone"}, "thanks_url": "https://homes.example/thanks"}).want(t, 201)
		snippet, _ := s.body["snippet"].(map[string]any)
		html, curl := snippet["html"].(string), snippet["curl"].(string)
		if !strings.Contains(html, `action="https://leads.example/f/`+s.str("id")+`"`) || strings.Contains(html, "<b>") || !strings.Contains(html, "custom.budget") {
			t.Error(html)
		}
		if !strings.Contains(curl, `"source":"spring-form"`) || !strings.Contains(curl, `it'\''s`) {
			t.Error(curl)
		}
		if script := snippet["fetch"].(string); !strings.Contains(script, `fetch("https://leads.example/v1/leads"`) || strings.Contains(script, "<b>") || !strings.Contains(script, `"source":"spring-form"`) {
			t.Error(script)
		}
		s2 := c.admin.ask("PATCH", "/v1/sources/"+s.str("id"), map[string]any{"mapping": map[string]string{}, "active": false}).want(t, 200)
		if m, _ := s2.body["mapping"].(map[string]any); len(m) != 0 || s2.body["active"] != false || len(s2.body["non_personal"].([]any)) != 3 {
			t.Error(s2.text)
		}
		if got := c.admin.get("/v1/sources?project=" + id).list("items"); len(got) != 1 || got[0]["snippet"] != nil {
			t.Error(got)
		}
		if got := c.admin.get("/v1/account").want(t, 200); got.str("name") != "Example Homes" || got.str("default_region") != "GB" {
			t.Error(got.text)
		} else if k := got.list("keys"); len(k) != 2 || k[0]["kind"] != "account" || k[1]["kind"] != "index" || k[0]["late"] != false || k[0]["due_at"] == k[1]["due_at"] {
			t.Error(got.text)
		}
		var actions []string
		for _, r := range c.admin.get("/v1/record?limit=500").want(t, 200).list("items") {
			actions = append(actions, r["action"].(string))
		}
		for _, want := range []string{"project.created", "project.changed", "source.created", "source.changed"} {
			if !strings.Contains(strings.Join(actions, " "), want) {
				t.Errorf("%s is not on the record: %v", want, actions)
			}
		}
	})
}

func TestListsComeInPages(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		for i := range 5 {
			c.admin.post("/v1/projects", map[string]any{"name": fmt.Sprint("Project ", i)}).want(t, 201)
		}
		var names []string
		for path := "/v1/projects?limit=2"; ; {
			page := c.admin.get(path).want(t, 200)
			for _, p := range page.list("items") {
				names = append(names, p["name"].(string))
			}
			if page.str("next_cursor") == "" {
				break
			}
			path = "/v1/projects?limit=2&cursor=" + page.str("next_cursor")
		}
		if want := "Project 4,Project 3,Project 2,Project 1,Project 0"; strings.Join(names, ",") != want {
			t.Errorf("got %v, want %s", names, want)
		}
		for n, path := 0, "/v1/record?limit=2"; ; n++ {
			page := c.admin.get(path).want(t, 200)
			if page.str("next_cursor") == "" {
				if n < 2 {
					t.Errorf("%d pages of the record", n)
				}
				break
			}
			path = "/v1/record?limit=2&cursor=" + page.str("next_cursor")
		}
		if got := c.admin.get("/v1/record?action=project.created&about=" + c.admin.get("/v1/projects").list("items")[0]["id"].(string)).list("items"); len(got) != 1 {
			t.Errorf("filtered record has %d entries, want 1", len(got))
		}
	})
}

func TestStages(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.admin.post("/v1/stages", map[string]any{"name": "Second visit", "category": "follow-up", "place": 35}).want(t, 201)
		if s.str("slug") != "second-visit" || s.body["place"] != 35.0 || s.body["needs_reason"] != false {
			t.Error(s.text)
		}
		n := c.admin.ask("PATCH", "/v1/stages/"+s.str("id"), map[string]any{"needs_reason": true}).want(t, 200)
		if n.body["needs_reason"] != true || n.str("name") != "Second visit" || n.str("category") != "follow-up" {
			t.Error(n.text)
		}
		c.admin.ask("PATCH", "/v1/stages/"+s.str("id"), map[string]any{"category": "won"}).want(t, 422)
		if got := c.admin.post("/v1/stages", map[string]any{"name": "X", "slug": "second-visit", "category": "won"}).want(t, 409); got.code() != "slug_taken" {
			t.Error(got.text)
		}
	})
}

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		ask := map[string]any{"kind": "secret", "name": "CRM", "role": "admin"}
		k := c.admin.post("/v1/keys", ask, "Idempotency-Key", "one").want(t, 201)
		again := c.admin.post("/v1/keys", ask, "Idempotency-Key", "one").want(t, 201)
		if !strings.HasPrefix(k.str("key"), "csk_") || again.str("id") != k.str("id") || again.str("key") != "" {
			t.Errorf("a repeat: %s then %s", k.text, again.text)
		}
		if tail := k.str("tail"); len(tail) != 4 || !strings.HasSuffix(k.str("key"), tail) {
			t.Error(k.text)
		}
		crm := &visitor{company: c, token: k.str("key")}
		crm.get("/v1/projects").want(t, 200)
		p := c.admin.post("/v1/keys", map[string]any{"kind": "publishable", "name": "Site", "sources": []string{s.source},
			"origins": []string{"https://homes.example/"}}).want(t, 201)
		if !strings.HasPrefix(p.str("key"), "cpk_") || p.body["role"] != nil || p.body["origins"].([]any)[0] != "https://homes.example" {
			t.Error(p.text)
		}
		if k.body["expires_at"] == nil || p.body["expires_at"] != nil {
			t.Error("a secret key has no end, or a publishable one has: ", k.text, p.text)
		}
		rotate := "/v1/keys/" + k.str("id") + "/rotate"
		turned := c.admin.post(rotate, map[string]any{"overlap_seconds": 60}, "Idempotency-Key", "two").want(t, 200)
		repeat := c.admin.post(rotate, map[string]any{"overlap_seconds": 60}, "Idempotency-Key", "two").want(t, 200)
		gens := turned.list("generations")
		if turned.str("id") != k.str("id") || turned.str("key") == k.str("key") || len(gens) != 2 || gens[0]["state"] != "current" || gens[1]["state"] != "overlap" ||
			gens[1]["tail"] != k.str("tail") || gens[1]["used_at"] == nil || gens[0]["used_at"] != nil || turned.body["used_at"] == nil {
			t.Error(turned.text)
		}
		if len(repeat.list("generations")) != 2 || repeat.str("key") != "" {
			t.Error("a repeat rotates again: ", repeat.text)
		}
		(&visitor{company: c, token: turned.str("key")}).get("/v1/projects").want(t, 200)
		crm.get("/v1/projects").want(t, 200)
		c.admin.post(rotate, map[string]any{"overlap_seconds": -1}).want(t, 422)
		if bare := c.admin.post(rotate, nil).want(t, 200); bare.list("generations")[1]["ends_at"].(string) < time.Now().Add(23*time.Hour).UTC().Format(time.RFC3339) {
			t.Error(bare.text)
		}
		crm.get("/v1/projects").want(t, 200)
		c.admin.post(rotate, map[string]any{"overlap_seconds": 0}).want(t, 200)
		r := c.admin.post("/v1/keys/"+k.str("id")+"/revoke", nil).want(t, 200)
		if r.str("state") != "revoked" {
			t.Error(r.text)
		}
		if twice := c.admin.post("/v1/keys/"+k.str("id")+"/revoke", nil).want(t, 200); twice.text != r.text {
			t.Errorf("revoked again: %s, want %s", twice.text, r.text)
		}
		crm.get("/v1/projects").want(t, 401)
		list := c.admin.get("/v1/keys").want(t, 200)
		if len(list.list("items")) != 2 || strings.Contains(list.text, k.str("key")) || strings.Contains(list.text, `"key":`) {
			t.Error(list.text)
		}
	})
}

func TestUsers(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		ask := map[string]any{"name": "Ravi Example", "role": "salesperson", "email": "Ravi@Example.com", "phone": "020 7946 0123", "time_zone": "Asia/Kolkata"}
		u := c.admin.post("/v1/users", ask, "Idempotency-Key", "u1").want(t, 201)
		if u.str("state") != "invited" || u.str("link") == "" || u.body["person"] != nil || strings.Contains(u.text, "xample.com") {
			t.Error(u.text)
		}
		if again := c.admin.post("/v1/users", ask, "Idempotency-Key", "u1").want(t, 201); again.str("id") != u.str("id") || again.str("link") != "" {
			t.Errorf("a repeat shows the link again: %s", again.text)
		}
		if got := c.admin.post("/v1/users", ask).want(t, 409); got.code() != "email_taken" {
			t.Error(got.text)
		}
		path := "/v1/users/" + u.str("id")
		link := c.admin.post(path+"/link", nil).want(t, 201)
		if _, err := h.door.Signin.Redeem(t.Context(), signin.Client{}, u.str("link"), signintest.Password); err == nil {
			t.Error("an earlier link still works")
		}
		ravi := &visitor{company: c, id: u.str("id"), token: h.door.Redeem(link.str("link")).Token}
		ravi.get("/v1/projects").want(t, 200)
		plain := c.admin.get(path).want(t, 200)
		if plain.body["person"] != nil || plain.str("state") != "active" {
			t.Error(plain.text)
		}
		if n := c.opened(); n != 0 {
			t.Errorf("%d openings before anybody asked", n)
		}
		full := c.admin.get(path+"?include=person").want(t, 200)
		if p, _ := full.body["person"].(map[string]any); p["phone"] != "+442079460123" || !strings.EqualFold(fmt.Sprint(p["email"]), "ravi@example.com") {
			t.Error(full.text)
		}
		list := c.admin.get("/v1/users?include=person").want(t, 200)
		if len(list.list("items")) != 2 || c.opened() != 2 {
			t.Errorf("%d users, %d openings, want 2 and 2", len(list.list("items")), c.opened())
		}
		silent := c.key(account.Admin).get("/v1/users?include=person").want(t, 200)
		if strings.Contains(silent.text, "+4420") || c.opened() != 2 {
			t.Error("a key that states no purpose got phones")
		}
		c.key(account.Admin).get("/v1/users?include=person", "Catchment-Purpose", "migration").want(t, 200)
		if c.opened() != 3 {
			t.Error("an opening by key is not on the record")
		}
		c.user(account.Manager).get("/v1/users?include=person").want(t, 403)
		moved := c.admin.ask("PATCH", path, map[string]any{"phone": "+1 202 555 0143", "name": "Ravi E."}).want(t, 200)
		if moved.str("name") != "Ravi E." || strings.Contains(moved.text, "555") {
			t.Error(moved.text)
		}
		if p, _ := c.admin.get(path + "?include=person").body["person"].(map[string]any); p["phone"] != "+12025550143" {
			t.Errorf("phone after the change: %v", p)
		}
	})
}

// opened counts the openings on the record.
func (c *company) opened() (n int) {
	c.Helper()
	c.read(func(tx *store.Tx) error {
		list, err := audit.List(tx, audit.Filter{Action: "opened"}, audit.Place{}, 500)
		n = len(list)
		return err
	})
	return n
}

func TestThereIsAlwaysAnAdmin(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		for _, change := range []map[string]any{{"role": "manager"}, {"state": "deactivated"}} {
			if got := c.admin.ask("PATCH", "/v1/users/"+c.admin.id, change).want(t, 409); got.code() != "last_admin" {
				t.Error(got.text)
			}
		}
		c.admin.get("/v1/users").want(t, 200)
		other := c.user(account.Admin)
		c.admin.ask("PATCH", "/v1/users/"+c.admin.id, map[string]any{"state": "deactivated"}).want(t, 200)
		c.admin.get("/v1/users").want(t, 401)
		other.ask("PATCH", "/v1/users/"+c.admin.id, map[string]any{"state": "active"}).want(t, 200)
	})
}

func TestPoolsShiftsAndTheBoard(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		s := c.shop()
		pool := "/v1/projects/" + s.project + "/pool"
		p := c.admin.ask("PUT", pool, map[string]any{"accept_seconds": 60, "queue_name": "Nobody home"}).want(t, 200)
		if p.body["accept_seconds"] != 60.0 || p.body["offers_at_once"] != 1.0 || p.str("queue_name") != "Nobody home" || p.body["alarm_seconds"] != 300.0 {
			t.Error(p.text)
		}
		ann, bob := c.user(account.Salesperson), c.user(account.Salesperson)
		week := []map[string]int{}
		for d := range 7 {
			week = append(week, map[string]int{"weekday": d, "start_minute": 0, "end_minute": 1440})
		}
		for _, u := range []*visitor{ann, bob} {
			c.admin.ask("PUT", "/v1/users/"+u.id+"/shifts", map[string]any{"shifts": week}).want(t, 200)
			c.admin.ask("PUT", pool+"/members/"+u.id, nil).want(t, 200)
		}
		if got := c.admin.get("/v1/users/"+ann.id+"/shifts").want(t, 200); len(got.list("shifts")) != 7 || got.body["on_shift"] != true {
			t.Error(got.text)
		}
		c.arrive(s)
		board := c.admin.get("/v1/board").want(t, 200)
		project, people := board.list("projects")[0], board.list("people")
		if project["waiting"] != 1.0 || project["oldest_waiting_ms"] == nil || project["offered"] != 0.0 || len(people) != 2 || people[0]["presence"] != "logged-off" {
			t.Error(board.text)
		}
		c.present(ann)
		c.settle()
		if row := c.admin.get("/v1/board").list("projects")[0]; row["waiting"] != 0.0 || row["offered"] != 1.0 || row["oldest_waiting_ms"] != nil {
			t.Errorf("board after the offer: %v", row)
		}
		c.present(bob)
		c.admin.ask("PATCH", "/v1/users/"+ann.id, map[string]any{"state": "deactivated"}).want(t, 200)
		ann.get("/v1/projects").want(t, 401)
		c.settle()
		open := map[string]float64{}
		for _, m := range c.admin.get(pool).want(t, 200).list("members") {
			open[m["user_id"].(string)] = m["open_offers"].(float64)
		}
		if open[ann.id] != 0 || open[bob.id] != 1 {
			t.Errorf("open offers after the deactivation: %v", open)
		}
		c.admin.ask("PATCH", "/v1/users/"+bob.id, map[string]any{"role": "auditor"}).want(t, 200)
		if got := c.admin.get(pool).list("members"); len(got) != 1 {
			t.Errorf("an auditor is still in the pool: %v", got)
		}
		if got := c.admin.ask("PUT", pool+"/members/"+bob.id, nil).want(t, 409); got.code() != "role_gets_no_offers" {
			t.Error(got.text)
		}
		c.admin.ask("DELETE", pool+"/members/"+ann.id, nil).want(t, 200)
		if got := c.admin.get(pool).list("members"); len(got) != 0 {
			t.Errorf("members after all left: %v", got)
		}
	})
}

func (c *company) present(v *visitor) {
	c.Helper()
	id, err := account.ParseUserID(v.id)
	c.ok(err)
	c.write(func(tx *store.Tx) error { _, err := c.router.Presence(tx, id, account.Available, now()); return err })
}
