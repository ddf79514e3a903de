package routing

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/policies"
)

// Version is one version of a project's policy.
type Version struct {
	policies.Policy
	Rules     Policy // its body
	Published bool   // leads are routed by it now
}

// DraftPolicy stores a new version, which routes nothing until it is
// published. A version is never changed. 422: see Policy.Check; also when a
// member of a rule is not in the pool. The project must have a pool.
func (r *Router) DraftPolicy(tx *store.Tx, project account.ProjectID, name string, p Policy, actor string, now time.Time) (Version, error) {
	if err := r.CheckPolicy(tx, project, p); err != nil {
		return Version{}, err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return Version{}, err
	}
	newest, err := policies.Newest(tx, project)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return Version{}, err
	}
	now = store.Clock(now)
	row := policies.Policy{ID: account.NewPolicyID(), Project: project, Version: max(newest, 1) + 1, Name: strings.TrimSpace(name),
		Body: string(body), By: actor, CreatedAt: now}
	ok, err := policies.Add(tx, row)
	if err != nil || !ok {
		return Version{}, lost(err) // another draft took the number
	}
	return Version{Policy: row, Rules: p}, audit.Write(tx, now, audit.Entry{Actor: actor, Action: "policy.drafted", About: row.ID.String(),
		Detail: map[string]any{"project_id": project, "version": row.Version}})
}

// CheckPolicy refuses what DraftPolicy would, and writes nothing.
func (r *Router) CheckPolicy(tx *store.Tx, project account.ProjectID, p Policy) error {
	pool, err := offers.PoolOf(tx, project)
	if errors.Is(err, store.ErrNone) {
		return problem.InvalidField("project_id", "no_pool", "Give the id of a project that has a pool.")
	}
	if err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return err
	}
	return r.checkPeople(tx, pool, p)
}

func (r *Router) checkPeople(tx *store.Tx, pool offers.Pool, p Policy) error {
	roster, err := offers.Roster(tx, pool.ID)
	if err != nil {
		return err
	}
	in := map[account.UserID]bool{}
	for _, m := range roster {
		in[m.User] = true
	}
	for _, rule := range p.Rules {
		for _, m := range rule.Members {
			if !in[m.User] {
				return problem.InvalidField("rules.members.user_id", "not_in_pool", "Rule %q: put the user into the pool first.", rule.Name)
			}
		}
	}
	return nil
}

// GetPolicy reads a version; 404 when there is none. A pool's first version,
// the plain rotation, is not stored and has the pool's own number.
func (r *Router) GetPolicy(tx *store.Tx, id account.PolicyID) (Version, error) {
	row, err := policies.Get(tx, id)
	if errors.Is(err, store.ErrNone) {
		pool, err := offers.GetPool(tx, account.PoolOfFirst(id))
		if errors.Is(err, store.ErrNone) {
			return Version{}, problem.NotFound()
		}
		return first(pool), err
	}
	if err != nil {
		return Version{}, err
	}
	pool, err := offers.PoolOf(tx, row.Project)
	if err != nil {
		return Version{}, err
	}
	return version(row, pool)
}

func version(row policies.Policy, pool offers.Pool) (v Version, err error) {
	v = Version{Policy: row, Published: pool.Policy == row.ID}
	err = json.Unmarshal([]byte(row.Body), &v.Rules)
	return v, err
}

func first(p offers.Pool) Version {
	return Version{Policy: policies.Policy{ID: account.FirstPolicy(p.ID), Project: p.Project, Version: 1, Name: "In turn", By: systemActor,
		CreatedAt: p.CreatedAt, PublishedAt: p.CreatedAt}, Rules: DefaultPolicy(), Published: p.Policy.IsZero()}
}

// Policies lists every version of every pool, newest first.
func (r *Router) Policies(tx *store.Tx) ([]Version, error) {
	pools, err := offers.Pools(tx)
	if err != nil {
		return nil, err
	}
	rows, err := policies.All(tx)
	if err != nil {
		return nil, err
	}
	of, out := map[account.ProjectID]offers.Pool{}, []Version(nil)
	for _, p := range pools {
		of[p.Project] = p
		out = append(out, first(p))
	}
	for _, row := range rows {
		v, err := version(row, of[row.Project])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b Version) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(b.ID.String(), a.ID.String())
	})
	return out, nil
}

