package console

import (
	"context"
	"maps"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

// OwnRole is a role that the account made for itself.
type OwnRole struct {
	ID          string            `json:"id" doc:"What users and keys take as their role." example:"role_01h455vb4pex5vsknk084sn02q"`
	Name        string            `json:"name" example:"Team lead"`
	Permissions map[string]string `json:"permissions" nullable:"false" doc:"What it holds, and how far: mine, teams or all. GET /v1/rights says what each is." example:"{\"leads:read\":\"teams\",\"leads:work\":\"teams\",\"reports:read\":\"teams\",\"setup:read\":\"all\"}"`
	CreatedAt   time.Time         `json:"created_at"`
	ChangedAt   time.Time         `json:"changed_at"`
}

type roleBody struct {
	Name        string            `json:"name" minLength:"1" maxLength:"120" example:"Team lead"`
	Permissions map[string]string `json:"permissions" nullable:"false" doc:"What it holds, and how far: mine, teams or all. What is left out it does not hold; its own session everybody has." example:"{\"leads:read\":\"teams\",\"leads:work\":\"teams\",\"reports:read\":\"teams\",\"setup:read\":\"all\"}"`
}

type newRoleIn struct{ Body roleBody }

// RolePath is the input of a route about one role of the account's own.
type RolePath struct {
	ID string `path:"id" doc:"The role's id." example:"role_01h455vb4pex5vsknk084sn02q"`
}

func (p RolePath) role() (account.RoleID, error) { return web.PathID(p.ID, account.ParseRoleID) }

type changeRoleIn struct {
	RolePath
	Body roleBody
}

// RoleGone says that a role is no more.
type RoleGone struct {
	ID string `json:"id" example:"role_01h455vb4pex5vsknk084sn02q"`
}

func (c *Console) roleRoutes() {
	web.Meet(c.API, web.Op{Method: "GET", Path: "/v1/rights", Name: "show-rights", Tag: "people", Permission: account.UseOwnSession,
		Summary: "Who may what: every role with what it holds, and how far", Detail: "The built-in ones are readable at /rights."}, c.showRights)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/roles", Name: "list-roles", Tag: "people", Permission: account.ReadSetup,
		Summary: "The account's own roles, newest first", Detail: "Those that are built in, and what each permission is: GET /v1/rights."}, listRoles)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/roles", Name: "create-role", Tag: "people", Permission: account.ManagePeople, Status: 201, StepUp: true,
		Summary: "Make a role", Detail: "Never with more than you hold: 403 beyond_own_rights. 409 name_taken; 409 too_many_roles."}, c.newRole)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/roles/{id}", Name: "get-role", Tag: "people", Permission: account.ReadSetup,
		Summary: "One of the account's own roles"}, getRole)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/roles/{id}", Name: "change-role", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Change a role", Detail: "Who has it is signed out at once when its permissions change, and its keys follow everywhere within five seconds. Who may not answer offers any more loses open offers to others. 409 last_admin: nobody would be left who manages people and can sign in."}, c.changeRole)
	web.Do(c.API, web.Op{Method: "DELETE", Path: "/v1/roles/{id}", Name: "remove-role", Tag: "people", Permission: account.ManagePeople, StepUp: true,
		Summary: "Remove a role that nobody has", Detail: "409 role_in_use lists the users and keys that have it."}, c.removeRole)
}

// RightsShown is the table of rights.
type RightsShown struct {
	Permissions []PermissionShown `json:"permissions" nullable:"false" doc:"Everything that a role can hold, in the order of screens."`
	Roles       []RoleShown       `json:"roles" nullable:"false" doc:"Those that are built in, then the account's own."`
}

// PermissionShown is a permission in plain English.
type PermissionShown struct {
	Permission string   `json:"permission" example:"leads:read"`
	Words      string   `json:"words" example:"Reads leads, without the persons"`
	Reaches    []string `json:"reaches" nullable:"false" doc:"How far a role of the account's own can have it; none for what only built-in roles hold." example:"[\"mine\",\"teams\",\"all\"]"`
	Coming     bool     `json:"coming" doc:"What asks for it is being built."`
}

// RoleShown is a role with what it holds.
type RoleShown struct {
	Role        string            `json:"role" doc:"What users and keys take as their role." example:"salesperson"`
	Name        string            `json:"name" example:"Salesperson"`
	Own         bool              `json:"own" doc:"The account made it."`
	Permissions map[string]string `json:"permissions" nullable:"false" doc:"What it holds, and how far: mine, teams or all. What is left out it does not hold." example:"{\"leads:read\":\"mine\",\"setup:read\":\"all\"}"`
}

func (c *Console) showRights(ctx context.Context, v *web.Visit, _ *struct{}) (*RightsShown, error) {
	out := &RightsShown{}
	for _, w := range rights.Permissions() {
		p := PermissionShown{Permission: string(w.Permission), Words: w.Words, Reaches: []string{}, Coming: w.Coming}
		for _, r := range w.Reaches {
			p.Reaches = append(p.Reaches, r.String())
		}
		out.Permissions = append(out.Permissions, p)
	}
	for _, r := range append(account.AccountRoles(), account.Support, account.Operator) {
		out.Roles = append(out.Roles, roleShown(string(r), strings.ToUpper(string(r[:1]))+string(r[1:]), false, rights.Of(r)))
	}
	if !v.Scope.Valid() {
		return out, nil
	}
	err := c.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		all, err := access.Roles(tx)
		for _, r := range all {
			out.Roles = append(out.Roles, roleShown(r.ID.String(), r.Name, true, rights.Own(r.Grants)))
		}
		return err
	})
	return out, err
}

