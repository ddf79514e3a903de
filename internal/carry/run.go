package carry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"catchment/internal/account"
	"catchment/internal/jobs"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/store/leads"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

const faultsKept = 100

// outcome is what became of a row, as it is kept: nothing personal.
type outcome struct {
	Was     string `json:"o"`           // taken, duplicate, refused
	Enquiry string `json:"e,omitempty"` // of the first two
	Column  int    `json:"n,omitempty"` // of the last
	Field   string `json:"f,omitempty"`
	Code    string `json:"c,omitempty"`
}

const (
	wasTaken     = "taken"
	wasDuplicate = "duplicate"
	wasRefused   = "refused"
)

// run is one import being worked on.
type run struct {
	c      *Carrier
	scope  account.Scope
	m      *files.Import
	plan   *plan
	faults []Fault
	given  []given // what intake may not have taken yet, oldest first
	pace   pace
}

// runImport works on an import, piece after piece, until it is done or
// cancelled. Stopped anywhere, it goes on with the first piece that was not
// done; what that piece had given to the journal before is given again, and
// intake knows it.
func (c *Carrier) runImport(ctx context.Context, j jobs.Job) error {
	id, err := lead.ParseImportID(j.Key)
	if err != nil {
		return err
	}
	r := &run{c: c, scope: j.Scope}
	for {
		if r.m, err = c.load(ctx, j.Scope, id); err != nil || r.m.State != Checking && r.m.State != Running {
			return err
		}
		if r.m.Next > r.m.Chunks {
			return r.finish(ctx, j)
		}
		if err := r.step(ctx); err != nil {
			return fmt.Errorf("carry: %s, piece %d: %w", id, r.m.Next, err)
		}
	}
}

func (c *Carrier) load(ctx context.Context, s account.Scope, id lead.ImportID) (m *files.Import, err error) {
	err = c.DB.Read(ctx, s, func(tx *store.Tx) error {
		m, err = files.GetImport(tx, id)
		return err
	})
	return m, err
}

func (r *run) finish(ctx context.Context, j jobs.Job) error {
	if r.m.State == Running {
		for _, g := range r.given {
			if _, err := r.wait(ctx, g.last); err != nil {
				return err
			}
		}
	}
	return r.c.DB.Write(ctx, r.scope, func(tx *store.Tx) error {
		if r.m.State == Checking {
			if err := files.Checked(tx, r.m.ID); err != nil {
				return err
			}
			return j.Done(tx)
		}
		now := time.Now()
		ok, err := files.Finish(tx, r.m.ID, Done, now)
		if err != nil || !ok {
			return err
		}
		counts := map[string]int64{"rows": r.m.Done, "taken": r.m.Taken, "duplicates": r.m.Duplicates, "refused": r.m.Refused}
		if err := record(tx, now, "system:carry", "import.done", r.m.ID.String(), counts); err != nil {
			return err
		}
		return j.Done(tx)
	})
}

// step does one piece.
func (r *run) step(ctx context.Context) error {
	if r.plan == nil {
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	entries, err := r.read(ctx)
	if err != nil {
		return err
	}
	var outcomes []outcome
	if r.m.State == Checking {
		outcomes, err = r.judge(ctx, entries)
	} else {
		outcomes, err = r.take(ctx, entries)
	}
	if err != nil {
		return err
	}
	return r.note(ctx, entries, outcomes)
}

func (r *run) begin(ctx context.Context) error {
	head, _, err := r.piece(ctx, 0)
	if err != nil {
		return err
	}
	if len(head) != 1 {
		return errors.New("the line of columns is missing")
	}
	keys, err := r.c.Accounts.Get(ctx, r.scope.Account())
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(r.m.Faults), &r.faults); err != nil {
		return err
	}
	return r.c.DB.Read(ctx, r.scope, func(tx *store.Tx) (err error) {
		r.plan, err = r.c.plan(tx, r.m, head[0], keys.CaptureIDKey())
		return err
	})
}

