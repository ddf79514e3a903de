package console

import (
	"errors"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// Pool says how a project's leads are offered, and to whom.
type Pool struct {
	ID            string       `json:"id" example:"pool_01h455vb4pex5vsknk084sn02q"`
	ProjectID     string       `json:"project_id" example:"proj_01h455vb4pex5vsknk084sn02q"`
	Name          string       `json:"name" example:"Sales"`
	AcceptSeconds int64        `json:"accept_seconds" doc:"How long an offer stands."`
	OffersAtOnce  int64        `json:"offers_at_once" doc:"Open offers that one salesperson may have."`
	QueueName     string       `json:"queue_name" doc:"The named place where a lead stands that nobody takes." example:"Unanswered"`
	AlarmSeconds  int64        `json:"alarm_seconds" doc:"Waiting longer than this puts a lead into the queue and raises its alarm."`
	CreatedAt     time.Time    `json:"created_at"`
	Members       []PoolMember `json:"members" nullable:"false" doc:"The project's team, by name. Who was taken out is not listed."`
}

// PoolMember is one of a pool's people as they are now.
type PoolMember struct {
	UserID        string     `json:"user_id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Name          string     `json:"name" example:"Ravi Example"`
	Active        bool       `json:"active" doc:"False: the user is not active in the account, and gets no offers."`
	OnShift       bool       `json:"on_shift"`
	ShiftChangeAt *time.Time `json:"shift_change_at" doc:"When the shift ends, or the next one begins; null: not within a week."`
	Presence      string     `json:"presence" enum:"available,engaged,away,logged-off"`
	LastOfferAt   *time.Time `json:"last_offer_at" doc:"null: never. Whose is oldest is next."`
	OffersMade    int64      `json:"offers_made"`
	OpenOffers    int64      `json:"open_offers" doc:"In every pool."`
	Offers        bool       `json:"offers" doc:"Is offered the project's leads."`
	Lead          bool       `json:"lead" doc:"Leads the team: follows it, and is offered its leads only with offers, too."`
}

type poolBody struct {
	Name          *string `json:"name,omitempty" minLength:"1" maxLength:"80" doc:"Kept, or \"Sales\" for a new pool."`
	AcceptSeconds *int64  `json:"accept_seconds,omitempty" minimum:"5" maximum:"3600" doc:"How long an offer stands. A new pool: 45." example:"45"`
	OffersAtOnce  *int64  `json:"offers_at_once,omitempty" minimum:"1" maximum:"100000" doc:"Open offers that one salesperson may have. A new pool: 1." example:"1"`
	QueueName     *string `json:"queue_name,omitempty" minLength:"1" maxLength:"80" doc:"A new pool: \"Unanswered\"." example:"Unanswered"`
	AlarmSeconds  *int64  `json:"alarm_seconds,omitempty" minimum:"10" maximum:"604800" doc:"A new pool: 300." example:"300"`
}

func (b poolBody) change() routing.PoolChange {
	return routing.PoolChange{Name: b.Name, AcceptSeconds: b.AcceptSeconds, OffersAtOnce: b.OffersAtOnce, QueueName: b.QueueName, AlarmSeconds: b.AlarmSeconds}
}

type poolIn struct{ ProjectPath }

type putPoolIn struct {
	ProjectPath
	Body poolBody
}

// PoolMemberPath is the input of a route about one of a pool's people.
type PoolMemberPath struct {
	ProjectPath
	User string `path:"user" doc:"The user's id." example:"user_01h455vb4pex5vsknk084sn02q"`
}

type joinIn struct {
	PoolMemberPath
	Body *struct {
		Offers *bool `json:"offers,omitempty" doc:"Is offered the project's leads. Left out: yes, unless lead is said; then as it was."`
		Lead   *bool `json:"lead,omitempty" doc:"Leads the team. Left out: as it was."`
	} `required:"false"`
}

func (c *Console) poolRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/projects/{id}/pool", Name: "get-pool", Tag: "routing", Permission: account.ReadSetup,
		Summary: "How a project's leads are offered, and to whom", Detail: "404 also when the project has no pool yet: its leads wait until it gets one."}, c.getPool)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/projects/{id}/pool", Name: "put-pool", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Make or change a project's pool", Detail: "What is left out keeps its value. Open offers stand as they were made."}, c.putPool)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/projects/{id}/pool/members/{user}", Name: "add-pool-member", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Put a user into the pool", Detail: "Somebody who was in it before gets their old place in the rotation. The pool is the project's team: who is in it, or leads it, sees its leads by a role whose reach is teams."}, c.addMember)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/projects/{id}/pool/members/{user}", Name: "remove-pool-member", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Take a user out of the pool", Detail: "Also as a lead. Their open offers stand until they are answered or end."}, c.removeMember)
}

func (c *Console) getPool(v *web.Visit, tx *store.Tx, in *poolIn) (*Pool, error) {
	id, err := in.project()
	if err != nil {
		return nil, err
	}
	p, err := offers.PoolOf(tx, id)
	if err != nil {
		return nil, err // store.ErrNone: another account's, one that never was, or one without a pool
	}
	return c.pool(tx, p, v.At)
}

func (c *Console) putPool(v *web.Visit, tx *store.Tx, in *putPoolIn) (*Pool, error) {
	id, err := in.project()
	if err != nil {
		return nil, err
	}
	if _, err := setup.GetProject(tx, id); err != nil {
		return nil, err
	}
	p, err := offers.PoolOf(tx, id)
	switch {
	case errors.Is(err, store.ErrNone):
		p, err = c.Routing.CreatePool(tx, id, in.Body.change(), v.Actor, v.At)
	case err == nil:
		p, err = c.Routing.UpdatePool(tx, p.ID, in.Body.change(), v.Actor, v.At)
	}
	if err != nil {
		return nil, err
	}
	return c.pool(tx, p, v.At)
}

func (c *Console) addMember(v *web.Visit, tx *store.Tx, in *joinIn) (*Pool, error) {
	p, m, err := in.find(tx)
	if err != nil {
		return nil, err
	}
	var lead *bool
	offered := new(true)
	if b := in.Body; b != nil {
		if lead = b.Lead; b.Offers != nil || lead != nil {
			offered = b.Offers
		}
	}
	if offered != nil {
		if err := c.takesOffers(v, tx, p, m, *offered); err != nil {
			return nil, err
		}
	}
	if lead != nil {
		if err := c.Routing.SetLead(tx, p.ID, m.ID, *lead, v.Actor, v.At); err != nil {
			return nil, err
		}
	}
	c.Directory.Revoked(tx) // who is in which team is believed for a moment
	return c.pool(tx, p, v.At)
}

func (c *Console) takesOffers(v *web.Visit, tx *store.Tx, p offers.Pool, m *members.Member, offered bool) error {
	r, err := directory.RightsOf(tx, m.Role)
	if err != nil {
		return err
	}
	if offered && !r.May(account.AnswerOffers) {
		return problem.Conflict("role_gets_no_offers", "The role %s answers no offers; give the user another role first.", m.Role)
	}
	return c.Routing.SetMember(tx, p.ID, m.ID, offered, v.Actor, v.At)
}

func (c *Console) removeMember(v *web.Visit, tx *store.Tx, in *PoolMemberPath) (*Pool, error) {
	p, m, err := in.find(tx)
	if err != nil {
		return nil, err
	}
	if err := c.Routing.SetMember(tx, p.ID, m.ID, false, v.Actor, v.At); err != nil {
		return nil, err
	}
	leads, err := offers.Leads(tx, p.ID)
	if err != nil {
		return nil, err
	}
	if slices.Contains(leads, m.ID) {
		if err := c.Routing.SetLead(tx, p.ID, m.ID, false, v.Actor, v.At); err != nil {
			return nil, err
		}
	}
	c.Directory.Revoked(tx)
	return c.pool(tx, p, v.At)
}

// find reads the pool and the user of the path.
func (in PoolMemberPath) find(tx *store.Tx) (p offers.Pool, m *members.Member, err error) {
	id, err := in.project()
	if err != nil {
		return p, nil, err
	}
	user, err := web.PathID(in.User, account.ParseUserID)
	if err != nil {
		return p, nil, err
	}
	if p, err = offers.PoolOf(tx, id); err != nil {
		return p, nil, err
	}
	m, err = members.Get(tx, user)
	return p, m, err
}

func (c *Console) pool(tx *store.Tx, p offers.Pool, now time.Time) (*Pool, error) {
	roster, err := c.Routing.Roster(tx, p.ID, now)
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	if err != nil {
		return nil, err
	}
	rows, err := offers.Roster(tx, p.ID) // says who is in the pool still
	if err != nil {
		return nil, err
	}
	in := map[account.UserID]bool{}
	for _, m := range rows {
		in[m.User] = m.Active
	}
	leads, err := offers.Leads(tx, p.ID)
	if err != nil {
		return nil, err
	}
	out := &Pool{ID: p.ID.String(), ProjectID: p.Project.String(), Name: p.Name, AcceptSeconds: p.AcceptSeconds, OffersAtOnce: p.OffersAtOnce,
		QueueName: p.QueueName, AlarmSeconds: p.AlarmSeconds, CreatedAt: p.CreatedAt, Members: []PoolMember{}}
	for _, m := range roster {
		if lead := slices.Contains(leads, m.User); in[m.User] || lead {
			one := poolMember(m, names[m.User])
			one.Offers, one.Lead = in[m.User], lead
			out.Members = append(out.Members, one)
		}
	}
	byName(out.Members, func(m PoolMember) (string, string) { return m.Name, m.UserID })
	return out, nil
}

func poolMember(m routing.Member, name string) PoolMember {
	out := PoolMember{UserID: m.User.String(), Name: name, Active: m.Active, OnShift: m.OnShift, ShiftChangeAt: web.TimeOrNull(m.Hours.Next.UTC()),
		Presence: string(m.Presence), OffersMade: m.OffersMade, OpenOffers: m.OpenOffers}
	if m.LastOfferAt != 0 {
		at := time.UnixMicro(m.LastOfferAt).UTC()
		out.LastOfferAt = &at
	}
	return out
}
