package signin

import (
	"context"
	"errors"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/devices"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Session is where somebody is signed in, for their eyes or an admin's.
type Session struct {
	ID        string        `json:"id" example:"sess_01h455vb4pex5vsknk084sn02q"`
	Current   bool          `json:"current" doc:"It is the one that asks."`
	Device    *string       `json:"device" doc:"Browser and system as they call themselves; null: unknown, or not opened." example:"Firefox on Android"`
	Network   *string       `json:"network" doc:"Where it began, coarse; null: unknown, or not opened." example:"192.0.2.0/24"`
	Level     int           `json:"level" doc:"1: one factor was shown. 2: two, or a passkey."`
	Factors   []FactorShown `json:"factors" nullable:"false"`
	CreatedAt time.Time     `json:"created_at"`
	SeenAt    time.Time     `json:"seen_at" doc:"To the minute."`
	ExpiresAt time.Time     `json:"expires_at" doc:"At the latest; 12 hours without a request end it, too."`
}

// FactorShown is a factor and when it was shown last.
type FactorShown struct {
	Factor string    `json:"factor" enum:"password,code,passkey,totp,recovery,sso,sso-second"`
	At     time.Time `json:"at"`
}

// Sessions lists where a user of the visitor's account is signed in, newest
// first. Devices and networks are opened for the purpose, in one entry on the
// record; without a purpose they stay closed.
func (s *Signin) Sessions(ctx context.Context, p directory.Principal, user account.UserID, purpose vault.Purpose) ([]Session, error) {
	rows, err := s.sessionRows(ctx, p, user)
	if err != nil {
		return nil, err
	}
	out := make([]Session, len(rows))
	var sealed []vault.Sealed
	for i, r := range rows {
		out[i] = view(r, p)
		sealed = append(sealed, r.SealedDevice(), r.SealedNetwork())
	}
	if purpose == "" || !p.Scope.Valid() {
		return out, nil
	}
	opened, err := s.o.Opener.Open(ctx, p.Scope, p.Actor, purpose, sealed...)
	if err != nil {
		return nil, err
	}
	text := func(i int) *string {
		if opened.States[i] != keyring.Clear {
			return nil
		}
		return new(reveal.Text(opened.Values[i]))
	}
	for i := range out {
		out[i].Device, out[i].Network = text(2*i), text(2*i+1)
	}
	return out, nil
}

func (s *Signin) sessionRows(ctx context.Context, p directory.Principal, user account.UserID) (rows []access.Session, err error) {
	if !p.Scope.Valid() {
		err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) error {
			rows, err = s.o.Directory.OperatorSessions(dir, user)
			return err
		})
		return rows, err
	}
	err = s.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) error {
		rows, err = s.o.Directory.Sessions(tx, user)
		return err
	})
	return rows, err
}

func view(r access.Session, p directory.Principal) Session {
	v := Session{ID: r.ID.String(), Current: r.ID == p.Session, Level: r.Shown.Level(), Factors: []FactorShown{},
		CreatedAt: r.CreatedAt, SeenAt: r.SeenAt, ExpiresAt: r.ExpiresAt}
	for _, f := range r.Shown.List() {
		v.Factors = append(v.Factors, FactorShown{string(f), r.Shown.At(f)})
	}
	return v
}

// EndSession ends one of a user's sessions, at once on this node and as soon as
// they are woken on the others. 404: they have none of that id.
func (s *Signin) EndSession(ctx context.Context, p directory.Principal, user account.UserID, id account.SessionID) error {
	rows, err := s.sessionRows(ctx, p, user)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(rows, func(r access.Session) bool { return r.ID == id }) {
		return problem.NotFound()
	}
	return s.endWhich(ctx, p, user, rows, "session.end", id.String(), func(x account.SessionID) bool { return x == id })
}

