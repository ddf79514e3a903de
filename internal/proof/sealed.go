package proof

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// proveSealed posts personal data that it knows, lets it be worked on, and
// then looks for it in every file that was written.
//
// Then it is a thief, with a copy of every file, and with a door's memory.
func proveSealed(ctx context.Context, t *trial) error {
	if err := t.robbed(ctx); err != nil {
		return err
	}
	if err := t.dumped(ctx); err != nil {
		return err
	}
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.seat(ctx, e, "")
		if err != nil {
			return err
		}
		i.args = []string{"--backup-to", filepath.Join(i.dir, backupsOf), "--bucket-url", filepath.Join(i.dir, bucketOf), "--backup-logs", "1s"}
		if err := i.found(ctx); err != nil {
			return err
		}
		return t.sealed(ctx, i, string(e)+": ")
	})
}

// Where an instance has its backups with its log, and its bucket: among what is
// searched.
const backupsOf, bucketOf = "backups", "bucket"

// elsewhere counts what has gone there, so that what is searched is something.
func (t *trial) elsewhere(ctx context.Context, i *instance) error {
	args := append([]string{"backup", "--data", i.dir}, i.args...)
	if i.cluster != nil {
		args = append(args, "--database-url", i.cluster.URL("catchment"))
	}
	if out, err := t.command(ctx, nil, args...); err != nil {
		t.say("%s", out)
		return err
	}
	wants := []string{backupsOf + "/*.data.age", backupsOf + "/*.keys.age", bucketOf + "/checkpoints/*/*.txt"}
	if i.cluster == nil {
		wants = append(wants, backupsOf+"/log/*/base.age", backupsOf+"/log/*/0*.age")
	}
	return i.wait(ctx, 3*time.Minute, "what goes elsewhere", func() bool {
		for _, want := range wants {
			if got, err := filepath.Glob(filepath.Join(i.dir, want)); err != nil || len(got) == 0 {
				return false
			}
		}
		return true
	})
}

// usersOwn begins the kinds of what belongs to the company's people.
const usersOwn = "user's "

// cage makes up personal data that stands nowhere else, and remembers it.
type cage struct {
	mu       sync.Mutex
	n        int
	canaries []canary
}

func (c *cage) keep(kind, text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canaries = append(c.canaries, canary{kind, text})
	return text
}

var syllables = []string{"bra", "quin", "thal", "zor", "mek", "vel", "dun", "lish", "por", "gan", "wex", "ryl"}

