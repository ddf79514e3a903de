package signin

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/devices"
)

// A user's tries of second factors: wrong ones count, whichever factor and
// session they are tried in.
const (
	factorTries = 5
	factorEvery = 10 * time.Minute
)

// Ways is what a user can show beside the factor they came in with.
type Ways struct {
	Passkeys int       // how many they have
	TOTP     time.Time // since when they have an app; the zero time: they have none
	Recovery int       // recovery codes that were not used
	Code     bool      // a code can be sent to their phone
}

// Proof is one second factor. The other texts are empty.
type Proof struct {
	TOTP     string // six digits of the app
	Recovery string // a recovery code
}

// holding is a transaction in the name of a user or an operator, with the
// record that belongs to it.
type holding struct {
	access.Holder
	user   account.UserID
	now    time.Time
	record func(audit.Entry) error
}

func (h holding) note(action string, detail map[string]any) error {
	e := audit.Entry{Actor: h.user.String(), Action: action, About: h.user.String()}
	if detail != nil {
		e.Detail = detail
	}
	return h.record(e)
}

// hold runs f in a transaction of whoever asks. A key has no factors.
func (s *Signin) hold(ctx context.Context, p directory.Principal, f func(h holding) error) error {
	h := holding{user: p.User, now: s.now()}
	switch {
	case p.Session.IsZero():
		return problem.Conflict("no_session", "A key has no factors. Sign in as a user.")
	case p.Operator:
		return s.o.DB.Directory(ctx, func(dir *store.Dir) error {
			h.Holder, h.record = access.OfOperator(dir), func(e audit.Entry) error { return audit.WritePlatform(dir, h.now, e) }
			return f(h)
		})
	}
	return s.o.DB.Write(ctx, p.Scope, func(tx *store.Tx) error {
		h.Holder, h.record = access.OfUser(tx), func(e audit.Entry) error { return audit.Write(tx, h.now, e) }
		return f(h)
	})
}

// Ways lists what the visitor can show.
func (s *Signin) Ways(ctx context.Context, p directory.Principal) (w Ways, err error) {
	err = s.hold(ctx, p, func(h holding) error {
		keys, err := access.Passkeys(h.Holder, p.User)
		if err != nil {
			return err
		}
		w.Passkeys = len(keys)
		t, err := access.GetTOTP(h.Holder, p.User)
		if err != nil {
			return err
		}
		if t.Salt != nil {
			w.TOTP = t.Since
		}
		if w.Recovery, err = access.RecoveryLeft(h.Holder, p.User); err != nil || p.Operator || !s.o.Courier.Ready() {
			return err
		}
		w.Code, err = h.HasPhone(p.User)
		return err
	})
	return w, err
}

// Asked is what a session is asked for, and what its user could set up.
type Asked struct {
	Needs   []account.Factor // which bring it to level 2; none: nothing more is asked, or there is none
	Limited bool             // it is good for its own profile alone before a second factor
	Offers  []account.Factor // what the user has not and could have: safer, and easier
}

// Asked says what the visitor's session is asked for.
func (s *Signin) Asked(ctx context.Context, p directory.Principal) (a Asked, err error) {
	w, err := s.Ways(ctx, p)
	if err != nil {
		return a, err
	}
	a.Limited = (p.Second || p.Must) && p.Shown.Level() < 2
	if a.Limited {
		a.Needs = s.needs(w, p)
	}
	if w.Passkeys == 0 && s.party != nil {
		a.Offers = append(a.Offers, account.Passkey)
	}
	if a.Limited && len(a.Needs) == 0 {
		a.Offers = append(a.Offers, account.TOTP)
	}
	return a, nil
}

func (s *Signin) needs(w Ways, p directory.Principal) (out []account.Factor) {
	if w.Passkeys > 0 && s.party != nil {
		out = append(out, account.Passkey)
	}
	if w.Code && p.Shown.At(account.Code).IsZero() {
		out = append(out, account.Code)
	}
	if !w.TOTP.IsZero() {
		out = append(out, account.TOTP)
	}
	if w.Recovery > 0 {
		out = append(out, account.Recovery)
	}
	return out
}

// fresh refuses to change factors in a session that has not shown lately who
// holds it: the second factor when there is one, else any.
func (s *Signin) fresh(p directory.Principal) error {
	if p.Session.IsZero() {
		return problem.Conflict("no_session", "A key has no factors. Sign in as a user.")
	}
	at := p.Shown.Latest()
	if p.Second {
		at = p.Shown.Strong()
	}
	if account.Fresh(at, s.now()) {
		return nil
	}
	if p.Second {
		return problem.Forbidden("step_up_required", "Show your second factor again: POST it to /v1/sessions/current/factors.")
	}
	return problem.Forbidden("step_up_required", "Sign in again: factors change within ten minutes of it.")
}

