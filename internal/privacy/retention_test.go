package privacy

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/carry"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/retention"
	"catchment/internal/vault"
)

var (
	testPerson = store.Register("privacytest.test.person", `UPDATE person SET test = true WHERE account_id = $1 AND person_id = $2`)
	testLead   = store.Register("privacytest.test.lead", `UPDATE lead SET test = true WHERE account_id = $1 AND lead_id = $2`)
	putVisit   = store.Register("privacytest.visit", `INSERT INTO site_visit (account_id, visit_id, lead_id, project_id, person_id, state, planned_at, by_actor, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, 'planned', $6, 'user_x', $7, $7)`)
	closeLead  = store.Register("privacytest.close", `UPDATE lead SET closed_at = $3 WHERE account_id = $1 AND lead_id = $2`)
	filesOfOne = store.Register("privacytest.files.one", `SELECT count(*) FROM lead_file WHERE account_id = $1 AND lead_id = $2`)
	removals   = store.Register("privacytest.removals", `SELECT count(*) FROM audit_event WHERE account_id = $1 AND action = 'file.removed' AND detail LIKE '%retention%'`)
	putAttempt = store.Register("privacytest.attempt", `INSERT INTO attempt (account_id, attempt_id, lead_id, user_id, channel, disposition, reached, evidence, started_at, created_at)
		VALUES ($1, $2, $3, $4, 'call', 'no-answer', false, 'said', $5, $5)`)
)

const day = 24 * time.Hour

var errKilled = errors.New("killed")

// old makes a human whose everything is so many days old when the first look is.
func (w *world) old(phone string, days int) human {
	w.Helper()
	w.at = store.Clock(w.now.Add(RetentionGrace).AddDate(0, 0, -days))
	return w.human(phone)
}

func (w *world) rules(r retention.Rules) {
	w.Helper()
	w.write(func(tx *store.Tx) error { _, err := w.p.SetRetention(tx, r, "user_x", w.now); return err })
}

func (w *world) plan() (p retention.Plan) {
	w.Helper()
	w.write(func(tx *store.Tx) (err error) { p, err = retention.Get(tx); return err })
	return p
}

// look goes on until the look is over, and returns what it took.
func (w *world) look() retention.Counts {
	w.Helper()
	for range 50 {
		next, err := w.p.retain(w.Context(), w.scope)
		w.ok(err)
		if next.After(w.now.Add(time.Hour)) {
			return w.plan().Ran
		}
	}
	w.Fatal("the look does not end")
	return retention.Counts{}
}

func (w *world) erased(h human) bool {
	w.Helper()
	gone := !w.person(h.id).ErasedAt.IsZero()
	if keys := w.count(countKeys, h.id); (keys == 0) != gone {
		w.Errorf("erased %v, and %d keys", gone, keys)
	}
	return gone
}

func (w *world) listed(h human) bool {
	return slices.ContainsFunc(w.ledger.Entries(), func(e ledger.Entry) bool { return e.Person == h.id && e.Account == w.scope.Account() })
}

