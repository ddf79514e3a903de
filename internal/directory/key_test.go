package directory_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/store"
)

// A key is rotated: its old text works until the overlap ends, and all of them
// end with the key.
func TestRotation(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		stranger, _ := h.company("omar@example.com")
		var first string
		var k directory.Key
		h.write(s, func(tx *store.Tx) (err error) {
			first, k, err = h.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: account.Manager})
			return err
		})
		if life := k.ExpiresAt.Sub(h.clock.Now()); life != directory.KeyLife {
			h.Errorf("a secret key without an end lives for %v", life)
		}
		rotate := func(overlap time.Duration, expires time.Time) (text string, k2 directory.Key, err error) {
			err = h.try(s, func(tx *store.Tx) (err error) {
				text, k2, err = h.dir.RotateKey(tx, k.ID, overlap, expires)
				return err
			})
			return text, k2, err
		}
		if !h.authenticates(h.dir, first) { // it is believed for a moment, and its use is noted
			h.Fatal("refused")
		}
		h.clock.Pass(30 * 24 * time.Hour)
		changed := h.changed
		second, k2, err := rotate(time.Hour, time.Time{})
		if err != nil || k2.ID != k.ID || h.changed != changed+1 || !k2.ExpiresAt.Equal(h.clock.Now().Add(directory.KeyLife)) {
			h.Fatalf("%+v, %v", k2, err)
		}
		if len(k2.Earlier) != 1 || k2.Earlier[0].Hash != k.Hash || !k2.Earlier[0].EndsAt.Equal(h.clock.Now().Add(time.Hour)) || k2.Earlier[0].UsedAt.IsZero() || !k2.UsedAt.IsZero() {
			h.Errorf("generations: %+v", k2)
		}
		for _, text := range []string{first, second} {
			if p, err := h.dir.Authenticate(h.Context(), text); err != nil || p.Key != k.ID || p.Scope != s || p.Role != account.Manager {
				h.Errorf("%+v, %v", p, err)
			}
		}
		h.clock.Pass(time.Hour - time.Second)
		if !h.authenticates(h.dir, first) {
			h.Error("refused within its overlap")
		}
		h.clock.Pass(time.Second)
		if h.authenticates(h.dir, first) || !h.authenticates(h.dir, second) {
			h.Error("at the end of the overlap the old text is let in, or the new one is not")
		}

		third, _, err := rotate(0, time.Time{})
		if err != nil || h.authenticates(h.dir, second) || !h.authenticates(h.dir, third) {
			h.Errorf("without an overlap the old text is let in, or the new one is not: %v", err)
		}
		if got := h.graves.buried(); len(got) != 1 || got[0].Hash != k2.Hash || !got[0].ID.IsZero() {
			h.Errorf("buried: %+v", got)
		}
		h.clock.Pass(time.Second)
		soon := h.clock.Now().Add(10 * time.Minute)
		if _, _, err = rotate(time.Minute, soon); err != nil {
			h.Fatal(err)
		}
		h.clock.Pass(time.Second)
		fifth, k5, err := rotate(time.Hour, time.Time{})
		if err != nil || !k5.Earlier[0].EndsAt.Equal(soon) {
			h.Errorf("an overlap goes beyond the end that the key had: %+v, %v", k5.Earlier, err)
		}
		_, _, err = rotate(directory.LongestOverlap+time.Second, time.Time{})
		h.refused(err, 422, "invalid")
		_, _, err = rotate(0, h.clock.Now())
		h.refused(err, 422, "invalid")
		h.refused(h.try(stranger, func(tx *store.Tx) error {
			_, _, err := h.dir.RotateKey(tx, k.ID, 0, time.Time{})
			return err
		}), 404, "not_found")

		h.write(s, func(tx *store.Tx) error { _, err := h.dir.RevokeKey(tx, k.ID); return err })
		if h.authenticates(h.dir, fifth) || h.authenticates(h.dir, third) {
			h.Error("a revoked key's text is let in")
		}
		all := h.graves.buried()
		if last := all[len(all)-1]; len(last.Hashes(h.clock.Now())) != 3 {
			h.Errorf("the tombstone knows %d texts, want those that worked", len(last.Hashes(h.clock.Now())))
		}
		_, _, err = rotate(0, time.Time{})
		h.refused(err, 409, "key_revoked")
	})
}

// Use is noted, once a minute.
func TestLastUse(t *testing.T) {
	each(t, func(h *house) {
		s, _ := h.company("priya@example.com")
		var text string
		var id account.KeyID
		h.write(s, func(tx *store.Tx) error {
			made, k, err := h.dir.CreateKey(tx, directory.NewKey{Kind: directory.SecretKey, Name: "CRM", Role: account.Manager})
			text, id = made, k.ID
			return err
		})
		used := func() (at time.Time) {
			h.write(s, func(tx *store.Tx) error {
				k, err := directory.KeyOf(tx, id)
				at = k.UsedAt
				return err
			})
			return at
		}
		if !used().IsZero() {
			h.Error("used before it was")
		}
		first := h.clock.Now()
		for range 3 {
			if !h.authenticates(h.dir, text) || !used().Equal(first) {
				h.Errorf("used at %v, want %v", used(), first)
			}
			h.clock.Pass(20 * time.Second)
		}
		if !h.authenticates(h.dir, text) || !used().Equal(first.Add(time.Minute)) {
			h.Errorf("a minute later: used at %v", used())
		}
	})
}
