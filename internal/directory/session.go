package directory

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/store/offers"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
)

// LinkLife is how long a one-time link can be used.
const LinkLife = 72 * time.Hour

const (
	sessionLife = 30 * 24 * time.Hour // at most
	sessionIdle = 12 * time.Hour      // without a request
	seenEvery   = time.Minute         // how exactly use is noted
)

// SignedIn is a new session.
type SignedIn struct {
	Principal
	Token string // it is nowhere else
	Name  string // of the user
}

// Client is what a session notes of where it began, for its owner to tell it
// from others. Both are personal.
type Client struct {
	Device  vault.Personal // browser and system, as "Firefox on Android"
	Network vault.Personal // of the address, as "192.0.2.0/24"
}

// Begin makes a session for a user of the account who has just shown who they
// are. store.ErrNone: they may not come in.
func (d *Directory) Begin(tx *store.Tx, user account.UserID, shown account.Shown, c Client) (SignedIn, error) {
	m, err := members.Get(tx, user)
	if err == nil && m.State != members.Active {
		err = store.ErrNone
	}
	if err == nil {
		err = d.Admits(tx, m.Role)
	}
	if err != nil {
		return SignedIn{}, err
	}
	s := d.newSession(user, shown)
	s.Account = tx.Account()
	if err := d.sealClient(tx, &s, c); err != nil {
		return SignedIn{}, err
	}
	token, hash := NewToken(sessionPrefix)
	if err := access.AddSession(tx, s, hash); err != nil {
		return SignedIn{}, err
	}
	p := principal(s, m.Role)
	err = equip(tx, &p)
	return SignedIn{p, token, m.Name}, err
}

// BeginOperator is Begin for an operator of the platform. They have no key of
// their own, so nothing is noted of where it began.
func (d *Directory) BeginOperator(dir *store.Dir, operator account.UserID, shown account.Shown) (SignedIn, error) {
	who, err := access.Operator(dir, operator)
	if err == nil {
		err = d.AdmitsOperator(dir.Context())
	}
	if err != nil {
		return SignedIn{}, err
	}
	s := d.newSession(operator, shown)
	token, hash := NewToken(sessionPrefix)
	if err := access.AddOperatorSession(dir, s, hash); err != nil {
		return SignedIn{}, err
	}
	p := principal(s, who.Role)
	p.Rights, p.Must = rights.Of(p.Role), true
	p.Second, err = access.HasSecond(access.OfOperator(dir), operator)
	return SignedIn{p, token, who.Name}, err
}

func (d *Directory) newSession(user account.UserID, shown account.Shown) access.Session {
	now := d.now()
	return access.Session{ID: account.NewSessionID(), User: user, Shown: shown, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(sessionLife)}
}

func (d *Directory) sealClient(tx *store.Tx, s *access.Session, c Client) error {
	if c.Device.Empty() && c.Network.Empty() {
		return nil
	}
	seal, err := d.SealerOf(tx, s.User)
	if err != nil {
		return err
	}
	s.Device = seal(access.SessionBinding(s.ID, vault.Device), c.Device).Data
	s.Network = seal(access.SessionBinding(s.ID, vault.Network), c.Network).Data
	return nil
}

// SealerOf seals what belongs to a user of the account under the user's own key.
func (d *Directory) SealerOf(tx *store.Tx, user account.UserID) (Seal, error) {
	k, err := d.o.Keys.Account(tx.Context(), tx.Account())
	if err != nil {
		return nil, err
	}
	wrapped, err := members.Key(tx, user)
	if err != nil {
		return nil, err
	}
	return k.Member(user, wrapped)
}

