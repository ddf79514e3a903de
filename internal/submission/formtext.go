package submission

import (
	"bytes"
	"io"
	"mime/multipart"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"catchment/internal/problem"
)

// parseURLEncoded follows the WHATWG's parser
// (https://url.spec.whatwg.org/#concept-urlencoded-parser): it takes every
// sequence of bytes, and leaves a % alone that begins no escape. So nothing a
// browser or a hand-written client sends is lost over an escape.
func parseURLEncoded(body []byte) []pair {
	var pairs []pair
	for part := range bytes.SplitSeq(body, []byte("&")) {
		if len(part) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(part, []byte("="))
		pairs = append(pairs, pair{unescape(name), unescape(value)})
	}
	return pairs
}

func unescape(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '+':
			out = append(out, ' ')
		case b[i] == '%' && i+2 < len(b) && hex(b[i+1]) >= 0 && hex(b[i+2]) >= 0:
			out = append(out, byte(hex(b[i+1])<<4|hex(b[i+2])))
			i += 2
		default:
			out = append(out, b[i])
		}
	}
	return string(out)
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// parseMultipart reads RFC 7578. A file input that was left empty is passed
// over; a file is refused, because a lead has no place for it.
func parseMultipart(body []byte, boundary string) ([]pair, error) {
	broken := problem.Unreadable("malformed_form", "The multipart body cannot be read. Send each field as a part, and the closing boundary.")
	if boundary == "" {
		return nil, broken
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	var pairs []pair
	for {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return pairs, nil
		}
		if err != nil {
			return nil, broken
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, broken
		}
		if part.Header.Get("Content-Transfer-Encoding") != "" && !strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "8bit") {
			return nil, problem.Unreadable("malformed_form", "RFC 7578 takes no Content-Transfer-Encoding in a part. Send the bytes as they are.")
		}
		name := part.FormName()
		if part.FileName() != "" {
			field := shown(strings.ToValidUTF8(name, "?"))
			return nil, problem.InvalidField(field, "file_refused", "Files are not taken here. Send the other fields without it.")
		}
		pairs = append(pairs, pair{name, string(value)})
	}
}

// inUTF8 gives a form's text in UTF-8. Declared windows-1252 (or one of its
// other names) is believed; anything else is UTF-8 if it can be, else
// windows-1252, which every sequence of bytes can be.
func inUTF8(pairs []pair, charset string) []pair {
	if !isWindows1252(charset, pairs) {
		return pairs
	}
	for i := range pairs {
		pairs[i] = pair{fromWindows(pairs[i].name), fromWindows(pairs[i].value)}
	}
	return pairs
}

func isWindows1252(charset string, pairs []pair) bool {
	valid := true
	for _, p := range pairs {
		if p.name == fieldCharset {
			charset = p.value
		}
		valid = valid && utf8.ValidString(p.name) && utf8.ValidString(p.value)
	}
	if !valid {
		return true
	}
	switch strings.ToLower(strings.TrimSpace(charset)) {
	case "windows-1252", "cp1252", "x-cp1252", "iso-8859-1", "iso8859-1", "latin1", "l1": // all windows-1252 to a browser (https://encoding.spec.whatwg.org/)
		return true
	}
	return false
}

// UTF8 gives a text that is UTF-8 if it can be, else windows-1252, in UTF-8.
func UTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return fromWindows(s)
}

// reference is what browsers send for a character that windows-1252 lacks.
var reference = regexp.MustCompile(`&#([0-9]{1,7});`)

func fromWindows(s string) string {
	b, err := charmap.Windows1252.NewDecoder().Bytes([]byte(s))
	if err != nil {
		b = []byte(strings.ToValidUTF8(s, "\ufffd"))
	}
	return reference.ReplaceAllStringFunc(string(b), func(ref string) string {
		n, _ := strconv.Atoi(ref[2 : len(ref)-1]) // digits, as the pattern says
		if n < 0x80 || !utf8.ValidRune(rune(n)) {
			return ref // windows-1252 has these itself: somebody typed it
		}
		return string(rune(n))
	})
}
