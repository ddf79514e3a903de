package directory

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/devices"
	"catchment/internal/store/members"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Member is one who works in the account.
type Member = members.Member

// NewMember is who is invited. Email is what they sign in with.
type NewMember struct {
	Name     string
	Role     account.Role
	TimeZone string         // "" is UTC
	Phone    vault.Personal // may be empty
	Email    vault.Personal
}

// MemberChange says what changes; nil leaves a value as it is.
type MemberChange struct {
	Name     *string
	Role     *account.Role
	State    *members.State // Active or Deactivated
	TimeZone *string
	Phone    *vault.Personal
	Email    *vault.Personal
}

// CreateMember invites somebody: link is the token of their one-time link,
// valid for 72 hours.
func (d *Directory) CreateMember(tx *store.Tx, n NewMember) (m *Member, link string, err error) {
	a, err := setup.GetAccount(tx)
	if err != nil {
		return nil, "", none(err)
	}
	k, err := d.o.Keys.Account(tx.Context(), tx.Account())
	if err != nil {
		return nil, "", err
	}
	return d.addMember(tx, k, a.DefaultRegion, n)
}

func (d *Directory) addMember(tx *store.Tx, k AccountKeys, region string, n NewMember) (*Member, string, error) {
	now := d.now()
	var f faults
	m := &Member{ID: account.NewUserID(), State: members.Invited, Presence: account.LoggedOff, PresenceAt: now, CreatedAt: now}
	m.Name = f.name("name", n.Name)
	var err error
	if m.Role, err = f.role(tx, "role", n.Role); err != nil {
		return nil, "", err
	}
	m.TimeZone = f.timeZone("time_zone", n.TimeZone)
	phone := f.phone("phone", n.Phone, region)
	email, normal := f.email("email", n.Email)
	if err := f.err(); err != nil {
		return nil, "", err
	}
	wrapped, seal := k.NewMember(m.ID)
	m.Phone = seal(members.Binding(m.ID, vault.Phone), phone).Data
	m.Email = seal(members.Binding(m.ID, vault.Email), email).Data
	if err := members.Add(tx, m); err != nil {
		return nil, "", err
	}
	if err := members.AddKey(tx, m.ID, k.Version(), wrapped); err != nil {
		return nil, "", err
	}
	ok, err := access.AddCredential(tx, m.ID, d.o.Keys.LoginIndex(normal), now)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", errEmailTaken()
	}
	if err := d.setPhone(tx, m.ID, phone); err != nil {
		return nil, "", err
	}
	link, err := d.addLink(tx, m.ID, now)
	return m, link, err
}

// LetIn has a user who came with their account from elsewhere found by their
// address and phone when they sign in. They have no password yet.
func (d *Directory) LetIn(tx *store.Tx, id account.UserID, email, phone vault.Personal) error {
	normal, ok := submission.Email(reveal.Text(email))
	if !ok {
		return nil // whoever has none signs in by a link
	}
	ok, err := access.AddCredential(tx, id, d.o.Keys.LoginIndex(normal), d.now())
	if err == nil && !ok {
		err = errEmailTaken()
	}
	if err != nil {
		return err
	}
	return d.setPhone(tx, id, phone)
}

func errEmailTaken() error {
	return problem.Conflict("email_taken", "Another user of the account has this e-mail address.")
}

// PhoneLogin is what a user's phone is found by, for Keys.LoginIndex: nothing
// that an e-mail address can be.
func PhoneLogin(e164 string) string { return "tel:" + e164 }

// setPhone has the user found by the phone, for one-time codes.
func (d *Directory) setPhone(tx *store.Tx, id account.UserID, e164 vault.Personal) error {
	if e164.Empty() {
		return access.NoPhone(tx, id)
	}
	ok, err := access.SetPhone(tx, id, d.o.Keys.LoginIndex(PhoneLogin(reveal.Text(e164))))
	if err == nil && !ok {
		err = problem.Conflict("phone_taken", "Another user of the account has this phone, and codes to sign in would go to both.")
	}
	return err
}

func (f *faults) role(tx *store.Tx, field string, r account.Role) (account.Role, error) {
	if isOwn(r) {
		if err := setup.LockAccount(tx); err != nil { // it is not removed meanwhile
			return r, none(err)
		}
	}
	ok, err := IsRole(tx, r)
	if !ok {
		f.add(field, "unknown_role", "Use salesperson, manager, marketer, admin or auditor, or the id of a role of your own: GET /v1/roles.")
	}
	return r, err
}

func (d *Directory) addLink(tx *store.Tx, id account.UserID, now time.Time) (string, error) {
	link, hash := NewToken(LinkPrefix)
	return link, access.AddLink(tx, id, hash, now, now.Add(LinkLife))
}

