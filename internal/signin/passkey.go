package signin

import (
	"context"
	"errors"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
)

// errPasskey is the one answer to every passkey that is not taken.
func errPasskey() error {
	return problem.Unauthenticated("This passkey is not known here, or was not shown as it should, or too late. Begin again.")
}

// AskPasskey begins a sign-in by passkey, without a name: the authenticator
// knows whose its passkeys are.
func (s *Signin) AskPasskey() (Ceremony, error) {
	w, err := s.passkeys()
	if err != nil {
		return Ceremony{}, err
	}
	c := s.newCeremony(toSignIn, account.SessionID{})
	options, _, err := w.BeginDiscoverableLogin(webauthn.WithChallenge(s.challenge(c)))
	if err != nil {
		return Ceremony{}, err
	}
	return s.given(c, options.Response)
}

// ByPasskey begins a session of level 2 for whoever showed their passkey for
// the ceremony. answer is the browser's, as JSON (PublicKeyCredential.toJSON).
func (s *Signin) ByPasskey(ctx context.Context, c Client, secret string, answer []byte) (SignedIn, error) {
	if wait := s.limits.full(networkKey(c, "refused"), networkFails, networkSpan, s.now()); wait > 0 {
		return SignedIn{}, tooManyFrom(wait)
	}
	cer, ok := s.ceremonyOf(secret, toSignIn, account.SessionID{})
	if !ok {
		return SignedIn{}, s.noPasskey(c, access.Passkey{}, "over")
	}
	k, used, why, err := s.whosePasskey(ctx, cer, answer)
	if err != nil {
		return SignedIn{}, err
	}
	if why != "" {
		return SignedIn{}, s.noPasskey(c, k, why)
	}
	if mine, err := s.endCeremony(ctx, cer); err != nil || !mine {
		return SignedIn{}, errors.Join(err, s.noPasskey(c, k, "over"))
	}
	in, err := s.beginByPasskey(ctx, c, k, used)
	s.noteElsewhere(k.Account, k.User, err)
	switch {
	case errors.Is(err, errCounter):
		err = s.noPasskey(c, k, "cloned")
	case errors.Is(err, store.ErrNone):
		err = s.noPasskey(c, k, "not-active")
	}
	return in, err
}

// noPasskey notes why a passkey was refused, on the record of whose it is.
func (s *Signin) noPasskey(c Client, k access.Passkey, why string) error {
	about := ""
	if !k.User.IsZero() {
		about = k.User.String()
	}
	s.note(k.Account, "passkey.refused", about, why)
	s.countRefused(c)
	return errPasskey()
}

// whosePasskey finds the passkey of an answer and checks it. why is the reason
// to refuse it, for the record.
func (s *Signin) whosePasskey(ctx context.Context, c ceremony, answer []byte) (k access.Passkey, used *webauthn.Credential, why string, err error) {
	w, err := s.passkeys()
	if err != nil {
		return k, nil, "", err
	}
	shown, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return k, nil, "unreadable", nil
	}
	err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		k, err = access.PasskeyBy(dir, shown.RawID)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return k, nil, "unknown", nil
	}
	if err != nil {
		return k, nil, "", err
	}
	_, session, err := w.BeginDiscoverableLogin(webauthn.WithChallenge(s.challenge(c)))
	if err != nil {
		return k, nil, "", err
	}
	whose := func(_, handle []byte) (webauthn.User, error) {
		return passkeyUser{handle: handleOf(k.Account, k.User), keys: []access.Passkey{k}}, nil
	}
	_, used, err = w.ValidatePasskeyLogin(whose, *session, shown)
	return k, used, judged(used, err), nil
}

// judged is why what the authenticator signed is refused; "": it is not.
func judged(used *webauthn.Credential, err error) string {
	switch {
	case err != nil:
		return "wrong"
	case used.Authenticator.CloneWarning:
		return "cloned"
	}
	return ""
}

func (s *Signin) endCeremony(ctx context.Context, c ceremony) (mine bool, err error) {
	err = s.o.DB.Directory(ctx, func(dir *store.Dir) (err error) {
		mine, err = access.EndCeremony(dir, c.id, s.now())
		return err
	})
	return mine, err
}

// errCounter: the authenticator has counted less than it did before. There are
// two of it, or two requests came at once.
var errCounter = errors.New("signin: the passkey's counter did not grow")

func (s *Signin) use(h access.Holder, k access.Passkey, used *webauthn.Credential) error {
	ok, err := access.UsePasskey(h, k, used.Authenticator.SignCount, used.Flags.BackupState, s.now())
	if err == nil && !ok {
		err = errCounter
	}
	return err
}

