package intake

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"catchment/internal/lead"
	"catchment/internal/propertytest"
	"catchment/internal/store"
	"catchment/internal/submission"
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

func (h *house) entries(all []sent) []Entry {
	out := make([]Entry, len(all))
	for i, s := range all {
		out[i] = h.entry(h.tenant, s)
	}
	return out
}

// delivery is what the journal gives at once.
type delivery struct {
	entries []Entry
	marked  bool    // as redelivered
	again   []Entry // of the entries, those that came in an earlier one
}

// inOrder cuts entries into deliveries in the order of their first one, with
// any of the earlier ones again at any time.
func inOrder(r *rapid.T, entries []Entry) (out []delivery) {
	for next := 0; next < len(entries); {
		var d delivery
		for range rapid.IntRange(0, 3).Draw(r, "again") {
			if next > 0 {
				d.again = append(d.again, entries[rapid.IntRange(0, next-1).Draw(r, "which")])
				d.marked = rapid.Bool().Draw(r, "marked")
			}
		}
		n := rapid.IntRange(1, len(entries)-next).Draw(r, "size")
		d.entries = append(append(d.entries, d.again...), entries[next:next+n]...)
		next += n
		out = append(out, d)
	}
	return out
}

// anyhow delivers each entry one to four times, all in any order.
func anyhow(r *rapid.T, entries []Entry) (out []delivery) {
	var all []int
	for i := range entries {
		for range rapid.IntRange(1, 4).Draw(r, "times") {
			all = append(all, i)
		}
	}
	seen := map[uint64]bool{}
	for order := rapid.Permutation(all).Draw(r, "order"); len(order) > 0; {
		n := rapid.IntRange(1, len(order)).Draw(r, "size")
		d := delivery{marked: rapid.Bool().Draw(r, "marked")}
		for _, i := range order[:n] {
			d.entries = append(d.entries, entries[i])
			if seen[entries[i].Seq] {
				d.again = append(d.again, entries[i])
			}
		}
		for _, e := range d.entries {
			seen[e.Seq] = true
		}
		out, order = append(out, d), order[n:]
	}
	return out
}

// story is one of the two ways to deliver again, and what it must leave alike.
type story struct {
	name   string
	stable bool
	cut    func(*rapid.T, []Entry) []delivery
	look   func(*house) string
}

// The journal delivers what it has in the order of its first delivery, cut
// anyhow, with any of it again at any time: everything is as one by one. Or in
// any order whatever: every enquiry is there once, and of people who always
// say the same of themselves the leads are the same.
func stories() []story {
	return []story{{"first deliveries in order", false, inOrder, (*house).picture}, {"in any order", true, anyhow, (*house).grouping}}
}

// tell takes a history one by one, and again as the story has it, with before
// done before each delivery. It returns what each came to.
func (s story) tell(r *rapid.T, h *house, tally *propertytest.Tally, before func(delivery)) (want, got string) {
	all := draw(r, s.stable)
	h.tenant = h.newTenant(2)
	for _, one := range all {
		h.take(h.entry(h.tenant, one))
	}
	want = s.look(h)

	h.tenant = h.newTenant(2)
	for _, d := range s.cut(r, h.entries(all)) {
		before(d)
		if err := h.in.take(context.Background(), d.entries, d.marked); err != nil {
			r.Fatal(err)
		}
		tally.Add("deliveries", 1)
		tally.Add("entries again", len(d.again))
	}
	list := h.leads()
	tally.Case()
	tally.Add("entries", len(all))
	tally.Add("leads", len(list))
	for _, l := range list {
		tally.Add("re-enquiries", int(l.Enquiries)-1)
	}
	return want, s.look(h)
}

// However the journal delivers, the leads are the same.
func TestPropertyRedelivered(t *testing.T) {
	propertytest.Checks(t, 60, 100)
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			each(t, func(t *testing.T, h *house) {
				tally, good := propertytest.NewTally(), true
				tally.Note = s.name
				defer func() {
					tally.Add("conflicts", int(h.in.Stats().Conflicts.Load()))
					tally.Report(t, propertytest.Redelivered, string(h.db.Engine()), good && !t.Failed(), "entries", "deliveries", "entries again", "leads", "re-enquiries", "conflicts")
				}()
				rapid.Check(t, func(r *rapid.T) {
					if want, got := s.tell(r, h, tally, func(delivery) {}); got != want {
						good = false
						r.Fatalf("differs:\n%s\n\nwant\n%s", got, want)
					}
				})
				tally.AtLeast(t, "entries again", 100)
				tally.AtLeast(t, "re-enquiries", 50)
				tally.AtLeast(t, "leads", 100)
				if !s.stable && h.in.Stats().Conflicts.Load() == 0 {
					t.Error("vacuous: no conflict")
				}
			})
		})
	}
}

