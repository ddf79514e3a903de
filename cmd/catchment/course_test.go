package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// The course of a lead over real HTTP, from the page to the deal, then through
// a stop and a start on the same folder.
func TestCourseOfALead(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { course(t, store.Options{}) })
	t.Run("postgres", func(t *testing.T) { course(t, storetest.PostgresOptions(t)) })
}

func course(t *testing.T, o store.Options) {
	c := settingsFor(t, o)
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	admin, seller := s.as(t, shop.admin), s.as(t, shop.seller)
	events := follow(admin)

	test := shop.lead("Tess Example", "+12025550140")
	test["test"] = true
	tested := attached(admin, s.as(t, shop.pub).want(202, "POST", "/v1/leads", test).text("id"))

	id, body := captureAndVerify(t, s, shop)
	made := events.await(t, "offer.made", func(e event) bool { return e.Kind == "offer.made" && e.Lead == id.lead })
	if !made.quick(id.sent) && !anotherIsQuick(t, s, shop, events) {
		t.Error("no lead was offered within a second")
	}
	sell(t, admin, seller, id.lead)
	neverOffered(t, admin, events, tested)
	reported(t, admin)
	believed(t, s, shop)

	drainAndStop(t, s, shop)
	c.Data = s.c.Data
	afterwards(t, serve(t, c), shop, id, body)
	for _, personal := range []string{"Asha Example", "2025550141", "ada@example.com", "two-room"} {
		if strings.Contains(s.logs.String(), personal) {
			t.Errorf("the log names %q", personal)
		}
	}
}

// posted is a lead that was handed in.
type posted struct {
	enquiry, lead, key string
	sent               time.Time
}

// captureAndVerify hands in a lead, and has the command verify its receipt.
func captureAndVerify(t *testing.T, s *running, shop shop) (p posted, body []byte) {
	t.Helper()
	body, err := json.Marshal(shop.lead("Asha Example", "+12025550141"))
	if err != nil {
		t.Fatal(err)
	}
	p = posted{key: "the-first", sent: time.Now()}
	a := s.as(t, shop.pub).want(202, "POST", "/v1/leads", body, "Idempotency-Key", p.key)
	p.enquiry = a.text("id")
	keys := s.as(t, "").want(200, "GET", "/.well-known/catchment-receipt-keys.json", nil)
	p.lead = attached(s.as(t, shop.admin), p.enquiry)

	dir := t.TempDir()
	args := []string{"receipt", "verify", write(t, dir, "answer.json", a.body), "--keys", write(t, dir, "keys.json", keys.body)}
	var out strings.Builder
	if status := run(append(args, "--body", write(t, dir, "body.json", body)), &out, io.Discard); status != 0 || !strings.Contains(out.String(), p.enquiry) {
		t.Errorf("receipt verify: %d %s", status, out.String())
	}
	if status := run(append(args, "--body", write(t, dir, "other.json", append(body, ' '))), io.Discard, io.Discard); status != 1 {
		t.Errorf("the receipt is taken for another body: %d", status)
	}
	return p, body
}

func (e event) quick(sent time.Time) bool { return e.seen.Sub(sent) <= time.Second }

// anotherIsQuick forgives a machine that had something else to do just then.
func anotherIsQuick(t *testing.T, s *running, shop shop, events *stream) bool {
	for i := range 3 {
		sent := time.Now()
		a := s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Ben Example", fmt.Sprintf("+1202555015%d", i)))
		lead := attached(s.as(t, shop.admin), a.text("id"))
		if events.await(t, "offer.made", func(e event) bool { return e.Kind == "offer.made" && e.Lead == lead }).quick(sent) {
			return true
		}
	}
	return false
}

