// Package journal is the log at the door: what Append has acknowledged is on
// disk and comes out of Consume, whatever stops in between. It knows nothing
// of leads; an entry is bytes that it cannot read, and a leaf hash.
//
// The log is a JetStream stream, by default in a NATS server inside this
// process, else on a server given by URL. Both are used by the same code. The
// same server carries the snapshot for the doors (Bucket) and wakes sleepers
// (Wake), and keeps small secrets that are to be destroyed for good (Safe).
package journal

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options say where the journal is kept and how much it takes. Either Dir or
// URL is needed; the zero value of everything else is a sensible default.
type Options struct {
	// Dir is the folder of the embedded server, made when it is not there. It
	// is locked for as long as the journal is open.
	Dir string
	// URL of an external NATS server ("nats://…", several separated by
	// commas); then Dir is not used. Such a server must itself run with
	// sync_interval: always.
	URL string
	// CA is a PEM file with the authority of the server's certificate (the
	// system's when empty), Cert and Key what to show to the server. With any of
	// them, as with tls:// in the URL, only TLS is spoken.
	CA, Cert, Key string
	// Credentials is the path of a NATS credentials file for URL.
	Credentials string
	// Name begins the names of the stream, buckets and subjects. Default
	// "catchment".
	Name string
	// Replicas of stream and buckets on an external server. Default 1.
	Replicas int
	// MaxBytes of the stream. Default: embedded 60 % of what the disk could
	// give when the journal was opened, external 100 GiB.
	MaxBytes int64
	// Watermark is the free space in bytes under which the embedded journal
	// takes nothing more. Default: a twentieth of the file system, between
	// 32 MiB and 1 GiB.
	Watermark int64
	// Scan makes the embedded server read and check every stored message at
	// the start, also after a clean stop.
	Scan bool
	// Seal signs the root of a commit after it is durable. Without it, Acks
	// carry no signature. It may be called by several goroutines at once.
	Seal func(stream string, seq uint64, size int, root [32]byte) (signature []byte, keyID string, err error)
	// Logger gets what an operator should know. Default slog.Default().
	Logger *slog.Logger

	// What waits for its commit is bounded. Defaults: 20,000 entries, 64 MiB,
	// 800 ms of estimated and 900 ms of real waiting.
	QueueEntries int
	QueueBytes   int
	MaxWait      time.Duration

	// A publication that is not answered within PublishTimeout (2 s) is
	// repeated under the same id for PublishGiveUp (10 s).
	PublishTimeout time.Duration
	PublishGiveUp  time.Duration
}

const (
	maxMessage    = 8 << 20 // a bulk of 5 MiB is one message: all or nothing
	dedupWindow   = 2 * time.Minute
	openTimeout   = 60 * time.Second // a checksum scan of a large store comes first
	fillersAtMost = 100_000
)

// Errors of Open and Append that are not a matter of trying again.
var (
	ErrLocked   = errors.New("journal: another process holds this folder")
	ErrTooLarge = fmt.Errorf("journal: over %d entries or %d bytes at once", MaxBatchEntries, maxMessage-64<<10)
)

// ErrBusy says that nothing was acknowledged and when to try again. Unless
// Reason is Unknown, nothing was stored either.
type ErrBusy struct {
	RetryAfter time.Duration
	Reason     string
}

// The reasons of an ErrBusy.
const (
	BusyQueue   = "queue"   // too much is waiting
	BusySlow    = "slow"    // the wait would be longer than a caller should wait
	BusyDisk    = "disk"    // free space is at the watermark
	BusyFull    = "full"    // the stream is at its limit
	BusyServer  = "server"  // the NATS server does not answer
	BusyUnknown = "unknown" // it did not answer in time: the entry may be stored
	BusyClosing = "closing"
)

func (e ErrBusy) Error() string { return "journal: cannot take more now: " + e.Reason }

