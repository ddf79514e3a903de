package main

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/privacy"
	"catchment/internal/receipt"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// What joins the keyring to the keeps beside it, which do not import it.

// ringForDirectory gives the directory what it needs of the keyring.
type ringForDirectory struct{ h *house }

func (r ringForDirectory) LoginIndex(normalised string) vault.MAC {
	return r.h.ring.LoginIndex(normalised)
}

func (r ringForDirectory) NewAccount(ctx context.Context, id account.ID) ([]byte, directory.AccountKeys, error) {
	wrapped, k, err := r.h.ring.NewAccount(ctx, id)
	return wrapped, memberKeys{k}, err
}

func (r ringForDirectory) Account(ctx context.Context, id account.ID) (directory.AccountKeys, error) {
	k, err := r.h.accounts.Get(ctx, id)
	return memberKeys{k}, err
}

type memberKeys struct{ *keyring.AccountKeys }

func (k memberKeys) NewMember(id account.UserID) ([]byte, directory.Seal) {
	wrapped, key := k.NewSubjectKey(vault.Subject(id.UUID()))
	return wrapped, key.Seal
}

func (k memberKeys) Member(id account.UserID, wrapped []byte) (directory.Seal, error) {
	key, err := k.OpenSubjectKey(vault.Subject(id.UUID()), wrapped)
	return key.Seal, err
}

// recordOpening puts an opening on the account's record and returns after the
// commit; only then does the keyring open anything.
func (h *house) recordOpening(ctx context.Context, o keyring.Opening) error {
	return h.db.Write(ctx, o.Scope, func(tx *store.Tx) error { return audit.Write(tx, time.Now(), privacy.Entry(o)) })
}

// subjectKeys finds the wrapped keys of persons and users.
func (h *house) subjectKeys(ctx context.Context, s account.Scope, subjects []vault.Subject) (out map[vault.Subject][]byte, err error) {
	err = h.db.Read(ctx, s, func(tx *store.Tx) error {
		if out, err = people.Keys(tx, subjects); err != nil || len(out) == len(subjects) {
			return err
		}
		more, err := members.Keys(tx, subjects)
		for k, v := range more {
			out[k] = v
		}
		return err
	})
	return out, err
}

func (h *house) receiptKeys() (out receipt.Keys) {
	for _, k := range h.door.ReceiptPublicKeys() {
		out = append(out, receipt.Key{ID: k.KeyID, PublicKey: k.Key, NotBefore: k.NotBefore})
	}
	return out
}

func signedMessage(stream string, seq uint64, size int, root [32]byte) []byte {
	return receipt.SignedMessage(stream, seq, uint64(size), root)
}
