package leads_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
)

var (
	testPool = store.Register("leadtest.pool", `INSERT INTO pool (account_id, pool_id, project_id, name, accept_seconds, offers_at_once, queue_name, alarm_seconds, version, created_at)
		VALUES ($1, $2, $3, 'team', 45, 1, 'desk', 300, 1, 0)`)
	testMember = store.Register("leadtest.member", `INSERT INTO pool_member (account_id, pool_id, user_id, active, last_offer_at, offers_made, open_offers)
		VALUES ($1, $2, $3, $4, 0, 0, 0)`)
)

// join puts the user into the team of the project, or among those who left it.
func join(tx *store.Tx, p account.ProjectID, u account.UserID, active bool) error {
	pool := account.NewPoolID()
	if err := tx.Must(testPool, pool, p); err != nil {
		return err
	}
	return tx.Must(testMember, pool, u, active)
}

// Of teams one by one, and of too many for that, one gets the same leads in the
// same order: those of the teams and one's own.
func TestListLeadsOfTeams(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, more := range []int{0, 1, 63, 64, 80} {
			s := storetest.Account()
			all, owners := some(60)
			me, mine := owners[1], all[0].Project
			write(t, db, s, func(tx *store.Tx) error {
				if _, err := leads.AddLeads(tx, all); err != nil {
					return err
				}
				for _, l := range all {
					if l.Project != mine { // a team that was left
						if err := join(tx, l.Project, me, false); err != nil {
							return err
						}
						break
					}
				}
				for range more {
					if err := join(tx, account.NewProjectID(), me, true); err != nil {
						return err
					}
				}
				return join(tx, mine, me, true)
			})
			for name, f := range map[string]leads.LeadFilter{"all": {Test: true}, "one project": {Project: mine}, "a stage": {Stages: []lead.StageID{all[0].Stage}, Test: true}, "another's": {Owners: owners[2:], Test: true}} {
				want := expected(all, f)
				want = slices.DeleteFunc(want, func(id lead.ID) bool {
					l := all[slices.IndexFunc(all, func(l *leads.Lead) bool { return l.ID == id })]
					return l.Project != mine && l.Owner != me
				})
				f.TeamsOf = me
				if got := pages(t, db, s, f); !slices.Equal(got, want) || len(want) == 0 {
					t.Errorf("%d more teams, %s: %d leads, want %d in this order", more, name, len(got), len(want))
				}
			}
		}
	})
}

// BenchmarkAFewOfATeam lists the leads of a team that has 60 of 200,000, all of
// them older than the others'.
func BenchmarkAFewOfATeam(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *store.DB{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			db, s, me := open(b), storetest.Account(), account.NewUserID()
			small, large := account.NewProjectID(), account.NewProjectID()
			for from := range 200 {
				all := make([]*leads.Lead, 1000)
				for i := range all {
					all[i] = &leads.Lead{ID: lead.NewID(), Person: lead.NewPersonID(), Project: large, Source: account.NewSourceID(), Stage: lead.NewStageID(),
						Category: lead.New, RouteState: lead.Owned, Enquiries: 1, CreatedAt: base.Add(time.Duration(1000*from+i) * time.Second), EnquiredAt: base}
					if from == 0 && i < 60 {
						all[i].Project = small
					}
				}
				err := db.Write(b.Context(), s, func(tx *store.Tx) error {
					if n, err := leads.AddLeads(tx, all); err != nil || n != 1000 {
						return fmt.Errorf("%d: %w", n, err)
					}
					if from > 0 {
						return nil
					}
					return join(tx, small, me, true)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				var got []leads.Lead
				err := db.Read(b.Context(), s, func(tx *store.Tx) (err error) {
					got, err = leads.ListLeads(tx, leads.LeadFilter{TeamsOf: me}, leads.LeadPage{}, 51)
					return err
				})
				if err != nil || len(got) != 51 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
