package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Delivery is a group of messages, oldest first unless some come again.
// What they hold stays readable after the handler has returned.
type Delivery struct{ Messages []Message }

// Entries counts what the messages hold.
func (d Delivery) Entries() (n int) {
	for _, m := range d.Messages {
		n += len(m.Entries)
	}
	return n
}

// Message is one commit as it is read back. It has no entries when it only
// fills a sequence number.
type Message struct {
	Seq         uint64
	Stored      time.Time
	Redelivered bool
	Entries     []Record
}

// Paths gives the way of each entry's leaf up the commit's tree, as the writer
// had it for the receipts; nil when an entry is damaged, because then nobody
// knows the tree.
func (m Message) Paths() [][][32]byte {
	leaves := make([][32]byte, len(m.Entries))
	for i, r := range m.Entries {
		if r.Err != nil || r.Index != i {
			return nil
		}
		leaves[i] = r.Leaf
	}
	if len(leaves) == 0 {
		return nil
	}
	t := newTree(leaves)
	out := make([][][32]byte, len(leaves))
	for i := range out {
		out[i] = t.path(i)
	}
	return out
}

const (
	ackWait = 10 * time.Second
	// maxAckPending bounds the messages in hand of all readers of one name, and
	// leaves room for sixteen: a FetchNoWait that meets the bound is answered
	// with what there was only after half a second.
	maxAckPending = 16 * groupMessages
	groupMessages = 256
	groupEntries  = 1000
	fetchAtMost   = 32 // messages: what comes at once is bounded also when they turn out large
	// gatherFor is how far apart groups of one name begin, unless the one before
	// was of gatherMany: then there is enough to do. What comes after a silence is
	// handed over at once; of a stream, a group is what gathered meanwhile: a
	// thousand leads a second were 350 groups of three, and each group costs a
	// transaction.
	gatherFor    = 40 * time.Millisecond
	gatherMany   = 100
	pollFor      = 500 * time.Millisecond
	backoffFirst = 250 * time.Millisecond
	backoffLast  = 5 * time.Second
)

// Consume gives every message of the journal to handle, in groups of about a
// thousand entries, from where the durable reader of this name stopped; the
// first time from the beginning. A group is acknowledged when handle returns
// nil, else it comes again, first after 250 ms, then ever later up to 5 s. A
// message may come more than once and out of order: handle must bear that.
// What it cannot process it has to set aside itself and return nil.
//
// Several calls with one name, here or elsewhere, share the messages.
// It returns when ctx ends or the journal closes, after the group in hand.
func (j *Journal) Consume(ctx context.Context, name string, handle func(context.Context, Delivery) error) error {
	if !j.begin() {
		return ErrBusy{retryAfter, BusyClosing}
	}
	defer j.workers.Done()
	c := &consumer{j: j, name: name, handle: handle, turn: j.turnOf(name), perMessage: 1}
	for !j.stopped(ctx) {
		if err := c.attach(ctx); err == nil {
			err = c.run(ctx)
			j.logUnlessStopped(ctx, "journal: reader", err)
		} else {
			j.logUnlessStopped(ctx, "journal: attach reader", err)
		}
		j.pause(ctx, backoffFirst)
	}
	return nil
}

func (j *Journal) stopped(ctx context.Context) bool {
	select {
	case <-j.stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

func (j *Journal) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-j.stop:
	case <-ctx.Done():
	case <-t.C:
	}
}

func (j *Journal) logUnlessStopped(ctx context.Context, message string, err error) {
	if err != nil && !j.stopped(ctx) {
		j.log.Warn(message, "error", err)
	}
}

// consumer is one puller.
type consumer struct {
	j          *Journal
	name       string
	handle     func(context.Context, Delivery) error
	turn       *turn
	pull       jetstream.Consumer
	perMessage float64 // entries in a message, lately
	failures   int
}

func (c *consumer) attach(ctx context.Context) error {
	if err := c.j.giveBack(ctx, c.name); err != nil {
		return err
	}
	want := jetstream.ConsumerConfig{
		Durable: c.name, DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: ackWait, MaxAckPending: maxAckPending, MaxDeliver: -1,
	}
	have, err := c.j.stream.Consumer(ctx, c.name)
	if err == nil { // where it began cannot be changed, and does not matter any more
		want.DeliverPolicy, want.OptStartSeq = have.CachedInfo().Config.DeliverPolicy, have.CachedInfo().Config.OptStartSeq
	} else if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	c.pull, err = c.j.stream.CreateOrUpdateConsumer(ctx, want)
	return err
}

