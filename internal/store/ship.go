package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Shipping reads what is committed in SQLite from its log, piece by piece, so
// that it can be kept elsewhere: a copy of the file and all pieces since give
// the database as it was at the last one. While it lasts nobody but Shipping
// moves the log into the file; that is done while no writer is at work and
// after all of it has been read. Whether somebody else has done it all the
// same, another program at the file, is seen by the log's salt: ErrGap.
//
// Its methods are not for concurrent use.
type Shipping struct {
	b    *liteBackend
	path string

	mu      sync.Mutex // Scrub empties the log, too
	pending [][]byte   // pieces that were read while the log was emptied
	head    walHeader  // of the round of the log that is read
	at      int64      // where it goes on
	sum     walSum
}

var (
	// ErrGap says that a part of the log was never seen: begin again.
	ErrGap = errors.New("store: a part of the log was not seen")
	// ErrNotSQLite says that the engine ships its log by itself.
	ErrNotSQLite = errors.New("store: only SQLite's log is shipped")
)

const (
	pieceMost  = 32 << 20 // bytes of log that go into one piece, about
	shipNormal = 10000    // frames after which SQLite moves its log by itself, see sqliteDSN
)

// Ship begins. ErrBusy: a long reader holds the log; try again later. Close
// ends it.
func (d *DB) Ship(ctx context.Context, path string) (*Shipping, error) {
	b, ok := d.b.(*liteBackend)
	if !ok {
		return nil, ErrNotSQLite
	}
	s := &Shipping{b: b, path: path}
	err := b.alone(ctx, func(c *liteConn) error {
		if b.ship != nil {
			return errors.New("store: the log is being shipped already")
		}
		if err := c.setAutocheckpoint(ctx, 0); err != nil {
			return err
		}
		if err := s.start(ctx, c); err != nil {
			return errors.Join(err, c.setAutocheckpoint(ctx, shipNormal))
		}
		b.ship = s
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// start has everything in the file, and knows the log by its salt, without
// which a gap right after it could not be told. An empty log has none.
func (s *Shipping) start(ctx context.Context, c *liteConn) error {
	if err := c.touch(ctx); err != nil {
		return err
	}
	h, err := s.header()
	if err != nil {
		return err
	}
	s.round(h)
	if err := s.moved(ctx, c, "RESTART"); err != nil {
		return err
	}
	if s.head.salt == h.salt {
		return fmt.Errorf("store: ship: %w", ErrBusy)
	}
	s.pending = nil // it is in the file
	return nil
}

// Close lets SQLite move its log by itself again.
func (s *Shipping) Close() error {
	return s.b.alone(context.Background(), func(c *liteConn) error {
		s.b.ship = nil
		return c.setAutocheckpoint(context.Background(), shipNormal)
	})
}

// Copy writes the file. What is moved into it meanwhile may be in the copy or
// not: it is a database once all is applied that Next gives until the copy is
// made and Next has given nil.
func (s *Shipping) Copy(ctx context.Context, w io.Writer) error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("store: ship: %w", err)
	}
	defer f.Close()
	_, err = io.Copy(w, readerOf(ctx, f))
	return err
}

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func readerOf(ctx context.Context, r io.Reader) io.Reader { return ctxReader{ctx, r} }

// Read implements io.Reader until the context ends.
func (r ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// Next gives the next piece, nil when all that is committed has been given.
func (s *Shipping) Next() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > 0 {
		piece := s.pending[0]
		s.pending = s.pending[1:]
		return piece, nil
	}
	return s.read()
}

// Size is how many bytes of log there are since the last Move.
func (s *Shipping) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *Shipping) read() ([]byte, error) {
	f, err := os.Open(s.path + "-wal")
	if err != nil {
		return nil, fmt.Errorf("store: ship: %w", err)
	}
	defer f.Close()
	h, err := readWALHeader(f)
	if err != nil || h.salt != s.head.salt {
		return nil, errors.Join(ErrGap, err)
	}
	list, at, sum, err := h.frames(f, s.at, s.sum, pieceMost)
	if err != nil {
		return nil, fmt.Errorf("store: ship: %w", err)
	}
	s.at, s.sum = at, sum
	return pieceOf(h.page, list), nil
}

func (s *Shipping) round(h walHeader) { s.head, s.at, s.sum = h, walHead, h.sum }

// Move moves the log into the file, so that it can begin anew. Writers wait
// meanwhile. ErrBusy: readers held a part of it, which is no harm.
func (s *Shipping) Move(ctx context.Context) error {
	return s.b.alone(ctx, func(c *liteConn) error { return s.moved(ctx, c, "RESTART") })
}

// moved reads what is left and moves it; no writer is at work.
func (s *Shipping) moved(ctx context.Context, c *liteConn, how string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		piece, err := s.read()
		if err != nil {
			return err
		}
		if piece == nil {
			break
		}
		s.pending = append(s.pending, piece)
	}
	all, err := c.checkpoint(ctx, how)
	if err != nil && !errors.Is(err, ErrBusy) || !all {
		return err
	}
	// The next writer begins the log anew, unless readers are still at it: a
	// write of our own tells, before anybody else's does.
	if fault := c.touch(ctx); fault != nil {
		return errors.Join(err, fault)
	}
	h, fault := s.header()
	switch {
	case fault != nil:
		return errors.Join(err, fault)
	case h.salt == s.head.salt: // they are
	case h.salt[0] == s.head.salt[0]+1 && h.page == s.head.page:
		s.round(h)
	default:
		return errors.Join(err, ErrGap)
	}
	return err
}

func (s *Shipping) header() (walHeader, error) {
	f, err := os.Open(s.path + "-wal")
	if err != nil {
		return walHeader{}, fmt.Errorf("store: ship: %w", err)
	}
	defer f.Close()
	h, err := readWALHeader(f)
	if err != nil {
		return walHeader{}, fmt.Errorf("store: ship: %w", err)
	}
	return h, nil
}

// touch writes to the log and changes nothing.
func (c *liteConn) touch(ctx context.Context) error {
	var version int
	err := c.c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	if err == nil {
		_, err = c.c.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
	}
	if err != nil {
		return fmt.Errorf("store: ship: %w", err)
	}
	return nil
}

func (c *liteConn) setAutocheckpoint(ctx context.Context, frames int) error {
	var now int
	return c.c.QueryRowContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", frames)).Scan(&now)
}

// readersWait is how long a checkpoint waits for readers.
var readersWait = 500 * time.Millisecond

// checkpoint moves the log into the file; all says that nothing of it is left.
// Leads wait behind the writer: it waits for readers for a moment only, and
// then returns ErrBusy.
func (c *liteConn) checkpoint(ctx context.Context, how string) (all bool, err error) {
	if _, err := c.c.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", readersWait.Milliseconds())); err != nil {
		return false, fmt.Errorf("store: checkpoint: %w", err)
	}
	var busy, frames, moved int
	err = c.c.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+how+")").Scan(&busy, &frames, &moved)
	if _, reset := c.c.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = 10000"); err == nil {
		err = reset
	}
	if err != nil {
		return false, fmt.Errorf("store: checkpoint: %w", err)
	}
	if busy != 0 {
		err = fmt.Errorf("store: the log is being read: %w", ErrBusy)
	}
	return frames == moved && frames >= 0, err
}