// Who is due goes as by their own request; who is a day younger, has anything
// newer or to come, a booking that stands, or is restricted, stays.
func TestRetentionOfLeads(t *testing.T) {
	each(t, func(w *world) {
		gone := w.old("+442079460101", 61)
		stays := map[string]human{"younger": w.old("+442079460102", 59)}
		later := func(name, phone string, f func(tx *store.Tx, h human) error) {
			h := w.old(phone, 61)
			stays[name] = h
			w.write(func(tx *store.Tx) error { return f(tx, h) })
		}
		recent := w.now.Add(RetentionGrace).AddDate(0, 0, -59)
		later("restricted", "+442079460103", func(tx *store.Tx, h human) error { return w.p.restrict(tx, h.id, "user_x", w.at) })
		later("asked to be restricted", "+442079460104", func(tx *store.Tx, h human) error {
			_, err := w.p.Ask(tx, people.AskRestrict, h.id, w.now, "user_x", w.now)
			return err
		})
		later("booked", "+442079460105", func(tx *store.Tx, h human) error {
			_, err := leads.AddBooking(tx, leads.Booking{ID: lead.NewBookingID(), Lead: h.lead, Project: w.project, Value: 1, Currency: "EUR", BookedAt: w.at, By: "user_x", CreatedAt: w.at})
			return err
		})
		later("follow-up to come", "+442079460106", func(tx *store.Tx, h human) error {
			l, err := leads.LeadByID(tx, h.lead)
			w.ok(err)
			return leads.WorkSetNext(tx, &l, w.now.Add(9*day), "call", w.at)
		})
		later("visit to come", "+442079460107", func(tx *store.Tx, h human) error {
			return tx.Must(putVisit, lead.NewVisitID(), h.lead, w.project, h.id, w.now.Add(9*day).UnixMicro(), w.at.UnixMicro())
		})
		later("note", "+442079460108", func(tx *store.Tx, h human) error {
			return leads.WorkAddNote(tx, leads.Note{ID: lead.NewNoteID(), Lead: h.lead, Person: h.id, By: "user_x", Text: vault.Sealed{Data: []byte{1}}, CreatedAt: recent})
		})
		later("attempt", "+442079460109", func(tx *store.Tx, h human) error {
			return tx.Must(putAttempt, lead.NewAttemptID(), h.lead, account.NewUserID(), recent.UnixMicro())
		})
		later("enquiry in quarantine", "+442079460110", func(tx *store.Tx, h human) error {
			_, err := leads.AddEnquiries(tx, []*leads.Enquiry{{ID: lead.NewEnquiryID(), Person: h.id, Project: w.project, Source: w.source, State: lead.Quarantined, ReceivedAt: recent, CreatedAt: recent}})
			return err
		})
		later("merged with who is younger", "+442079460111", func(tx *store.Tx, h human) error {
			_, err := people.SetMerged(tx, people.Merge{ID: lead.NewMergeID(), Kept: stays["younger"].id, Merged: h.id, By: "user_x", At: w.at})
			return err
		})
		both := [2]human{w.old("+442079460112", 70), w.old("+442079460113", 65)}
		w.write(func(tx *store.Tx) error {
			_, err := people.SetMerged(tx, people.Merge{ID: lead.NewMergeID(), Kept: both[0].id, Merged: both[1].id, By: "user_x", At: w.at})
			return err
		})

		w.rules(retention.Rules{Leads: 60})
		if next, err := w.p.retain(w.Context(), w.scope); err != nil || !next.Equal(store.Clock(w.now).Add(RetentionGrace)) || w.erased(gone) {
			t.Fatalf("within the day of grace: %v, %v", next, err)
		}
		w.now = w.now.Add(RetentionGrace)
		want := retention.Counts{Persons: 2, Leads: 3}
		if would, more, err := w.p.Preview(t.Context(), w.scope, retention.Rules{Leads: 60}); err != nil || would != want || more {
			t.Errorf("preview: %+v, %v, %v", would, more, err)
		}
		if w.erased(gone) {
			t.Fatal("the preview took somebody")
		}
		if ran := w.look(); ran != want {
			t.Errorf("it took %+v", ran)
		}
		for _, h := range []human{gone, both[0], both[1]} {
			if !w.erased(h) || !w.listed(h) {
				t.Error("who is due is not erased, or the ledger does not know it")
			}
		}
		for name, h := range stays {
			if w.erased(h) || w.enquiry(h.enquiry).Message.Empty() {
				t.Errorf("%s: erased", name)
			}
		}
		w.write(func(tx *store.Tx) error {
			all, err := people.Indexes(tx, []lead.PersonID{gone.id, stays["note"].id})
			if len(all) != 1 || all[0].Person != stays["note"].id {
				t.Errorf("found by %v", all)
			}
			return err
		})
		if n := w.count(countAudit, "person.erased"); n != 2 {
			t.Errorf("%d on the record", n)
		}
		if n := w.count(countAudit, "retention.ran"); n != 1 {
			t.Errorf("%d looks on the record", n)
		}
		if next, err := w.p.retain(w.Context(), w.scope); err != nil || !next.After(w.now.Add(23*time.Hour)) {
			t.Errorf("the next look: %v, %v", next, err)
		}
		w.now = w.now.Add(3 * day) // the younger one's time
		if ran := w.look(); ran.Persons == 0 || !w.erased(stays["younger"]) || w.erased(stays["restricted"]) {
			t.Errorf("days later it took %+v", ran)
		}
	})
}

