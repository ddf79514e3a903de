package signin

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// Redeem uses up a one-time link: its user gets the password, becomes active,
// and is signed in. Earlier sessions end.
func (s *Signin) Redeem(ctx context.Context, c Client, link, password string) (SignedIn, error) {
	if err := s.checkPassword("password", password); err != nil {
		return SignedIn{}, err
	}
	spent := problem.Unauthenticated("The link was used already, or its time is over. Ask for a new one.")
	hash, ok := directory.TokenHash(link, directory.LinkPrefix)
	if !ok {
		return SignedIn{}, spent
	}
	var acct account.ID
	var user account.UserID
	err := s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		acct, user, _, err = access.LinkBy(dir, hash)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return SignedIn{}, spent
	}
	if err != nil {
		return SignedIn{}, err
	}
	stored, err := s.hasher.Hash(ctx, password) // before the transaction: it takes its time
	if err != nil {
		return SignedIn{}, err
	}
	err = s.o.DB.Write(ctx, admit.To(acct), func(tx *store.Tx) error {
		now := s.now()
		ok, err := access.UseLink(tx, hash, now)
		if err != nil {
			return err
		}
		m, err := members.Get(tx, user)
		if err != nil || !ok || m.State == members.Deactivated {
			return errors.Join(err, spent)
		}
		if err := errors.Join(ssoAlone(tx, m.Role), s.o.Directory.Admits(tx, m.Role)); err != nil {
			return err // and the link can be used from inside
		}
		if err := members.Welcome(tx, user); err != nil {
			return err
		}
		return s.newPassword(tx, user, account.SessionID{}, stored, "link.redeem", now)
	})
	s.noteElsewhere(acct, user, err)
	if err != nil {
		return SignedIn{}, err
	}
	return s.begin(ctx, c, acct, user, account.Password)
}

// ChangePassword replaces a user's own password. Their other sessions end, and
// this one gets a new token.
func (s *Signin) ChangePassword(ctx context.Context, p directory.Principal, old, fresh string) (SignedIn, error) {
	if !p.Scope.Valid() || p.User.IsZero() {
		return SignedIn{}, problem.Conflict("no_password", "Only a user of an account has a password to change here.")
	}
	if (p.Second || p.Must) && p.Shown.Level() < 2 { // or whoever guessed the password would own it
		return SignedIn{}, problem.Forbidden("second_factor_required", "Show your second factor first: POST it to /v1/sessions/current/factors.")
	}
	if err := s.checkPassword("new_password", fresh); err != nil {
		return SignedIn{}, err
	}
	mac := vault.MAC(p.User.UUID()) // tries are counted for the user
	if err := s.limits.person(mac, s.now()); err != nil {
		return SignedIn{}, err
	}
	var stored string
	err := s.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) (err error) {
		stored, err = access.Password(tx, p.User)
		return err
	})
	if err != nil {
		return SignedIn{}, err
	}
	ok, err := s.hasher.Check(ctx, stored, old)
	if err != nil {
		return SignedIn{}, err
	}
	if !ok {
		s.note(p.Scope.Account(), "password.guess", p.User.String(), "wrong")
		return SignedIn{}, problem.InvalidField("password", "wrong", "This is not your present password.")
	}
	s.limits.good(mac)
	next, err := s.hasher.Hash(ctx, fresh)
	if err != nil {
		return SignedIn{}, err
	}
	err = s.o.DB.Write(ctx, p.Scope, func(tx *store.Tx) error {
		return s.newPassword(tx, p.User, p.Session, next, "password.change", s.now())
	})
	if err != nil {
		return SignedIn{}, err
	}
	return s.o.Directory.Renew(ctx, p, account.Password)
}

// newPassword stores it and ends links and all sessions but one.
func (s *Signin) newPassword(tx *store.Tx, id account.UserID, but account.SessionID, stored, action string, now time.Time) error {
	s.o.Directory.Revoked(tx)
	if err := access.SetPassword(tx, id, stored, now); err != nil {
		return err
	}
	if err := access.EndSessions(tx, id, but, now); err != nil {
		return err
	}
	if err := access.EndLinks(tx, id, now); err != nil {
		return err
	}
	return audit.Write(tx, now, audit.Entry{Actor: id.String(), Action: action, About: id.String()})
}

// Recover makes a one-time link for a user who can come in no other way, and
// takes their second factors away. When they manage people, the account's people may
// come from anywhere again: cleared. A phone that is lost, too, is taken off: who has one shows a
// code to it before anything else is set up. It is for whoever runs the machine: nobody
// is asked, and both the account's record and the platform's show it.
func (s *Signin) Recover(ctx context.Context, by string, acct account.ID, email string, phoneLost bool) (link string, expires time.Time, cleared bool, err error) {
	normal, _ := submission.Email(email)
	var user account.UserID
	err = s.o.DB.Write(ctx, admit.To(acct), func(tx *store.Tx) error {
		if user, err = access.UserByLogin(tx, s.o.Keys.LoginIndex(normal)); err != nil {
			return err
		}
		if user.IsZero() {
			return problem.NotFound()
		}
		has, err := access.HasSecond(access.OfUser(tx), user)
		if err == nil && has {
			err = s.Reset(tx, atMachine, user)
		}
		if err != nil {
			return err
		}
		if phoneLost {
			if _, err := s.o.Directory.UpdateMember(tx, user, directory.MemberChange{Phone: new(vault.Personal)}); err != nil {
				return err
			}
		}
		if link, expires, err = s.o.Directory.NewLink(tx, user); err != nil {
			return err
		}
		m, err := members.Get(tx, user)
		if err != nil {
			return err
		}
		may, err := directory.RightsOf(tx, m.Role)
		if err == nil && may.May(account.ManagePeople) {
			cleared, err = s.o.Directory.ClearNetworks(tx)
		}
		if err != nil {
			return err
		}
		return audit.Write(tx, s.now(), audit.Entry{Actor: atMachine, Action: "user.recover", About: user.String(), Detail: map[string]any{"networks_cleared": cleared, "phone_lost": phoneLost}})
	})
	if err != nil {
		return "", time.Time{}, false, err
	}
	err = s.o.DB.Directory(ctx, func(dir *store.Dir) error {
		return audit.WritePlatform(dir, s.now(), audit.Entry{Actor: by, Action: "user.recover", About: user.String(), Detail: map[string]any{"account": acct, "networks_cleared": cleared, "phone_lost": phoneLost}})
	})
	if err != nil {
		return "", time.Time{}, false, err // a link that is not on the platform's record is not given
	}
	return link, expires, cleared, nil
}

// atMachine is who acts on an account's record when somebody does at the
// machine; who it was the platform's record knows.
const atMachine = "system:command-line"
