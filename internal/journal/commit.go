package journal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Ack says that an entry is durable, and proves it: Path leads from the
// entry's leaf to Root, the RFC 6962 tree over the Size entries of its
// commit, which Signature covers together with Stream and Seq.
type Ack struct {
	Stream    string
	Seq       uint64 // of the message that holds the commit
	Index     int    // of the entry in it
	Size      int
	Path      [][32]byte
	Root      [32]byte
	Signature []byte
	KeyID     string
}

// Append stores the entry and returns when it is on disk. The caller leaves
// the entry's bytes alone from then on. With an error nothing is promised:
// ErrBusy comes within a second and says when to try again, except when the
// server stopped answering in the middle of the commit (BusyUnknown), which
// takes PublishGiveUp. Ending ctx does not take back what is being written.
func (j *Journal) Append(ctx context.Context, e Entry) (Ack, error) {
	r := &request{done: make(chan result, 1)}
	r.one[0] = e
	r.entries = r.one[:]
	acks, err := j.append(ctx, r)
	if err != nil {
		return Ack{}, err
	}
	return acks[0], nil
}

// AppendAll is Append for up to MaxBatchEntries entries, all or nothing: they
// travel in one message. Acks come in the order of es.
func (j *Journal) AppendAll(ctx context.Context, es []Entry) ([]Ack, error) {
	if len(es) == 0 {
		return nil, nil
	}
	return j.append(ctx, &request{entries: es, done: make(chan result, 1)})
}

func (j *Journal) append(ctx context.Context, r *request) ([]Ack, error) {
	for i := range r.entries {
		r.bytes += r.entries[i].size()
	}
	if len(r.entries) > MaxBatchEntries || r.bytes > maxMessage-64<<10 {
		return nil, ErrTooLarge
	}
	if j.keeper.suspect.Load() {
		j.stats.Refused.Add(1)
		return nil, ErrBusy{retryAfter, BusyServer}
	}
	if err := j.queue.put(r); err != nil {
		j.stats.Refused.Add(1)
		return nil, err
	}
	select {
	case res := <-r.done:
		return res.acks, res.err
	case <-ctx.Done():
	}
	if j.queue.withdraw(r) {
		return nil, fmt.Errorf("journal: not stored: %w", ctx.Err())
	}
	return nil, fmt.Errorf("journal: may be stored: %w", ctx.Err())
}

// Admit says whether an Append would be refused now, without doing anything:
// ask before work is put into a request. nil, or ErrBusy.
func (j *Journal) Admit() error {
	if j.keeper.suspect.Load() {
		return ErrBusy{retryAfter, BusyServer}
	}
	j.queue.mu.Lock()
	defer j.queue.mu.Unlock()
	if reason := j.queue.refuse(time.Now(), 1, 0); reason != "" {
		return ErrBusy{retryAfter, reason}
	}
	return nil
}

// commit is the committer: it runs for the journal's life, one commit in
// flight. Two at a time gain nothing on one disk.
func (j *Journal) commit() {
	var finishing sync.WaitGroup
	slots := make(chan struct{}, 4) // so that answers do not pile up behind
	at := newChain()
	for last := 1; j.linger(last); {
		group := j.queue.take()
		if len(group) == 0 {
			continue
		}
		last = len(group)
		at = j.commitGroup(at, group, &finishing, slots)
	}
	finishing.Wait()
	close(j.commits)
}

func newChain() chain {
	c := chain{number: 1}
	_, _ = rand.Read(c.writer[:]) // never fails, by its contract
	return c
}

// linger waits until something is queued, and then up to a millisecond for
// about as many as came the last time: they were answered together and come
// back together. False when closed and empty.
func (j *Journal) linger(last int) bool {
	if !j.waitFor(1, nil) {
		return false
	}
	q := &j.queue
	q.mu.Lock()
	n, closed, pause := len(q.waiting), q.closed, min(q.commitTime/2, time.Millisecond)
	q.mu.Unlock()
	if target := last * 3 / 4; n < target && !closed && pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		j.waitFor(target, t.C)
	}
	return true
}

// waitFor returns true when n requests are queued, or end fires; false when
// the queue is closed and holds none.
func (j *Journal) waitFor(n int, end <-chan time.Time) bool {
	q := &j.queue
	for {
		q.mu.Lock()
		have, closed := len(q.waiting), q.closed
		q.need = n
		q.mu.Unlock()
		if have >= n {
			return true
		}
		if closed {
			return have > 0
		}
		select {
		case <-q.wake:
		case <-end:
			return true
		}
	}
}

// prepared is what is worked out while the message is on its way to disk.
type prepared struct {
	tree tree
	hash [32]byte
}

// commitGroup publishes one message and returns the chain for the next.
func (j *Journal) commitGroup(at chain, group []*request, finishing *sync.WaitGroup, slots chan struct{}) chain {
	parts := make([][]Entry, len(group))
	for i, r := range group {
		parts[i] = r.entries
	}
	body := encodeBatch(at, parts...)
	ready := make(chan prepared, 1)
	go func() { ready <- prepared{newTree(leavesOf(parts)), sha256.Sum256(body)} }()

	ack, err := j.publish(at.id(), body)
	p := <-ready
	if err == nil {
		j.sawSeq(ack.Sequence)
		if j.high != nil {
			j.high.write(ack.Sequence)
		}
		j.stats.Commits.Add(1)
		j.stats.Bytes.Add(uint64(len(body)))
		if ack.Duplicate {
			j.stats.Duplicates.Add(1)
		}
	}
	j.queue.landed(err == nil)
	slots <- struct{}{}
	finishing.Go(func() {
		j.answer(group, p.tree, ack, err)
		<-slots
	})
	if err != nil {
		return newChain() // whether the old one has this link is not known
	}
	return chain{writer: at.writer, number: at.number + 1, prev: p.hash}
}