// SignOut ends the visitor's own session, on the record. What it keeps on its
// device stays for whoever signs in there again.
func (s *Signin) SignOut(ctx context.Context, p directory.Principal) error {
	now := s.now()
	e := audit.Entry{Actor: p.Actor, Action: "session.end", About: p.Session.String()}
	if !p.Scope.Valid() {
		return s.o.DB.Directory(ctx, func(dir *store.Dir) error {
			s.o.Directory.Revoked(dir)
			return errors.Join(access.EndSession(dir, p.Session, now), audit.WritePlatform(dir, now, e))
		})
	}
	return s.o.DB.Write(ctx, p.Scope, func(tx *store.Tx) error {
		s.o.Directory.Revoked(tx)
		if ended, err := access.EndSessionOf(tx, p.User, p.Session, now); err != nil || !ended {
			return err
		}
		return audit.Write(tx, now, e)
	})
}

// EndSessions ends all of a user's sessions but the one that asks, and the
// devices of those that were over before.
func (s *Signin) EndSessions(ctx context.Context, p directory.Principal, user account.UserID) error {
	rows, err := s.sessionRows(ctx, p, user)
	if err != nil {
		return err
	}
	return s.endWhich(ctx, p, user, rows, "sessions.end", user.String(), func(x account.SessionID) bool { return x != p.Session })
}

// endWhich ends those of a user's sessions that which chooses, with their
// devices, on the record.
func (s *Signin) endWhich(ctx context.Context, p directory.Principal, user account.UserID, rows []access.Session, action, about string, which func(account.SessionID) bool) error {
	var ids []account.SessionID
	for _, r := range rows {
		if which(r.ID) {
			ids = append(ids, r.ID)
		}
	}
	now := s.now()
	e := audit.Entry{Actor: p.Actor, Action: action, About: about, Detail: map[string]any{"user": user.String(), "count": len(ids)}}
	if !p.Scope.Valid() {
		if len(ids) == 0 {
			return nil
		}
		return s.o.DB.Directory(ctx, func(dir *store.Dir) error {
			s.o.Directory.Revoked(dir)
			for _, id := range ids {
				if err := access.EndSession(dir, id, now); err != nil {
					return err
				}
			}
			return audit.WritePlatform(dir, now, e)
		})
	}
	return s.o.DB.Write(ctx, p.Scope, func(tx *store.Tx) error {
		if err := s.o.Directory.EndDevices(tx, p.Actor, user, devices.Revoked, which); err != nil {
			return err
		}
		if len(ids) == 0 {
			return nil
		}
		s.o.Directory.Revoked(tx)
		for _, id := range ids {
			if _, err := access.EndSessionOf(tx, user, id, now); err != nil {
				return err
			}
		}
		return audit.Write(tx, now, e)
	})
}

// Rule is how an account's users sign in.
type Rule struct {
	NoPassword []account.Role // salespeople, managers and own roles that may no more: who signs in by code or passkey, and not by password
	Second     []account.Role // whose sessions do nothing before a second factor
	Countries  []string       // ISO 3166: where codes go; none: the account's default region
}

// GetRule reads the account's rule.
func (s *Signin) GetRule(tx *store.Tx) (Rule, error) {
	r, err := access.GetRule(tx)
	return Rule{r.NoPassword, r.Second, r.Countries}, err
}

// SetRule changes it. Admins and auditors keep their passwords.
func (s *Signin) SetRule(tx *store.Tx, r Rule) error {
	for _, role := range r.NoPassword {
		ok, err := codeRole(tx, role)
		if err != nil {
			return err
		}
		if !ok {
			return problem.InvalidField("no_password", "not_this_role", "Only salespeople, managers and own roles that may no more than they sign in by code alone.")
		}
	}
	for _, role := range r.Second {
		ok, err := directory.IsRole(tx, role)
		if err != nil {
			return err
		}
		if !ok {
			return problem.InvalidField("second_factor", "unknown_role", "Name built-in roles, or ids of the account's own.")
		}
	}
	if len(r.NoPassword) > 0 && !s.o.Courier.Ready() {
		return problem.Conflict("no_codes", "No messages go out from here: without passwords nobody could sign in.")
	}
	if err := directory.Regions("code_countries", r.Countries); err != nil {
		return err
	}
	s.o.Directory.Revoked(tx) // nobody is believed to have less to show
	return access.SetRule(tx, access.Rule{NoPassword: r.NoPassword, Second: r.Second, Countries: r.Countries})
}
