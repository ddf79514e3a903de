package directory

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"

	"catchment/internal/problem"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// faults gathers what is wrong with an input, so that all of it is told at once.
type faults []problem.Field

func (f *faults) add(field, code, format string, args ...any) {
	*f = append(*f, problem.Field{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return problem.Invalid(f...)
}

const nameLength = 120

// name trims a name and checks that it can stand on a screen.
func (f *faults) name(field, s string) string {
	s = strings.TrimSpace(norm.NFC.String(s))
	switch {
	case s == "":
		f.add(field, "required", "Send a name.")
	case !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0:
		f.add(field, "control_characters", "Leave out control characters.")
	case utf8.RuneCountInString(s) > nameLength:
		f.add(field, "too_long", "Use at most %d characters.", nameLength)
	}
	return s
}

func (f *faults) region(field, s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if !phonenumbers.GetSupportedRegions()[s] {
		f.add(field, "unknown_region", "Send the two letters of a country, as in ISO 3166: GB, IN, DE.")
	}
	return s
}

// Regions checks a list of countries, as in ISO 3166.
func Regions(field string, list []string) error {
	var f faults
	for i, s := range list {
		f.region(fmt.Sprintf("%s.%d", field, i), s)
	}
	return f.err()
}

func (f *faults) timeZone(field, s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return "UTC"
	}
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		f.add(field, "unknown_time_zone", "Send a name of the IANA time zone database, such as Asia/Kolkata.")
	}
	return s
}

const slugLength = 60

// slug checks a slug that the caller chose.
func (f *faults) slug(field, s string) {
	ok := len(s) <= slugLength && s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !slugRune(r) })
	if !ok {
		f.add(field, "bad_slug", "Use up to %d of a-z, 0-9 and hyphens.", slugLength)
	}
}

func slugRune(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' }

// Slug makes a slug of a name: its Latin letters and digits in lower case,
// hyphens for the rest. It is "" for a name that has none.
func Slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(norm.NFKD.String(name)) {
		switch {
		case slugRune(r) && r != '-':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r) || r == '\'' || r == '’':
		default:
			if s := b.String(); s != "" && s[len(s)-1] != '-' {
				b.WriteByte('-')
			}
		}
		if b.Len() >= slugLength {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// distinct calls add with slugs until one is not taken: the caller's own, or
// some made of the name.
func distinct(given, name, kind string, add func(slug string) (bool, error)) error {
	if given != "" {
		ok, err := add(given)
		if err == nil && !ok {
			err = problem.Conflict("slug_taken", "Another %s has this slug; choose another.", kind)
		}
		return err
	}
	base := Slug(name)
	if base == "" {
		base = kind
	}
	base = base[:min(len(base), slugLength-4)]
	for n := 1; n < 1000; n++ {
		slug := base
		if n > 1 {
			slug = fmt.Sprintf("%s-%d", base, n)
		}
		if ok, err := add(slug); ok || err != nil {
			return err
		}
	}
	return problem.Conflict("slug_taken", "Too many have this name; choose a slug.")
}

// phone returns the E.164 form; empty stays empty.
func (f *faults) phone(field string, p vault.Personal, region string) vault.Personal {
	if p.Empty() {
		return p
	}
	e164, _, ok := submission.Phone(reveal.Text(p), region)
	if !ok {
		f.add(field, "bad_phone", "Send a number with its country code, such as +44 20 7946 0123.")
	}
	return vault.Hide(e164)
}

// email returns the normal form by which a user signs in.
func (f *faults) email(field string, p vault.Personal) (sealed vault.Personal, normal string) {
	text := strings.TrimSpace(reveal.Text(p))
	normal, ok := submission.Email(text)
	if !ok || len(text) > 254 {
		f.add(field, "bad_email", "Send an e-mail address, such as name@example.com.")
	}
	return vault.Hide(text), normal
}

// origins checks a publishable key's origins and writes them as browsers do
// (RFC 6454, 6.2).
func (f *faults) origins(field string, list []string) (out []string) {
	if len(list) > 100 {
		f.add(field, "too_many", "Send at most 100 origins.")
		return nil
	}
	for i, s := range list {
		u, err := url.Parse(strings.TrimSpace(s))
		plain := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
			(u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == "" && !strings.Contains(u.Host, "*")
		if !plain {
			f.add(fmt.Sprintf("%s.%d", field, i), "bad_origin", "Send scheme and host, such as https://www.example.com.")
			continue
		}
		host := strings.ToLower(u.Host)
		if u.Scheme == "https" {
			host = strings.TrimSuffix(host, ":443")
		} else {
			host = strings.TrimSuffix(host, ":80")
		}
		if o := u.Scheme + "://" + host; !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}
