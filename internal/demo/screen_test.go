package demo

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func seeded() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }

// at is a clock for tests, in the zone of whoever looks.
func at(second float64) time.Time {
	return time.Date(2026, 3, 2, 14, 3, 0, 0, time.Local).Add(time.Duration(second * float64(time.Second)))
}

// aDay is a course with each kind of step in it.
func aDay() (*course, []string) {
	c := newCourse()
	for id, name := range map[string]string{"p1": "Harbour View", "p2": "Mill Lofts", "s1": "web form", "s2": "property portal",
		"u1": "Priya Raman", "u2": "Tom Ashdown", "g1": "Follow-up", "g2": "Booked", "g3": "Not interested"} {
		c.name(id, name)
	}
	c.taken("e1", at(21.8))
	var lines []string
	for _, e := range []event{
		{Kind: "enquiry.attached", At: at(22), Lead: "lead_00001", Enquiry: "e1", Project: "p1", Source: "s1"},
		{Kind: "lead.created", At: at(22), Lead: "lead_00001", Enquiry: "e1", Project: "p1", Source: "s1"},
		{Kind: "offer.made", At: at(22.02), Lead: "lead_00001", Offer: "o1", User: "u1", Project: "p1", Source: "s1"},
		{Kind: "offer.seen", At: at(24), Lead: "lead_00001", Offer: "o1", User: "u1"},
		{Kind: "offer.accepted", At: at(28), Lead: "lead_00001", Offer: "o1", User: "u1"},
		{Kind: "attempt.made", At: at(31), Lead: "lead_00001", User: "u1", Data: map[string]any{"channel": "call", "disposition": "interested"}},
		{Kind: "lead.stage_changed", At: at(31), Lead: "lead_00001", User: "u1", Data: map[string]any{"to_stage": "g1", "to_category": "follow-up", "reason": ""}},
		{Kind: "enquiry.attached", At: at(32), Lead: "lead_00002", Enquiry: "e2", Project: "p2", Source: "s2"},
		{Kind: "lead.created", At: at(32), Lead: "lead_00002", Enquiry: "e2", Project: "p2", Source: "s2"},
		{Kind: "lead.waiting", At: at(32.1), Lead: "lead_00002", Project: "p2", Source: "s2"},
		{Kind: "lead.queued", At: at(33), Lead: "lead_00002", Project: "p2", Data: map[string]any{"queue": "Front desk"}},
		{Kind: "alarm.raised", At: at(33), Project: "p2", Data: map[string]any{"queue": "Front desk"}},
		{Kind: "presence.changed", At: at(34), User: "u2", Data: map[string]any{"presence": "available"}},
		{Kind: "offer.made", At: at(34), Lead: "lead_00002", Offer: "o2", User: "u2", Project: "p2", Source: "s2"},
		{Kind: "offer.declined", At: at(36), Lead: "lead_00002", Offer: "o2", User: "u2", Data: map[string]any{"reason": "other-language"}},
		{Kind: "offer.made", At: at(36), Lead: "lead_00002", Offer: "o3", User: "u1", Project: "p2", Source: "s2"},
		{Kind: "offer.expired", At: at(66), Lead: "lead_00002", Offer: "o3", User: "u1"},
		{Kind: "offer.made", At: at(66), Lead: "lead_00002", Offer: "o4", User: "u2", Project: "p2", Source: "s2"},
		{Kind: "offer.accepted", At: at(68.2), Lead: "lead_00002", Offer: "o4", User: "u2"},
		{Kind: "lead.re_enquired", At: at(70), Lead: "lead_00002", Enquiry: "e3", Project: "p2", Source: "s1"},
		{Kind: "attempt.made", At: at(71), Lead: "lead_00002", User: "u2", Data: map[string]any{"channel": "in-person", "disposition": "not-interested"}},
		{Kind: "lead.stage_changed", At: at(71), Lead: "lead_00002", User: "u2", Data: map[string]any{"to_stage": "g3", "to_category": "dropped", "reason": "too-expensive"}},
		{Kind: "lead.created", At: at(72), Lead: "lead_test1", Enquiry: "e9", Project: "p1", Source: "s1", Test: true},
	} {
		if line, _ := c.happened(e); line != "" {
			lines = append(lines, line)
		}
	}
	c.stands("a1", board{at: at(74), waiting: 3, offered: 2, oldest: 12 * time.Second, available: 5, away: 1})
	c.stands("a2", board{at: at(75), oldest: -1, available: 4})
	return c, lines
}

