package proof

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func exampleCanaries(n int) []canary {
	c := &cage{}
	for k := range n {
		c.visitor(k)
	}
	return c.canaries
}

func TestSearcherFindsEveryForm(t *testing.T) {
	s, err := newSearcher(exampleCanaries(40))
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 257)
	_, _ = rand.Read(noise)
	found, of, err := s.recall(noise)
	if err != nil || found != of || of < 40*100 {
		t.Errorf("found %d of %d forms: %v", found, of, err)
	}
}

// Written by other code than that which makes the needles, and in the middle
// of something longer.
func TestSearcherFindsWhatProgramsWrite(t *testing.T) {
	v := visitor{name: "Quinthalbra O'Zormekvel", phone: "+12025550143", email: "quinthal@canary-abc.example"}
	s, err := newSearcher([]canary{{"name", v.name}, {"phone", v.phone}, {"e-mail", v.email}})
	if err != nil {
		t.Fatal(err)
	}
	object, _ := json.Marshal(map[string]string{"n": v.name, "p": v.phone})
	for name, text := range map[string]string{
		"a log line":        "time=1 level=INFO from=" + v.email + " n=1",
		"capitals":          strings.ToUpper(v.name),
		"a query":           "/x?" + url.Values{"q": {"ab " + v.name}}.Encode(),
		"digits":            "call 12025550143 now",
		"as people write":   "call (202) 555-0143 now",
		"bytea":             `\x` + hex.EncodeToString([]byte("zz"+v.phone+"yy")),
		"base64 of JSON":    base64.StdEncoding.EncodeToString(object),
		"base64 one on":     base64.StdEncoding.EncodeToString(append([]byte("x"), object...)),
		"base64url two on":  base64.URLEncoding.EncodeToString(append([]byte("xy"), object...)),
		"a form":            url.Values{"phone": {v.phone}}.Encode(),
		"across two blocks": strings.Repeat("x", 1<<20-5) + v.email + "y",
		"at the very end":   "x" + v.email,
	} {
		hits := 0
		n, err := s.scan(name, strings.NewReader(text), func(hit) { hits++ })
		if err != nil || hits == 0 || n != int64(len(text)) {
			t.Errorf("%s: %d hits in %d of %d bytes, %v", name, hits, n, len(text), err)
		}
	}
	noise := make([]byte, 8<<20)
	_, _ = rand.Read(noise)
	_, _ = s.scan("noise", bytes.NewReader(noise), func(h hit) { t.Errorf("found in noise: %v", h) })
}

func TestSearcherAnywhereInAStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z0-9@.]{8,60}`).Draw(t, "text")
		s, err := newSearcher([]canary{{"text", text}})
		if err != nil {
			t.Fatal(err)
		}
		before := rapid.IntRange(0, 3).Draw(t, "blocks")*(1<<20) + rapid.IntRange(-200, 200).Draw(t, "offset")
		b := append(bytes.Repeat([]byte{0}, max(0, before)), text...)
		b = append(b, bytes.Repeat([]byte{1}, rapid.IntRange(0, 300).Draw(t, "after"))...)
		found := int64(-1)
		if _, err := s.scan("x", bytes.NewReader(b), func(h hit) { found = h.offset }); err != nil || found != int64(max(0, before)) {
			t.Fatalf("found at %d, want %d: %v", found, before, err)
		}
	})
}

func TestSearcherRefusesWhatIsTooShort(t *testing.T) {
	if _, err := newSearcher([]canary{{"name", "Bob"}}); err == nil {
		t.Error("a canary of three letters was taken")
	}
}

func TestSearchOfATree(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a/wal": "xx quinthal@canary-abc.example", "demo.json": "quinthal@canary-abc.example", "clean": "nothing"} {
		_ = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := newSearcher([]canary{{"e-mail", "quinthal@canary-abc.example"}})
	got, err := s.tree(dir, func(n string) bool { return n == "demo.json" })
	if err != nil || got.files != 2 || len(got.hits) == 0 || got.hits[0].file != "a/wal" || got.hits[0].offset != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, h := range got.hits {
		if h.file == "demo.json" {
			t.Error("what is left out was searched")
		}
	}
}

func TestCrowd(t *testing.T) {
	seen := map[string]bool{}
	apostrophes := 0
	for n := range phones + 100 {
		p := phone(n)
		if n >= phones {
			if p != "" {
				t.Fatalf("phone %d is %s, beyond what is reserved", n, p)
			}
			continue
		}
		if seen[p] || len(p) != 12 || !strings.HasPrefix(p[5:], "55501") || p[3] == '9' || p[3:5] == "11" || p[2] < '2' {
			t.Fatalf("phone %d: %s", n, p)
		}
		seen[p] = true
	}
	c := crowd{tag: "t", source: "web"}
	for n := range 1000 {
		b := c.body(n)
		if !json.Valid(b) || len(b) < 300 || len(b) > 512 {
			t.Fatalf("body %d of %d bytes: %s", n, len(b), b)
		}
		if bytes.Contains([]byte(messages[n%len(messages)]), []byte("'")) {
			apostrophes++
		}
		if !bytes.Equal(b, c.body(n)) {
			t.Fatal("a body is not the same twice")
		}
	}
	if apostrophes != 300 {
		t.Errorf("%d of 1000 messages have an apostrophe, want 300", apostrophes)
	}
}

func TestLedger(t *testing.T) {
	l := newLedger(crowd{tag: "t"}, 3)
	a, _ := l.take(true)
	b, _ := l.take(true)
	l.acked(a, "enq_a", nil, time.Millisecond)
	l.lost(b)
	if l.outstanding() != 1 {
		t.Errorf("outstanding %d, want 1", l.outstanding())
	}
	if n, ok := l.take(false); !ok || n != b {
		t.Errorf("take gave %d %v, want the lost lead again", n, ok)
	}
	l.refused(b, 503, "503 busy", true, time.Second)
	l.refused(func() int { n, _ := l.take(false); return n }(), 429, "429", false, time.Second)
	if l.bare503 != 1 || l.status(503) != 1 {
		t.Errorf("refusals without Retry-After: %d, want 1", l.bare503)
	}
	n, _ := l.take(false)
	l.acked(n, "enq_b", nil, time.Millisecond)
	if l.outstanding() != 0 || l.sent() != 2 || l.acknowledged() != 2 {
		t.Errorf("open %d, sent %d, acknowledged %d", l.outstanding(), l.sent(), l.acknowledged())
	}
	l.open++
	l.acked(a, "enq_other", nil, 0)
	if len(l.faults) != 1 {
		t.Error("one key with two ids is no fault?")
	}
	c, _ := l.take(true)
	l.refused(c, 422, "422 invalid", false, 0)
	if len(l.faults) != 2 || l.outstanding() != 0 {
		t.Error("a good lead that is refused for good is no fault?")
	}
	if _, ok := l.take(true); ok {
		t.Error("more leads than were allowed")
	}
}

func TestCompare(t *testing.T) {
	good := func() ([]string, []seen, []seenLead) {
		var ids []string
		var es []seen
		var ls []seenLead
		for n := range 5 {
			id, lead := fmt.Sprint("enq_", n), fmt.Sprint("lead_", n)
			ids, es, ls = append(ids, id), append(es, seen{ID: id, State: "attached", LeadID: lead}), append(ls, seenLead{ID: lead, Enquiries: 1})
		}
		return ids, es, ls
	}
	if f := compare(good()); !f.clean() {
		t.Errorf("no fault, and found: %s", f)
	}
	for name, break_ := range map[string]func(ids *[]string, es *[]seen, ls *[]seenLead){
		"a lost enquiry":           func(_ *[]string, es *[]seen, _ *[]seenLead) { *es = (*es)[1:] },
		"a lost lead":              func(_ *[]string, _ *[]seen, ls *[]seenLead) { *ls = (*ls)[1:] },
		"an enquiry twice":         func(_ *[]string, es *[]seen, _ *[]seenLead) { *es = append(*es, (*es)[0]) },
		"a lead twice":             func(_ *[]string, _ *[]seen, ls *[]seenLead) { *ls = append(*ls, (*ls)[0]) },
		"two enquiries of one":     func(_ *[]string, es *[]seen, _ *[]seenLead) { (*es)[1].LeadID = (*es)[0].LeadID },
		"a lead without enquiry":   func(_ *[]string, _ *[]seen, ls *[]seenLead) { *ls = append(*ls, seenLead{ID: "lead_x", Enquiries: 1}) },
		"a lead of two enquiries":  func(_ *[]string, _ *[]seen, ls *[]seenLead) { (*ls)[0].Enquiries = 2 },
		"a dead enquiry":           func(_ *[]string, es *[]seen, _ *[]seenLead) { (*es)[0].State = "dead" },
		"a re-enquiry":             func(_ *[]string, es *[]seen, _ *[]seenLead) { (*es)[0].ReEnquiry = true },
		"one never acknowledged":   func(ids *[]string, _ *[]seen, _ *[]seenLead) { *ids = (*ids)[1:] },
		"an invented acknowledged": func(ids *[]string, _ *[]seen, _ *[]seenLead) { *ids = append(*ids, inventedEnquiry()) },
	} {
		ids, es, ls := good()
		break_(&ids, &es, &ls)
		if f := compare(ids, es, ls); f.clean() {
			t.Errorf("%s is not found", name)
		}
	}
}

func TestTable(t *testing.T) {
	yes, no := true, false
	r := Report{Proofs: []Result{
		{Name: "kill", OK: true, Seconds: 61, Checks: []Check{{"each once", true, "22827"}, {"no panic", true, "0"}},
			Figures: []Figure{{"ready again", 212.4, "ms", "", nil}, {"leads/s", 12345.6, "", "≥ 5,000", &yes}, {"CPU", 2.71, "×", "≤ 2.5", &no}}, Notes: []string{"a note"}},
		{Name: "disk-full", OK: true, Skipped: "not root"},
		{Name: "sealed", Checks: []Check{{"nothing is found", false, "1 (e-mail)"}}},
	}}
	var b bytes.Buffer
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	want := `
kill: holds (61 s)
  ok  each once    22827
  ok  no panic     0
      ready again  212 ms
      leads/s      12,346  (aim ≥ 5,000)
      CPU          2.71 ×  (aim ≤ 2.5: MISSED)
        a note

disk-full: skipped: not root (0 s)

sealed: DOES NOT HOLD (0 s)
  FAIL  nothing is found  1 (e-mail)

Does not hold: sealed. Skipped: disk-full.
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestChangedStaysDifferent(t *testing.T) {
	text := []byte(`{"v":1,"id":"enq_9zZA"}`)
	for k := range text {
		if c := changed(text, k); bytes.Equal(c, text) || len(c) != len(text) {
			t.Errorf("byte %d was not changed", k)
		}
	}
}
