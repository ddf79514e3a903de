package console

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/policies"
	"catchment/internal/store/setup"
	"catchment/internal/web"
)

// RoutingPolicy is one version of a project's policy. It is never changed:
// another text is another version.
type RoutingPolicy struct {
	ID          string            `json:"id" example:"plcy_01h455vb4pex5vsknk084sn02q"`
	ProjectID   string            `json:"project_id" example:"proj_01h455vb4pex5vsknk084sn02q"`
	Version     int64             `json:"version" doc:"Of the project. 1 is the plain rotation that every pool begins with."`
	Name        string            `json:"name" example:"Spring launch"`
	Published   bool              `json:"published" doc:"Leads are routed by it now."`
	PublishedAt *time.Time        `json:"published_at" doc:"Last; null: never."`
	CreatedAt   time.Time         `json:"created_at"`
	CreatedBy   string            `json:"created_by"`
	Policy      routing.Policy    `json:"policy"`
	Words       []string          `json:"words" nullable:"false" doc:"The policy in plain language."`
	Warnings    []routing.Warning `json:"warnings,omitempty" doc:"What may not be meant: rules that no lead reaches, people who are not there, fallbacks that help nobody. Left out in lists, and when there are none."`
}

// PolicyPath is the input of a route about one version.
type PolicyPath struct {
	ID string `path:"id" doc:"The policy's id." example:"plcy_01h455vb4pex5vsknk084sn02q"`
}

func (p PolicyPath) policy() (account.PolicyID, error) {
	return web.PathID(p.ID, account.ParsePolicyID)
}

type policiesIn struct {
	web.Page
	Project string `query:"project" doc:"Only this project's." example:"proj_01h455vb4pex5vsknk084sn02q"`
}

type newPolicyIn struct {
	Body struct {
		ProjectID string         `json:"project_id" doc:"A project that has a pool." example:"proj_01h455vb4pex5vsknk084sn02q"`
		Name      string         `json:"name" minLength:"1" maxLength:"80" example:"Spring launch"`
		Policy    routing.Policy `json:"policy"`
	}
}

type checkPolicyIn struct {
	Body struct {
		ProjectID string         `json:"project_id" doc:"A project that has a pool." example:"proj_01h455vb4pex5vsknk084sn02q"`
		Policy    routing.Policy `json:"policy"`
	}
}

// PolicyCheck is what a policy would say.
type PolicyCheck struct {
	Words    []string          `json:"words" nullable:"false" doc:"The policy in plain language."`
	Warnings []routing.Warning `json:"warnings" nullable:"false" doc:"What may not be meant."`
}

type memberTagsIn struct {
	ProjectPath
	User string `path:"user" doc:"The user's id." example:"user_01h455vb4pex5vsknk084sn02q"`
	Body struct {
		Tags []string `json:"tags" maxItems:"50" nullable:"false" doc:"All of them: they replace what was there." example:"language:hi"`
	}
}

// MemberTags are what rules may ask of a pool's member.
type MemberTags struct {
	UserID string   `json:"user_id" example:"user_01h455vb4pex5vsknk084sn02q"`
	Tags   []string `json:"tags" nullable:"false"`
}

