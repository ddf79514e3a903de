package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/journal"
	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/submission"
)

// The whole way: the real journal, two readers, and a node that falls over after
// its commit whenever it meets one of the chosen messages for the first time, so
// that what comes again does not hang on how the journal groups.
func TestPropertyFromTheJournal(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		j, err := journal.Open(t.Context(), journal.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close(context.Background())
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		tally := propertytest.NewTally()
		tally.Note = "from the real journal"
		tally.Case()
		falls := falling{met: map[uint64]bool{}, done: map[uint64]bool{}, more: make(chan struct{}, 1)}
		var wg sync.WaitGroup
		var nodes []*Intake
		for range 2 {
			in := h.intake()
			nodes = append(nodes, in)
			in.o.Stream = j.Stream()
			wg.Go(func() { _ = j.Consume(ctx, Reader, falls.after(in.Handle)) })
		}
		const n = 500
		var append sync.WaitGroup
		entries := make([]Entry, n)
		for i := range n {
			entries[i] = h.entry(h.tenant, sent{body: body("P", fmt.Sprintf("+4420794600%02d", i%100), "")})
		}
		var last atomic.Uint64
		for _, part := range [][]Entry{entries[:250], entries[250:]} {
			append.Go(func() {
				for _, e := range part {
					ack, err := j.Append(ctx, journal.Entry{Box: e.Box, Data: e.Data})
					if err != nil {
						t.Error(err)
						return
					}
					for was := last.Load(); was < ack.Seq && !last.CompareAndSwap(was, ack.Seq); was = last.Load() {
					}
				}
			})
		}
		append.Wait()
		falls.wait(ctx, last.Load())
		stop()
		wg.Wait()
		total := int64(0)
		for _, l := range h.leads() {
			total += l.Enquiries
		}
		got := len(h.leads())
		if got != 100 || total != n {
			t.Errorf("%d leads with %d enquiries, want 100 with %d", got, total, n)
		}
		for _, in := range nodes {
			tally.Add("taken", int(in.Stats().Taken.Load()))
			tally.Add("seen again", int(in.Stats().Duplicates.Load()))
		}
		tally.Add("messages redelivered", int(j.Stats().Redelivered))
		tally.Add("leads", got)
		if tally.Of("seen again") < len(falls.met) || tally.Of("messages redelivered") < len(falls.met) || len(falls.met) < 2 {
			t.Errorf("vacuous: the node fell over at %d messages", len(falls.met))
		}
		tally.Report(t, propertytest.Redelivered, string(h.db.Engine()), got == 100 && total == n)
	})
}

// falling makes a handler fail after its work, once for each chosen message.
type falling struct {
	mu   sync.Mutex
	met  map[uint64]bool // chosen ones at which it fell
	done map[uint64]bool // acknowledged
	more chan struct{}
}

func (f *falling) after(handle func(context.Context, journal.Delivery) error) func(context.Context, journal.Delivery) error {
	return func(ctx context.Context, d journal.Delivery) error {
		if err := handle(ctx, d); err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		fell := false
		for _, m := range d.Messages {
			if m.Seq%100 == 1 && !f.met[m.Seq] {
				f.met[m.Seq], fell = true, true
			}
		}
		if fell {
			return errors.New("the node fell over after its commit")
		}
		for _, m := range d.Messages {
			f.done[m.Seq] = true
		}
		select {
		case f.more <- struct{}{}:
		default:
		}
		return nil
	}
}

// wait returns when the messages from the first to the last were handled, or ctx ends.
func (f *falling) wait(ctx context.Context, last uint64) {
	for {
		f.mu.Lock()
		all := uint64(len(f.done)) >= last
		f.mu.Unlock()
		if all {
			return
		}
		select {
		case <-f.more:
		case <-ctx.Done():
			return
		}
	}
}

// A handful of leads that come a second time do not cost their whole group a
// second run: what comes again is of a person who is known.
func TestARepeatCostsNoSecondRun(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		of := func(n int) Entry {
			return h.entry(h.tenant, sent{body: body("P", fmt.Sprintf("+44207946%04d", n), fmt.Sprintf("p%d@example.com", n))})
		}
		var first, second []Entry
		for n := range 20 {
			first, second = append(first, of(n)), append(second, of(100+n))
		}
		h.take(first...)
		second = append(second, first[3], first[17], first[3], of(5))
		h.take(second...)
		s := h.in.Stats()
		if s.Taken.Load() != 41 || s.Duplicates.Load() != 3 || len(h.leads()) != 40 {
			t.Errorf("%d taken, %d seen again, %d leads", s.Taken.Load(), s.Duplicates.Load(), len(h.leads()))
		}
		if n := s.Again.Load(); n != 0 {
			t.Errorf("%d second runs", n)
		}
		// Control: another body of a known enquiry, of nobody known, is found by the count alone.
		stranger := of(300)
		h.take(stranger)
		id := enquiryOf(t, stranger)
		h.take(of(200), h.entry(h.tenant, sent{enquiry: id, body: body("P", "+442079460301", "")}))
		if s.Again.Load() == 0 || s.Conflicts.Load() != 1 {
			t.Errorf("%d second runs, %d conflicts", s.Again.Load(), s.Conflicts.Load())
		}
	})
}

func enquiryOf(t *testing.T, e Entry) lead.EnquiryID {
	t.Helper()
	env, err := submission.ParseEnvelope(e.Data)
	if err != nil {
		t.Fatal(err)
	}
	return env.Header.Enquiry
}

// Intake alone: one account, groups of 1,000 as the journal gives them under
// load; all of people we do not know, or all of people who have an open lead.
func BenchmarkIntake(b *testing.B) {
	for _, e := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		b.Run(e.name+"/new", func(b *testing.B) { benchmark(b, newHouse(b, e.open(b)), 1<<30) })
		b.Run(e.name+"/known", func(b *testing.B) { benchmark(b, newHouse(b, e.open(b)), 5000) })
	}
}

func benchmark(b *testing.B, h *house, people int) {
	const size = 1000
	n := 0
	group := func() []Entry {
		batch := make([]Entry, size)
		for i := range batch {
			n++
			who := n % people
			batch[i] = h.entry(h.tenant, sent{body: body("Ada Example", fmt.Sprintf("+44 7700 %06d", who), fmt.Sprintf("p%d@example.com", who))})
		}
		return batch
	}
	for people < 1<<30 && n < people {
		h.take(group()...)
	}
	for b.Loop() {
		b.StopTimer()
		batch := group()
		b.StartTimer()
		h.take(batch...)
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "leads/s")
}
