package submission

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/vault/reveal"
)

const urlencoded = "application/x-www-form-urlencoded"

// brief writes a submission in one line, for tables.
func brief(s *Submission) string {
	_, c := s.SplitCustom(nil)
	return fmt.Sprintf("%s|%s|%s|%s|%s", reveal.Text(s.Person.Name), reveal.Text(s.Person.Phone), reveal.Text(s.Person.Email), reveal.Text(s.Message), reveal.Text(c))
}

func TestFormNames(t *testing.T) {
	for body, want := range map[string]string{
		"name=Ada+Example&phone=1&email=a%40b.example&message=hi":           "Ada Example|1|a@b.example|hi|",
		"your-name=Ada&your-email=a%40b.example&your-message=hi&your-tel=1": "Ada|1|a@b.example|hi|",
		"First+Name=Ada&Last%20Name=Example&Mobile_No=1":                    "Ada Example|1|||",
		"Nom=Example&Pr%C3%A9nom=Ada&T%C3%A9l%C3%A9phone=1":                 "Ada Example|1|||",
		"Vorname=Ada&Nachname=Example&E-Mail=a%40b.example&Nachricht=hi":    "Ada Example||a@b.example|hi|",
		"name=Ada+Example&first_name=Ada&last_name=Example&tel=1":           "Ada Example|1|||",
		"name=Ada&surname=Example&tel=1":                                    "Ada Example|1|||",
		"first_name=Ada&name=Ada&tel=1":                                     "Ada|1|||",
		"person[name]=Ada&person.phone=1&custom[budget]=5&custom.city=x":    `Ada|1|||{"budget":"5","city":"x"}`,
		"phone=1&budget=5&rooms=2&rooms=3&garden=on":                        `|1|||{"budget":"5","rooms":["2","3"],"garden":"on"}`,
		"phone=&mobile=1&tel=2":                                             `|1|||{"tel":"2"}`,
		"phone=1&phone=2&phone=3":                                           `|1|||{"phone":["2","3"]}`,
		"tel=1&test=true&_other=x&foo[bar]=y":                               `|1|||{"test":"true","_other":"x","foo[bar]":"y"}`,
		"&&tel=1&=x&":                                                       "|1|||",
		"tel=1&a=100%&b=%zz&c=%4":                                           `|1|||{"a":"100%","b":"%zz","c":"%4"}`,
		"tel=%2B1+202":                                                      "|+1 202|||",
	} {
		s, _, err := DecodeForm(urlencoded, []byte(body), nil)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if got := brief(s); got != want {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
	}
}

func TestFormMapping(t *testing.T) {
	mapping := map[string]string{"q1": "person.name", "q2": "person.phone", "q3": "custom.budget", "q4": Ignore, "name": "custom.company",
		"u": "attribution.utm_source", "bad": "person.age", "t": "test", "f": "person.first_name"}
	s, _, err := DecodeForm(urlencoded, []byte("q1=Example&q2=1&q3=5&q4=secret&name=Acme&u=search&bad=x&t=yes&f=Ada"), mapping)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := brief(s), `Ada Example|1|||{"budget":"5","company":"Acme","bad":"x"}`; got != want || !s.Test || s.Attribution.Get("utm_source") != "search" {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFormOwnFields(t *testing.T) {
	s, key, err := DecodeForm(urlencoded+"; charset=UTF-8", []byte("tel=1&_key=abc-1&_hp=x&_test=1&_source=web&_project=p&utm_source=s&GCLID=g&referrer=https%3A%2F%2Fa.example%2F&consent=Yes&consent_version=2&consent_channels=call,+email"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "abc-1" || !s.Flagged(lead.HoneypotFilled) || !s.Test || s.Source != "web" || s.Project != "p" || s.Attribution.Get("gclid") != "g" ||
		reveal.Text(s.Attribution.Referrer) != "https://a.example/" || reveal.Text(s.Consent.Text) != "Yes" || s.Consent.Version != "2" ||
		fmt.Sprint(s.Consent.Channels) != "[call email]" || len(s.Custom) != 0 {
		t.Errorf("%q %+v", key, s)
	}
	s, key, err = DecodeForm(urlencoded, []byte("tel=1&_hp=&_key="), nil)
	if err != nil || key != "" || len(s.Flags) != 0 || len(s.Custom) != 0 {
		t.Errorf("an empty honeypot and key: %v", err)
	}
}

func TestFormCharacterSets(t *testing.T) {
	for _, c := range []struct{ name, contentType, body, want string }{
		{"UTF-8", urlencoded, "tel=1&name=Jos%C3%A9", "José"},
		{"raw UTF-8", urlencoded, "tel=1&name=José", "José"},
		{"windows-1252 found by its bytes", urlencoded, "tel=1&name=Jos%E9+%80%93", "José €“"},
		{"declared", urlencoded + "; charset=windows-1252", "tel=1&name=Jos%E9", "José"},
		{"declared by its old name, though it could be UTF-8", urlencoded + "; charset=ISO-8859-1", "tel=1&name=%C3%A9", "Ã©"},
		{"by _charset_", urlencoded, "_charset_=windows-1252&tel=1&name=%C3%A9", "Ã©"},
		{"_charset_ after charset", urlencoded + ";charset=iso-8859-1", "_charset_=utf-8&tel=1&name=%C3%A9", "é"},
		{"declared UTF-8 that is not", urlencoded + ";charset=utf-8", "tel=1&name=Jos%E9", "José"},
		{"a browser's way out", urlencoded, "_charset_=windows-1252&tel=1&name=%26%232309%3B%26%2338%3B", "अ&#38;"},
		{"the same text typed into UTF-8", urlencoded, "tel=1&name=%26%232309%3B", "&#2309;"},
		{"no character", urlencoded, "_charset_=windows-1252&tel=1&name=%26%2355296%3B", "&#55296;"},
	} {
		s, _, err := DecodeForm(c.contentType, []byte(c.body), nil)
		if err != nil || reveal.Text(s.Person.Name) != c.want {
			t.Errorf("%s: %v", c.name, err)
			if s != nil {
				t.Errorf("got %q, want %q", reveal.Text(s.Person.Name), c.want)
			}
		}
	}
}

func multipartBody(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--XX\r\nContent-Disposition: form-data; " + p + "\r\n")
	}
	return b.String() + "--XX--\r\n"
}

func TestMultipart(t *testing.T) {
	body := multipartBody("name=\"name\"\r\n\r\nAda Example", "name=\"tel\"\r\n\r\n1", "name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n", "name=\"budget\"\r\n\r\na=b&c%41")
	s, _, err := DecodeForm("multipart/form-data; boundary=XX", []byte(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := brief(s), `Ada Example|1|||{"file":"","budget":"a=b&c%41"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFormRefusals(t *testing.T) {
	var fields strings.Builder
	for i := range MaxCustom + 1 {
		fmt.Fprintf(&fields, "f%d=x&", i)
	}
	multi := "multipart/form-data; boundary=XX"
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		code, field             string
	}{
		{"no type", "", "tel=1", 415, "unsupported_media_type", ""},
		{"text", "text/plain", "tel=1", 415, "unsupported_media_type", ""},
		{"JSON", "application/json", `{}`, 415, "unsupported_media_type", ""},
		{"too large", urlencoded, "tel=1&m=" + strings.Repeat("x", MaxBody), 413, "body_too_large", ""},
		{"empty", urlencoded, "", 422, "contact_missing", "person"},
		{"nobody", urlencoded, "name=Ada", 422, "contact_missing", "person"},
		{"blank contact", urlencoded, "tel=+&email=%20", 422, "contact_missing", "person"},
		{"bad key", urlencoded, "tel=1&_key=a%0Ab", 422, "invalid_key", "_key"},
		{"long key", urlencoded, "tel=1&_key=" + strings.Repeat("k", 256), 422, "invalid_key", "_key"},
		{"long phone", urlencoded, "tel=" + strings.Repeat("1", 41), 422, "too_long", "person.phone"},
		{"long name in parts", urlencoded, "tel=1&first=x&first_name=" + strings.Repeat("a", 150) + "&last_name=" + strings.Repeat("b", 150), 422, "too_long", "person.name"},
		{"long custom name", urlencoded, "tel=1&" + strings.Repeat("n", 65) + "=x", 422, "name_length", "custom." + strings.Repeat("n", 40) + "…"},
		{"long custom value", urlencoded, "tel=1&a=" + strings.Repeat("x", MaxCustomValue), 422, "too_long", "custom.a"},
		{"many custom fields", urlencoded, fields.String() + "tel=1", 422, "too_many_fields", "custom"},
		{"10,000 custom fields", urlencoded, strings.Repeat("a=&", 10000) + "tel=1", 422, "too_many_fields", "custom"},
		{"no boundary", "multipart/form-data", multipartBody("name=\"tel\"\r\n\r\n1"), 400, "malformed_form", ""},
		{"cut short", multi, multipartBody("name=\"tel\"\r\n\r\n1")[:60], 400, "malformed_form", ""},
		{"another boundary", multi, strings.ReplaceAll(multipartBody("name=\"tel\"\r\n\r\n1"), "XX", "YY"), 400, "malformed_form", ""},
		{"a coded part", multi, multipartBody("name=\"tel\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ=="), 400, "malformed_form", ""},
		{"a file", multi, multipartBody("name=\"tel\"\r\n\r\n1", "name=\"cv\"; filename=\"cv.pdf\"\r\n\r\nx"), 422, "file_refused", "cv"},
	} {
		_, _, err := DecodeForm(c.contentType, []byte(c.body), nil)
		checkRefusal(t, c.name, err, c.status, c.code, c.field)
	}
}

func TestDecodeByKind(t *testing.T) {
	s, err := Decode(AsForm, urlencoded, []byte("q=1"), map[string]string{"q": "person.phone"})
	if err != nil || reveal.Text(s.Person.Phone) != "1" {
		t.Error(err)
	}
	if s, err = Decode(AsJSON, "", []byte(`{"person":{"phone":"2"}}`), nil); err != nil || reveal.Text(s.Person.Phone) != "2" {
		t.Error(err)
	}
}

// No two words share a name, or a form's meaning would change from run to run.
func TestSynonymsAreUnique(t *testing.T) {
	for name, path := range synonyms {
		if fold(name) != name {
			t.Errorf("%s is not folded: it is never found", name)
		}
		if !isTarget(path) && path != pathTest {
			t.Errorf("%s leads to %s, which is nowhere", name, path)
		}
	}
	listed := len(paramNames)
	for _, names := range synonymTable {
		listed += len(strings.Fields(names))
	}
	if listed != len(synonyms) {
		t.Errorf("%d names are listed, %d are different", listed, len(synonyms))
	}
}

// The parser reads what net/url writes.
func TestURLEncodedIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, value := rapid.String().Draw(t, "name"), rapid.String().Draw(t, "value")
		pairs := parseURLEncoded([]byte(url.Values{name: {value, "second"}}.Encode()))
		if len(pairs) != 2 || pairs[0] != (pair{name, value}) || pairs[1] != (pair{name, "second"}) {
			t.Fatalf("%q", pairs)
		}
	})
}

func FuzzDecodeForm(f *testing.F) {
	f.Add(urlencoded, []byte("name=Ada&tel=1&rooms=2&rooms=3&_key=k"))
	f.Add(urlencoded+";charset=windows-1252", []byte("name=%E9&tel=1&a=%26%232309%3B"))
	f.Add("multipart/form-data; boundary=XX", []byte(multipartBody("name=\"tel\"\r\n\r\n1", "name=\"x\"\r\n\r\ny")))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		s, key, err := DecodeForm(contentType, body, map[string]string{"q": "person.phone", "z": "custom.z"})
		if err != nil {
			p, ok := problem.Of(err)
			if !ok {
				t.Fatalf("not a problem: %v", err)
			}
			for _, x := range p.Errors {
				if !utf8.ValidString(x.Field) {
					t.Errorf("a field that is not UTF-8: %q", x.Field)
				}
			}
			return
		}
		if s.Person.Phone.Empty() && s.Person.Email.Empty() {
			t.Error("a lead without a contact")
		}
		if key != "" && Key(key) != nil {
			t.Errorf("key %q", key)
		}
		_, personal := s.SplitCustom(nil)
		for _, text := range []string{reveal.Text(s.Person.Name), reveal.Text(s.Message), s.Source, reveal.Text(personal)} {
			if !utf8.ValidString(text) {
				t.Errorf("not UTF-8: %q", text)
			}
		}
		if o := reveal.Text(personal); o != "" && !json.Valid([]byte(o)) {
			t.Errorf("not JSON: %s", o)
		}
		again, _, err := DecodeForm(contentType, body, map[string]string{"q": "person.phone", "z": "custom.z"})
		if err != nil || brief(again) != brief(s) || fmt.Sprint(again.Flags) != fmt.Sprint(s.Flags) {
			t.Error("the same form reads differently the second time")
		}
	})
}

func BenchmarkDecodeForm(b *testing.B) {
	body := []byte("name=Ada+Example&phone=%2B12025550143&email=ada.example%40example.com&message=I%27m+interested+in+a+flat&utm_source=search&gclid=Cj0KCQ&budget=250000")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeForm(urlencoded, body, nil); err != nil {
			b.Fatal(err)
		}
	}
}