func (c *Console) policyRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/policies", Name: "list-policies", Tag: "routing", Permission: account.ReadSetup,
		Summary: "Versions of the routing policies", Detail: "Newest first, each project's published one among them."}, c.listPolicies)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/policies", Name: "create-policy", Tag: "routing", Permission: account.ManageRouting, Status: 201,
		Summary: "Draft a version of a project's policy", Detail: "It routes nothing until it is published. A condition that cannot be read is refused with its line and column."}, c.newPolicy)
	web.See(c.API, web.Op{Method: "POST", Path: "/v1/policies/check", Name: "check-policy", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Read a policy before it is drafted", Detail: "In plain language, with what may not be meant; refused as a draft would be. Nothing is kept."}, c.checkPolicy)
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/policies/{id}", Name: "get-policy", Tag: "routing", Permission: account.ReadSetup,
		Summary: "One version, also in plain language"}, c.getPolicy)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/policies/{id}/publish", Name: "publish-policy", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Route by this version from now on", Detail: "Open offers stand. Publishing the published one changes nothing."}, c.publishPolicy)
	web.Do(c.API, web.Op{Method: "POST", Path: "/v1/policies/{id}/rollback", Name: "roll-back-policy", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Put back what this published version replaced", Detail: "The answer is the version that is published then. 409 not_published: somebody else was first. 409 first_version: there is nothing before it."}, c.rollBackPolicy)
	web.Do(c.API, web.Op{Method: "PUT", Path: "/v1/projects/{id}/pool/members/{user}/tags", Name: "put-member-tags", Tag: "routing", Permission: account.ManageRouting,
		Summary: "Set the skills and territories of a pool's member", Detail: "Rules may ask for them."}, c.putTags)
}

func (c *Console) listPolicies(_ *web.Visit, tx *store.Tx, in *policiesIn) (*web.List[RoutingPolicy], error) {
	all, err := c.Routing.Policies(tx)
	if err != nil {
		return nil, err
	}
	if in.Project != "" {
		id, err := account.ParseProjectID(in.Project)
		if err != nil {
			return nil, problem.InvalidField("project", "unknown_project", "Give the id of a project.")
		}
		all = only(all, func(v routing.Version) bool { return v.Project == id })
	}
	names, err := userNames(tx)
	if err != nil {
		return nil, err
	}
	return window(in.Page, all, func(v routing.Version) web.Place { return web.Place{At: v.CreatedAt, ID: v.ID.UUID()} },
		func(v routing.Version) RoutingPolicy { return policyView(v, names) })
}

func policyView(v routing.Version, names map[account.UserID]string) RoutingPolicy {
	return RoutingPolicy{ID: v.ID.String(), ProjectID: v.Project.String(), Version: v.Version, Name: v.Name, Published: v.Published,
		PublishedAt: web.TimeOrNull(v.PublishedAt), CreatedAt: v.CreatedAt, CreatedBy: v.By, Policy: v.Rules, Words: v.Rules.Words(names)}
}

func (c *Console) policyAnswer(tx *store.Tx, at time.Time, v routing.Version, err error) (*RoutingPolicy, error) {
	if err != nil {
		return nil, err
	}
	warnings, err := c.Routing.Warnings(tx, v, at)
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	if err != nil {
		return nil, err
	}
	out := policyView(v, names)
	out.Warnings = warnings
	return &out, nil
}

func (c *Console) newPolicy(v *web.Visit, tx *store.Tx, in *newPolicyIn) (*RoutingPolicy, error) {
	id, err := policyProject(tx, in.Body.ProjectID)
	if err != nil {
		return nil, err
	}
	made, err := c.Routing.DraftPolicy(tx, id, in.Body.Name, in.Body.Policy, v.Actor, v.At)
	return c.policyAnswer(tx, v.At, made, err)
}

func policyProject(tx *store.Tx, text string) (account.ProjectID, error) {
	unknown := problem.InvalidField("project_id", "unknown_project", "Give the id of a project of this account.")
	id, err := account.ParseProjectID(text)
	if err != nil {
		return id, unknown
	}
	if _, err := setup.GetProject(tx, id); err != nil {
		return id, unknown
	}
	return id, nil
}

func (c *Console) checkPolicy(v *web.Visit, tx *store.Tx, in *checkPolicyIn) (*PolicyCheck, error) {
	id, err := policyProject(tx, in.Body.ProjectID)
	if err != nil {
		return nil, err
	}
	if err := c.Routing.CheckPolicy(tx, id, in.Body.Policy); err != nil {
		return nil, err
	}
	warnings, err := c.Routing.Warnings(tx, routing.Version{Policy: policies.Policy{Project: id}, Rules: in.Body.Policy}, v.At)
	if err != nil {
		return nil, err
	}
	names, err := userNames(tx)
	return &PolicyCheck{Words: in.Body.Policy.Words(names), Warnings: append([]routing.Warning{}, warnings...)}, err
}

func (c *Console) getPolicy(v *web.Visit, tx *store.Tx, in *PolicyPath) (*RoutingPolicy, error) {
	id, err := in.policy()
	if err != nil {
		return nil, err
	}
	found, err := c.Routing.GetPolicy(tx, id)
	return c.policyAnswer(tx, v.At, found, err)
}

func (c *Console) publishPolicy(v *web.Visit, tx *store.Tx, in *PolicyPath) (*RoutingPolicy, error) {
	id, err := in.policy()
	if err != nil {
		return nil, err
	}
	now, err := c.Routing.PublishPolicy(tx, id, v.Actor, v.At)
	return c.policyAnswer(tx, v.At, now, err)
}

func (c *Console) rollBackPolicy(v *web.Visit, tx *store.Tx, in *PolicyPath) (*RoutingPolicy, error) {
	id, err := in.policy()
	if err != nil {
		return nil, err
	}
	now, err := c.Routing.RollBackPolicy(tx, id, v.Actor, v.At)
	return c.policyAnswer(tx, v.At, now, err)
}

func (c *Console) putTags(v *web.Visit, tx *store.Tx, in *memberTagsIn) (*MemberTags, error) {
	id, err := in.project()
	if err != nil {
		return nil, err
	}
	user, err := web.PathID(in.User, account.ParseUserID)
	if err != nil {
		return nil, err
	}
	p, err := offers.PoolOf(tx, id)
	if err != nil {
		return nil, err
	}
	if err := c.Routing.SetTags(tx, p.ID, user, in.Body.Tags, v.Actor, v.At); err != nil {
		return nil, err
	}
	return &MemberTags{UserID: user.String(), Tags: in.Body.Tags}, nil
}
