package vault

import (
	"strings"
	"unicode/utf8"
)

// What a masked value shows in the place of what it hides. It is always as
// much, so that it does not tell a length.
const (
	hidden      = "•••"
	hiddenDigit = " •• •••• ••"
)

// Mask is the form of a clear value that is given to who may not have it yet: of
// a phone in E.164 its country code and last two digits (+44 •• •••• ••23), of
// an e-mail address its first letter and domain (p•••@example.com). Of a value
// that cannot be read as that, and of any other field, it shows nothing.
func Mask(f Field, text string) string {
	if text == "" {
		return ""
	}
	switch f {
	case Phone:
		return maskPhone(text)
	case Email:
		return maskEmail(text)
	}
	return hidden
}

// fewDigits is a number so short, after its country code, that its last two
// would be much of it.
const fewDigits = 6

func maskPhone(s string) string {
	digits, ok := strings.CutPrefix(s, "+")
	if !ok || strings.Trim(digits, "0123456789") != "" || len(digits) < 2 {
		return hidden
	}
	code := callingCode(digits)
	if len(digits)-code < fewDigits {
		return hidden
	}
	return "+" + digits[:code] + hiddenDigit + digits[len(digits)-2:]
}

// callingCode is how many digits the country code has (ITU-T E.164, list of
// assigned country codes): one for 1 and 7, two for those below, else three.
func callingCode(digits string) int {
	const two = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98"
	switch {
	case digits[0] == '1' || digits[0] == '7':
		return 1
	case strings.Contains(two, digits[:2]):
		return 2
	}
	return 3
}

func maskEmail(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 {
		return hidden
	}
	first, size := utf8.DecodeRuneInString(s)
	if size == at || first == utf8.RuneError {
		return hidden + s[at:]
	}
	return string(first) + hidden + s[at:]
}
