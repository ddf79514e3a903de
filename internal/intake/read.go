package intake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/receipt"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// The reasons of dead letters. ReasonBody is followed by the decoder's code.
const (
	ReasonDamaged = "damaged_in_journal"   // its checksum does not fit
	ReasonAccount = "unknown_account"      // or one without a keyset
	ReasonKeys    = "account_keys_damaged" // the keyset does not open
	ReasonBox     = "does_not_open"        // sealed to another box, or changed
	ReasonPayload = "payload_unreadable"
	ReasonBody    = "body_unreadable"
	ReasonSource  = "unknown_source"
	ReasonStage   = "no_stage_of_category_new"
	ReasonPerson  = "person_key_missing" // found by its index, but its key is gone or damaged
	ReasonRefused = "refused_by_database"
)

// item is an entry on its way through a batch. What read puts into it, write
// does not change, because a transaction may run more than once.
type item struct {
	Entry
	scope   account.Scope
	head    submission.Header
	aad     []byte
	sealed  []byte
	dead    string // why it cannot be processed; "" when it can
	known   bool   // its account exists
	keys    *keyring.AccountKeys
	stage   lead.StageID
	project account.ProjectID

	phone, email people.Key   // zero when it has none that could be read
	weak         []people.Key // indexes of values that could not
	country      string
	e164         vault.Personal // the phone in E.164, when it can be read
	flags        []lead.Flag
	attribution  string
	custom       string // the fields marked non-personal

	text    texts
	subm    lead.SubmissionID
	suspect string // a rule that its content breaks; "" for none
	rules   lead.QuarantineRules
	network leads.Burst // where it was sent from; zero when that says nothing

	past  *submission.Past // of history, without its note; else nil
	note  lead.NoteID      // for the note of history
	fresh person           // in case it is a person we do not know: sealed in advance
}

// texts is what is personal in a submission.
type texts struct {
	name, phone, email, message, custom, consent, raw, trace, note vault.Personal
}

// person is a new person, and the item's values under its key.
type person struct {
	id      lead.PersonID
	key     Sealer
	wrapped []byte
	values  values
}

// values are an item's ciphertexts under one person's key.
type values struct{ name, phone, email, message, custom, consent, raw, trace, note []byte }

// read decodes and opens entries, in their order; what it cannot read is
// marked dead. An entry of no known account is counted and left out. The
// error is one that passes: nothing was judged.
func (in *Intake) read(ctx context.Context, entries []Entry) ([]*item, error) {
	items := make([]*item, 0, len(entries))
	groups := map[account.ID][]*item{}
	for i := range entries {
		it := &item{Entry: entries[i]}
		if !it.parse() {
			in.lose(it)
			continue
		}
		if in.gone(it) {
			continue
		}
		items = append(items, it)
		groups[it.head.Account] = append(groups[it.head.Account], it)
	}
	for id, group := range groups {
		if err := in.prepare(ctx, admit.To(id), group); err != nil {
			return nil, err
		}
	}
	kept := items[:0]
	for _, it := range items {
		if it.Err != nil && !it.known {
			in.lose(it) // its header is not to be trusted, and leads nowhere
			continue
		}
		kept = append(kept, it)
	}
	return kept, nil
}

// reasonErased stands in an item's dead when its person was erased. It becomes
// no dead letter.
const reasonErased = "erased"

// gone looks an entry up in the deletion ledger. One of an account that is gone
// is left out; one of a person who is gone goes on, unopened, to become an
// enquiry that says so.
func (in *Intake) gone(it *item) bool {
	if in.o.Ledger == nil || it.Err != nil {
		return false
	}
	if in.o.Ledger.Account(it.head.Account) {
		in.stats.Erased.Add(1)
		return true
	}
	if in.o.Ledger.Enquiry(it.head.Account, it.head.Enquiry) {
		it.dead = reasonErased
	}
	return false
}

// lose tells what should never happen as loudly as we can.
func (in *Intake) lose(it *item) {
	in.stats.Lost.Add(1)
	in.o.Log.Error("intake: an entry of the journal cannot be read, not even whose it is", "stream", in.o.Stream, "seq", it.Seq, "place", it.Place, "error", it.Err)
}

func (it *item) parse() bool {
	env, err := submission.ParseEnvelope(it.Data)
	if err != nil {
		return false
	}
	it.head, it.aad, it.sealed = env.Header, env.AAD, env.Data
	if it.Err != nil {
		it.dead = ReasonDamaged
	}
	return true
}