// piece opens a piece of the file, on the record.
func (r *run) piece(ctx context.Context, n int64) (rows [][]string, first int64, err error) {
	var p files.Chunk
	err = r.c.DB.Read(ctx, r.scope, func(tx *store.Tx) (err error) {
		p, err = files.GetChunk(tx, r.m.ID, n)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	text, err := r.c.open(ctx, r.c.Files, r.scope, r.m.By, forImport, vault.Sealed{
		Binding: place(files.ChunkTable, r.m.ID.UUID(), n), Subject: vault.Subject(r.m.ID.UUID()), Data: p.Data})
	if err != nil {
		return nil, 0, err
	}
	return rows, p.FirstRow, json.Unmarshal([]byte(text), &rows)
}

func (c *Carrier) open(ctx context.Context, o Opener, s account.Scope, actor string, purpose vault.Purpose, sealed vault.Sealed) (string, error) {
	opened, err := o.Open(ctx, s, actor, purpose, sealed)
	if err != nil {
		return "", err
	}
	if opened.States[0] != keyring.Clear {
		return "", errPiece
	}
	return reveal.Text(opened.Values[0]), nil
}

var errPiece = errors.New("a piece of the file does not open")

func (r *run) read(ctx context.Context) ([]entry, error) {
	rows, first, err := r.piece(ctx, r.m.Next)
	if err != nil {
		return nil, err
	}
	user := func(email string) (id account.UserID, err error) {
		err = r.c.DB.Read(ctx, r.scope, func(tx *store.Tx) error {
			id, err = r.c.User(tx, email)
			return err
		})
		return id, err
	}
	r.plan.now = store.Clock(time.Now())
	out := make([]entry, len(rows))
	for i, row := range rows {
		if out[i], err = r.plan.read(first+int64(i), row, user); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// judge says what would become of the rows.
func (r *run) judge(ctx context.Context, entries []entry) (out []outcome, err error) {
	err = r.c.DB.Read(ctx, r.scope, func(tx *store.Tx) error {
		known, err := known(tx, entries)
		out = judged(entries, known)
		return err
	})
	return out, err
}

// known tells which of the rows have an enquiry already.
func known(tx *store.Tx, entries []entry) (map[lead.EnquiryID]lead.EnquiryState, error) {
	var ids []lead.EnquiryID
	for _, e := range entries {
		if e.fault == nil {
			ids = append(ids, e.id)
		}
	}
	return leads.EnquiryStates(tx, ids)
}

// judged says what becomes of the rows when those in known are there already.
func judged(entries []entry, known map[lead.EnquiryID]lead.EnquiryState) []outcome {
	out := make([]outcome, len(entries))
	seen := map[lead.EnquiryID]bool{}
	for i, e := range entries {
		switch {
		case e.fault != nil:
			out[i] = outcome{Was: wasRefused, Column: e.fault.Column, Field: e.fault.Field, Code: e.fault.Code}
		case known[e.id] != "" || seen[e.id]:
			out[i] = outcome{Was: wasDuplicate, Enquiry: e.id.String()}
		default:
			seen[e.id] = true
			out[i] = outcome{Was: wasTaken, Enquiry: e.id.String()}
		}
	}
	return out
}

// take decides what becomes of a piece's rows, keeps that, and gives those to
// the journal that are new. It is kept first: a second try must not take what
// the first one gave to the journal for duplicates.
func (r *run) take(ctx context.Context, entries []entry) (outcomes []outcome, err error) {
	err = r.c.DB.Write(ctx, r.scope, func(tx *store.Tx) error {
		_, text, err := files.Result(tx, r.m.ID, r.m.Next)
		if err == nil {
			return json.Unmarshal([]byte(text), &outcomes)
		}
		if !errors.Is(err, store.ErrNone) {
			return err
		}
		known, err := known(tx, entries)
		if err != nil {
			return err
		}
		outcomes = judged(entries, known)
		b, err := json.Marshal(outcomes)
		if err != nil {
			return err
		}
		return files.AddResult(tx, r.m.ID, r.m.Next, entries[0].row, string(b))
	})
	if err != nil {
		return nil, err
	}
	if len(outcomes) != len(entries) {
		return nil, errors.New("the rows and their outcomes differ in number")
	}
	return outcomes, r.give(ctx, entries, outcomes)
}

func (r *run) give(ctx context.Context, entries []entry, outcomes []outcome) error {
	var out []journal.Entry
	var ids []lead.EnquiryID
	for i, e := range entries {
		if e.fault != nil || outcomes[i].Was != wasTaken {
			continue
		}
		x, err := r.seal(e)
		if err != nil {
			return err
		}
		out, ids = append(out, x), append(ids, e.id)
	}
	for len(out) > 0 {
		if err := r.turn(ctx); err != nil {
			return err
		}
		n := min(len(out), r.pace.rows())
		if err := r.append(ctx, out[:n]); err != nil {
			return err
		}
		r.given = append(r.given, given{ids[n-1], time.Now()})
		out, ids = out[n:], ids[n:]
	}
	return nil
}

// append gives entries to the journal, and waits as long as it is busy.
func (r *run) append(ctx context.Context, out []journal.Entry) error {
	for {
		_, err := r.c.Journal.AppendAll(ctx, out)
		var busy journal.ErrBusy
		if !errors.As(err, &busy) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(busy.RetryAfter, 100*time.Millisecond)):
		}
	}
}

func (r *run) seal(e entry) (journal.Entry, error) {
	head := submission.Header{Account: r.scope.Account(), Enquiry: e.id, Source: r.m.Source, Project: e.project, ReceivedAt: e.at,
		Format: submission.AsForm, ContentType: formType, History: e.past != nil, BodyMAC: submission.MACBody(r.plan.key, e.body)}
	var salt [16]byte
	rand.Read(salt[:])
	var plain []byte
	if e.past != nil {
		plain = submission.AppendPast(nil, salt, e.body, e.past)
	} else {
		plain = submission.AppendPayload(nil, salt, e.body, "", "", "", "")
	}
	aad := head.Append(nil)
	box, data, err := r.c.Seal(r.scope.Account(), plain, aad)
	return journal.Entry{Box: box, Data: append(aad, data...)}, err
}

// note says that the piece is done. When it is not ours to say (done by
// another), the import is loaded again.
func (r *run) note(ctx context.Context, entries []entry, outcomes []outcome) error {
	s := files.Step{Rows: int64(len(entries))}
	for i, o := range outcomes {
		switch o.Was {
		case wasTaken:
			s.Taken++
		case wasDuplicate:
			s.Duplicates++
		default:
			s.Refused++
			if len(r.faults) < faultsKept {
				r.faults = append(r.faults, Fault{entries[i].row, o.Column, o.Field, o.Code})
			}
		}
	}
	b, err := json.Marshal(append([]Fault{}, r.faults...))
	if err != nil {
		return err
	}
	s.Faults = string(b)
	return r.c.DB.Write(ctx, r.scope, func(tx *store.Tx) error {
		_, err := files.Progress(tx, r.m.ID, r.m.State, r.m.Next, s)
		return err
	})
}
