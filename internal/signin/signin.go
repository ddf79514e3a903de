// Package signin proves who somebody is, and begins, strengthens and ends the
// sessions of the directory. Callers may rely on this: nobody learns from an
// answer, or from the time that it takes, whether an address or a number is
// known; what was used once is worth nothing the second time; every guess that
// is refused is on a record; and a change of right gives a session a new token.
package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// Keys is what sign-in needs of the keyring.
type Keys interface {
	// LoginIndex is the keyed hash by which a sign-in address is found.
	LoginIndex(normalised string) vault.MAC
	// TokenMAC hashes a text of the kind under a key that is in no database.
	TokenMAC(kind, text string) [32]byte
}

// Options say what sign-in works with. DB, Directory and Keys are needed.
type Options struct {
	DB        *store.DB
	Directory *directory.Directory
	Keys      Keys
	Log       *slog.Logger
	Now       func() time.Time // time.Now when nil
}

// Signin is safe for concurrent use.
type Signin struct {
	o      Options
	limits limits
	hasher hasher
}

// SignedIn is a session with a new token.
type SignedIn = directory.SignedIn

// Client is from where somebody signs in.
type Client struct {
	Address netip.Addr // the zero Addr: unknown
	Agent   string     // the User-Agent header
}

// New returns the sign-in of a directory.
func New(o Options) *Signin {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Signin{o: o, hasher: newHasher()}
}

func (s *Signin) now() time.Time { return store.Clock(s.o.Now()) }

// errSignIn is the one answer to every failed sign-in by password.
func errSignIn() error {
	return problem.Unauthenticated("The e-mail address or the password is not right.")
}

// ByPassword begins a session for whoever has this address and password. When
// they fit users of several accounts, in names the account; the zero id asks.
// An unknown address takes as long and gets the same answer as a wrong password.
func (s *Signin) ByPassword(ctx context.Context, c Client, email, password string, in account.ID) (SignedIn, error) {
	normal, ok := submission.Email(email)
	if !ok {
		normal = submission.RawKey(email) // found nowhere, and takes as long
	}
	mac := s.o.Keys.LoginIndex(normal)
	if err := s.limits.try(mac, s.now()); err != nil {
		return SignedIn{}, err
	}
	fit, err := s.fitting(ctx, mac, password, in)
	if err != nil {
		return SignedIn{}, err
	}
	switch len(fit) {
	case 0:
		return SignedIn{}, errSignIn()
	case 1:
		s.limits.good(mac)
		return s.begin(ctx, c, fit[0].Account, fit[0].User, account.Password)
	}
	ids := make([]string, len(fit))
	for i, c := range fit {
		ids[i] = c.Account.String()
	}
	slices.Sort(ids)
	return SignedIn{}, problem.InvalidField("account", "required", "This sign-in belongs to several accounts; send account with one of: %s.", strings.Join(ids, ", "))
}

// fitting lists those whose password it is and who may come in.
func (s *Signin) fitting(ctx context.Context, mac vault.MAC, password string, in account.ID) (fit []access.Credential, err error) {
	var all []access.Credential
	err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		all, err = access.ByLogin(dir, mac)
		return err
	})
	if err != nil {
		return nil, err
	}
	checked := 0
	for _, c := range all {
		if !in.IsZero() && c.Account != in || c.Password == "" {
			continue
		}
		checked++
		ok, err := s.hasher.check(ctx, c.Password, password)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		_, _, err = s.o.Directory.Standing(ctx, c.Account, c.User)
		if errors.Is(err, store.ErrNone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		fit = append(fit, c)
	}
	if checked == 0 {
		_, err = s.hasher.check(ctx, "", password)
	}
	return fit, err
}

// begin makes the session of somebody who has shown the factor, with its entry
// on the record. The zero account is for operators.
func (s *Signin) begin(ctx context.Context, c Client, acct account.ID, user account.UserID, f account.Factor) (in SignedIn, err error) {
	now := s.now()
	shown := account.Shown{}.With(f, now)
	if acct.IsZero() {
		err = s.o.DB.Directory(ctx, func(dir *store.Dir) error {
			if in, err = s.o.Directory.BeginOperator(dir, user, shown); err != nil {
				return err
			}
			return audit.WritePlatform(dir, now, begun(in))
		})
	} else {
		err = s.o.DB.Write(ctx, admit.To(acct), func(tx *store.Tx) error {
			if in, err = s.o.Directory.Begin(tx, user, shown, c.noted()); err != nil {
				return err
			}
			return audit.Write(tx, now, begun(in))
		})
	}
	if errors.Is(err, store.ErrNone) { // deactivated a moment ago
		err = errSignIn()
	}
	return in, err
}

// begun is the entry on the record for a new session.
func begun(in SignedIn) audit.Entry {
	return audit.Entry{Actor: in.Actor, Action: "session.begin", About: in.Session.String(), Detail: map[string]any{"factors": in.Shown.List()}}
}
