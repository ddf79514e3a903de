package people_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var at = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func write(t *testing.T, db *store.DB, s account.Scope, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, db *store.DB, s account.Scope, n int) (ids []lead.PersonID) {
	t.Helper()
	var all []people.New
	for range n {
		p := people.New{ID: lead.NewPersonID(), Phone: []byte{1}, CreatedAt: at, KeysetVersion: 1, WrappedKey: []byte{9}}
		all, ids = append(all, p), append(ids, p.ID)
	}
	write(t, db, s, func(tx *store.Tx) error { return people.Add(tx, all) })
	return ids
}

func TestPersons(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, stranger := storetest.Account(), storetest.Account()
		id := add(t, db, s, 1)[0]
		write(t, db, s, func(tx *store.Tx) error { return people.Fill(tx, id, []byte{2}, []byte{3}, nil, "GB") })
		look := func(tx *store.Tx) error {
			p, err := people.One(tx, id)
			if err != nil {
				return err
			}
			if string(p.Name.Data) != "\x02" || string(p.Phone.Data) != "\x01" || !p.Email.Empty() || p.Country != "GB" || !p.CreatedAt.Equal(at) ||
				p.Name.Binding != people.Place(id, vault.Name) || p.Phone.Subject != vault.Subject(id.UUID()) {
				t.Errorf("%+v", p)
			}
			keys, err := people.Keys(tx, []vault.Subject{vault.Subject(id.UUID()), {7}})
			if len(keys) != 1 || string(keys[vault.Subject(id.UUID())]) != "\x09" {
				t.Errorf("%v", keys)
			}
			return err
		}
		if err := db.Read(t.Context(), s, look); err != nil {
			t.Error(err)
		}
		if err := db.Read(t.Context(), stranger, look); !errors.Is(err, store.ErrNone) {
			t.Errorf("another account: %v", err)
		}
		if err := db.Write(t.Context(), stranger, func(tx *store.Tx) error { return people.Fill(tx, id, nil, nil, []byte{1}, "") }); !errors.Is(err, store.ErrNone) {
			t.Errorf("another account wrote: %v", err)
		}
	})
}

func TestAnIndexLeadsToOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, stranger := storetest.Account(), storetest.Account()
		ids := add(t, db, s, 2)
		phone, email := people.Key{Field: vault.ByPhone, MAC: vault.MAC{1}}, people.Key{Field: vault.ByEmail, MAC: vault.MAC{1}}
		write(t, db, s, func(tx *store.Tx) error {
			n, err := people.AddIndex(tx, []people.Entry{{Key: phone, Person: ids[0]}, {Key: email, Person: ids[1]}})
			if err != nil || n != 2 {
				t.Errorf("%d added", n)
			}
			if err == nil {
				n, err = people.AddIndex(tx, []people.Entry{{Key: phone, Person: ids[1]}})
			}
			if n != 0 {
				t.Errorf("%d added again", n)
			}
			return err
		})
		for scope, want := range map[account.Scope]int{s: 2, stranger: 0} {
			found := map[people.Key]lead.PersonID{}
			err := db.Read(t.Context(), scope, func(tx *store.Tx) error {
				return people.Find(tx, []people.Key{phone, email, {Field: vault.ByRawEmail, MAC: vault.MAC{1}}}, found)
			})
			if err != nil || len(found) != want || want > 0 && (found[phone] != ids[0] || found[email] != ids[1]) {
				t.Errorf("%v %v", found, err)
			}
		}
	})
}

func TestMerges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		ids := add(t, db, s, 3)
		first := people.Merge{ID: lead.NewMergeID(), Kept: ids[0], Merged: ids[1], By: "user_1", At: at}
		second := people.Merge{ID: lead.NewMergeID(), Kept: ids[0], Merged: ids[2], By: "user_1", At: at}
		write(t, db, s, func(tx *store.Tx) error {
			for _, m := range []people.Merge{first, second} {
				if ok, err := people.SetMerged(tx, m); err != nil || !ok {
					t.Error(ok, err)
				}
			}
			again := people.Merge{ID: lead.NewMergeID(), Kept: ids[2], Merged: ids[1], By: "user_1", At: at}
			ok, err := people.SetMerged(tx, again)
			if ok {
				t.Error("merged twice")
			}
			return err
		})
		write(t, db, s, func(tx *store.Tx) error {
			merged, err := people.MergedInto(tx, ids)
			if err != nil || len(merged) != 2 {
				t.Errorf("%v", merged)
			}
			known, err := people.Load(tx, ids[:1])
			if err != nil || len(known) != 1 || !known[0].HasMerged || known[0].HasName || !known[0].HasPhone {
				t.Errorf("%+v %v", known, err)
			}
			if ok, err := people.UndoMerge(tx, first, at.Add(time.Second)); err != nil || !ok {
				t.Error(ok, err)
			}
			var seen []lead.MergeID
			var before time.Time
			var id lead.MergeID
			for {
				page, err := people.Merges(tx, before, id, 1)
				if err != nil || len(page) == 0 {
					break
				}
				before, id = page[0].At, page[0].ID
				seen = append(seen, id)
			}
			if len(seen) != 2 || seen[0] == seen[1] {
				t.Errorf("%v", seen)
			}
			got, err := people.GetMerge(tx, first.ID)
			if !got.UndoneAt.Equal(at.Add(time.Second)) || got.Kept != ids[0] {
				t.Errorf("%+v", got)
			}
			return err
		})
	})
}

