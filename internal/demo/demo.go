// Package demo brings Catchment to life: two invented companies, visitors who
// enquire at the real door, salespeople who answer, and a terminal that shows
// the course of the leads. It is a client of the HTTP API like any other and
// knows of the house only its address; callers may rely on this: what it does,
// anybody can do with the documented routes, and every name, number and
// address that it makes up is reserved for fiction (see faces.go).
package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"catchment/internal/account"
)

// World is what DIR/demo.json says: how to reach the demo and get into it.
// Checks from outside are written against its form.
type World struct {
	URL      string    `json:"url"`
	Accounts []Account `json:"accounts"`
	Operator Operator  `json:"operator"`
	Second   Operator  `json:"second_operator,omitzero"` // approves what the first asks for; none in a folder from before there was one
	Support  Operator  `json:"support,omitzero"`         // opens what accounts grant to them, and nothing else

	trust *tls.Config // how its server is known; nil for the system's way
}

// Account is one of the companies.
type Account struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	PublishableKey string   `json:"publishable_key"` // serves all its sources, also without an Origin
	SecretKey      string   `json:"secret_key"`      // role admin
	Sources        []Source `json:"sources"`
	Users          []User   `json:"users"`
}

// Source is one way leads come in.
type Source struct {
	ID      string `json:"id"`
	Slug    string `json:"slug"`
	Name    string `json:"name"`
	Project string `json:"project"` // its id
}

// User is somebody of the company who can sign in.
type User struct {
	Role     account.Role `json:"role"`
	Name     string       `json:"name"`
	Phone    string       `json:"phone"`
	Email    string       `json:"email"`
	Password string       `json:"password"`
	TOTP     string       `json:"totp,omitempty"` // the seed of an admin's app for codes, base 32
}

// Operator runs the platform and reads no lead.
type Operator struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Password string `json:"password"`
	TOTP     string `json:"totp"` // the seed of their app for codes, base 32
}

// Founder does what no route of the API can: the first of everything.
type Founder interface {
	// CreateAccount makes an account with its first admin and returns the
	// one-time link (or its token alone) by which the admin sets a password.
	// Called again with the e-mail of an admin who has never signed in, it
	// returns a new link to that same account: seeding that was interrupted
	// just after the account was made, calls it twice.
	CreateAccount(ctx context.Context, name, region, adminName, adminPhone, adminEmail string) (link string, err error)
	// CreateStaff makes an operator of the platform, or somebody of its support,
	// who can sign in at once.
	CreateStaff(ctx context.Context, role account.Role, name, email, password string) error
}

const worldFile = "demo.json"

// Load reads DIR/demo.json; an error that is fs.ErrNotExist when the folder was
// not seeded.
func Load(dir string) (*World, error) {
	text, err := os.ReadFile(filepath.Join(dir, worldFile))
	if err != nil {
		return nil, err
	}
	w := new(World)
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, worldFile), err)
	}
	return w, nil
}

// save writes DIR/demo.json for its owner's eyes: it holds passwords and keys.
func (w *World) save(dir string) error { return writeFile(filepath.Join(dir, worldFile), w) }

// writeFile replaces a file of mode 0600 so that a crash leaves the old one or
// the new one, never half of one.
func writeFile(path string, v any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // people read it
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing there after the rename
	_, err = f.Write(text.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// first returns the first of the account's users with the role.
func (a Account) first(r account.Role) (User, bool) {
	for _, u := range a.Users {
		if u.Role == r {
			return u, true
		}
	}
	return User{}, false
}

func (a Account) salespeople() []User {
	var out []User
	for _, u := range a.Users {
		if u.Role == account.Salesperson {
			out = append(out, u)
		}
	}
	return out
}

// isForm reports whether visitors come to the source by an HTML form; the
// demo's own form sources have it in their slugs.
func (s Source) isForm() bool { return strings.HasSuffix(s.Slug, "-form") }
