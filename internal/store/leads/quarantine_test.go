package leads_test

import (
	"slices"
	"testing"
	"time"

	"catchment/internal/firewall"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/storetest"
)

// Behind a flood of attacks, what may be innocent is asked about first.
func TestUninspectedInTheirOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := storetest.Account()
		held := func(minute int, rules ...int) leads.Held {
			return leads.Held{Enquiry: lead.NewEnquiryID(), Reason: lead.HeldFirewall, ReceivedAt: base.Add(time.Duration(minute) * time.Minute), Rules: rules}
		}
		first, second, large, busy := held(1, 942100), held(2, firewall.Unjudged, 941110), held(4, firewall.TooLarge), held(3, firewall.Unjudged)
		other := held(0, firewall.Unjudged)
		other.Reason = "burst"
		write(t, db, s, func(tx *store.Tx) error { return leads.AddHeld(tx, []leads.Held{first, large, second, busy, other}) })
		expect := func(limit int, want ...leads.Held) {
			t.Helper()
			var got, ids []lead.EnquiryID
			for _, h := range want {
				ids = append(ids, h.Enquiry)
			}
			err := db.Read(t.Context(), s, func(tx *store.Tx) error {
				all, err := leads.Uninspected(tx, limit)
				got = nil
				for _, h := range all {
					got = append(got, h.Enquiry)
				}
				return err
			})
			if err != nil || !slices.Equal(got, ids) {
				t.Errorf("%v: got %v, want %v", err, got, ids)
			}
		}
		expect(10, busy, large, first, second)
		expect(1, busy)
		write(t, db, s, func(tx *store.Tx) error { return leads.Inspected(tx, busy.Enquiry, nil, base) })
		expect(2, large, first)
	})
}
