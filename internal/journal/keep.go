package journal

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Recent gives f the newest entries, newest message first, until maxEntries
// have been given or f has seen all.
func (j *Journal) Recent(ctx context.Context, maxEntries int, f func(seq uint64, r Record)) error {
	info, err := j.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("journal: state: %w", err)
	}
	hi, first := info.State.LastSeq, max(info.State.FirstSeq, 1)
	chunk := uint64(16)
	for left := maxEntries; left > 0 && hi >= first && info.State.Msgs > 0; {
		lo := first
		if hi-first >= chunk {
			lo = hi - chunk + 1
		}
		msgs, bytes, err := j.chunk(ctx, lo, hi)
		if err != nil {
			return err
		}
		given := 0
		for i := len(msgs) - 1; i >= 0 && left > 0; i-- {
			for _, r := range msgs[i].Entries {
				f(msgs[i].Seq, r)
				given++
			}
			left -= len(msgs[i].Entries)
		}
		chunk = nextChunk(chunk, given, left, bytes)
		hi = lo - 1
	}
	return nil
}

// nextChunk is how many messages to read next: as many as seem to hold what
// is left, not much over 32 MiB.
func nextChunk(was uint64, entries, left, bytes int) uint64 {
	n := was * uint64(max(left, 0)) / uint64(max(entries, 1))
	n = min(n, was*(32<<20)/uint64(max(bytes, 1)))
	return min(max(n, 16), 4096)
}

func (j *Journal) chunk(ctx context.Context, lo, hi uint64) (msgs []Message, bytes int, err error) {
	err = j.scan(ctx, lo, false, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
		if meta.Sequence.Stream > hi {
			return false
		}
		if msg, ok := j.read(m); ok {
			msgs = append(msgs, msg)
			bytes += len(m.Data())
		}
		return meta.Sequence.Stream < hi
	})
	return msgs, bytes, err
}

// Trim removes the oldest messages that the reader is done with (up to and
// with upTo, its cursor, and acknowledged by every durable reader) and that
// are also older than keepAge, or beyond the newest keepBytes. It returns
// how many went.
func (j *Journal) Trim(ctx context.Context, upTo uint64, keepAge time.Duration, keepBytes int64) (int, error) {
	floor, _, err := j.readers(ctx)
	if err != nil {
		return 0, err
	}
	info, err := j.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("journal: state: %w", err)
	}
	upTo = min(upTo, floor)
	excess := int64(info.State.Bytes) - keepBytes
	cutoff := time.Now().Add(-keepAge)
	if excess <= 0 && !info.State.FirstTime.Before(cutoff) {
		return 0, nil // the usual case; even to look costs the server a block of the store in memory
	}
	gone, below := 0, uint64(0)
	err = j.scan(ctx, 0, true, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
		seq := meta.Sequence.Stream
		if seq > upTo || (excess <= 0 && !meta.Timestamp.Before(cutoff)) {
			return false
		}
		excess -= storedSize(m)
		gone, below = gone+1, seq+1
		return true
	})
	if err != nil || gone == 0 {
		return 0, err
	}
	if err := j.stream.Purge(ctx, jetstream.WithPurgeSequence(below)); err != nil {
		return 0, fmt.Errorf("journal: trim: %w", err)
	}
	j.stats.Trimmed.Add(uint64(gone))
	return gone, nil
}

// storedSize of a message of which only the headers came.
func storedSize(m jetstream.Msg) int64 {
	n, _ := strconv.ParseInt(m.Headers().Get("Nats-Msg-Size"), 10, 64)
	return n + 100
}

// readers gives the sequence number up to which every durable reader has
// acknowledged, and how many messages the slowest has before it. Without a
// reader the floor is the end of the journal.
func (j *Journal) readers(ctx context.Context) (floor, pending uint64, err error) {
	floor = 1<<64 - 1
	list := j.stream.ListConsumers(ctx)
	for c := range list.Info() {
		if c.Config.Durable == "" {
			continue
		}
		floor = min(floor, c.AckFloor.Stream)
		pending = max(pending, c.NumPending+uint64(c.NumAckPending))
	}
	if err := list.Err(); err != nil {
		return 0, 0, fmt.Errorf("journal: readers: %w", err)
	}
	return floor, pending, nil
}

// State is what there is in the journal. The unacknowledged figures are those
// of its slowest durable reader.
type State struct {
	First, Last   uint64 // sequence numbers; Last < First when empty
	Messages      uint64
	Bytes         int64
	Pending       uint64        // messages not yet acknowledged
	OldestUnacked time.Duration // age; 0 when nothing is pending
	FreeDisk      int64         // above the watermark; -1 with an external server
	Missing       uint64        // messages gone from the middle
	Since         time.Time     // when the oldest message came; zero without one
}

// State asks the server.
func (j *Journal) State(ctx context.Context) (State, error) {
	info, err := j.stream.Info(ctx)
	if err != nil {
		return State{}, fmt.Errorf("journal: state: %w", err)
	}
	j.sawSeq(info.State.LastSeq)
	s := State{
		First: info.State.FirstSeq, Last: info.State.LastSeq, Messages: info.State.Msgs,
		Bytes: int64(info.State.Bytes), Missing: uint64(info.State.NumDeleted), FreeDisk: -1,
	}
	if s.Messages > 0 {
		s.Since = info.State.FirstTime
	}
	if j.server != nil {
		s.FreeDisk = j.queue.freeNow()
	}
	floor, pending, err := j.readers(ctx)
	if err != nil || pending == 0 {
		return s, err
	}
	s.Pending = pending
	err = j.scan(ctx, floor+1, true, func(_ jetstream.Msg, meta *jetstream.MsgMetadata) bool {
		s.OldestUnacked = time.Since(meta.Timestamp)
		return false
	})
	return s, err
}

// Report is what Verify found.
type Report struct {
	Messages, Entries int
	Damaged           int    // entries or messages whose checksum does not fit
	Broken            int    // links of a writer's chain that do not fit
	Missing           uint64 // sequence numbers that are not there
}

// Whole reports whether nothing is wrong.
func (r Report) Whole() bool { return r.Damaged == 0 && r.Broken == 0 && r.Missing == 0 }

// Verify reads the whole journal and checks every entry, every link between
// the commits of a writer, and that no sequence number is missing between the
// first and the last.
func (j *Journal) Verify(ctx context.Context) (Report, error) {
	var rep Report
	var next uint64
	links := make(map[[16]byte]chain)
	err := j.scan(ctx, 0, false, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
		rep.Messages++
		if seq := meta.Sequence.Stream; next != 0 && seq > next {
			rep.Missing += seq - next
		}
		next = meta.Sequence.Stream + 1
		h, records, err := decodeBatch(m.Data())
		if err != nil {
			rep.Damaged++
			return true
		}
		for i := range records {
			rep.Entries++
			if records[i].Err != nil {
				rep.Damaged++
			}
		}
		if want, seen := links[h.Writer]; seen && (h.Number != want.number || h.Prev != want.prev) {
			rep.Broken++
		}
		links[h.Writer] = chain{number: h.Number + 1, prev: sha256.Sum256(m.Data())}
		return true
	})
	return rep, err
}
