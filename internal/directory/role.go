package directory

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/setup"
)

// OwnRole is a role that an account made for itself.
type OwnRole = access.OwnRole

// MostRoles is how many roles of its own an account can have.
const MostRoles = 50

// isOwn reports whether the role is one that an account made for itself.
func isOwn(r account.Role) bool {
	_, err := account.ParseRoleID(string(r))
	return err == nil
}

// RightsOf returns what a role of the account may: one that is built in, or its
// own. A role that there is not may nothing.
func RightsOf(tx *store.Tx, r account.Role) (rights.Rights, error) {
	id, err := account.ParseRoleID(string(r))
	if err != nil && slices.Contains(account.AccountRoles(), r) {
		return rights.Of(r), nil
	}
	if err != nil {
		return rights.Rights{}, nil // of the platform's roles, too
	}
	own, err := access.Role(tx, id)
	if errors.Is(err, store.ErrNone) {
		return rights.Rights{}, nil
	}
	return rights.Own(own.Grants), err
}

// IsRole reports whether users and keys of the account can have the role.
func IsRole(tx *store.Tx, r account.Role) (bool, error) {
	id, err := account.ParseRoleID(string(r))
	if err != nil {
		return slices.Contains(account.AccountRoles(), r), nil
	}
	_, err = access.Role(tx, id)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Covers is nil when the visitor may all that the role may, as far: nobody
// gives, or takes in hand, more than they hold. 403 beyond_own_rights.
func Covers(tx *store.Tx, by Principal, r account.Role) error {
	of, err := RightsOf(tx, r)
	if err == nil && !by.Rights.Cover(of) {
		err = problem.Forbidden("beyond_own_rights", "The role %s may more than yours. Ask somebody whose role does.", r)
	}
	return err
}

// CreateRole makes a role of the account's own. 409 name_taken, too_many_roles.
func (d *Directory) CreateRole(tx *store.Tx, by Principal, name string, grants rights.Definition) (OwnRole, error) {
	r := OwnRole{ID: account.NewRoleID(), CreatedAt: d.now(), ChangedAt: d.now()}
	if err := define(&r, by, name, grants); err != nil {
		return r, err
	}
	if err := setup.LockAccount(tx); err != nil { // their number and names are counted before
		return r, none(err)
	}
	all, err := access.Roles(tx)
	if err != nil {
		return r, err
	}
	if len(all) >= MostRoles {
		return r, problem.Conflict("too_many_roles", "An account has up to %d roles of its own. Remove one that nobody has.", MostRoles)
	}
	ok, err := access.AddRole(tx, r)
	if err == nil && !ok {
		err = errRoleName()
	}
	return r, err
}

func errRoleName() error {
	return problem.Conflict("name_taken", "The account has another role of this name.")
}

// RoleHolders lists who has the role: users, whatever their state, and keys that
// are not revoked.
func RoleHolders(tx *store.Tx, id account.RoleID) ([]account.UserID, []account.KeyID, error) {
	return access.RoleHolders(tx, id)
}

// ChangeRole gives a role another name and other grants. When the grants change,
// its users are signed out everywhere, at once, as with a change of role, and
// the doors learn what its keys may. 404; 409 name_taken, last_admin.
func (d *Directory) ChangeRole(tx *store.Tx, by Principal, id account.RoleID, name string, grants rights.Definition) (was, is OwnRole, err error) {
	err = d.KeepLed(tx, func() error {
		was, is, err = d.changeRole(tx, by, id, name, grants)
		return err
	})
	return was, is, err
}

func (d *Directory) changeRole(tx *store.Tx, by Principal, id account.RoleID, name string, grants rights.Definition) (was, is OwnRole, err error) {
	if was, err = access.Role(tx, id); err != nil {
		return was, is, none(err)
	}
	if err := Covers(tx, by, account.Role(id.String())); err != nil {
		return was, is, err
	}
	is = was
	if err := define(&is, by, name, grants); err != nil {
		return was, is, err
	}
	all, err := access.Roles(tx)
	if err != nil {
		return was, is, err
	}
	if slices.ContainsFunc(all, func(o OwnRole) bool { return o.ID != id && o.Name == is.Name }) {
		return was, is, errRoleName()
	}
	is.ChangedAt = d.now()
	if err := access.SetRole(tx, is); err != nil || was.Grants.String() == is.Grants.String() {
		return was, is, err
	}
	users, keys, err := access.RoleHolders(tx, id)
	if err != nil {
		return was, is, err
	}
	for _, u := range users {
		if err := access.EndSessions(tx, u, account.SessionID{}, d.now()); err != nil {
			return was, is, err
		}
	}
	d.revoked(tx)
	if len(keys) > 0 {
		err = d.o.Changed(tx)
	}
	return was, is, err
}

// DropRole removes a role that nobody has. 404; 409 role_in_use says by whom.
func (d *Directory) DropRole(tx *store.Tx, id account.RoleID) error {
	if err := setup.LockAccount(tx); err != nil { // nobody gets it meanwhile
		return none(err)
	}
	if _, err := access.Role(tx, id); err != nil {
		return none(err)
	}
	users, keys, err := access.RoleHolders(tx, id)
	if err != nil {
		return err
	}
	var by []string
	for _, u := range users {
		by = append(by, u.String())
	}
	for _, k := range keys {
		by = append(by, k.String())
	}
	rules, err := rulesWith(tx, account.Role(id.String()))
	if err != nil {
		return err
	}
	if by = append(by, rules...); len(by) > 0 {
		return inUse(by)
	}
	return access.DropRole(tx, id)
}

// rulesWith names the rules of signing in that speak of the role.
func rulesWith(tx *store.Tx, r account.Role) (out []string, err error) {
	rule, err := access.GetRule(tx)
	if err != nil {
		return nil, err
	}
	if slices.Contains(rule.NoPassword, r) || slices.Contains(rule.Second, r) {
		out = append(out, "the rule for signing in")
	}
	p, err := access.GetProvider(tx)
	if errors.Is(err, store.ErrNone) {
		return out, nil
	}
	if p.NewRole == r {
		out = append(out, "single sign-on")
	}
	return out, err
}

// inUse is a conflict with a field for each who has the role, up to twenty.
func inUse(by []string) error {
	p := problem.Conflict("role_in_use", "The role is in use, %d times. Give them another first.", len(by))
	for _, who := range by[:min(len(by), 20)] {
		p.Errors = append(p.Errors, problem.Field{Field: "id", Code: "has_role", Detail: who})
	}
	return p
}

// define sets a role's name and grants, judged.
func define(r *OwnRole, by Principal, name string, grants rights.Definition) error {
	var f faults
	r.Name = f.name("name", name)
	if slices.Contains(append(account.AccountRoles(), account.Support, account.Operator), account.Role(r.Name)) {
		f.add("name", "built_in", "This is the name of a built-in role.")
	}
	r.Grants = maps.Clone(grants)
	maps.DeleteFunc(r.Grants, func(_ account.Permission, reach rights.Reach) bool { return reach == rights.None })
	for _, x := range r.Grants.Check() {
		f.add(fmt.Sprintf("permissions.%s", x.Permission), x.Code, "%s", x.Detail)
	}
	if err := f.err(); err != nil {
		return err
	}
	if !by.Rights.Cover(rights.Own(r.Grants)) {
		return problem.Forbidden("beyond_own_rights", "The role would hold more than yours does. GET /v1/rights shows what yours holds.")
	}
	return nil
}
