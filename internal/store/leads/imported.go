package leads

import (
	"catchment/internal/lead"
	"catchment/internal/store"
)

var enquiryFates = store.List("leads.enquiry.fates", `SELECT enquiry_id, lead_id, state, re_enquiry FROM enquiry
	WHERE account_id = $1 AND enquiry_id IN (LIST)`)

// Fate is what became of an enquiry.
type Fate struct {
	Lead      lead.ID // zero while it belongs to none
	State     lead.EnquiryState
	ReEnquiry bool // the lead was there before
}

// Fates tells what became of those enquiries that exist.
func Fates(tx *store.Tx, ids []lead.EnquiryID) (map[lead.EnquiryID]Fate, error) {
	out := make(map[lead.EnquiryID]Fate, len(ids))
	err := tx.QueryList(enquiryFates, nil, anys(ids), func(scan func(...any) error) error {
		var id lead.EnquiryID
		var f Fate
		err := scan(&id, &f.Lead, &f.State, &f.ReEnquiry)
		out[id] = f
		return err
	})
	return out, err
}