// Journal is open until Close. All methods are safe for concurrent use.
type Journal struct {
	o      Options
	log    *slog.Logger
	server *embedded // nil with an external one
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	name   string // of the stream

	queue  queue
	keeper keeper
	high   *highWater // nil with an external server
	stats  counters
	last   atomic.Uint64

	stop     chan struct{} // closed first: consumers and watchers end
	workers  sync.WaitGroup
	keepers  sync.WaitGroup
	commits  chan struct{} // closed when the committer has ended
	closing  sync.Once
	closeErr error
	mu       sync.Mutex // orders workers.Add before Close's Wait
	closed   bool

	giving sync.Mutex
	given  map[string]bool  // readers that got back what a killed process had in hand
	turns  map[string]*turn // the readers' of each name
}

// Open starts the server (or connects), makes the stream when it is not
// there, checks that nothing went back, and starts to take entries.
//
// It gives ErrLocked when another process has the folder.
func Open(ctx context.Context, o Options) (*Journal, error) {
	o.setDefaults()
	j := &Journal{
		o: o, log: o.Logger, name: o.Name + "-journal",
		stop: make(chan struct{}), commits: make(chan struct{}),
	}
	j.queue.init(&j.o)
	j.keeper.init()
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := j.open(ctx); err != nil {
		j.release()
		return nil, err
	}
	j.keepers.Go(j.keep)
	j.keepers.Go(j.sweep)
	go j.commit()
	return j, nil
}

