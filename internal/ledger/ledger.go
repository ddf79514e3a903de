// Package ledger is the deletion ledger: which persons and accounts are gone
// for good, by ids alone. It lies outside all backups, in a file of its own
// and in a bucket that all nodes watch, so that what was destroyed does not
// come back with an older database: whoever starts on one destroys it again
// first, and intake drops what the journal still brings of it.
//
// Callers may rely on this: when Add has returned nil the entry is on disk and
// in the bucket; entries are added and never taken away; an entry that is not
// whole, or was changed, is an error and not a shorter ledger.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
)

// Entry says that a person, or a whole account, is gone.
type Entry struct {
	At        time.Time        `json:"at"`
	Account   account.ID       `json:"account"`
	Person    lead.PersonID    `json:"person,omitzero"`     // zero: the account itself
	Enquiries []lead.EnquiryID `json:"enquiries,omitempty"` // of the person: what the journal may still bring
	// Certificate is, of an account, what proves its end; empty until all is
	// removed.
	Certificate []byte `json:"certificate,omitempty"`
}

// name is the entry's key in the bucket and in memory.
func (e *Entry) name() string {
	if e.Person.IsZero() {
		return e.Account.String()
	}
	return e.Account.String() + "." + e.Person.String()
}

func (e *Entry) check() error {
	if e.Account.IsZero() || e.At.IsZero() {
		return errors.New("ledger: an entry has an account and a time")
	}
	if e.Person.IsZero() && len(e.Enquiries) > 0 || !e.Person.IsZero() && len(e.Certificate) > 0 {
		return errors.New("ledger: enquiries are of a person, a certificate is of an account")
	}
	return nil
}

// Bucket is where all nodes see the entries; a journal's is one.
type Bucket interface {
	Put(ctx context.Context, key string, value []byte) error
	Watch(ctx context.Context, set func(key string, value []byte), ready func()) error
}

// Options say where the ledger lies.
type Options struct {
	Path   string // the file
	Bucket Bucket // nil: the file alone
	// Seal and Open keep strangers who reach the bucket from erasing by it.
	// Needed with a Bucket.
	Seal func(name string, plain []byte) []byte
	Open func(name string, sealed []byte) ([]byte, error)
	Log  *slog.Logger // nil: silent
}

// Ledger is safe for concurrent use.
type Ledger struct {
	o     Options
	file  *file
	ready chan struct{} // closed when the bucket was read once
	end   context.CancelFunc
	work  sync.WaitGroup

	mu        sync.RWMutex
	entries   map[string]*Entry
	enquiries map[enquiry]bool
	stored    map[string]bool // in the bucket, as they are here
	changed   func(Entry)
}

type enquiry struct {
	account account.ID
	id      lead.EnquiryID
}

// Open reads the file, which is made when it is not there. Start joins the
// bucket.
func Open(o Options) (*Ledger, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f, list, err := openFile(o.Path)
	if err != nil {
		return nil, err
	}
	l := &Ledger{o: o, file: f, ready: make(chan struct{}), end: func() {}, entries: map[string]*Entry{}, enquiries: map[enquiry]bool{}, stored: map[string]bool{}}
	for i := range list {
		l.know(&list[i])
	}
	return l, nil
}

// Start reads the bucket and follows it, until Close. What only one of file
// and bucket has, the other gets. It returns when the bucket was read, or with
// ctx; the reading goes on then.
func (l *Ledger) Start(ctx context.Context) error {
	if l.o.Bucket == nil {
		close(l.ready)
		return nil
	}
	run, end := context.WithCancel(context.WithoutCancel(ctx))
	l.end = end
	l.work.Go(func() {
		if err := l.o.Bucket.Watch(run, l.heard, func() { close(l.ready) }); err != nil && run.Err() == nil {
			l.o.Log.Warn("ledger: deletions on other nodes are not heard of", "error", err)
		}
	})
	select {
	case <-l.ready:
	case <-ctx.Done():
		return fmt.Errorf("ledger: the bucket could not be read: %w", ctx.Err())
	}
	for _, e := range l.Entries() {
		if err := l.put(ctx, &e); err != nil {
			return err
		}
	}
	return nil
}

// Close ends what Start began, and closes the file.
func (l *Ledger) Close() error {
	l.end()
	l.work.Wait()
	return l.file.close()
}

// Changed has f called with each entry that another node added, from one
// goroutine. Set it before Start.
func (l *Ledger) Changed(f func(Entry)) { l.changed = f }

