package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// Colleague is one who works in the account. The name is what colleagues call
// them; phone and e-mail are personal.
type Colleague struct {
	ID            string     `json:"id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Role          string     `json:"role" doc:"A built-in role, or the id of one of the account's own." example:"salesperson"`
	State         string     `json:"state" enum:"invited,active,deactivated" doc:"invited: has not used the one-time link yet."`
	Name          string     `json:"name" example:"Ravi Example"`
	TimeZone      string     `json:"time_zone" example:"Europe/London"`
	Presence      string     `json:"presence" enum:"available,engaged,away,logged-off"`
	PresenceSince time.Time  `json:"presence_since"`
	CreatedAt     time.Time  `json:"created_at"`
	InvitedAt     *time.Time `json:"invited_at,omitempty" doc:"Of who has not signed in yet: when their newest one-time link was made."`
	InvitedUntil  *time.Time `json:"invitation_expires_at,omitempty" doc:"And until when it is good; left out once it is withdrawn."`
	Person        *Contact   `json:"person,omitempty" doc:"With include=person, the permission people:manage and a purpose; the opening is on the record."`
}

// Contact is how to reach a user.
type Contact struct {
	Phone *string `json:"phone" doc:"E.164." example:"+442079460123"`
	Email *string `json:"email" example:"ravi@example.com"`
}

// Invitation is a user with a one-time link.
type Invitation struct {
	Colleague
	Link      string    `json:"link" doc:"Give it to the user: POST /v1/links/redeem takes it, with the password of their choice. It is shown this once, and empty in the answer to a repeated request."`
	ExpiresAt time.Time `json:"link_expires_at"`
}

func colleague(m *members.Member) Colleague {
	return Colleague{ID: m.ID.String(), Role: string(m.Role), State: string(m.State), Name: m.Name, TimeZone: m.TimeZone,
		Presence: string(m.Presence), PresenceSince: m.PresenceAt, CreatedAt: m.CreatedAt}
}

// invited adds what the one-time links of somebody who has not signed in yet say.
func (c Colleague) invited(i access.Invitation) Colleague {
	if !i.Newest.IsZero() {
		c.InvitedAt, c.InvitedUntil = new(i.Newest.Add(-directory.LinkLife)), web.TimeOrNull(i.Until)
	}
	return c
}

// UserPath is the input of a route about one user.
type UserPath struct {
	ID string `path:"id" doc:"The user's id." example:"user_01h455vb4pex5vsknk084sn02q"`
}

func (p UserPath) member(tx *store.Tx) (*members.Member, error) {
	id, err := web.PathID(p.ID, account.ParseUserID)
	if err != nil {
		return nil, err
	}
	return members.Get(tx, id)
}

// Including says whether the personal part of users is asked for.
type Including struct {
	Include string `query:"include" enum:"person" doc:"person: with phone and e-mail."`
}

type usersIn struct {
	web.Page
	Including
	Role  string `query:"role" maxLength:"40" doc:"Only these: a built-in role, or the id of one of the account's own."`
	State string `query:"state" enum:"invited,active,deactivated" doc:"Only these."`

	Invited string `query:"invited" enum:"pending,expired" doc:"Only who has not signed in yet: pending, with a one-time link that is good; expired, without, for its time is over or it was withdrawn."`
}

type userIn struct {
	UserPath
	Including
}

type newUserIn struct {
	Body struct {
		Role     string `json:"role" doc:"A built-in role, or the id of one of the account's own." example:"salesperson"`
		Name     string `json:"name" minLength:"1" maxLength:"120" doc:"What colleagues call them. It is shown to everybody in the account." example:"Ravi Example"`
		Phone    string `json:"phone,omitempty" maxLength:"40" doc:"Best with + and the country." example:"+442079460123"`
		Email    string `json:"email" minLength:"3" maxLength:"254" doc:"The user signs in with it." example:"ravi@example.com"`
		TimeZone string `json:"time_zone,omitempty" maxLength:"60" doc:"An IANA name. Left out: UTC." example:"Europe/London"`
		Mail     bool   `json:"mail,omitempty" doc:"Send the one-time link to the e-mail address, too. 409 no_mail: the platform sends none."`
	}
}

type changeUserIn struct {
	UserPath
	Body struct {
		Role     *string  `json:"role,omitempty" maxLength:"40" doc:"A built-in role, or the id of one of the account's own." example:"manager"`
		State    *string  `json:"state,omitempty" enum:"active,deactivated" doc:"deactivated: signed out at once, and open offers go to others. active: back again."`
		Name     *string  `json:"name,omitempty" minLength:"1" maxLength:"120"`
		Phone    *string  `json:"phone,omitempty" maxLength:"40" doc:"Empty: none."`
		Email    *string  `json:"email,omitempty" minLength:"3" maxLength:"254"`
		TimeZone *string  `json:"time_zone,omitempty" maxLength:"60"`
		Handover *Leaving `json:"handover,omitempty" doc:"With state deactivated: who gets the open leads. Needed when there are any."`
	}
}

// Leaving says who gets the open leads of somebody who leaves.
type Leaving struct {
	To   string `json:"to,omitempty" doc:"A colleague's id." example:"user_01h455vb4pex5vsknk084sn02q"`
	Pool bool   `json:"pool,omitempty" doc:"Instead of to: back to routing, each to the pool of its project."`
}

func (c *Console) userRoutes() {
	web.Meet(c.API, web.Op{Method: "GET", Path: "/v1/users", Name: "list-users", Tag: "people", Opens: true, Permission: account.ReadSetup,
		Summary: "Who works here", Detail: "Phones and e-mails only with include=person, which needs people:manage and a purpose; the page is one opening on the record."}, c.listUsers)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/users", Name: "create-user", Tag: "people", Permission: account.ManagePeople, Status: 201, StepUp: true,
		Summary: "Invite a user", Detail: "The answer has a one-time link. 409 email_taken when another user of the account has the address."}, c.newUser)
	web.Meet(c.API, web.Op{Method: "GET", Path: "/v1/users/{id}", Name: "get-user", Tag: "people", Opens: true, Permission: account.ReadSetup,
		Summary: "One user", Detail: "Phone and e-mail as in the list."}, c.getUser)
	web.Do(c.API, web.Op{Method: "PATCH", Path: "/v1/users/{id}", Name: "change-user", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Change a user", Detail: "What is left out stays. Who is deactivated, or gets a role without offers, loses open offers to others. 409 open_leads: who is deactivated owns leads, send handover with to or pool; 200 go over at once, and the rest follows by itself (GET /v1/users/{id}/handover tells how far it is). 409 last_admin: there is always an admin who can sign in."}, c.changeUser)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/users/{id}/link", Name: "create-user-link", Tag: "people", Permission: account.ManagePeople, Status: 201, StepUp: true,
		Summary: "Give a user a new one-time link", Detail: "For an invitation that was not used in time, or a forgotten password. Earlier links stop working."}, c.newLink)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/users/{id}/link", Name: "withdraw-user-link", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Withdraw a user's one-time link", Detail: "For an invitation that went to the wrong place. Nothing happens when there is none. Another is made with POST."}, c.withdrawLink)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/users/{id}/factors", Name: "reset-user-factors", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Take away a user's second factors", Detail: "For who has lost them. Their sessions end, and they come in by password, or by a new link. It is on the record. Nobody resets their own: 409 own_factors. 409 last_admin: no admin could sign in any more."}, c.resetFactors)
}

// mayInclude settles whether the visitor gets phones and e-mails: nil error
// and false when no purpose is stated.
func (in Including) mayInclude(v *web.Visit) (bool, error) {
	if in.Include == "" {
		return false, nil
	}
	if !v.May(account.ManagePeople) {
		return false, problem.Forbidden("forbidden", "The role %s may not see users' phones and e-mails (it needs %s).", v.Role, account.ManagePeople)
	}
	return v.Purpose != "", nil
}

func (c *Console) listUsers(ctx context.Context, v *web.Visit, in *usersIn) (*web.List[Colleague], error) {
	with, err := in.mayInclude(v)
	if err != nil {
		return nil, err
	}
	var all []*members.Member
	var links map[account.UserID]access.Invitation
	err = c.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		if all, err = members.All(tx); err != nil {
			return err
		}
		links, err = access.Invitations(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(all) // newest first
	all = only(all, func(m *members.Member) bool {
		return (in.Role == "" || string(m.Role) == in.Role) && (in.State == "" || string(m.State) == in.State) &&
			(in.Invited == "" || m.State == members.Invited && (in.Invited == "pending") == v.At.Before(links[m.ID].Until))
	})
	var shown []*members.Member
	list, err := window(in.Page, all, func(m *members.Member) web.Place { return web.Place{At: m.CreatedAt, ID: m.ID.UUID()} },
		func(m *members.Member) Colleague { shown = append(shown, m); return colleague(m).invited(links[m.ID]) })
	if err != nil || !with {
		return list, err
	}
	return list, c.open(ctx, v, shown, list.Items)
}

func (c *Console) getUser(ctx context.Context, v *web.Visit, in *userIn) (*Colleague, error) {
	with, err := in.mayInclude(v)
	if err != nil {
		return nil, err
	}
	var m *members.Member
	var links map[account.UserID]access.Invitation
	err = c.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		if m, err = in.member(tx); err != nil || m.State != members.Invited {
			return err
		}
		links, err = access.Invitations(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	one := []Colleague{colleague(m).invited(links[m.ID])}
	if with {
		err = c.open(ctx, v, []*members.Member{m}, one)
	}
	return &one[0], err
}

// open fills in phones and e-mails: one opening for the answer.
func (c *Console) open(ctx context.Context, v *web.Visit, all []*members.Member, out []Colleague) error {
	var sealed []vault.Sealed
	for _, m := range all {
		sealed = append(sealed, m.SealedPhone(), m.SealedEmail())
	}
	opened, err := c.Opener.Open(ctx, v.Scope, v.Actor, v.Purpose, sealed...)
	if err != nil {
		return err
	}
	text := func(i int) *string {
		if opened.States[i] != keyring.Clear {
			return nil
		}
		return web.OrNull(reveal.Text(opened.Values[i]))
	}
	for i := range out {
		out[i].Person = &Contact{Phone: text(2 * i), Email: text(2*i + 1)}
	}
	return nil
}

// free gives the open offers of somebody who works no more, or not with
// leads, to others.
func (c *Console) free(v *web.Visit, tx *store.Tx, user account.UserID, reason string) error {
	for {
		open, err := c.Routing.Offers(tx, user, v.At)
		if err != nil || len(open) == 0 {
			return err
		}
		for _, o := range open {
			if _, err := c.Routing.Decline(tx, o.ID, user, reason, v.At); err != nil {
				return err
			}
		}
	}
}

// leave takes a user out of every pool.
func (c *Console) leave(v *web.Visit, tx *store.Tx, user account.UserID) error {
	projects, err := offers.ProjectsOf(tx, user)
	if err != nil {
		return err
	}
	for _, id := range projects {
		p, err := offers.PoolOf(tx, id)
		if err != nil {
			return err
		}
		if err := c.Routing.SetMember(tx, p.ID, user, false, v.Actor, v.At); err != nil {
			return err
		}
	}
	return nil
}

// userNames reads what colleagues call each other.
func userNames(tx *store.Tx) (map[account.UserID]string, error) {
	all, err := members.All(tx)
	out := make(map[account.UserID]string, len(all))
	for _, m := range all {
		out[m.ID] = m.Name
	}
	return out, err
}

func (c *Console) newUser(v *web.Visit, tx *store.Tx, in *newUserIn) (*Invitation, error) {
	b := in.Body
	if b.Mail && !c.Mail.Ready() {
		return nil, problem.Conflict("no_mail", "No mail goes out from here. Give the user the link of the answer.")
	}
	if err := directory.Covers(tx, v.Principal, account.Role(b.Role)); err != nil {
		return nil, err
	}
	m, link, err := c.Directory.CreateMember(tx, directory.NewMember{Name: b.Name, Role: account.Role(b.Role), TimeZone: b.TimeZone,
		Phone: vault.Hide(b.Phone), Email: vault.Hide(b.Email)})
	if err != nil {
		return nil, err
	}
	out := invitation(tx, m, link, v.At.Add(directory.LinkLife))
	if b.Mail {
		tx.AfterCommit(func() { c.invite(b.Email, link, out.ExpiresAt) })
	}
	return out, c.changed(tx, v, "user", "user.created", out.ID, map[string]any{"role": b.Role})
}

// invite mails a one-time link. A mail that cannot go out is counted and
// logged by the courier; the link is in the answer, too.
func (c *Console) invite(email, link string, until time.Time) {
	text := fmt.Sprintf("You have been invited to work with leads at %s.\n\nYour one-time link, until %s:\n\n%s\n\n"+
		"It is used with a password of your choice at %s/v1/links/redeem, and works once. If you expected no invitation, forget this mail.\n",
		c.PublicURL, until.UTC().Format(time.RFC1123), link, c.PublicURL)
	_ = c.Mail.Send(courier.Message{To: vault.Hide(email), Text: vault.Hide(text), Subject: "Your invitation", Kind: courier.Invitation}, until, nil)
}

// invitation shows the link once: it goes into the answer after what is kept
// for a repeat was written, so that it stands nowhere.
func invitation(tx *store.Tx, m *members.Member, link string, until time.Time) *Invitation {
	out := &Invitation{Colleague: colleague(m), ExpiresAt: until}
	tx.AfterCommit(func() { out.Link = link })
	return out
}

func (c *Console) newLink(v *web.Visit, tx *store.Tx, in *UserPath) (*Invitation, error) {
	m, err := covered(v, tx, *in)
	if err != nil {
		return nil, err
	}
	link, until, err := c.Directory.NewLink(tx, m.ID)
	if err != nil {
		return nil, err
	}
	return invitation(tx, m, link, until), c.changed(tx, v, "user", "user.link", m.ID.String(), nil)
}

// LinkWithdrawn says whose one-time link is worth nothing now.
type LinkWithdrawn struct {
	UserID    string `json:"user_id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Withdrawn bool   `json:"withdrawn" doc:"False: there was none that had not been used."`
}