func (c *chain) id() string {
	return hex.EncodeToString(c.writer[:]) + fmt.Sprintf("-%d", c.number)
}

func leavesOf(parts [][]Entry) [][32]byte {
	var leaves [][32]byte
	for _, p := range parts {
		for i := range p {
			leaves = append(leaves, p[i].Leaf)
		}
	}
	return leaves
}

// answer gives every caller its acks, or the reason why there are none.
func (j *Journal) answer(group []*request, t tree, pub *jetstream.PubAck, err error) {
	var base Ack
	if err == nil {
		base, err = j.sealed(t, pub)
	}
	if err != nil {
		j.stats.Failed.Add(uint64(len(group)))
	} else {
		j.stats.Appended.Add(uint64(base.Size))
	}
	i := 0
	for _, r := range group {
		if err != nil {
			r.done <- result{err: err}
			continue
		}
		acks := make([]Ack, len(r.entries))
		for k := range acks {
			acks[k] = base
			acks[k].Index, acks[k].Path = i, t.path(i)
			i++
		}
		r.done <- result{acks: acks}
	}
}

func (j *Journal) sealed(t tree, pub *jetstream.PubAck) (Ack, error) {
	a := Ack{Stream: pub.Stream, Seq: pub.Sequence, Size: len(t.levels[0]), Root: t.root()}
	if j.o.Seal == nil {
		return a, nil
	}
	var err error
	if a.Signature, a.KeyID, err = j.o.Seal(a.Stream, a.Seq, a.Size, a.Root); err != nil {
		j.log.Error("journal: durable, but not signed", "seq", a.Seq, "error", err)
		return a, ErrBusy{retryAfter, BusyUnknown}
	}
	return a, nil
}

// publish sends the message until it is acknowledged. An error of the server
// is definite. Silence is not: the same id is sent again, and the server
// drops what it has already, until PublishGiveUp has passed.
func (j *Journal) publish(id string, body []byte) (*jetstream.PubAck, error) {
	giveUp := time.Now().Add(j.o.PublishGiveUp)
	unknown := false
	for {
		ack, err := j.publishOnce(id, body)
		if err == nil {
			return ack, nil
		}
		outcome := classify(err)
		j.note(outcome, err)
		switch {
		case outcome == refusedFull:
			return nil, ErrBusy{retryAfter, BusyFull}
		case outcome == refused, outcome == notSent && !unknown:
			return nil, ErrBusy{retryAfter, BusyServer}
		case time.Now().After(giveUp), errors.Is(err, nats.ErrConnectionClosed):
			return nil, ErrBusy{retryAfter, BusyUnknown}
		}
		unknown = true
		if outcome == notSent {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func (j *Journal) publishOnce(id string, body []byte) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(context.Background(), j.o.PublishTimeout)
	defer cancel()
	return j.js.PublishMsg(ctx, &nats.Msg{Subject: j.subject(), Data: body},
		jetstream.WithMsgID(id), jetstream.WithExpectStream(j.name), jetstream.WithRetryAttempts(0))
}

// outcome is what an error of a publication means for the message.
type outcome int

const (
	silent      outcome = iota // it may be stored
	notSent                    // it never reached a stream
	refused                    // the server said no
	refusedFull                // the server said no: a limit is reached
)

func classify(err error) outcome {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		if limitReached(api) {
			return refusedFull
		}
		return refused
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed):
		return notSent
	}
	return silent
}

// limitReached tells a limit from a failed write: both come as 10077.
func limitReached(e *jetstream.APIError) bool {
	switch int(e.ErrorCode) {
	case 10002, 10023, 10047: // account resources, server resources, storage
		return true
	}
	return e.ErrorCode == 10077 && strings.Contains(e.Description, "maximum")
}

func (j *Journal) note(o outcome, err error) {
	if o == refusedFull {
		j.queue.full()
		return
	}
	if o == silent {
		j.stats.Timeouts.Add(1)
	}
	j.log.Warn("journal: publication failed", "error", err)
	j.keeper.alarm()
}

// publishFiller takes one sequence number with a message of no entries.
func (j *Journal) publishFiller(context.Context) error {
	at := newChain()
	ack, err := j.publishOnce(at.id(), encodeBatch(at))
	if err != nil {
		return err
	}
	j.sawSeq(ack.Sequence)
	if j.high != nil {
		j.high.write(ack.Sequence)
	}
	return nil
}

// probe asks for a sign of life; a server that says "full" is alive.
func (j *Journal) probe() (outcome, error) {
	err := j.publishFiller(context.Background())
	if err == nil {
		return 0, nil
	}
	o := classify(err)
	if o == refusedFull {
		j.queue.full()
		return o, nil
	}
	return o, err
}
