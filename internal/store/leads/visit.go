package leads

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// VisitPlace is what the place of a site visit is bound to.
func VisitPlace(id lead.VisitID) vault.Binding {
	return vault.Binding{Table: "site_visit", Row: id.UUID(), Field: vault.Spot}
}

// Visit is a row of site_visit. Its place may name where somebody lives, so it
// opens with the person's key.
type Visit struct {
	ID        lead.VisitID
	Lead      lead.ID
	Project   account.ProjectID
	Person    lead.PersonID
	User      account.UserID // zero: nobody yet
	State     lead.VisitState
	At        time.Time
	Place     vault.Sealed
	By        string
	CreatedAt time.Time
	ChangedAt time.Time
}

const visitColumns = `visit_id, lead_id, project_id, person_id, user_id, state, planned_at, place, by_actor, created_at, changed_at`

const visitPage = ` AND (CAST($5 AS text) IS NULL OR state = $5) AND (planned_at, visit_id) < ($2, $3) ORDER BY planned_at DESC, visit_id DESC LIMIT $4`

var (
	addVisit = store.Register("leads.visit.add", `INSERT INTO site_visit (account_id, `+visitColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`)
	getVisit    = store.Register("leads.visit.get", `SELECT `+visitColumns+` FROM site_visit WHERE account_id = $1 AND visit_id = $2`)
	changeVisit = store.Register("leads.visit.change", `UPDATE site_visit SET state = $4, planned_at = $5, user_id = $6, place = $7, changed_at = $8
		WHERE account_id = $1 AND visit_id = $2 AND state = $3`)
	moveVisits = store.Register("leads.visit.move", `UPDATE site_visit SET user_id = $4, changed_at = $5
		WHERE account_id = $1 AND lead_id = $2 AND state = 'planned' AND (user_id = $3 OR user_id IS NULL)`)
	listVisits  = store.Register("leads.visit.list", `SELECT `+visitColumns+` FROM site_visit WHERE account_id = $1`+visitPage)
	visitsTeams = store.Register("leads.visit.list_teams", `SELECT `+visitColumns+` FROM site_visit
		WHERE account_id = $1 AND (user_id = $6 OR `+store.InTeam("site_visit.project_id", "$6")+`)`+visitPage)
	visitsOfUser = store.Register("leads.visit.list_user", `SELECT `+visitColumns+` FROM site_visit WHERE account_id = $1 AND user_id = $6
		AND (CAST($7 AS uuid) IS NULL OR user_id = $7 OR `+store.InTeam("site_visit.project_id", "$7")+`)`+visitPage)
	visitsOfLead = store.Register("leads.visit.list_lead", `SELECT `+visitColumns+` FROM site_visit WHERE account_id = $1 AND lead_id = $6`+visitPage)
)

// AddVisit keeps the visit.
func AddVisit(tx *store.Tx, v Visit) error {
	return tx.Must(addVisit, v.ID, v.Lead, v.Project, v.Person, v.User, string(v.State), store.Micro(v.At), sealedOrNull(v.Place),
		v.By, store.Micro(v.CreatedAt), store.Micro(v.ChangedAt))
}

// VisitByID returns the visit, or store.ErrNone.
func VisitByID(tx *store.Tx, id lead.VisitID) (Visit, error) {
	return scanVisit(tx.Row(getVisit, id).Scan)
}

// ChangeVisit writes state, time, user and place; was is the state it was read
// in, store.ErrAgain when it has another by now.
func ChangeVisit(tx *store.Tx, was lead.VisitState, v Visit) error {
	return fenced(tx.Exec(changeVisit, v.ID, string(was), string(v.State), store.Micro(v.At), v.User, sealedOrNull(v.Place), store.Micro(v.ChangedAt)))
}

// MoveVisits has the lead's new owner receive what is planned and its former
// one, or nobody, would receive; a zero owner is nobody.
func MoveVisits(tx *store.Tx, id lead.ID, from, to account.UserID, at time.Time) error {
	_, err := tx.Exec(moveVisits, id, from, to, store.Micro(at))
	return err
}

// VisitFilter says which visits to list; zero values ask for nothing. Lead goes
// before User.
type VisitFilter struct {
	Lead  lead.ID
	User  account.UserID
	State lead.VisitState
	// TeamsOf keeps to the projects whose team the user is in, and to visits that
	// the user receives; not with Lead.
	TeamsOf account.UserID
}

// ListVisits returns up to limit visits, the latest planned first.
func ListVisits(tx *store.Tx, f VisitFilter, after time.Time, id lead.VisitID, limit int) (out []Visit, err error) {
	at, place := workPlace(after, id)
	args := []any{at, place, limit, textOrNull(string(f.State))}
	st := listVisits
	switch {
	case !f.Lead.IsZero():
		st, args = visitsOfLead, append(args, f.Lead)
	case !f.User.IsZero():
		st, args = visitsOfUser, append(args, f.User, f.TeamsOf)
	case !f.TeamsOf.IsZero():
		st, args = visitsTeams, append(args, f.TeamsOf)
	}
	rows, err := tx.Query(st, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		v, err := scanVisit(scan)
		out = append(out, v)
		return err
	})
	return out, err
}

func scanVisit(scan func(...any) error) (v Visit, err error) {
	err = scan(&v.ID, &v.Lead, &v.Project, &v.Person, &v.User, &v.State, store.Time(&v.At), &v.Place.Data, &v.By,
		store.Time(&v.CreatedAt), store.Time(&v.ChangedAt))
	v.Place.Binding, v.Place.Subject = VisitPlace(v.ID), vault.Subject(v.Person.UUID())
	return v, err
}
