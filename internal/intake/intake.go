// Package intake turns a submission into a lead, once.
//
// It takes groups of entries from the journal, opens the drop box, reads the
// raw body again, finds or makes the person, and writes person, enquiry and
// lead with the job to route it in one transaction; only when Handle has
// returned nil is the journal's message acknowledged. However often, in
// whatever groups and on however many nodes an entry is delivered, the result
// is the same. What cannot be processed becomes a dead letter: kept sealed,
// with its reason, and replayable. While the database is away nothing is
// judged: the journal delivers again.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/firewall"
	"catchment/internal/jobs"
	"catchment/internal/journal"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// Reader is the name of intake's place in the journal.
const Reader = "intake"

// RouteJob is the job that routing does for a project with new leads; its key
// is the project's id.
const RouteJob jobs.Kind = "route"

// kindReturn is routing's job that has a person's leads offered again which were
// held back because they must not be contacted; its key is the person's id.
const kindReturn jobs.Kind = "return"

// Actor is intake's name in the record.
const Actor = "system:intake"

// Opener opens what the door sealed to an account's drop box.
// keyring.DropOpener does; in the control of the leak scan, a clear one.
type Opener interface {
	Open(keys *keyring.AccountKeys, box, data, aad []byte) ([]byte, error)
}

// Sealer seals values under one person's key. keyring.SubjectKey does.
type Sealer interface {
	Seal(at vault.Binding, value vault.Personal) vault.Sealed
}

// Ledger says what is gone for good: what the journal still brings of it is
// dropped. ledger.Ledger does.
type Ledger interface {
	Account(id account.ID) bool
	Enquiry(of account.ID, id lead.EnquiryID) bool
}

// Options are the parts that intake is built from. All but the last four are
// needed.
type Options struct {
	DB       *store.DB
	Accounts *keyring.Accounts
	Opener   Opener
	Jobs     *jobs.List
	Events   *events.Log
	Stream   string // the journal's name, as receipts have it

	Firewall *firewall.Judge // asked by InspectJob
	Texts    Texts           // opens what InspectJob looks at; nil: it leaves all as it is

	Ledger  Ledger                          // nil: nothing is gone
	Workers int                             // that open and seal; default the number of processors
	Sealer  func(keyring.SubjectKey) Sealer // default the key itself
	Log     *slog.Logger                    // default: silent
}

// Stats counts since the start. Each counter only grows.
type Stats struct {
	Taken      atomic.Int64 // entries that became an enquiry
	Duplicates atomic.Int64 // entries that had been taken before
	Conflicts  atomic.Int64 // entries with another body than the first of their enquiry
	Dead       atomic.Int64 // entries set aside
	Erased     atomic.Int64 // entries dropped because the deletion ledger names them
	Lost       atomic.Int64 // entries so damaged that not even their account is known
	Batches    atomic.Int64 // transactions committed
	Again      atomic.Int64 // transactions begun anew: the work of the time before was lost
}

// Intake is safe for concurrent use.
type Intake struct {
	o     Options
	facts factsCache
	stats Stats
	sick  sickness
	share share // of InspectJob
}

// New returns an intake.
func New(o Options) *Intake {
	if o.Workers <= 0 {
		o.Workers = runtime.NumCPU()
	}
	if o.Sealer == nil {
		o.Sealer = func(k keyring.SubjectKey) Sealer { return k }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Intake{o: o, facts: factsCache{db: o.DB, of: map[account.ID]cachedFacts{}},
		sick: sickness{first: map[uint64]time.Time{}}}
}

// Stats returns the counters.
func (in *Intake) Stats() *Stats { return &in.stats }

// Run takes from the journal until ctx ends or the journal closes, and is
// finished when it returns. Two readers share the messages: while the database
// is at work for one, the other opens and seals.
func (in *Intake) Run(ctx context.Context, j *journal.Journal) error {
	var errs [2]error
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = j.Consume(ctx, Reader, in.Handle) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// Handle takes a delivery. nil means that all of it is in the database, or set
// aside there. An error means that the delivery must come again.
func (in *Intake) Handle(ctx context.Context, d journal.Delivery) error {
	var entries []Entry
	careful := false
	for _, m := range d.Messages {
		careful = careful || m.Redelivered
		paths := m.Paths()
		for i, r := range m.Entries {
			e := Entry{Seq: m.Seq, Place: r.Index, Box: r.Box, Data: r.Data, Err: r.Err}
			if paths != nil {
				e.Leaf, e.Size, e.Path = r.Leaf, len(m.Entries), paths[i]
			}
			entries = append(entries, e)
		}
	}
	return in.take(ctx, entries, careful)
}

// Entry is one entry of the journal with its address there.
type Entry struct {
	Seq   uint64
	Place int // within the message; -1 when the message itself was unreadable
	Box   []byte
	Data  []byte
	Err   error // the journal found it damaged

	// Where it stood in the tree of its commit; Size 0: that is not known.
	Leaf [32]byte
	Size int
	Path [][32]byte
}

func (in *Intake) take(ctx context.Context, entries []Entry, careful bool) error {
	items, err := in.read(ctx, entries)
	if err != nil {
		return err
	}
	if err = in.write(ctx, items, careful); errors.Is(err, errStaleKeys) {
		// A person's key is of a generation that came after our cached keyset.
		for _, it := range items {
			in.o.Accounts.Forget(it.head.Account)
		}
		if items, err = in.read(ctx, entries); err == nil {
			err = in.write(ctx, items, true)
		}
	}
	if err == nil || len(items) == 0 || !poisonous(ctx, err) {
		return err
	}
	return in.bisect(ctx, items, err)
}

// poisonous tells an error that the entries themselves must have caused from
// one that passes: the database is away, somebody else won every race, or we
// are stopping.
func poisonous(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, store.ErrAway) && !errors.Is(err, store.ErrAgain) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded)
}

// factsCache keeps accounts' facts for a second: what a batch needs is read
// once, and a change is seen almost at once.
type factsCache struct {
	db *store.DB
	mu sync.Mutex
	of map[account.ID]cachedFacts
}

type cachedFacts struct {
	facts *setup.Facts // nil: there is no such account
	until time.Time
}

const (
	factsFor    = time.Second
	factsAtMost = 4096
)

// get returns the account's facts, nil when there is no such account. fresh
// asks the database in any case.
func (c *factsCache) get(ctx context.Context, s account.Scope, fresh bool) (*setup.Facts, error) {
	now := time.Now()
	c.mu.Lock()
	got, ok := c.of[s.Account()]
	c.mu.Unlock()
	if ok && !fresh && now.Before(got.until) {
		return got.facts, nil
	}
	var f *setup.Facts
	err := c.db.Read(ctx, s, func(tx *store.Tx) (err error) {
		f, err = setup.ReadFacts(tx)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNone) {
		return nil, fmt.Errorf("intake: set-up of %s: %w", s.Account(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of) >= factsAtMost {
		clear(c.of)
	}
	c.of[s.Account()] = cachedFacts{f, now.Add(factsFor)}
	return f, nil
}