// Killed at three places, a look goes on with the next process: between pages,
// when everything is destroyed and not yet noted, and when only the blind
// indexes are gone.
func TestRetentionGoesOn(t *testing.T) {
	each(t, func(w *world) {
		var all []human
		for _, phone := range []string{"+442079460101", "+442079460102", "+442079460103", "+442079460104"} {
			all = append(all, w.old(phone, 61))
		}
		w.rules(retention.Rules{Leads: 60})
		w.now = w.now.Add(RetentionGrace)
		w.p.persons = 1
		left := func() (n int) {
			for _, h := range all {
				if !w.erased(h) {
					n++
				}
			}
			return n
		}
		_, err := w.p.retain(t.Context(), w.scope)
		w.ok(err)
		if left() != 3 {
			t.Fatalf("%d left after a page of one", left())
		}
		again := func(change func(o *Options)) {
			o := w.p.o
			change(&o)
			w.p = New(o)
			w.p.persons = 1
		}
		good := w.p.o
		again(func(o *Options) { o.Scrub = func(context.Context) error { return errKilled } })
		if _, err := w.p.retain(t.Context(), w.scope); err == nil || left() != 2 {
			t.Fatalf("killed before it was noted: %v, %d left", err, left())
		}
		shut, err := ledger.Open(ledger.Options{Path: filepath.Join(t.TempDir(), "deleted.log")})
		w.ok(err)
		w.ok(shut.Close())
		again(func(o *Options) { *o = good; o.Ledger = shut })
		if _, err := w.p.retain(t.Context(), w.scope); err == nil || left() != 2 {
			t.Fatalf("killed before the ledger knew: %v, %d left", err, left())
		}
		again(func(o *Options) { *o = good })
		w.look()
		if left() != 0 {
			t.Errorf("%d left", left())
		}
		for _, h := range all {
			if !w.listed(h) {
				t.Error("the ledger does not know somebody")
			}
		}
	})
}

// Who enquires again while the look is at work keeps what is theirs, and is
// found by their number as before.
func TestRetentionLooksOnceMore(t *testing.T) {
	each(t, func(w *world) {
		h := w.old("+442079460101", 61)
		w.rules(retention.Rules{Leads: 60})
		w.now = w.now.Add(RetentionGrace)
		cut := retention.Rules{Leads: 60}.Cut(w.now)
		var due []verdict
		w.write(func(tx *store.Tx) (err error) { due, err = judge(tx, cut, []lead.PersonID{h.id}); return err })
		if len(due) != 1 {
			t.Fatal("who is due is not seen")
		}
		w.write(func(tx *store.Tx) error {
			return leads.WorkAddNote(tx, leads.Note{ID: lead.NewNoteID(), Lead: h.lead, Person: h.id, By: "user_x", Text: vault.Sealed{Data: []byte{1}}, CreatedAt: w.now})
		})
		gone, err := w.p.retire(t.Context(), w.scope, cut, due)
		if err != nil || len(gone) != 0 || w.erased(h) {
			t.Fatalf("%v, %v", gone, err)
		}
		w.write(func(tx *store.Tx) error {
			all, err := people.Indexes(tx, []lead.PersonID{h.id})
			if len(all) != 1 {
				t.Error("not found by number any more")
			}
			return err
		})
		w.rules(retention.Rules{}) // switched off in the middle: nothing more goes
		w.now = w.now.Add(90 * day)
		cut = retention.Rules{Leads: 60}.Cut(w.now)
		if gone, err = w.p.retire(t.Context(), w.scope, cut, due); err != nil || len(gone) != 0 || w.erased(h) {
			t.Fatalf("switched off: %v, %v", gone, err)
		}
	})
}

// Test leads, what came in, and files have times of their own.
func TestRetentionOfTheRest(t *testing.T) {
	each(t, func(w *world) {
		test, live := w.old("+442079460101", 8), w.old("+442079460102", 8)
		w.write(func(tx *store.Tx) error {
			w.ok(tx.Must(testPerson, test.id))
			return tx.Must(testLead, test.lead)
		})
		older := w.old("+442079460103", 41)
		idle, running := lead.NewImportID(), lead.NewImportID()
		w.write(func(tx *store.Tx) error {
			for _, id := range []lead.ImportID{idle, running} {
				w.ok(carry.AddImport(tx, &carry.Import{ID: id, Source: w.source, Mode: "live", By: "user_x", KeysetVersion: 1, Wrapped: []byte{1}, CreatedAt: w.at}))
			}
			_, ok, err := carry.BeginUpload(tx, running)
			w.ok(err)
			if !ok {
				t.Fatal("no upload")
			}
			_, err = carry.EndUpload(tx, running, 1, []byte{1})
			w.ok(err)
			_, err = carry.Begin(tx, running, "running", w.at)
			return err
		})
		r := retention.Rules{Tests: 7, Submissions: 40, Files: 9}
		w.rules(r)
		w.now = w.now.Add(RetentionGrace)
		would, _, err := w.p.Preview(t.Context(), w.scope, r)
		w.ok(err)
		want := retention.Counts{TestPersons: 1, TestLeads: 1, Submissions: 1, Files: 2}
		if would != want {
			t.Errorf("preview: %+v", would)
		}
		want.Files = 1 // the export went with the person who may be in it
		if ran := w.look(); ran != want {
			t.Errorf("it took %+v", ran)
		}
		if !w.erased(test) || w.erased(live) || w.erased(older) || w.enquiry(older.enquiry).Message.Empty() {
			t.Error("a live lead went, or the test lead did not")
		}
		if n := w.count(countRaw); n != 1 { // the live one's
			t.Errorf("%d submissions are left", n)
		}
		w.write(func(tx *store.Tx) error {
			a, err := carry.GetImport(tx, idle)
			w.ok(err)
			b, err := carry.GetImport(tx, running)
			if a.State != "cancelled" || a.Wrapped != nil || b.State != "running" || b.Wrapped == nil {
				t.Errorf("imports: %s %s", a.State, b.State)
			}
			return err
		})
	})
}

