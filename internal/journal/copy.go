package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Copied is what CopyTo did and found.
type Copied struct {
	Messages, Written uint64 // on both sides; by this call
	First, Last       uint64 // sequence numbers, the same on both sides
	Sum               [32]byte
}

// CopyTo copies every message that is stored to another journal, each to its
// own sequence number, so that what receipts and the reader's cursor say stays
// true. Nothing may be appended to either meanwhile. The other is empty, or
// has part of a copy, which is gone on with. In the end both are read whole
// and must be the same. Which messages were acknowledged is not copied: the
// reader gets them all again, and must bear that as ever.
func (j *Journal) CopyTo(ctx context.Context, to *Journal) (c Copied, err error) {
	info, err := j.stream.Info(ctx)
	if err != nil {
		return c, fmt.Errorf("journal: state: %w", err)
	}
	c.First, c.Last = max(info.State.FirstSeq, 1), info.State.LastSeq
	if err := to.RaiseTo(ctx, c.First-1); err != nil {
		return c, err
	}
	at := to.refresh(ctx)
	if at > c.Last {
		return c, fmt.Errorf("journal: the other has %d messages more than this one: it is no copy", at-c.Last)
	}
	var fault error
	err = j.scan(ctx, at+1, false, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
		fault = to.put(ctx, meta.Sequence.Stream, m)
		if fault == nil {
			c.Written++
		}
		return fault == nil
	})
	if err := errors.Join(err, fault, to.RaiseTo(ctx, c.Last)); err != nil {
		return c, err
	}
	return c, j.compareWith(ctx, to, &c)
}

// put stores the message as the one of this number, after fillers for those
// that are missing before it.
func (j *Journal) put(ctx context.Context, seq uint64, m jetstream.Msg) error {
	if err := j.RaiseTo(ctx, seq-1); err != nil {
		return err
	}
	ack, err := j.js.PublishMsg(ctx, &nats.Msg{Subject: j.subject(), Header: m.Headers(), Data: m.Data()},
		jetstream.WithExpectStream(j.name), jetstream.WithExpectLastSequence(seq-1))
	if err != nil {
		return fmt.Errorf("journal: copy message %d: %w", seq, err)
	}
	if ack.Sequence != seq || ack.Duplicate {
		return fmt.Errorf("journal: message %d was taken as %d", seq, ack.Sequence)
	}
	j.sawSeq(seq)
	return nil
}

// compareWith reads both and compares them by number and content.
func (j *Journal) compareWith(ctx context.Context, to *Journal, c *Copied) error {
	here, err := j.digest(ctx)
	if err != nil {
		return err
	}
	there, err := to.digest(ctx)
	if err != nil {
		return err
	}
	for seq, sum := range here {
		if there[seq] != sum {
			return fmt.Errorf("journal: message %d is not the same in the copy", seq)
		}
		for i := range sum {
			c.Sum[i] ^= sum[i]
		}
	}
	c.Messages = uint64(len(here))
	return nil
}

func (j *Journal) digest(ctx context.Context) (map[uint64][32]byte, error) {
	out := map[uint64][32]byte{}
	err := j.scan(ctx, 0, false, func(m jetstream.Msg, meta *jetstream.MsgMetadata) bool {
		out[meta.Sequence.Stream] = sha256.Sum256(m.Data())
		return true
	})
	return out, err
}
