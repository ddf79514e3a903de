package intake

import (
	"context"
	"sync"
	"time"
)

const (
	patience    = time.Minute // for a database that takes nothing at all
	enoughTried = 16          // refused one by one, and none taken: it is not the entries
)

// verdict is what halving a failing batch has found.
type verdict struct {
	refused []*item
	cause   error
	taken   int
}

// bisect halves a batch that fails until the entries that make it fail stand
// alone, and sets those aside. While the database takes nothing whatever (a
// table is missing, a right was lost) the fault is hardly theirs: then the
// delivery is to come again, for a minute.
func (in *Intake) bisect(ctx context.Context, items []*item, cause error) error {
	v := verdict{cause: cause}
	wait := in.sick.wait(items[0].Seq, time.Now())
	if err := in.halve(ctx, items, cause, wait, &v); err != nil {
		return err
	}
	if v.taken == 0 && wait {
		in.o.Log.Error("intake: the database refuses everything; trying again", "entries", len(items), "error", v.cause)
		return v.cause
	}
	for _, it := range v.refused {
		in.o.Log.Error("intake: the database refuses an entry", "account", it.head.Account, "enquiry", it.head.Enquiry, "seq", it.Seq, "place", it.Place, "error", v.cause)
		it.dead = ReasonRefused
	}
	return in.write(ctx, v.refused, true)
}

// halve writes what can be written of a batch that failed. The error is one
// that passes, or that of setting aside what was dead before.
func (in *Intake) halve(ctx context.Context, items []*item, cause error, wait bool, v *verdict) error {
	if wait && v.taken == 0 && len(v.refused) >= enoughTried {
		return nil
	}
	if len(items) == 1 {
		if items[0].dead != "" { // nothing is gained by more of it
			return cause
		}
		v.refused, v.cause = append(v.refused, items[0]), cause
		return nil
	}
	half := len(items) / 2
	for _, part := range [][]*item{items[:half], items[half:]} {
		err := in.write(ctx, part, true)
		switch {
		case err == nil:
			v.taken += len(part)
		case poisonous(ctx, err):
			err = in.halve(ctx, part, err, wait, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sickness remembers whether the database took anything since a message first
// failed.
type sickness struct {
	mu    sync.Mutex
	good  time.Time            // the last transaction that was committed
	first map[uint64]time.Time // by sequence number
}

func (s *sickness) committed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good = time.Now()
}

// wait says that the message should be tried again before it is judged.
func (s *sickness) wait(seq uint64, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, ok := s.first[seq]
	if !ok {
		if len(s.first) >= 1000 {
			clear(s.first)
		}
		s.first[seq] = now
		return true
	}
	return s.good.Before(first) && now.Sub(first) < patience
}
