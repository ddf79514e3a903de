package carry

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"catchment/internal/problem"
)

// rowsOf reads a file; the code is of the fault that ended it.
func rowsOf(file string) (head []string, rows [][]string, code string) {
	m := &meter{r: iotestOneByte{strings.NewReader(file)}, mac: sha256.New()}
	t, err := openTable(m)
	for err == nil {
		var row []string
		if row, err = t.next(); err == nil {
			rows = append(rows, row)
		}
	}
	if t != nil {
		head = t.head
	}
	if p, ok := problem.Of(err); ok {
		code = p.Errors[0].Code
	} else if err != io.EOF {
		code = err.Error()
	}
	return head, rows, code
}

// iotestOneByte gives little at a time, as a network may.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(b []byte) (int, error) { return o.r.Read(b[:min(len(b), 7)]) }

func TestTableReadsWhatPeopleSend(t *testing.T) {
	for name, c := range map[string]struct{ file, head, rows, code string }{
		"plain":              {"a,b\n1,2\n", "a|b", "1|2", ""},
		"no end of line":     {"a,b\n1,2", "a|b", "1|2", ""},
		"CRLF":               {"a,b\r\n1,2\r\n3,4\r\n", "a|b", "1|2/3|4", ""},
		"BOM":                {"\xef\xbb\xbfName,b\n1,2\n", "Name|b", "1|2", ""},
		"BOM and quotes":     {"\xef\xbb\xbf\"Na,me\",b\n1,2\n", "Na,me|b", "1|2", ""},
		"semicolons":         {"a;b\n1,5;2\n", "a|b", "1,5|2", ""},
		"tabs":               {"a\tb\n1\t2\n", "a|b", "1|2", ""},
		"bars":               {"a|b\n1|2\n", "a|b", "1|2", ""},
		"windows-1252":       {"Stra\xdfe,b\nZo\xeb,\x80 5\n", "Straße|b", "Zoë|€ 5", ""},
		"UTF-8":              {"Straße,b\nZoë,€ 5\n", "Straße|b", "Zoë|€ 5", ""},
		"quotes":             {"a,b\n\"1,\"\"x\"\"\",\"2\nlines\"\n", "a|b", "1,\"x\"|2\nlines", ""},
		"a quote in between": {"a,b\n5\" pipe,2\n", "a|b", "5\" pipe|2", ""},
		"ragged":             {"a,b\n1\n1,2,3\n,\n", "a|b", "1/1|2|3/|", ""},
		"empty lines":        {"a,b\n\n1,2\n\r\n\n3,4\n\n", "a|b", "1|2/3|4", ""},
		"empty lines first":  {"\n\r\na;b\n1;2\n", "a|b", "1|2", ""},
		"lines at the end":   {"a,b\n1,\"two\nlines\"\n\n", "a|b", "1|two\nlines", ""},
		"only columns":       {"a,b\n", "a|b", "", ""},

		"nothing":       {"", "", "", "empty_file"},
		"only lines":    {"\n\n", "", "", "empty_file"},
		"open quote":    {"a,b\n1,\"2\n3,4\n5,6\n", "a|b", "1|2\n3,4\n5,6\n", "open_quote"},
		"endless row":   {"a,b\n1,\"" + strings.Repeat("x", maxRow+100<<10), "a|b", "", "row_too_long"},
		"many columns":  {strings.Repeat(",", MaxColumns) + "\n", "", "", "too_many_columns"},
		"workbook":      {"PK\x03\x04\x14\x00\x06\x00", "", "", "not_csv"},
		"compressed":    {"\x1f\x8b\x08\x00", "", "", "not_csv"},
		"UTF-16":        {"\xff\xfea\x00,\x00", "", "", "not_csv"},
		"a picture":     {"\x89PNG\r\n\x1a\n\x00\x00", "", "", "not_csv"},
		"many in a row": {"a\n" + strings.Repeat("1\n", 3000), "a", strings.TrimSuffix(strings.Repeat("1/", 3000), "/"), ""},
	} {
		head, rows, code := rowsOf(c.file)
		var lines []string
		for _, r := range rows {
			lines = append(lines, strings.Join(r, "|"))
		}
		if strings.Join(head, "|") != c.head || strings.Join(lines, "/") != c.rows || code != c.code {
			t.Errorf("%s: %q %.80q %q", name, head, lines, code)
		}
	}
}

// Whatever bytes come, the table ends or is refused by name; its rows are
// UTF-8, hold no more than came, and read the same when written again.
func FuzzTable(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\xef\xbb\xbfa;b\r\n\"1;\";Zo\xeb\r\n", "a\tb\n\"x\n", "a|b|\n|\"\"\"|\n", "PK\x03\x04", "\n\n,,,\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		head, rows, code := rowsOf(string(file))
		if code == "malformed_csv" || strings.Contains(code, " ") {
			t.Errorf("ended with %q", code)
		}
		if head == nil {
			if code == "" {
				t.Error("no columns and no fault")
			}
			return
		}
		size := 0
		all := append([][]string{head}, rows...)
		var again bytes.Buffer
		w := csv.NewWriter(&again)
		for _, row := range all {
			for _, v := range row {
				if size += len(v); !utf8.ValidString(v) {
					t.Errorf("%q is no UTF-8", v)
				}
			}
			if len(row) == 1 && row[0] == "" {
				return // the writer makes an empty line of it
			}
			_ = w.Write(row)
		}
		w.Flush()
		if size > 3*len(file) { // a byte of windows-1252 takes up to three
			t.Errorf("%d bytes of %d", size, len(file))
		}
		if code != "" || separator(again.Bytes()) != ',' || bytes.HasPrefix(again.Bytes(), []byte("\xef\xbb\xbf")) || notText(again.Bytes()) != nil {
			return
		}
		back, more, _ := rowsOf(again.String())
		if !slices.EqualFunc(all, append([][]string{back}, more...), func(a, b []string) bool {
			return slices.EqualFunc(a, b, func(x, y string) bool {
				return strings.ReplaceAll(x, "\r\n", "\n") == strings.ReplaceAll(y, "\r\n", "\n")
			})
		}) {
			t.Errorf("%q read again is %q %q", all, back, more)
		}
	})
}