func roleShown(role, name string, own bool, r rights.Rights) RoleShown {
	out := RoleShown{Role: role, Name: name, Own: own, Permissions: map[string]string{}}
	for _, w := range rights.Permissions() {
		if reach := r.Reach(w.Permission); reach != rights.None {
			out.Permissions[string(w.Permission)] = reach.String()
		}
	}
	return out
}

func ownRole(r directory.OwnRole) OwnRole {
	out := OwnRole{ID: r.ID.String(), Name: r.Name, Permissions: map[string]string{}, CreatedAt: r.CreatedAt, ChangedAt: r.ChangedAt}
	for p, reach := range r.Grants {
		out.Permissions[string(p)] = reach.String()
	}
	return out
}

func (b roleBody) definition() (rights.Definition, error) {
	out := rights.Definition{}
	for p, word := range b.Permissions {
		reach, err := rights.ParseReach(word)
		if err != nil || reach == rights.None {
			return nil, problem.InvalidField("permissions."+p, "bad_reach", "Use mine, teams or all.")
		}
		out[account.Permission(p)] = reach
	}
	return out, nil
}

func listRoles(_ *web.Visit, tx *store.Tx, in *web.Page) (*web.List[OwnRole], error) {
	all, err := access.Roles(tx)
	if err != nil {
		return nil, err
	}
	return window(*in, all, func(r directory.OwnRole) web.Place { return web.Place{At: r.CreatedAt, ID: r.ID.UUID()} }, ownRole)
}

func getRole(_ *web.Visit, tx *store.Tx, in *RolePath) (*OwnRole, error) {
	id, err := in.role()
	if err != nil {
		return nil, err
	}
	r, err := access.Role(tx, id)
	if err != nil {
		return nil, err
	}
	return new(ownRole(r)), nil
}

func (c *Console) newRole(v *web.Visit, tx *store.Tx, in *newRoleIn) (*OwnRole, error) {
	grants, err := in.Body.definition()
	if err != nil {
		return nil, err
	}
	r, err := c.Directory.CreateRole(tx, v.Principal, in.Body.Name, grants)
	if err != nil {
		return nil, err
	}
	return c.roleAnswer(v, tx, r, "role.created", nil)
}

func (c *Console) roleAnswer(v *web.Visit, tx *store.Tx, r directory.OwnRole, action string, was rights.Definition) (*OwnRole, error) {
	detail := map[string]any{"permissions": r.Grants.String()}
	if was != nil {
		detail["were"] = was.String()
	}
	return new(ownRole(r)), c.changed(tx, v, "role", action, r.ID.String(), detail)
}

func (c *Console) changeRole(v *web.Visit, tx *store.Tx, in *changeRoleIn) (*OwnRole, error) {
	id, err := in.role()
	if err != nil {
		return nil, err
	}
	grants, err := in.Body.definition()
	if err != nil {
		return nil, err
	}
	if err := offers.Turn(tx); err != nil { // as with a change of a user's role
		return nil, err
	}
	was, is, err := c.Directory.ChangeRole(tx, v.Principal, id, in.Body.Name, grants)
	if err != nil {
		return nil, err
	}
	if was.Grants[account.AnswerOffers] != is.Grants[account.AnswerOffers] && is.Grants[account.AnswerOffers] == rights.None {
		if err := c.stopOffers(v, tx, id); err != nil {
			return nil, err
		}
	}
	before, after := ownRole(was), ownRole(is)
	after.ChangedAt = before.ChangedAt // is no change of the role
	if err := keep(tx, v, after.ID, "", before, after); err != nil {
		return nil, err
	}
	return c.roleAnswer(v, tx, is, "role.changed", maps.Clone(was.Grants))
}

// stopOffers takes those who have the role out of routing.
func (c *Console) stopOffers(v *web.Visit, tx *store.Tx, id account.RoleID) error {
	users, _, err := directory.RoleHolders(tx, id)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := c.free(v, tx, u, "role-changed"); err != nil {
			return err
		}
		if err := c.leave(v, tx, u); err != nil {
			return err
		}
	}
	return nil
}

func (c *Console) removeRole(v *web.Visit, tx *store.Tx, in *RolePath) (*RoleGone, error) {
	id, err := in.role()
	if err != nil {
		return nil, err
	}
	if err := c.Directory.DropRole(tx, id); err != nil {
		return nil, err
	}
	return &RoleGone{id.String()}, c.changed(tx, v, "role", "role.removed", id.String(), nil)
}

// covered finds the user of the path, for an act that could give the visitor
// what the user holds: 403 unless that is no more than the visitor's own.
func covered(v *web.Visit, tx *store.Tx, p UserPath) (*members.Member, error) {
	m, err := p.member(tx)
	if err != nil {
		return nil, err
	}
	return m, directory.Covers(tx, v.Principal, m.Role)
}