// prepare opens the items of one account.
func (in *Intake) prepare(ctx context.Context, s account.Scope, items []*item) error {
	facts, err := in.facts.get(ctx, s, false)
	if err == nil && stale(facts, items) {
		facts, err = in.facts.get(ctx, s, true)
	}
	if err != nil {
		return err
	}
	var keys *keyring.AccountKeys
	reason := ReasonAccount
	if facts != nil {
		keys, reason, err = in.accountKeys(ctx, s.Account())
		if err != nil {
			return err
		}
	}
	for _, it := range items {
		it.scope, it.keys, it.known = s, keys, facts != nil
		if keys == nil && it.dead == "" {
			it.dead = reason
		}
	}
	if keys == nil {
		return nil
	}
	in.openAll(items, facts)
	return in.openAgain(ctx, s.Account(), items, facts)
}

// stale says that an item names what the facts do not: it may have been made
// since they were read.
func stale(f *setup.Facts, items []*item) bool {
	for _, it := range items {
		if f == nil || f.NewStage.IsZero() || !f.Projects[it.head.Project] {
			return true
		}
		if _, ok := f.Sources[it.head.Source]; !ok {
			return true
		}
	}
	return false
}

// accountKeys returns the keys, or why there are none. The error passes.
func (in *Intake) accountKeys(ctx context.Context, id account.ID) (*keyring.AccountKeys, string, error) {
	keys, err := in.o.Accounts.Get(ctx, id)
	switch {
	case err == nil:
		return keys, "", nil
	case errors.Is(err, store.ErrNone):
		return nil, ReasonAccount, nil
	case errors.Is(err, keyring.ErrDamaged):
		in.o.Log.Error("intake: an account's keys do not open", "account", id, "error", err)
		return nil, ReasonKeys, nil
	}
	return nil, "", fmt.Errorf("intake: %w", err)
}

// openAll opens and seals items on several processors.
func (in *Intake) openAll(items []*item, facts *setup.Facts) {
	const atLeast = 16 // fewer are not worth a goroutine
	n := min(in.o.Workers, (len(items)+atLeast-1)/atLeast)
	if n <= 1 {
		in.openSome(items, facts)
		return
	}
	var wg sync.WaitGroup
	for i := range n {
		part := items[i*len(items)/n : (i+1)*len(items)/n]
		wg.Go(func() { in.openSome(part, facts) })
	}
	wg.Wait()
}

func (in *Intake) openSome(items []*item, facts *setup.Facts) {
	for _, it := range items {
		if it.dead == "" {
			it.dead = in.openOne(it, facts)
		}
	}
}

// openAgain tries items once more whose box is of a key generation that our
// cached keyset did not have.
func (in *Intake) openAgain(ctx context.Context, id account.ID, items []*item, facts *setup.Facts) error {
	var again []*item
	for _, it := range items {
		if it.dead == reasonGeneration {
			again = append(again, it)
		}
	}
	if len(again) == 0 {
		return nil
	}
	keys, err := in.o.Accounts.Renew(ctx, id)
	if err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	for _, it := range again {
		it.keys = keys
		if it.dead = in.openOne(it, facts); it.dead == reasonGeneration {
			it.dead = ReasonBox
		}
	}
	return nil
}

const reasonGeneration = "unknown_key_generation"

// openOne opens an item and fills in what it says; it returns why it could
// not, or "".
func (in *Intake) openOne(it *item, facts *setup.Facts) string {
	plain, err := in.o.Opener.Open(it.keys, it.Box, it.sealed, it.aad)
	if errors.Is(err, keyring.ErrUnknownKey) {
		return reasonGeneration
	}
	if err != nil {
		return ReasonBox
	}
	payload, err := submission.ParsePayload(plain)
	if err != nil {
		return ReasonPayload
	}
	if !it.readPast(payload, reveal.Text) {
		return ReasonPayload
	}
	source, ok := facts.Sources[it.head.Source]
	if !ok {
		return ReasonSource
	}
	if facts.NewStage.IsZero() {
		return ReasonStage
	}
	sub, err := submission.Decode(it.head.Format, it.head.ContentType, payload.Body, source.Mapping)
	if err != nil {
		return bodyReason(err)
	}
	it.stage, it.project = facts.NewStage, it.head.Project
	it.flags = sub.Flags
	if !facts.Projects[it.project] {
		it.project = source.Project
		it.flags = append(it.flags, lead.UnknownProject)
	}
	it.find(sub, facts.Region)
	it.takeTexts(sub, payload, source)
	it.subm = lead.NewSubmissionID()
	it.judge(sub, payload, facts)
	it.newPerson(in.o.Sealer)
	return ""
}

// bodyReason names the fault by the decoder's code, which never holds a value.
func bodyReason(err error) string {
	p, ok := problem.Of(err)
	if !ok {
		return ReasonBody
	}
	if len(p.Errors) > 0 {
		return ReasonBody + ":" + p.Errors[0].Code
	}
	return ReasonBody + ":" + p.Code
}

