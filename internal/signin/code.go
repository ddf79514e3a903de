package signin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// The bounds of one-time codes.
const (
	CodeLife    = 5 * time.Minute
	codeTries   = 5
	codePause   = 30 * time.Second // between two codes for a number
	numberHour  = 6                // codes for a number in an hour
	numberDay   = 15               // and in a day
	clockSkew   = time.Minute      // that another node's clock may be ahead
	flowPrefix  = "cfl_"
	networkAsks = 60 // codes asked for from one network in networkSpan
	networkSpan = 10 * time.Minute
)

// Flow is a code that was asked for. Whoever holds the secret can use the code,
// and nobody else.
type Flow struct {
	Secret    string
	ExpiresAt time.Time
	AgainAt   time.Time // when another can be asked for
}

// errCode is the one answer to every code that is not taken.
func errCode() error {
	return problem.Unauthenticated("The code is not right, or it is used up, replaced or too old. Ask for a new one after a few tries.")
}

// AskCode begins a flow for the phone, which needs its country code. A message
// goes out only when the number is registered and the account's rules allow
// it; that is settled after the answer, which is the same for every number.
func (s *Signin) AskCode(ctx context.Context, c Client, phone string) (Flow, error) {
	if !s.o.Courier.Ready() {
		return Flow{}, problem.Conflict("no_codes", "No messages go out from here. Sign in with e-mail and password.")
	}
	e164, country, ok := submission.Phone(phone, "")
	if !ok {
		return Flow{}, problem.InvalidField("phone", "bad_phone", "Send the number with + and its country code, such as +44 20 7946 0123.")
	}
	goes := func(region string) bool { return reaches(e164, country, region) }
	if len(s.o.Countries) > 0 && !slices.ContainsFunc(s.o.Countries, goes) {
		return Flow{}, problem.InvalidField("phone", "country_not_served", "No codes go to this country.")
	}
	if err := s.limits.network(c, s.now(), "code", networkAsks, networkSpan); err != nil {
		s.note(account.ID{}, "code.refused", "", "network")
		return Flow{}, err
	}
	number := s.number(e164)
	w := waiting{to: vault.Hide(e164), number: number, country: country, goes: goes, prefix: s.prefix(e164)}
	return s.newFlow(ctx, w, number, account.SessionID{})
}

// reaches reports whether a number is of a country. One that the tables cannot
// place, as they leave out ranges that are kept for fiction or were given out
// lately, is of every country that shares its calling code.
func reaches(e164, country, region string) bool {
	if country != "" {
		return country == region
	}
	return strings.HasPrefix(e164, "+"+strconv.Itoa(phonenumbers.GetCountryCodeForRegion(region)))
}

// number is the keyed hash by which a user's phone is found.
func (s *Signin) number(e164 string) vault.MAC {
	return s.o.Keys.LoginIndex(directory.PhoneLogin(e164))
}

// prefix stands for the block of ten thousand numbers around it.
func (s *Signin) prefix(e164 string) vault.MAC {
	return s.o.Keys.LoginIndex("tel-block:" + e164[:max(len(e164)-4, 0)])
}

// waiting is a code between its flow and its message.
type waiting struct {
	flow    access.Flow
	to      vault.Personal
	code    string
	number  vault.MAC
	prefix  vault.MAC
	country string
	goes    func(region string) bool // is the number of that country?
	own     *directory.Principal     // whose second factor it is; nil: a sign-in
}

// newFlow stores a flow and leaves the rest to the worker. Everything in here
// is the same for a number that is known and one that is not.
func (s *Signin) newFlow(ctx context.Context, w waiting, slot vault.MAC, session account.SessionID) (Flow, error) {
	if !s.reserve() {
		return Flow{}, problem.Busy("sign_in_busy", 2*time.Second, "Too many people sign in at once.")
	}
	secret, hash := directory.NewToken(flowPrefix)
	err := s.o.DB.Directory(ctx, func(dir *store.Dir) error {
		now := s.now()
		w.flow = access.Flow{ID: access.NewFlowID(), Slot: slot, Number: w.number, Session: session, CreatedAt: now, ExpiresAt: now.Add(CodeLife)}
		w.code = newCode()
		w.flow.Code = s.codeMAC(w.flow.ID, w.code)
		if err := askedTooOften(dir, w.number, now); err != nil {
			return err
		}
		return access.AddFlow(dir, w.flow, hash)
	})
	if err != nil {
		s.release()
		if p, ok := problem.Of(err); ok {
			s.note(account.ID{}, "code.refused", "", p.Code)
		}
		return Flow{}, err
	}
	s.queue <- w // reserved
	return Flow{secret, w.flow.ExpiresAt, w.flow.CreatedAt.Add(codePause)}, nil
}

