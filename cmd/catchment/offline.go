package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/intake"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/publish"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/vault"
)

// offline opens the database and the keys for a command, beside a running
// server or without one. It has no journal: a server finds the jobs that the
// command adds within a second.
func offline(ctx context.Context, w *world, c config) (*house, error) {
	if c.Role == "capture" {
		return nil, usage("--role capture: a door's machine has no accounts; run this where the keyring is")
	}
	if err := errors.Join(c.checkWires(), c.checkKMS()); err != nil {
		return nil, err
	}
	h := &house{c: c, log: c.logger(w), started: time.Now()}
	if err := c.prepareFolder(); err != nil {
		return nil, err
	}
	if err := c.notMoved(); err != nil {
		return nil, err
	}
	if err := h.openKeys(ctx); err != nil {
		return nil, err
	}
	from, to, err := store.Migrate(ctx, c.storeOptions())
	if err == nil && from != to {
		err = c.act(w, actMigrate, "", map[string]any{"from": from, "to": to})
	}
	if err != nil {
		return nil, err
	}
	o := h.storeOptions()
	o.Beside = true
	if h.db, err = store.Open(ctx, o); err != nil {
		return nil, err
	}
	h.jobs, h.events = jobs.NewList(nobody{}), events.NewLog(nobody{})
	h.accounts = keyring.NewAccounts(h.ring, func(ctx context.Context, id account.ID) ([]byte, error) {
		return directory.LoadKeyset(ctx, h.db, id)
	})
	h.keepKeysets()
	publisher := publish.New(publish.Options{DB: h.db, Jobs: h.jobs, Log: h.log})
	h.directory = directory.New(directory.Options{DB: h.db, Keys: ringForDirectory{h}, Log: h.log, Changed: publisher.Changed, Record: record, DeviceEnded: h.deviceEnded, PushesEnded: h.pushesEnded})
	if h.signin, err = h.newSignin(); err != nil {
		h.directory.Close()
		h.db.Close()
		return nil, err
	}
	h.intake = intake.New(intake.Options{DB: h.db, Accounts: h.accounts, Opener: keyring.NewDropOpener(), Jobs: h.jobs, Events: h.events, Log: h.log})
	return h, h.openFiles(ctx)
}

// closeOffline is close for what offline opened.
func (h *house) closeOffline() {
	h.signin.Close()
	h.directory.Close()
	h.db.Close()
}

// nobody is woken by nobody.
type nobody struct{}

func (nobody) Wake(string) error                              { return nil }
func (nobody) OnWake(string, func()) (stop func(), err error) { return func() {}, nil }

type accountCmd struct {
	Create  accountCreateCmd  `cmd:"" help:"Create an account and print the first admin's one-time link."`
	List    accountListCmd    `cmd:"" help:"List accounts."`
	Recover accountRecoverCmd `cmd:"" help:"Take away a user's second factors and print a one-time link for them."`
	End     accountEndCmd     `cmd:"" help:"Show whether an account is to end; end one now whose admin has asked for it."`

	Export accountExportCmd `cmd:"" help:"Write an account's archive, sealed for whom its admin named; verify one."`
	Import accountImportCmd `cmd:"" help:"Make the account of an archive."`

	Certificate certificateCmd `cmd:"" help:"Show or verify the certificate of an account that was ended."`
}

type accountCreateCmd struct {
	config     `embed:""`
	Name       string `help:"The company's name." required:""`
	AdminName  string `name:"admin-name" help:"What colleagues call the first admin." default:"Admin"`
	AdminPhone string `name:"admin-phone" help:"The first admin's phone."`
	AdminEmail string `name:"admin-email" help:"The first admin's e-mail, for signing in." required:""`
	Region     string `help:"ISO 3166 country for phone numbers without a country code." default:"US"`
	TimeZone   string `name:"time-zone" help:"The admin's time zone, as Europe/London." default:"UTC"`
}