// bird makes a name of its own from four syllables and a serial number.
func (c *cage) bird() string {
	c.mu.Lock()
	c.n++
	n := c.n
	c.mu.Unlock()
	s := ""
	for k := n + 144*7; len(s) < 10; k = k/12 + 5*n {
		s += syllables[k%12]
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// visitor is somebody whose data must not be found.
type visitor struct{ name, phone, email, message, page, custom string }

func (c *cage) visitor(n int) visitor {
	first, last := c.bird(), c.bird()
	tag := strings.ToLower(rand.Text()[:10])
	v := visitor{
		name: first + " O'" + last, phone: phone(30_000 + n),
		email:   strings.ToLower(first) + "." + tag + "@canary-" + tag + ".example",
		message: "It's about the flat; " + tag + " is what we agreed with " + first,
		page:    "https://homes.example/offer?visitor=" + tag + "page",
		custom:  "custom " + tag + " field",
	}
	c.keep("name", v.name)
	c.keep("first name", first)
	c.keep("last name", last)
	c.keep("phone", v.phone)
	c.keep("e-mail", v.email)
	c.keep("e-mail's domain", "canary-"+tag+".example")
	c.keep("message", v.message)
	c.keep("message's word", tag+" is what")
	c.keep("query string", tag+"page")
	c.keep("custom field", v.custom)
	return v
}

func (v visitor) lead(source string) map[string]any {
	return map[string]any{
		"source": source, "person": map[string]any{"name": v.name, "phone": v.phone, "email": v.email}, "message": v.message,
		"attribution": map[string]any{"utm_source": "search", "landing_page": v.page, "referrer": v.page},
		"consent":     map[string]any{"text": "Yes. " + v.message, "version": "1"},
		"custom":      map[string]any{"secret_wish": v.custom},
	}
}

func (v visitor) form() url.Values {
	return url.Values{"name": {v.name}, "phone": {v.phone}, "email": {v.email}, "message": {v.message},
		"landing_page": {v.page}, "secret wish": {v.custom}}
}

// header has what a browser tells about a person.
func (c *cage) header(n int) http.Header {
	tag := strings.ToLower(rand.Text()[:12])
	return http.Header{
		"User-Agent":      {c.keep("user agent", "CanaryBrowser/"+tag)},
		"Referer":         {"https://pages.example/?q=" + c.keep("referrer", tag+"-referrer")},
		"Idempotency-Key": {c.keep("idempotency key", tag+"-call-"+phone(31_000+n))},
	}
}

func (t *trial) sealed(ctx context.Context, i *instance, label string) error {
	c := &cage{}
	people := i.world.Accounts[0]
	posted, err := t.postCanaries(ctx, i, c, 120)
	if err != nil {
		return err
	}
	if err := i.clockIn(ctx, people); err != nil {
		return err
	}
	if err := t.workCanaries(ctx, i, c, people); err != nil {
		return err
	}
	carried, err := t.carryCanaries(ctx, i, c, people)
	if err != nil {
		return err
	}
	posted = append(posted, carried...)
	if _, err := i.drain(ctx, 60*time.Second); err != nil {
		return err
	}
	if err := t.elsewhere(ctx, i); err != nil {
		return err
	}
	n := t.opened(ctx, i, posted)
	t.check(label+"the data really is in there: the API opens it", n == len(posted), "%d persons of %d, as they were posted", n, len(posted))
	for _, u := range append(slices.Clone(people.Users), i.world.Accounts[1].Users...) {
		c.keep(usersOwn+"phone", u.Phone)
		c.keep(usersOwn+"e-mail", u.Email)
		c.keep(usersOwn+"password", u.Password)
	}
	s, err := newSearcher(c.canaries)
	if err != nil {
		return err
	}
	return t.searchAll(i, s, label)
}

// searchAll looks while the program runs, when its latest writes are in logs
// of their own, after kill -9, and after a clean start and stop.
func (t *trial) searchAll(i *instance, s *searcher, label string) error {
	when := []struct {
		name string
		do   func() error
	}{
		{"while it runs", func() error { return nil }},
		{"after kill -9", func() error { i.kill(); return nil }},
		{"after a start and a stop", func() error {
			if err := i.again(context.Background()); err != nil {
				return err
			}
			return i.stop()
		}},
		{"with its database stopped", func() error {
			if i.cluster != nil {
				i.cluster.Halt()
			}
			return nil
		}},
	}
	for _, w := range when {
		if i.cluster == nil && strings.Contains(w.name, "database") {
			continue
		}
		if err := w.do(); err != nil {
			return err
		}
		found, err := t.search(i, s)
		if err != nil {
			return err
		}
		t.check(label+"nothing is found "+w.name, len(found.hits) == 0 && found.bytes > 1<<20, "%d forms of %d canaries in %d files, %s MiB; found %s",
			len(s.needles), len(s.canaries), found.files, number(float64(found.bytes>>20)), hits(found.hits))
	}
	noise := make([]byte, 257)
	_, _ = rand.Read(noise)
	n, of, err := s.recall(noise)
	if err != nil {
		return err
	}
	t.check(label+"control: a planted file with every form is found out", n == of, "%d of %d", n, of)
	return t.plant(i, s, label)
}

func hits(list []hit) string {
	var out []string
	for _, h := range list {
		out = append(out, h.String())
	}
	return counted(out)
}

// search goes through the data folder, the database's files and the log.
// The demo's list of its own sign-ins is left out, and what the demo shows of
// it to who started it.
func (t *trial) search(i *instance, s *searcher) (swept, error) {
	all, err := s.tree(t.dir, func(name string) bool { return filepath.Base(name) == "demo.json" })
	all.hits = slices.DeleteFunc(all.hits, func(h hit) bool {
		return strings.HasSuffix(h.file, ".screen") && strings.HasPrefix(h.kind, usersOwn)
	})
	if err != nil || i.cluster == nil {
		return all, err
	}
	sql, err := s.tree(i.cluster.Folder(), func(string) bool { return false })
	all.plus(sql)
	return all, err
}

// plant puts one canary into a file of the data folder, where the same search
// must find it.
func (t *trial) plant(i *instance, s *searcher, label string) error {
	name := filepath.Join(i.dir, "journal", "a-log-that-leaks")
	if err := os.WriteFile(name, []byte("level=INFO msg=enquiry from="+s.firstOf("e-mail")), 0o600); err != nil {
		return err
	}
	defer os.Remove(name)
	found, err := t.search(i, s)
	if err != nil {
		return err
	}
	t.check(label+"control: one address in one log line is found", len(found.hits) > 0 && hasKind(found.hits, "e-mail"), "%s", hits(found.hits))
	return nil
}

// postCanaries posts through every format, and what is refused as well. It
// returns what was accepted.
func (t *trial) postCanaries(ctx context.Context, i *instance, c *cage, n int) ([]visitor, error) {
	door := i.api(i.world.Accounts[0].PublishableKey)
	company := i.world.Accounts[0]
	var out []visitor
	for k := range n {
		v := c.visitor(k)
		h := c.header(k)
		want, path, body := 202, "/v1/leads", []byte(nil)
		switch {
		case k%4 == 3:
			want, path, body = 303, "/f/"+company.formSource(), []byte(v.form().Encode())
			h.Set("Content-Type", "application/x-www-form-urlencoded")
		default:
			body, _ = json.Marshal(v.lead(company.apiSource()))
		}
		r, err := door.do(ctx, "POST", path, h, body)
		if err != nil {
			return nil, err
		}
		if r.status != want {
			return nil, fmt.Errorf("%s answered %d %s", path, r.status, problemCode(r.status, r.body))
		}
		out = append(out, v)
		if err := t.postRefused(ctx, door, c, v, k); err != nil {
			return nil, err
		}
	}
	var batch []map[string]any
	for k := range 40 {
		v := c.visitor(n + k)
		batch = append(batch, v.lead(company.apiSource()))
		out = append(out, v)
	}
	return out, door.post(ctx, "/v1/leads:batch", batch, nil)
}

// postRefused sends what the door and the API refuse: errors and logs must not
// repeat it. The answer must not either.
func (t *trial) postRefused(ctx context.Context, door *api, c *cage, v visitor, k int) error {
	text := c.keep("refused text", "refused-"+strings.ToLower(rand.Text()[:14]))
	bodies := []string{
		`{"source":"` + text + `","person":{"phone":"` + v.phone + `"}}`,
		`{"source":"x","person":{"phone":"` + v.phone + `","phone":"` + text + `"}}`,
		`{"person":{"name":"` + text,
		`{"person":{"name":["` + text + `"]}}`,
		`{"person":{"email":"` + text + strings.Repeat("x", 400) + `@example.com"}}`,
	}
	r, err := door.do(ctx, "POST", "/v1/leads", nil, []byte(bodies[k%len(bodies)]))
	if err != nil {
		return err
	}
	if r.status < 400 || r.status >= 500 || bytes.Contains(r.body, []byte(text)) {
		t.check("a refusal repeats nothing", false, "%d %s", r.status, problemCode(r.status, r.body))
	}
	_, err = door.as("").do(ctx, "POST", "/v1/sessions", nil, []byte(`{"email":"`+v.email+`","password":"`+text+`"}`))
	return err
}

// workCanaries has the salespeople accept what they are offered, and write
// notes and attempts that have personal data in them.
func (t *trial) workCanaries(ctx context.Context, i *instance, c *cage, people company) error {
	worked := 0
	for round := 0; round < 30 && worked < 60; round++ {
		for _, u := range people.with("salesperson") {
			a, err := i.api("").signIn(ctx, u.Email, u.Password)
			if err != nil {
				return err
			}
			n, err := workOffers(ctx, a, c)
			worked += n
			if err != nil {
				return err
			}
		}
	}
	t.say("%d offers accepted and worked", worked)
	if worked < 20 {
		return fmt.Errorf("only %d offers were made", worked)
	}
	return nil
}

func workOffers(ctx context.Context, a *api, c *cage) (worked int, err error) {
	var list struct {
		Items []struct {
			ID   string `json:"id"`
			Lead string `json:"lead_id"`
		} `json:"items"`
	}
	if err := a.get(ctx, "/v1/offers", &list); err != nil {
		return 0, err
	}
	for _, o := range list.Items {
		if err := a.post(ctx, "/v1/offers/"+o.ID+"/accept", nil, nil); err != nil {
			continue // it expired
		}
		note := func() string {
			return c.keep("note", "Said that "+c.bird()+" will pay "+strings.ToLower(rand.Text()[:8]))
		}
		path := "/v1/leads/" + o.Lead
		attempt := map[string]any{"channel": "call", "disposition": "interested", "note": note(), "stage": map[string]any{"category": "follow-up"}}
		for _, do := range []func() error{
			func() error { return a.get(ctx, path, nil) },
			func() error { return a.post(ctx, path+"/attempts", attempt, nil) },
			func() error {
				return a.noteUnder(ctx, path+"/notes", note(), c.keep("idempotency key", "note-for-"+c.bird()+"@example.com"))
			},
			func() error { return a.get(ctx, path+"/notes", nil) },
		} {
			if err := do(); err != nil {
				return worked, err
			}
		}
		worked++
	}
	return worked, nil
}

// opened reads the persons back, as a manager does, and counts those that are
// as they were posted.
func (t *trial) opened(ctx context.Context, i *instance, posted []visitor) int {
	a := i.api(i.world.Accounts[0].SecretKey)
	a.purpose = "proof"
	have := map[string]bool{}
	err := pages(ctx, a, "/v1/leads?include=person", func(l struct {
		Person struct{ Name, Phone, Email string } `json:"person"`
	}) {
		have[l.Person.Name+"\n"+l.Person.Phone+"\n"+l.Person.Email] = true
	})
	if err != nil {
		t.say("%v", err)
		return 0
	}
	n := 0
	for _, v := range posted {
		if have[v.name+"\n"+v.phone+"\n"+v.email] {
			n++
		}
	}
	return n
}

func (s *searcher) firstOf(kind string) string {
	for _, c := range s.canaries {
		if c.kind == kind {
			return c.text
		}
	}
	return ""
}

func hasKind(list []hit, kind string) bool {
	return slices.ContainsFunc(list, func(h hit) bool { return h.kind == kind })
}

// noteUnder adds a note under an idempotency key, which callers make of
// whatever they have.
func (a *api) noteUnder(ctx context.Context, path, text, key string) error {
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return err
	}
	r, err := a.do(ctx, "POST", path, http.Header{"Idempotency-Key": {key}}, body)
	if err == nil && r.status != 201 {
		err = refusal{"POST", path, r.status, problemCode(r.status, r.body), ""}
	}
	return err
}
