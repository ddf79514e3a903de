package offers

import (
	"encoding/json"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// These are what a policy asks of a pool's members beyond the roster, and of
// the leads. None of it is personal.
var (
	factsOpen = store.List("offers.facts_open", `SELECT owner_id, count(*) FROM lead
		WHERE account_id = $1 AND closed_at IS NULL AND owner_id IN (LIST) GROUP BY owner_id`)
	factsTaken = store.List("offers.facts_taken", `SELECT user_id, count(*) FROM assignment
		WHERE account_id = $1 AND from_at >= $2 AND reason <> 'transferred' AND user_id IN (LIST) GROUP BY user_id`)
	factsLast = store.List("offers.facts_last", `SELECT user_id, max(from_at) FROM assignment
		WHERE account_id = $1 AND reason <> 'transferred' AND user_id IN (LIST) GROUP BY user_id`)
	factsSeen = store.List("offers.facts_seen", `SELECT user_id, max(seen_at) FROM session
		WHERE account_id = $1 AND revoked_at IS NULL AND user_id IN (LIST) GROUP BY user_id`)
	factsPush = store.List("offers.facts_push", `SELECT user_id, max(answered_at) FROM push_subscription
		WHERE account_id = $1 AND answered_at IS NOT NULL AND user_id IN (LIST) GROUP BY user_id`)
	factsSticky = store.List("offers.facts_sticky", `SELECT l.lead_id, o.owner_id, o.created_at FROM lead l
		JOIN lead o ON o.account_id = $1 AND o.person_id = l.person_id AND o.created_at < l.created_at AND o.owner_id IS NOT NULL
		WHERE l.account_id = $1 AND l.lead_id IN (LIST)`)
	factsLead = store.List("offers.facts_lead", `SELECT e.lead_id, e.received_at, e.attribution, e.custom, e.source_id, e.project_id, h.country FROM enquiry e
		JOIN person h ON h.account_id = $1 AND h.person_id = e.person_id
		WHERE e.account_id = $1 AND e.lead_id IN (LIST)`)
	factsSource  = store.List("offers.facts_source", `SELECT source_id, slug FROM source WHERE account_id = $1 AND source_id IN (LIST)`)
	factsProject = store.List("offers.facts_project", `SELECT project_id, slug FROM project WHERE account_id = $1 AND project_id IN (LIST)`)
	memberTags   = store.Register("offers.member_tags", `UPDATE pool_member SET tags = $4 WHERE account_id = $1 AND pool_id = $2 AND user_id = $3`)
)

func perUser(tx *store.Tx, st *store.ListStmt, args []any, users []account.UserID) (map[account.UserID]int64, error) {
	list := make([]any, len(users))
	for i, u := range users {
		list[i] = u
	}
	out := map[account.UserID]int64{}
	err := tx.QueryList(st, args, list, func(scan func(...any) error) error {
		var u account.UserID
		var n int64
		err := scan(&u, &n)
		out[u] = n
		return err
	})
	return out, err
}

// OpenLeads counts the leads that each user owns and that are not closed.
func OpenLeads(tx *store.Tx, users []account.UserID) (map[account.UserID]int64, error) {
	return perUser(tx, factsOpen, nil, users)
}

// TakenSince counts the leads that each user accepted or claimed since then.
func TakenSince(tx *store.Tx, since time.Time, users []account.UserID) (map[account.UserID]int64, error) {
	return perUser(tx, factsTaken, []any{store.Micro(since)}, users)
}

// LastTaken is when each user accepted or claimed last, in microseconds.
func LastTaken(tx *store.Tx, users []account.UserID) (map[account.UserID]int64, error) {
	return perUser(tx, factsLast, nil, users)
}

// LastSeen is when a device of each user was seen last, in microseconds: it
// asked for something, or said that it had a push.
func LastSeen(tx *store.Tx, users []account.UserID) (map[account.UserID]int64, error) {
	seen, err := perUser(tx, factsSeen, nil, users)
	if err != nil {
		return nil, err
	}
	pushed, err := perUser(tx, factsPush, nil, users)
	for u, at := range pushed {
		seen[u] = max(seen[u], at)
	}
	return seen, err
}

// OwnersBefore says who owned the newest earlier lead of each lead's person.
func OwnersBefore(tx *store.Tx, ids []lead.ID) (map[lead.ID]account.UserID, error) {
	out, newest := map[lead.ID]account.UserID{}, map[lead.ID]int64{}
	err := tx.QueryList(factsSticky, nil, leadList(ids), func(scan func(...any) error) error {
		var id lead.ID
		var owner account.UserID
		var at int64
		if err := scan(&id, &owner, &at); err != nil {
			return err
		}
		if at > newest[id] {
			out[id], newest[id] = owner, at
		}
		return nil
	})
	return out, err
}

func leadList(ids []lead.ID) []any {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	return list
}

// LeadFacts is what is known of a lead's newest enquiry. Attribution and
// Custom are JSON objects; Custom has only fields that are marked non-personal.
type LeadFacts struct {
	Source, Project, Country string // slugs, and a country's two letters
	Attribution, Custom      string
	at                       int64
	source                   account.SourceID
	project                  account.ProjectID
}

// FactsOf reads them for each lead that has an enquiry. Sources and projects
// are few, so they are read by themselves: with all four tables in a statement
// for 64 leads PostgreSQL planned for 150 ms.
func FactsOf(tx *store.Tx, ids []lead.ID) (map[lead.ID]LeadFacts, error) {
	out := map[lead.ID]LeadFacts{}
	sources, projects := map[account.SourceID]string{}, map[account.ProjectID]string{}
	err := tx.QueryList(factsLead, nil, leadList(ids), func(scan func(...any) error) error {
		var id lead.ID
		var f LeadFacts
		if err := scan(&id, &f.at, &f.Attribution, &f.Custom, &f.source, &f.project, &f.Country); err != nil {
			return err
		}
		sources[f.source], projects[f.project] = "", ""
		if was, ok := out[id]; !ok || f.at >= was.at {
			out[id] = f
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := slugs(tx, factsSource, sources); err != nil {
		return nil, err
	}
	if err := slugs(tx, factsProject, projects); err != nil {
		return nil, err
	}
	for id, f := range out {
		f.Source, f.Project = sources[f.source], projects[f.project]
		out[id] = f
	}
	return out, nil
}

// slugs fills in those of the ids.
func slugs[K comparable](tx *store.Tx, st *store.ListStmt, of map[K]string) error {
	list := make([]any, 0, len(of))
	for id := range of {
		list = append(list, id)
	}
	return tx.QueryList(st, nil, list, func(scan func(...any) error) error {
		var id K
		var slug string
		err := scan(&id, &slug)
		of[id] = slug
		return err
	})
}

// SetTags replaces a member's tags. False: not in the pool.
func SetTags(tx *store.Tx, p account.PoolID, u account.UserID, tags []string) (bool, error) {
	text, err := json.Marshal(tags)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(memberTags, p, u, string(text))
	return n == 1, err
}