// find works out by what the person is found. A value that cannot be read is
// indexed in its own field, and flagged.
func (it *item) find(sub *submission.Submission, region string) {
	test := it.head.Test
	if s := reveal.Text(sub.Person.Phone); s != "" {
		e164, country, ok := submission.Phone(s, region)
		if ok {
			it.country, it.e164 = country, vault.Hide(e164)
			it.phone = people.Key{Field: vault.ByPhone, MAC: it.keys.Index(vault.ByPhone, test, e164)}
		} else if raw := submission.RawKey(s); raw != "" {
			it.flag(submission.PhoneFlag(s, region))
			it.weak = append(it.weak, people.Key{Field: vault.ByRawPhone, MAC: it.keys.Index(vault.ByRawPhone, test, raw)})
		}
	}
	if s := reveal.Text(sub.Person.Email); s != "" {
		normal, ok := submission.Email(s)
		if ok {
			it.email = people.Key{Field: vault.ByEmail, MAC: it.keys.Index(vault.ByEmail, test, normal)}
		} else if raw := submission.RawKey(s); raw != "" {
			it.flag(lead.EmailUnparseable)
			it.weak = append(it.weak, people.Key{Field: vault.ByRawEmail, MAC: it.keys.Index(vault.ByRawEmail, test, raw)})
		}
	}
}

func (it *item) flag(f lead.Flag) {
	for _, have := range it.flags {
		if have == f {
			return
		}
	}
	it.flags = append(it.flags, f)
}

func (it *item) takeTexts(sub *submission.Submission, p *submission.Payload, source setup.SourceFacts) {
	it.attribution = string(sub.Attribution.ClearJSON(nil))
	t := &it.text
	t.name, t.phone, t.email, t.message = sub.Person.Name, sub.Person.Phone, sub.Person.Email, sub.Message
	if !it.e164.Empty() {
		t.phone = it.e164 // what was typed stays in the submission
	}
	it.custom, t.custom = sub.SplitCustom(func(name string) bool { return source.NonPersonal[name] })
	t.consent = consentJSON(sub.Consent)
	t.raw = vault.Hide(string(p.Body))
	t.trace = traceJSON(p, sub.Attribution, it.receipt(p))
}

// consentJSON is the evidence as it is sealed.
func consentJSON(c submission.Consent) vault.Personal {
	if c.Empty() {
		return vault.Personal{}
	}
	var out struct {
		Text     string     `json:"text,omitempty"`
		Version  string     `json:"version,omitempty"`
		GivenAt  *time.Time `json:"given_at,omitempty"`
		Given    string     `json:"given_at_as_sent,omitempty"`
		Channels []string   `json:"channels,omitempty"`
	}
	out.Text, out.Version, out.Given, out.Channels = reveal.Text(c.Text), c.Version, reveal.Text(c.GivenText), c.Channels
	if !c.GivenAt.IsZero() {
		out.GivenAt = &c.GivenAt
	}
	return hideJSON(out)
}

// receipt is what has to be kept to write the submission's receipt again; nil
// when the entry is not the one that its leaf stands for.
func (it *item) receipt(p *submission.Payload) *receipt.Kept {
	at := receipt.FormatTime(it.head.ReceivedAt)
	if it.Size == 0 || receipt.Leaf(p.Salt, it.head.Enquiry, sha256.Sum256(p.Body), at) != it.Leaf {
		return nil
	}
	return &receipt.Kept{Salt: p.Salt, Index: uint64(it.Place), Size: uint64(it.Size), Path: receipt.Hashes(it.Path)}
}

// traceJSON is what was seen of the sender, as it is sealed, with what the
// receipt needs: its salt would help to guess the body.
func traceJSON(p *submission.Payload, a submission.Attribution, kept *receipt.Kept) vault.Personal {
	return hideJSON(struct {
		IP          string `json:"ip,omitempty"`
		UserAgent   string `json:"user_agent,omitempty"`
		Referer     string `json:"referer,omitempty"` // the header
		LandingPage string `json:"landing_page,omitempty"`
		Referrer    string `json:"referrer,omitempty"` // as the page reported it

		Receipt *receipt.Kept `json:"receipt,omitempty"`
	}{reveal.Text(p.IP), reveal.Text(p.UserAgent), reveal.Text(p.Referrer), reveal.Text(a.LandingPage), reveal.Text(a.Referrer), kept})
}

func hideJSON(v any) vault.Personal {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "{}" { // structs of strings and times always encode
		return vault.Personal{}
	}
	return vault.Hide(string(b))
}

// newPerson makes a person for the item, so that the transaction need not wait
// for cryptography. Most leads are of people we do not know yet.
func (it *item) newPerson(sealer func(keyring.SubjectKey) Sealer) {
	p := &it.fresh
	p.id = lead.NewPersonID()
	var key keyring.SubjectKey
	p.wrapped, key = it.keys.NewSubjectKey(vault.Subject(p.id.UUID()))
	p.key = sealer(key)
	p.values = it.seal(p.key, p.id)
}
