package submission

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"catchment/internal/lead"
)

func TestPhone(t *testing.T) {
	for _, c := range []struct{ in, region, e164, country string }{
		{"+1 202 555 0143", "", "+12025550143", "US"},
		{"(202) 555-0143", "US", "+12025550143", "US"},
		{"202.555.0143 ext. 12", "us", "+12025550143", "US"},
		{"020 7946 0123", "GB", "+442079460123", "GB"},
		{"+44 (0)20 7946 0123", "", "+442079460123", "GB"},
		{"0044 20 7946 0123", "", "+442079460123", "GB"},
		{"0044 20 7946 0123", "DE", "+442079460123", "GB"},
		{"tel:+44-20-7946-0123", "", "+442079460123", "GB"},
		{"\u202a+44 20 7946 0123\u202c", "", "+442079460123", "GB"},
		{"＋４４ ２０ ７９４６ ０１２３", "", "+442079460123", "GB"},
		{"+٤٤ ٢٠ ٧٩٤٦ ٠١٢٣", "", "+442079460123", "GB"},
	} {
		e164, country, ok := Phone(c.in, c.region)
		if !ok || e164 != c.e164 || country != c.country {
			t.Errorf("%q in %q: got %s %s %v", c.in, c.region, e164, country, ok)
		}
	}
}

func TestPhoneFlag(t *testing.T) {
	for _, c := range []struct {
		in, region string
		want       lead.Flag
	}{
		{"", "US", ""},
		{" \u200b", "US", ""},
		{"+12025550143", "", ""},
		{"call me", "US", lead.PhoneUnparseable},
		{"2025550143", "", lead.PhoneUnparseable}, // of which country?
		{"1", "US", lead.PhoneUnparseable},
		{"+99912345678", "", lead.PhoneUnparseable},
		{strings.Repeat("1", 200), "US", lead.PhoneUnparseable},
		{"555-0143", "US", lead.PhoneImpossible}, // without its area code
		{"+1 202 555", "", lead.PhoneImpossible},
		{"+44 20 7946 0123 9999", "", lead.PhoneImpossible},
	} {
		if got := PhoneFlag(c.in, c.region); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.in, c.region, got, c.want)
		}
		if _, _, ok := Phone(c.in, c.region); ok != (c.want == "" && !blank(c.in)) {
			t.Errorf("%q: Phone says %v", c.in, ok)
		}
	}
}

func TestEmail(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.com":                "ada@example.com",
		"  Ada.Example@EXAMPLE.com\n":    "ada.example@example.com",
		"ada+tag@example.com.":           "ada+tag@example.com",
		"o'neil@example.com":             "o'neil@example.com",
		"\u200bada@example.com\ufeff":    "ada@example.com",
		"JOSE\u0301@B\u00dcCHER.example": "josé@bücher.example",
		"अदा@उदाहरण.example":             "अदा@उदाहरण.example",
	} {
		if got, ok := Email(in); !ok || got != want {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
	for _, bad := range []string{"", "ada", "@example.com", "ada@", "ada@localhost", "ada@example..com", "ada@-example.com", "a b@example.com", "ada@exa mple.com",
		"ada@@example.com", "<ada@example.com>", "ada@example.com,bob@example.com", "ada@[192.0.2.1]", "ada\x00@example.com", strings.Repeat("a", 65) + "@example.com",
		"ada@" + strings.Repeat("a.", 150) + "example", "ada@example.com\x00", "\xff@example.com\xff"} {
		if got, ok := Email(bad); ok {
			t.Errorf("%q was read as %q", bad, got)
		}
	}
}

func TestRawKey(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		" \u200b\t":              "",
		"Call  ME\u00a0please\n": "call me please",
		"ＡＢＣ\x00d":               "abc d",
		"ada AT example":         "ada at example",
	} {
		if got := RawKey(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestKey(t *testing.T) {
	for _, good := range []string{"a", "0190a5d0-1111-7222-8333-444455556666", strings.Repeat("k", 255), `"quoted" ~`} {
		if err := Key(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", strings.Repeat("k", 256), "a\n", "\x7f", "é", "\x00"} {
		if Key(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// Normal forms are their own normal forms: else one person would be found
// under one form today and another tomorrow.
func TestNormalFormsAreFixed(t *testing.T) {
	checkFixed(t, "\u1fba\u0345") // whose small letter is composed anew
	rapid.Check(t, func(t *rapid.T) { checkFixed(t, rapid.String().Draw(t, "s")) })
	rapid.Check(t, func(t *rapid.T) {
		checkFixed(t, rapid.StringMatching(`[+0-9 ()\-.]{0,20}`).Draw(t, "phone"))
		checkFixed(t, rapid.StringMatching(`[A-Za-z.é]{1,9}@[a-zÄ-Üß.\-]{1,9}\.[a-z]{2}`).Draw(t, "email"))
	})
}

func checkFixed(t interface{ Errorf(string, ...any) }, s string) {
	for _, region := range []string{"", "US", "GB", "IN"} {
		e164, _, ok := Phone(s, region)
		if !ok {
			continue
		}
		if again, _, ok := Phone(e164, ""); !ok || again != e164 {
			t.Errorf("%q: %q becomes %q %v", s, e164, again, ok)
		}
		if len(e164) < 4 || len(e164) > 19 || e164[0] != '+' {
			t.Errorf("%q: %q is no E.164 number", s, e164)
		}
	}
	if e, ok := Email(s); ok {
		if again, ok := Email(e); !ok || again != e {
			t.Errorf("%q: %q becomes %q %v", s, e, again, ok)
		}
	}
	if r := RawKey(s); RawKey(r) != r {
		t.Errorf("%q: %q becomes %q", s, r, RawKey(r))
	}
}

func FuzzPhone(f *testing.F) {
	f.Add("+44 20 7946 0123", "GB")
	f.Add("0012025550143", "")
	f.Add("0000000000", "IN") // loses a zero at each reading
	f.Add("1-800-FLOWERS;ext=1", "US")
	f.Fuzz(func(t *testing.T, s, region string) {
		e164, country, ok := Phone(s, region)
		if ok && (e164 == "" || len(country) == 1 || !utf8.ValidString(e164)) || !ok && (e164 != "" || country != "") {
			t.Errorf("%q %q: %q %q %v", s, region, e164, country, ok)
		}
		checkFixed(t, s)
	})
}

func BenchmarkPhone(b *testing.B) {
	for b.Loop() {
		Phone("+1 202 555 0143", "US")
	}
}
