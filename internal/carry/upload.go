package carry

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// Receive takes an import's file as it comes and keeps it in sealed pieces.
// alive is called after each piece. Sending it again begins anew, until it was
// received whole. The error is a *problem.Problem when the file is at fault.
func (c *Carrier) Receive(ctx context.Context, s account.Scope, id lead.ImportID, body io.Reader, alive func()) error {
	var m *files.Import
	var upload int64
	err := c.DB.Write(ctx, s, func(tx *store.Tx) (err error) {
		if m, err = files.GetImport(tx, id); err != nil {
			return err
		}
		var ok bool
		if upload, ok, err = files.BeginUpload(tx, id); err == nil && !ok {
			err = problem.Conflict("file_received", "This import has its file already. Make another import for another file.")
		}
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	keys, err := c.Accounts.Get(ctx, s.Account())
	if err != nil {
		return err
	}
	key, err := c.fileKey(ctx, s.Account(), m.ID.UUID(), m.Wrapped)
	if err != nil {
		return err
	}
	r := &receiver{c: c, ctx: ctx, scope: s, id: id, upload: upload, key: key, alive: alive,
		in: &meter{r: body, mac: hmac.New(sha256.New, keys.CaptureIDKey())}, next: 1}
	r.in.mac.Write([]byte("catchment-import-v1\n"))
	return r.run()
}

// meter counts and hashes what goes through it, and refuses a row without end.
type meter struct {
	r          io.Reader
	mac        hash.Hash
	all, since int64
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
	return n, err
}

type receiver struct {
	c      *Carrier
	ctx    context.Context
	scope  account.Scope
	id     lead.ImportID
	upload int64
	key    keyring.SubjectKey
	alive  func()
	in     *meter

	next  int64 // piece
	count int64 // rows
	piece [][]string
	size  int
}

func (r *receiver) run() error {
	in := bufio.NewReaderSize(r.in, 64<<10)
	start, _ := in.Peek(32 << 10)
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // a spreadsheet's mark of UTF-8
	}
	table := csv.NewReader(in)
	table.Comma, table.LazyQuotes, table.FieldsPerRecord = separator(start), true, -1
	head, err := table.Read()
	if err != nil {
		return fileFault(err)
	}
	if len(head) > MaxColumns {
		return problem.InvalidField("file", "too_many_columns", "Send at most %d columns.", MaxColumns)
	}
	if err := r.save(0, 0, [][]string{head}); err != nil {
		return err
	}
	for {
		r.in.since = 0
		row, err := table.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fileFault(err)
		}
		if err := r.add(row); err != nil {
			return err
		}
	}
	return r.finish()
}

func fileFault(err error) error {
	var parse *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return problem.InvalidField("file", "empty_file", "The first line names the columns, and rows follow.")
	case errors.Is(err, errLongRow):
		return problem.InvalidField("file", "row_too_long", "A row is longer than %d KiB. Is a quote left open?", maxRow>>10)
	case errors.As(err, &parse):
		return problem.InvalidField("file", "malformed_csv", "Line %d cannot be read as CSV. Is a quote left open?", parse.Line)
	}
	return err
}

// separator is the sign that stands most often in the first line.
func separator(start []byte) rune {
	line, _, _ := bytes.Cut(start, []byte("\n"))
	best, most := ',', bytes.Count(line, []byte(","))
	for _, s := range []rune{';', '\t', '|'} {
		if n := bytes.Count(line, []byte(string(s))); n > most {
			best, most = s, n
		}
	}
	return best
}

func (r *receiver) add(row []string) error {
	r.count++
	r.piece = append(r.piece, row)
	for _, v := range row {
		r.size += len(v)
	}
	if len(r.piece) < chunkRows && r.size < chunkBytes {
		return nil
	}
	return r.flush()
}

func (r *receiver) flush() error {
	if len(r.piece) == 0 {
		return nil
	}
	if r.in.all > MaxBytes {
		return problem.TooLarge("file_too_large", "Send at most %d GiB.", MaxBytes>>30)
	}
	err := r.save(r.next, r.count-int64(len(r.piece))+1, r.piece)
	r.next++
	clear(r.piece)
	r.piece, r.size = r.piece[:0], 0
	r.alive()
	return err
}

// save keeps a piece, in UTF-8.
func (r *receiver) save(n, first int64, rows [][]string) error {
	for _, row := range rows {
		for i, v := range row {
			row[i] = submission.UTF8(v)
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	sealed := r.key.Seal(place(files.ChunkTable, r.id.UUID(), n), vault.Hide(string(text)))
	return r.c.DB.Write(r.ctx, r.scope, func(tx *store.Tx) error {
		ok, err := files.AddChunk(tx, r.id, r.upload, r.in.all, r.count, files.Chunk{N: n, FirstRow: first, Data: sealed.Data})
		return r.mine(ok, err)
	})
}

func (r *receiver) finish() error {
	if err := r.flush(); err != nil {
		return err
	}
	if r.count == 0 {
		return problem.InvalidField("file", "empty_file", "The first line names the columns, and rows follow.")
	}
	return r.c.DB.Write(r.ctx, r.scope, func(tx *store.Tx) error {
		ok, err := files.EndUpload(tx, r.id, r.upload, r.in.mac.Sum(nil))
		return r.mine(ok, err)
	})
}

// mine refuses to go on when somebody began the same upload anew.
func (r *receiver) mine(ok bool, err error) error {
	if err == nil && !ok {
		err = problem.Conflict("upload_replaced", "The file was begun to be sent anew, or the import was cancelled.")
	}
	return err
}
