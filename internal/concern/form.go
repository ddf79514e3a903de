package concern

import (
	"mime"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"catchment/internal/store/concerns"
	"catchment/internal/vault"
)

// Bounds of the form, in bytes of UTF-8.
const (
	MostBody    = 64 << 10 // of the request
	mostPlace   = 500
	mostMessage = 8000
	mostEmail   = 254 // RFC 5321, 4.5.3.1.3
)

// Names of the form's fields. Trap is one that people do not see: who fills it
// in fills in everything.
const (
	FieldKind    = "kind"
	FieldPlace   = "place"
	FieldMessage = "message"
	FieldEmail   = "email"
	FieldTrap    = "website"
)

// Form is what was filled in, tidied: no control characters but line breaks in
// the message, nothing around it.
type Form struct {
	Kind    concerns.Kind
	Place   vault.Personal
	Message vault.Personal
	Email   vault.Personal // empty: no answer is wanted
}

// Fault says why a field cannot be taken, by a code that the page has words for.
type Fault struct{ Field, Code string }

// The faults. Unreadable is of the whole form.
const (
	Unreadable = "unreadable"
	Missing    = "missing"
	TooLong    = "too_long"
	Odd        = "odd"
	Trapped    = "trapped"
)

// Typed is what stood in the fields, to be shown again.
type Typed map[string]string

// Decode reads a form as a browser sends it, application/x-www-form-urlencoded
// in UTF-8 (https://url.spec.whatwg.org/#urlencoded-parsing). Without a fault
// the form can be taken. A name that comes twice, or that the form does not
// have, makes all of it unreadable.
func Decode(contentType string, body []byte) (Form, Typed, []Fault) {
	typed, ok := read(contentType, body)
	if !ok {
		return Form{}, nil, []Fault{{"", Unreadable}}
	}
	f := Form{Kind: concerns.Kind(typed[FieldKind]), Place: vault.Hide(typed[FieldPlace]), Message: vault.Hide(typed[FieldMessage]), Email: vault.Hide(typed[FieldEmail])}
	return f, typed, faults(typed)
}

func read(contentType string, body []byte) (Typed, bool) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/x-www-form-urlencoded" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") || len(body) > MostBody {
		return nil, false
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, false
	}
	typed := Typed{}
	for name, all := range values {
		switch name {
		case FieldKind, FieldPlace, FieldMessage, FieldEmail, FieldTrap:
		default:
			return nil, false
		}
		if len(all) != 1 || !utf8.ValidString(all[0]) {
			return nil, false
		}
		typed[name] = tidy(all[0], name == FieldMessage)
	}
	return typed, true
}

// tidy drops what cannot be seen and could turn other text around: control
// characters, and those that change the direction of what follows them.
func tidy(s string, lines bool) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines:
			return r
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

func faults(typed Typed) (out []Fault) {
	fault := func(field, code string) { out = append(out, Fault{field, code}) }
	known := false
	for _, k := range concerns.Kinds() {
		known = known || typed[FieldKind] == string(k)
	}
	if !known {
		fault(FieldKind, Missing)
	}
	for _, x := range []struct {
		name string
		most int
		must bool
	}{{FieldPlace, mostPlace, false}, {FieldMessage, mostMessage, true}, {FieldEmail, mostEmail, false}} {
		switch s := typed[x.name]; {
		case s == "" && x.must:
			fault(x.name, Missing)
		case len(s) > x.most:
			fault(x.name, TooLong)
		case x.name == FieldEmail && s != "" && !looksLikeEmail(s):
			fault(x.name, Odd)
		}
	}
	if typed[FieldTrap] != "" {
		fault(FieldTrap, Trapped)
	}
	return out
}

// looksLikeEmail keeps slips out; whether somebody reads it shows when it is
// written to.
func looksLikeEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && strings.Contains(s[at:], ".") && !strings.HasSuffix(s, ".") && !strings.ContainsFunc(s, unicode.IsSpace)
}
