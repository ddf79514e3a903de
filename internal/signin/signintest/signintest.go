// Package signintest is for tests only: the sign-in of a directory, as the
// command makes it.
package signintest

import (
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"catchment/internal/account"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/directory/directorytest"
	"catchment/internal/events"
	"catchment/internal/outward"
	"catchment/internal/signin"
	"catchment/internal/store"
)

// Desk is where a test's people sign in: a Signin, its messages and the test.
type Desk struct {
	*signin.Signin
	dir    *directory.Directory
	Outbox courier.Outbox // what went to phones
	Names  *DNS           // who is asked for domains' records
	t      testing.TB
}

// Password is one that everybody may choose.
const Password = "correct horse battery"

// PublicURL is where browsers would reach the doors.
const PublicURL = "https://leads.example.com"

// New opens the sign-in of a directory, which emits to the log if there is one.
func New(t testing.TB, db *store.DB, dir *directory.Directory, keys *directorytest.Ring, log ...*events.Log) *Desk {
	d := &Desk{t: t, dir: dir, Names: NewDNS(t)}
	c := courier.New(courier.Options{Carrier: &d.Outbox})
	var emits *events.Log
	for _, emits = range log {
	}
	d.Signin = signin.New(signin.Options{DB: db, Directory: dir, Keys: keys, Opener: keys.Opener(), Courier: c, Events: emits,
		SSO: signin.SSO{Accounts: keys.Accounts, PublicURL: PublicURL, Names: outward.Resolver(d.Names.Address), Inside: outward.Everywhere}})
	t.Cleanup(c.Close)
	t.Cleanup(d.Close)
	return d
}

// ShowDomains puts the records of the account's domains into the name server and has
// them looked at.
func (d *Desk) ShowDomains(by account.Scope) {
	d.t.Helper()
	all, err := d.CheckDomains(d.t.Context(), by, "system:test")
	for _, x := range all {
		d.Names.Set(x.Name, x.Record)
	}
	if err == nil {
		_, err = d.CheckDomains(d.t.Context(), by, "system:test")
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// Redeem uses a one-time link, with Password as the new password. An admin
// has shown a second factor: see Raise.
func (d *Desk) Redeem(link string) signin.SignedIn {
	d.t.Helper()
	in, err := d.Signin.Redeem(d.t.Context(), signin.Client{}, link, Password)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.raised(in)
}

// Raise is the session after a code to the phone was shown, for tests of other
// rooms: no message is sent.
func (d *Desk) Raise(p directory.Principal) signin.SignedIn {
	d.t.Helper()
	in, err := d.dir.Renew(d.t.Context(), p, account.Code)
	if err != nil {
		d.t.Fatal(err)
	}
	return in
}

func (d *Desk) raised(in signin.SignedIn) signin.SignedIn {
	d.t.Helper()
	if !in.Rights.May(account.ManagePeople) && !in.Operator || in.Shown.Level() > 1 {
		return in
	}
	out := d.Raise(in.Principal)
	out.Name = in.Name
	return out
}

// SignIn signs in somebody who has chosen Password.
func (d *Desk) SignIn(email string) signin.SignedIn {
	d.t.Helper()
	in, err := d.ByPassword(d.t.Context(), signin.Client{}, email, Password, account.ID{})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.raised(in)
}

// Code is what an app with the secret shows then.
func Code(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}
