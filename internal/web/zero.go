package web

import (
	"bytes"
	"errors"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"catchment/internal/problem"
)

// The character U+0000 is refused wherever it comes in: PostgreSQL keeps no text
// with it, and nobody types it.

// zeroAt begins what is said of a body that has it; its place follows.
const zeroAt = "U+0000 at "

// refuseZero returns an error that names the place of the first U+0000 in a JSON
// text; nil when there is none, or when the text is no JSON, of which others tell.
func refuseZero(text []byte) error {
	if !bytes.Contains(text, []byte(`\u0000`)) { // the only way to write it (RFC 8259, 7)
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return nil
		}
		if token.Kind() == '"' && strings.Contains(token.String(), "\x00") {
			return errors.New(zeroAt + place(string(d.StackPointer())))
		}
	}
}

// place is a JSON pointer as fields are named elsewhere: person.email. What has a
// U+0000 itself is named by what it is in.
func place(pointer string) string {
	var parts []string
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if strings.Contains(part, "\x00") {
			break
		}
		parts = append(parts, strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
	}
	return strings.Join(parts, ".")
}

// zeroInQuery names a parameter with U+0000.
func zeroInQuery(u *url.URL) error {
	if !strings.Contains(u.RawQuery, "%00") {
		return nil
	}
	for name, values := range u.Query() {
		switch {
		case strings.Contains(name, "\x00"):
			return zeroField("")
		case strings.Contains(strings.Join(values, ""), "\x00"):
			return zeroField(name)
		}
	}
	return nil
}

func zeroField(field string) *problem.Problem {
	return problem.InvalidField(field, "control_characters", "Leave out the character U+0000.")
}
