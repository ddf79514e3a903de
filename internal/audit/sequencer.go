package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/checkpoint"
	"catchment/internal/store"
	"catchment/internal/store/record"
)

const (
	placeEvery  = 400 * time.Millisecond // how often the sequencer looks
	placeMany   = 256                    // transactions placed at a time in an account
	signAfter   = 10 * time.Second       // how long a tree may have grown without a signature
	exportAfter = time.Minute            // how old a checkpoint may grow before one is exported
	manyAtATime = 100                    // accounts
)

// Sequencer gives committed entries their places in their account's tree, signs
// checkpoints where something changed, and has them exported. Several may run,
// on several nodes: whoever holds an account's head places.
type Sequencer struct {
	o SequencerOptions

	ctx     context.Context
	cancel  context.CancelFunc
	starts  sync.Once
	running sync.WaitGroup

	mu   sync.Mutex
	last map[account.ID]record.Checkpoint // that this process signed
}

// SequencerOptions say what a sequencer works with.
type SequencerOptions struct {
	DB  *store.DB
	Key func() checkpoint.Key // asked each time, as they are rotated
	// Own reads a checkpoint that this house signed.
	Own func(note string) (checkpoint.Checkpoint, error)
	// Export puts a checkpoint where SQL does not reach; it may be asked for
	// the same one twice. nil: nowhere.
	Export func(ctx context.Context, c checkpoint.Checkpoint, note string) error
	Log    *slog.Logger
	Now    func() time.Time // time.Now when nil
}

// ErrBroken says that what is in the database does not continue what was
// signed: somebody has changed the record. It is not signed any more.
var ErrBroken = errors.New("audit: the record was changed: its tree does not continue the last checkpoint")

// NewSequencer returns one that does nothing of itself before Start.
func NewSequencer(o SequencerOptions) *Sequencer {
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Sequencer{o: o, ctx: ctx, cancel: cancel, last: map[account.ID]record.Checkpoint{}}
}

// Start begins. After Stop it does nothing.
func (s *Sequencer) Start() { s.starts.Do(func() { s.running.Go(s.run) }) }

// Stop signs what is placed, has it exported, and returns when all is quiet.
func (s *Sequencer) Stop() {
	started := true
	s.starts.Do(func() { started = false })
	s.cancel()
	s.running.Wait()
	if !started {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	now := s.o.Now()
	err := s.Pass(ctx, now.Add(signAfter))
	err = errors.Join(err, s.each(ctx, due(record.ToExport, now.Add(2*exportAfter)), func(sc account.Scope) error { return s.export(ctx, sc, now) }))
	if err != nil {
		s.o.Log.Warn("audit: the record's last entries are signed and exported after the next start", "error", err)
	}
}

func (s *Sequencer) run() {
	t := time.NewTicker(placeEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return
		}
		if err := s.Pass(s.ctx, s.o.Now()); err != nil && s.ctx.Err() == nil {
			s.o.Log.Warn("audit: cannot place, sign or export", "error", err)
		}
	}
}

// Pass places, signs and exports once what is due at that time.
func (s *Sequencer) Pass(ctx context.Context, now time.Time) error {
	return errors.Join(
		s.each(ctx, record.ToPlace, func(sc account.Scope) error { _, err := s.place(ctx, sc, now); return err }),
		s.each(ctx, due(record.ToSign, now), func(sc account.Scope) error { return s.sign(ctx, sc, now) }),
		s.each(ctx, due(record.ToExport, now), func(sc account.Scope) error { return s.export(ctx, sc, now) }))
}

// Settle places and signs all that is committed in one account, now.
func (s *Sequencer) Settle(ctx context.Context, sc account.Scope) error {
	for {
		n, err := s.place(ctx, sc, s.o.Now())
		if err != nil {
			return err
		}
		if n < placeMany {
			return s.sign(ctx, sc, s.o.Now())
		}
	}
}

type lister func(d *store.Dir, limit int) ([]account.ID, error)

func due(f func(*store.Dir, time.Time, int) ([]account.ID, error), now time.Time) lister {
	return func(d *store.Dir, limit int) ([]account.ID, error) { return f(d, now, limit) }
}

// each does the work for the accounts listed; one that fails keeps no other
// from its turn.
func (s *Sequencer) each(ctx context.Context, list lister, f func(account.Scope) error) (err error) {
	var ids []account.ID
	err = s.o.DB.ReadDirectory(ctx, func(d *store.Dir) (err error) {
		ids, err = list(d, manyAtATime)
		return err
	})
	for _, id := range ids {
		if one := f(admit.To(id)); one != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", id, one))
		}
	}
	return err
}

// place gives entries their places; it returns how many transactions' entries.
func (s *Sequencer) place(ctx context.Context, sc account.Scope, now time.Time) (n int, err error) {
	err = s.o.DB.Write(ctx, sc, func(tx *store.Tx) error {
		h, fresh, err := record.HoldHead(tx)
		if err != nil {
			return err
		}
		var rows []record.Row
		if fresh {
			if rows, err = record.Unchained(tx); err != nil {
				return err
			}
		}
		list, err := record.Waiting(tx, placeMany)
		if err != nil {
			return err
		}
		n = len(list)
		for _, st := range list {
			more, err := record.Chain(tx, st)
			if err != nil {
				return err
			}
			if int64(len(more)) != st.Count { // the chain's gap stays and tells
				s.o.Log.Error("audit: ENTRIES OF THE RECORD ARE GONE", "account", sc.Account(), "writer", st.Writer, "from", st.N, "missing", st.Count-int64(len(more)))
			}
			rows = append(rows, more...)
			if err := record.Placed(tx, st); err != nil {
				return err
			}
		}
		return grow(tx, h, rows, now.Add(signAfter))
	})
	return n, err
}

