package signin

import (
	"context"
	"crypto/rand"
	"strings"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/submission"
)

// CreateOperator makes an operator of the platform who has a password, and sets
// up a second factor when they first sign in.
func (s *Signin) CreateOperator(ctx context.Context, name, email, password string) (id account.UserID, err error) {
	return s.CreateStaff(ctx, Staff{Name: name, Role: account.Operator, Approves: true}, email, password)
}

// Staff is somebody of the platform.
type Staff = access.Staff

// CreateStaff is CreateOperator for either role of the platform.
func (s *Signin) CreateStaff(ctx context.Context, who Staff, email, password string) (id account.UserID, err error) {
	if err := s.checkPassword("password", password); err != nil {
		return id, err
	}
	stored, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return id, err
	}
	err = s.o.DB.Directory(ctx, func(dir *store.Dir) error {
		if id, err = s.o.Directory.AddOperator(dir, who, email, stored); err != nil {
			return err
		}
		return audit.WritePlatform(dir, s.now(), audit.Entry{Actor: "system:signin", Action: "operator.create", About: id.String(), Detail: map[string]any{"role": who.Role, "approves": who.Approves}})
	})
	return id, err
}

// Hired is what an operator is given, once: it is nowhere else.
type Hired struct {
	ID       account.UserID
	Password string
	App      Enrolment
	Recovery []string
}

// HireOperator makes an operator with all that they sign in with. by is who does
// it at the machine. 409 email_taken: there is one with this address.
func (s *Signin) HireOperator(ctx context.Context, by string, who Staff, email string) (Hired, error) {
	return s.hire(ctx, by, "operator.create", func(dir *store.Dir, stored string) (account.UserID, error) {
		return s.o.Directory.AddOperator(dir, who, email, stored)
	})
}

// RecoverOperator gives an operator who has lost something all of it anew. What
// they had is worth nothing any more, and their sessions end. 404: there is no
// operator with this address.
func (s *Signin) RecoverOperator(ctx context.Context, by, email string) (Hired, error) {
	normal, _ := submission.Email(email)
	return s.hire(ctx, by, "operator.recover", func(dir *store.Dir, stored string) (id account.UserID, err error) {
		all, err := access.ByLogin(dir, s.o.Keys.LoginIndex(normal))
		if err != nil {
			return id, err
		}
		for _, c := range all {
			if c.Account.IsZero() {
				id = c.User
			}
		}
		if id.IsZero() {
			return id, problem.NotFound()
		}
		if err := access.SetOperatorPassword(dir, id, stored); err != nil {
			return id, err
		}
		h := access.OfOperator(dir)
		if _, err := access.RemovePasskeys(h, id); err != nil {
			return id, err
		}
		s.o.Directory.Revoked(dir)
		return id, access.EndSessionsOf(h, id, account.SessionID{}, s.now())
	})
}

// hire gives whoever is found or made a password, an app and recovery codes, in
// one transaction with the entry on the platform's record.
func (s *Signin) hire(ctx context.Context, by, action string, who func(dir *store.Dir, stored string) (account.UserID, error)) (out Hired, err error) {
	out.Password = somePassword()
	stored, err := s.hasher.Hash(ctx, out.Password)
	if err != nil {
		return Hired{}, err
	}
	err = s.o.DB.Directory(ctx, func(dir *store.Dir) (err error) {
		if out.ID, err = who(dir, stored); err != nil {
			return err
		}
		who, err := access.Operator(dir, out.ID)
		if err != nil {
			return err
		}
		h := holding{Holder: access.OfOperator(dir), user: out.ID, now: s.now()}
		salt := newSalt()
		if out.App, err = s.enrolment(out.ID, salt, who.Name); err != nil {
			return err
		}
		if err := access.OfferTOTP(h.Holder, h.user, salt, h.now); err != nil {
			return err
		}
		if _, err := access.ConfirmTOTP(h.Holder, h.user, salt, 0, h.now); err != nil {
			return err
		}
		if out.Recovery, err = s.newRecovery(h); err != nil {
			return err
		}
		return audit.WritePlatform(dir, h.now, audit.Entry{Actor: by, Action: action, About: out.ID.String()})
	})
	if err != nil {
		return Hired{}, err
	}
	return out, nil
}

// somePassword has 80 random bits, in groups that a person can type.
func somePassword() string {
	t := strings.ToLower(rand.Text())
	return t[:4] + "-" + t[4:8] + "-" + t[8:12] + "-" + t[12:16]
}
