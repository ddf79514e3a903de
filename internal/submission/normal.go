package submission

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"

	"catchment/internal/lead"
	"catchment/internal/problem"
)

// Phone gives the number's E.164 form ("+442079460123") and its country (ISO
// 3166, "" when the number alone does not tell). region is the country whose
// habits a number without + follows, "" for none.
//
// ok means that the number has a possible length for its country, not that it
// is in use: tables of assigned prefixes lag behind, and a lead is not lost for
// that. A local number without its area code is not ok: many people share it.
func Phone(s, region string) (e164, country string, ok bool) {
	n, e164, flag := readPhone(s, region)
	if flag != "" {
		return "", "", false
	}
	country = phonenumbers.GetRegionCodeForNumber(n)
	if len(country) != 2 || country == "ZZ" { // 001 is a number of no country
		country = ""
	}
	return e164, country, true
}

// PhoneFlag is what is odd about the phone: lead.PhoneUnparseable,
// lead.PhoneImpossible, or "" exactly when Phone is ok or s is blank. It needs
// the region, so intake asks, not the decoder.
func PhoneFlag(s, region string) lead.Flag {
	if blank(s) {
		return ""
	}
	_, _, flag := readPhone(s, region)
	return flag
}

func readPhone(s, region string) (n *phonenumbers.PhoneNumber, e164 string, flag lead.Flag) {
	s = strings.TrimSpace(visible(s))
	if len(s) > 4*MaxPhone {
		return nil, "", lead.PhoneUnparseable
	}
	if region == "" && strings.HasPrefix(s, "00") {
		s = "+" + s[2:] // the prefix that ITU E.164 recommends for calls abroad
	}
	n, err := phonenumbers.Parse(s, strings.ToUpper(region))
	if err != nil {
		return nil, "", lead.PhoneUnparseable
	}
	if phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return nil, "", lead.PhoneImpossible
	}
	e164 = phonenumbers.Format(n, phonenumbers.E164)
	// A number that came in its normal form has just shown that it is fixed.
	if e164 != s && !isFixed(e164) {
		return nil, "", lead.PhoneImpossible
	}
	return n, e164, ""
}

// isFixed reports whether a normal form is its own normal form. Nonsense such
// as ten zeros loses a zero with each reading, and would be somebody else's
// number the next time.
func isFixed(e164 string) bool {
	n, err := phonenumbers.Parse(e164, "")
	return err == nil && phonenumbers.Format(n, phonenumbers.E164) == e164 &&
		phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE
}

// Email gives the form by which an address is found again: NFC, without white
// space around it and invisible characters in it, all in lower case.
//
// RFC 5321 lets a host tell Ada@ from ada@; none that matters does, and people
// write both. Dots and tags in front of the @ are left alone: what they mean is
// the host's business. An internationalised domain stays in Unicode.
// ok is false for what can hardly be an address.
func Email(s string) (normalised string, ok bool) {
	if !isASCII(s) {
		s = lower(norm.NFC, visible(s))
	}
	s = strings.ToLower(strings.TrimSpace(s))
	s = strings.TrimSuffix(s, ".")
	at := strings.LastIndexByte(s, '@')
	if at < 1 || len(s) > MaxEmail || at > 64 {
		return "", false
	}
	if !isLocal(s[:at]) || !isDomain(s[at+1:]) {
		return "", false
	}
	return s, true
}

// lower is s in lower case and in the normal form. Each can undo the other: the
// small letter of a Greek capital with its marks is composed anew.
func lower(form norm.Form, s string) string {
	for range 4 {
		next := form.String(strings.ToLower(form.String(s)))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// isLocal takes RFC 5322's dot-atom characters, loosely, and RFC 6531's
// letters; quoted local parts are not seen in leads.
func isLocal(s string) bool {
	for _, r := range s {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r) || unicode.IsControl(r) || unicode.IsSpace(r) {
			return false
		}
	}
	return true
}

func isDomain(s string) bool {
	labels := 0
	for label := range strings.SplitSeq(s, ".") {
		labels++
		if label == "" || len(label) > 63*4 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
				return false
			}
		}
	}
	return labels > 1
}

// RawKey is the form by which a value is found again that Phone or Email could
// not read: NFKC, lower case, invisible characters left out, white space folded.
// It is "" for a blank value.
func RawKey(s string) string {
	if !isASCII(s) {
		s = lower(norm.NFKC, visible(s))
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return unicode.ToLower(r)
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// Key checks an idempotency key: 1 to 255 printable ASCII characters.
func Key(s string) error { return checkKey("Idempotency-Key", s) }

func checkKey(field, s string) error {
	ok := len(s) >= 1 && len(s) <= 255
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			ok = false
			break
		}
	}
	if !ok {
		return problem.InvalidField(field, "invalid_key", "Send 1 to 255 printable ASCII characters, such as a UUID; the same ones when you repeat the request.")
	}
	return nil
}

// visible leaves out format characters: marks of direction, zero-width spaces
// and byte order marks, which come along when numbers are copied.
func visible(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
