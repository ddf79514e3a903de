package privacy

import (
	"testing"
	"time"

	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/people"
)

func codeOf(err error) string {
	p, ok := problem.Of(err)
	if !ok {
		return ""
	}
	if len(p.Errors) > 0 {
		return p.Errors[0].Code
	}
	return p.Code
}

func (w *world) ask(kind people.RequestKind, of lead.PersonID, received time.Time) (r people.Request, err error) {
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error {
		r, err = w.p.Ask(tx, kind, of, received, "user_admin", w.at)
		return err
	})
	return r, err
}

func (w *world) fulfil(id lead.RequestID) (r people.Request, err error) {
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error {
		r, err = w.p.Fulfil(tx, id, "user_admin", w.at)
		return err
	})
	return r, err
}

func (w *world) request(id lead.RequestID) (r people.Request) {
	w.Helper()
	w.write(func(tx *store.Tx) (err error) { r, err = people.RequestByID(tx, id); return err })
	return r
}

func TestRequests(t *testing.T) {
	each(t, func(w *world) {
		h := w.human("+442079460101")
		for name, c := range map[string]struct {
			kind     people.RequestKind
			of       lead.PersonID
			received time.Time
			code     string
		}{
			"unknown kind":   {"forget", h.id, w.at, "unknown_kind"},
			"nobody":         {people.AskErase, lead.NewPersonID(), w.at, "unknown_person"},
			"in the future":  {people.AskErase, h.id, w.at.Add(time.Hour), "bad_time"},
			"long ago":       {people.AskErase, h.id, w.at.AddDate(-2, 0, 0), "bad_time"},
			"yesterday, yes": {people.AskAccess, h.id, w.at.Add(-24 * time.Hour), ""},
		} {
			r, err := w.ask(c.kind, c.of, c.received)
			if codeOf(err) != c.code || (err == nil) != (c.code == "") {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil && (!r.DueAt.Equal(c.received.Add(30*24*time.Hour)) || r.State != people.RequestOpen) {
				t.Errorf("%s: %+v", name, r)
			}
		}

		r, err := w.ask(people.AskRestrict, h.id, time.Time{})
		w.ok(err)
		r, err = w.fulfil(r.ID)
		if err != nil || r.State != people.RequestDone || w.request(r.ID) != r {
			t.Errorf("%+v, %v", r, err)
		}
		marked := func() (yes bool) {
			w.write(func(tx *store.Tx) error {
				m, err := people.Suppressed(tx, []lead.PersonID{h.id})
				yes = len(m) == 1
				return err
			})
			return yes
		}
		if !marked() {
			t.Error("who is restricted may be contacted")
		}
		if _, err := w.fulfil(r.ID); codeOf(err) != "request_finished" {
			t.Errorf("twice: %v", err)
		}
		r, err = w.ask(people.AskUnrestrict, h.id, time.Time{})
		w.ok(err)
		if _, err := w.fulfil(r.ID); err != nil || marked() || w.count(countJobs, string(kindReturn)) != 1 {
			t.Errorf("unrestricted: %v", err)
		}

		r, err = w.ask(people.AskErase, h.id, time.Time{})
		w.ok(err)
		err = w.db.Write(t.Context(), w.scope, func(tx *store.Tx) error {
			_, err := w.p.Refuse(tx, r.ID, "Not A Code", "user_admin", w.at)
			return err
		})
		if codeOf(err) != "bad_reason" {
			t.Errorf("%v", err)
		}
		if r, err = w.fulfil(r.ID); err != nil || r.State != people.RequestRunning || w.count(countKeys, h.id) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		w.ok(w.p.eraseJob(t.Context(), jobs.Job{Scope: w.scope, Kind: EraseJob, Key: h.id.String()}))
		if r = w.request(r.ID); r.State != people.RequestDone || r.FinishedAt.IsZero() || w.count(countKeys, h.id) != 0 {
			t.Errorf("%+v", r)
		}
		if _, err := w.ask(people.AskAccess, h.id, time.Time{}); codeOf(err) != "person_erased" {
			t.Errorf("of an erased person: %v", err)
		}
		w.write(func(tx *store.Tx) error {
			all, err := people.ListRequests(tx, people.RequestOpen, time.Time{}, lead.RequestID{}, 10)
			if len(all) != 0 {
				t.Errorf("a request about nobody is open: %+v", all)
			}
			return err
		})
	})
}
