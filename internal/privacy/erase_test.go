package privacy

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

// All that is personal goes with the person, what counts without them stays,
// and another person keeps everything.
func TestErasingAPerson(t *testing.T) {
	each(t, func(w *world) {
		gone, stays := w.human("+442079460101"), w.human("+442079460102")
		w.ok(w.p.Erase(t.Context(), w.scope, gone.id))
		w.ok(w.p.Erase(t.Context(), w.scope, gone.id)) // again is the same

		p := w.person(gone.id)
		if p.ErasedAt.IsZero() || !p.Name.Empty() || !p.Phone.Empty() || p.Country != "GB" {
			t.Errorf("%+v", p)
		}
		if w.count(countKeys, gone.id) != 0 || w.count(countNotes) != 1 || w.count(countRaw) != 1 || w.count(openKeys) != 0 {
			t.Errorf("keys %d, notes %d, submissions %d, exports with a key %d", w.count(countKeys, gone.id), w.count(countNotes), w.count(countRaw), w.count(openKeys))
		}
		if w.count(countFiles) != 1 || w.count(countJobs, string(kindFile)) != 1 {
			t.Errorf("files %d, jobs that take their contents %d", w.count(countFiles), w.count(countJobs, string(kindFile)))
		}
		for _, id := range []lead.EnquiryID{gone.enquiry, gone.held} {
			if e := w.enquiry(id); e.State != lead.Erased || !e.Message.Empty() || !e.ReceivedAt.Equal(w.at) {
				t.Errorf("%+v", e)
			}
			if !w.ledger.Enquiry(w.scope.Account(), id) {
				t.Error("the ledger does not name the enquiry")
			}
		}
		if e := w.enquiry(gone.enquiry); e.Attribution != `{"utm_source":"example"}` {
			t.Errorf("what is not personal is gone, too: %s", e.Attribution)
		}
		l := w.lead(gone.lead)
		if l.Category != lead.Dropped || l.Stage != w.dropped || l.ClosedAt.IsZero() || l.Reason != Reason || !l.CreatedAt.Equal(w.at) {
			t.Errorf("%+v", l)
		}
		if w.count(countJobs, string(kindWithdraw)) != 1 {
			t.Error("routing was not told that the lead is closed")
		}
		if told := w.count(eventsOf, `%"person.erased"%"`+gone.lead.String()+`"%`); told != 1 {
			t.Errorf("whoever has the lead on a phone was told %d times", told)
		}
		if n := w.count(countAudit, "person.erased"); n != 1 {
			t.Errorf("%d entries on the record", n)
		}
		w.write(func(tx *store.Tx) error {
			found := map[people.Key]lead.PersonID{}
			keys := []people.Key{{Field: vault.ByPhone, MAC: w.keys.Index(vault.ByPhone, false, "+442079460101")}, {Field: vault.ByPhone, MAC: w.keys.Index(vault.ByPhone, false, "+442079460102")}}
			err := people.Find(tx, keys, found)
			if len(found) != 1 || found[keys[1]] != stays.id {
				t.Errorf("found by number: %v", found)
			}
			return err
		})
		if e, l := w.enquiry(stays.enquiry), w.lead(stays.lead); e.State != lead.Attached || e.Message.Empty() || !l.ClosedAt.IsZero() || w.count(countKeys, stays.id) != 1 {
			t.Error("another person lost something")
		}
	})
}

// Who was said to be the same human is erased with them.
func TestErasingReachesWhoIsMerged(t *testing.T) {
	each(t, func(w *world) {
		one, other := w.human("+442079460101"), w.human("+442079460102")
		w.write(func(tx *store.Tx) error {
			_, err := people.SetMerged(tx, people.Merge{ID: lead.NewMergeID(), Kept: one.id, Merged: other.id, By: "user_x", At: w.at})
			return err
		})
		w.ok(w.p.Erase(t.Context(), w.scope, other.id))
		if w.count(countKeys, one.id)+w.count(countKeys, other.id) != 0 {
			t.Error("one of the two still has a key")
		}
		if len(w.ledger.Entries()) != 2 {
			t.Error("the ledger does not name both")
		}
	})
}

// A person whom the ledger names is destroyed again in a database that has
// them; one whom it does not name is left alone.
func TestReplay(t *testing.T) {
	each(t, func(w *world) {
		gone, stays := w.human("+442079460101"), w.human("+442079460102")
		for range 2 { // somebody of another database, too
			w.ok(w.ledger.Add(t.Context(), ledger.Entry{At: w.at, Account: w.scope.Account(), Person: gone.id, Enquiries: []lead.EnquiryID{gone.enquiry}}))
			w.ok(w.ledger.Add(t.Context(), ledger.Entry{At: w.at, Account: storetest.Account().Account(), Person: lead.NewPersonID()}))
		}
		_, n, err := w.p.Replay(t.Context())
		if err != nil || n != 1 || w.count(countKeys, gone.id) != 0 || w.count(countKeys, stays.id) != 1 {
			t.Errorf("%d replayed, %v", n, err)
		}
		if _, n, err := w.p.Replay(t.Context()); err != nil || n != 0 {
			t.Errorf("a second time %d, %v", n, err)
		}
	})
}

// No file of SQLite has the wrapped key after the erasure; before it they do.
func TestTheKeyIsInNoFile(t *testing.T) {
	w := newWorld(t, storetest.SQLiteOptions(t))
	gone, stays := w.human("+442079460101"), w.human("+442079460102")
	find := func(what []byte) (n int) {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(w.o.Path), "*"))
		w.ok(err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			w.ok(err)
			n += bytes.Count(text, what)
		}
		return n
	}
	if find(gone.wrapped) == 0 {
		t.Fatal("the search finds nothing that is there")
	}
	err := w.p.Erase(t.Context(), w.scope, gone.id)
	if errors.Is(err, store.ErrBusy) {
		t.Fatal("nobody reads, and it is busy")
	}
	w.ok(err)
	if n := find(gone.wrapped); n != 0 {
		t.Errorf("the wrapped key is still in %d places", n)
	}
	if find(stays.wrapped) == 0 {
		t.Error("another person's key is gone from the files, too")
	}
}

func TestScrubOnPostgreSQL(t *testing.T) {
	w := newWorld(t, storetest.PostgresOptions(t))
	w.ok(store.Scrub(t.Context(), w.db, w.o))
}
