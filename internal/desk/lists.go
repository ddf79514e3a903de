package desk

import (
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/sift"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/store/people"
	"catchment/internal/web"
)

// leadsIn is what a list of leads is asked for.
type leadsIn struct {
	web.Page
	sift.LeadFilter
	List    string   `query:"list" enum:"overdue,due-today,no-next-action,missed,re-engaged,new-without-contact,first" doc:"One of the lists that a team works off: open leads, what waits longest first; first: the most pressing of them that has a lead, and the answer says which. Of the other filters it takes owner alone."`
	Include []string `query:"include" enum:"person" doc:"person: with the persons, opened on the record as one entry."`
}

// firstList asks for the most pressing list that has a lead.
const firstList = "first"

// leadsOut is a page of leads.
type leadsOut struct {
	web.List[Lead]
	Work leads.WorkList `json:"list,omitempty" doc:"Of the lists that a team works off, the one that this is; absent when none was asked for, and when first found none with a lead."`
}

// find reads a page of what is asked for, and says which list it is.
func (in *leadsIn) find(tx *store.Tx, v *web.Visit, f leads.LeadFilter, from web.Place) (found []leads.Lead, is leads.WorkList, err error) {
	if in.List == "" {
		found, err = listFor(tx, v, f, from, in.Limit+1)
		return found, "", err
	}
	if is = leads.WorkList(in.List); in.List == firstList {
		is = ""
	}
	owners := f.Owners
	f.Owners = nil
	if !f.Plain() || len(owners) > 1 {
		return nil, is, problem.InvalidField("list", "not_with_filters", "A list takes owner and no other filter.")
	}
	of, ok := whose(v)
	if !ok || len(owners) == 1 && !narrow(&of, owners[0]) {
		return nil, is, nil
	}
	if is != "" {
		found, err = in.work(tx, v, is, of, from)
		return found, is, err
	}
	if in.Cursor != "" {
		return nil, is, problem.InvalidField("cursor", "not_with_first", "The next page is of the list that the answer names: ask for that one.")
	}
	for _, w := range leads.Pressing {
		if found, err = in.work(tx, v, w, of, from); err != nil || len(found) > 0 {
			return found, w, err
		}
	}
	return nil, is, nil
}

// work reads a page of one list.
func (in *leadsIn) work(tx *store.Tx, v *web.Visit, w leads.WorkList, of leads.Whose, from web.Place) ([]leads.Lead, error) {
	start, end := v.At, v.At
	if w == leads.DueToday {
		var err error
		if end, err = endOfDay(tx, v); err != nil {
			return nil, err
		}
	}
	return leads.ListWork(tx, w, of, start, end, from.At, web.IDAt[lead.ID](from), in.Limit+1)
}

// narrow has it be the owner's leads alone; false: those are not among them. Of
// teams what the visitor may not read is left out later.
func narrow(of *leads.Whose, owner account.UserID) bool {
	if owner.IsZero() {
		return true
	}
	if !of.Owner.IsZero() && of.Owner != owner {
		return false
	}
	of.Owner = owner
	return true
}

// endOfDay is the next midnight where the visitor is; a key is in UTC.
func endOfDay(tx *store.Tx, v *web.Visit) (time.Time, error) {
	zone := time.UTC
	if !v.User.IsZero() {
		m, err := members.Get(tx, v.User)
		if err != nil {
			return time.Time{}, err
		}
		if z, err := time.LoadLocation(m.TimeZone); err == nil {
			zone = z
		}
	}
	y, m, d := v.At.In(zone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, zone), nil
}

// leadViews shows leads without their persons, with what stands in other
// tables: tags, and whether the person may be contacted.
func leadViews(tx *store.Tx, v *web.Visit, all []leads.Lead) ([]Lead, error) {
	n, err := named(tx)
	if err != nil {
		return nil, err
	}
	ids, persons := make([]lead.ID, len(all)), make([]lead.PersonID, len(all))
	for i, l := range all {
		ids[i], persons[i] = l.ID, l.Person
	}
	tags, err := leads.TagsOf(tx, ids...)
	if err != nil {
		return nil, err
	}
	marks, err := people.Suppressed(tx, persons)
	if err != nil {
		return nil, err
	}
	out := make([]Lead, len(all))
	for i, l := range all {
		out[i] = n.lead(l, v.At)
		if t := tags[l.ID]; len(t) > 0 {
			slices.Sort(t)
			out[i].Tags = t
		}
		if m, ok := marks[l.Person]; ok {
			out[i].Contactable, out[i].NotContacting = false, web.OrNull(m.Reason)
		}
	}
	return out, nil
}