// askedTooOften counts what was asked for the number, known or not.
func askedTooOften(dir *store.Dir, number vault.MAC, now time.Time) error {
	asked, err := access.Asked(dir, number, now.Add(-24*time.Hour), numberDay)
	if err != nil {
		return err
	}
	wait, detail := tooOften(asked, now)
	if wait <= 0 {
		return nil
	}
	return problem.TooMany("code_asked_already", wait, "%s", detail)
}

// tooOften is how long to wait until another code can be asked for; asked is
// newest first.
func tooOften(asked []time.Time, now time.Time) (wait time.Duration, detail string) {
	until := func(n int, span time.Duration) time.Duration {
		if len(asked) < n {
			return 0
		}
		return asked[n-1].Add(span).Sub(now)
	}
	if wait = until(1, codePause); wait > 0 {
		detail = "A code was asked for a moment ago. If none comes, ask again then."
	}
	if w := max(until(numberHour, time.Hour), until(numberDay, 24*time.Hour)); w > wait {
		wait, detail = w, "Too many codes were asked for this number. Sign in another way, or wait."
	}
	return wait, detail
}

var million = big.NewInt(1_000_000)

// newCode is six digits, each million as likely as the other.
func newCode() string {
	n, err := rand.Int(rand.Reader, million)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%06d", n)
}

// startOf is when a flow's id was made: a UUIDv7 tells.
func startOf(id access.FlowID) time.Time {
	u := id.UUID()
	return time.UnixMilli(int64(binary.BigEndian.Uint64(u[:8]) >> 16))
}

func (s *Signin) codeMAC(id access.FlowID, code string) access.Hash {
	return s.o.Keys.FlowMAC(startOf(id), "code", id.String()+" "+code)
}

// sixDigits reads a code as people type it.
func sixDigits(code string) (string, bool) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, strings.TrimSpace(code))
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return "", false
		}
	}
	return code, len(code) == 6
}

