package directory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
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

// errSignIn is the one answer to every failed sign-in.
func errSignIn() error {
	return problem.Unauthenticated("The e-mail address or the password is not right.")
}

// SignIn begins a session for whoever has this address and password. When
// they fit users of several accounts, in names the account; the zero id asks.
// An unknown address takes as long and gets the same answer as a wrong password.
func (d *Directory) SignIn(ctx context.Context, email, password string, in account.ID) (SignedIn, error) {
	normal, ok := submission.Email(email)
	if !ok {
		normal = submission.RawKey(email) // found nowhere, and takes as long
	}
	mac := d.o.Keys.LoginIndex(normal)
	if err := d.limits.try(mac, d.now()); err != nil {
		return SignedIn{}, err
	}
	fit, err := d.fitting(ctx, mac, password, in)
	if err != nil {
		return SignedIn{}, err
	}
	switch len(fit) {
	case 0:
		return SignedIn{}, errSignIn()
	case 1:
		d.limits.good(mac)
		return d.begin(ctx, fit[0])
	}
	ids := make([]string, len(fit))
	for i, c := range fit {
		ids[i] = c.Account.String()
	}
	slices.Sort(ids)
	return SignedIn{}, problem.InvalidField("account", "required", "This sign-in belongs to several accounts; send account with one of: %s.", strings.Join(ids, ", "))
}

// candidate is somebody whose password fits.
type candidate struct {
	access.Credential
	role account.Role
}

func (d *Directory) fitting(ctx context.Context, mac vault.MAC, password string, in account.ID) (fit []candidate, err error) {
	var all []access.Credential
	err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
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
		ok, err := d.hasher.check(ctx, c.Password, password)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		role, name, err := d.standing(ctx, c.Account, c.User)
		if errors.Is(err, store.ErrNone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.Name = name
		fit = append(fit, candidate{c, role})
	}
	if checked == 0 {
		_, err = d.hasher.check(ctx, "", password)
	}
	return fit, err
}

// standing is the role and name of an active member or an operator; ErrNone
// when they may not come in.
func (d *Directory) standing(ctx context.Context, acct account.ID, user account.UserID) (role account.Role, name string, err error) {
	if acct.IsZero() {
		err = d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
			name, err = access.Operator(dir, user)
			return err
		})
		return account.Operator, name, err
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

// begin makes a session.
func (d *Directory) begin(ctx context.Context, c candidate) (SignedIn, error) {
	now := d.now()
	s := access.Session{Account: c.Account, ID: account.NewSessionID(), User: c.User, SeenAt: now, ExpiresAt: now.Add(sessionLife)}
	token, hash := newToken(sessionPrefix)
	err := d.o.DB.Directory(ctx, func(dir *store.Dir) error { return access.AddSession(dir, s, hash) })
	if err != nil {
		return SignedIn{}, err
	}
	return SignedIn{principal(s, c.role), token, c.Name}, nil
}

func principal(s access.Session, role account.Role) Principal {
	p := Principal{Actor: s.User.String(), User: s.User, Role: role, Session: s.ID, Expires: s.ExpiresAt, Operator: s.Account.IsZero()}
	if !p.Operator {
		p.Scope = admit.To(s.Account)
	}
	return p
}

// Authenticate says who holds a session's token or a secret key. What it
// learned it believes for up to five seconds; a revocation is seen at once on
// this node, and on the others as soon as they are woken.
func (d *Directory) Authenticate(ctx context.Context, bearer string) (Principal, error) {
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
	if ok {
		return p, nil
	}
	p, err := find(ctx, hash, now)
	if errors.Is(err, store.ErrNone) {
		return Principal{}, errBearer()
	}
	if err != nil {
		return Principal{}, err
	}
	d.cache.put(hash, p, generation, now)
	return p, nil
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
	if !now.Before(s.ExpiresAt) || now.Sub(s.SeenAt) >= sessionIdle {
		return Principal{}, store.ErrNone
	}
	role, _, err := d.standing(ctx, s.Account, s.User)
	if err != nil {
		return Principal{}, err
	}
	if now.Sub(s.SeenAt) >= seenEvery {
		err := d.o.DB.Directory(ctx, func(dir *store.Dir) error { return access.SeeSession(dir, s.ID, now) })
		if err != nil {
			d.o.Log.Warn("directory: cannot note that a session was used", "error", err)
		}
	}
	return principal(s, role), nil
}

func (d *Directory) byKey(ctx context.Context, hash access.Hash, now time.Time) (Principal, error) {
	var k access.Key
	err := d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		k, err = access.KeyBy(dir, hash)
		return err
	})
	if err != nil {
		return Principal{}, err
	}
	if k.Kind != SecretKey || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return Principal{}, store.ErrNone
	}
	return Principal{Scope: admit.To(k.Account), Actor: k.ID.String(), Key: k.ID, Role: k.Role, Expires: k.ExpiresAt}, nil
}

// SignOut ends the session.
func (d *Directory) SignOut(ctx context.Context, p Principal) error {
	if p.Session.IsZero() {
		return problem.Conflict("no_session", "A key has no session to end.")
	}
	return d.o.DB.Directory(ctx, func(dir *store.Dir) error {
		d.revoked(dir)
		return access.EndSession(dir, p.Session, d.now())
	})
}

