package audit_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestRecordAndList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, now := storetest.Account(), store.Clock(time.Now())
		err := db.Write(t.Context(), s, func(tx *store.Tx) error {
			for i := range 7 { // three of them in the same moment
				e := audit.Entry{Actor: "user_a", Action: "lead.opened", Purpose: vault.ForContact, About: fmt.Sprint("lead_", i%2),
					Detail: map[string]int{"n": i}}
				if i == 6 {
					e = audit.Entry{Actor: "user_b", Action: "key.revoked"}
				}
				if err := audit.Write(tx, now.Add(time.Duration(max(i-2, 0))*time.Second), e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		list := func(f audit.Filter, limit int) (out []audit.Record) {
			after := audit.Place{}
			for {
				var page []audit.Record
				err := db.Read(t.Context(), s, func(tx *store.Tx) (err error) {
					page, err = audit.List(tx, f, after, limit)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					return out
				}
				out = append(out, page...)
				last := page[len(page)-1]
				after = audit.Place{At: last.At, ID: last.ID}
			}
		}
		for limit := 1; limit < 9; limit++ {
			all := list(audit.Filter{}, limit)
			seen := map[audit.ID]bool{}
			for i, r := range all {
				seen[r.ID] = true
				if i > 0 && r.At.After(all[i-1].At) {
					t.Error("not newest first")
				}
			}
			if len(all) != 7 || len(seen) != 7 {
				t.Errorf("limit %d: %d entries, %d different", limit, len(all), len(seen))
			}
		}
		newest := list(audit.Filter{}, 1)[1]
		if newest.Actor != "user_a" || newest.Purpose != vault.ForContact || newest.About != "lead_1" || string(newest.Detail) != `{"n":5}` {
			t.Errorf("%+v", newest)
		}
		for want, f := range map[int]audit.Filter{6: {Actor: "user_a"}, 1: {Action: "key.revoked"}, 3: {About: "lead_0"}, 0: {Actor: "user_b", About: "lead_0"}} {
			if got := list(f, 10); len(got) != want {
				t.Errorf("%+v: %d entries", f, len(got))
			}
		}
		_ = db.Read(t.Context(), storetest.Account(), func(tx *store.Tx) error {
			if got, err := audit.List(tx, audit.Filter{}, audit.Place{}, 10); len(got) != 0 || err != nil {
				t.Errorf("another account reads %d entries, %v", len(got), err)
			}
			return nil
		})
	})
}

var (
	rewrite = store.Register("test.audit.rewrite", `UPDATE audit_event SET actor = 'nobody' WHERE account_id = $1`)
	erase   = store.Register("test.audit.erase", `DELETE FROM audit_event WHERE account_id = $1`)
)

// No entry, no action; and on PostgreSQL nobody in the program can rewrite one.
func TestNoEntryNoAction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		for _, bad := range []audit.Entry{{}, {Actor: "a"}, {Actor: "a", Action: "b", Purpose: "<b>"}, {Actor: "a", Action: "b", Detail: func() {}},
			{Actor: "a", Action: "b", Detail: vault.Hide("Ada")}} {
			err := db.Write(t.Context(), s, func(tx *store.Tx) error { return audit.Write(tx, time.Now(), bad) })
			if err == nil {
				t.Errorf("%+v was recorded", bad)
			}
		}
		boom := errors.New("boom")
		if err := db.Write(t.Context(), s, func(tx *store.Tx) error {
			return errors.Join(audit.Write(tx, time.Now(), audit.Entry{Actor: "a", Action: "b"}), boom)
		}); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if db.Engine() != store.Postgres {
			return
		}
		for _, st := range []*store.Stmt{rewrite, erase} {
			if err := db.Write(t.Context(), s, func(tx *store.Tx) error { _, err := tx.Exec(st); return err }); err == nil {
				t.Error("the record was rewritten")
			}
		}
	})
}

// An entry that went through a file is the same one, and nothing else is one.
func FuzzEntry(f *testing.F) {
	whole, err := audit.MarshalEntry(time.Unix(1_800_000_000, 0).UTC(), audit.Entry{Actor: "command:root@db1", Action: "keys.door", Detail: map[string]any{"sudo": "ada"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"id":"rec_01h455vb4pex5vsknk084sn02q","actor":"x","action":"y"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		at, e, err := audit.UnmarshalEntry(text)
		if err != nil {
			return
		}
		if e.ID.IsZero() || e.Actor == "" || e.Action == "" || at.IsZero() {
			t.Fatalf("%s became %+v", text, e)
		}
		out, err := audit.MarshalEntry(at, e)
		if err != nil {
			t.Fatal(err)
		}
		again, f, err := audit.UnmarshalEntry(out)
		if err != nil || f.ID != e.ID || f.Actor != e.Actor || f.Action != e.Action || f.About != e.About || !again.Equal(at) {
			t.Fatalf("%s came back as %s, %v", text, out, err)
		}
	})
}

// Entries are found by whose data they opened, by purpose and by time, in
// pages; who is another account finds nothing.
func TestFoundByThing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, now := storetest.Account(), store.Clock(time.Now())
		const ada, bob, deal = "person_ada", "person_bob", "lead_ada"
		for i, e := range []audit.Entry{
			{Actor: "user_a", Action: "opened", Purpose: vault.ForContact, About: "open_1", Things: []string{ada, bob, ada}},
			{Actor: "user_b", Action: "opened", Purpose: vault.ForOversight, About: "open_2", Things: []string{bob}},
			{Actor: "user_a", Action: "lead.accepted", About: deal},
			{Actor: "user_b", Action: "opened", Purpose: vault.ForOversight, About: "open_3", Things: []string{ada}},
		} {
			if err := db.Write(t.Context(), s, func(tx *store.Tx) error { return audit.Write(tx, now.Add(time.Duration(i)*time.Second), e) }); err != nil {
				t.Fatal(err)
			}
		}
		find := func(s account.Scope, f audit.Filter, limit int, things ...string) (out string) {
			t.Helper()
			after := audit.Place{}
			for {
				var page []audit.Record
				err := db.Read(t.Context(), s, func(tx *store.Tx) (err error) {
					page, err = audit.ListAny(tx, f, things, after, limit)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					return out
				}
				for _, r := range page {
					out += " " + r.About
				}
				after = audit.Place{At: page[len(page)-1].At, ID: page[len(page)-1].ID}
			}
		}
		for limit := 1; limit < 4; limit++ {
			for _, c := range []struct {
				f      audit.Filter
				things []string
				want   string
			}{
				{audit.Filter{}, []string{ada}, " open_3 open_1"},
				{audit.Filter{}, []string{bob}, " open_2 open_1"},
				{audit.Filter{}, []string{deal, ada, bob}, " open_3 lead_ada open_2 open_1"},
				{audit.Filter{Purpose: "contact"}, []string{bob}, " open_1"},
				{audit.Filter{Actor: "user_b"}, []string{ada}, " open_3"},
				{audit.Filter{From: now.Add(time.Second)}, []string{bob}, " open_2"},
				{audit.Filter{Until: now.Add(time.Second)}, []string{bob}, " open_1"},
				{audit.Filter{}, []string{"person_eve"}, ""},
			} {
				if got := find(s, c.f, limit, c.things...); got != c.want {
					t.Errorf("pages of %d, %+v about %v: %s, want %s", limit, c.f, c.things, got, c.want)
				}
			}
		}
		if got := find(storetest.Account(), audit.Filter{}, 10, ada, bob, deal); got != "" {
			t.Errorf("another account finds %s", got)
		}
	})
}
