package access

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Domain is one of the e-mail addresses whose people may come in by an
// account's provider (table sso_domain).
type Domain struct {
	Name         string
	VerifiedAt   time.Time // zero: it was not shown to be the account's
	CheckedAt    time.Time // when the name servers answered last; zero: never
	MissingSince time.Time // from when on a verified one's record was not there
}

var (
	domains    = store.Register("access.sso.domains", `SELECT domain, verified_at, checked_at, missing_since FROM sso_domain WHERE account_id = $1 ORDER BY domain`)
	addDomain  = store.Register("access.sso.domain.add", `INSERT INTO sso_domain (account_id, domain) VALUES ($1, $2) ON CONFLICT DO NOTHING`)
	noDomain   = store.Register("access.sso.domain.remove", `DELETE FROM sso_domain WHERE account_id = $1 AND domain = $2`)
	noDomains  = store.Register("access.sso.domains.remove", `DELETE FROM sso_domain WHERE account_id = $1`)
	setDomain  = store.Register("access.sso.domain.set", `UPDATE sso_domain SET verified_at = $3, checked_at = $4, missing_since = $5 WHERE account_id = $1 AND domain = $2`)
	byDomain   = store.Unbound("access.sso.by-domain", `SELECT account_id FROM sso_domain WHERE domain = $1 AND verified_at IS NOT NULL`)
	dueDomains = store.Unbound("access.sso.domains.due", `SELECT account_id FROM sso_domain WHERE checked_at IS NULL OR checked_at < $1 ORDER BY account_id LIMIT 500`)
)

// Domains lists the account's, by name.
func Domains(tx *store.Tx) (out []Domain, err error) {
	rows, err := tx.Query(domains)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var d Domain
		err := scan(&d.Name, store.Time(&d.VerifiedAt), store.Time(&d.CheckedAt), store.Time(&d.MissingSince))
		out = append(out, d)
		return err
	})
	return out, err
}

// SetDomain stores what is known of one that is there. False: it is not.
func SetDomain(tx *store.Tx, d Domain) (bool, error) {
	n, err := tx.Exec(setDomain, d.Name, store.Micro(d.VerifiedAt), store.Micro(d.CheckedAt), store.Micro(d.MissingSince))
	return n == 1, err
}

// putDomains has the account have these domains: what is known of those that
// it had already stays.
func putDomains(tx *store.Tx, names []string) error {
	had, err := Domains(tx)
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, name := range names {
		keep[name] = true
		if _, err := tx.Exec(addDomain, name); err != nil {
			return err
		}
	}
	for _, d := range had {
		if keep[d.Name] {
			continue
		}
		if _, err := tx.Exec(noDomain, d.Name); err != nil {
			return err
		}
	}
	return nil
}

// ByDomain finds the account that has shown the domain to be its own; the zero
// id: none has.
func ByDomain(d *store.Dir, domain string) (id account.ID, err error) {
	err = d.Row(byDomain, domain).Scan(&id)
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return id, err
}

// DueDomains lists accounts with domains that were not looked at since then,
// 500 of them at most.
func DueDomains(d *store.Dir, before time.Time) (out []account.ID, err error) {
	rows, err := d.Query(dueDomains, before.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.ID
		err := scan(&id)
		if n := len(out); err == nil && (n == 0 || out[n-1] != id) {
			out = append(out, id)
		}
		return err
	})
	return out, err
}
