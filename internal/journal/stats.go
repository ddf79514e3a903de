package journal

import (
	"sync/atomic"
	"time"
)

// Stats are counts since Open, and the queue as it is now.
type Stats struct {
	Appended       uint64 // entries acknowledged
	Commits        uint64 // messages
	Bytes          uint64 // of those messages
	Refused        uint64 // calls answered ErrBusy before anything was sent
	Failed         uint64 // calls whose commit failed
	Timeouts       uint64 // publications that were not answered in time
	Duplicates     uint64 // repeats that had been stored the first time
	Consumed       uint64 // entries handled
	Redelivered    uint64 // messages that came again
	Damaged        uint64 // entries whose checksum did not fit
	Trimmed        uint64 // messages removed by Trim
	Restarts       uint64 // of the embedded server, after a failed write
	ServerWarnings uint64 // and errors in the embedded server's log
	Gaps           uint64 // messages missing from the middle at Open
	WentBack       uint64 // acknowledged messages missing from the end at Open

	QueuedEntries int
	QueuedBytes   int
	CommitMicros  int64 // moving average
	Suspect       bool  // the server does not answer; nothing is taken
}

type counters struct {
	Appended, Commits, Bytes, Refused, Failed, Timeouts, Duplicates atomic.Uint64
	Consumed, Redelivered, Damaged, Trimmed                         atomic.Uint64
	Restarts, ServerWarnings, Gaps, WentBack                        atomic.Uint64
}

// Pressure is how long a new entry would wait, as a part of MaxWait: from 1 on
// it would be refused. It asks nobody.
func (j *Journal) Pressure() float64 {
	j.queue.mu.Lock()
	defer j.queue.mu.Unlock()
	return float64(j.queue.estimate(time.Now())) / float64(j.o.MaxWait)
}

// Stats reads the counters; it asks nobody.
func (j *Journal) Stats() Stats {
	c := &j.stats
	s := Stats{
		Appended: c.Appended.Load(), Commits: c.Commits.Load(), Bytes: c.Bytes.Load(),
		Refused: c.Refused.Load(), Failed: c.Failed.Load(), Timeouts: c.Timeouts.Load(),
		Duplicates: c.Duplicates.Load(), Consumed: c.Consumed.Load(), Redelivered: c.Redelivered.Load(),
		Damaged: c.Damaged.Load(), Trimmed: c.Trimmed.Load(), Restarts: c.Restarts.Load(),
		ServerWarnings: c.ServerWarnings.Load(), Gaps: c.Gaps.Load(), WentBack: c.WentBack.Load(),
		Suspect: j.keeper.suspect.Load(),
	}
	j.queue.mu.Lock()
	defer j.queue.mu.Unlock()
	s.QueuedEntries, s.QueuedBytes = j.queue.entries, j.queue.bytes
	s.CommitMicros = j.queue.commitTime.Microseconds()
	return s
}
