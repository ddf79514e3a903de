package keyring

import (
	"context"
	"errors"
	"fmt"

	"catchment/internal/account"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Opening is one entry of the record: who looked at which fields, and why. It
// holds ids and names of fields, never a text.
type Opening struct {
	ID      vault.OpeningID
	Scope   account.Scope
	Actor   string // a user's, key's or worker's name in the record, such as "user_…"
	Purpose vault.Purpose
	Items   []Item  // none for a batch of intake, which Count describes
	Count   int     // of values; of submissions for a batch of intake
	Grant   GrantID // the grant that it was opened by; zero: by the account's own keys
}

// Item is one value of an opening.
type Item struct {
	vault.Binding
	Subject vault.Subject
	Masked  bool // its masked form was given
}

// BatchOpening is the record of intake opening count submissions of an account
// to seal them again under their persons' keys. Intake writes it in the
// transaction that stores the result.
func BatchOpening(scope account.Scope, actor string, count int) Opening {
	return Opening{ID: vault.NewOpeningID(), Scope: scope, Actor: actor, Purpose: vault.ForIntake, Count: count}
}

// State says what became of one value of an opening.
type State uint8

// The states. All but Clear come with an empty Personal.
const (
	Clear   State = iota // opened, or masked where that was asked for
	Empty                // there was nothing to open
	Erased               // its key is gone, and so is the text
	Damaged              // ciphertext or key were changed, or belong elsewhere
)

// Opened is what an opening gave, in the order of what was asked for.
type Opened struct {
	Opening vault.OpeningID // zero when there was nothing to open
	Values  []vault.Personal
	States  []State
}

// Opener turns sealed values into text, on the record.
type Opener struct {
	// Accounts gives the keysets.
	Accounts *Accounts
	// Record writes the entry and returns after its commit. When it fails,
	// nothing is opened.
	Record func(context.Context, Opening) error
	// Keys gives the wrapped keys of those subjects that still have one.
	Keys func(context.Context, account.Scope, []vault.Subject) (map[vault.Subject][]byte, error)

	// unwrapped, when set, gives open keys in the place of Accounts and Keys.
	unwrapped func(context.Context, []vault.Subject) (map[vault.Subject]*SubjectKey, error)
}

// Open opens the values for the actor with one entry on the record, however
// many they are: a page of fifty leads is one call. The entry is committed
// before the first value is decrypted; values that are empty are not on it.
// One damaged value does not hold back the others: see Opened.States. Of a value
// with Mask the caller gets the masked form alone, and the entry says so.
func (o *Opener) Open(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, sealed ...vault.Sealed) (Opened, error) {
	items, subjects := contents(sealed)
	if len(items) == 0 {
		out := Opened{Values: make([]vault.Personal, len(sealed)), States: make([]State, len(sealed))}
		for i := range out.States {
			out.States[i] = Empty
		}
		return out, nil
	}
	id, err := o.enter(ctx, Opening{Scope: scope, Actor: actor, Purpose: purpose, Items: items, Count: len(items)})
	if err != nil {
		return Opened{}, err
	}
	return o.entered(ctx, scope, id, subjects, sealed)
}

// enter writes what is about to be opened on the record.
func (o *Opener) enter(ctx context.Context, e Opening) (vault.OpeningID, error) {
	if !e.Scope.Valid() || e.Actor == "" || !e.Purpose.Valid() {
		return e.ID, errors.New("keyring: an opening needs an account, an actor and a purpose")
	}
	e.ID = vault.NewOpeningID()
	if err := o.Record(ctx, e); err != nil {
		return e.ID, fmt.Errorf("keyring: nothing was opened, the record could not be written: %w", err)
	}
	return e.ID, nil
}

// entered opens values of which the record tells.
func (o *Opener) entered(ctx context.Context, scope account.Scope, id vault.OpeningID, subjects []vault.Subject, sealed []vault.Sealed) (Opened, error) {
	keys, err := o.subjectKeys(ctx, scope, subjects)
	if err != nil {
		return Opened{}, err
	}
	out := Opened{Opening: id, Values: make([]vault.Personal, len(sealed)), States: make([]State, len(sealed))}
	for i, s := range sealed {
		out.Values[i], out.States[i] = openOne(keys, s)
	}
	return out, nil
}

// Everything writes one entry of count values on the record, for one who takes
// out all that an account has, and returns what opens them page after page
// without another entry. Nothing is opened when the entry could not be written.
func (o *Opener) Everything(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, count int) (func(context.Context, ...vault.Sealed) (Opened, error), error) {
	id, err := o.enter(ctx, Opening{Scope: scope, Actor: actor, Purpose: purpose, Count: count})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, sealed ...vault.Sealed) (Opened, error) {
		_, subjects := contents(sealed)
		return o.entered(ctx, scope, id, subjects, sealed)
	}, nil
}

// contents lists what there is to open, and whose it is, each once.
func contents(sealed []vault.Sealed) (items []Item, subjects []vault.Subject) {
	seen := map[vault.Subject]bool{}
	for _, s := range sealed {
		if s.Empty() {
			continue
		}
		items = append(items, Item{s.Binding, s.Subject, s.Mask})
		if !seen[s.Subject] {
			seen[s.Subject] = true
			subjects = append(subjects, s.Subject)
		}
	}
	return items, subjects
}

// subjectKeys returns the keys that could be had: nil for a damaged one, no
// entry for an erased one. A keyset from before a rotation is loaded anew.
func (o *Opener) subjectKeys(ctx context.Context, scope account.Scope, subjects []vault.Subject) (map[vault.Subject]*SubjectKey, error) {
	if o.unwrapped != nil {
		return o.unwrapped(ctx, subjects)
	}
	wrapped, err := o.Keys(ctx, scope, subjects)
	if err != nil {
		return nil, fmt.Errorf("keyring: read the subjects' keys: %w", err)
	}
	set, err := o.Accounts.Get(ctx, scope.Account())
	if err != nil {
		return nil, err
	}
	keys, stale := unwrap(set, wrapped)
	if !stale {
		return keys, nil
	}
	if set, err = o.Accounts.Renew(ctx, scope.Account()); err != nil {
		return nil, err
	}
	keys, _ = unwrap(set, wrapped)
	return keys, nil
}

// unwrap opens subject keys, nil standing for one that does not open; stale
// says that some key is of a generation that the keyset does not have.
func unwrap(set *AccountKeys, wrapped map[vault.Subject][]byte) (keys map[vault.Subject]*SubjectKey, stale bool) {
	keys = make(map[vault.Subject]*SubjectKey, len(wrapped))
	for subject, w := range wrapped {
		key, err := set.OpenSubjectKey(subject, w)
		if err != nil {
			keys[subject] = nil
			stale = stale || errors.Is(err, ErrUnknownKey)
			continue
		}
		keys[subject] = &key
	}
	return keys, stale
}

func openOne(keys map[vault.Subject]*SubjectKey, s vault.Sealed) (vault.Personal, State) {
	if s.Empty() {
		return vault.Personal{}, Empty
	}
	key, kept := keys[s.Subject]
	if !kept {
		return vault.Personal{}, Erased
	}
	if key == nil {
		return vault.Personal{}, Damaged
	}
	text, err := key.open(s)
	if err != nil {
		return vault.Personal{}, Damaged
	}
	if s.Mask {
		text = vault.Hide(vault.Mask(s.Binding.Field, reveal.Text(text)))
	}
	return text, Clear
}
