package signin

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
)

// Domain is one of a provider's domains, with what shows it to be the account's.
type Domain struct {
	access.Domain
	Record string // what a TXT record of the domain has to say
	Taken  bool   // the record is there, and another account has shown the domain to be its own
}

const (
	recordWord   = "catchment-verification="
	checkDomains = 24 * time.Hour
	// A record that went may have been somebody's mistake; a domain that went
	// belongs to somebody else.
	lapseDomains  = 7 * 24 * time.Hour
	lookUpDomains = 5 * time.Second // of one account
	recheckTime   = 2 * time.Minute // of all; the rest comes an hour later
	mostRecords   = 200             // of one domain
)

// recordOf is what the domain's TXT record has to say. It is made of account
// and domain under a key of the keyring, so that nobody can tell another's.
func (s *Signin) recordOf(in account.ID, domain string) string {
	mac := s.o.Keys.TokenMAC("sso-domain", in.String()+"\n"+domain)
	return recordWord + base64.RawURLEncoding.EncodeToString(mac[:20])
}

// Domains lists those of the account's provider.
func (s *Signin) Domains(tx *store.Tx) (out []Domain, err error) {
	all, err := access.Domains(tx)
	for _, d := range all {
		out = append(out, Domain{Domain: d, Record: s.recordOf(tx.Account(), d.Name)})
	}
	return out, err
}

// CheckDomains looks for the records of the account's domains, now, and notes
// which count. A name server that does not answer changes nothing.
func (s *Signin) CheckDomains(ctx context.Context, scope account.Scope, actor string) (all []Domain, err error) {
	leave, err := s.providers.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err = s.o.DB.Read(ctx, scope, func(tx *store.Tx) error { all, err = s.Domains(tx); return err }); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, problem.NotFound()
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpDomains)
	defer cancel()
	for i := range all {
		there, err := s.lookUp(ctx, all[i])
		if err != nil {
			s.o.Log.Warn("signin: a domain's name servers do not answer", "domain", all[i].Name, "error", err)
			continue
		}
		if err := s.judge(context.WithoutCancel(ctx), scope, actor, &all[i], there); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// lookUp says whether the domain has the record. An error says that it is not
// known; a name without records is known not to.
func (s *Signin) lookUp(ctx context.Context, d Domain) (bool, error) {
	found, err := s.o.SSO.Names.LookupTXT(ctx, d.Name+".") // with the dot: no search list is tried
	var none *net.DNSError
	if errors.As(err, &none) && none.IsNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(found[:min(len(found), mostRecords)], func(text string) bool { return strings.TrimSpace(text) == d.Record }), nil
}

// judge notes what was found.
func (s *Signin) judge(ctx context.Context, scope account.Scope, actor string, d *Domain, there bool) error {
	var owner account.ID
	if there {
		err := s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
			owner, err = access.ByDomain(dir, d.Name)
			return err
		})
		if err != nil {
			return err
		}
	}
	d.Taken = !owner.IsZero() && owner != scope.Account()
	return s.o.DB.Write(ctx, scope, func(tx *store.Tx) error {
		is, what := after(d.Domain, there && !d.Taken, s.now())
		ok, err := access.SetDomain(tx, is)
		if err != nil || !ok { // taken off the list meanwhile
			return err
		}
		d.Domain = is
		if what == "" {
			return nil
		}
		if err := s.ring(tx, is, what); err != nil {
			return err
		}
		return audit.Write(tx, is.CheckedAt, audit.Entry{Actor: actor, Action: what, Detail: map[string]any{"domain": d.Name}})
	})
}

// ring raises the domain's alarm, or ends it.
func (s *Signin) ring(tx *store.Tx, is access.Domain, what string) error {
	if what == domainVerified {
		return s.bell().End(tx, alarm.Domain, is.Name, is.CheckedAt)
	}
	detail := map[string]any{"domain": is.Name, "counts": !is.VerifiedAt.IsZero()}
	return s.bell().Raise(tx, alarm.Domain, alarm.Alarm{About: is.Name, Detail: detail}, is.CheckedAt)
}

const (
	domainVerified = "sso.domain-verified"
	domainMissing  = "sso.domain-missing"
	domainLapsed   = "sso.domain-lapsed"
)

// after is what is known of a domain when its record was found, or not; and
// what goes on the record: "" for nothing new.
func after(d access.Domain, there bool, now time.Time) (is access.Domain, what string) {
	is = d
	is.CheckedAt = now
	switch {
	case there:
		is.MissingSince = time.Time{}
		if d.VerifiedAt.IsZero() {
			is.VerifiedAt = now
		}
		if d.VerifiedAt.IsZero() || !d.MissingSince.IsZero() {
			what = domainVerified
		}
	case d.VerifiedAt.IsZero():
	case d.MissingSince.IsZero():
		is.MissingSince, what = now, domainMissing
	case !now.Before(d.MissingSince.Add(lapseDomains)):
		is.VerifiedAt, is.MissingSince, what = time.Time{}, time.Time{}, domainLapsed
	}
	return is, what
}

// RecheckDomains looks at every account's that were not looked at for a day.
func (s *Signin) RecheckDomains(ctx context.Context) error {
	var due []account.ID
	err := s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		due, err = access.DueDomains(dir, s.now().Add(-checkDomains))
		return err
	})
	ctx, cancel := context.WithTimeout(ctx, recheckTime)
	defer cancel()
	for _, id := range due {
		if ctx.Err() != nil {
			break
		}
		if _, fault := s.CheckDomains(ctx, admit.To(id), "system:signin"); fault != nil {
			err = errors.Join(err, fault)
		}
	}
	return err
}