// giveBack lets what a killed process had in hand come again at once, instead
// of after AckWait: it makes the reader anew from where it had acknowledged
// everything. It does so once, before the first reader of the name, and only
// with an embedded server, whose readers are all in this process. If we stop
// between the two steps, the reader begins at the first message that is kept.
func (j *Journal) giveBack(ctx context.Context, name string) error {
	if j.server == nil {
		return nil
	}
	j.giving.Lock()
	defer j.giving.Unlock()
	if j.given[name] {
		return nil
	}
	have, err := j.stream.Consumer(ctx, name)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	if err == nil && have.CachedInfo().NumAckPending > 0 {
		c := have.CachedInfo().Config
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, have.CachedInfo().AckFloor.Stream+1
		if err := j.stream.DeleteConsumer(ctx, name); err != nil {
			return err
		}
		if _, err := j.stream.CreateConsumer(ctx, c); err != nil {
			return err
		}
	}
	if j.given == nil {
		j.given = map[string]bool{}
	}
	j.given[name] = true
	return nil
}

// turn is held by the one reader of a name here that gathers. The others are
// at work, or wait without anything in hand.
type turn struct {
	mu   sync.Mutex
	next time.Time // when the next group may begin
}

// turnOf gives the one of the name's readers in this process.
func (j *Journal) turnOf(name string) *turn {
	j.giving.Lock()
	defer j.giving.Unlock()
	if j.turns == nil {
		j.turns = map[string]*turn{}
	}
	if j.turns[name] == nil {
		j.turns[name] = &turn{}
	}
	return j.turns[name]
}

// gather waits for this reader's turn and gives what is there then.
func (c *consumer) gather(ctx context.Context) (*group, error) {
	c.turn.mu.Lock()
	defer c.turn.mu.Unlock()
	if wait := time.Until(c.turn.next); wait > 0 {
		c.j.pause(ctx, wait)
	}
	if c.j.stopped(ctx) {
		return &group{}, nil
	}
	g, err := c.group()
	if c.turn.next = time.Now(); g.delivery.Entries() < gatherMany {
		c.turn.next = c.turn.next.Add(gatherFor)
	}
	return g, err
}

// run handles groups until something is wrong with the connection or it is
// time to stop. Nothing is fetched ahead: a message that waited in a buffer
// could run out of its AckWait.
func (c *consumer) run(ctx context.Context) error {
	for !c.j.stopped(ctx) {
		g, err := c.gather(ctx)
		if err != nil {
			return err
		}
		if len(g.raw) > 0 {
			c.work(ctx, g)
		}
	}
	return nil
}

// group is what one call of the handler gets.
type group struct {
	raw      []jetstream.Msg
	delivery Delivery
}

// group waits for one message and then takes what is there already, until
// there are about a thousand entries. It is not interrupted: the server would
// send to nobody, and send again after AckWait.
func (c *consumer) group() (*group, error) {
	g := &group{}
	msgs, err := collect(c.pull.Fetch(1, jetstream.FetchMaxWait(pollFor)))
	if err != nil {
		return g, err
	}
	entries := c.add(g, msgs)
	for len(msgs) > 0 && entries < groupEntries && len(g.raw) < groupMessages {
		want := min(int(float64(groupEntries-entries)/c.perMessage)+1, fetchAtMost, groupMessages-len(g.raw))
		msgs, _ = collect(c.pull.FetchNoWait(want)) // whatever is wrong, the next Fetch meets it too
		entries += c.add(g, msgs)
		if len(msgs) < want {
			break
		}
	}
	return g, nil
}

// add decodes the messages into the group and counts their entries.
func (c *consumer) add(g *group, msgs []jetstream.Msg) (entries int) {
	for _, m := range msgs {
		msg, ok := c.j.read(m)
		if !ok {
			continue
		}
		g.raw = append(g.raw, m)
		g.delivery.Messages = append(g.delivery.Messages, msg)
		entries += len(msg.Entries)
		c.perMessage += (float64(max(1, len(msg.Entries))) - c.perMessage) / 8
	}
	return entries
}