// Renew gives the visitor's session a new token, which the old one dies of,
// and adds the factors that they have just shown, if any. It is done at every
// change of right, so that a token that was overheard before does not get it.
func (d *Directory) Renew(ctx context.Context, p Principal, factors ...account.Factor) (out SignedIn, err error) {
	if p.Session.IsZero() {
		return SignedIn{}, problem.Conflict("no_session", "A key has no session.")
	}
	err = d.o.DB.Directory(ctx, func(dir *store.Dir) error {
		s, err := access.SessionByID(dir, p.Session)
		if err != nil {
			return err
		}
		was := s.Shown
		for _, f := range factors {
			s.Shown = s.Shown.With(f, d.now())
		}
		token, hash := NewToken(sessionPrefix)
		ok, err := access.RenewSession(dir, s.ID, hash, was, s.Shown)
		if err == nil && !ok {
			err = store.ErrAgain
		}
		d.revoked(dir)
		out = SignedIn{Principal: principal(s, p.Role), Token: token}
		out.Rights, out.Teams, out.Second, out.Must = p.Rights, p.Teams, p.Second, p.Must
		return err
	})
	if errors.Is(err, store.ErrNone) {
		err = errBearer()
	}
	return out, err
}

// Standing is the role and name of an active member or of somebody of the platform; ErrNone
// when they may not come in.
func (d *Directory) Standing(ctx context.Context, acct account.ID, user account.UserID) (role account.Role, name string, err error) {
	if acct.IsZero() {
		var who access.Staff
		err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
			who, err = access.Operator(dir, user)
			return err
		})
		return who.Role, who.Name, err
	}
	err = d.o.DB.Read(ctx, admit.To(acct), func(tx *store.Tx) error {
		m, err := members.Get(tx, user)
		if err == nil && m.State != members.Active {
			err = store.ErrNone
		}
		role, name = m.Role, m.Name
		return err
	})
	return role, name, err
}

func principal(s access.Session, role account.Role) Principal {
	p := Principal{Actor: s.User.String(), User: s.User, Role: role, Session: s.ID, Shown: s.Shown, Expires: s.ExpiresAt, Operator: s.Account.IsZero()}
	if !p.Operator {
		p.Scope = admit.To(s.Account)
	}
	return p
}

// Authenticate says who holds a session's token or a secret key. What it
// learned it believes for up to five seconds; a revocation is seen at once on
// this node, and on the others as soon as they are woken. A key with a
// tombstone is refused whatever SQL says, and also while it says nothing. The
// caller's address is judged each time: 403 CodeElsewhere.
func (d *Directory) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	p, err := d.authenticate(ctx, bearer)
	if q, ok := problem.Of(err); ok && bearer != "" && q.Status == http.StatusUnauthorized {
		d.o.Unknown(kindOf(bearer))
	}
	return p, err
}

func kindOf(bearer string) string {
	switch {
	case isToken(bearer, sessionPrefix):
		return "unknown-session"
	case isToken(bearer, secretPrefix):
		return "unknown-key"
	}
	return "unreadable"
}

func (d *Directory) authenticate(ctx context.Context, bearer string) (Principal, error) {
	var find func(context.Context, access.Hash, time.Time) (Principal, error)
	switch {
	case bearer == "":
		return Principal{}, problem.Unauthenticated("Send Authorization: Bearer with a session's token or a secret key.")
	case strings.HasPrefix(bearer, publishablePrefix):
		return Principal{}, problem.Forbidden("publishable_key", "A publishable key (cpk_…) only hands in leads. Use a secret key (csk_…) or sign in.")
	case isToken(bearer, sessionPrefix):
		find = d.bySession
	case isToken(bearer, secretPrefix):
		find = d.byKey
	default:
		return Principal{}, errBearer()
	}
	hash, now := hashToken(bearer), d.now()
	p, generation, ok := d.cache.get(hash, now)
	if err := d.buried(bearer, p.Key, hash); err != nil {
		return p, err
	}
	if ok {
		return d.arrive(ctx, p)
	}
	p, err := find(ctx, hash, now)
	if err == nil {
		err = d.buried(bearer, p.Key, hash)
	}
	if errors.Is(err, store.ErrNone) && isToken(bearer, sessionPrefix) {
		return Principal{}, d.refused(ctx, hash)
	}
	if errors.Is(err, store.ErrNone) {
		return Principal{}, errBearer()
	}
	if err != nil {
		return Principal{}, err
	}
	d.cache.put(hash, p, generation, now)
	return d.arrive(ctx, p)
}

