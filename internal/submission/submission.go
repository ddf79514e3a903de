// Package submission says what a submission says: it reads the three formats
// of the capture door (JSON, a JSON batch, an HTML form) into one shape.
// docs/capture.md is the reference for callers.
//
// Refused is what cannot be read as the format, what exceeds a limit, unknown
// and repeated JSON keys, wrong JSON types, and a lead that nobody could be
// reached by. Odd values are kept and flagged. Every error is a
// *problem.Problem that names fields and never repeats a value.
//
// Decoding is a function of the bytes (and the mapping) alone: intake decodes
// the raw body that the door accepted and gets the same submission again.
package submission

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"catchment/internal/lead"
	"catchment/internal/vault"
)

// The limits. The door refuses a larger body before it is read whole.
const (
	MaxBody      = 64 << 10 // bytes of one lead, in a batch too
	MaxBatchBody = 5 << 20  // bytes
	MaxBatch     = 1000     // leads
	MaxDepth     = 4        // nested objects and arrays, the outermost counted

	MaxName    = 200  // characters
	MaxPhone   = 40   // characters
	MaxEmail   = 254  // bytes (RFC 5321, 4.5.3.1.3, less the brackets)
	MaxMessage = 8000 // characters

	MaxCustom      = 200     // fields
	MaxCustomName  = 64      // bytes
	MaxCustomValue = 4 << 10 // bytes, as JSON

	maxReference = 100  // bytes of a source, project, consent version
	maxParam     = 1000 // bytes of a UTM parameter or click id
	maxURL       = 4096 // bytes
	maxConsent   = 4000 // characters of the consent's text
	maxChannels  = 10
	manyCustom   = 100 // above this many, lead.ManyCustom
)

// Kind is the format that a body came in. The door stores it beside the body
// (with a form's content type), and Decode takes it again.
type Kind string

// The kinds. An element of a batch is AsJSON: it is a body of its own.
const (
	AsJSON Kind = "json"
	AsForm Kind = "form"
)

// Submission is one lead as it was sent. Personal values are exactly what was
// sent, apart from the character set; the clear ones are trimmed and without
// control characters, so that any column takes them.
type Submission struct {
	Source, Project string // id or slug, "" if left out
	Person          Person
	Message         vault.Personal
	Attribution     Attribution
	Consent         Consent
	Custom          []CustomField // in the order sent
	Test            bool
	Flags           []lead.Flag // each at most once
}

// Person is how the human can be reached. Phone, e-mail or both have text.
type Person struct{ Name, Phone, Email vault.Personal }

// Attribution is where the visitor came from, as it came.
type Attribution struct {
	Params      []Param        // known UTM parameters and click ids: not personal
	LandingPage vault.Personal // a URL; its query may say who somebody is
	Referrer    vault.Personal // a URL
}

// Param is one known UTM parameter or click id. Its Name is one of ParamNames.
type Param struct{ Name, Value string }

// Get returns the parameter's value, "" if it was not sent.
func (a Attribution) Get(name string) string {
	for _, p := range a.Params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// ClearJSON appends the parameters as one JSON object in the order of
// ParamNames; nothing in it is personal.
func (a Attribution) ClearJSON(dst []byte) []byte {
	dst = append(dst, '{')
	first := true
	for _, name := range ParamNames() {
		v := a.Get(name)
		if v == "" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendQuote(append(appendQuote(dst, name), ':'), v)
	}
	return append(dst, '}')
}

// Consent is evidence of permission, as it was sent.
type Consent struct {
	Text      vault.Personal // what the visitor agreed to
	Version   string         // of that text; not personal
	GivenAt   time.Time      // zero if left out or not RFC 3339 (then flagged)
	GivenText vault.Personal // given_at as it was sent
	Channels  []string       // "call", "email" …; as sent, not personal
}

// Empty reports whether no consent was sent.
func (c Consent) Empty() bool {
	return c.Text.Empty() && c.Version == "" && c.GivenText.Empty() && len(c.Channels) == 0
}

// CustomField is one free field. Its value is hidden, because whether it is
// personal is known only to its source: see Submission.SplitCustom. The name
// is the sender's and unmarked names are sealed with their values.
type CustomField struct {
	Name string
	json func() string // JSON of a string, number, bool or array of those; a closure for the reason given in vault/internal/clear
}

func custom(name, json string) CustomField {
	return CustomField{Name: name, json: func() string { return json }}
}

// Value returns the field's value as JSON text, in custody.
func (f CustomField) Value() vault.Personal { return vault.Hide(f.json()) }

// SplitCustom divides the custom fields by their source's marks: those that
// open says are not personal come back as one JSON object in clear, all others
// as one JSON object in custody (for vault.Custom). Either is empty when it
// would have no member; both keep the order sent.
func (s *Submission) SplitCustom(open func(name string) bool) (clear string, personal vault.Personal) {
	var public, private []byte
	for _, f := range s.Custom {
		if open != nil && open(f.Name) {
			public = appendMember(public, f)
		} else {
			private = appendMember(private, f)
		}
	}
	return closeObject(public), vault.Hide(closeObject(private))
}

func appendMember(dst []byte, f CustomField) []byte {
	if len(dst) == 0 {
		dst = append(dst, '{')
	} else {
		dst = append(dst, ',')
	}
	dst = append(appendQuote(dst, f.Name), ':')
	return append(dst, f.json()...)
}

func closeObject(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return string(append(b, '}'))
}

func appendQuote(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // s is valid UTF-8: the decoders see to it
	return dst
}

// Flagged reports whether the flag is set.
func (s *Submission) Flagged(f lead.Flag) bool { return slices.Contains(s.Flags, f) }

// flag sets a flag once.
func (s *Submission) flag(f lead.Flag) {
	if !s.Flagged(f) {
		s.Flags = append(s.Flags, f)
	}
}

// hasControl reports C0 and C1 controls other than tab and line breaks.
func hasControl(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return true
		}
		if c == 0xc2 && i+1 < len(s) && s[i+1] < 0xa0 { // U+0080 to U+009F
			return true
		}
	}
	return false
}

// tidy makes a clear value fit for any column: one line, no controls, trimmed.
func tidy(s string) string {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			plain = false
			break
		}
	}
	if !plain {
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, s)
	}
	return strings.TrimSpace(s)
}

// blank reports whether s has nothing that can be seen.
func blank(s string) bool {
	for _, r := range s {
		if !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) {
			return false
		}
	}
	return true
}

// oddName reports a name that is hardly one: no letter, markup, an address, or
// characters that turn the direction of writing.
func oddName(s string) bool {
	letter := false
	for _, r := range s {
		switch {
		case r == '<' || r == '>' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return true
		case unicode.IsLetter(r):
			letter = true
		}
	}
	return !letter || strings.Contains(s, "://") || strings.Contains(s, "@")
}