func aHeader() header {
	return header{url: "http://127.0.0.1:8080", foot: "Ctrl-C ends it; everything stays in ./demo-data",
		signIns: []string{"sign in as manager       desmond@saltmarsh-quill.example  xxxx-xxxx-xxxx-xxxx"},
		curl:    []string{"curl -s http://127.0.0.1:8080/v1/leads \\", "  -d '…'"}}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is meant, run the test with -update:\n%s", path, got)
	}
}

func TestRender(t *testing.T) {
	c, lines := aDay()
	golden(t, "lines.txt", strings.Join(lines, "\n")+"\n")
	s := c.look(at(75))
	golden(t, "wide.txt", strings.Join(render(aHeader(), s, size{120, 24}, false), "\n")+"\n")
	golden(t, "narrow.txt", strings.Join(render(aHeader(), s, size{72, 20}, false), "\n")+"\n")
	golden(t, "colours.txt", strings.Join(render(aHeader(), s, size{100, 24}, true), "\n")+"\n")
	golden(t, "empty.txt", strings.Join(render(aHeader(), newCourse().look(at(0)), size{80, 24}, false), "\n")+"\n")
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Whatever the terminal's size, no line is wider and the screen not higher.
func TestRenderFits(t *testing.T) {
	c, _ := aDay()
	rapid.Check(t, func(t *rapid.T) {
		at1 := size{rapid.IntRange(40, 200).Draw(t, "wide"), rapid.IntRange(8, 80).Draw(t, "high")}
		lines := render(aHeader(), c.look(at(75+rapid.Float64Range(0, 1e5).Draw(t, "later"))), at1, rapid.Bool().Draw(t, "colours"))
		if len(lines) > at1.high {
			t.Fatalf("%d lines on %d", len(lines), at1.high)
		}
		for _, l := range lines {
			if w := width(escape.ReplaceAllString(l, "")); w > at1.wide {
				t.Fatalf("a line of %d columns on %d: %q", w, at1.wide, l)
			}
		}
	})
}

// Changes redraw what differs and nothing else.
func TestChanges(t *testing.T) {
	if got := changes([]string{"a", "b", "c"}, []string{"a", "x"}); got != "\x1b[2;1H\x1b[2Kx\x1b[3;1H\x1b[2K" {
		t.Errorf("%q", got)
	}
	if got := changes([]string{"a"}, []string{"a"}); got != "" {
		t.Errorf("%q", got)
	}
}

func TestAgeGrowsBetweenBoards(t *testing.T) {
	c := newCourse()
	c.stands("a", board{at: at(10), waiting: 1, oldest: 4 * time.Second})
	if got := c.look(at(12)).oldest; got != 6*time.Second {
		t.Errorf("two seconds later the oldest waits %v", got)
	}
	c.stands("a", board{at: at(13), oldest: -1})
	if got := c.look(at(20)).oldest; got != -1 {
		t.Errorf("nobody waits, and the oldest %v", got)
	}
	for d, want := range map[time.Duration]string{-1: "0 nobody waits", 700 * time.Millisecond: "0.7 s", 59 * time.Second: "59 s",
		65 * time.Second: "1:05 min", 2*time.Hour + 3*time.Minute: "2:03 h"} {
		if text, unit, _ := age(d); text+" "+unit != want {
			t.Errorf("%v is shown as %s %s, want %s", d, text, unit, want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0 ms", 94 * time.Millisecond: "94 ms", 95 * time.Millisecond: "0.1 s", 240 * time.Millisecond: "0.2 s", 2940 * time.Millisecond: "2.9 s",
		2960 * time.Millisecond: "3 s", 59400 * time.Millisecond: "59 s", 59600 * time.Millisecond: "1 min 00 s", 62 * time.Second: "1 min 02 s",
		3*time.Hour + 59*time.Second: "3 h 01 min"} {
		if got := short(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

// The answer to a visitor may come before the lead's events or after them; the
// screen counts from the sending either way, and says nothing it does not know.
func TestOfferCountsFromSending(t *testing.T) {
	for _, late := range []bool{false, true} {
		c := newCourse()
		if !late {
			c.taken("e", at(1))
		}
		c.happened(event{Kind: "lead.created", At: at(1.3), Lead: "l", Enquiry: "e"})
		line, _ := c.happened(event{Kind: "offer.made", At: at(1.4), Lead: "l", User: "u"})
		if strings.Contains(line, "offered") == late {
			t.Errorf("late %v: %s", late, line)
		}
		if late {
			if got := c.look(at(2)); got.toOffer != -1 || got.lines[0].parts[0].text != "…" {
				t.Errorf("before the answer: %v, %+v", got.toOffer, got.lines[0].parts)
			}
			c.taken("e", at(1))
		}
		got := c.look(at(2))
		if got.toOffer != 400*time.Millisecond || got.lines[0].parts[0].text != "… (offered 0.4 s)" {
			t.Errorf("late %v: %v, %+v", late, got.toOffer, got.lines[0].parts)
		}
	}
}

// A lead that somebody posts by hand counts from the door.
func TestOfferOfAForeignLead(t *testing.T) {
	c := newCourse()
	c.happened(event{Kind: "lead.created", At: at(1.3), Lead: "l", Enquiry: "e", account: "a"})
	if got := c.untimed("a", at(9), 5); len(got) != 0 {
		t.Errorf("asks before the offer: %v", got)
	}
	c.happened(event{Kind: "offer.made", At: at(1.4), Lead: "l", User: "u"})
	if got := c.untimed("b", at(9), 5); len(got) != 0 {
		t.Errorf("asks the other account: %v", got)
	}
	if got := c.untimed("a", at(9), 5); len(got) != 1 || got[0] != "l" {
		t.Errorf("asks for %v", got)
	}
	c.received("l", at(1.2))
	if got := c.look(at(2)).toOffer; got != 200*time.Millisecond {
		t.Errorf("offered after %v", got)
	}
	if got := c.untimed("a", at(9), 5); len(got) != 0 {
		t.Errorf("asks again: %v", got)
	}
}

// A long day does not make the picture grow.
func TestCourseIsBounded(t *testing.T) {
	c := newCourse()
	for i := range 3 * keepRows {
		id := fmt.Sprintf("lead_%05d", i)
		if i%2 == 0 {
			c.taken("e"+id, at(float64(i)))
		}
		c.happened(event{Kind: "lead.created", At: at(float64(i)), Lead: id, Enquiry: "e" + id})
		c.happened(event{Kind: "offer.made", At: at(float64(i)), Lead: id})
	}
	if len(c.rows) != keepRows || len(c.byLead) != keepRows || len(c.sent) != 0 || len(c.late) > keepRows {
		t.Errorf("%d rows, %d leads, %d on their way, %d late", len(c.rows), len(c.byLead), len(c.sent), len(c.late))
	}
	if n := c.look(at(3 * keepRows)).offers; n > 61 {
		t.Errorf("%d offers in the last minute", n)
	}
}

func TestGreeting(t *testing.T) {
	w := &World{URL: "http://127.0.0.1:8080", Accounts: []Account{{PublishableKey: "cpk_x", Sources: []Source{{Slug: "a-form"}, {Slug: "portal"}},
		Users: []User{{Role: account.Manager, Email: "m@saltmarsh-quill.example", Password: "pw"}}}}}
	var b strings.Builder
	s := Terminal(w, &b, "./demo-data", "catchment demo --data ./demo-data")
	s.Greet()
	s.Bye()
	if s.Live() {
		t.Error("a builder is no terminal")
	}
	for _, want := range []string{"http://127.0.0.1:8080/docs", "m@saltmarsh-quill.example  pw", "Bearer cpk_x'", `"source":"portal"`,
		"./demo-data/demo.json", "catchment demo --data ./demo-data"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the greeting lacks %s:\n%s", want, b.String())
		}
	}
}

// Who follows the greeting comes to where passkeys work; demo.json says the
// address that the demo listens at.
func TestTheGreetingLeadsToWherePasskeysWork(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:8080": "http://localhost:8080", "https://[::1]:8443": "https://localhost:8443", "http://127.0.0.1": "http://localhost",
		"http://192.0.2.7:8080": "http://192.0.2.7:8080", "https://leads.example.com": "https://leads.example.com", "http://127.0.0.2:8080": "http://127.0.0.2:8080",
	} {
		var out strings.Builder
		Terminal(&World{URL: address}, &out, "d", "again").Greet()
		if !strings.Contains(out.String(), "the app                  "+want+"/\n") || !strings.Contains(out.String(), "running at "+address+"\n") {
			t.Errorf("%s: want the app at %s:\n%s", address, want, &out)
		}
		if said := strings.Contains(out.String(), "passkeys"); said != (address != want) {
			t.Errorf("%s: says why: %t", address, said)
		}
	}
}