func (s *Signin) beginByPasskey(ctx context.Context, c Client, k access.Passkey, used *webauthn.Credential) (in SignedIn, err error) {
	now := s.now()
	shown := account.Shown{}.With(account.Passkey, now)
	if k.Account.IsZero() {
		err = s.o.DB.Directory(ctx, func(dir *store.Dir) error {
			if err := s.use(access.OfOperator(dir), k, used); err != nil {
				return err
			}
			if in, err = s.o.Directory.BeginOperator(dir, k.User, shown); err != nil {
				return err
			}
			return audit.WritePlatform(dir, now, begun(in))
		})
		return in, err
	}
	err = s.o.DB.Write(ctx, admit.To(k.Account), func(tx *store.Tx) error {
		m, err := members.Get(tx, k.User)
		if err != nil {
			return err
		}
		if err := ssoAlone(tx, m.Role); err != nil {
			return err
		}
		if err := s.use(access.OfUser(tx), k, used); err != nil {
			return err
		}
		if in, err = s.o.Directory.Begin(tx, k.User, shown, c.noted()); err != nil {
			return err
		}
		return audit.Write(tx, now, begun(in))
	})
	return in, err
}

// own is the visitor with their passkeys, as the library asks for them.
func (s *Signin) own(ctx context.Context, p directory.Principal) (u passkeyUser, err error) {
	u.handle = handleOf(p.Scope.Account(), p.User)
	err = s.hold(ctx, p, func(h holding) error {
		u.keys, err = access.Passkeys(h.Holder, p.User)
		return err
	})
	return u, err
}

// AskOwnPasskey begins showing a passkey as a second factor, for ShowPasskey.
// 409 no_passkey: the visitor has none.
func (s *Signin) AskOwnPasskey(ctx context.Context, p directory.Principal) (Ceremony, error) {
	w, err := s.passkeys()
	if err != nil {
		return Ceremony{}, err
	}
	u, err := s.own(ctx, p)
	if err == nil && len(u.keys) == 0 {
		err = problem.Conflict("no_passkey", "You have no passkey. Make one: POST /v1/me/passkeys.")
	}
	if err != nil {
		return Ceremony{}, err
	}
	c := s.newCeremony(toShow, p.Session)
	options, _, err := w.BeginLogin(u, webauthn.WithChallenge(s.challenge(c)))
	if err != nil {
		return Ceremony{}, err
	}
	return s.given(c, options.Response)
}

// ShowPasskey raises the visitor's session by one of their passkeys. It gets a
// new token. What is wrong counts as a try of a second factor.
func (s *Signin) ShowPasskey(ctx context.Context, p directory.Principal, secret string, answer []byte) (SignedIn, error) {
	w, err := s.passkeys()
	if err != nil {
		return SignedIn{}, err
	}
	if err := s.try(ctx, p); err != nil {
		return SignedIn{}, err
	}
	k, used, err := s.checkOwn(ctx, w, p, secret, answer)
	if err == nil {
		err = s.hold(ctx, p, func(h holding) error {
			if err := s.use(h.Holder, k, used); err != nil {
				return err
			}
			if err := access.GoodFactor(h.Holder, h.user); err != nil {
				return err
			}
			return h.record(audit.Entry{Actor: p.Actor, Action: "session.factor", About: p.Session.String(), Detail: map[string]any{"factor": account.Passkey}})
		})
	}
	if errors.Is(err, errWrongFactor) || errors.Is(err, errCounter) {
		return SignedIn{}, s.refuse(ctx, p, account.Passkey)
	}
	if err != nil {
		return SignedIn{}, err
	}
	return s.o.Directory.Renew(ctx, p, account.Passkey)
}

// checkOwn checks an answer by one of the visitor's own passkeys.
func (s *Signin) checkOwn(ctx context.Context, w *webauthn.WebAuthn, p directory.Principal, secret string, answer []byte) (k access.Passkey, used *webauthn.Credential, err error) {
	c, ok := s.ceremonyOf(secret, toShow, p.Session)
	if !ok {
		return k, nil, errWrongFactor
	}
	shown, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return k, nil, errWrongFactor
	}
	u, err := s.own(ctx, p)
	if err != nil {
		return k, nil, err
	}
	if k, err = u.key(shown.RawID); err != nil {
		return k, nil, errWrongFactor
	}
	_, session, err := w.BeginLogin(u, webauthn.WithChallenge(s.challenge(c)))
	if err != nil {
		return k, nil, err
	}
	used, err = w.ValidateLogin(u, *session, shown)
	if why := judged(used, err); why != "" {
		s.note(k.Account, "passkey.refused", p.User.String(), why)
		return k, nil, errWrongFactor
	}
	if mine, err := s.endCeremony(ctx, c); err != nil || !mine {
		return k, nil, errors.Join(err, errWrongFactor)
	}
	return k, used, nil
}
