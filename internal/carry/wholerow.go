package carry

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"catchment/internal/store/whole"

	"github.com/google/uuid"
)

// A row is a line of JSON: an object by its columns' names. Ids are UUIDs, times
// are microseconds, bytes are base64, and what is sealed in the database is
// text; a text that is not UTF-8 is {"base64": "…"}.

// text is a personal value, which need not be UTF-8.
type text string

type notUTF8 struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(notUTF8{[]byte(t)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var n notUTF8
		err := json.Unmarshal(b, &n)
		*t = text(n.Base64)
		return err
	}
	return json.Unmarshal(b, (*string)(t))
}

func lineOf(t *whole.Table, r whole.Row) ([]byte, error) {
	out := make(map[string]any, len(r))
	for _, c := range t.Columns() {
		v := r[c.Name]
		if b, ok := v.([]byte); ok && c.Kind == "ID" {
			id, err := uuid.FromBytes(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			v = id.String()
		}
		out[c.Name] = v
	}
	return json.Marshal(out)
}

var errRow = errors.New("carry: a row of an archive cannot be read")

// rowOf reads a line. Columns that the table does not have are refused; a
// column that is missing, because the archive is older, gets nothing.
func rowOf(t *whole.Table, line []byte) (whole.Row, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(line, &in); err != nil || in == nil {
		return nil, fmt.Errorf("%w: no JSON object", errRow)
	}
	sealed := map[string]bool{}
	for _, c := range t.Sealed {
		sealed[c.Column] = true
	}
	r := whole.Row{}
	for _, c := range t.Columns() {
		raw, ok := in[c.Name]
		if !ok {
			return nil, fmt.Errorf("%w: %s is not there", errRow, c.Name)
		}
		delete(in, c.Name)
		v, err := valueOf(c.Kind, sealed[c.Name], raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", errRow, c.Name)
		}
		r[c.Name] = v
	}
	for name := range in {
		return nil, fmt.Errorf("%w: there is no column %.40q", errRow, name)
	}
	return r, nil
}

func valueOf(kind string, sealed bool, raw json.RawMessage) (any, error) {
	if bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	switch {
	case sealed:
		var x text
		err := json.Unmarshal(raw, &x)
		return x, err
	case kind == "ID":
		var x uuid.UUID
		err := json.Unmarshal(raw, &x)
		return x[:], err
	case kind == "BYTES":
		x := []byte{}
		err := json.Unmarshal(raw, &x)
		return x, err
	case kind == "INT":
		var x int64
		err := json.Unmarshal(raw, &x)
		return x, err
	case kind == "BOOL":
		var x bool
		err := json.Unmarshal(raw, &x)
		return x, err
	}
	var x string
	err := json.Unmarshal(raw, &x)
	return x, err
}

// sheet is a table as people look at it.
type sheet struct {
	t   *whole.Table
	buf bytes.Buffer
	w   *csv.Writer
}

// newSheet returns one for the tables that are given as CSV, too; nil for others.
func newSheet(t *whole.Table) *sheet {
	switch t.Name {
	case "lead", "person", "enquiry", "attempt":
	default:
		return nil
	}
	s := &sheet{t: t}
	s.w = csv.NewWriter(&s.buf)
	return s
}

func (s *sheet) add(r whole.Row) {
	if s == nil {
		return
	}
	var line []string
	if s.buf.Len() == 0 {
		for _, c := range s.t.Columns() {
			line = append(line, c.Name)
		}
		_ = s.w.Write(line) // a Buffer takes everything
		s.w.Flush()
		line = nil
	}
	for _, c := range s.t.Columns() {
		line = append(line, Inert(cell(c.Name, r[c.Name])))
	}
	_ = s.w.Write(line)
}

func (s *sheet) take() ([]byte, error) {
	s.w.Flush()
	out := bytes.Clone(s.buf.Bytes())
	s.buf.Reset()
	return out, s.w.Error()
}

func cell(column string, v any) string {
	switch x := v.(type) {
	case string:
		return x
	case text:
		return strings.ToValidUTF8(string(x), "\uFFFD")
	case bool:
		return strconv.FormatBool(x)
	case int64:
		if strings.HasSuffix(column, "_at") {
			return when(time.UnixMicro(x))
		}
		return strconv.FormatInt(x, 10)
	case []byte:
		if f, ok := kindsOf[column]; ok && len(x) == 16 {
			return f(x)
		}
		if id, err := uuid.FromBytes(x); err == nil {
			return id.String()
		}
	}
	return ""
}
