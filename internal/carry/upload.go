package carry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// Receive takes an import's file as it comes and keeps it in sealed pieces.
// alive is called after each piece. Sending it again begins anew, until it was
// received whole. It tells where each column goes. The error is a
// *problem.Problem when the file is at fault.
func (c *Carrier) Receive(ctx context.Context, s account.Scope, id lead.ImportID, body io.Reader, alive func()) ([]Column, error) {
	var m *files.Import
	var upload int64
	var facts *setup.Facts
	err := c.DB.Write(ctx, s, func(tx *store.Tx) (err error) {
		if m, err = files.GetImport(tx, id); err != nil {
			return err
		}
		if facts, err = setup.ReadFacts(tx); err != nil {
			return err
		}
		var ok bool
		if upload, ok, err = files.BeginUpload(tx, id); err == nil && !ok {
			err = problem.Conflict("file_received", "This import has its file already. Make another import for another file.")
		}
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return nil, problem.NotFound()
	}
	if err != nil {
		return nil, err
	}
	keys, err := c.Accounts.Get(ctx, s.Account())
	if err != nil {
		return nil, err
	}
	key, err := c.fileKey(ctx, s.Account(), m.ID.UUID(), m.Wrapped)
	if err != nil {
		return nil, err
	}
	r := &receiver{c: c, ctx: ctx, scope: s, id: id, upload: upload, key: key, alive: alive,
		in: &meter{r: body, mac: hmac.New(sha256.New, keys.CaptureIDKey())}, next: 1,
		columns: func(head []string) []string { return columns(head, m.Mapping, facts.Sources[m.Source].Mapping, m.Mode) }}
	r.in.mac.Write([]byte("catchment-import-v1\n"))
	err = r.run()
	return r.told, err
}

// Column is one of a file's, and where its values go.
type Column struct {
	Number int // from 1
	Name   string
	To     string // a path, a word of imports, or "-"
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

	columns func(head []string) []string // where they go
	told    []Column
	reached bool

	piece [][]string
	size  int
}

func (r *receiver) run() error {
	t, err := openTable(r.in)
	if err != nil {
		return err
	}
	if err := r.contactable(t.head); err != nil {
		return err
	}
	if err := r.save(0, 0, [][]string{t.head}); err != nil {
		return err
	}
	for {
		row, err := t.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := r.add(row); err != nil {
			return err
		}
	}
	return r.finish()
}

// contactable refuses a file of which every row would be refused: mostly its
// first line does not name the columns, or they want a mapping.
func (r *receiver) contactable(head []string) error {
	for i, to := range r.columns(head) {
		r.told = append(r.told, Column{Number: i + 1, Name: head[i], To: to})
		if to == "person.phone" || to == "person.email" {
			r.reached = true
		}
	}
	if !r.reached {
		return problem.InvalidField("file", "no_contact_column",
			"No column goes to person.phone or person.email. The first line names the columns; begin an import with a mapping for names that say nothing to us.")
	}
	return nil
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

// save keeps a piece.
func (r *receiver) save(n, first int64, rows [][]string) error {
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
		return emptyFile()
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
