package rights

import (
	"maps"
	"slices"

	"catchment/internal/account"
)

// Fault is why a definition is no role.
type Fault struct {
	Permission account.Permission
	Code       string
	Detail     string
}

// Check judges the definition of an account's own role, the faults in the order
// of the permissions' names.
func (d Definition) Check() (faults []Fault) {
	for _, p := range slices.Sorted(maps.Keys(d)) {
		if d[p] == None {
			continue
		}
		if code, detail := d.fault(p); code != "" {
			faults = append(faults, Fault{p, code, detail})
		}
	}
	return faults
}

func (d Definition) fault(p account.Permission) (code, detail string) {
	w, known := WordOf(p)
	reads := d[account.ReadLeads]
	switch {
	case !known || len(w.Reaches) == 0:
		return "unknown_permission", "A role of your own cannot hold this. GET /v1/rights lists what it can."
	case !slices.Contains(w.Reaches, d[p]):
		return "bad_reach", "This permission does not go as far as that, or only further: GET /v1/rights says how far it can."
	case slices.Contains(withLeads, p) && d[p] > reads:
		return "beyond_reading", "It goes further than leads:read. Widen that, or narrow this."
	case slices.Contains(ofAllLeads, p) && reads != None && reads != All:
		return "needs_all_leads", "It is about every lead of the account, and leads:read is not. Widen that, or leave this out."
	case p == account.ReadReports && reads == Teams && d[p] > Teams:
		return "beyond_reading", "Who reads the leads of teams sees the counts of teams."
	case slices.Contains(withPersons, p) && (reads != All || d[account.OpenPersons] != All):
		return "needs_all_leads", "It is about every lead with its person: it takes leads:read and persons:open of all."
	}
	return "", ""
}

var (
	// withLeads are done to leads, so that one has to read them.
	withLeads = []account.Permission{account.OpenPersons, account.WorkLeads, account.MoveLeads}
	// withPersons take out or give away every lead's person.
	withPersons = []account.Permission{account.ExportLeads, account.ManagePrivacy, account.ManageGrants, account.LeaveAccount}
	// ofAllLeads show every lead, or let one widen one's own reach: who manages
	// routing puts people into teams.
	ofAllLeads = []account.Permission{account.ManageRouting, account.ImportLeads, account.ReadRecord}
)