func collect(batch jetstream.MessageBatch, err error) ([]jetstream.Msg, error) {
	if err != nil {
		return nil, err
	}
	var msgs []jetstream.Msg
	for m := range batch.Messages() {
		msgs = append(msgs, m)
	}
	if err := batch.Error(); err != nil && len(msgs) == 0 {
		return nil, err
	}
	return msgs, nil
}

func (c *consumer) work(ctx context.Context, g *group) {
	err := c.handled(ctx, g)
	if err == nil {
		c.failures = 0
		for _, m := range g.raw {
			_ = m.Ack() // lost: it comes again
		}
		c.j.stats.Consumed.Add(uint64(g.delivery.Entries()))
		return
	}
	wait := min(backoffFirst<<min(c.failures, 10), backoffLast)
	c.failures++
	for _, m := range g.raw {
		_ = m.NakWithDelay(wait)
	}
	c.j.log.Warn("journal: group not handled", "reader", c.name, "messages", len(g.raw), "again_in", wait, "error", err)
	c.j.pause(ctx, wait)
}

// handled calls the handler and tells the server meanwhile that it is at work.
func (c *consumer) handled(ctx context.Context, g *group) error {
	done := make(chan struct{})
	defer close(done)
	go func() {
		tick := time.NewTicker(ackWait / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				for _, m := range g.raw {
					_ = m.InProgress()
				}
			}
		}
	}()
	return c.handle(ctx, g.delivery)
}

// read turns a stored message into entries; what cannot be read becomes one
// record that says so.
func (j *Journal) read(m jetstream.Msg) (Message, bool) {
	meta, err := m.Metadata()
	if err != nil {
		return Message{}, false
	}
	out := Message{Seq: meta.Sequence.Stream, Stored: meta.Timestamp, Redelivered: meta.NumDelivered > 1}
	if out.Redelivered {
		j.stats.Redelivered.Add(1)
	}
	_, out.Entries, err = decodeBatch(m.Data())
	if err != nil {
		out.Entries = []Record{{Index: -1, Data: m.Data(), Err: err}}
	}
	for i := range out.Entries {
		if out.Entries[i].Err != nil {
			j.stats.Damaged.Add(1)
			j.log.Error("journal: damaged entry", "seq", out.Seq, "index", out.Entries[i].Index)
		}
	}
	return out, true
}

// scan gives f every stored message from sequence number from to the last
// that is there now, in order, until f returns false.
func (j *Journal) scan(ctx context.Context, from uint64, headersOnly bool, f func(jetstream.Msg, *jetstream.MsgMetadata) bool) error {
	info, err := j.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("journal: state: %w", err)
	}
	from, last := max(from, info.State.FirstSeq, 1), info.State.LastSeq
	if info.State.Msgs == 0 || from > last {
		return nil
	}
	pull, err := j.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, HeadersOnly: headersOnly,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("journal: read: %w", err)
	}
	defer func() { _ = j.stream.DeleteConsumer(context.WithoutCancel(ctx), pull.CachedInfo().Name) }()
	n := 16 // messages of up to 8 MiB
	if headersOnly {
		n = 64 // the server reads them whole all the same
	}
	return scanWith(ctx, pull, n, last, f)
}

func scanWith(ctx context.Context, pull jetstream.Consumer, n int, last uint64, f func(jetstream.Msg, *jetstream.MsgMetadata) bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		msgs, err := collect(pull.FetchNoWait(n))
		if err != nil && !errors.Is(err, jetstream.ErrNoMessages) {
			return fmt.Errorf("journal: read: %w", err)
		}
		if len(msgs) == 0 {
			return nil
		}
		for _, m := range msgs {
			meta, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("journal: read: %w", err)
			}
			if meta.Sequence.Stream > last || !f(m, meta) || meta.Sequence.Stream == last {
				return nil
			}
		}
	}
}

// Rewind has the durable reader of this name begin again at the first message
// that is kept, for when what it had handed over is lost. Call it before
// Consume.
func (j *Journal) Rewind(ctx context.Context, name string) error {
	err := j.stream.DeleteConsumer(ctx, name)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("journal: rewind %s: %w", name, err)
	}
	return nil
}
