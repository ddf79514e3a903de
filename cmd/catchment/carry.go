package main

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/carry"
	"catchment/internal/keyring"
	"catchment/internal/store"
	"catchment/internal/store/access"
	files "catchment/internal/store/carry"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// newCarrier makes what carries leads in and out in files. It seals rows to
// the account's drop box like a door, but takes the box from the keyset.
func (h *house) newCarrier() *carry.Carrier {
	sealer := keyring.NewSealer(func(id account.ID) (vault.DropBox, bool) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		keys, err := h.accounts.Get(ctx, id)
		if err != nil {
			return vault.DropBox{}, false
		}
		return keys.DropBox(), true
	})
	h.stops = append(h.stops, sealer.Close)
	return carry.New(carry.Options{
		DB: h.db, Accounts: h.accounts, Journal: h.journal, Seal: sealer.Seal, Jobs: h.jobs, Log: h.log, Wholes: h.newWholes(),
		Files:   &keyring.Opener{Accounts: h.accounts, Record: h.recordOpening, Keys: h.fileKeys},
		Persons: &keyring.Opener{Accounts: h.accounts, Record: h.recordOpening, Keys: h.subjectKeys},
		User: func(tx *store.Tx, email string) (account.UserID, error) {
			normal, ok := submission.Email(email)
			if !ok {
				return account.UserID{}, nil
			}
			return access.UserByLogin(tx, h.ring.LoginIndex(normal))
		},
	})
}

// fileKeys finds the wrapped keys of files.
func (h *house) fileKeys(ctx context.Context, s account.Scope, subjects []vault.Subject) (out map[vault.Subject][]byte, err error) {
	err = h.db.Read(ctx, s, func(tx *store.Tx) error {
		out, err = files.Keys(tx, subjects)
		return err
	})
	return out, err
}
