// Package directorytest is for tests only. It joins the real keyring to the
// directory and to the record, as the command does.
package directorytest

import (
	"context"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// Ring is a keyring whose accounts are in a database. It implements
// directory.Keys.
type Ring struct {
	*keyring.Keyring
	Accounts *keyring.Accounts
	db       *store.DB
}

// Open makes a keyring of the test's own for the database.
func Open(t testing.TB, db *store.DB) *Ring {
	t.Helper()
	k, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return Join(k, db)
}

// Join is for a keyring that is open already: opening one takes time.
func Join(k *keyring.Keyring, db *store.DB) *Ring {
	load := func(ctx context.Context, id account.ID) ([]byte, error) { return directory.LoadKeyset(ctx, db, id) }
	return &Ring{k, keyring.NewAccounts(k, load), db}
}

// NewAccount implements directory.Keys.
func (r *Ring) NewAccount(ctx context.Context, id account.ID) ([]byte, directory.AccountKeys, error) {
	wrapped, k, err := r.Keyring.NewAccount(ctx, id)
	return wrapped, accountKeys{k}, err
}

// Account implements directory.Keys.
func (r *Ring) Account(ctx context.Context, id account.ID) (directory.AccountKeys, error) {
	k, err := r.Accounts.Get(ctx, id)
	return accountKeys{k}, err
}

type accountKeys struct{ *keyring.AccountKeys }

func (k accountKeys) NewMember(id account.UserID) ([]byte, directory.Seal) {
	wrapped, key := k.NewSubjectKey(vault.Subject(id.UUID()))
	return wrapped, key.Seal
}

func (k accountKeys) Member(id account.UserID, wrapped []byte) (directory.Seal, error) {
	key, err := k.OpenSubjectKey(vault.Subject(id.UUID()), wrapped)
	return key.Seal, err
}

// Opener opens what belongs to persons and members, and writes each opening on
// the record as the action "opened" with the count of its values.
func (r *Ring) Opener() *keyring.Opener {
	return &keyring.Opener{Accounts: r.Accounts, Record: r.record, Keys: r.subjectKeys}
}

func (r *Ring) record(ctx context.Context, o keyring.Opening) error {
	return r.db.Write(ctx, o.Scope, func(tx *store.Tx) error {
		return audit.Write(tx, time.Now(), audit.Entry{Actor: o.Actor, Action: "opened", Purpose: o.Purpose, About: o.ID.String(),
			Detail: map[string]any{"count": o.Count}})
	})
}

func (r *Ring) subjectKeys(ctx context.Context, s account.Scope, subjects []vault.Subject) (out map[vault.Subject][]byte, err error) {
	err = r.db.Read(ctx, s, func(tx *store.Tx) error {
		if out, err = people.Keys(tx, subjects); err != nil {
			return err
		}
		more, err := members.Keys(tx, subjects)
		for id, key := range more {
			out[id] = key
		}
		return err
	})
	return out, err
}