func (o *Options) setDefaults() {
	def(&o.Name, "catchment")
	def(&o.Replicas, 1)
	def(&o.QueueEntries, 20_000)
	def(&o.QueueBytes, 64<<20)
	def(&o.MaxWait, 800*time.Millisecond)
	def(&o.PublishTimeout, 2*time.Second)
	def(&o.PublishGiveUp, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (j *Journal) open(ctx context.Context) error {
	if j.o.URL == "" {
		if err := j.openEmbedded(); err != nil {
			return err
		}
	}
	if err := j.connect(); err != nil {
		return err
	}
	if err := j.openStream(ctx); err != nil {
		return err
	}
	return j.checkHighWater(ctx)
}

// Watermark is the free space in bytes under which an embedded journal takes no
// entry when nothing else was asked for: a twentieth of the file system's total,
// between 32 MiB and 1 GiB.
func Watermark(total int64) int64 { return min(max(total/20, 32<<20), 1<<30) }

func (j *Journal) openEmbedded() error {
	if j.o.Dir == "" {
		return errors.New("journal: neither a folder nor a URL is given")
	}
	var err error
	j.server, err = startEmbedded(j.o.Dir, j.o.Scan, j.log, &j.stats, j.keeper.alarm)
	if err != nil {
		return err
	}
	_, total, err := diskSpace(j.o.Dir)
	if err != nil {
		return err
	}
	def(&j.o.Watermark, Watermark(total))
	j.queue.watch(j.o.Dir, j.o.Watermark)
	j.high, err = openHighWater(j.o.Dir)
	return err
}

func (j *Journal) connect() error {
	opts := []nats.Option{
		nats.Name(j.o.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(20*time.Millisecond, 50*time.Millisecond),
		// Without a connection a publication fails at once: nothing may be
		// sent later that its caller has been told is not stored.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { j.queue.connected(false) }),
		nats.ReconnectHandler(func(*nats.Conn) { j.queue.connected(true); j.keeper.reconnected() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			j.log.Warn("journal: connection", "error", err)
		}),
	}
	url := j.o.URL
	if j.server != nil {
		url = "nats://in-process"
		opts = append(opts, nats.InProcessServer(j.server))
	} else if j.o.Credentials != "" {
		opts = append(opts, nats.UserCredentials(j.o.Credentials))
	}
	nc, err := nats.Connect(url, append(opts, j.o.secure()...)...)
	if err != nil {
		return fmt.Errorf("journal: connect: %w", err)
	}
	j.nc = nc
	j.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// secure is how an external server is known, and knows this program.
func (o Options) secure() (opts []nats.Option) {
	if o.URL == "" {
		return nil
	}
	if o.CA != "" {
		opts = append(opts, nats.RootCAs(o.CA))
	}
	if o.Cert != "" {
		opts = append(opts, nats.ClientCert(o.Cert, o.Key), nats.Secure())
	}
	return opts
}

// ServerCertificate connects to the external server of the options and gives
// the certificate that it shows; nil when the connection is not encrypted.
func ServerCertificate(ctx context.Context, o Options) (*x509.Certificate, error) {
	wait := 5 * time.Second
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end))
	}
	opts := append(o.secure(), nats.Timeout(wait))
	if o.Credentials != "" {
		opts = append(opts, nats.UserCredentials(o.Credentials))
	}
	nc, err := nats.Connect(o.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("journal: connect: %w", err)
	}
	defer nc.Close()
	state, err := nc.TLSConnectionState()
	if err != nil {
		return nil, nil //nolint:nilerr // it says that there is no TLS
	}
	return state.PeerCertificates[0], nil
}

// openStream makes the stream or brings its limit up to date. MaxAge and
// DiscardOld would lose entries in a long outage of their reader.
func (j *Journal) openStream(ctx context.Context) error {
	cfg := jetstream.StreamConfig{
		Name: j.name, Subjects: []string{j.subject()},
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		MaxBytes: j.maxBytes(), MaxMsgSize: maxMessage, MaxAge: 0,
		DenyDelete: true, Duplicates: dedupWindow, Replicas: j.o.Replicas,
	}
	stream, err := j.js.Stream(ctx, j.name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if stream, err = j.js.CreateStream(ctx, cfg); err != nil {
			return fmt.Errorf("journal: make the stream: %w", err)
		}
	case err != nil:
		return fmt.Errorf("journal: find the stream: %w", err)
	default:
		stream = j.updateStream(ctx, stream, cfg)
	}
	j.stream = stream
	info := stream.CachedInfo()
	if err := checkConfig(info.Config); err != nil {
		return err
	}
	j.last.Store(info.State.LastSeq)
	if info.State.NumDeleted > 0 {
		j.stats.Gaps.Store(uint64(info.State.NumDeleted))
		j.log.Error("journal: stored messages are missing", "count", info.State.NumDeleted,
			"first", info.State.FirstSeq, "last", info.State.LastSeq)
	}
	return nil
}

func (j *Journal) maxBytes() int64 {
	if j.o.MaxBytes > 0 {
		return j.o.MaxBytes
	}
	if j.server != nil {
		return j.server.maxStore / 7 * 6
	}
	return 100 << 30
}

// updateStream keeps the old limits when the server does not take the new
// ones: a journal with another limit is better than none.
func (j *Journal) updateStream(ctx context.Context, old jetstream.Stream, cfg jetstream.StreamConfig) jetstream.Stream {
	was := old.CachedInfo().Config
	if was.MaxBytes == cfg.MaxBytes && was.Replicas == cfg.Replicas {
		return old
	}
	stream, err := j.js.UpdateStream(ctx, cfg)
	if err != nil {
		j.log.Warn("journal: limits not changed", "max_bytes", was.MaxBytes, "wanted", cfg.MaxBytes, "error", err)
		return old
	}
	return stream
}

// checkConfig refuses a stream that could lose entries by its settings.
func checkConfig(c jetstream.StreamConfig) error {
	if c.Storage != jetstream.FileStorage || c.Retention != jetstream.LimitsPolicy ||
		c.Discard != jetstream.DiscardNew || c.MaxAge != 0 || c.MaxMsgs > 0 || c.NoAck {
		return fmt.Errorf("journal: stream %s has settings that lose entries (want file storage, limits, discard new, no maximum age or count)", c.Name)
	}
	return nil
}

func (j *Journal) subject() string { return j.o.Name + ".journal" }

// checkHighWater compares the stream with the highest number that was
// acknowledged before. A damaged block is cut by the server with a mere
// warning; the numbers that are gone must not be given again, because a
// reader's cursor may be past them.
func (j *Journal) checkHighWater(ctx context.Context) error {
	if j.high == nil {
		return nil
	}
	high, last := j.high.read(), j.last.Load()
	if high <= last {
		return nil
	}
	j.stats.WentBack.Store(high - last)
	j.log.Error("journal: acknowledged messages are gone from the store", "last", last, "acknowledged", high)
	return j.RaiseTo(ctx, high)
}

// RaiseTo makes sure that every entry appended from now on gets a sequence
// number above seq. Call it with the reader's cursor when the journal is
// behind it (an older copy was restored, a block was lost): else the reader
// would take new entries for old ones.
func (j *Journal) RaiseTo(ctx context.Context, seq uint64) error {
	info, err := j.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("journal: state: %w", err)
	}
	last := info.State.LastSeq
	switch {
	case last >= seq:
		return nil
	case info.State.Msgs == 0:
		// An empty stream is raised by purging up to the number.
		if err := j.stream.Purge(ctx, jetstream.WithPurgeSequence(seq+1)); err != nil {
			return fmt.Errorf("journal: raise: %w", err)
		}
	case seq-last > fillersAtMost:
		return fmt.Errorf("journal: is %d messages behind %d, which is too many to fill: restore a newer copy", seq-last, seq)
	}
	for last = j.refresh(ctx); last < seq; last++ {
		if err := j.publishFiller(ctx); err != nil {
			return fmt.Errorf("journal: raise: %w", err)
		}
	}
	if got := j.refresh(ctx); got < seq {
		return fmt.Errorf("journal: raised to %d only, want %d", got, seq)
	}
	return nil
}

