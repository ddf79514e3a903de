package firewall

import (
	"slices"
	"testing"
)

func newJudge(t testing.TB) *Judge {
	t.Helper()
	j := NewJudge(Settings{})
	if err := j.Warm(); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j *Judge) inert(s string) bool { return len(j.Suspicious([]string{s})) == 0 }

// promise is what the gate promises: of an inert value no rule speaks.
func promise(t testing.TB, j *Judge, s string) {
	t.Helper()
	if j.inert(s) {
		if ids := j.Verdict([]string{s}); len(ids) > 0 {
			t.Fatalf("inert, and %v speak: %q", ids, s)
		}
	}
}

func TestGate(t *testing.T) {
	j := newJudge(t)
	for _, s := range []string{"Ada Example", "+44 20 7946 0123", "(020) 7946-0123", "ada@example.com", "Please call after six, I have two children & a dog.",
		"https://homes.example/spring?utm_source=search&gclid=Cj0KCQ_a-b", "José Müller-Lüdenscheidt", "3", "250000.50", "20% of it"} {
		if !j.inert(s) {
			t.Errorf("not inert: %q", s)
		}
		promise(t, j, s)
	}
	for _, s := range []string{"' or 1=1 --", "<script>", "javascript:alert", "union select a from b", "java\tscript:x", "x\u2019 or 1=1", "1 or 1 -- ", "5 or 1שלום עולם זה טקסט בעברית "} {
		if j.inert(s) {
			t.Errorf("inert: %q", s)
		}
	}
}

func TestVerdict(t *testing.T) {
	j := newJudge(t)
	if ids := j.Verdict([]string{"Ada", "1' or '1'='1"}); !slices.Contains(ids, 942100) {
		t.Error(ids)
	}
	if ids := j.Verdict([]string{"<script>alert(1)</script>"}); !slices.Contains(ids, 941110) {
		t.Error(ids)
	}
	if ids := j.Verdict([]string{"I'm interested, call me"}); len(ids) > 0 {
		t.Error(ids)
	}
	if ids := j.Verdict([]string{string(make([]byte, maxValue+1))}); !slices.Equal(ids, []int{TooLarge}) {
		t.Error(ids)
	}
	if ids := j.Whole([]string{"Ada Example", "Please call after six."}); len(ids) > 0 {
		t.Error("of nothing", ids)
	}
	if ids := j.Whole([]string{"; cat /etc/passwd", "x"}); !slices.ContainsFunc(ids, func(id int) bool { return id/1000 == 932 }) {
		t.Error("of a command", ids)
	}
	if ids := NewJudge(Settings{Exclude: []int{942100}}).Verdict([]string{"1' or '1'='1"}); slices.Contains(ids, 942100) {
		t.Error("an excluded rule spoke", ids)
	}
}

// The gate and the rules together find what the suite has for both families:
// every test that a rule of level 1 is to speak in, and does for a stock
// engine, of what a form or a query says.
func TestPositives(t *testing.T) {
	j := newJudge(t)
	stock, err := engine("SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\nInclude @crs-setup.conf.example\nInclude @owasp_crs/REQUEST-901-INITIALIZATION.conf\n" +
		"Include @owasp_crs/REQUEST-941-APPLICATION-ATTACK-XSS.conf\nInclude @owasp_crs/REQUEST-942-APPLICATION-ATTACK-SQLI.conf")
	if err != nil {
		t.Fatal(err)
	}
	type tally struct{ of, found int }
	count := map[int]*tally{941: {}, 942: {}}
	for _, c := range crsCases(t) {
		n := count[c.Rule/1000]
		values, ok := c.values()
		if n == nil || !ok || !slices.ContainsFunc(c.Output.Log.Expect, func(id int) bool { return id/1000 == c.Rule/1000 && rules()[id].level == 1 }) {
			continue
		}
		if !c.inArguments(stock) {
			continue
		}
		n.of++
		if s := j.Suspicious(values); len(s) > 0 && len(j.Verdict(s)) > 0 {
			n.found++
		} else {
			t.Logf("passes: %s %q", c.Name, values)
		}
	}
	for family, n := range count {
		t.Logf("%d: %d of %d", family, n.found, n.of)
		if n.of < 90 || float64(n.found) < 0.985*float64(n.of) {
			t.Errorf("%d: %d of %d found, less than 98.5 %%", family, n.found, n.of)
		}
	}
}

func TestNames(t *testing.T) {
	if got := Name(942100); got != "SQL Injection Attack Detected via libinjection" {
		t.Errorf("%q", got)
	}
	if rules()[942100].level != 1 || rules()[942330].level != 2 {
		t.Error("levels", rules()[942100], rules()[942330])
	}
	for _, id := range []int{TooLarge, Unjudged} {
		if Name(id) == "" {
			t.Errorf("%d has no name", id)
		}
	}
	if Name(999_999) != "" {
		t.Error("a rule that is not there has a name")
	}
}

// What an inert lead costs, and one that is not.
func BenchmarkJudge(b *testing.B) {
	j := newJudge(b)
	for name, message := range map[string]string{"inert": "Please call after six, I would like to see the two rooms on the third floor.", "apostrophe": "I'm interested in the flat, can you call me after six?",
		"russian": "Я хочу посмотреть квартиру", "attack": "1' or '1'='1"} {
		b.Run(name, func(b *testing.B) {
			values := []string{"Ada Example", "+44 20 7946 0123", "ada@example.com", message, "https://homes.example/spring?utm_source=search", "google"}
			b.ReportAllocs()
			for b.Loop() {
				if s := j.Suspicious(values); len(s) > 0 {
					j.Verdict(s)
				}
			}
		})
	}
}