// Show adds a second factor to the session, which gets a new token. What is
// wrong counts as a try and goes on the record.
func (s *Signin) Show(ctx context.Context, p directory.Principal, proof Proof) (SignedIn, error) {
	factor, check := account.TOTP, s.checkTOTP
	given := proof.TOTP
	switch {
	case proof.TOTP == "" && proof.Recovery == "" || proof.TOTP != "" && proof.Recovery != "":
		return SignedIn{}, problem.InvalidField("totp", "required", "Send one of: totp, recovery.")
	case proof.Recovery != "":
		factor, check, given = account.Recovery, s.useRecovery, proof.Recovery
	}
	if err := s.try(ctx, p); err != nil {
		return SignedIn{}, err
	}
	err := s.hold(ctx, p, func(h holding) error {
		ok, err := check(h, given)
		if err != nil {
			return err
		}
		if !ok {
			return errWrongFactor
		}
		if err := access.GoodFactor(h.Holder, h.user); err != nil {
			return err
		}
		if factor == account.Recovery {
			if err := s.tellRecovery(h); err != nil {
				return err
			}
		}
		return h.record(audit.Entry{Actor: p.Actor, Action: "session.factor", About: p.Session.String(), Detail: map[string]any{"factor": factor}})
	})
	if errors.Is(err, errWrongFactor) {
		return SignedIn{}, s.refuse(ctx, p, factor)
	}
	if err != nil {
		return SignedIn{}, err
	}
	return s.o.Directory.Renew(ctx, p, factor)
}

// tellRecovery tells the account's admins that a user came in by a recovery
// code: it may have been found, or the user needs a new phone.
func (s *Signin) tellRecovery(h holding) error {
	tx, ok := h.User()
	if !ok || s.o.Events == nil {
		return nil
	}
	left, err := access.RecoveryLeft(h.Holder, h.user)
	s.o.Events.Emit(tx, events.Event{Kind: events.RecoveryUsed, At: h.now, User: h.user, Data: map[string]any{"left": left}})
	return err
}

var errWrongFactor = errors.New("signin: the factor is wrong")

// try takes one of the user's tries before anything is looked at, in a
// transaction of its own: tries at once do not share one.
func (s *Signin) try(ctx context.Context, p directory.Principal) error {
	had := true
	err := s.hold(ctx, p, func(h holding) (err error) {
		had, err = access.TryFactor(h.Holder, h.user, h.now, h.now.Add(-factorEvery), factorTries)
		return err
	})
	if err == nil && !had {
		acct := account.ID{}
		if p.Scope.Valid() {
			acct = p.Scope.Account()
		}
		s.note(acct, "factor.withhold", p.User.String(), "too-many") // there may be any number of them
		err = problem.TooMany("too_many_tries", factorEvery, "Too many wrong codes. Wait ten minutes.")
	}
	return err
}

// refuse puts a wrong factor on the record.
func (s *Signin) refuse(ctx context.Context, p directory.Principal, f account.Factor) error {
	if err := s.hold(ctx, p, func(h holding) error { return h.note("factor.refuse", map[string]any{"factor": f}) }); err != nil {
		return err
	}
	return problem.InvalidField(string(f), "wrong", "This is not right, or was used already. Each code works once.")
}

// Reset takes a user's second factors away and ends their sessions, for
// somebody who lost them: by whom is on the record. They come in again with
// their password or a one-time link.
func (s *Signin) Reset(tx *store.Tx, by string, user account.UserID) error {
	h, now := access.OfUser(tx), s.now()
	app, err := access.RemoveTOTP(h, user)
	if err != nil {
		return err
	}
	passkeys, err := access.RemovePasskeys(h, user)
	if err == nil && !app && passkeys == 0 {
		err = problem.Conflict("no_second_factor", "This user has no second factor.")
	}
	if err != nil {
		return err
	}
	if err := access.SetRecovery(h, user, nil, now); err != nil {
		return err
	}
	if err := access.EndSessions(tx, user, account.SessionID{}, now); err != nil {
		return err
	}
	if err := s.o.Directory.EndDevices(tx, by, user, devices.FactorsReset, nil); err != nil {
		return err
	}
	s.o.Directory.Revoked(tx)
	return audit.Write(tx, now, audit.Entry{Actor: by, Action: "factor.reset", About: user.String()})
}
