package keyring

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/vault"
)

// desk is an account with persons, and an Opener over its tables.
type desk struct {
	*Opener
	keyring  *Keyring
	keys     *AccountKeys
	scope    account.Scope
	row      []byte // account_keyset
	wrapped  map[vault.Subject][]byte
	recorded []Opening
	order    []string
}

func newDesk(t *testing.T) *desk {
	d := &desk{keyring: memoryKeyring(t), wrapped: map[vault.Subject][]byte{}}
	d.row, d.keys = testAccount(t, d.keyring)
	d.scope = admit.To(d.keys.ID())
	d.Opener = &Opener{
		Accounts: NewAccounts(d.keyring, func(context.Context, account.ID) ([]byte, error) { return d.row, nil }),
		Record: func(_ context.Context, o Opening) error {
			d.order = append(d.order, "record")
			d.recorded = append(d.recorded, o)
			return nil
		},
		Keys: func(_ context.Context, s account.Scope, subjects []vault.Subject) (map[vault.Subject][]byte, error) {
			d.order = append(d.order, "keys")
			found := map[vault.Subject][]byte{}
			for _, subject := range subjects {
				if w, ok := d.wrapped[subject]; ok && s == d.scope {
					found[subject] = w
				}
			}
			return found, nil
		},
	}
	return d
}

func (d *desk) add(n byte) (name, phone vault.Sealed) {
	subject := vault.Subject{n}
	w, key := d.keys.NewSubjectKey(subject)
	d.wrapped[subject] = w
	name = key.Seal(vault.Binding{Table: "person", Row: subject, Field: vault.Name}, vault.Hide(fmt.Sprintf("Person %d", n)))
	phone = key.Seal(vault.Binding{Table: "person", Row: subject, Field: vault.Phone}, vault.Hide(fmt.Sprintf("+1202555%04d", 100+int(n))))
	return name, phone
}

// What is to be masked leaves the opener masked, and the entry tells it apart.
func TestMaskedValuesLeaveMasked(t *testing.T) {
	d := newDesk(t)
	name, phone := d.add(1)
	phone.Mask = true
	got, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, name, phone)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := revealed(got.Values[0]), revealed(got.Values[1]); a != "Person 1" || b != "+1 •• •••• ••01" {
		t.Errorf("given %q and %q", a, b)
	}
	if items := d.recorded[0].Items; items[0].Masked || !items[1].Masked {
		t.Errorf("recorded %+v", items)
	}
	phone.Mask = false // the control: the same ciphertext opens
	if got, err = d.Open(t.Context(), d.scope, "user_x", vault.ForContact, phone); err != nil || revealed(got.Values[0]) != "+12025550101" {
		t.Errorf("in clear: %v, %v", revealed(got.Values[0]), err)
	}
}

func TestAPageIsOneOpening(t *testing.T) {
	d := newDesk(t)
	var page []vault.Sealed
	for n := range byte(50) {
		name, phone := d.add(n)
		page = append(page, name, phone, vault.Sealed{Binding: name.Binding, Subject: name.Subject})
	}
	got, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, page...)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.recorded) != 1 || !reflect.DeepEqual(d.order, []string{"record", "keys"}) {
		t.Fatalf("%d entries, order %v", len(d.recorded), d.order)
	}
	o := d.recorded[0]
	if o.ID != got.Opening || o.ID.IsZero() || o.Scope != d.scope || o.Actor != "user_x" || o.Purpose != vault.ForContact || o.Count != 100 || len(o.Items) != 100 {
		t.Errorf("recorded %+v", o)
	}
	if o.Items[1] != (Item{page[1].Binding, page[1].Subject, false}) {
		t.Errorf("the second item is %+v", o.Items[1])
	}
	for n := range 50 {
		if revealed(got.Values[3*n]) != fmt.Sprintf("Person %d", n) || revealed(got.Values[3*n+1]) != fmt.Sprintf("+1202555%04d", 100+n) {
			t.Errorf("person %d has another's data", n)
		}
		if !reflect.DeepEqual(got.States[3*n:3*n+3], []State{Clear, Clear, Empty}) {
			t.Errorf("person %d: %v", n, got.States[3*n:3*n+3])
		}
	}
}

