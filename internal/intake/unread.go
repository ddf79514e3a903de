package intake

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// Unread is a dead letter that speaks of a person.
type Unread struct {
	ID         lead.DeadID
	Enquiry    lead.EnquiryID
	Person     lead.PersonID // whom it is found by
	Reason     string
	ReceivedAt time.Time
	Raw        vault.Personal // the body as it came
}

// Unread looks through the account's open dead letters for those that say a
// number or an address by which these persons are found. It is on the record, before anything is opened, as what the actor
// did for the purpose about somebody; sealed is how many open for nobody. It
// must not be called within a transaction.
func (in *Intake) Unread(ctx context.Context, s account.Scope, actor string, purpose vault.Purpose, about string, entries []people.Entry) (found []Unread, sealed int, err error) {
	if len(entries) == 0 {
		return nil, 0, nil
	}
	dead, err := in.openDead(ctx, s)
	if err != nil || len(dead) == 0 {
		return nil, 0, err
	}
	facts, err := in.facts.get(ctx, s, false)
	if err != nil || facts == nil {
		return nil, 0, err
	}
	err = in.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		return audit.Write(tx, time.Now(), audit.Entry{Actor: actor, Action: "dead_letter.searched", Purpose: purpose, About: about, Detail: map[string]int{"dead_letters": len(dead)}})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("intake: no dead letter was opened, the record could not be written: %w", err)
	}
	persons := map[people.Key]lead.PersonID{}
	for _, e := range entries {
		persons[e.Key] = e.Person
	}
	for _, d := range dead {
		raw, keys, err := in.mentioned(ctx, s, d, facts)
		if errors.Is(err, errSealed) {
			sealed++
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		for _, k := range keys {
			if of, ok := persons[k]; ok {
				found = append(found, Unread{d.ID, d.Enquiry, of, d.Reason, d.ReceivedAt, raw})
				break
			}
		}
	}
	return found, sealed, nil
}

// openDead reads those that were not replayed, with their entries.
func (in *Intake) openDead(ctx context.Context, s account.Scope) (out []leads.DeadLetter, err error) {
	err = in.o.DB.Read(ctx, s, func(tx *store.Tx) error {
		out = nil
		for page := (leads.DeadPage{}); ; {
			list, err := leads.ListDead(tx, leads.DeadOpen, page, 200)
			if err != nil || len(list) == 0 {
				return err
			}
			for _, d := range list {
				if d, err = leads.DeadByID(tx, d.ID); err != nil {
					return err
				}
				out = append(out, d)
			}
			page = leads.DeadPage{ReceivedAt: list[len(list)-1].ReceivedAt, ID: list[len(list)-1].ID}
		}
	})
	return out, err
}

// errSealed says that a dead letter opens for nobody.
var errSealed = errors.New("intake: it does not open")

// mentioned opens a dead letter, and gives its body and all by which somebody
// would be found who is in it.
func (in *Intake) mentioned(ctx context.Context, s account.Scope, d leads.DeadLetter, facts *setup.Facts) (raw vault.Personal, out []people.Key, err error) {
	it := &item{Entry: Entry{Seq: d.Seq, Place: d.Place, Box: d.Box, Data: d.Entry}}
	if !it.parse() || it.head.Account != s.Account() {
		return raw, nil, errSealed
	}
	if it.keys, _, err = in.accountKeys(ctx, s.Account()); err != nil {
		return raw, nil, err
	}
	if it.keys == nil {
		return raw, nil, errSealed
	}
	plain, err := in.o.Opener.Open(it.keys, it.Box, it.sealed, it.aad)
	if errors.Is(err, keyring.ErrUnknownKey) { // our cached keyset may be older than its box
		if it.keys, err = in.o.Accounts.Renew(ctx, s.Account()); err != nil {
			return raw, nil, fmt.Errorf("intake: %w", err)
		}
		plain, err = in.o.Opener.Open(it.keys, it.Box, it.sealed, it.aad)
	}
	if err != nil {
		return raw, nil, errSealed
	}
	p, err := submission.ParsePayload(plain)
	if err != nil {
		return vault.Hide(string(plain)), it.guessed(string(plain), facts.Region), nil
	}
	sub, err := submission.Decode(it.head.Format, it.head.ContentType, p.Body, facts.Sources[it.head.Source].Mapping)
	if err != nil {
		return vault.Hide(string(p.Body)), it.guessed(string(p.Body), facts.Region), nil
	}
	it.find(sub, facts.Region)
	return vault.Hide(string(p.Body)), append(it.weak, it.phone, it.email), nil
}

var (
	likeEmail = regexp.MustCompile(`[^\s"'<>(),;:=&\[\]{}]+@[^\s"'<>(),;:=&\[\]{}]+`)
	likePhone = regexp.MustCompile(`\+?[0-9][0-9 ()./-]{5,30}[0-9]`)
)

// guessed are the keys of whatever looks like a number or an address in a text
// that cannot be read as what it should be.
func (it *item) guessed(text, region string) (out []people.Key) {
	texts := []string{text}
	if form, err := url.QueryUnescape(text); err == nil && form != text {
		texts = append(texts, form)
	}
	for _, text := range texts {
		for _, s := range likeEmail.FindAllString(text, -1) {
			out = append(out, it.keysOf("", s, region)...)
		}
		for _, s := range likePhone.FindAllString(text, -1) {
			out = append(out, it.keysOf(s, "", region)...)
		}
	}
	return out
}

func (it *item) keysOf(phone, email, region string) []people.Key {
	one := &item{head: it.head, keys: it.keys}
	one.find(&submission.Submission{Person: submission.Person{Phone: vault.Hide(phone), Email: vault.Hide(email)}}, region)
	return append(one.weak, one.phone, one.email)
}
