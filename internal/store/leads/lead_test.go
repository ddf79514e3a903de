package leads_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

var (
	testOwner = store.Register("leadtest.owner", `UPDATE lead SET owner_id = $3 WHERE account_id = $1 AND lead_id = $2`)
	base      = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
)

func write(t *testing.T, db *store.DB, s account.Scope, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// some makes leads with few distinct values, so that every filter finds some,
// and with equal times, so that a page can end between them.
func some(n int) (all []*leads.Lead, owners []account.UserID) {
	r := rand.New(rand.NewPCG(1, 2))
	projects := []account.ProjectID{account.NewProjectID(), account.NewProjectID()}
	sources := []account.SourceID{account.NewSourceID(), account.NewSourceID()}
	stages := []lead.StageID{lead.NewStageID(), lead.NewStageID()}
	owners = []account.UserID{{}, account.NewUserID(), account.NewUserID()}
	person := lead.NewPersonID()
	for range n {
		l := &leads.Lead{ID: lead.NewID(), Person: lead.NewPersonID(), Project: pick(r, projects), Source: pick(r, sources), Test: r.IntN(5) == 0,
			Stage: pick(r, stages), Category: pick(r, lead.Categories()), RouteState: pick(r, []lead.RouteState{lead.Waiting, lead.Unrouted}),
			Enquiries: 1, CreatedAt: base.Add(time.Duration(r.IntN(n/3)) * time.Second), EnquiredAt: base, Owner: pick(r, owners)}
		if l.RouteState == lead.Waiting {
			l.WaitingAt = l.CreatedAt
		}
		all = append(all, l)
	}
	all[3].Person, all[5].Person = person, person
	all[5].Project = projects[0]
	all[3].Project = projects[1]
	return all, owners
}

func TestListLeadsByPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, stranger := storetest.Account(), storetest.Account()
		all, owners := some(60)
		write(t, db, s, func(tx *store.Tx) error {
			if n, err := leads.AddLeads(tx, all); err != nil || n != 60 {
				return fmt.Errorf("%d: %w", n, err)
			}
			for _, l := range all {
				if !l.Owner.IsZero() {
					if err := tx.Must(testOwner, l.ID, l.Owner); err != nil {
						return err
					}
				}
			}
			return nil
		})
		x := all[3]
		filters := map[string]leads.LeadFilter{"all": {Test: true}, "real": {}, "project": {Project: x.Project}, "source": {Source: x.Source, Test: true},
			"category": {Category: lead.Won}, "stage": {Stages: []lead.StageID{x.Stage}}, "state": {RouteState: lead.Waiting}, "owner": {Owners: owners[1:2], Test: true},
			"person": {Person: x.Person, Test: true}, "several": {Project: x.Project, Stages: []lead.StageID{x.Stage}, Owners: owners[2:]},
			"of two": {Stages: []lead.StageID{x.Stage, all[0].Stage, all[1].Stage, all[2].Stage}, Owners: owners[1:], Test: true},
			"since":  {From: x.CreatedAt}, "until": {To: x.CreatedAt, Test: true}, "between": {From: base.Add(3 * time.Second), To: x.CreatedAt, Source: x.Source}}
		for name, f := range filters {
			got := pages(t, db, s, f)
			want := expected(all, f)
			if !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%s: got %d leads, want %d in this order", name, len(got), len(want))
			}
			if len(pages(t, db, stranger, f)) != 0 {
				t.Errorf("%s: another account sees them", name)
			}
		}
	})
}

func pages(t *testing.T, db *store.DB, s account.Scope, f leads.LeadFilter) (out []lead.ID) {
	t.Helper()
	var after leads.LeadPage
	for {
		var page []leads.Lead
		err := db.Read(t.Context(), s, func(tx *store.Tx) (err error) {
			page, err = leads.ListLeads(tx, f, after, 7)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page {
			out = append(out, l.ID)
		}
		if len(page) < 7 {
			return out
		}
		after = leads.LeadPage{CreatedAt: page[6].CreatedAt, ID: page[6].ID}
	}
}

func expected(all []*leads.Lead, f leads.LeadFilter) (out []lead.ID) {
	var kept []*leads.Lead
	for _, l := range all {
		if (f.Project.IsZero() || l.Project == f.Project) && (f.Source.IsZero() || l.Source == f.Source) && (f.Category == "" || l.Category == f.Category) &&
			(len(f.Stages) == 0 || slices.Contains(f.Stages, l.Stage)) && !l.CreatedAt.Before(f.From) && (f.To.IsZero() || l.CreatedAt.Before(f.To)) && (f.RouteState == "" || l.RouteState == f.RouteState) && (len(f.Owners) == 0 || slices.Contains(f.Owners, l.Owner)) &&
			(f.Person.IsZero() || l.Person == f.Person) && (f.Test || !l.Test) {
			kept = append(kept, l)
		}
	}
	slices.SortFunc(kept, func(a, b *leads.Lead) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return bytes.Compare(b.ID.Bytes(), a.ID.Bytes())
	})
	for _, l := range kept {
		out = append(out, l.ID)
	}
	return out
}

func TestOneOpenLeadForAPersonAndProject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		all, _ := some(3 + 3)
		all[1].Person, all[1].Project = all[0].Person, all[0].Project
		write(t, db, s, func(tx *store.Tx) error {
			n, err := leads.AddLeads(tx, all[:2])
			if n != 1 {
				t.Errorf("%d inserted", n)
			}
			return err
		})
	})
}