// Two merges that would close a circle, at once: one of them loses.
func TestNoCircle(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		for range 10 {
			ids := add(t, db, s, 2)
			var wg sync.WaitGroup
			var won [2]bool
			for i := range 2 {
				wg.Go(func() {
					m := people.Merge{ID: lead.NewMergeID(), Kept: ids[i], Merged: ids[1-i], By: "user_1", At: at}
					err := db.Write(context.Background(), s, func(tx *store.Tx) (err error) {
						won[i], err = people.SetMerged(tx, m)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won[0] == won[1] {
				t.Errorf("winners: %v", won)
			}
		}
	})
}

func TestLinks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, stranger := storetest.Account(), storetest.Account()
		a, b := lead.NewPersonID(), lead.NewPersonID()
		write(t, db, s, func(tx *store.Tx) error {
			for i, pair := range [][2]lead.PersonID{{a, b}, {a, b}, {b, a}} {
				fresh, err := people.PossibleDuplicate(tx, pair[0], pair[1], people.LinkedByEnquiry, lead.NewEnquiryID(), at)
				if err != nil || fresh != (i == 0) {
					t.Errorf("%d: %v %v", i, fresh, err)
				}
			}
			return nil
		})
		for scope, want := range map[account.Scope]int{s: 1, stranger: 0} {
			write(t, db, scope, func(tx *store.Tx) error {
				l, err := people.Links(tx, b)
				if len(l) != want || want == 1 && l[0].Other != a {
					t.Errorf("%+v", l)
				}
				return err
			})
		}
	})
}

// What was corrected is kept in its order, another account sees none of it, and
// erasing takes it away.
func TestPastOfAPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, stranger := storetest.Account(), storetest.Account()
		id := add(t, db, s, 1)[0]
		fix := func(was, now []byte, after time.Duration) error {
			return db.Write(t.Context(), s, func(tx *store.Tx) error {
				p := people.Past{Person: id, Field: vault.Phone, Was: vault.Sealed{Data: was}, By: "user_x", At: at.Add(after)}
				return people.Correct(tx, p, now, "IN")
			})
		}
		if err := errors.Join(fix([]byte{1}, []byte{2}, 1*time.Second), fix([]byte{2}, nil, 2*time.Second), fix(nil, []byte{3}, 3*time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := fix([]byte{2}, []byte{4}, 4*time.Second); !errors.Is(err, store.ErrAgain) {
			t.Errorf("what stood there no longer was corrected: %v", err)
		}
		past := func(s account.Scope) (all []people.Past, p people.Person) {
			_ = db.Read(t.Context(), s, func(tx *store.Tx) (err error) {
				if all, err = people.Pasts(tx, id, 10); err == nil {
					p, _ = people.One(tx, id)
				}
				return err
			})
			return all, p
		}
		all, p := past(s)
		if len(all) != 3 || !all[0].Was.Empty() || string(all[1].Was.Data) != "\x02" || string(all[2].Was.Data) != "\x01" || all[2].By != "user_x" ||
			all[2].Was.Binding != people.Place(id, vault.Phone) || string(p.Phone.Data) != "\x03" || p.Country != "IN" {
			t.Errorf("%+v of %+v", all, p)
		}
		if all, _ := past(stranger); len(all) != 0 {
			t.Error("another account sees it")
		}
		write(t, db, s, func(tx *store.Tx) error { return people.Erase(tx, []lead.PersonID{id}, at) })
		if all, _ := past(s); len(all) != 0 {
			t.Error("erasing leaves it")
		}
	})
}
