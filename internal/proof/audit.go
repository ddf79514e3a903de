package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"catchment/internal/receipt"
)

// seen is an enquiry as the API lists it.
type seen struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	LeadID    string `json:"lead_id"`
	ReEnquiry bool   `json:"re_enquiry"`
	Conflict  bool   `json:"conflict"`
}

// seenLead is a lead as the API lists it.
type seenLead struct {
	ID        string `json:"id"`
	Enquiries int    `json:"enquiries"`
	State     string `json:"state"`
	Project   struct {
		ID string `json:"id"`
	} `json:"project"`
}

// findings is how what was acknowledged differs from what is there.
type findings struct {
	missing   []string // acknowledged and not there
	doubled   []string // there more than once, or an enquiry on a lead of another
	loose     []string // there, and attached to no lead
	strangers []string // there, and never acknowledged
	enquiries int
	leads     int
}

func (f findings) clean() bool {
	return len(f.missing)+len(f.doubled)+len(f.loose)+len(f.strangers) == 0
}

func (f findings) String() string {
	return fmt.Sprintf("%d enquiries, %d leads; missing %s, doubled %s, without a lead %s, never acknowledged %s",
		f.enquiries, f.leads, counted(f.missing), counted(f.doubled), counted(f.loose), counted(f.strangers))
}

// compare finds the differences. Every lead of a crowd is a person of its own,
// so each enquiry must have its own lead, and each lead exactly one.
func compare(acked []string, enquiries []seen, leads []seenLead) findings {
	f := findings{enquiries: len(enquiries), leads: len(leads)}
	there, owner := map[string]int{}, map[string]string{}
	for _, e := range enquiries {
		there[e.ID]++
		if there[e.ID] > 1 {
			f.doubled = append(f.doubled, e.ID)
			continue
		}
		if e.State != "attached" || e.LeadID == "" {
			f.loose = append(f.loose, e.ID)
			continue
		}
		if owner[e.LeadID] != "" || e.ReEnquiry || e.Conflict {
			f.doubled = append(f.doubled, e.ID)
		}
		owner[e.LeadID] = e.ID
	}
	known := map[string]bool{}
	for _, id := range acked {
		known[id] = true
		if there[id] == 0 {
			f.missing = append(f.missing, id)
		}
	}
	for id := range there {
		if !known[id] {
			f.strangers = append(f.strangers, id)
		}
	}
	once := map[string]bool{}
	for _, l := range leads {
		if once[l.ID] || l.Enquiries != 1 || owner[l.ID] == "" {
			f.doubled = append(f.doubled, l.ID)
		}
		once[l.ID] = true
	}
	for id := range owner {
		if !once[id] {
			f.missing = append(f.missing, id)
		}
	}
	return f
}

// audit reads every enquiry and lead of the account through the API's pages
// and compares them with the ledger, and asks for a sample one by one.
func audit(ctx context.Context, a *api, acked []string) (findings, error) {
	var enquiries []seen
	if err := pages(ctx, a, "/v1/enquiries", func(e seen) { enquiries = append(enquiries, e) }); err != nil {
		return findings{}, err
	}
	var leads []seenLead
	if err := pages(ctx, a, "/v1/leads", func(l seenLead) { leads = append(leads, l) }); err != nil {
		return findings{}, err
	}
	f := compare(acked, enquiries, leads)
	for range min(200, len(acked)) {
		id := acked[rand.IntN(len(acked))]
		var e seen
		if err := a.get(ctx, "/v1/enquiries/"+id, &e); err != nil || e.ID != id || e.State != "attached" {
			f.missing = append(f.missing, id)
		}
	}
	return f, nil
}

// receiptKeys fetches the keys that receipts are checked against.
func (i *instance) receiptKeys(ctx context.Context) (receipt.Keys, error) {
	r, err := i.api("").do(ctx, "GET", "/.well-known/catchment-receipt-keys.json", nil, nil)
	if err != nil {
		return nil, err
	}
	return receipt.ParseKeys(r.body)
}

// verify checks every receipt of the ledger, offline: the signature, the place
// in the commit, the id of the answer and the body that was sent. It returns
// how many hold and the first fault.
func verify(book *ledger, keys receipt.Keys) (good int, fault error) {
	for n, a := range book.all() {
		if err := verifyOne(a, book.crowd.body(n), keys); err != nil {
			if fault == nil {
				fault = fmt.Errorf("%s: %w", a.id, err)
			}
			continue
		}
		good++
	}
	return good, fault
}

func verifyOne(a ack, body []byte, keys receipt.Keys) error {
	r, err := receipt.Parse(a.receipt)
	if err != nil {
		return err
	}
	if r.ID.String() != a.id {
		return fmt.Errorf("the receipt is for %s", r.ID)
	}
	if err := receipt.Verify(r, keys); err != nil {
		return err
	}
	return r.MatchesBody(body)
}

// settle checks a ledger against the instance: what every proof of the door
// ends with, its controls included.
func (t *trial) settle(ctx context.Context, i *instance, book *ledger, label string) error {
	key := i.world.Accounts[0].SecretKey
	acked := book.ids()
	f, err := audit(ctx, i.api(key), acked)
	if err != nil {
		return err
	}
	t.check(label+"acknowledged leads are there, each once", f.clean() && len(acked) > 0, "%d acknowledged; %s", len(acked), f)
	t.check(label+"no more leads than were sent", f.leads <= book.sent(), "%d sent, %d leads", book.sent(), f.leads)
	t.check(label+"no wrong answer", len(book.faults) == 0, "%s of %d answers", counted(book.faults), book.answers())
	keys, err := i.receiptKeys(ctx)
	if err != nil {
		return err
	}
	good, fault := verify(book, keys)
	t.check(label+"every receipt verifies offline against its body", good == len(acked) && fault == nil, "%d of %d%s", good, len(acked), because(fault))
	t.control(ctx, i, book, keys, label)
	return nil
}

func (l *ledger) answers() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.statuses {
		n += k
	}
	return n
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return "; " + err.Error()
}

// control shows that the comparison and the receipts could have failed.
func (t *trial) control(ctx context.Context, i *instance, book *ledger, keys receipt.Keys, label string) {
	acked := book.ids()
	if len(acked) == 0 {
		t.check(label+"control", false, "nothing was acknowledged")
		return
	}
	invented := inventedEnquiry()
	f, err := audit(ctx, i.api(i.world.Accounts[0].SecretKey), append(slices.Clone(acked), invented))
	t.check(label+"control: an invented acknowledgement is missed", err == nil && slices.Equal(slices.Compact(f.missing), []string{invented}),
		"missing %s", some(f.missing))
	refused, tried := 0, 0
	for n, a := range book.all() {
		bad := ack{a.id, changed(a.receipt, tried)}
		tried++
		if verifyOne(bad, book.crowd.body(n), keys) != nil {
			refused++
		}
		if tried == 500 {
			break
		}
	}
	t.check(label+"control: a receipt with one changed byte is refused", refused == tried, "%d of %d", refused, tried)
}