// arrive refuses who holds a session or key of an account that is gone, or is
// elsewhere.
func (d *Directory) arrive(ctx context.Context, p Principal) (Principal, error) {
	if !p.Operator && d.o.Gone(p.Scope.Account()) {
		return Principal{}, errBearer()
	}
	if p.from == nil {
		return p, nil
	}
	if err := inside(ctx, *p.from); err != nil {
		d.o.Refused(p)
		return Principal{}, err
	}
	return p, nil
}

// buried is nil unless there is a tombstone for the key.
func (d *Directory) buried(bearer string, id account.KeyID, hash access.Hash) error {
	if !strings.HasPrefix(bearer, secretPrefix) {
		return nil
	}
	gone, err := d.o.Tombstones.Buried(id, hash)
	if err == nil && gone {
		err = errBearer()
	}
	return err
}

func errBearer() error {
	return problem.Unauthenticated("The token or key is not valid, or not valid any more.")
}

func (d *Directory) bySession(ctx context.Context, hash access.Hash, now time.Time) (Principal, error) {
	var s access.Session
	err := d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		s, err = access.SessionBy(dir, hash)
		return err
	})
	if err != nil {
		return Principal{}, err
	}
	if !now.Before(s.ExpiresAt) || now.Sub(s.SeenAt).Abs() >= sessionIdle { // a clock that went back revives none
		return Principal{}, store.ErrNone
	}
	role, _, err := d.Standing(ctx, s.Account, s.User)
	if err != nil {
		return Principal{}, err
	}
	p := principal(s, role)
	if err = d.equip(ctx, &p); err != nil {
		return Principal{}, err
	}
	if p.from, err = d.networks(ctx, p, nil); err != nil {
		return Principal{}, err
	}
	if now.Sub(s.SeenAt) >= seenEvery {
		err := d.o.DB.Directory(ctx, func(dir *store.Dir) error { return access.SeeSession(dir, s.ID, now) })
		if err != nil {
			d.o.Log.Warn("directory: cannot note that a session was used", "error", err)
		}
	}
	return p, nil
}

// equip notes of a user what the role may, in which teams they are, whether they
// have a second factor, and whether they have to show one.
func equip(tx *store.Tx, p *Principal) (err error) {
	if p.Rights, err = RightsOf(tx, p.Role); err != nil {
		return err
	}
	if p.Rights.Teams() {
		if p.Teams, err = offers.TeamsOf(tx, p.User); err != nil {
			return err
		}
	}
	if p.Second, err = access.HasSecond(access.OfUser(tx), p.User); err != nil {
		return err
	}
	rule, err := access.GetRule(tx)
	p.Must = compulsory(p.Rights) || slices.Contains(rule.Second, p.Role)
	return err
}

// compulsory reports whether rights are such that no session has them before a
// second factor, whatever the account says: they give rights to others, or take
// every person's data out.
func compulsory(r rights.Rights) bool {
	return administers(r) || r.May(account.ExportLeads) || r.May(account.ManagePrivacy) || r.May(account.ManageGrants) || r.May(account.LeaveAccount)
}

func (d *Directory) equip(ctx context.Context, p *Principal) error {
	if !p.Operator {
		return d.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) error { return equip(tx, p) })
	}
	p.Rights, p.Must = rights.Of(p.Role), true
	return d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		p.Second, err = access.HasSecond(access.OfOperator(dir), p.User)
		return err
	})
}