// PublishPolicy has the project's leads routed by a version from the next
// round on; open offers stand. Publishing what is published changes nothing.
func (r *Router) PublishPolicy(tx *store.Tx, id account.PolicyID, actor string, now time.Time) (Version, error) {
	v, err := r.GetPolicy(tx, id)
	if err != nil || v.Published {
		return v, err
	}
	pool, err := r.poolOf(tx, v.Project)
	if err != nil {
		return v, err
	}
	if err := r.checkPeople(tx, pool, v.Rules); err != nil {
		return v, err
	}
	now = store.Clock(now)
	if !v.isFirst(pool) {
		if err := policies.Mark(tx, id, now, pool.Policy); err != nil {
			return v, err
		}
	}
	return r.swap(tx, pool, v, "policy.published", actor, now)
}

// RollBackPolicy puts back, in one step, what the published version replaced.
// It gives the version that is published then. 409 not_published: id is not
// the published version, so somebody else was first; 409 first_version.
func (r *Router) RollBackPolicy(tx *store.Tx, id account.PolicyID, actor string, now time.Time) (Version, error) {
	v, err := r.GetPolicy(tx, id)
	if err != nil {
		return v, err
	}
	if !v.Published {
		return v, problem.Conflict("not_published", "This version is not the published one; read the list again.")
	}
	pool, err := r.poolOf(tx, v.Project)
	if err != nil {
		return v, err
	}
	if v.isFirst(pool) {
		return v, problem.Conflict("first_version", "This is the first version; there is nothing before it.")
	}
	before := v.Replaced
	if before.IsZero() {
		before = account.FirstPolicy(pool.ID)
	}
	back, err := r.GetPolicy(tx, before)
	if err != nil {
		return back, err
	}
	return r.swap(tx, pool, back, "policy.rolled_back", actor, store.Clock(now))
}

// isFirst reports whether it is the pool's plain rotation.
func (v Version) isFirst(p offers.Pool) bool { return v.ID == account.FirstPolicy(p.ID) }

func (r *Router) poolOf(tx *store.Tx, project account.ProjectID) (offers.Pool, error) {
	if err := offers.Turn(tx); err != nil {
		return offers.Pool{}, err
	}
	return offers.PoolOf(tx, project)
}

func (r *Router) swap(tx *store.Tx, pool offers.Pool, to Version, action, actor string, now time.Time) (Version, error) {
	id, before := to.ID, pool.Policy
	if to.isFirst(pool) {
		id = account.PolicyID{}
	}
	if before.IsZero() {
		before = account.FirstPolicy(pool.ID)
	}
	was, err := r.GetPolicy(tx, before)
	if err != nil {
		return to, err
	}
	if ok, err := offers.SetPolicy(tx, pool, id); err != nil || !ok {
		return to, lost(err)
	}
	if err := (edit{actor, now}).keep(tx, pool.Project.String(), "policy", versionFacts(was), versionFacts(to)); err != nil {
		return to, err
	}
	to.Published = true
	if !to.isFirst(pool) && action == "policy.published" {
		to.PublishedAt, to.Replaced = now, pool.Policy
	}
	r.events.Emit(tx, events.Event{Kind: events.SetupChanged, At: now, Project: pool.Project, Data: map[string]any{"what": "policy", "id": to.ID}})
	if err := audit.Write(tx, now, audit.Entry{Actor: actor, Action: action, About: to.ID.String(),
		Detail: map[string]any{"project_id": pool.Project, "version": to.Version}}); err != nil {
		return to, err
	}
	return to, r.Wanted(tx, pool.Project, now)
}

// maxTags is plenty for one person.
const maxTags = 50

// SetTags replaces the tags of a pool's member, which rules may ask for; 404
// when the user is not in it.
func (r *Router) SetTags(tx *store.Tx, id account.PoolID, user account.UserID, tags []string, actor string, now time.Time) error {
	p, err := r.pool(tx, id)
	if err != nil {
		return err
	}
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(tags) > maxTags || slices.ContainsFunc(tags, func(t string) bool { return t == "" || len(t) > 80 || strings.TrimSpace(t) != t }) {
		return problem.InvalidField("tags", "length", "Give at most %d tags of 1 to 80 characters.", maxTags)
	}
	if tags == nil {
		tags = []string{}
	}
	was, err := memberOf(tx, id, user)
	if err != nil {
		return err
	}
	ok, err := offers.SetTags(tx, id, user, tags)
	if err != nil {
		return err
	}
	if !ok {
		return problem.NotFound()
	}
	facts := func(tags []string) any { return map[string]any{"user_id": user, "tags": append([]string{}, tags...)} }
	if err := (edit{actor, now}).keep(tx, p.Project.String(), "pool.tags", facts(was.Tags), facts(tags)); err != nil {
		return err
	}
	return r.changed(tx, p, "pool.tags", actor, store.Clock(now), map[string]any{"user_id": user, "tags": len(tags)})
}
