package upload

import (
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how many bytes of a name are kept.
const maxName = 180

// Name makes of what a caller calls a file a name that is good on every system
// and reads as what it is: its last part alone, without control characters and
// those that turn the direction of writing, and with the ending of its kind. Of
// nothing it makes "file".
func Name(said string, k Kind) string {
	said = strings.ToValidUTF8(said, "")
	if i := strings.LastIndexAny(said, `/\`); i >= 0 {
		said = said[i+1:]
	}
	said = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) || r == utf8.RuneError:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, said)
	stem := strings.Trim(said, ". ")
	i := strings.LastIndexByte(stem, '.')
	if i <= 0 {
		return short(stem) + k.Ending()
	}
	switch ending := strings.ToLower(stem[i:]); {
	case keepsEnding(ending, k):
		return short(stem[:i]) + ending
	case strings.Contains(" .jpg .jpeg .png .gif .webp ", " "+ending+" "): // it was made anew
		return short(stem[:i]) + k.Ending()
	}
	return short(stem[:i]+"_"+stem[i+1:]) + k.Ending()
}

// keepsEnding reports whether a name of the kind may end so, in small letters.
func keepsEnding(ending string, k Kind) bool {
	return ending == k.Ending() || k == JPEG && ending == ".jpeg" || k == Text && (ending == ".csv" || ending == ".md" || ending == ".log")
}

func short(stem string) string {
	if stem = strings.Trim(stem, ". "); stem == "" {
		return "file"
	}
	for len(stem) > maxName {
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
	return strings.TrimRight(stem, ". ")
}

// SaidName reads a file's name out of a Content-Disposition header (RFC 6266,
// filename* before filename); "" when it has none, or cannot be read.
func SaidName(header string) string {
	_, params, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	return params["filename"]
}

// Disposition is the header of an answer that is kept as a file of that name,
// or shown in its place when inline.
func Disposition(name string, inline bool) string {
	how := "attachment"
	if inline {
		how = "inline"
	}
	if text := mime.FormatMediaType(how, map[string]string{"filename": name}); text != "" {
		return text
	}
	return how
}
