package intake

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"catchment/internal/journal"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// draw makes a history of submissions of few people, so that they meet often.
// With stable, each human always sends the same contact; else phones and
// addresses are mixed, some bodies conflict, and some values are odd.
func draw(t *rapid.T, stable bool) []sent {
	n := rapid.IntRange(1, 14).Draw(t, "n")
	var out []sent
	for i := range n {
		human := rapid.IntRange(1, 5).Draw(t, "human")
		phone, email := fmt.Sprintf("+4420794601%02d", human), ""
		switch {
		case stable && human%2 == 0:
			email = fmt.Sprintf("p%d@example.com", human)
		case !stable:
			email = rapid.SampledFrom([]string{"", "a@example.com", "b@example.com", "odd"}).Draw(t, "email")
			phone = rapid.SampledFrom([]string{phone, "", "call me"}).Draw(t, "phone")
		}
		if phone == "" && email == "" {
			email = "c@example.com"
		}
		s := sent{enquiry: lead.NewEnquiryID(), project: rapid.IntRange(0, 1).Draw(t, "project"), test: rapid.IntRange(0, 9).Draw(t, "test") == 0,
			body: body(fmt.Sprint("P", i), phone, email), at: start.Add(time.Duration(i) * time.Second)}
		if !stable && i > 0 && rapid.IntRange(0, 5).Draw(t, "conflict") == 0 {
			s.enquiry, s.test = out[i-1].enquiry, out[i-1].test
		}
		out = append(out, s)
	}
	return out
}

// The journal delivers what it has in the order of its first delivery, cut
// anyhow, with any of it again at any time: the result is that of one by one.
func TestRedeliveredAnyhowGivesTheSame(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		rapid.Check(t, func(r *rapid.T) {
			all := draw(r, false)
			h.tenant = h.newTenant(2)
			for _, s := range all {
				h.take(h.entry(h.tenant, s))
			}
			want := h.picture()

			h.tenant = h.newTenant(2)
			entries := h.entries(all)
			for next := 0; next < len(entries); {
				group, redelivered := []Entry{}, false
				for range rapid.IntRange(0, 3).Draw(r, "again") {
					if next > 0 {
						group = append(group, entries[rapid.IntRange(0, next-1).Draw(r, "which")])
						redelivered = rapid.Bool().Draw(r, "marked")
					}
				}
				n := rapid.IntRange(1, len(entries)-next).Draw(r, "size")
				group = append(group, entries[next:next+n]...)
				next += n
				if err := h.in.take(context.Background(), group, redelivered); err != nil {
					r.Fatal(err)
				}
			}
			if got := h.picture(); got != want {
				r.Fatalf("differs:\n%s\n\nwant\n%s", got, want)
			}
		})
	})
}

func (h *house) entries(all []sent) []Entry {
	out := make([]Entry, len(all))
	for i, s := range all {
		out[i] = h.entry(h.tenant, s)
	}
	return out
}

// In any order of delivery every enquiry is there once, and of people who
// always say the same of themselves the leads are the same.
func TestAnyOrderGivesTheSameLeads(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		rapid.Check(t, func(r *rapid.T) {
			all := draw(r, true)
			h.tenant = h.newTenant(2)
			h.take(h.entries(all)...)
			want := h.grouping()

			h.tenant = h.newTenant(2)
			entries := h.entries(all)
			twice := append(append([]Entry{}, entries...), entries[:rapid.IntRange(0, len(entries)).Draw(r, "twice")]...)
			order := rapid.Permutation(twice).Draw(r, "order")
			for len(order) > 0 {
				n := rapid.IntRange(1, len(order)).Draw(r, "size")
				h.take(order[:n]...)
				order = order[n:]
			}
			if got := h.grouping(); got != want {
				r.Fatalf("differs:\n%s\n\nwant\n%s", got, want)
			}
		})
	})
}

// Several nodes take the same messages at once, in different groups.
func TestRacingIntakes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		var all []sent
		for i := range 300 {
			human := i % 40
			all = append(all, sent{enquiry: lead.NewEnquiryID(), project: i % 2, at: start.Add(time.Duration(i) * time.Second),
				body: body("P", fmt.Sprintf("+4420794601%02d", human), fmt.Sprintf("p%d@example.com", human))})
		}
		entries := h.entries(all)
		var wg sync.WaitGroup
		for range 4 {
			in, mine := h.intake(), append([]Entry{}, entries...)
			rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			wg.Go(func() {
				for len(mine) > 0 {
					n := min(1+rand.IntN(60), len(mine))
					for in.take(context.Background(), mine[:n], false) != nil { // as the journal does
						time.Sleep(time.Millisecond)
					}
					mine = mine[n:]
				}
			})
		}
		wg.Wait()
		list := h.leads()
		total := 0
		for _, l := range list {
			total += int(l.Enquiries)
		}
		if len(list) != 40 || total != 300 {
			t.Errorf("%d leads with %d enquiries, want 40 with 300", len(list), total)
		}
	})
}

// The whole way: the real journal, a handler that fails now and then after its
// work was committed, and two readers.
func TestFromTheJournal(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		j, err := journal.Open(t.Context(), journal.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close(context.Background())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var wg sync.WaitGroup
		for range 2 {
			in := h.intake()
			in.o.Stream = j.Stream()
			failures := 0
			wg.Go(func() {
				_ = j.Consume(ctx, Reader, func(ctx context.Context, d journal.Delivery) error {
					if err := in.Handle(ctx, d); err != nil {
						return err
					}
					if failures++; failures%5 == 2 {
						return fmt.Errorf("the node fell over after its commit")
					}
					return nil
				})
			})
		}
		const n = 500
		var append sync.WaitGroup
		entries := make([]Entry, n)
		for i := range n {
			entries[i] = h.entry(h.tenant, sent{body: body("P", fmt.Sprintf("+4420794600%02d", i%100), "")})
		}
		for _, part := range [][]Entry{entries[:250], entries[250:]} {
			append.Go(func() {
				for _, e := range part {
					if _, err := j.Append(ctx, journal.Entry{Box: e.Box, Data: e.Data}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		append.Wait()
		deadline := time.Now().Add(20 * time.Second)
		total := func() (sum int64) {
			for _, l := range h.leads() {
				sum += l.Enquiries
			}
			return sum
		}
		for total() < n && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		stop()
		wg.Wait()
		if got := len(h.leads()); got != 100 || total() != n {
			t.Errorf("%d leads with %d enquiries, want 100 with %d", got, total(), n)
		}
	})
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