// NewLink makes a new one-time link for a user, who then chooses a new
// password; earlier links are useless from now on.
func (d *Directory) NewLink(tx *store.Tx, id account.UserID) (link string, expires time.Time, err error) {
	m, err := members.Get(tx, id)
	if err != nil {
		return "", time.Time{}, none(err)
	}
	if m.State == members.Deactivated {
		return "", time.Time{}, problem.Conflict("deactivated", "Activate the user first.")
	}
	now := d.now()
	link, err = d.addLink(tx, id, now)
	return link, now.Add(LinkLife), err
}

// WithdrawLink makes a user's one-time link useless. False: there was none that
// had not been used.
func (d *Directory) WithdrawLink(tx *store.Tx, id account.UserID) (bool, error) {
	return access.WithdrawLinks(tx, id, d.now())
}

// Members reads all members, the first one first.
func (d *Directory) Members(tx *store.Tx) ([]*Member, error) { return members.All(tx) }

// UpdateMember changes a member. An account always keeps an admin who can sign
// in: see KeepLed. Who is deactivated, or gets another role, is signed out
// everywhere, at once; open offers are routing's to take back.
func (d *Directory) UpdateMember(tx *store.Tx, id account.UserID, c MemberChange) (m *Member, err error) {
	if c.Role == nil && c.State == nil {
		return d.updateMember(tx, id, c)
	}
	err = d.KeepLed(tx, func() error {
		m, err = d.updateMember(tx, id, c)
		return err
	})
	return m, err
}

func (d *Directory) updateMember(tx *store.Tx, id account.UserID, c MemberChange) (*Member, error) {
	m, err := members.Get(tx, id)
	if err != nil {
		return nil, none(err)
	}
	was := *m
	if err := d.change(tx, m, c); err != nil {
		return nil, err
	}
	if err := members.Update(tx, m); err != nil {
		return nil, none(err)
	}
	d.revoked(tx)
	left := m.State == members.Deactivated && was.State != m.State
	if !left && m.Role == was.Role {
		return m, nil
	}
	// A token that was overheard before does not get the new right.
	if err := access.EndSessions(tx, id, account.SessionID{}, d.now()); err != nil {
		return nil, err
	}
	why := devices.RoleChanged
	if left {
		why = devices.Deactivated
		if err := access.EndLinks(tx, id, d.now()); err != nil {
			return nil, err
		}
	}
	return m, d.EndDevices(tx, "system:directory", id, why, nil)
}

func (d *Directory) change(tx *store.Tx, m *Member, c MemberChange) error {
	var f faults
	if c.Name != nil {
		m.Name = f.name("name", *c.Name)
	}
	if c.Role != nil {
		var err error
		if m.Role, err = f.role(tx, "role", *c.Role); err != nil {
			return err
		}
	}
	if c.TimeZone != nil {
		m.TimeZone = f.timeZone("time_zone", *c.TimeZone)
	}
	if c.State != nil {
		if err := d.changeState(tx, m, *c.State, &f); err != nil {
			return err
		}
	}
	if err := f.err(); err != nil {
		return err
	}
	return d.changePersonal(tx, m, c)
}

func (d *Directory) changeState(tx *store.Tx, m *Member, to members.State, f *faults) error {
	switch to {
	case members.Deactivated, m.State:
		m.State = to
	case members.Active:
		phc, err := access.Password(tx, m.ID)
		if err != nil {
			return err
		}
		if m.State = members.Active; phc == "" {
			m.State = members.Invited // they have no password yet
		}
	default:
		f.add("state", "bad_state", "Use active or deactivated.")
	}
	return nil
}

func (d *Directory) changePersonal(tx *store.Tx, m *Member, c MemberChange) error {
	if c.Phone == nil && c.Email == nil {
		return nil
	}
	a, err := setup.GetAccount(tx)
	if err != nil {
		return err
	}
	k, err := d.o.Keys.Account(tx.Context(), tx.Account())
	if err != nil {
		return err
	}
	wrapped, err := members.Key(tx, m.ID)
	if err != nil {
		return none(err)
	}
	seal, err := k.Member(m.ID, wrapped)
	if err != nil {
		return err
	}
	var f faults
	if c.Phone != nil {
		phone := f.phone("phone", *c.Phone, a.DefaultRegion)
		if err := f.err(); err != nil {
			return err
		}
		m.Phone = seal(members.Binding(m.ID, vault.Phone), phone).Data
		if err := d.setPhone(tx, m.ID, phone); err != nil {
			return err
		}
	}
	if c.Email == nil {
		return nil
	}
	email, normal := f.email("email", *c.Email)
	if err := f.err(); err != nil {
		return err
	}
	m.Email = seal(members.Binding(m.ID, vault.Email), email).Data
	ok, err := access.SetLogin(tx, m.ID, d.o.Keys.LoginIndex(normal))
	if err == nil && !ok {
		err = errEmailTaken()
	}
	return err
}
