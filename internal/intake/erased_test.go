package intake

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/vault/reveal"
)

// gone is a deletion ledger.
type gone struct {
	accounts  map[account.ID]bool
	enquiries map[lead.EnquiryID]account.ID
}

func (g gone) Account(id account.ID) bool { return g.accounts[id] }

func (g gone) Enquiry(of account.ID, id lead.EnquiryID) bool {
	return g.accounts[of] || g.enquiries[id] == of && !of.IsZero()
}

// What the ledger names is dropped, however often it comes: an enquiry says
// that it is erased and makes no person, an account leaves nothing at all.
// Others, of the same batch, are taken.
func TestWhatTheLedgerNamesIsDropped(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		erased, other := lead.NewEnquiryID(), lead.NewEnquiryID()
		ended := h.newTenant(1)
		h.in.o.Ledger = gone{map[account.ID]bool{ended.scope.Account(): true}, map[lead.EnquiryID]account.ID{
			erased: h.scope.Account(), other: ended.scope.Account()}} // other is the ledger's in another account
		entries := []Entry{
			h.entry(h.tenant, sent{enquiry: erased, body: body("Ada", "+442079460101", "")}),
			h.entry(h.tenant, sent{enquiry: other, body: body("Bob", "+442079460102", "")}),
			h.entry(ended, sent{body: body("Cyd", "+442079460103", "")}),
		}
		for range 2 {
			h.take(entries...)
		}
		if e := h.enquiry(erased); e.State != lead.Erased || !e.Person.IsZero() || !e.Message.Empty() || !e.Lead.IsZero() {
			t.Errorf("%+v", e)
		}
		if e := h.enquiry(other); e.State != lead.Attached {
			t.Errorf("another's enquiry was dropped: %+v", e)
		}
		if n := len(h.leads()); n != 1 {
			t.Errorf("%d leads, not 1", n)
		}
		if k := h.kinds(); k[events.EnquiryErased] != 1 || k[events.EnquiryDead] != 0 {
			t.Errorf("%v", k)
		}
		if n := h.in.stats.Erased.Load(); n != 4 {
			t.Errorf("%d dropped, not 4", n)
		}
		h.tenant = ended
		if len(h.leads()) != 0 || len(h.dead("")) != 0 {
			t.Error("an account that is gone has something again")
		}
	})
}

// Who enquires while the person of their number is being erased is somebody
// new: what was accepted is not sealed under a key that goes.
func TestAnEnquiryWhileItsPersonIsErased(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first := h.post(sent{body: body("Ada", "+442079460101", "")})
		held, goOn, erased := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			erased <- h.db.Write(t.Context(), h.scope, func(tx *store.Tx) error {
				of := []lead.PersonID{first.Person}
				if err := people.HoldAlone(tx, of); err != nil {
					return err
				}
				close(held)
				<-goOn
				all, err := people.Indexes(tx, of)
				if err == nil {
					err = people.DropIndexes(tx, all)
				}
				if err != nil {
					return err
				}
				return people.Erase(tx, of, time.Now())
			})
		}()
		<-held
		again := sent{enquiry: lead.NewEnquiryID(), body: body("Ada", "+442079460101", "")}
		entry := h.entry(h.tenant, again)
		taken := make(chan struct{})
		go func() { defer close(taken); h.take(entry) }()
		select {
		case <-taken:
			t.Error("it did not wait for the erasure")
		case <-time.After(200 * time.Millisecond):
		}
		close(goOn)
		if err := <-erased; err != nil {
			t.Fatal(err)
		}
		<-taken
		e := h.enquiry(again.enquiry)
		if e.State != lead.Attached || e.Person == first.Person {
			t.Fatalf("%s, of the erased person: %v", e.State, e.Person == first.Person)
		}
		if got := h.open(h.person(e.Person).Name); reveal.Text(got.Values[0]) != "Ada" || len(h.dead("")) != 0 {
			t.Errorf("its name does not open, or there are dead letters: %d", len(h.dead("")))
		}
	})
}
