package signin

import (
	"context"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/store/access"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// mostPasskeys is how many a user has at once.
const mostPasskeys = 20

// Passkey is one of a user's own, for their eyes.
type Passkey struct {
	ID        string     `json:"id" example:"passkey_01h455vb4pex5vsknk084sn02q"`
	Name      *string    `json:"name" doc:"As its user calls it; null: not opened." example:"My phone"`
	CreatedAt time.Time  `json:"created_at"`
	UsedAt    *time.Time `json:"used_at" doc:"The last time; null: never since it was made."`
	Synced    bool       `json:"synced" doc:"It is kept by a service for several devices, and not by one device alone."`
	PRF       bool       `json:"prf" doc:"Its authenticator makes keys of it (WebAuthn's prf): it can unlock what a phone keeps."`
}

// mayAdd refuses another factor in a session that has not shown lately what
// its user has already: a second factor, or the registered phone. Otherwise
// whoever found a password would add their own.
func (s *Signin) mayAdd(ctx context.Context, p directory.Principal) error {
	if p.Second {
		return s.fresh(p)
	}
	w, err := s.Ways(ctx, p)
	if err != nil {
		return err
	}
	if !w.Code {
		return s.fresh(p)
	}
	at := p.Shown.Strong()
	if code := p.Shown.At(account.Code); code.After(at) {
		at = code
	}
	if account.Fresh(at, s.now()) {
		return nil
	}
	return problem.Forbidden("step_up_required", "Show a code to your phone first: POST /v1/sessions/current/codes, then /v1/sessions/current/factors.")
}

// OfferPasskey begins making a passkey for the visitor, for AddPasskey.
func (s *Signin) OfferPasskey(ctx context.Context, p directory.Principal) (Ceremony, error) {
	if err := s.mayAdd(ctx, p); err != nil {
		return Ceremony{}, err
	}
	c := s.newCeremony(toAdd, p.Session)
	options, _, _, err := s.beginAdding(ctx, p, c)
	if err != nil {
		return Ceremony{}, err
	}
	return s.given(c, options.Response)
}

// beginAdding is the same for the same ceremony, as long as the user's passkeys are.
func (s *Signin) beginAdding(ctx context.Context, p directory.Principal, c ceremony) (*protocol.CredentialCreation, *webauthn.SessionData, passkeyUser, error) {
	w, err := s.passkeys()
	if err != nil {
		return nil, nil, passkeyUser{}, err
	}
	u, err := s.own(ctx, p)
	if err != nil {
		return nil, nil, u, err
	}
	if len(u.keys) >= mostPasskeys {
		return nil, nil, u, problem.Conflict("too_many_passkeys", "You have %d passkeys. Remove one first.", mostPasskeys)
	}
	me, err := s.o.Directory.Me(ctx, p)
	if err != nil {
		return nil, nil, u, err
	}
	if u.name = me.Name; me.AccountName != "" {
		u.name += ", " + me.AccountName
	}
	var have []protocol.CredentialDescriptor
	for _, k := range u.WebAuthnCredentials() {
		have = append(have, k.Descriptor())
	}
	challenge := func(o *protocol.PublicKeyCredentialCreationOptions) error {
		o.Challenge = s.challenge(c)
		return nil
	}
	options, session, err := w.BeginRegistration(u, challenge, webauthn.WithExclusions(have), webauthn.WithExtensions(webauthn.WithExtensionPRFSupport()))
	return options, session, u, err
}

// AddPasskey takes the passkey that was made for the ceremony. The session
// rises to level 2 and gets a new token. The first factor ends the user's other
// sessions, which were begun with less, and brings recovery codes. An empty
// name is that of the browser.
func (s *Signin) AddPasskey(ctx context.Context, c Client, p directory.Principal, secret string, name vault.Personal, answer []byte) (out Confirmed, id account.PasskeyID, err error) {
	if err := s.mayAdd(ctx, p); err != nil {
		return out, id, err
	}
	if err := s.try(ctx, p); err != nil {
		return out, id, err
	}
	k, err := s.authenticated(ctx, p, secret, answer)
	if err != nil {
		return out, id, err
	}
	if k == nil {
		return out, id, s.refuse(ctx, p, account.Passkey)
	}
	if name.Empty() {
		name = vault.Hide(device(c.Agent))
	}
	err = s.hold(ctx, p, func(h holding) error {
		out.Recovery = nil // it may run again
		if k.Name, err = s.sealName(h, *k, name); err != nil {
			return err
		}
		had, err := access.HasSecond(h.Holder, p.User)
		if err != nil {
			return err
		}
		k.CreatedAt = h.now
		if ok, err := access.AddPasskey(h.Holder, *k); err != nil || !ok {
			return orProblem(err, problem.Conflict("passkey_known", "This passkey is registered already."))
		}
		if err := access.GoodFactor(h.Holder, h.user); err != nil {
			return err
		}
		s.o.Directory.Revoked(h)
		if err := h.note("factor.add", map[string]any{"factor": account.Passkey, "passkey": k.ID, "synced": k.Synced}); err != nil || had {
			return err
		}
		if out.Recovery, err = s.newRecovery(h); err != nil {
			return err
		}
		return access.EndSessionsOf(h.Holder, p.User, p.Session, h.now)
	})
	if err != nil {
		return Confirmed{}, id, err
	}
	p.Second = true
	out.SignedIn, err = s.o.Directory.Renew(ctx, p, account.Passkey)
	return out, k.ID, err
}

func orProblem(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// authenticated checks what an authenticator made; nil: it is not taken.
func (s *Signin) authenticated(ctx context.Context, p directory.Principal, secret string, answer []byte) (*access.Passkey, error) {
	c, ok := s.ceremonyOf(secret, toAdd, p.Session)
	if !ok {
		return nil, nil
	}
	made, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, nil
	}
	_, session, u, err := s.beginAdding(ctx, p, c)
	if err != nil {
		return nil, err
	}
	cred, err := s.party.CreateCredential(u, *session, made)
	if err != nil {
		return nil, nil
	}
	if mine, err := s.endCeremony(ctx, c); err != nil || !mine {
		return nil, err
	}
	k := &access.Passkey{Account: p.Scope.Account(), User: p.User, ID: account.NewPasskeyID(), Credential: cred.ID, PublicKey: cred.PublicKey,
		SignCount: cred.Authenticator.SignCount, Eligible: cred.Flags.BackupEligible, Synced: cred.Flags.BackupState,
		PRF: cred.Extensions.PRFEnabled != nil && *cred.Extensions.PRFEnabled}
	for _, t := range cred.Transport {
		if t := string(t); len(t) <= 20 && len(k.Transports) < 8 { // the browser's words, which it gets back
			k.Transports = append(k.Transports, t)
		}
	}
	return k, nil
}

// sealName seals a passkey's name for its user. An operator has no key, and
// what they call their passkey is kept as they wrote it.
func (s *Signin) sealName(h holding, k access.Passkey, name vault.Personal) ([]byte, error) {
	text := []rune(strings.Join(strings.Fields(reveal.Text(name)), " "))
	if len(text) > 60 {
		return nil, problem.InvalidField("name", "too_long", "Up to 60 characters.")
	}
	if len(text) == 0 {
		text = []rune("Passkey")
	}
	name = vault.Hide(string(text))
	tx, ok := h.User()
	if !ok {
		return []byte(string(text)), nil
	}
	seal, err := s.o.Directory.SealerOf(tx, h.user)
	if err != nil {
		return nil, err
	}
	return seal(access.PasskeyBinding(k.ID), name).Data, nil
}

// Passkeys lists the visitor's own, newest first, with their names, which are
// opened on the record.
func (s *Signin) Passkeys(ctx context.Context, p directory.Principal) ([]Passkey, error) {
	u, err := s.own(ctx, p)
	if err != nil {
		return nil, err
	}
	out := make([]Passkey, len(u.keys))
	var sealed []vault.Sealed
	for i, k := range u.keys {
		out[i] = Passkey{ID: k.ID.String(), CreatedAt: k.CreatedAt, Synced: k.Synced, PRF: k.PRF}
		if !k.UsedAt.IsZero() {
			out[i].UsedAt = &k.UsedAt
		}
		if p.Operator {
			out[i].Name = new(string(k.Name))
		}
		sealed = append(sealed, k.SealedName())
	}
	if p.Operator || len(out) == 0 {
		return out, nil
	}
	opened, err := s.o.Opener.Open(ctx, p.Scope, p.Actor, vault.ForOwnUse, sealed...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if opened.States[i] == keyring.Clear {
			out[i].Name = new(reveal.Text(opened.Values[i]))
		}
	}
	return out, nil
}

// NamePasskey gives one of the visitor's passkeys another name.
func (s *Signin) NamePasskey(ctx context.Context, p directory.Principal, id account.PasskeyID, name vault.Personal) error {
	return s.hold(ctx, p, func(h holding) error {
		text, err := s.sealName(h, access.Passkey{ID: id}, name)
		if err != nil {
			return err
		}
		if ok, err := access.NamePasskey(h.Holder, p.User, id, text); err != nil || !ok {
			return orProblem(err, problem.NotFound())
		}
		return h.note("passkey.name", map[string]any{"passkey": id})
	})
}

// RemovePasskey takes one of the visitor's passkeys away; the recovery codes go
// with the last factor. The session gets a new token.
func (s *Signin) RemovePasskey(ctx context.Context, p directory.Principal, id account.PasskeyID) (SignedIn, error) {
	if err := s.fresh(p); err != nil {
		return SignedIn{}, err
	}
	err := s.hold(ctx, p, func(h holding) error {
		if err := s.takePasskey(h, id); err != nil {
			return err
		}
		if err := h.note("factor.remove", map[string]any{"factor": account.Passkey, "passkey": id}); err != nil {
			return err
		}
		return s.lessFactors(h, &p)
	})
	if err != nil {
		return SignedIn{}, err
	}
	return s.o.Directory.Renew(ctx, p)
}

// takePasskey removes one, unless it is the only way in of the only admin.
func (s *Signin) takePasskey(h holding, id account.PasskeyID) error {
	remove := func() error {
		ok, err := access.RemovePasskey(h.Holder, h.user, id)
		if err == nil && !ok {
			err = problem.NotFound()
		}
		return err
	}
	if tx, ok := h.User(); ok {
		return s.o.Directory.KeepLed(tx, remove)
	}
	return remove()
}

// lessFactors settles what follows from a factor that was just removed. Whoever
// has to have one keeps a way to show it: 409 last_factor.
func (s *Signin) lessFactors(h holding, p *directory.Principal) (err error) {
	if p.Second, err = access.HasSecond(h.Holder, h.user); err != nil || p.Second {
		return err
	}
	if p.Must {
		phone, err := h.HasPhone(h.user)
		if err != nil {
			return err
		}
		if !phone || !s.o.Courier.Ready() {
			return problem.Conflict("last_factor", "You have to have a second factor. Set up another one before you remove this one.")
		}
	}
	s.o.Directory.Revoked(h)
	return access.SetRecovery(h.Holder, h.user, nil, h.now)
}