func TestEnquiriesAndSubmissions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, stranger := storetest.Account(), storetest.Account()
		l, p := lead.NewID(), lead.NewPersonID()
		e := &leads.Enquiry{ID: lead.NewEnquiryID(), Lead: l, Person: p, Project: account.NewProjectID(), Source: account.NewSourceID(), State: lead.Attached,
			Flags: []lead.Flag{lead.NameOdd}, Attribution: `{"gclid":"1"}`, Message: vault.Sealed{Data: []byte{1, 2}}, ReceivedAt: base, CreatedAt: base.Add(time.Second)}
		sub := &leads.Submission{ID: lead.NewSubmissionID(), Enquiry: e.ID, BodyMAC: [16]byte{7}, Person: p, Format: "json",
			Raw: vault.Sealed{Data: []byte{3}}, Stream: "s", Seq: 1 << 40, ReceivedAt: base}
		add := func(want int64) {
			t.Helper()
			write(t, db, s, func(tx *store.Tx) error {
				n, err := leads.AddEnquiries(tx, []*leads.Enquiry{e})
				if err != nil {
					return err
				}
				m, err := leads.AddSubmissions(tx, []*leads.Submission{sub})
				if n != want || m != want {
					t.Errorf("inserted %d and %d, want %d", n, m, want)
				}
				return err
			})
		}
		add(1)
		add(0)
		write(t, db, s, func(tx *store.Tx) error { return leads.MarkConflict(tx, []lead.EnquiryID{e.ID}) })
		look := func(tx *store.Tx) error {
			got, err := leads.EnquiryByID(tx, e.ID)
			if err != nil {
				return err
			}
			if !got.Conflict || got.Lead != l || got.Custom != "{}" || !slices.Equal(got.Flags, e.Flags) || !got.CustomSeal.Empty() ||
				got.Message.Binding != leads.EnquiryPlace(e.ID, vault.Message) || got.Message.Subject != vault.Subject(p.UUID()) || !bytes.Equal(got.Message.Data, []byte{1, 2}) {
				t.Errorf("%+v", got)
			}
			subs, err := leads.Submissions(tx, e.ID)
			if err == nil && (len(subs) != 1 || subs[0].Seq != 1<<40 || !subs[0].Conflict || subs[0].BodyMAC != sub.BodyMAC || !subs[0].Trace.Empty()) {
				t.Errorf("%+v", subs)
			}
			return err
		}
		if err := db.Read(t.Context(), s, look); err != nil {
			t.Error(err)
		}
		if err := db.Read(t.Context(), stranger, look); !errors.Is(err, store.ErrNone) {
			t.Errorf("another account: %v", err)
		}
	})
}

// Enquiries and dead letters page as leads do.
func TestOtherListsByPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		var wantE, wantD []string
		write(t, db, s, func(tx *store.Tx) error {
			for i := range 25 {
				at := base.Add(-time.Duration(i/4) * time.Second)
				e := &leads.Enquiry{ID: lead.NewEnquiryID(), Project: account.NewProjectID(), Source: account.NewSourceID(), State: lead.Dead, ReceivedAt: at, CreatedAt: at}
				if _, err := leads.AddEnquiries(tx, []*leads.Enquiry{e}); err != nil {
					return err
				}
				d := leads.DeadLetter{ID: lead.NewDeadID(), Enquiry: e.ID, Stream: "s", Seq: uint64(i), Reason: "r", ReceivedAt: at, ChangedAt: at}
				for range 2 {
					if _, err := leads.AddDead(tx, d); err != nil {
						return err
					}
				}
				wantE, wantD = append(wantE, fmt.Sprintf("%s %x", at, e.ID.Bytes())), append(wantD, fmt.Sprintf("%s %x", at, d.ID.Bytes()))
			}
			return nil
		})
		var gotE, gotD []string
		err := db.Read(t.Context(), s, func(tx *store.Tx) error {
			var after leads.EnquiryPage
			for {
				page, err := leads.ListEnquiries(tx, leads.EnquiryFilter{State: lead.Dead}, after, 6)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, e := range page {
					gotE = append(gotE, fmt.Sprintf("%s %x", e.ReceivedAt, e.ID.Bytes()))
					after = leads.EnquiryPage{ReceivedAt: e.ReceivedAt, ID: e.ID}
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), s, func(tx *store.Tx) error {
			var after leads.DeadPage
			for {
				page, err := leads.ListDead(tx, leads.DeadOpen, after, 6)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, d := range page {
					gotD = append(gotD, fmt.Sprintf("%s %x", d.ReceivedAt, d.ID.Bytes()))
					after = leads.DeadPage{ReceivedAt: d.ReceivedAt, ID: d.ID}
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range [][]string{wantE, wantD} {
			slices.Sort(want)
			slices.Reverse(want)
		}
		if !slices.Equal(gotE, wantE) || !slices.Equal(gotD, wantD) {
			t.Errorf("%d enquiries, %d dead letters, or in another order", len(gotE), len(gotD))
		}
	})
}
