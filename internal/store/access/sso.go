package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// Provider is the identity provider of an account (table sso_provider).
type Provider struct {
	Issuer     string
	ClientID   string
	Key        []byte // wrapped by the account's keyset
	Secret     []byte // sealed under Key
	Domains    []string
	Compulsory bool
	NewRole    account.Role // what somebody unknown becomes; "": only who was invited comes in
	ChangedAt  time.Time
}

// SealedSecret is the client's secret as an Opener takes it.
func (p *Provider) SealedSecret(acct account.ID) vault.Sealed {
	return vault.Sealed{Binding: SecretBinding(acct), Subject: vault.Subject(acct.UUID()), Data: p.Secret}
}

// SecretBinding is what it is bound to.
func SecretBinding(acct account.ID) vault.Binding {
	return vault.Binding{Table: "sso_provider", Row: acct.UUID(), Field: vault.ClientSecret}
}

// SSOFlow is somebody on the way to the provider and back (table sso_flow).
type SSOFlow struct {
	Account    account.ID
	ID         FlowID
	Secret     Hash
	CreatedAt  time.Time
	ExpiresAt  time.Time
	ReturnedAt time.Time
	User       account.UserID // zero: the provider has named nobody yet
	Second     bool           // the provider had asked for two factors
	ShownAt    time.Time      // when
	EndedAt    time.Time
}

const ssoFlowColumns = `account_id, flow_id, secret_hash, created_at, expires_at, returned_at, user_id, second, shown_at, ended_at`

var (
	getProvider = store.Register("access.sso.provider", `SELECT issuer, client_id, secret_key, secret, domains, compulsory, new_role, changed_at
		FROM sso_provider WHERE account_id = $1`)
	setProvider = store.Register("access.sso.provider.set", `INSERT INTO sso_provider
		(account_id, issuer, client_id, secret_key, secret, domains, compulsory, new_role, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (account_id) DO UPDATE SET issuer = excluded.issuer, client_id = excluded.client_id, secret_key = excluded.secret_key,
			secret = excluded.secret, domains = excluded.domains, compulsory = excluded.compulsory, new_role = excluded.new_role, changed_at = excluded.changed_at`)
	noProvider = store.Register("access.sso.provider.remove", `DELETE FROM sso_provider WHERE account_id = $1`)

	bondOf  = store.Register("access.sso.bond", `SELECT user_id FROM sso_bond WHERE account_id = $1 AND subject_mac = $2`)
	addBond = store.Register("access.sso.bond.add", `INSERT INTO sso_bond (account_id, subject_mac, user_id, bound_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`)
	noBonds = store.Register("access.sso.bonds.remove", `DELETE FROM sso_bond WHERE account_id = $1`)

	addSSOFlow = store.Register("access.sso.flow.add", `INSERT INTO sso_flow (account_id, flow_id, secret_hash, state_hash, created_at, expires_at, second)
		VALUES ($1, $2, $3, $4, $5, $6, FALSE)`)
	returnSSO  = store.Register("access.sso.flow.return", `UPDATE sso_flow SET returned_at = $3 WHERE account_id = $1 AND flow_id = $2 AND returned_at IS NULL`)
	nameSSO    = store.Register("access.sso.flow.name", `UPDATE sso_flow SET user_id = $3, second = $4, shown_at = $5 WHERE account_id = $1 AND flow_id = $2 AND ended_at IS NULL`)
	endSSO     = store.Register("access.sso.flow.end", `UPDATE sso_flow SET ended_at = $3 WHERE account_id = $1 AND flow_id = $2 AND ended_at IS NULL`)
	oldSSO     = store.Register("access.sso.flow.forget", `DELETE FROM sso_flow WHERE account_id = $1 AND created_at < $2`)
	ssoByState = store.Unbound("access.sso.flow.by-state", `SELECT `+ssoFlowColumns+` FROM sso_flow WHERE state_hash = $1`)
	ssoBy      = store.Unbound("access.sso.flow.by-secret", `SELECT `+ssoFlowColumns+` FROM sso_flow WHERE secret_hash = $1`)
)

