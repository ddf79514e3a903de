package privacy

import (
	"errors"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/keyring/keyringtest"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/grants"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

var countLent = store.Register("privacytest.lent", `SELECT count(*) FROM grant_key WHERE account_id = $1`)

func (w *world) grant(n NewGrant) (g grants.Grant, err error) {
	if n.Kind == "" {
		n.Kind = grants.ByAccount
	}
	n.By = "user_admin"
	err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error {
		g, err = w.p.Grant(tx, n, store.Clock(w.now))
		return err
	})
	return g, err
}

func (w *world) revoke(id account.GrantID) error {
	return w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error {
		_, err := w.p.Revoke(tx, id, "user_admin", store.Clock(w.now))
		return err
	})
}

// reads opens a lead by a grant and gives the texts in their order.
func (w *world) reads(to account.UserID, id account.GrantID, of lead.ID) (out []string, err error) {
	got, err := w.support.Open(w.Context(), to, id, of, "ticket 4711")
	for _, v := range got.Values {
		out = append(out, string(v.Field)+"="+reveal.Text(v.Text))
	}
	return out, err
}

func (w *world) want(what string, err error, code string) {
	w.Helper()
	if codeOf(err) != code {
		w.Errorf("%s: want %q, got %v", what, code, err)
	}
}

// Support opens what was granted, and nothing else; not before its time, not
// after it, and nothing once it was revoked, with an entry for each opening.
func TestGrants(t *testing.T) {
	each(t, func(w *world) {
		to, other := account.NewUserID(), account.NewUserID()
		a, b := w.human("+442079460101"), w.human("+442079460102")
		hour := w.now.Add(time.Hour)
		g, err := w.grant(NewGrant{To: to, Leads: []lead.ID{a.lead, a.lead}, Fields: []vault.Field{vault.Note, vault.Phone, vault.Message}, Until: hour, Reason: "r"})
		w.ok(err)
		before := w.count(countAudit, Opened)
		got, err := w.reads(to, g.ID, a.lead)
		if w.ok(err); len(got) != 3 || got[0] != "phone=+442079460101" || got[1] != "message=hello" || got[2] != "note=a note" {
			t.Error(got)
		}
		if n := w.count(countAudit, Opened) - before; n != 1 {
			t.Errorf("%d entries", n)
		}
		_, err = w.reads(to, g.ID, b.lead)
		w.want("a lead that is not in it", err, "not_found")
		_, err = w.reads(other, g.ID, a.lead)
		w.want("somebody else's grant", err, "not_found")
		_, err = w.reads(to, account.NewGrantID(), a.lead)
		w.want("no grant", err, "not_found")

		later, err := w.grant(NewGrant{To: to, Leads: []lead.ID{b.lead}, Fields: []vault.Field{vault.Name}, From: hour, Until: hour.Add(time.Hour), Reason: "r"})
		w.ok(err)
		_, err = w.reads(to, later.ID, b.lead)
		w.want("before it begins", err, "grant_not_begun")
		w.now = hour
		_, err = w.reads(to, g.ID, a.lead)
		w.want("when it is over", err, "grant_ended")
		got, err = w.reads(to, later.ID, b.lead)
		if w.ok(err); len(got) != 1 || got[0] != "name=Ada" {
			t.Error(got)
		}
		w.ok(w.revoke(later.ID))
		w.want("twice", w.revoke(later.ID), "grant_ended")
		_, err = w.reads(to, later.ID, b.lead)
		w.want("once revoked", err, "grant_ended")
		if n := w.count(countAudit, Opened) - before; n != 2 {
			t.Errorf("%d entries for two openings", n)
		}
	})
}

// A copy of the database from before the revocation opens nothing after it. The
// control: with the grant's key, which is then destroyed, it does.
func TestACopyFromBeforeOpensNothing(t *testing.T) {
	each(t, func(w *world) {
		to, h := account.NewUserID(), w.human("+442079460101")
		g, err := w.grant(NewGrant{To: to, Leads: []lead.ID{h.lead}, Fields: []vault.Field{vault.Phone}, Until: w.now.Add(time.Hour), Reason: "r"})
		w.ok(err)
		var lent map[lead.PersonID][]byte
		w.write(func(tx *store.Tx) (err error) { lent, err = grants.Keys(tx, g.ID); return err })
		kept := w.safe.Copy()
		w.ok(w.revoke(g.ID))
		if n := w.count(countLent); n != 0 || len(w.safe.Copy()) != 0 {
			t.Fatalf("%d keys are left in SQL, %d beside it", n, len(w.safe.Copy()))
		}
		back := g // the row and the keys as the copy has them
		back.ID = g.ID
		w.write(func(tx *store.Tx) error {
			_, err := tx.Exec(reopen, g.ID)
			w.ok(err)
			for id, key := range lent {
				w.ok(tx.Must(putLent, g.ID, id, key))
			}
			return nil
		})
		_, err = w.reads(to, g.ID, h.lead)
		w.want("with the copy", err, "grant_ended")
		w.safe.Restore(kept)
		if got, err := w.reads(to, g.ID, h.lead); err != nil || len(got) != 1 || got[0] != "phone=+442079460101" {
			t.Errorf("control: with its key the copy opens: %v, %v", got, err)
		}
	})
}

