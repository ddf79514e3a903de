package main

import (
	"fmt"
	"strings"

	"catchment/internal/account"
	"catchment/internal/signin"
)

type operatorCmd struct {
	Create  operatorCreateCmd  `cmd:"" help:"Make an operator of the platform and print, once, what they sign in with."`
	Recover operatorRecoverCmd `cmd:"" help:"Give an operator who has lost it all that they sign in with anew."`
}

type operatorCreateCmd struct {
	config `embed:""`
	Name   string `help:"What colleagues call them." required:""`
	Email  string `help:"The e-mail by which they sign in." required:""`

	Support  bool `help:"They are support: they open what accounts grant to them, and nothing else."`
	Approver bool `help:"They are one of the operators who approve what needs several." default:"true" negatable:""`
}

// Run makes the operator.
func (c operatorCreateCmd) Run(w *world) error {
	return hireOperator(w, c.config, func(h *house) (signin.Hired, error) {
		return h.signin.HireOperator(w.ctx, commander(), c.staff(), c.Email)
	})
}

func (c operatorCreateCmd) staff() signin.Staff {
	s := signin.Staff{Name: c.Name, Role: account.Operator, Approves: c.Approver}
	if c.Support {
		s.Role, s.Approves = account.Support, false
	}
	return s
}

type operatorRecoverCmd struct {
	config `embed:""`
	Email  string `help:"The e-mail by which they sign in." required:""`
}

// Run replaces password, app, passkeys and recovery codes, and ends sessions.
func (c operatorRecoverCmd) Run(w *world) error {
	return hireOperator(w, c.config, func(h *house) (signin.Hired, error) { return h.signin.RecoverOperator(w.ctx, commander(), c.Email) })
}

func hireOperator(w *world, c config, do func(*house) (signin.Hired, error)) error {
	h, err := offline(w.ctx, w, c)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	o, err := do(h)
	if err != nil {
		return plainly(err)
	}
	fmt.Fprintf(w.out, `operator  %s
password  %s
app       %s
codes     %s

This is shown once. The app's address goes into an authenticator app (as a QR code, or its secret by hand); its
codes are asked for at each sign-in, and a recovery code stands in for one, once.
`, o.ID, o.Password, o.App.URL, strings.Join(o.Recovery, " "))
	return nil
}
