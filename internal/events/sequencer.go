package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/store"
	"catchment/internal/store/eventlog"
)

const (
	placeEvery = time.Second // how often the sequencer looks unasked
	placeRest  = 2 * time.Millisecond
	placeMany  = 256            // transactions placed at a time
	kept       = 24 * time.Hour // how long a placed event is kept
	trimEvery  = 10 * time.Minute
	trimMany   = 500
)

// Sequencer gives committed events their positions. Several may run, on
// several nodes: a compare-and-set on the account's head lets one of them win.
type Sequencer struct {
	db  *store.DB
	w   Waker
	log *slog.Logger

	poke    chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
	starts  sync.Once
	unwake  func()
	running sync.WaitGroup
}

// NewSequencer returns a sequencer that does nothing before Start.
func NewSequencer(db *store.DB, w Waker, log *slog.Logger) *Sequencer {
	ctx, cancel := context.WithCancel(context.Background())
	return &Sequencer{db: db, w: w, log: log, poke: make(chan struct{}, 1), ctx: ctx, cancel: cancel, unwake: func() {}}
}

// Start begins. After Stop it does nothing.
func (s *Sequencer) Start() {
	s.starts.Do(func() {
		if s.ctx.Err() != nil {
			return
		}
		stop, err := s.w.OnWake(emitted, func() {
			select {
			case s.poke <- struct{}{}:
			default:
			}
		})
		if err != nil {
			s.log.Warn("events: nobody wakes the sequencer; it looks now and then", "every", placeEvery, "error", err)
		} else {
			s.unwake = stop
		}
		s.running.Go(s.place)
		s.running.Go(s.trim)
	})
}

// Stop returns when all is quiet.
func (s *Sequencer) Stop() {
	s.cancel()
	s.starts.Do(func() {}) // a Start that comes later finds it done
	s.unwake()
	s.running.Wait()
}

func (s *Sequencer) place() {
	for s.ctx.Err() == nil {
		n, err := s.PlaceOnce(s.ctx)
		if err != nil && s.ctx.Err() == nil {
			s.log.Warn("events: cannot place events", "error", err)
			n = 0
		}
		if n == placeMany {
			continue
		}
		select {
		case <-s.poke:
		case <-time.After(placeEvery):
		case <-s.ctx.Done():
		}
		// Commits come in bursts; a short rest places several at once.
		time.Sleep(placeRest)
	}
}

// PlaceOnce gives positions to what is committed and has none, up to a number
// of transactions that it returns, and wakes the followers of their accounts.
func (s *Sequencer) PlaceOnce(ctx context.Context) (n int, err error) {
	var batches []eventlog.Unplaced
	err = s.db.ReadDirectory(ctx, func(d *store.Dir) error {
		batches, err = eventlog.ListUnplaced(d, placeMany)
		return err
	})
	if err != nil || len(batches) == 0 {
		return 0, err
	}
	err = s.db.Directory(ctx, func(d *store.Dir) error {
		// Listed again here: another node may have placed some meanwhile.
		batches, err = eventlog.ListUnplaced(d, placeMany)
		if err != nil {
			return err
		}
		for _, part := range byAccount(batches) {
			if err := eventlog.Place(d, part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, part := range byAccount(batches) {
		_ = s.w.Wake(placed(part[0].Account)) // followers also look unasked
	}
	return len(batches), nil
}

// byAccount cuts batches that are ordered by account.
func byAccount(batches []eventlog.Unplaced) (parts [][]eventlog.Unplaced) {
	from := 0
	for i := range batches {
		if i+1 == len(batches) || batches[i+1].Account != batches[from].Account {
			parts = append(parts, batches[from:i+1])
			from = i + 1
		}
	}
	return parts
}

func (s *Sequencer) trim() {
	t := time.NewTicker(trimEvery)
	defer t.Stop()
	for {
		if err := s.Trim(s.ctx, time.Now()); err != nil && s.ctx.Err() == nil {
			s.log.Warn("events: cannot delete old events", "error", err)
		}
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// Trim deletes, in every account, events older than 24 hours that all
// followers in the database have read.
func (s *Sequencer) Trim(ctx context.Context, now time.Time) error {
	var after account.ID
	for {
		var ids []account.ID
		err := s.db.ReadDirectory(ctx, func(d *store.Dir) (err error) {
			ids, err = eventlog.Accounts(d, after, trimMany)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := s.trimAccount(ctx, admit.To(id), now.Add(-kept)); err != nil {
				return err
			}
		}
		after = ids[len(ids)-1]
	}
}

// trimAccount deletes little at a time: others write, too.
func (s *Sequencer) trimAccount(ctx context.Context, scope account.Scope, olderThan time.Time) error {
	for {
		var n int64
		err := s.db.Read(ctx, scope, func(tx *store.Tx) (err error) {
			n, err = eventlog.Trimmable(tx, olderThan, trimMany)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		if err := s.db.Write(ctx, scope, func(tx *store.Tx) error { return eventlog.Trim(tx, n) }); err != nil {
			return err
		}
	}
}