var (
	reopen  = store.Register("privacytest.grant.reopen", `UPDATE access_grant SET ended_at = NULL, destroyed_at = NULL WHERE account_id = $1 AND grant_id = $2`)
	putLent = store.Register("privacytest.grant.lend", `INSERT INTO grant_key (account_id, grant_id, person_id, wrapped) VALUES ($1, $2, $3, $4)`)
)

// A grant that is over is ended by its job, and its key destroyed, if need be
// when the safe is back; one whose transaction failed leaves a key that is swept.
func TestGrantsEndByThemselves(t *testing.T) {
	each(t, func(w *world) {
		to, h := account.NewUserID(), w.human("+442079460101")
		n := NewGrant{To: to, Leads: []lead.ID{h.lead}, Fields: []vault.Field{vault.Phone}, Until: w.now.Add(time.Hour), Reason: "r"}
		g, err := w.grant(n)
		w.ok(err)
		job := jobs.Job{Scope: w.scope, Kind: EndGrantJob, Key: g.ID.String()}
		w.ok(w.p.endGrant(w.Context(), job))
		if _, err := w.reads(to, g.ID, h.lead); err != nil {
			t.Fatalf("the job came before its time, and ended it: %v", err)
		}
		w.now = w.now.Add(time.Hour)
		w.safe.Away(true)
		if err := w.p.endGrant(w.Context(), job); !errors.Is(err, keyringtest.ErrAway) {
			t.Errorf("nobody hears that the key could not be destroyed: %v", err)
		}
		w.safe.Away(false)
		w.ok(w.p.endGrant(w.Context(), job))
		var after grants.Grant
		w.write(func(tx *store.Tx) (err error) { after, err = grants.Get(tx, g.ID); return err })
		if after.EndedBy != Actor || after.EndedAt.IsZero() || after.DestroyedAt.IsZero() || len(w.safe.Copy()) != 0 || w.count(countLent) != 0 {
			t.Errorf("%+v, %d keys", after, len(w.safe.Copy()))
		}
		if got := w.count(countAudit, "grant.ended"); got != 1 {
			t.Errorf("it ended %d times on the record", got)
		}

		fails := errors.New("fails")
		n.Until = w.now.Add(time.Hour)
		err = w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error {
			_, err := w.p.Grant(tx, NewGrant{Kind: grants.ByAccount, To: to, Leads: n.Leads, Fields: n.Fields, Until: n.Until, Reason: "r", By: "user_admin"}, w.now)
			return errors.Join(err, fails)
		})
		if !errors.Is(err, fails) || len(w.safe.Copy()) != 1 {
			t.Fatalf("%v, %d keys", err, len(w.safe.Copy()))
		}
		if swept, err := w.p.SweepGrants(w.Context()); err != nil || swept != 0 {
			t.Errorf("%d, %v", swept, err)
		}
		w.now = n.Until
		if swept, err := w.p.SweepGrants(w.Context()); err != nil || swept != 1 || len(w.safe.Copy()) != 0 {
			t.Errorf("%d, %v", swept, err)
		}
	})
}

// Erasing a person takes their key out of every grant.
func TestErasingReachesGrants(t *testing.T) {
	each(t, func(w *world) {
		to, h := account.NewUserID(), w.human("+442079460101")
		g, err := w.grant(NewGrant{To: to, Project: w.project, Fields: []vault.Field{vault.Phone}, Until: w.now.Add(time.Hour), Reason: "r"})
		w.ok(err)
		if n := w.count(countLent); n != 1 {
			t.Fatalf("%d keys are lent", n)
		}
		w.ok(w.p.Erase(t.Context(), w.scope, h.id))
		if n := w.count(countLent); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		if got, err := w.support.Open(t.Context(), to, g.ID, h.lead, "ticket"); err != nil || len(got.Values) != 1 || reveal.Text(got.Values[0].Text) != "" {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestGrantsAreChecked(t *testing.T) {
	each(t, func(w *world) {
		h := w.human("+442079460101")
		good := func() NewGrant {
			return NewGrant{To: account.NewUserID(), Leads: []lead.ID{h.lead}, Fields: []vault.Field{vault.Phone}, Until: w.now.Add(time.Hour), Reason: "r"}
		}
		for code, change := range map[string]func(*NewGrant){
			"":              func(*NewGrant) {},
			"required":      func(n *NewGrant) { n.Fields = nil },
			"unknown_field": func(n *NewGrant) { n.Fields = []vault.Field{vault.Raw} },
			"bad_time":      func(n *NewGrant) { n.Until = w.now.Add(-time.Minute) },
			"too_long":      func(n *NewGrant) { n.Until = w.now.Add(LongestGrant + time.Minute) },
			"unknown_lead":  func(n *NewGrant) { n.Leads = append(n.Leads, lead.NewID()) },
			"no_leads":      func(n *NewGrant) { n.Leads, n.Project = nil, account.NewProjectID() },
		} {
			n := good()
			change(&n)
			_, err := w.grant(n)
			w.want("a grant", err, code)
		}
		n := good()
		n.Reason = " "
		_, err := w.grant(n)
		w.want("without a reason", err, "required")
		n = good()
		n.Project = w.project
		_, err = w.grant(n)
		w.want("leads and a project", err, "required")
		if (keyring.GrantID{}) != (keyring.GrantID(account.GrantID{}.UUID())) {
			t.Error("the zero grant")
		}
	})
}