// Redeem uses up a one-time link: its user gets the password, becomes active,
// and is signed in. Earlier sessions end.
func (d *Directory) Redeem(ctx context.Context, link, password string) (SignedIn, error) {
	var f faults
	f.password("password", password)
	if err := f.err(); err != nil {
		return SignedIn{}, err
	}
	spent := problem.Unauthenticated("The link was used already, or its time is over. Ask for a new one.")
	if !isToken(link, linkPrefix) {
		return SignedIn{}, spent
	}
	hash := hashToken(link)
	var c candidate
	err := d.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		c.Account, c.User, _, err = access.LinkBy(dir, hash)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return SignedIn{}, spent
	}
	if err != nil {
		return SignedIn{}, err
	}
	stored, err := d.hasher.hash(ctx, password) // before the transaction: it takes its time
	if err != nil {
		return SignedIn{}, err
	}
	err = d.o.DB.Write(ctx, admit.To(c.Account), func(tx *store.Tx) error {
		now := d.now()
		ok, err := access.UseLink(tx, hash, now)
		if err != nil {
			return err
		}
		m, err := members.Get(tx, c.User)
		if err != nil || !ok || m.State == members.Deactivated {
			return errors.Join(err, spent)
		}
		c.role, c.Name = m.Role, m.Name
		if err := members.Welcome(tx, c.User); err != nil {
			return err
		}
		return d.newPassword(tx, c.User, account.SessionID{}, stored, "link.redeem", now)
	})
	if err != nil {
		return SignedIn{}, err
	}
	return d.begin(ctx, c)
}

// ChangePassword replaces a user's own password; their other sessions end.
func (d *Directory) ChangePassword(ctx context.Context, p Principal, old, fresh string) error {
	if !p.Scope.Valid() || p.User.IsZero() {
		return problem.Conflict("no_password", "Only a user of an account has a password to change here.")
	}
	var f faults
	f.password("new_password", fresh)
	if err := f.err(); err != nil {
		return err
	}
	mac := vault.MAC(p.User.UUID()) // tries are counted for the user
	if err := d.limits.try(mac, d.now()); err != nil {
		return err
	}
	var stored string
	err := d.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) (err error) {
		stored, err = access.Password(tx, p.User)
		return err
	})
	if err != nil {
		return err
	}
	ok, err := d.hasher.check(ctx, stored, old)
	if err != nil {
		return err
	}
	if !ok {
		return problem.InvalidField("password", "wrong", "This is not your present password.")
	}
	d.limits.good(mac)
	next, err := d.hasher.hash(ctx, fresh)
	if err != nil {
		return err
	}
	return d.o.DB.Write(ctx, p.Scope, func(tx *store.Tx) error {
		return d.newPassword(tx, p.User, p.Session, next, "password.change", d.now())
	})
}

// newPassword stores it and ends links and all sessions but one.
func (d *Directory) newPassword(tx *store.Tx, id account.UserID, but account.SessionID, stored, action string, now time.Time) error {
	d.revoked(tx)
	if err := access.SetPassword(tx, id, stored, now); err != nil {
		return err
	}
	if err := access.EndSessions(tx, id, but, now); err != nil {
		return err
	}
	if err := access.EndLinks(tx, id, now); err != nil {
		return err
	}
	return d.o.Record(tx, now, id.String(), action, id.String())
}

// CreateOperator makes an operator of the platform.
func (d *Directory) CreateOperator(ctx context.Context, name, email, password string) (account.UserID, error) {
	var f faults
	name = f.name("name", name)
	_, normal := f.email("email", vault.Hide(email))
	f.password("password", password)
	if err := f.err(); err != nil {
		return account.UserID{}, err
	}
	stored, err := d.hasher.hash(ctx, password)
	if err != nil {
		return account.UserID{}, err
	}
	id := account.NewUserID()
	err = d.o.DB.Directory(ctx, func(dir *store.Dir) error {
		ok, err := access.AddOperator(dir, id, name, d.o.Keys.LoginIndex(normal), stored, d.now())
		if err == nil && !ok {
			err = problem.Conflict("email_taken", "There is an operator with this e-mail address.")
		}
		return err
	})
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
		_, me.Name, err = d.standing(ctx, account.ID{}, p.User)
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

// limits slows down guessing: a few tries a minute for each address, known or
// not.
type limits struct {
	mu    sync.Mutex
	tries map[vault.MAC]window
}

type window struct {
	since time.Time
	n     int
}

const (
	triesEach  = 10
	triesEvery = time.Minute
)

func (l *limits) try(mac vault.MAC, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.tries[mac]
	if now.Sub(w.since) >= triesEvery {
		w = window{since: now}
	}
	if w.n >= triesEach {
		return problem.TooMany("too_many_sign_ins", w.since.Add(triesEvery).Sub(now), "Too many tries for this address. Wait a minute.")
	}
	w.n++
	if l.tries == nil || len(l.tries) >= mostKnown {
		l.tries = map[vault.MAC]window{}
	}
	l.tries[mac] = w
	return nil
}

func (l *limits) good(mac vault.MAC) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, mac)
}
