package capture

import (
	"sync"
	"time"

	"catchment/internal/snapshot"
)

// uses notes which keys' texts were used, each once a minute: what a lead costs
// for it is a look into a table.
type uses struct {
	mu     sync.RWMutex
	minute int64
	seen   map[snapshot.Hash]bool // in this minute
	news   []snapshot.Hash
}

func (u *uses) note(h snapshot.Hash, now time.Time) {
	minute := now.Unix() / 60
	u.mu.RLock()
	known := u.minute == minute && u.seen[h]
	u.mu.RUnlock()
	if known {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.minute != minute || u.seen == nil {
		u.minute, u.seen = minute, map[snapshot.Hash]bool{}
	}
	if !u.seen[h] {
		u.seen[h] = true
		u.news = append(u.news, h)
	}
}

// Used gives the hashes of the keys that were let in since it was asked last;
// one that is used all the time comes once a minute.
func (d *Door) Used() []snapshot.Hash {
	d.uses.mu.Lock()
	defer d.uses.mu.Unlock()
	out := d.uses.news
	d.uses.news = nil
	return out
}