// grow adds the rows to the held tree.
func grow(tx *store.Tx, h record.Head, rows []record.Row, signAt time.Time) error {
	if len(rows) == 0 {
		return nil
	}
	tree, err := checkpoint.NewTree(uint64(h.Size), h.Peaks)
	if err != nil {
		return err
	}
	leaves := make([]record.Leaf, len(rows))
	for i, r := range rows {
		leaf := entryOf(r).Leaf(tx.Account().String())
		leaves[i] = record.Leaf{Position: h.Size + int64(i), Event: r.ID, Hash: leaf[:]}
		if err := tree.Append(leaf); err != nil {
			return err
		}
	}
	if err := record.AddLeaves(tx, leaves); err != nil {
		return err
	}
	return record.Grow(tx, record.Head{Size: int64(tree.Size()), Peaks: tree.Peaks()}, signAt)
}

// sign makes a checkpoint of the tree if it has grown since the last one.
func (s *Sequencer) sign(ctx context.Context, sc account.Scope, now time.Time) error {
	var c record.Checkpoint
	err := s.o.DB.Write(ctx, sc, func(tx *store.Tx) error {
		h, fresh, err := record.HoldHead(tx)
		if err != nil || fresh {
			return err
		}
		base, err := s.base(tx)
		if err != nil {
			return err
		}
		tree, err := extend(tx, base, h)
		if err != nil {
			return err
		}
		if c = base; base.Size == h.Size && base.Note != "" {
			return nil
		}
		if c, err = s.checkpoint(tx, tree, now); err != nil {
			return err
		}
		return record.AddCheckpoint(tx, c, now.Add(exportAfter))
	})
	if err == nil && c.Note != "" {
		s.mu.Lock()
		s.last[sc.Account()] = c
		s.mu.Unlock()
	}
	return err
}

// base is the last checkpoint, and what this process remembers of it where
// that says more.
func (s *Sequencer) base(tx *store.Tx) (c record.Checkpoint, err error) {
	list, err := record.Checkpoints(tx, maxSize, 1)
	if err != nil {
		return c, err
	}
	if len(list) == 1 {
		c = list[0]
	}
	s.mu.Lock()
	mine, remembered := s.last[tx.Account()]
	s.mu.Unlock()
	if remembered && mine.Size >= c.Size {
		return mine, nil
	}
	if c.Note == "" {
		return c, nil
	}
	said, err := s.o.Own(c.Note)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	tree, err := checkpoint.NewTree(uint64(c.Size), c.Peaks)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	root, err := tree.Root()
	if err == nil && (root != said.Root || said.Size != uint64(c.Size) || said.Account != tx.Account().String()) {
		err = ErrBroken
	}
	return c, err
}

const maxSize = 1 << 62

// extend follows the leaves from the checkpoint to the head, which must be
// what they give.
func extend(tx *store.Tx, base record.Checkpoint, h record.Head) (*checkpoint.Tree, error) {
	tree, err := checkpoint.NewTree(uint64(base.Size), base.Peaks)
	if err != nil {
		return nil, err
	}
	for from := base.Size; from < h.Size; {
		list, err := record.Leaves(tx, from, min(from+placeMany, h.Size))
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			if l.Position != from || len(l.Hash) != len(checkpoint.Hash{}) {
				return nil, fmt.Errorf("%w, at position %d", ErrBroken, from)
			}
			if err := tree.Append(checkpoint.Hash(l.Hash)); err != nil {
				return nil, err
			}
			from++
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%w, at position %d", ErrBroken, from)
		}
	}
	if tree.Size() != uint64(h.Size) || string(tree.Peaks()) != string(h.Peaks) {
		return nil, fmt.Errorf("%w: it has %d entries, and %d were signed", ErrBroken, h.Size, base.Size)
	}
	return tree, nil
}

func (s *Sequencer) checkpoint(tx *store.Tx, tree *checkpoint.Tree, now time.Time) (c record.Checkpoint, err error) {
	root, err := tree.Root()
	if err != nil {
		return c, err
	}
	at := store.Clock(now)
	note, err := checkpoint.Checkpoint{Account: tx.Account().String(), Size: tree.Size(), Root: root, At: at}.Sign(s.o.Key())
	return record.Checkpoint{Size: int64(tree.Size()), At: at, Peaks: tree.Peaks(), Note: note}, err
}

// export puts the newest checkpoint outside. What fails is tried again.
func (s *Sequencer) export(ctx context.Context, sc account.Scope, now time.Time) error {
	var list []record.Checkpoint
	err := s.o.DB.Read(ctx, sc, func(tx *store.Tx) (err error) {
		list, err = record.Checkpoints(tx, maxSize, 1)
		return err
	})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return nil
	}
	retry := time.Time{}
	failed := s.send(ctx, list[0])
	if failed != nil {
		retry = now.Add(exportAfter)
	}
	err = s.o.DB.Write(ctx, sc, func(tx *store.Tx) error { return record.Exported(tx, list[0].Size, retry) })
	return errors.Join(failed, err)
}

func (s *Sequencer) send(ctx context.Context, c record.Checkpoint) error {
	if s.o.Export == nil {
		return nil
	}
	said, err := s.o.Own(c.Note)
	if err != nil {
		return err
	}
	return s.o.Export(ctx, said, c.Note)
}
