package lead

import "testing"

func TestOfferStatesOnlyGoForward(t *testing.T) {
	order := []OfferState{OfferQueued, OfferPushed, OfferAcked, OfferSeen}
	final := []OfferState{OfferAccepted, OfferDeclined, OfferExpired, OfferLost, OfferError}
	for i, s := range order {
		for j, next := range order {
			if got := s.MayBecome(next); got != (j > i) {
				t.Errorf("%s to %s: %v", s, next, got)
			}
		}
		for _, f := range final {
			if !s.MayBecome(f) || f.MayBecome(s) {
				t.Errorf("%s and %s", s, f)
			}
			for _, g := range final {
				if f.MayBecome(g) {
					t.Errorf("%s is final but may become %s", f, g)
				}
			}
		}
	}
}

func TestCategories(t *testing.T) {
	open := 0
	for _, c := range Categories() {
		if !c.Valid() {
			t.Errorf("%s is not valid", c)
		}
		if c.Open() {
			open++
		}
	}
	if open != 2 || Category("").Valid() {
		t.Error("two of four categories are open, and no other word is a category")
	}
}
