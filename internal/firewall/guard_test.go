package firewall

import (
	"encoding/base64"
	"io/fs"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
)

func look(t *testing.T, g *Guard, method, target, body string, header ...string) []int {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	r.Header.Set("Accept", "application/json")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Length", strconv.Itoa(len(body))) // as a server keeps it
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rules, err := g.Look(t.Context(), netip.Prefix{}, "", r, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestGuard(t *testing.T) {
	g := NewGuard(Settings{})
	const lead = "/v1/leads/lead_01h455vb4pex5vsknk084sn02q"
	for _, x := range [][]string{
		{"GET", "/v1/leads?limit=50&include=person", ""},
		{"GET", "/v1/leads?filter=stage:new&cursor=eyJhdCI6MTIzfQ", ""},
		{"GET", "/console/leads", ""}, {"GET", "/assets/index-BpY8yb0d.js", ""}, {"GET", "/", ""},
		{"GET", "/v1/leads?q=O'Brien%20or%201=1", ""},
		{"POST", lead + "/notes", `{"text":"He said: 'select the best flat from the list' -- or 1=1; <script>?"}`},
		{"POST", "/v1/sessions", `{"email":"ada@example.com","password":"' or 1=1 --<script>"}`},
		{"POST", "/v1/policies", `{"rules":[{"name":"Big budgets","when":"lead.custom.budget > 100 && lead.source == \"web\" || !(lead.test)","people":{"tags":["o'clock"]}}]}`},
		{"PATCH", "/v1/users/user_01h455vb4pex5vsknk084sn02q", `{"name":"Siobh\u00e1n O'Neill","phone":"+44 20 7946 0123"}`},
		{"PUT", "/v1/sources/x", `{"thanks_url":"https://www.example.com/thanks?a=1&b=2","origins":["https://www.example.com"]}`},
		{"PUT", "/v1/account/sso", `{"issuer":"http://127.0.0.1:8080/oidc","client_id":"catchment","client_secret":"' or 1=1"}`},
		{"POST", "/v1/webhooks", `{"url":"https://hooks.example.com/in/abc?key=1&x="}`},
		{"POST", "/v1/webhooks", `{"url":"https://localhost/catchment"}`}, // its door says why not
		{"POST", "/v1/webhooks", `{"url":"https://hooks.example.com/wp-admin/admin-ajax.php?action=lead&select=a,b&from=o'clock"}`},
		{"POST", "/v1/imports", `{"mapping":{"if (yes)":"custom.if (yes)","Person's phone #; select":"person.phone"}}`},
		{"PATCH", "/v1/persons/person_01h455vb4pex5vsknk084sn02q", `{"email":"sinead.o'neill@example.com","phone":"020 7946 0123 (ask for Ann; after 6)"}`},
		{"GET", "/v1/sso/callback?error=access_denied&error_description=The%20user's%20account%20%27isn%27t%27%20%28or%201=1%29", ""},
		{"PUT", "/v1/imports/imp_01h455vb4pex5vsknk084sn02q/file", "", "Content-Type", "application/vnd.ms-excel"},
		{"GET", "/v1/leads", "", "Cookie", "another=1' or '1'='1; groups=C0001%3A1%2CC0002%3A0"}, // nobody reads it
		{"POST", lead + "/files", "", "Content-Disposition", "attachment; filename=\"O'Brien; select from plan.pdf\"", "Content-Type", "application/octet-stream"},
		{"GET", "/v1/leads", "", "Sec-Ch-Ua", `"Not)A;Brand";v="8", "Chromium";v="156"`},
		{"POST", lead + "/person", "{}", "Catchment-Purpose", "I'm calling back; select 1"},
	} {
		if rules := look(t, g, x[0], x[1], x[2], x[3:]...); len(rules) > 0 {
			t.Errorf("%v refused for %v", x, rules)
		}
	}
	for _, x := range [][]string{
		{"GET", "/v1/leads?cursor=1'%20or%20'1'='1", ""},
		{"GET", "/v1/leads?cursor=../../../../etc/passwd", ""},
		{"GET", "/v1/leads/..%2f..%2fetc%2fpasswd", ""},
		{"GET", "/.env", ""}, {"GET", "/.git/config", ""},
		{"POST", "/v1/sessions", `{"email":"1' or '1'='1","password":"x"}`},
		{"POST", "/v1/teams", `{"a":[{"slug":"<script>alert(1)</script>"}]}`},
		{"POST", "/v1/teams", `{"slug' union select password from users --":1}`},
		{"POST", "/v1/teams", `{"slug":"$(cat /etc/passwd)"}`},
		{"GET", "/v1/leads", "", "User-Agent", "sqlmap/1.8"},
		{"GET", "/v1/leads", "", "X-Forwarded", "${jndi:ldap://x.example/a}"},
	} {
		if rules := look(t, g, x[0], x[1], x[2], x[3:]...); len(rules) == 0 {
			t.Errorf("%v passed", x)
		}
	}
	const name = "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd"
	if rules := look(t, g, "POST", "/v1/leads/x/files", "", "Content-Disposition", name); len(rules) > 0 {
		t.Errorf("what a file is called: %v", rules)
	}
	if rules := look(t, g, "POST", "/v1/leads/x/files", "", "X-Name", "../../etc/passwd"); len(rules) == 0 {
		t.Error("the control: the same in another header passed")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 { // what browsers and other systems make of bytes
		b := make([]byte, 200+r.IntN(600))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		for _, text := range []string{base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b)} {
			if rules := look(t, g, "POST", "/v1/sessions", `{"passkey":{"response":{"clientDataJSON":"`+text+`"}}}`); len(rules) > 0 {
				t.Errorf("%s refused for %v", text, rules)
			}
		}
	}
	if g.plain.Load() < 3 || g.spoke.Load() < 9 {
		t.Errorf("%d plain, %d refused", g.plain.Load(), g.spoke.Load())
	}
}

// ofWords are rules that speak of a single word: the name of a command, a
// function or a table. Alone it does nothing, and it may be somebody's slug.
var ofWords = []int{930120, 932120, 932260, 934100, 934130, 934160, 942140, 942220, 942270, 944130}

// Of what is plain no other rule of the whole set speaks: words of the set's own
// lists are tried, and its tests' texts.
func TestPlainIsNotRefused(t *testing.T) {
	var words []string
	files, err := fs.Glob(coreruleset.FS, "@owasp_crs/*.data")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := fs.ReadFile(coreruleset.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, strings.Fields(string(text))...)
	}
	for _, c := range crsCases(t) {
		if values, ok := c.values(); ok {
			words = append(words, values...)
			for _, v := range values {
				words = append(words, strings.FieldsFunc(v, func(r rune) bool { return !wordRune(r) })...)
			}
		}
	}
	slices.Sort(words)
	words = slices.DeleteFunc(slices.Compact(words), func(s string) bool { return !plain(s) })
	if len(words) < 1000 {
		t.Fatalf("%d words: this tries nothing", len(words))
	}
	j := NewJudge(Settings{Exclude: ofWords})
	for n := 0; len(words) > 0; words = words[n:] {
		n = min(200, len(words))
		if ids := j.Whole(words[:n]); len(ids) > 0 {
			t.Errorf("%q: %v", words[:n], ids)
		}
		if !*allCases {
			words = words[min(400, len(words)-n):]
		}
	}
}

func wordRune(r rune) bool { return r < 0x80 && (wordByte(byte(r)) || r == '-') }
