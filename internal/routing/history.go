package routing

import (
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/changes"
	"catchment/internal/store/offers"
)

// edit is who changes something, and when.
type edit struct {
	actor string
	now   time.Time
}

// keep writes down what a field of a thing was and is, if it is another now.
// What is changed of a pool stands under its project, where people see it.
func (e edit) keep(tx *store.Tx, thing, field string, was, is any) error {
	all, err := changes.Of(field, was, is)
	if err != nil {
		return err
	}
	return changes.Add(tx, thing, store.Clock(e.now), e.actor, all...)
}

// keepIf writes down who came to a list of users, or left it.
func (e edit) keepIf(tx *store.Tx, p offers.Pool, field string, u account.UserID, was, is bool) error {
	one := func(in bool) any {
		if !in {
			return nil
		}
		return u
	}
	return e.keep(tx, p.Project.String(), field, one(was), one(is))
}

// poolFacts are what a manager sets of a pool, as its history has them.
func poolFacts(p offers.Pool) any {
	return map[string]any{"name": p.Name, "accept_seconds": p.AcceptSeconds, "offers_at_once": p.OffersAtOnce, "queue_name": p.QueueName, "alarm_seconds": p.AlarmSeconds}
}

func (e edit) keepPool(tx *store.Tx, was, is offers.Pool) error {
	all, err := changes.Between("pool.", poolFacts(was), poolFacts(is))
	if err != nil {
		return err
	}
	return changes.Add(tx, is.Project.String(), store.Clock(e.now), e.actor, all...)
}

// memberOf finds the user among those who are or were in the pool.
func memberOf(tx *store.Tx, id account.PoolID, user account.UserID) (offers.Member, error) {
	roster, err := offers.Roster(tx, id)
	if i := slices.IndexFunc(roster, func(m offers.Member) bool { return m.User == user }); i >= 0 {
		return roster[i], err
	}
	return offers.Member{}, err
}

// versionFacts name a policy in its project's history.
func versionFacts(v Version) any {
	return map[string]any{"id": v.ID, "name": v.Name, "version": v.Policy.Version}
}
