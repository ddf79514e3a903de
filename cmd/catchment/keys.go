package main

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/receipt"
	"catchment/internal/store"
	"catchment/internal/store/members"
	"catchment/internal/store/people"
	"catchment/internal/vault"

	"github.com/google/uuid"
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
	type item struct {
		Table string      `json:"table"`
		Row   string      `json:"row"`
		Field vault.Field `json:"field"`
		Whose string      `json:"whose"`
	}
	items := make([]item, len(o.Items))
	var things []string
	for i, it := range o.Items {
		items[i] = item{it.Table, textID(it.Table, it.Row), it.Field, textID(whose(it.Table), it.Subject)}
		things = append(things, items[i].Whose)
	}
	return h.db.Write(ctx, o.Scope, func(tx *store.Tx) error {
		return audit.Write(tx, time.Now(), audit.Entry{
			Actor: o.Actor, Action: "opened", Purpose: o.Purpose, About: o.ID.String(), Things: things,
			Detail: map[string]any{"count": o.Count, "items": items},
		})
	})
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

// textID writes a row's id as the API does.
func textID(table string, id [16]byte) string {
	switch table {
	case "person":
		return lead.PersonIDFrom(id).String()
	case "enquiry":
		return lead.EnquiryIDOf(id).String()
	case "note":
		return lead.NoteIDFrom(id).String()
	case "member":
		return account.UserIDFrom(id).String()
	case "session":
		return account.SessionIDFrom(id).String()
	case "submission":
		return lead.SubmissionIDFrom(id).String()
	case "site_visit":
		return lead.VisitIDFrom(id).String()
	case "suppression":
		return lead.SuppressionIDFrom(id).String()
	case "device":
		return account.DeviceIDFrom(id).String()
	}
	return uuid.UUID(id).String()
}

// whose is the kind of id under whose key a table's values are; "" for keys
// that are neither a person's nor a user's.
func whose(table string) string {
	switch table {
	case "person", "enquiry", "note", "submission", "site_visit", "suppression":
		return "person"
	case "member", "session", "device", "passkey", "push_subscription":
		return "member"
	}
	return ""
}