func (d *Directory) byKey(ctx context.Context, hash access.Hash, now time.Time) (Principal, error) {
	var k access.Key
	err := d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		k, err = access.KeyBy(dir, hash, now)
		return err
	})
	if err != nil {
		return Principal{}, err
	}
	if k.Kind != SecretKey || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return Principal{}, store.ErrNone
	}
	if now.Sub(k.UsedAt) >= seenEvery {
		err := d.o.DB.Directory(ctx, func(dir *store.Dir) error { return access.SeeKey(dir, hash, now) })
		if err != nil {
			d.o.Log.Warn("directory: cannot note that a key was used", "error", err)
		}
	}
	p := Principal{Scope: admit.To(k.Account), Actor: k.ID.String(), Key: k.ID, Role: k.Role, Rights: rights.Of(k.Role), Expires: k.ExpiresAt}
	if p.from, err = d.networks(ctx, p, k.Networks); err != nil {
		return Principal{}, err
	}
	if isOwn(k.Role) {
		err = d.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) (err error) {
			p.Rights, err = RightsOf(tx, k.Role)
			return err
		})
	}
	return p, err
}

// Sessions lists where a user is signed in, newest first.
func (d *Directory) Sessions(tx *store.Tx, user account.UserID) ([]access.Session, error) {
	list, err := access.Sessions(tx, user, d.now())
	return d.awake(list), err
}

// OperatorSessions is Sessions for an operator.
func (d *Directory) OperatorSessions(dir *store.Dir, operator account.UserID) ([]access.Session, error) {
	list, err := access.OperatorSessions(dir, operator, d.now())
	return d.awake(list), err
}

// awake leaves out those that were idle for too long.
func (d *Directory) awake(list []access.Session) []access.Session {
	now := d.now()
	return slices.DeleteFunc(list, func(s access.Session) bool { return now.Sub(s.SeenAt) >= sessionIdle })
}

// Revoked has every node ask the database again who may come in, once the
// transaction is committed.
func (d *Directory) Revoked(tx interface{ AfterCommit(func()) }) { d.revoked(tx) }

// AddOperator stores somebody of the platform with the hash of their password.
// 409 email_taken: there is one with this address.
func (d *Directory) AddOperator(dir *store.Dir, who access.Staff, email, passwordHash string) (account.UserID, error) {
	var f faults
	who.Name = f.name("name", who.Name)
	_, normal := f.email("email", vault.Hide(email))
	if err := f.err(); err != nil {
		return account.UserID{}, err
	}
	id := account.NewUserID()
	ok, err := access.AddOperator(dir, id, who, d.o.Keys.LoginIndex(normal), passwordHash, d.now())
	if err == nil && !ok {
		err = problem.Conflict("email_taken", "There is an operator with this e-mail address.")
	}
	return id, err
}

// Self is what a visitor may know of themselves without opening anything.
type Self struct {
	Name        string
	Account     account.ID
	AccountName string
	State       members.State
}

// Me says who a visitor is.
func (d *Directory) Me(ctx context.Context, p Principal) (me Self, err error) {
	if p.Operator {
		_, me.Name, err = d.Standing(ctx, account.ID{}, p.User)
		return me, err
	}
	err = d.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) error {
		a, err := setup.GetAccount(tx)
		me.Account, me.AccountName = a.ID, a.Name
		if err != nil || p.User.IsZero() {
			return err
		}
		m, err := members.Get(tx, p.User)
		me.Name, me.State = m.Name, m.State
		return err
	})
	return me, err
}

// cache keeps who was found for a few seconds, so that most requests cost no SQL.
type cache struct {
	mu         sync.RWMutex
	generation uint64 // counts forget: what was found before it is not kept
	known      map[access.Hash]cached
}

type cached struct {
	p     Principal
	until time.Time
}

const (
	believed  = 5 * time.Second
	mostKnown = 20_000
)

func (c *cache) get(h access.Hash, now time.Time) (p Principal, generation uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.known[h]
	return e.p, c.generation, ok && now.Before(e.until)
}

func (c *cache) put(h access.Hash, p Principal, generation uint64, now time.Time) {
	until := now.Add(believed)
	if !p.Expires.IsZero() && p.Expires.Before(until) {
		until = p.Expires
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	if c.known == nil || len(c.known) >= mostKnown {
		c.known = map[access.Hash]cached{}
	}
	c.known[h] = cached{p, until}
}

func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.known = nil
}
