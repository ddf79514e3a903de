package console

import (
	"cmp"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/rights"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// Board is how everything stands now.
type Board struct {
	At       time.Time      `json:"at" doc:"The clock of these figures."`
	Projects []BoardProject `json:"projects" nullable:"false" doc:"Every active project, and others in which leads wait; by name."`
	People   []BoardPerson  `json:"people" nullable:"false" doc:"Everybody who may get offers; by name."`
}

// BoardProject is how one project stands.
type BoardProject struct {
	ID              string `json:"id" example:"proj_01h455vb4pex5vsknk084sn02q"`
	Name            string `json:"name" example:"Harbour Lofts"`
	Waiting         int64  `json:"waiting" doc:"Leads that nobody has and nobody is offered."`
	Queued          int64  `json:"queued" doc:"Of those, in the pool's named queue."`
	OldestWaitingMS *int64 `json:"oldest_waiting_ms" doc:"How long the oldest of them waits; null: none does."`
	Offered         int64  `json:"offered" doc:"Leads on open offer."`
	Owned           int64  `json:"owned" doc:"Open leads that somebody is accountable for."`
	Pool            bool   `json:"pool" doc:"False: nobody can be offered its leads."`
}

// BoardPerson is how one of the people stands.
type BoardPerson struct {
	ID         string    `json:"id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Name       string    `json:"name" example:"Ravi Example"`
	Role       string    `json:"role" doc:"A built-in role, or the id of one of the account's own." example:"salesperson"`
	Presence   string    `json:"presence" enum:"available,engaged,away,logged-off"`
	Since      time.Time `json:"since" doc:"Of the presence."`
	OnShift    bool      `json:"on_shift"`
	OpenOffers int64     `json:"open_offers"`
	Owned      int64     `json:"owned" doc:"Open leads that the person owns."`
	Projects   []string  `json:"projects" nullable:"false" doc:"In whose pools the person is."`
}

func (c *Console) boardRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/board", Name: "get-board", Tag: "routing", Permission: account.ReadReports,
		Summary: "How everything stands now", Detail: "Waiting, offered and owned leads of each project, and the people with their presence and open offers. Test leads are left out. Follow /v1/events to see it change."}, c.board)
}

func (c *Console) board(v *web.Visit, tx *store.Tx, _ *struct{}) (*Board, error) {
	owned, err := leads.OwnedNow(tx)
	if err != nil {
		return nil, err
	}
	owned = only(owned, func(o leads.Owned) bool { return v.ReachesProject(account.ReadReports, o.Project) })
	people, err := c.boardPeople(v, tx, owned)
	if err != nil {
		return nil, err
	}
	projects, err := c.boardProjects(v, tx, owned)
	return &Board{At: v.At, Projects: projects, People: people}, err
}

func (c *Console) boardProjects(v *web.Visit, tx *store.Tx, owned []leads.Owned) ([]BoardProject, error) {
	all, err := setup.Projects(tx)
	if err != nil {
		return nil, err
	}
	pools, err := offers.Pools(tx)
	if err != nil {
		return nil, err
	}
	counts, err := c.Routing.Board(tx)
	if err != nil {
		return nil, err
	}
	out := []BoardProject{}
	for _, p := range all {
		if !v.ReachesProject(account.ReadReports, p.ID) {
			continue
		}
		b := BoardProject{ID: p.ID.String(), Name: p.Name,
			Pool: slices.ContainsFunc(pools, func(x offers.Pool) bool { return x.Project == p.ID })}
		if i := slices.IndexFunc(counts, func(x routing.Count) bool { return x.Project == p.ID }); i >= 0 {
			b.Waiting, b.Queued, b.Offered = counts[i].Waiting, counts[i].Queued, counts[i].Offered
			if !counts[i].Oldest.IsZero() {
				ms := max(0, v.At.Sub(counts[i].Oldest).Milliseconds())
				b.OldestWaitingMS = &ms
			}
		}
		for _, o := range owned {
			if o.Project == p.ID {
				b.Owned += o.N
			}
		}
		if p.Active || b.Waiting+b.Offered > 0 {
			out = append(out, b)
		}
	}
	byName(out, func(b BoardProject) (string, string) { return b.Name, b.ID })
	return out, nil
}

// boardPeople lists those who are active and in a pool, or salespeople; to who
// sees the counts of teams, those who are in one of them.
func (c *Console) boardPeople(v *web.Visit, tx *store.Tx, owned []leads.Owned) ([]BoardPerson, error) {
	all, err := members.All(tx)
	if err != nil {
		return nil, err
	}
	stands, err := c.standing(v, tx)
	if err != nil {
		return nil, err
	}
	out := []BoardPerson{}
	for _, m := range all {
		s, pooled := stands[m.ID]
		if m.State != "active" || !pooled && (m.Role != account.Salesperson || v.Reach(account.ReadReports) != rights.All) {
			continue
		}
		b := BoardPerson{ID: m.ID.String(), Name: m.Name, Role: string(m.Role), Presence: string(m.Presence), Since: m.PresenceAt,
			OnShift: s.on, OpenOffers: s.open, Projects: append([]string{}, s.projects...)}
		for _, o := range owned {
			if o.Owner == m.ID {
				b.Owned += o.N
			}
		}
		out = append(out, b)
	}
	byName(out, func(b BoardPerson) (string, string) { return b.Name, b.ID })
	return out, nil
}

type stand struct {
	on       bool
	open     int64
	projects []string
}

// standing gathers, from all pools, who is in them and how they stand.
func (c *Console) standing(v *web.Visit, tx *store.Tx) (map[account.UserID]stand, error) {
	pools, err := offers.Pools(tx)
	if err != nil {
		return nil, err
	}
	out := map[account.UserID]stand{}
	for _, p := range pools {
		if !v.ReachesProject(account.ReadReports, p.Project) {
			continue
		}
		roster, err := c.Routing.Roster(tx, p.ID, v.At)
		if err != nil {
			return nil, err
		}
		for _, m := range roster {
			s := out[m.User]
			s.on, s.open = m.Hours.On, m.OpenOffers
			if m.Active {
				s.projects = append(s.projects, p.Project.String())
			}
			out[m.User] = s
		}
	}
	return out, nil
}

// byName sorts by name, then by id.
func byName[T any](list []T, key func(T) (name, id string)) {
	slices.SortFunc(list, func(a, b T) int {
		an, ai := key(a)
		bn, bi := key(b)
		return cmp.Or(cmp.Compare(an, bn), cmp.Compare(ai, bi))
	})
}