// Run creates the account and says how its admin gets in.
func (c accountCreateCmd) Run(w *world) error {
	h, err := offline(w.ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	id := account.NewID()
	if err := c.act(w, "account.create", id.String(), nil); err != nil {
		return err
	}
	made, err := h.directory.Create(w.ctx, directory.NewAccount{
		ID: id, Name: c.Name, DefaultRegion: c.Region, TimeZone: c.TimeZone, AdminName: c.AdminName,
		AdminPhone: vault.Hide(c.AdminPhone), AdminEmail: vault.Hide(c.AdminEmail),
	})
	if err != nil {
		return plainly(err)
	}
	fmt.Fprintf(w.out, `account  %s  %s
admin    %s
link     %s   (good once, until %s)

Set the admin's password and get a session:
  curl -s %s/v1/links/redeem -H 'Content-Type: application/json' \
    -d '{"token":"%s","password":"CHOOSE ONE OF 12 OR MORE CHARACTERS"}'

An admin then shows a second factor: a code to their phone, where messages go out,
or else they set up an app or a passkey first. docs/first-hour.md does it.
`, made.Account, c.Name, made.Admin, made.Link, made.Expires.Format(time.RFC3339), c.publicURL(), made.Link)
	return nil
}

type accountListCmd struct {
	config `embed:""`
}

// Run lists the accounts, newest first.
func (c accountListCmd) Run(w *world) error {
	h, err := offline(w.ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	list, err := h.directory.Accounts(w.ctx, nil, 500)
	for _, a := range list {
		fmt.Fprintf(w.out, "%s  %s  %s\n", a.ID, a.CreatedAt.Format(time.DateOnly), a.Name)
	}
	return err
}

type deadletterCmd struct {
	List   deadletterListCmd   `cmd:"" help:"List an account's dead letters with their reasons."`
	Replay deadletterReplayCmd `cmd:"" help:"Try one again."`
}

type deadletterListCmd struct {
	config  `embed:""`
	Account string `help:"The account's id (acct_…)." required:""`
}

// Run lists what could not be processed; nothing of it is opened.
func (c deadletterListCmd) Run(w *world) error {
	return inAccount(w, c.config, c.Account, func(h *house, s account.Scope) error {
		return h.db.Read(w.ctx, s, func(tx *store.Tx) error { return printDead(w, tx) })
	})
}

type deadletterReplayCmd struct {
	config  `embed:""`
	Account string `help:"The account's id (acct_…)." required:""`
	ID      string `arg:"" help:"The dead letter's id (dead_…)."`
}

// Run tries the dead letter again and fails when it is still dead.
func (c deadletterReplayCmd) Run(w *world) error {
	id, err := parseDead(c.ID)
	if err != nil {
		return usage("%v", err)
	}
	return inAccount(w, c.config, c.Account, func(h *house, s account.Scope) error {
		if err := c.act(w, "dead-letter.replay", id.String(), map[string]any{"account": s.Account()}); err != nil {
			return err
		}
		if err := h.intake.Replay(w.ctx, s, id); err != nil {
			return plainly(err)
		}
		fmt.Fprintf(w.out, "%s became an enquiry\n", id)
		return nil
	})
}

func inAccount(w *world, c config, text string, f func(*house, account.Scope) error) error {
	id, err := account.ParseID(text)
	if err != nil {
		return usage("--account: %v", err)
	}
	h, err := offline(w.ctx, w, c)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	return f(h, admit.To(id))
}

func printDead(w *world, tx *store.Tx) error {
	n := 0
	for page := (leads.DeadPage{}); ; {
		list, err := leads.ListDead(tx, "open", page, 500)
		if err != nil {
			return err
		}
		for _, d := range list {
			fmt.Fprintf(w.out, "%s  %s  tries %d  %s  %s\n", d.ID, d.ReceivedAt.Format(time.RFC3339), d.Tries, d.Enquiry, d.Reason)
			page = leads.DeadPage{ReceivedAt: d.ReceivedAt, ID: d.ID}
		}
		n += len(list)
		if len(list) < 500 {
			fmt.Fprintf(w.out, "%d dead letters\n", n)
			return nil
		}
	}
}

func parseDead(s string) (lead.DeadID, error) { return lead.ParseDeadID(s) }

// plainly writes a problem with its fields on one line, for a terminal.
func plainly(err error) error {
	p, ok := problem.Of(err)
	if !ok {
		return err
	}
	text := p.Title + ": " + p.Detail
	if len(p.Errors) > 0 {
		text = p.Title
	}
	for _, f := range p.Errors {
		text += fmt.Sprintf("\n  %s: %s", f.Field, f.Detail)
	}
	return errors.New(text)
}

type accountRecoverCmd struct {
	config  `embed:""`
	Account string `help:"The account's id." required:""`
	Email   string `help:"The e-mail by which the user signs in." required:""`

	PhoneLost bool `name:"phone-lost" help:"Their registered phone is lost, too: take it off, so that it is not asked for."`
}

// Run lets a user in who has lost all else: an only admin without phone and codes.
func (c accountRecoverCmd) Run(w *world) error {
	id, err := account.ParseID(c.Account)
	if err != nil {
		return usage("--account: this is no account's id")
	}
	h, err := offline(w.ctx, w, c.config)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	link, until, cleared, err := h.signin.Recover(w.ctx, commander(), id, c.Email, c.PhoneLost)
	if err != nil {
		return plainly(err)
	}
	fmt.Fprintf(w.out, `link  %s   (good once, until %s)

The user's second factors are gone and their sessions have ended. The account's record and the platform's show it.
`, link, until.Format(time.RFC3339))
	if cleared {
		fmt.Fprintln(w.out, "The account's networks for people were cleared: its users may come from anywhere until an admin sets them again.")
	}
	return nil
}
