package carry

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"hash"
	"io"
	"strings"

	"catchment/internal/problem"
	"catchment/internal/submission"
)

// table reads a file of rows: RFC 4180, and what spreadsheets and people make
// of it. Its errors are io.EOF, a reader's, or a *problem.Problem.
type table struct {
	head []string
	csv  *csv.Reader
	in   *meter
	row  []string // the one before
}

// openTable reads the line of columns. The separator is the sign of four that
// stands most often in it.
func openTable(m *meter) (*table, error) {
	in := bufio.NewReaderSize(m, 64<<10)
	start, _ := in.Peek(32 << 10)
	if err := notText(start); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // a spreadsheet's mark of UTF-8
		start = start[3:]
	}
	t := &table{csv: csv.NewReader(in), in: m}
	t.csv.Comma, t.csv.LazyQuotes, t.csv.FieldsPerRecord = separator(start), true, -1
	var err error
	if t.head, err = t.next(); err == io.EOF {
		return nil, emptyFile()
	}
	if err != nil {
		return nil, err
	}
	if len(t.head) > MaxColumns {
		return nil, problem.InvalidField("file", "too_many_columns", "Send at most %d columns.", MaxColumns)
	}
	return t, nil
}

// next returns the next row in UTF-8, or io.EOF after the last. Lines with
// nothing on them are passed over.
func (t *table) next() ([]string, error) {
	t.in.since = 0
	row, err := t.csv.Read()
	if err == io.EOF {
		return nil, t.ended()
	}
	if err != nil {
		return nil, fileFault(err)
	}
	for i, v := range row {
		row[i] = submission.UTF8(v)
	}
	t.row = row
	return row, nil
}

// ended is io.EOF, unless the last row took in the rest of the file: a text of
// several lines stands in quotes, so one at the very end ends with a quote.
func (t *table) ended() error {
	if n := len(t.row); n > 0 && strings.Contains(t.row[n-1], "\n") && t.in.last != '"' {
		return problem.InvalidField("file", "open_quote", "The last row does not end: a quote is left open in the last %d lines.", strings.Count(t.row[n-1], "\n")+1)
	}
	return io.EOF
}

// notText refuses what is no text, by its beginning.
func notText(start []byte) error {
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return problem.InvalidField("file", "not_csv", "This is a workbook or an archive. Save the sheet as CSV (UTF-8) and send that.")
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return problem.InvalidField("file", "not_csv", "This is UTF-16. Save it as CSV (UTF-8) and send that.")
	case bytes.HasPrefix(start, []byte("\x1f\x8b")), bytes.IndexByte(start, 0) >= 0:
		return problem.InvalidField("file", "not_csv", "This is no text. Send CSV as it is, not compressed.")
	}
	return nil
}

func emptyFile() error {
	return problem.InvalidField("file", "empty_file", "The first line names the columns, and rows follow.")
}

// meter counts and hashes what goes through it, and refuses a row without end.
type meter struct {
	r          io.Reader
	mac        hash.Hash
	all, since int64
	last       byte // that is no end of a line
}

var errLongRow = errors.New("carry: a row does not end")

func (m *meter) Read(b []byte) (int, error) {
	if m.since > maxRow {
		return 0, errLongRow
	}
	n, err := m.r.Read(b)
	m.mac.Write(b[:n])
	m.all += int64(n)
	m.since += int64(n)
	if end := bytes.TrimRight(b[:n], "\r\n"); len(end) > 0 {
		m.last = end[len(end)-1]
	}
	return n, err
}

func fileFault(err error) error {
	var parse *csv.ParseError
	switch {
	case errors.Is(err, errLongRow):
		return problem.InvalidField("file", "row_too_long", "A row is longer than %d KiB. Is a quote left open?", maxRow>>10)
	case errors.As(err, &parse):
		return problem.InvalidField("file", "malformed_csv", "Line %d cannot be read as CSV. Is a quote left open?", parse.Line)
	}
	return err
}

// separator is the sign that stands most often in the first line that is not
// empty.
func separator(start []byte) rune {
	line, _, _ := bytes.Cut(bytes.TrimLeft(start, "\r\n"), []byte("\n"))
	best, most := ',', bytes.Count(line, []byte(","))
	for _, s := range []rune{';', '\t', '|'} {
		if n := bytes.Count(line, []byte(string(s))); n > most {
			best, most = s, n
		}
	}
	return best
}