func (c *Console) withdrawLink(v *web.Visit, tx *store.Tx, in *UserPath) (*LinkWithdrawn, error) {
	m, err := covered(v, tx, *in)
	if err != nil {
		return nil, err
	}
	out := &LinkWithdrawn{UserID: m.ID.String()}
	if out.Withdrawn, err = c.Directory.WithdrawLink(tx, m.ID); err != nil || !out.Withdrawn {
		return out, err
	}
	return out, c.changed(tx, v, "user", "user.link-withdrawn", m.ID.String(), nil)
}

// FactorsReset says whose second factors are gone.
type FactorsReset struct {
	UserID string `json:"user_id"`
}

func (c *Console) resetFactors(v *web.Visit, tx *store.Tx, in *UserPath) (*FactorsReset, error) {
	m, err := covered(v, tx, *in)
	if err != nil {
		return nil, err
	}
	if m.ID == v.User {
		return nil, problem.Conflict("own_factors", "Remove your own at DELETE /v1/me/totp, or have another admin do it.")
	}
	return &FactorsReset{m.ID.String()}, c.Directory.KeepLed(tx, func() error { return c.Signin.Reset(tx, v.Actor, m.ID) })
}

func (c *Console) changeUser(v *web.Visit, tx *store.Tx, in *changeUserIn) (*Colleague, error) {
	was, err := covered(v, tx, in.UserPath)
	if err != nil {
		return nil, err
	}
	b := in.Body
	if b.Role != nil {
		if err := directory.Covers(tx, v.Principal, account.Role(*b.Role)); err != nil {
			return nil, err
		}
	}
	if b.State != nil || b.Role != nil {
		// A round that began before is waited for, so that its offers are seen
		// below; one that begins later sees who may not be offered any.
		if err := offers.Turn(tx); err != nil {
			return nil, err
		}
	}
	m, err := c.Directory.UpdateMember(tx, was.ID, directory.MemberChange{Name: b.Name, Role: (*account.Role)(b.Role), State: (*members.State)(b.State),
		TimeZone: b.TimeZone, Phone: hidden(b.Phone), Email: hidden(b.Email)})
	if err != nil {
		return nil, err
	}
	if err := c.settle(v, tx, was, m); err != nil {
		return nil, err
	}
	if m.State == members.Deactivated && was.State != m.State {
		if err := c.handOver(v, tx, m.ID, b.Handover); err != nil {
			return nil, err
		}
	} else if b.Handover != nil {
		return nil, problem.InvalidField("handover", "not_here", "Send handover with state deactivated, or use POST /v1/users/{id}/handover.")
	}
	out := colleague(m)
	if err := keepUser(tx, v, was, m, b.Phone != nil, b.Email != nil); err != nil {
		return nil, err
	}
	detail := given(map[string]bool{"name": b.Name != nil, "role": b.Role != nil, "state": b.State != nil, "time_zone": b.TimeZone != nil,
		"phone": b.Phone != nil, "email": b.Email != nil})
	detail["role"], detail["state"] = out.Role, out.State
	return &out, c.changed(tx, v, "user", "user.changed", out.ID, detail)
}

