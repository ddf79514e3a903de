package signin

import (
	"context"
	"errors"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Opener opens sealed values with one entry on the record. keyring.Opener is one.
type Opener interface {
	Open(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, sealed ...vault.Sealed) (keyring.Opened, error)
}

// AskOwnCode sends a code to the visitor's own registered phone, for ShowCode.
// 409 no_phone: they have none.
func (s *Signin) AskOwnCode(ctx context.Context, p directory.Principal) (Flow, error) {
	if !s.o.Courier.Ready() {
		return Flow{}, problem.Conflict("no_codes", "No messages go out from here.")
	}
	if !p.Scope.Valid() || p.User.IsZero() {
		return Flow{}, problem.Conflict("no_phone", "Only a user of an account has a phone for codes.")
	}
	var number vault.MAC
	var ok bool
	err := s.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) (err error) {
		number, ok, err = access.Phone(tx, p.User)
		return err
	})
	if err == nil && !ok {
		err = problem.Conflict("no_phone", "You have no registered phone. An admin can add it.")
	}
	if err != nil {
		return Flow{}, err
	}
	return s.newFlow(ctx, waiting{number: number, own: &p}, s.o.Keys.LoginIndex("code-factor:"+p.User.String()), p.Session)
}

// ShowCode raises the visitor's session by the code that AskOwnCode sent. The
// session gets a new token.
func (s *Signin) ShowCode(ctx context.Context, p directory.Principal, secret, code string) (SignedIn, error) {
	if p.Session.IsZero() || !p.Scope.Valid() {
		return SignedIn{}, problem.Conflict("no_session", "A key has no session.")
	}
	f, err := s.tryCode(ctx, secret, code, p.Session)
	if err != nil {
		return SignedIn{}, err
	}
	if err := s.spend(ctx, f); err != nil {
		return SignedIn{}, err
	}
	err = s.o.DB.Write(ctx, p.Scope, func(tx *store.Tx) error {
		now := s.now()
		if err := access.UseSent(tx, f, now); err != nil {
			return err
		}
		return audit.Write(tx, now, audit.Entry{Actor: p.Actor, Action: "session.factor", About: p.Session.String(), Detail: map[string]any{"factor": account.Code}})
	})
	if err != nil {
		return SignedIn{}, err
	}
	return s.o.Directory.Renew(ctx, p, account.Code)
}

// ownUser opens the phone of whoever asked for a second factor.
func (s *Signin) ownUser(ctx context.Context, w *waiting) ([]codeUser, error) {
	var m *members.Member
	u := codeUser{scope: w.own.Scope, id: w.own.User}
	err := s.o.DB.Read(ctx, u.scope, func(tx *store.Tx) (err error) {
		if m, err = members.Get(tx, u.id); err != nil {
			return err
		}
		a, err := setup.GetAccount(tx)
		if err != nil {
			return err
		}
		u.accountName, u.region = a.Name, a.DefaultRegion
		u.rule, err = access.GetRule(tx)
		return err
	})
	if err != nil || m.State != members.Active {
		return nil, err
	}
	text, err := s.openPhone(ctx, u.scope, m)
	if err != nil || text == "" {
		return nil, err
	}
	e164, country, ok := submission.Phone(text, "")
	if !ok {
		return nil, nil
	}
	w.to, w.country, w.prefix = vault.Hide(e164), country, s.prefix(e164)
	w.goes = func(region string) bool { return reaches(e164, country, region) }
	return []codeUser{u}, nil
}

func (s *Signin) openPhone(ctx context.Context, scope account.Scope, m *members.Member) (string, error) {
	if s.o.Opener == nil {
		return "", errors.New("signin: nobody opens phones")
	}
	opened, err := s.o.Opener.Open(ctx, scope, "system:signin", vault.ForSignIn, m.SealedPhone())
	if err != nil || opened.States[0] != keyring.Clear {
		return "", err
	}
	return reveal.Text(opened.Values[0]), nil
}

// IndexPhones has the users of a database from before there were codes found
// by their phones. Of two with one phone in an account the first is.
func (s *Signin) IndexPhones(ctx context.Context, id account.ID) error {
	scope := admit.To(id)
	var list []*members.Member
	err := s.o.DB.Read(ctx, scope, func(tx *store.Tx) error {
		ids, err := access.Unindexed(tx)
		for _, id := range ids {
			m, err := members.Get(tx, id)
			if err != nil {
				return err
			}
			if len(m.Phone) > 0 {
				list = append(list, m)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range list {
		text, err := s.openPhone(ctx, scope, m)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		err = s.o.DB.Write(ctx, scope, func(tx *store.Tx) error {
			_, err := access.SetPhone(tx, m.ID, s.number(text))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