// Add writes the entry, or adds to the one that is there. It is durable when
// it returns nil: on this disk and in the bucket. After an error it may be in
// either, and adding it again mends that.
func (l *Ledger) Add(ctx context.Context, e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	merged, err := l.keep(e)
	if err != nil {
		return err
	}
	return l.put(ctx, merged)
}

// keep joins the entry with what is known and writes it to the file unless
// that said so already.
func (l *Ledger) keep(e Entry) (*Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	merged, fresh := join(l.entries[e.name()], e)
	if !fresh {
		return merged, nil
	}
	if err := l.file.append(merged); err != nil {
		return nil, err
	}
	delete(l.stored, merged.name())
	l.know(merged)
	return merged, nil
}

// join adds e to an entry that may be there; fresh says that it told something.
func join(was *Entry, e Entry) (merged *Entry, fresh bool) {
	if was == nil {
		return &e, true
	}
	out := *was
	out.Enquiries = slices.Clone(was.Enquiries)
	for _, id := range e.Enquiries {
		if !slices.Contains(out.Enquiries, id) {
			out.Enquiries, fresh = append(out.Enquiries, id), true
		}
	}
	if len(out.Certificate) == 0 && len(e.Certificate) > 0 {
		out.Certificate, fresh = e.Certificate, true
	}
	return &out, fresh
}

func (l *Ledger) know(e *Entry) {
	l.entries[e.name()] = e
	for _, id := range e.Enquiries {
		l.enquiries[enquiry{e.Account, id}] = true
	}
}

func (l *Ledger) put(ctx context.Context, e *Entry) error {
	if l.o.Bucket == nil {
		return nil
	}
	name := e.name()
	l.mu.RLock()
	there := l.stored[name]
	l.mu.RUnlock()
	if there {
		return nil
	}
	plain, err := encode(e)
	if err != nil {
		return err
	}
	if err := l.o.Bucket.Put(ctx, name, l.o.Seal(bucketName(name), plain)); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stored[name] = true
	return nil
}

// bucketName is what an entry's seal in the bucket is bound to.
func bucketName(name string) string { return "deleted/" + name }

// heard takes what the bucket has. One that vanished there stays here.
func (l *Ledger) heard(name string, sealed []byte) {
	if sealed == nil {
		l.mu.Lock()
		delete(l.stored, name)
		l.mu.Unlock()
		l.o.Log.Error("ledger: an entry vanished from the bucket; the file still has it", "entry", name)
		return
	}
	plain, err := l.o.Open(bucketName(name), sealed)
	var e Entry
	if err == nil {
		e, err = decode(plain)
	}
	if err == nil && e.name() != name {
		err = errors.New("it is another's")
	}
	if err != nil {
		l.o.Log.Error("ledger: an entry of the bucket cannot be believed", "entry", name, "error", err)
		return
	}
	l.mu.RLock()
	_, fresh := join(l.entries[name], e)
	l.mu.RUnlock()
	merged, err := l.keep(e)
	if err != nil {
		l.o.Log.Error("ledger: an entry of the bucket could not be written to the file", "entry", name, "error", err)
		return
	}
	if _, more := join(&e, *merged); !more {
		l.mu.Lock()
		l.stored[name] = true
		l.mu.Unlock()
	}
	if fresh && l.changed != nil && l.isReady() {
		l.changed(*merged)
	}
}

func (l *Ledger) isReady() bool {
	select {
	case <-l.ready:
		return true
	default:
		return false
	}
}

// Account reports whether the account is gone.
func (l *Ledger) Account(id account.ID) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.entries[id.String()] != nil
}

// Enquiry reports whether the enquiry is of a person, or an account, that is
// gone.
func (l *Ledger) Enquiry(of account.ID, id lead.EnquiryID) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.enquiries[enquiry{of, id}] || l.entries[of.String()] != nil
}

// Of returns the account's own entry; false when it is not gone.
func (l *Ledger) Of(id account.ID) (Entry, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e := l.entries[id.String()]
	if e == nil {
		return Entry{}, false
	}
	return *e, true
}

// Entries lists all, the oldest first.
func (l *Ledger) Entries() []Entry {
	l.mu.RLock()
	out := make([]Entry, 0, len(l.entries))
	for _, e := range l.entries {
		out = append(out, *e)
	}
	l.mu.RUnlock()
	slices.SortFunc(out, func(a, b Entry) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return compare(a.name(), b.name())
	})
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