var (
	forgetBody    = store.Register("intaketest.forget_body", `DELETE FROM submission WHERE account_id = $1 AND enquiry_id = $2 AND body_mac = $3`)
	forgetEnquiry = store.Register("intaketest.forget_enquiry", `DELETE FROM enquiry WHERE account_id = $1 AND enquiry_id = $2`)
	forgetPeople  = store.Register("intaketest.forget_people", `DELETE FROM person_index WHERE account_id = $1`)
)

// forget deletes what intake knows the entries by that are about to come
// again, so that nothing but their coming again can show.
func (h *house) forget(entries []Entry, enquiry, people bool) {
	h.t.Helper()
	h.write(h.scope, func(tx *store.Tx) error {
		for _, e := range entries {
			env, err := submission.ParseEnvelope(e.Data)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(forgetBody, env.Header.Enquiry, env.Header.BodyMAC[:]); err != nil {
				return err
			}
			if !enquiry {
				continue
			}
			if _, err := tx.Exec(forgetEnquiry, env.Header.Enquiry); err != nil {
				return err
			}
		}
		if !people {
			return nil
		}
		_, err := tx.Exec(forgetPeople)
		return err
	})
}

// Controls: what intake knows an entry or a person by is deleted before the
// entry comes again. Each case in which one did is noticed.
func TestPropertyRedeliveredControls(t *testing.T) {
	propertytest.Checks(t, 15, 20)
	for _, c := range []struct {
		name            string
		story           story
		enquiry, people bool
	}{
		{"the body taken is forgotten", story{"", true, inOrder, (*house).picture}, false, false},
		{"the enquiry taken is forgotten", story{"", true, anyhow, (*house).grouping}, true, false},
		{"enquiry and people are forgotten", story{"", true, anyhow, (*house).grouping}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, h *house) {
				tally, noticed, harmed := propertytest.NewTally(), 0, 0
				check := func(r *rapid.T) {
					harm := false
					want, got := c.story.tell(r, h, tally, func(d delivery) {
						if len(d.again) > 0 {
							harm = true
							h.forget(d.again, c.enquiry, c.people)
						}
					})
					if harm {
						harmed++
					}
					if harm && got != want {
						noticed++
					}
				}
				for range 10 { // few cases may have nothing that comes again
					if rapid.Check(t, check); harmed > 0 {
						break
					}
				}
				tally.Control(t, propertytest.Redelivered, string(h.db.Engine()), c.name, noticed, harmed)
			})
		})
	}
}

// Several nodes take the same messages at once, in different groups and
// orders: the leads are those of one node that takes them one after the other.
func TestPropertyRacingIntakes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		const nodes, n, humans = 4, 300, 40
		tally := propertytest.NewTally()
		tally.Note = "nodes racing"
		tally.Case()
		var all []sent
		for i := range n {
			human := i % humans
			all = append(all, sent{enquiry: lead.NewEnquiryID(), project: i % 2, at: start.Add(time.Duration(i) * time.Second),
				body: body("P", fmt.Sprintf("+4420794601%02d", human), fmt.Sprintf("p%d@example.com", human))})
		}
		h.take(h.entries(all)...)
		want := h.grouping()

		h.tenant = h.newTenant(2)
		entries := h.entries(all)
		var wg sync.WaitGroup
		var inside, overlapped atomic.Int64
		start := make(chan struct{})
		for range nodes {
			in, mine := h.intake(), append([]Entry{}, entries...)
			rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			wg.Go(func() {
				<-start
				for len(mine) > 0 {
					n := min(1+rand.IntN(60), len(mine))
					if inside.Add(1) > 1 {
						overlapped.Add(1)
					}
					for in.take(context.Background(), mine[:n], false) != nil { // as the journal does
						tally.Add("takes refused", 1)
						time.Sleep(time.Millisecond)
					}
					inside.Add(-1)
					tally.Add("takes", 1)
					mine = mine[n:]
				}
				tally.Add("taken", int(in.Stats().Taken.Load()))
				tally.Add("seen again", int(in.Stats().Duplicates.Load()))
			})
		}
		close(start)
		wg.Wait()
		tally.Add("takes that overlapped", int(overlapped.Load()))
		got := h.grouping()
		good := got == want && len(h.leads()) == humans && tally.Of("taken") == n && tally.Of("seen again") == (nodes-1)*n
		if !good {
			t.Errorf("%d leads of %d, %d taken, %d seen again; the same grouping: %v", len(h.leads()), humans, tally.Of("taken"), tally.Of("seen again"), got == want)
		}
		if overlapped.Load() < 3 {
			t.Errorf("vacuous: %d takes overlapped", overlapped.Load())
		}
		tally.Add("leads", len(h.leads()))
		tally.Report(t, propertytest.Redelivered, string(h.db.Engine()), good, "taken", "seen again", "takes", "takes that overlapped", "leads")
	})
}
