package leads

import (
	"bytes"
	"slices"

	"catchment/internal/account"
	"catchment/internal/store"
)

// A team's leads can be few among many: read newest first from all of the
// account's, a page of them costs what lies between. So each of a user's teams
// is read from the index of its project, and the pages are laid together. Of
// somebody with many teams the leads lie close enough.

// mostTeams is up to how many teams are read one by one.
const mostTeams = 64

var teamsOf = store.Register("leads.lead.teams_of", `SELECT DISTINCT tp.project_id FROM pool_member tm
	JOIN pool tp ON tp.account_id = $1 AND tp.pool_id = tm.pool_id
	WHERE tm.account_id = $1 AND tm.user_id = $2 AND (tm.active OR tm.leads) LIMIT $3`)

// ofTeamsAlone reports whether nothing narrower than the teams leads to an index.
func (f LeadFilter) ofTeamsAlone() bool {
	return !f.TeamsOf.IsZero() && f.Tag == "" && f.Campaign == "" && f.Person.IsZero() && len(f.Owners) == 0
}

func listOfTeams(tx *store.Tx, f LeadFilter, after LeadPage, limit int) ([]Lead, error) {
	projects, err := teamProjects(tx, f.TeamsOf)
	if err != nil {
		return nil, err
	}
	if len(projects) > mostTeams {
		return listLeadsBy(tx, f.leading(), f, after, limit)
	}
	own := f
	own.Owners, own.TeamsOf = []account.UserID{f.TeamsOf}, account.UserID{}
	out, err := listLeadsBy(tx, listOwned, own, after, limit)
	for _, p := range projects {
		if err != nil {
			return nil, err
		}
		if !f.Project.IsZero() && f.Project != p {
			continue
		}
		team := f
		team.Project, team.TeamsOf = p, account.UserID{}
		var more []Lead
		more, err = listLeadsBy(tx, listProject, team, after, limit)
		out = append(out, more...)
	}
	return Newest(out, limit), err
}

// teamProjects lists the projects whose team the user is in, one more than are
// read one by one at most.
func teamProjects(tx *store.Tx, user account.UserID) (out []account.ProjectID, err error) {
	rows, err := tx.Query(teamsOf, user, mostTeams+1)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.ProjectID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// Newest lays lists that overlap together, newest first, up to limit.
func Newest(all []Lead, limit int) []Lead {
	slices.SortFunc(all, func(a, b Lead) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		x, y := a.ID.UUID(), b.ID.UUID()
		return bytes.Compare(y[:], x[:])
	})
	all = slices.CompactFunc(all, func(a, b Lead) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)]
}
