package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"

	"catchment/internal/account"
	"catchment/internal/checkpoint"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/record"
)

const (
	exportPage = 500
	maxStrays  = 1000
)

// State is how an account's record stands.
type State struct {
	Size    int64 // entries in the tree
	Waiting int64 // entries that have no place yet
	Signed  checkpoint.Checkpoint
	Note    string // the newest checkpoint; "": nothing is signed yet
}

// State reads it. A checkpoint that is not this house's is none.
func (s *Sequencer) State(tx *store.Tx) (out State, err error) {
	h, err := record.HeadOf(tx)
	if err != nil {
		return out, err
	}
	out.Size = h.Size
	list, err := record.Waiting(tx, placeMany)
	if err != nil {
		return out, err
	}
	for _, st := range list {
		out.Waiting += st.Count
	}
	last, err := record.Checkpoints(tx, maxSize, 1)
	if err != nil || len(last) == 0 {
		return out, err
	}
	if c, err := s.o.Own(last[0].Note); err == nil {
		out.Signed, out.Note = c, last[0].Note
	}
	return out, nil
}

// Export writes an account's record from a place on, with its checkpoints, for
// checkpoint.Verify; docs/audit.md has the form. What is committed is placed
// and signed first. from is 0, or the size of a checkpoint: else 422. A record
// that somebody has changed is exported as it is, for a verifier to judge.
func (s *Sequencer) Export(ctx context.Context, sc account.Scope, from int64, w io.Writer) error {
	if err := s.Settle(ctx, sc); err != nil && !errors.Is(err, ErrBroken) {
		return err
	}
	buffer := bufio.NewWriterSize(w, 1<<15)
	x := export{s: s, ctx: ctx, sc: sc, out: json.NewEncoder(buffer)}
	x.out.SetEscapeHTML(false)
	if err := x.begin(from); err != nil {
		return err
	}
	for x.at < x.size {
		if err := x.page(); err != nil {
			return err
		}
	}
	if err := x.end(); err != nil {
		return err
	}
	return buffer.Flush()
}

type export struct {
	s       *Sequencer
	ctx     context.Context
	sc      account.Scope
	out     *json.Encoder
	at      int64 // the next place
	size    int64
	notes   []record.Checkpoint // that are still to come, by size
	strays  []record.Row
	entries uint64
}

func (x *export) begin(from int64) error {
	b := checkpoint.Begin{Kind: "begin", Format: checkpoint.Format, Account: x.sc.Account().String(), Peaks: []checkpoint.Hash{}}
	err := x.s.o.DB.Read(x.ctx, x.sc, func(tx *store.Tx) (err error) {
		h, err := record.HeadOf(tx)
		if err != nil {
			return err
		}
		x.size = h.Size
		if x.strays, err = record.Strays(tx, maxStrays); err != nil {
			return err
		}
		x.at = from
		var base record.Checkpoint
		if from > 0 {
			base, err = record.CheckpointAt(tx, from)
			if errors.Is(err, store.ErrNone) || from > x.size {
				return problem.InvalidField("from", "no_checkpoint", "Send 0, or the size of a checkpoint of an earlier export.")
			}
			if err != nil {
				return err
			}
			for p := base.Peaks; len(p) >= len(checkpoint.Hash{}); p = p[len(checkpoint.Hash{}):] {
				b.Peaks = append(b.Peaks, checkpoint.Hash(p[:len(checkpoint.Hash{})]))
			}
			x.notes = append(x.notes, base)
		}
		more, err := record.CheckpointsBetween(tx, from, maxSize)
		x.notes = append(x.notes, more...)
		return err
	})
	if err != nil {
		return err
	}
	b.From, b.Size = uint64(from), uint64(x.size)
	if err := x.out.Encode(b); err != nil {
		return err
	}
	return x.signed()
}

// signed writes the checkpoints of the tree so far.
func (x *export) signed() error {
	for len(x.notes) > 0 && x.notes[0].Size <= x.at {
		if err := x.out.Encode(checkpoint.Noted{Kind: "checkpoint", Note: x.notes[0].Note}); err != nil {
			return err
		}
		x.notes = x.notes[1:]
	}
	return nil
}

// page writes the next entries. Places are never given anew, so pages need not
// be read at one moment.
func (x *export) page() error {
	var list []record.Leaf
	until := min(x.at+exportPage, x.size)
	err := x.s.o.DB.Read(x.ctx, x.sc, func(tx *store.Tx) (err error) {
		list, err = record.Leaves(tx, x.at, until)
		return err
	})
	if err != nil {
		return err
	}
	for _, l := range list {
		if err := x.leaf(l); err != nil {
			return err
		}
		x.at = l.Position + 1
		if err := x.signed(); err != nil {
			return err
		}
	}
	x.at = until // what is missing there shows in the positions
	return x.signed()
}

func (x *export) leaf(l record.Leaf) error {
	x.entries++
	var hash checkpoint.Hash
	copy(hash[:], l.Hash)
	if l.Row == nil {
		return x.out.Encode(checkpoint.Missing{Kind: "missing", Position: uint64(l.Position), LeafHash: hash, ID: l.Event.String()})
	}
	return x.out.Encode(checkpoint.EntryLine{Kind: "entry", Position: uint64(l.Position), LeafHash: hash, Entry: entryOf(*l.Row)})
}

func (x *export) end() error {
	for _, n := range x.notes { // of a larger tree than there is
		if err := x.out.Encode(checkpoint.Noted{Kind: "checkpoint", Note: n.Note}); err != nil {
			return err
		}
	}
	for _, r := range x.strays {
		if err := x.out.Encode(checkpoint.EntryLine{Kind: "stray", Entry: entryOf(r)}); err != nil {
			return err
		}
	}
	return x.out.Encode(checkpoint.End{Kind: "end", Entries: x.entries, Strays: uint64(len(x.strays))})
}
