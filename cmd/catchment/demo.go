package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"catchment/internal/account"
	"catchment/internal/courier"
	"catchment/internal/demo"
	"catchment/internal/directory"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/vault"
)

type demoCmd struct {
	config `embed:""`
	Quiet  bool    `help:"Without simulated visitors and salespeople."`
	Rate   float64 `help:"Leads a minute from the simulated visitors, on average." default:"40"`
}

// Run serves, seeds the two companies when the folder is new, and lets the
// simulated people loose until SIGINT or SIGTERM.
func (c demoCmd) Run(w *world) error {
	if c.Role != "all" {
		return usage("--role %s: the demo is the whole system in one process", c.Role)
	}
	c.Approvals = cmp.Or(c.Approvals, 1) // it has two operators
	if c.Rate <= 0 || c.Rate > 60_000 {
		return usage("--rate %g: want leads a minute, above 0 and up to 60000", c.Rate)
	}
	if sealed, err := c.startsSealed(); err != nil || sealed {
		return errors.Join(err, usage("the keyring in %s is under a passphrase: the demo needs --passphrase-file", c.Data))
	}
	shareProcessors()
	logs, done, err := c.logsBeside(w)
	if err != nil {
		return err
	}
	defer done()
	c.Outbox = &courier.Outbox{} // codes go nowhere else
	s, err := startServer(&world{ctx: w.ctx, out: w.out, err: logs}, c.config)
	if err != nil {
		return err
	}
	err = c.play(w, s)
	s.stop()
	return err
}

// logsBeside is where the log goes: beside a live view, not through it.
func (c demoCmd) logsBeside(w *world) (logs io.Writer, done func(), err error) {
	if !demo.IsTerminal(w.out) {
		return w.err, func() {}, nil
	}
	if err := c.prepareFolder(); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.Data, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return f, func() { f.Close() }, err
}

// play runs until the context or a listener ends.
func (c demoCmd) play(w *world, s *server) error {
	if demo.IsTerminal(w.out) {
		fmt.Fprintln(w.out, "Setting up two companies …")
	}
	made, err := demo.Seed(w.ctx, s.url, s.trust(), c.Data, founder{s.house})
	if err != nil {
		if w.ctx.Err() != nil {
			return nil // stopped meanwhile; the next start goes on
		}
		return fmt.Errorf("seed the demo: %w", err)
	}
	screen := demo.Terminal(made, w.out, c.Data, c.again())
	screen.Greet()
	defer screen.Bye()
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	if !c.Quiet {
		team, crowd := demo.Salespeople(made), demo.Visitors(made, c.Rate)
		team.OnProblem(screen.Problem)
		crowd.OnTaken(screen.Taken)
		crowd.OnProblem(screen.Problem)
		team.Start()
		defer team.Stop()
		crowd.Start()
		defer crowd.Stop()
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		if !c.Quiet || screen.Live() { // a quiet log is for who measures
			screen.Run(ctx)
		}
	}()
	err = s.wait(w.ctx)
	cancel()
	<-shown
	return err
}

// again is the command that starts the same demo.
func (c demoCmd) again() string {
	if c.Listen == "127.0.0.1:8080" && strings.HasSuffix(c.Data, "/demo-data") {
		return "make demo"
	}
	return fmt.Sprintf("catchment demo --data %s --listen %s", c.Data, c.Listen)
}

// founder implements demo.Founder on a house.
type founder struct{ h *house }

// CreateAccount implements demo.Founder.
func (f founder) CreateAccount(ctx context.Context, name, region, adminName, adminPhone, adminEmail string) (string, error) {
	link, err := f.unfinished(ctx, name, adminName)
	if err != nil || link != "" {
		return link, err
	}
	c, err := f.h.directory.Create(ctx, directory.NewAccount{Name: name, DefaultRegion: region, AdminName: adminName,
		AdminPhone: vault.Hide(adminPhone), AdminEmail: vault.Hide(adminEmail)})
	return c.Link, err
}

// unfinished finds the account that an interrupted seeding made: its admin was
// invited and never came. It returns a new link for them, "" when there is
// none.
func (f founder) unfinished(ctx context.Context, name, admin string) (link string, err error) {
	scopes, err := f.h.scopes(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range scopes {
		err := f.h.db.Write(ctx, s, func(tx *store.Tx) error {
			a, err := f.h.directory.GetAccount(tx)
			if err != nil || a.Name != name {
				return err
			}
			all, err := f.h.directory.Members(tx)
			if err != nil || len(all) != 1 || all[0].Name != admin || all[0].State != members.Invited {
				return err
			}
			link, _, err = f.h.directory.NewLink(tx, all[0].ID)
			return err
		})
		if err != nil || link != "" {
			return link, err
		}
	}
	return "", nil
}

// CreateStaff implements demo.Founder.
func (f founder) CreateStaff(ctx context.Context, role account.Role, name, email, password string) error {
	_, err := f.h.signin.CreateStaff(ctx, signin.Staff{Name: name, Role: role, Approves: true}, email, password)
	return err
}