// GetProvider reads the account's; store.ErrNone when it has none.
func GetProvider(tx *store.Tx) (p Provider, err error) {
	var role, domains string
	err = tx.Row(getProvider).Scan(&p.Issuer, &p.ClientID, &p.Key, &p.Secret, &domains, &p.Compulsory, &role, store.Time(&p.ChangedAt))
	if err != nil {
		return p, err
	}
	p.NewRole = account.Role(role)
	if err := json.Unmarshal([]byte(domains), &p.Domains); err != nil {
		return p, fmt.Errorf("access: domains: %w", err)
	}
	return p, nil
}

// SetProvider stores it. Who was bound stays so.
func SetProvider(tx *store.Tx, p Provider) error {
	domains, _ := json.Marshal(p.Domains) // strings cannot fail
	if err := tx.Must(setProvider, p.Issuer, p.ClientID, p.Key, p.Secret, string(domains), p.Compulsory, string(p.NewRole), p.ChangedAt.UnixMicro()); err != nil {
		return err
	}
	return putDomains(tx, p.Domains)
}

// RemoveProvider forgets it, and who was bound. False: there was none.
func RemoveProvider(tx *store.Tx) (bool, error) {
	n, err := tx.Exec(noProvider)
	if err == nil {
		_, err = tx.Exec(noDomains)
	}
	if err == nil {
		err = RemoveBonds(tx)
	}
	return n == 1, err
}

// Bond is the user whom a subject of the provider is; the zero id: nobody.
func Bond(tx *store.Tx, subject Hash) (id account.UserID, err error) {
	err = tx.Row(bondOf, subject[:]).Scan(&id)
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return id, err
}

// AddBond has the subject be that user from now on. False: the subject is
// somebody else, or the user is bound to another subject.
func AddBond(tx *store.Tx, subject Hash, user account.UserID, at time.Time) (bool, error) {
	n, err := tx.Exec(addBond, subject[:], user, at.UnixMicro())
	return n == 1, err
}

// RemoveBonds forgets all.
func RemoveBonds(tx *store.Tx) error {
	_, err := tx.Exec(noBonds)
	return err
}

// AddSSOFlow stores a flow under the hashes of its secret and of its state.
func AddSSOFlow(tx *store.Tx, f SSOFlow, state Hash) error {
	return tx.Must(addSSOFlow, f.ID, f.Secret[:], state[:], f.CreatedAt.UnixMicro(), f.ExpiresAt.UnixMicro())
}

// SSOFlowByState and SSOFlowBy find a flow; store.ErrNone.
func SSOFlowByState(d *store.Dir, state Hash) (SSOFlow, error) {
	return oneSSOFlow(d.Row(ssoByState, state[:]))
}

// SSOFlowBy is for its secret.
func SSOFlowBy(d *store.Dir, secret Hash) (SSOFlow, error) {
	return oneSSOFlow(d.Row(ssoBy, secret[:]))
}

func oneSSOFlow(row store.Row) (f SSOFlow, err error) {
	var secret []byte
	err = row.Scan(&f.Account, &f.ID, &secret, store.Time(&f.CreatedAt), store.Time(&f.ExpiresAt), store.Time(&f.ReturnedAt),
		&f.User, &f.Second, store.Time(&f.ShownAt), store.Time(&f.EndedAt))
	copy(f.Secret[:], secret)
	return f, err
}

// ReturnSSO notes that the browser came back. False: it had.
func ReturnSSO(tx *store.Tx, id FlowID, at time.Time) (bool, error) {
	n, err := tx.Exec(returnSSO, id, at.UnixMicro())
	return n == 1, err
}

// NameSSO notes whom the provider named, and since when. False: it is over.
func NameSSO(tx *store.Tx, id FlowID, user account.UserID, second bool, shown time.Time) (bool, error) {
	n, err := tx.Exec(nameSSO, id, user, second, shown.UnixMicro())
	return n == 1, err
}

// EndSSO ends a flow. False: it was over.
func EndSSO(tx *store.Tx, id FlowID, at time.Time) (bool, error) {
	n, err := tx.Exec(endSSO, id, at.UnixMicro())
	return n == 1, err
}

// ForgetSSO removes those that began before then.
func ForgetSSO(tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(oldSSO, before.UnixMicro())
	return err
}