func TestNoRecordNoOpening(t *testing.T) {
	d := newDesk(t)
	name, _ := d.add(1)
	full := errors.New("disk full")
	d.Record = func(context.Context, Opening) error { return full }
	got, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, name)
	if !errors.Is(err, full) || got.Values != nil || len(d.order) != 0 {
		t.Errorf("got %v and %v, after %v", got, err, d.order)
	}
}

func TestAnOpeningNeedsItsReasons(t *testing.T) {
	d := newDesk(t)
	name, _ := d.add(1)
	for _, c := range []struct {
		scope   account.Scope
		actor   string
		purpose vault.Purpose
	}{
		{account.Scope{}, "user_x", vault.ForContact},
		{d.scope, "", vault.ForContact},
		{d.scope, "user_x", ""},
		{d.scope, "user_x", "a\nb"},
	} {
		if got, err := d.Open(t.Context(), c.scope, c.actor, c.purpose, name); err == nil || got.Values != nil {
			t.Errorf("%+v was opened", c)
		}
	}
	if len(d.recorded) != 0 {
		t.Error("a refused opening is on the record")
	}
}

func TestNothingToOpenIsNoOpening(t *testing.T) {
	d := newDesk(t)
	got, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, vault.Sealed{}, vault.Sealed{})
	if err != nil || len(d.recorded) != 0 || !got.Opening.IsZero() || !reflect.DeepEqual(got.States, []State{Empty, Empty}) || len(got.Values) != 2 {
		t.Errorf("%+v, %v, %d entries", got, err, len(d.recorded))
	}
}

func TestErasedAndDamagedHoldNobodyBack(t *testing.T) {
	d := newDesk(t)
	erased, _ := d.add(1)
	delete(d.wrapped, erased.Subject)
	damaged, good := d.add(2)
	damaged.Data[20] ^= 1
	swapped, _ := d.add(3)
	d.wrapped[swapped.Subject] = d.wrapped[good.Subject]
	got, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, erased, damaged, swapped, good)
	if err != nil {
		t.Fatal(err)
	}
	if want := []State{Erased, Damaged, Damaged, Clear}; !reflect.DeepEqual(got.States, want) {
		t.Errorf("want %v, got %v", want, got.States)
	}
	for i, v := range got.Values {
		if v.Empty() != (got.States[i] != Clear) {
			t.Errorf("value %d of state %d", i, got.States[i])
		}
	}
}

func TestAnotherAccountOpensNothing(t *testing.T) {
	d, other := newDesk(t), newDesk(t)
	name, _ := d.add(1)
	other.wrapped = d.wrapped // even when the tables leak
	got, err := other.Open(t.Context(), other.scope, "user_y", vault.ForContact, name)
	if err != nil || got.States[0] != Damaged || !got.Values[0].Empty() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheOpenerSeesARotation(t *testing.T) {
	d := newDesk(t)
	old, _ := d.add(1)
	if _, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, old); err != nil {
		t.Fatal(err)
	}
	row, rotated, err := d.keyring.Rotate(t.Context(), d.keys) // on another node
	if err != nil {
		t.Fatal(err)
	}
	d.row, d.keys = row, rotated
	fresh, _ := d.add(2)
	got, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, old, fresh)
	if err != nil || !reflect.DeepEqual(got.States, []State{Clear, Clear}) {
		t.Errorf("%+v, %v", got.States, err)
	}
}

func TestKeysThatCannotBeReadAreAnError(t *testing.T) {
	d := newDesk(t)
	name, _ := d.add(1)
	away := errors.New("database away")
	d.Keys = func(context.Context, account.Scope, []vault.Subject) (map[vault.Subject][]byte, error) {
		return nil, away
	}
	if got, err := d.Open(t.Context(), d.scope, "user_x", vault.ForContact, name); !errors.Is(err, away) || got.Values != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBatchOpening(t *testing.T) {
	d := newDesk(t)
	o := BatchOpening(d.scope, "intake", 500)
	if o.ID.IsZero() || o.Scope != d.scope || o.Actor != "intake" || o.Purpose != vault.ForIntake || o.Count != 500 || o.Items != nil {
		t.Errorf("%+v", o)
	}
}
