package demo

import (
	"encoding/json"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"catchment/internal/submission"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

// reserved are the numbers kept free for fiction, as E.164 has them.
// (https://www.ofcom.org.uk, "Numbers for use in TV and radio drama").
var reserved = regexp.MustCompile(`^\+(44(7700900|1632960|2079460|1(1[3-8]|[2-6]1)4960|1914980|2920180)\d{3}|1[2-9]\d\d55501\d\d)$`)

var reservedHost = regexp.MustCompile(`@([a-z-]+\.)*(example|example\.com|example\.org|example\.net)$`)

// mayNotRing fails for text that a telephone could dial anywhere. A phone
// dials what the library finds a possible number.
func mayNotRing(t interface{ Fatalf(string, ...any) }, text, region string) {
	for _, piece := range append(strings.Split(text, "/"), text) {
		n, err := phonenumbers.Parse(piece, region)
		if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
			continue
		}
		if e := phonenumbers.Format(n, phonenumbers.E164); !reserved.MatchString(e) {
			t.Fatalf("%q can be dialled as %s, which is not kept for fiction", text, e)
		}
	}
}

func mayNotArrive(t interface{ Fatalf(string, ...any) }, address string) {
	if address == "" {
		return
	}
	if n, ok := submission.Email(address); ok && !reservedHost.MatchString(n) {
		t.Fatalf("%q is under a name that is not reserved", address)
	}
}

func random(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
}

func TestOnlyReservedNumbersAndAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		for range 50 {
			for _, region := range []string{"GB", "US"} {
				f := slip(r, newFace(r, region), region)
				mayNotRing(t, f.phone, region)
				mayNotArrive(t, f.email)
				mayNotRing(t, oddPhone(r, region), region)
				mayNotArrive(t, oddEmail(r))
				if f.phone == "" && f.email == "" {
					t.Fatalf("%q has neither phone nor e-mail", f.name)
				}
			}
		}
	})
}

// The control: what the property above must refuse, it refuses.
func TestTheCheckOfNumbersFails(t *testing.T) {
	for _, bad := range []string{"+44 20 7123 4567", "(212) 555-1234", "07700 901123", "+1 303 555 0200", "+49 30 123456"} {
		if !complains(func(c complaint) { mayNotRing(c, bad, "US") }) && !complains(func(c complaint) { mayNotRing(c, bad, "GB") }) {
			t.Errorf("%s passes for a number of fiction", bad)
		}
	}
	if !complains(func(c complaint) { mayNotArrive(c, "ada@example.co") }) {
		t.Error("example.co passes for a reserved name")
	}
}

type complaint struct{}

func (complaint) Fatalf(string, ...any) { panic(complaint{}) }

func complains(f func(complaint)) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = true
		}
	}()
	f(complaint{})
	return false
}

func TestOwnPeopleAreInvented(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range companies() {
		sellers := 0
		for _, s := range c.everyone() {
			if e := s.phone; !reserved.MatchString(e) {
				t.Errorf("%s: %s is not kept for fiction", s.name, e)
			}
			if !strings.HasSuffix(s.email, ".example") {
				t.Errorf("%s: %s is not reserved", s.name, s.email)
			}
			if seen[s.email] || seen[s.phone] || seen[s.name] {
				t.Errorf("%s is there twice", s.name)
			}
			seen[s.email], seen[s.phone], seen[s.name] = true, true, true
			if s.temper != "" {
				sellers++
				if _, ok := tempers[s.temper]; !ok {
					t.Errorf("%s: no temper %q", s.name, s.temper)
				}
			}
		}
		if sellers < 4 || len(c.projects) < 2 {
			t.Errorf("%s: %d salespeople, %d projects", c.name, sellers, len(c.projects))
		}
		if !strings.HasSuffix(c.trade.site, ".example") {
			t.Errorf("%s: its site %s is not reserved", c.name, c.trade.site)
		}
		checkProjects(t, c)
	}
	if n := len(companies()[0].staff); n < 9 {
		t.Errorf("the first company has %d people", n)
	}
}

func checkProjects(t *testing.T, c company) {
	slugs, names := map[string]bool{}, map[string]bool{}
	for _, s := range c.staff {
		names[s.name] = true
	}
	for _, p := range c.projects {
		for _, n := range p.sells {
			if !names[n] {
				t.Errorf("%s: nobody is called %s", p.slug, n)
			}
		}
		for _, s := range p.sources {
			if slugs[s.slug] {
				t.Errorf("%s is there twice", s.slug)
			}
			slugs[s.slug] = true
			if (s.kind == "form") != (Source{Slug: s.slug}).isForm() {
				t.Errorf("%s: the slug of a form source ends in -form, of no other", s.slug)
			}
		}
	}
}

// What the visitors send is what the door takes, with the words where they
// belong.
func TestTheDoorTakesWhatVisitorsSend(t *testing.T) {
	kinds := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		for _, c := range companies() {
			for _, p := range c.projects {
				for _, s := range p.sources {
					src := Source{ID: "src_01h455vb4pex5vsknk084sn02q", Slug: s.slug, Name: s.name}
					f := slip(r, newFace(r, c.region), c.region)
					if src.isForm() {
						kinds[takesForm(t, asForm(r, c, src, p.slug, f), s.mapping, f)]++
					} else {
						kinds["json"]++
						takesJSON(t, asJSON(r, c, src, p.slug, f, time.Now(), false), src, f)
					}
				}
			}
		}
	})
	for _, k := range []string{"json", "multipart/form-data", "application/x-www-form-urlencoded", "windows-1252"} {
		if kinds[k] == 0 {
			t.Errorf("no visitor sends %s", k)
		}
	}
}

func takesJSON(t *rapid.T, e enquiry, src Source, f face) {
	s, err := submission.DecodeJSON(e.body)
	if err != nil {
		t.Fatalf("%s: %v", e.body, err)
	}
	if s.Source != src.Slug {
		t.Fatalf("source %q", s.Source)
	}
	var body struct {
		Person struct{ Name, Phone, Email string }
	}
	if err := json.Unmarshal(e.body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Person.Name != f.name || body.Person.Phone != f.phone || body.Person.Email != f.email {
		t.Fatalf("person %+v, want %+v", body.Person, f)
	}
}

func takesForm(t *rapid.T, e enquiry, mapping map[string]string, f face) (kind string) {
	s, key, err := submission.DecodeForm(e.contentType, e.body, mapping)
	if err != nil {
		t.Fatalf("%s: %v", e.contentType, err)
	}
	if !strings.HasPrefix(key, "demo-") {
		t.Fatalf("idempotency key %q", key)
	}
	if f.phone != "" && s.Person.Phone.Empty() || f.email != "" && s.Person.Email.Empty() || s.Person.Name.Empty() {
		t.Fatalf("the form of %+v lost its person", f)
	}
	media, params, err := mime.ParseMediaType(e.contentType)
	if err != nil {
		t.Fatal(err)
	}
	if params["charset"] != "" {
		return params["charset"]
	}
	if media == "multipart/form-data" {
		if _, err := multipart.NewReader(strings.NewReader(string(e.body)), params["boundary"]).ReadForm(1 << 20); err != nil {
			t.Fatal(err)
		}
	} else if _, err := url.ParseQuery(string(e.body)); err != nil {
		t.Fatal(err)
	}
	return media
}