// sell accepts the lead's offer, calls, and closes the deal.
func sell(t *testing.T, admin, seller api, lead string) {
	t.Helper()
	var offer string
	for _, o := range seller.want(200, "GET", "/v1/offers", nil).items() {
		if o.(fields)["lead_id"] == lead {
			offer = o.(fields)["id"].(string)
		}
	}
	if offer == "" {
		t.Fatal("the salesperson does not see the offer")
	}
	seller.want(200, "POST", "/v1/offers/"+offer+"/accept", nil)
	if a := seller.want(200, "GET", "/v1/leads/"+lead, nil); a.text("state") != "owned" || a.text("person", "name") != "Asha Example" || a.text("person", "phone") != "+12025550141" {
		t.Errorf("the owner sees %s", a.body)
	}
	if a := admin.want(200, "GET", "/v1/record?action=opened&purpose=contact&about="+lead, nil); len(a.items()) != 1 || !strings.Contains(string(a.body), `"fields":["name","phone"`) {
		t.Errorf("the record of who opened the lead's person: %s", a.body)
	}
	seller.want(201, "POST", "/v1/leads/"+lead+"/attempts", fields{"channel": "call", "disposition": "interested", "note": "Comes on Monday."})
	seller.want(200, "POST", "/v1/leads/"+lead+"/stage", fields{"category": "won"})
	if a := admin.want(200, "GET", "/v1/leads/"+lead, nil); a.text("stage", "category") != "won" || a.text("closed_at") == "" {
		t.Errorf("after the deal: %s", a.body)
	}
}

// neverOffered looks at a test lead after a later lead was offered.
func neverOffered(t *testing.T, admin api, events *stream, lead string) {
	t.Helper()
	a := admin.want(200, "GET", "/v1/leads/"+lead, nil)
	if a.text("state") != "unrouted" || a.fields["test"] != true {
		t.Errorf("test lead: %s", a.body)
	}
	if n := len(admin.want(200, "GET", "/v1/leads/"+lead+"/offers", nil).items()); n != 0 {
		t.Errorf("the test lead was offered %d times", n)
	}
	if e, ok := events.find(func(e event) bool { return e.Lead == lead && (strings.HasPrefix(e.Kind, "offer.") || !e.Test) }); ok {
		t.Errorf("event of the test lead: %+v", e)
	}
	for _, l := range admin.want(200, "GET", "/v1/leads?limit=500", nil).items() {
		if l.(fields)["id"] == lead {
			t.Error("the test lead is in the list")
		}
	}
}

// reported waits for the report to count the deal, and compares it with the
// list: the test lead is in neither.
func reported(t *testing.T, admin api) {
	t.Helper()
	a := admin.until("the report", "/v1/reports/leads", func(a answer) bool { return a.count("total", "won") == 1 })
	leads := len(admin.want(200, "GET", "/v1/leads?limit=500", nil).items())
	if a.count("total", "leads") != leads || a.count("total", "accepted") != 1 || a.count("total", "contacts") != 1 {
		t.Errorf("%d leads in the list, report: %s", leads, a.body)
	}
}

// believed hands in what people write who mean what they say, in ten
// languages, with attacks among it: nothing is lost, hardly a letter is held once the
// job has looked, and the attacks are.
func believed(t *testing.T, s *running, shop shop) {
	t.Helper()
	text, err := os.ReadFile("../../internal/firewall/testdata/believable.txt")
	if err != nil {
		t.Fatal(err)
	}
	admin := s.as(t, shop.admin)
	key := admin.want(201, "POST", "/v1/keys", fields{"kind": "secret", "name": "Letters", "role": "manager"}).text("key")
	awaitKey(t, s, key)
	var batch []fields
	add := func(name, email, message string) {
		batch = append(batch, fields{"source": shop.source, "test": true, "message": message, "person": fields{"name": name, "email": fmt.Sprintf("%s-%d@example.com", email, len(batch))}})
	}
	for line := range strings.Lines(string(text)) {
		name, message, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
		if !ok {
			continue
		}
		if len(batch)%26 == 0 {
			add(name, "attack", "1' or '1'='1' union select name from users --")
		}
		add(name, "letter", strings.ReplaceAll(message, `\n`, "\n"))
	}
	var sent []struct{ ID string }
	if err := json.Unmarshal(s.as(t, key).want(202, "POST", "/v1/leads:batch", batch).body, &sent); err != nil || len(sent) != len(batch) || len(batch) != 208 {
		t.Fatalf("%d of %d letters taken: %v", len(sent), len(batch), err)
	}
	states := func(a answer) map[string]string {
		out := map[string]string{}
		for _, e := range a.items() {
			out[e.(fields)["id"].(string)], _ = e.(fields)["state"].(string)
		}
		return out
	}
	const enquiries, quarantine = "/v1/enquiries?test=true&limit=500", "/v1/quarantine?test=true&limit=500"
	admin.until("all of them", enquiries, func(a answer) bool {
		known := states(a)
		return !slices.ContainsFunc(sent, func(l struct{ ID string }) bool { return known[l.ID] == "" })
	})
	admin.until("the job", quarantine, func(a answer) bool {
		return len(a.items()) > 0 && !slices.ContainsFunc(a.items(), func(x any) bool { return x.(fields)["inspected_at"] == nil })
	})
	held := 0
	known := states(admin.want(200, "GET", enquiries, nil))
	for i, l := range sent {
		attack := i%26 == 0
		switch state := known[l.ID]; {
		case state == "quarantined" && !attack:
			held++
		case attack != (state == "quarantined"), !attack && state != "attached":
			t.Errorf("%v is %q", batch[i]["message"], state)
		}
	}
	if held > 1 {
		t.Errorf("%d of 200 letters are held, 1 %% or more", held)
	}
}

