package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// stateFile holds how far the seeding got, until demo.json is there. It is
// written before each step that cannot be asked about afterwards, so that a
// seeding that was killed goes on where it was.
const stateFile = "demo-seed.json"

// state is what would be lost with the process: passwords that were chosen,
// links and keys that are shown once.
type state struct {
	dir       string
	Passwords map[string]string `json:"passwords"` // by e-mail
	Seeds     map[string]string `json:"seeds"`     // of apps for codes, by e-mail
	Accounts  map[string]*begun `json:"accounts"`  // by the company's name
}

// begun is an account on its way.
type begun struct {
	Link        string `json:"link"`
	ID          string `json:"id"`
	Publishable string `json:"publishable_key"`
	Secret      string `json:"secret_key"`
}

// openState reads the folder's state, or begins one.
func openState(dir string) (*state, error) {
	s := &state{dir: dir, Passwords: map[string]string{}, Seeds: map[string]string{}, Accounts: map[string]*begun{}}
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if isMissing(err) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, nil
}

func (s *state) save() error { return writeFile(filepath.Join(s.dir, stateFile), s) }

// done removes the state: demo.json has what it knew.
func (s *state) done() error {
	err := os.Remove(filepath.Join(s.dir, stateFile))
	if isMissing(err) {
		return nil
	}
	return err
}

// password is the e-mail's, chosen at the first call and written down by save.
func (s *state) password(email string) string {
	if s.Passwords[email] == "" {
		s.Passwords[email] = newPassword()
	}
	return s.Passwords[email]
}

// strengthen shows the second factor of whoever signed in as the e-mail.
func (s *state) strengthen(ctx context.Context, c *client, email, phone string) (*client, error) {
	seed := s.Seeds[email]
	return c.strengthen(ctx, phone, &seed, func() error {
		if s.Seeds == nil {
			s.Seeds = map[string]string{}
		}
		s.Seeds[email] = seed
		return s.save()
	})
}

func (s *state) account(name string) *begun {
	if s.Accounts[name] == nil {
		s.Accounts[name] = &begun{}
	}
	return s.Accounts[name]
}

// newPassword has 80 random bits, in groups that a person can type.
func newPassword() string {
	t := strings.ToLower(rand.Text())
	return t[:4] + "-" + t[4:8] + "-" + t[8:12] + "-" + t[12:16]
}

// linkToken is the token of a one-time link, which may be given as an address.
func linkToken(link string) string {
	if i := strings.LastIndexAny(link, "/=#"); i >= 0 {
		return link[i+1:]
	}
	return link
}