// ByCode begins a session for whoever has the flow's code. When it is the
// phone of users of several accounts, in names the account; the zero id asks:
// 409 choose_account with choices, and the flow stays usable for the choice.
func (s *Signin) ByCode(ctx context.Context, c Client, secret, code string, in account.ID) (SignedIn, error) {
	f, err := s.tryCode(ctx, secret, code, account.SessionID{})
	if err != nil {
		return SignedIn{}, err
	}
	all, err := s.mayUseCodes(ctx, f.Number)
	if err != nil {
		return SignedIn{}, err
	}
	if !in.IsZero() {
		all = slices.DeleteFunc(all, func(o codeUser) bool { return o.scope.Account() != in })
	}
	switch len(all) {
	case 0:
		return SignedIn{}, errCode()
	case 1:
		return s.useCode(ctx, c, f, all[0])
	}
	p := problem.Conflict("choose_account", "This phone belongs to several accounts. Send flow and code again, with account.")
	for _, o := range all {
		p.Choices = append(p.Choices, problem.Choice{ID: o.scope.Account().String(), Name: o.accountName})
	}
	slices.SortFunc(p.Choices, func(a, b problem.Choice) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return SignedIn{}, p
}

// tryCode takes one of the flow's tries, and settles it in the same
// transaction: tries at the same moment stand in a row.
func (s *Signin) tryCode(ctx context.Context, secret, code string, session account.SessionID) (access.Flow, error) {
	hash, ok := directory.TokenHash(secret, flowPrefix)
	if !ok {
		return access.Flow{}, errCode()
	}
	digits, ok := sixDigits(code)
	if !ok {
		return access.Flow{}, problem.InvalidField("code", "bad_code", "Send the six digits of the message.")
	}
	var f access.Flow
	var live, right bool
	err := s.o.DB.Directory(ctx, func(dir *store.Dir) (err error) {
		now := s.now()
		if f, live, err = access.TryFlow(dir, hash, codeTries, now, now.Add(clockSkew)); err != nil || !live {
			return err
		}
		want := s.codeMAC(f.ID, digits)
		if right = hmac.Equal(want[:], f.Code[:]) && f.Session == session; right {
			return access.ProveFlow(dir, f.ID, now)
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	if !right {
		s.noteGuess(ctx, f, live)
		return f, errCode()
	}
	return f, nil
}

// noteGuess puts a wrong code on the record of whose phone it is.
func (s *Signin) noteGuess(ctx context.Context, f access.Flow, live bool) {
	if !live {
		s.note(account.ID{}, "code.refused", "", "over")
		return
	}
	var all []access.Credential
	err := s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		all, err = access.ByPhone(dir, f.Number)
		return err
	})
	if err != nil || len(all) == 0 {
		s.note(account.ID{}, "code.guess", "", "wrong")
	}
	for _, c := range all {
		s.note(c.Account, "code.guess", c.User.String(), "wrong")
	}
}

// codeUser is somebody who may sign in by a code.
type codeUser struct {
	scope       account.Scope
	id          account.UserID
	accountName string
	region      string
	rule        access.Rule
}

// codeRole reports whether a role signs in by a code alone: salespeople and
// managers, and an account's own role that may no more than a manager. For the
// others a code is a second factor.
func codeRole(tx *store.Tx, r account.Role) (bool, error) {
	if _, err := account.ParseRoleID(string(r)); err != nil {
		return r == account.Salesperson || r == account.Manager, nil
	}
	return modest(tx, r)
}

// modest reports whether there is such a role, and it may no more than a manager.
func modest(tx *store.Tx, r account.Role) (bool, error) {
	known, err := directory.IsRole(tx, r)
	if err != nil || !known {
		return false, err
	}
	may, err := directory.RightsOf(tx, r)
	return rights.Of(account.Manager).Cover(may), err
}

// mayUseCodes lists who signs in by the number.
func (s *Signin) mayUseCodes(ctx context.Context, number vault.MAC) (out []codeUser, err error) {
	var all []access.Credential
	err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		all, err = access.ByPhone(dir, number)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		err := s.o.DB.Read(ctx, admit.To(c.Account), func(tx *store.Tx) error {
			u, ok, err := readCodeUser(tx, c.User)
			if ok && err == nil {
				out = append(out, u)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readCodeUser(tx *store.Tx, id account.UserID) (u codeUser, ok bool, err error) {
	m, err := members.Get(tx, id)
	if errors.Is(err, store.ErrNone) {
		return u, false, nil
	}
	if err != nil || m.State == members.Deactivated {
		return u, false, err
	}
	if ok, err := codeRole(tx, m.Role); err != nil || !ok {
		return u, false, err
	}
	if err := ssoAlone(tx, m.Role); err != nil {
		if _, ok := problem.Of(err); ok {
			err = nil
		}
		return u, false, err
	}
	a, err := setup.GetAccount(tx)
	if err != nil {
		return u, false, err
	}
	rule, err := access.GetRule(tx)
	return codeUser{scope: tx.Scope(), id: id, accountName: a.Name, region: a.DefaultRegion, rule: rule}, err == nil, err
}

// useCode ends the flow and begins the session. A stop between the two costs
// the user another code, and nobody gets in twice.
func (s *Signin) useCode(ctx context.Context, c Client, f access.Flow, u codeUser) (SignedIn, error) {
	if err := s.spend(ctx, f); err != nil {
		return SignedIn{}, err
	}
	var in SignedIn
	err := s.o.DB.Write(ctx, u.scope, func(tx *store.Tx) (err error) {
		now := s.now()
		if err := access.UseSent(tx, f, now); err != nil {
			return err
		}
		if err := members.Welcome(tx, u.id); err != nil { // the admin registered this phone
			return err
		}
		if in, err = s.o.Directory.Begin(tx, u.id, account.Shown{}.With(account.Code, now), c.noted()); err != nil {
			return err
		}
		return audit.Write(tx, now, begun(in))
	})
	s.noteElsewhere(u.scope.Account(), u.id, err)
	if errors.Is(err, store.ErrNone) {
		err = errCode()
	}
	return in, err
}

func (s *Signin) spend(ctx context.Context, f access.Flow) error {
	var mine bool
	err := s.o.DB.Directory(ctx, func(dir *store.Dir) (err error) {
		mine, err = access.EndFlow(dir, f.ID, s.now())
		return err
	})
	if err == nil && !mine { // somebody was faster with the same code
		s.note(account.ID{}, "code.refused", "", "over")
		err = errCode()
	}
	return err
}
