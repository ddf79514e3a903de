package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// proveFirstLead walks through what the README tells a newcomer.
func proveFirstLead(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e)
		if err != nil {
			return err
		}
		return t.firstLead(ctx, i, string(e)+": ")
	})
}

func (t *trial) firstLead(ctx context.Context, i *instance, label string) error {
	c := i.world.Accounts[0]
	if err := i.clockIn(ctx, c); err != nil {
		return err
	}
	events, stop, err := i.api(c.SecretKey).follow(ctx)
	if err != nil {
		return err
	}
	defer stop()
	crowd := crowd{tag: "first", source: c.Sources[1].Slug}
	body := crowd.body(0)
	began := time.Now()
	r, err := i.api(c.PublishableKey).do(ctx, "POST", "/v1/leads", http.Header{"Idempotency-Key": {crowd.key(0)}}, body)
	if err != nil {
		return err
	}
	acked := time.Since(began)
	var a struct {
		ID      string          `json:"id"`
		Receipt json.RawMessage `json:"receipt"`
	}
	_ = json.Unmarshal(r.body, &a)
	t.check(label+"one POST gives 202 with a receipt", r.status == 202 && a.ID != "" && len(a.Receipt) > 0, "%d in %.1f ms", r.status, ms(acked))
	if r.status != 202 {
		return fmt.Errorf("the door answered %d %s", r.status, r.body)
	}
	made, leadID := time.Duration(0), ""
	for wait := time.After(10 * time.Second); made == 0; {
		select {
		case ev := <-events:
			if ev.kind == "offer.made" {
				made, leadID = ev.at.Sub(began), ev.lead
			}
		case <-wait:
			made = time.Hour
		}
	}
	t.check(label+"it is offered within a second, seen in the live events", made < time.Second, "%.0f ms after the POST", ms(made))
	if err := t.readBack(ctx, i.api(c.SecretKey), a.ID, leadID, label); err != nil {
		return err
	}
	return t.receiptByCommand(ctx, i, r.body, body, label)
}

// readBack finds the lead as the API shows it.
func (t *trial) readBack(ctx context.Context, a *api, enquiry, lead, label string) error {
	var e seen
	if err := a.get(ctx, "/v1/enquiries/"+enquiry, &e); err != nil {
		return err
	}
	t.check(label+"the enquiry leads to the lead of the event", e.LeadID == lead && lead != "", "%s %s", e.State, e.LeadID)
	found := 0
	if err := pages(ctx, a, "/v1/leads", func(l seenLead) {
		if l.ID == e.LeadID && l.State == "offered" {
			found++
		}
	}); err != nil {
		return err
	}
	t.check(label+"the lead is in GET /v1/leads, on offer", found == 1, "%d", found)
	return nil
}

// receiptByCommand checks the answer as the README does, with the command and
// files alone, and then with each of its bytes changed.
func (t *trial) receiptByCommand(ctx context.Context, i *instance, text, body []byte, label string) error {
	keysFile, bodyFile, receiptFile := filepath.Join(t.dir, "keys.json"), filepath.Join(t.dir, "body.json"), filepath.Join(t.dir, "answer.json")
	r, err := i.api("").do(ctx, "GET", "/.well-known/catchment-receipt-keys.json", nil, nil)
	if err != nil {
		return err
	}
	i.kill() // offline means offline
	for name, b := range map[string][]byte{keysFile: r.body, bodyFile: body, receiptFile: text} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return err
		}
	}
	run := func() (int, string) {
		cmd := exec.CommandContext(ctx, t.Binary, "receipt", "verify", receiptFile, "--keys", keysFile, "--body", bodyFile)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(out))
	}
	code, out := run()
	t.check(label+"receipt verify accepts it, with the program stopped", code == 0, "%s", out)
	var a ack
	var answer struct {
		ID      string          `json:"id"`
		Receipt json.RawMessage `json:"receipt"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	a = ack{answer.ID, answer.Receipt}
	good, refused, first := everyByte(a, body, r.body)
	t.check(label+"control: with any one byte changed it is refused", good && refused == len(a.receipt), "%d of %d bytes%s", refused, len(a.receipt), first)
	if err := os.WriteFile(receiptFile, changed(answer.Receipt, len(answer.Receipt)/2), 0o600); err != nil {
		return err
	}
	code, _ = run()
	t.check(label+"control: receipt verify refuses a changed one", code == 1, "exit status %d", code)
	return nil
}

// event is one of the live stream.
type event struct {
	kind, lead string
	at         time.Time // when it arrived here
}

// follow opens the live stream; it is open when follow returns.
func (a *api) follow(ctx context.Context) (<-chan event, func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, "GET", a.base+"/v1/events", nil)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	client := &http.Client{Transport: a.http.Transport} // without a time limit
	resp, err := client.Do(r)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if resp.StatusCode != 200 {
		cancel()
		return nil, nil, fmt.Errorf("GET /v1/events: %d", resp.StatusCode)
	}
	out := make(chan event, 10_000)
	go func() {
		defer resp.Body.Close()
		readEvents(bufio.NewScanner(resp.Body), out)
	}()
	return out, cancel, nil
}

func readEvents(s *bufio.Scanner, out chan<- event) {
	s.Buffer(nil, 1<<20)
	var ev event
	for s.Scan() {
		name, value, _ := strings.Cut(s.Text(), ": ")
		switch name {
		case "event":
			ev.kind = value
		case "data":
			var d struct {
				Lead string `json:"lead_id"`
			}
			_ = json.Unmarshal([]byte(value), &d)
			ev.lead = d.Lead
		case "":
			if ev.kind != "" {
				ev.at = time.Now()
				select {
				case out <- ev:
				default: // the reader has enough
				}
			}
			ev = event{}
		}
	}
}

// clockIn signs every salesperson of the company in and makes them available.
func (i *instance) clockIn(ctx context.Context, c company) error {
	for _, u := range c.with("salesperson") {
		if _, err := i.comeIn(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

func (i *instance) comeIn(ctx context.Context, u user) (*api, error) {
	a, err := i.api("").signIn(ctx, u.Email, u.Password)
	if err != nil {
		return nil, err
	}
	return a, a.call(ctx, "PUT", "/v1/me/presence", map[string]string{"state": "available"}, nil)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
