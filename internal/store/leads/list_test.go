package leads_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/counts"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
)

var testCame = store.Register("leadtest.came", `UPDATE lead SET offered_at = $3, accepted_at = $4, attempted_at = $5, contacted_at = $6 WHERE account_id = $1 AND lead_id = $2`)

// What a figure counts and what its list shows are the same leads: by campaign,
// by origin, by how far they came and by how fast.
func TestListsBehindFigures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, stranger := storetest.Account(), storetest.Account()
		all, _ := some(45)
		var facts []counts.Facts
		for i, l := range all {
			step := func(n int) time.Time {
				if i%6 < n {
					return time.Time{}
				}
				return l.CreatedAt.Add(time.Duration(n*(i%5+1)) * time.Minute)
			}
			l.OfferedAt, l.AcceptedAt, l.AttemptedAt, l.ContactedAt = step(1), step(2), step(3), step(4)
			f := counts.Facts{Lead: l.ID, Project: l.Project, Source: l.Source, Test: l.Test, Stage: l.Stage, Category: l.Category, Enquiries: 1, CreatedAt: l.CreatedAt,
				OfferedAt: l.OfferedAt, AcceptedAt: l.AcceptedAt, AttemptedAt: l.AttemptedAt, ContactedAt: l.ContactedAt}
			if i%4 > 0 {
				f.Attribution = fmt.Sprintf(`{"utm_source":"Google","utm_medium":"%s","utm_campaign":"Spring %d"}`, []string{"cpc", "Mail"}[i%2], i%4)
			}
			facts = append(facts, f)
		}
		write(t, db, s, func(tx *store.Tx) error {
			if _, err := leads.AddLeads(tx, all); err != nil {
				return err
			}
			for _, l := range all {
				if err := tx.Must(testCame, l.ID, store.Micro(l.OfferedAt), store.Micro(l.AcceptedAt), store.Micro(l.AttemptedAt), store.Micro(l.ContactedAt)); err != nil {
					return err
				}
			}
			if err := counts.Account(tx, facts); err != nil {
				return err
			}
			return counts.Account(tx, facts) // again: nothing
		})
		minutes := func(a, b int) *leads.Speed {
			return &leads.Speed{Least: time.Duration(a) * time.Minute, Below: time.Duration(b) * time.Minute}
		}
		for name, x := range map[string]struct {
			f    leads.LeadFilter
			want func(i int, l *leads.Lead) bool
		}{
			"campaign":                 {leads.LeadFilter{Campaign: "spring 2"}, func(i int, l *leads.Lead) bool { return i%4 == 2 }},
			"origin":                   {leads.LeadFilter{Origin: "google / mail"}, func(i int, l *leads.Lead) bool { return i%4 == 1 || i%4 == 3 }},
			"both":                     {leads.LeadFilter{Origin: "google / mail", Campaign: "spring 3"}, func(i int, l *leads.Lead) bool { return i%4 == 3 }},
			"campaign that nobody has": {leads.LeadFilter{Campaign: "summer"}, func(int, *leads.Lead) bool { return false }},
			"campaign within its time": {leads.LeadFilter{Campaign: "spring 2", From: base.Add(4 * time.Second), To: base.Add(9 * time.Second)}, func(i int, l *leads.Lead) bool {
				return i%4 == 2 && l.CreatedAt.Sub(base) >= 4*time.Second && l.CreatedAt.Sub(base) < 9*time.Second
			}},
			"offered":               {leads.LeadFilter{Came: leads.CameOffered}, func(i int, l *leads.Lead) bool { return !l.OfferedAt.IsZero() }},
			"accepted":              {leads.LeadFilter{Came: leads.CameAccepted}, func(i int, l *leads.Lead) bool { return !l.AcceptedAt.IsZero() }},
			"attempted of a source": {leads.LeadFilter{Came: leads.CameAttempted, Source: all[3].Source}, func(i int, l *leads.Lead) bool { return !l.AttemptedAt.IsZero() && l.Source == all[3].Source }},
			"contacted":             {leads.LeadFilter{Came: leads.CameContacted}, func(i int, l *leads.Lead) bool { return !l.ContactedAt.IsZero() }},
			"visited":               {leads.LeadFilter{Came: leads.CameVisited}, func(int, *leads.Lead) bool { return false }},
			"tried within six to nine": {leads.LeadFilter{Tried: minutes(6, 9)}, func(i int, l *leads.Lead) bool {
				d := l.AttemptedAt.Sub(l.CreatedAt)
				return d >= 6*time.Minute && d < 9*time.Minute
			}},
			"tried after six or longer": {leads.LeadFilter{Tried: minutes(6, 0)}, func(i int, l *leads.Lead) bool { return l.AttemptedAt.Sub(l.CreatedAt) >= 6*time.Minute }},
		} {
			var kept []*leads.Lead
			for i, l := range all {
				if x.want(i, l) {
					kept = append(kept, l)
				}
			}
			want := expected(kept, leads.LeadFilter{})
			if got := pages(t, db, s, x.f); !slices.Equal(got, want) {
				t.Errorf("%s: got %d leads, want %d in this order", name, len(got), len(want))
			}
			if len(pages(t, db, stranger, x.f)) != 0 {
				t.Errorf("%s: another account sees them", name)
			}
		}
		var by map[string]*counts.Tally
		if err := db.Read(t.Context(), s, func(tx *store.Tx) (err error) {
			by, err = counts.Between(tx, counts.OfCampaign, base.Truncate(counts.Step), base.Add(time.Hour))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if n := len(pages(t, db, s, leads.LeadFilter{Campaign: "spring 2"})); n == 0 || by["spring 2"] == nil || int64(n) != by["spring 2"].Of(counts.FLeads) {
			t.Errorf("%d in the list, the figures say %v", n, by["spring 2"])
		}
	})
}

// Of who is in a team, and of every stage of a category, one list is made.
func TestAListOfSeveral(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		all, owners := some(40)
		write(t, db, s, func(tx *store.Tx) error {
			if _, err := leads.AddLeads(tx, all); err != nil {
				return err
			}
			for _, l := range all {
				if err := tx.Must(testOwner, l.ID, l.Owner); err != nil {
					return err
				}
			}
			return nil
		})
		stages := []lead.StageID{all[0].Stage, all[0].Stage}
		for _, l := range all {
			if l.Stage != stages[0] {
				stages[1] = l.Stage
			}
		}
		f := leads.LeadFilter{Stages: append(stages, stages...), Owners: []account.UserID{owners[1], owners[2], owners[1]}, Test: true}
		if got, want := pages(t, db, s, f), expected(all, f); !slices.Equal(got, want) || len(want) < 10 {
			t.Errorf("got %d leads, want %d in this order", len(got), len(want))
		}
	})
}