func (j *Journal) refresh(ctx context.Context) uint64 {
	info, err := j.stream.Info(ctx)
	if err != nil {
		return j.last.Load()
	}
	j.sawSeq(info.State.LastSeq)
	return info.State.LastSeq
}

func (j *Journal) sawSeq(seq uint64) {
	for {
		old := j.last.Load()
		if seq <= old || j.last.CompareAndSwap(old, seq) {
			return
		}
	}
}

// LastSeq is the highest sequence number that this process knows to be
// stored. 0 for an empty journal.
func (j *Journal) LastSeq() uint64 { return j.last.Load() }

// Stream is the name that stands in every Ack.
func (j *Journal) Stream() string { return j.name }

// begin registers a worker that Close waits for; false when closing.
func (j *Journal) begin() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	j.workers.Add(1)
	return true
}

// Close refuses new entries, commits what waits, ends consumers and watchers
// after their current work, and stops the server. When ctx ends first it
// stops without waiting further; the next start then checks the whole store.
// Closing again gives the first result.
func (j *Journal) Close(ctx context.Context) error {
	j.closing.Do(func() { j.closeErr = j.close(ctx) })
	return j.closeErr
}

func (j *Journal) close(ctx context.Context) error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	j.queue.close()
	drained := make(chan struct{})
	go func() { <-j.commits; j.workers.Wait(); j.keepers.Wait(); close(drained) }()
	var err error
	select {
	case <-drained:
	case <-ctx.Done():
		err = fmt.Errorf("journal: closed before all was done: %w", ctx.Err())
		j.queue.abandon()
		if j.server != nil {
			j.server.dirty.Store(true)
		}
	}
	return errors.Join(err, j.release())
}

func (j *Journal) release() error {
	if j.nc != nil {
		j.nc.Close()
	}
	var err error
	if j.high != nil {
		err = j.high.close()
	}
	if j.server != nil {
		err = errors.Join(err, j.server.close())
	}
	return err
}