// drainAndStop stops the server while a request is half sent: health turns the
// traffic away, the request is still answered, and then the server is gone.
func drainAndStop(t *testing.T, s *running, shop shop) {
	t.Helper()
	health := api{t, s.health, ""}
	health.want(200, "GET", "/readyz", nil)
	body, _ := json.Marshal(shop.lead("Cleo Example", "+12025550142"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/leads HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		shop.pub, len(body), body[:20])
	before := metric(t, s, "catchment_journal_entries_total")
	time.Sleep(100 * time.Millisecond) // nothing tells that the handler has begun to read
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	a := health.until("draining", "/readyz", func(a answer) bool { return a.status == 503 })
	if a.text("reason") != "draining" {
		t.Errorf("readyz: %s", a.body)
	}
	health.want(200, "GET", "/healthz", nil)
	if before == 0 {
		t.Error("no entries are counted")
	}
	conn.Write(body[20:])
	conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("a request that had begun was cut off: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != 202 {
		t.Errorf("a request that had begun: %d", resp.StatusCode)
	}
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("the server does not stop")
	}
	if _, err := s.as(t, "").try("GET", "/v1/me", nil); err == nil {
		t.Error("it still answers")
	}
}

// metric reads one number of /metrics.
func metric(t *testing.T, s *running, name string) (n float64) {
	t.Helper()
	a := api{t, s.health, ""}.want(200, "GET", "/metrics", nil)
	for line := range strings.Lines(string(a.body)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			fmt.Sscan(text, &n)
		}
	}
	return n
}

// afterwards looks at everything again in a new process' place.
func afterwards(t *testing.T, s *running, shop shop, p posted, body []byte) {
	t.Helper()
	admin := s.as(t, shop.admin)
	a := admin.want(200, "GET", "/v1/leads/"+p.lead, nil)
	if a.text("stage", "category") != "won" || a.text("owner_id") != shop.sellerID || a.text("person", "name") != "Asha Example" {
		t.Errorf("after the restart: %s", a.body)
	}
	door := s.as(t, shop.pub)
	door.want(409, "POST", "/v1/leads", shop.lead("Other Example", "+12025550141"), "Idempotency-Key", p.key)
	if again := door.want(202, "POST", "/v1/leads", body, "Idempotency-Key", p.key); again.text("id") != p.enquiry {
		t.Errorf("the same idempotency key gives %s, and gave %s", again.text("id"), p.enquiry)
	}

	// The lead that came while it drained, and a new one, are offered.
	admin.until("the lead of the last request", "/v1/leads?include=person&limit=500", func(a answer) bool {
		return strings.Contains(string(a.body), "Cleo Example") && !strings.Contains(string(a.body), "Other Example")
	})
	lead := attached(admin, door.want(202, "POST", "/v1/leads", shop.lead("Dora Example", "+12025550143")).text("id"))
	admin.until("its offer", "/v1/leads/"+lead, func(a answer) bool { return a.text("state") == "offered" })
	if n := len(admin.want(200, "GET", "/v1/leads/"+p.lead+"/enquiries", nil).items()); n != 1 {
		t.Errorf("the repeat made %d enquiries", n)
	}
}
