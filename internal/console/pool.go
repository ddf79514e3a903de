package console

import (
	"errors"
	"time"

	"catchment/internal/account"
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
	Members       []PoolMember `json:"members" nullable:"false" doc:"By name. Who was taken out is not listed."`
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

type poolMemberIn struct {
	ProjectPath
	User string `path:"user" doc:"The user's id." example:"user_01h455vb4pex5vsknk084sn02q"`
}

func (c *Console) poolRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/projects/{id}/pool", Name: "get-pool", Tag: "routing", Permission: account.ReadSetup,
		Summary: "How a project's leads are offered, and to whom", Detail: "404 also when the project has no pool yet: its leads wait until it gets one."}, c.getPool)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/projects/{id}/pool", Name: "put-pool", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Make or change a project's pool", Detail: "What is left out keeps its value. Open offers stand as they were made."}, c.putPool)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/projects/{id}/pool/members/{user}", Name: "add-pool-member", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Put a user into the pool", Detail: "Somebody who was in it before gets their old place in the rotation."}, c.addMember)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/projects/{id}/pool/members/{user}", Name: "remove-pool-member", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Take a user out of the pool", Detail: "Their open offers stand until they are answered or end."}, c.removeMember)
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

func (c *Console) addMember(v *web.Visit, tx *store.Tx, in *poolMemberIn) (*Pool, error) {
	return c.setMember(v, tx, in, true)
}

func (c *Console) removeMember(v *web.Visit, tx *store.Tx, in *poolMemberIn) (*Pool, error) {
	return c.setMember(v, tx, in, false)
}

func (c *Console) setMember(v *web.Visit, tx *store.Tx, in *poolMemberIn, joins bool) (*Pool, error) {
	id, err := in.project()
	if err != nil {
		return nil, err
	}
	user, err := web.PathID(in.User, account.ParseUserID)
	if err != nil {
		return nil, err
	}
	p, err := offers.PoolOf(tx, id)
	if err != nil {
		return nil, err
	}
	m, err := members.Get(tx, user)
	if err != nil {
		return nil, err
	}
	if joins && !m.Role.May(account.AnswerOffers) {
		return nil, problem.Conflict("role_gets_no_offers", "The role %s answers no offers; give the user another role first.", m.Role)
	}
	if err := c.Routing.SetMember(tx, p.ID, user, joins, v.Actor, v.At); err != nil {
		return nil, err
	}
	return c.pool(tx, p, v.At)
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
	out := &Pool{ID: p.ID.String(), ProjectID: p.Project.String(), Name: p.Name, AcceptSeconds: p.AcceptSeconds, OffersAtOnce: p.OffersAtOnce,
		QueueName: p.QueueName, AlarmSeconds: p.AlarmSeconds, CreatedAt: p.CreatedAt, Members: []PoolMember{}}
	for _, m := range roster {
		if in[m.User] {
			out.Members = append(out.Members, poolMember(m, names[m.User]))
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
