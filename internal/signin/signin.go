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
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/outward"
	"catchment/internal/password"
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
	// FlowMAC does so under the key of what was begun then, which does not stay.
	FlowMAC(begun time.Time, kind, text string) [32]byte
}

// Options say what sign-in works with. DB, Directory and Keys are needed.
type Options struct {
	DB        *store.DB
	Directory *directory.Directory
	Keys      Keys
	Courier   *courier.Courier // nil: no codes
	Countries []string         // ISO 3166: where codes go at all; none: wherever an account's go
	Host      string           // of the pages where codes are typed in; "": unknown
	Opener    Opener           // for second factors
	Events    *events.Log      // nil: none
	Jobs      *jobs.List       // for alarms that are pushed; nil: none are
	SSO       SSO              // for single sign-on
	Hash      []string         // command that runs password.Serve; none: passwords are hashed in this process
	Leaked    *password.Leaked // passwords that nobody may choose, closed by Close; nil: only common ones are refused
	Log       *slog.Logger
	Now       func() time.Time // time.Now when nil
}

// Signin is safe for concurrent use.
type Signin struct {
	o      Options
	limits limits
	hasher *password.Hasher
	queue  chan waiting // codes on their way to the courier
	queued atomic.Int64

	providers *providers         // of single sign-on
	party     *webauthn.WebAuthn // as authenticators know this site; nil: no passkeys

	end  context.CancelFunc
	work sync.WaitGroup

	flushing sync.Mutex // one flush at a time
	mu       sync.Mutex
	notes    map[noted]int // refusals for the record
}

// SignedIn is a session with a new token.
type SignedIn = directory.SignedIn

// Client is from where somebody signs in.
type Client struct {
	Address netip.Addr // the zero Addr: unknown
	Agent   string     // the User-Agent header
}

// New returns the sign-in of a directory. Close ends what it began.
func New(o Options) *Signin {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SSO.Names == nil {
		o.SSO.Names = outward.Resolver("")
	}
	s := &Signin{o: o, hasher: password.New(o.Log, o.Hash...), queue: make(chan waiting, mostQueued), notes: map[noted]int{}, providers: newProviders(o.SSO), party: relyingParty(o.SSO.PublicURL)}
	run, end := context.WithCancel(context.Background())
	s.end = end
	s.work.Go(func() { s.carry(run) })
	s.work.Go(func() { s.keepNotes(run) })
	return s
}

// bell raises alarms of an account.
func (s *Signin) bell() alarm.Bell { return alarm.Bell{Events: s.o.Events, Jobs: s.o.Jobs} }

// Close ends the sign-in and puts on the record what was counted. Codes that
// are not with the courier yet are lost.
func (s *Signin) Close() {
	s.end()
	s.work.Wait()
	s.hasher.Close()
	if s.o.Leaked != nil {
		_ = s.o.Leaked.Close() // it was only read
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		s.o.Log.Warn("signin: refusals could not be put on the record", "error", err)
	}
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
	if wait := s.limits.full(networkKey(c, "refused"), networkFails, networkSpan, s.now()); wait > 0 {
		return SignedIn{}, tooManyFrom(wait)
	}
	mac := s.o.Keys.LoginIndex(normal)
	if err := s.limits.person(mac, s.now()); err != nil {
		s.note(account.ID{}, "sign-in.refused", "", "too-many")
		return SignedIn{}, err
	}
	fit, err := s.fitting(ctx, mac, password, in)
	if err != nil {
		return SignedIn{}, err
	}
	if len(fit) == 0 {
		s.countRefused(c)
		return SignedIn{}, errSignIn()
	}
	s.limits.good(mac)
	allowed := slices.DeleteFunc(slices.Clone(fit), func(o candidate) bool { return o.barred != nil })
	switch len(allowed) {
	case 0:
		if !s.noteElsewhere(fit[0].Account, fit[0].User, fit[0].barred) {
			s.note(fit[0].Account, "sign-in.refused", fit[0].User.String(), "password-not-allowed")
		}
		return SignedIn{}, fit[0].barred
	case 1:
		return s.begin(ctx, c, allowed[0].Account, allowed[0].User, account.Password)
	}
	ids := make([]string, len(allowed))
	for i, c := range allowed {
		ids[i] = c.Account.String()
	}
	slices.Sort(ids)
	return SignedIn{}, problem.InvalidField("account", "required", "This sign-in belongs to several accounts; send account with one of: %s.", strings.Join(ids, ", "))
}

// countRefused notes a spray: many refusals from one network.
func (s *Signin) countRefused(c Client) {
	if n, _ := s.limits.try(networkKey(c, "refused"), networkFails, networkSpan, s.now()); n == networkFails {
		s.note(account.ID{}, "sign-in.spray", "", "network")
	}
}

// candidate is somebody whose password it is.
type candidate struct {
	access.Credential
	barred error // the account has them sign in another way, or from elsewhere; nil: it does not
}

// fitting lists those whose password it is and who may come in.
func (s *Signin) fitting(ctx context.Context, mac vault.MAC, password string, in account.ID) (fit []candidate, err error) {
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
		ok, err := s.hasher.Check(ctx, c.Password, password)
		if err != nil {
			return nil, err
		}
		if !ok {
			s.note(c.Account, "sign-in.refused", c.User.String(), "password")
			continue
		}
		role, _, err := s.o.Directory.Standing(ctx, c.Account, c.User)
		if errors.Is(err, store.ErrNone) {
			s.note(c.Account, "sign-in.refused", c.User.String(), "not-active")
			continue
		}
		if err != nil {
			return nil, err
		}
		barred := s.barred(ctx, c.Account, role)
		if _, ok := problem.Of(barred); barred != nil && !ok {
			return nil, barred
		}
		fit = append(fit, candidate{c, barred})
	}
	if checked == 0 {
		s.note(account.ID{}, "sign-in.refused", "", "unknown-address")
		_, err = s.hasher.Check(ctx, "", password)
	}
	return fit, err
}

// barred says that the account keeps the role from passwords, or from where it
// asks.
func (s *Signin) barred(ctx context.Context, acct account.ID, role account.Role) error {
	if acct.IsZero() {
		return s.o.Directory.AdmitsOperator(ctx)
	}
	return s.o.DB.Read(ctx, admit.To(acct), func(tx *store.Tx) error {
		if err := s.o.Directory.Admits(tx, role); err != nil {
			return err
		}
		if err := ssoAlone(tx, role); err != nil {
			return err
		}
		rule, err := access.GetRule(tx)
		if err != nil || !slices.Contains(rule.NoPassword, role) {
			return err
		}
		// A role that has been given more since signs in by no code, and would have no way in.
		codes, err := codeRole(tx, role)
		if err == nil && codes {
			err = problem.Forbidden("code_required", "Your company has you sign in with a code to your phone or a passkey, not by password.")
		}
		return err
	})
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
	s.noteElsewhere(acct, user, err)
	if errors.Is(err, store.ErrNone) { // deactivated a moment ago
		err = errSignIn()
	}
	return in, err
}

// begun is the entry on the record for a new session.
func begun(in SignedIn) audit.Entry {
	return audit.Entry{Actor: in.Actor, Action: "session.begin", About: in.Session.String(), Detail: map[string]any{"factors": in.Shown.List()}}
}