// Rules out of range are refused; without any, the job ends.
// Files of a lead go so long after it was closed, or after they were added where
// that was later; of an open lead, or of somebody who is restricted, they stay.
func TestRetentionOfAttachments(t *testing.T) {
	each(t, func(w *world) {
		ago := func(days int) int64 { return w.now.Add(RetentionGrace).AddDate(0, 0, -days).UnixMicro() }
		closed := func(phone string, added, ended int) human {
			h := w.old(phone, added)
			w.write(func(tx *store.Tx) error { return tx.Must(closeLead, h.lead, ago(ended)) })
			return h
		}
		due := closed("+442079460101", 40, 31)
		stays := map[string]human{
			"open":                w.old("+442079460102", 40),
			"closed a day later":  closed("+442079460103", 40, 29),
			"added to what ended": closed("+442079460104", 29, 31),
			"restricted":          closed("+442079460105", 40, 31),
			"asked to be":         closed("+442079460106", 40, 31),
			"merged with such":    closed("+442079460107", 40, 31),
		}
		w.write(func(tx *store.Tx) error {
			w.ok(w.p.restrict(tx, stays["restricted"].id, "user_x", w.at))
			_, err := w.p.Ask(tx, people.AskRestrict, stays["asked to be"].id, w.now, "user_x", w.now)
			w.ok(err)
			_, err = people.SetMerged(tx, people.Merge{ID: lead.NewMergeID(), Kept: stays["restricted"].id, Merged: stays["merged with such"].id, By: "user_x", At: w.at})
			return err
		})
		r := retention.Rules{Attachments: 30}
		w.now = w.now.Add(RetentionGrace)
		if would, more, err := w.p.Preview(w.Context(), w.scope, r); err != nil || more || would != (retention.Counts{Attachments: 1}) {
			t.Errorf("would take %+v, %v, %v", would, more, err)
		}
		w.now = w.now.Add(-RetentionGrace)
		w.rules(r)
		w.now = w.now.Add(RetentionGrace)
		if took := w.look(); took != (retention.Counts{Attachments: 1}) {
			t.Errorf("took %+v", took)
		}
		if w.count(filesOfOne, due.lead) != 0 || w.erased(due) {
			t.Error("the file is still there, or its person is gone")
		}
		for name, h := range stays {
			if w.count(filesOfOne, h.lead) != 1 {
				t.Errorf("%s: the file is gone", name)
			}
		}
		if jobs, told := w.count(countJobs, string(kindFile)), w.count(removals); jobs != 1 || told != 1 {
			t.Errorf("%d jobs take contents, %d removals on the record", jobs, told)
		}
		w.now = w.now.Add(everyLook + time.Hour)
		if took := w.look(); took.Attachments != 2 { // what was closed, or added, a day later
			t.Errorf("a day later took %+v", took)
		}
	})
}

func TestRetentionRules(t *testing.T) {
	each(t, func(w *world) {
		for field, r := range map[string]retention.Rules{"lead_days": {Leads: 29}, "test_lead_days": {Tests: -1}, "submission_days": {Submissions: 3651}, "file_days": {Files: 3651}, "attachment_days": {Attachments: 3651}} {
			if err := CheckRetention(r); err == nil {
				t.Errorf("%s: %+v", field, r)
			}
		}
		w.ok(CheckRetention(retention.Rules{Leads: 30, Tests: 1, Submissions: 3650, Files: 1}))
		h := w.old("+442079460101", 3649)
		if next, err := w.p.retain(t.Context(), w.scope); err != nil || !next.IsZero() {
			t.Errorf("without rules: %v, %v", next, err)
		}
		w.rules(retention.Rules{Leads: 30})
		w.rules(retention.Rules{})
		w.now = w.now.Add(9 * day)
		if next, err := w.p.retain(t.Context(), w.scope); err != nil || !next.IsZero() || w.erased(h) {
			t.Errorf("switched off: %v, %v", next, err)
		}
	})
}
