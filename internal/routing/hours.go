package routing

import (
	"sync"
	"time"

	"catchment/internal/store/offers"
)

// hoursCache remembers Working's answers, which hold until the next change:
// two hundred people mostly share a few patterns, and a round asks for all.
type hoursCache struct {
	sync.Mutex
	known map[string]knownHours
}

type knownHours struct {
	Hours
	from, until time.Time
}

const (
	hoursKept = 4096
	hoursFor  = 10 * time.Minute
)

func (c *hoursCache) of(shifts []offers.Shift, off []offers.Off, zone *time.Location, at time.Time) Hours {
	if len(shifts) == 0 {
		return Hours{}
	}
	key := hoursKey(shifts, off, zone)
	c.Lock()
	k, ok := c.known[key]
	c.Unlock()
	if ok && !at.Before(k.from) && at.Before(k.until) {
		return k.Hours
	}
	h := Working(shifts, off, zone, at)
	k = knownHours{h, at, at.Add(hoursFor)}
	if !h.Next.IsZero() && h.Next.Before(k.until) {
		k.until = h.Next
	}
	c.Lock()
	defer c.Unlock()
	if c.known == nil || len(c.known) >= hoursKept {
		c.known = map[string]knownHours{}
	}
	c.known[key] = k
	return h
}

func hoursKey(shifts []offers.Shift, off []offers.Off, zone *time.Location) string {
	b := make([]byte, 0, len(shifts)*5+32)
	for _, s := range shifts {
		b = append(b, byte(s.Weekday), byte(s.Start>>8), byte(s.Start), byte(s.End>>8), byte(s.End))
	}
	for _, o := range off {
		b = append(append(b, o.From...), o.Until...)
	}
	return string(append(b, zone.String()...))
}