// goHome has somebody who left be nowhere: who comes back says so themselves.
func (c *Console) goHome(v *web.Visit, tx *store.Tx, user account.UserID) error {
	_, err := c.Routing.Presence(tx, user, account.LoggedOff, v.At)
	return err
}

// handOver gives the open leads of somebody who was just deactivated to whom
// the visitor says, so that none is left with nobody.
func (c *Console) handOver(v *web.Visit, tx *store.Tx, user account.UserID, l *Leaving) error {
	if l == nil {
		open, err := leads.OpenOf(tx, user, 1)
		if err == nil && len(open) > 0 {
			err = problem.Conflict("open_leads", "This user owns open leads. Send handover with to, a colleague's id, or pool, for routing to offer them anew.")
		}
		return err
	}
	if (l.To == "") != l.Pool {
		return problem.InvalidField("handover", "required", "Send either to or pool.")
	}
	if v.Reach(account.MoveLeads) != rights.All {
		return problem.Forbidden("forbidden", "The role %s may not give every lead to others (it needs %s).", v.Role, account.MoveLeads)
	}
	var to account.UserID
	if l.To != "" {
		var err error
		if to, err = account.ParseUserID(l.To); err != nil || to == user {
			return problem.InvalidField("handover.to", "unknown_user", "Give the id of another active user of this account.")
		}
	}
	_, _, err := c.Routing.StartHandOver(tx, routing.HandOver{From: user, To: to, Reason: "deactivated", By: v.Actor}, v.At)
	if p, ok := problem.Of(err); ok && len(p.Errors) == 1 && p.Errors[0].Code == "unknown_user" {
		err = problem.InvalidField("handover.to", "unknown_user", "Give the id of another active user of this account.")
	}
	return err
}

// settle has routing follow: offers of who left go to others, and who came
// back, or lives by another clock now, is looked at again.
func (c *Console) settle(v *web.Visit, tx *store.Tx, was, is *members.Member) error {
	if is.State == members.Deactivated && was.State != is.State {
		return errors.Join(c.free(v, tx, is.ID, "deactivated"), c.goHome(v, tx, is.ID))
	}
	if was.State == members.Deactivated && was.State != is.State { // who came back keeps what is still theirs
		if err := c.Routing.StopHandOver(tx, is.ID); err != nil {
			return err
		}
	}
	stops, err := stopsAnswering(tx, was.Role, is.Role)
	if err != nil {
		return err
	}
	if stops {
		if err := c.free(v, tx, is.ID, "role-changed"); err != nil {
			return err
		}
		return c.leave(v, tx, is.ID)
	}
	if was.State == is.State && was.TimeZone == is.TimeZone {
		return nil
	}
	projects, err := offers.ProjectsOf(tx, is.ID)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if err := c.Routing.Wanted(tx, p, v.At); err != nil {
			return err
		}
	}
	return nil
}

// stopsAnswering reports whether the first role answers offers and the second does not.
func stopsAnswering(tx *store.Tx, was, is account.Role) (bool, error) {
	a, err := directory.RightsOf(tx, was)
	if err != nil {
		return false, err
	}
	b, err := directory.RightsOf(tx, is)
	return a.May(account.AnswerOffers) && !b.May(account.AnswerOffers), err
}

func hidden(s *string) *vault.Personal {
	if s == nil {
		return nil
	}
	return new(vault.Hide(*s))
}
