package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/sift"
	"catchment/internal/store"
	"catchment/internal/store/views"
	"catchment/internal/web"
)

// maxViews is how many one user keeps.
const maxViews = 100

// SavedView is a list of leads as somebody wants to see it again.
type SavedView struct {
	ID        string           `json:"id" example:"view_01h455vb4pex5vsknk084sn02q"`
	UserID    string           `json:"user_id" doc:"Whose it is: they alone change it."`
	Name      string           `json:"name" example:"Waiting since yesterday"`
	Filter    *sift.LeadFilter `json:"filter" doc:"Which leads: what GET /v1/leads takes, under the same names."`
	List      string           `json:"list" doc:"A work list of GET /v1/leads instead, of the filter's owner; empty: none." example:"overdue"`
	Hidden    []string         `json:"hidden" nullable:"false" doc:"Columns of the table that it leaves out."`
	Shared    bool             `json:"shared" doc:"Whoever may move leads sees it, too."`
	CreatedAt time.Time        `json:"created_at"`
}

// ViewPath is the input of a route about one view.
type ViewPath struct {
	ID string `path:"id" doc:"The view's id." example:"view_01h455vb4pex5vsknk084sn02q"`
}

type newViewIn struct {
	Body struct {
		Name   string           `json:"name" minLength:"1" maxLength:"80" example:"Waiting since yesterday"`
		Filter *sift.LeadFilter `json:"filter,omitempty" doc:"Which leads: what GET /v1/leads takes, under the same names. Left out: all."`
		List   string           `json:"list,omitempty" enum:"overdue,due-today,no-next-action,missed,re-engaged,new-without-contact" doc:"A work list instead."`
		Hidden []string         `json:"hidden,omitempty" maxItems:"30" doc:"Columns of the table that it leaves out."`
		Shared bool             `json:"shared,omitempty" doc:"Whoever may move leads sees it, too. It takes leads:move."`
	}
}

type viewIn struct {
	ViewPath
	Body struct {
		Name   *string          `json:"name,omitempty" minLength:"1" maxLength:"80"`
		Filter *sift.LeadFilter `json:"filter,omitempty" doc:"All of it: it replaces what was there, and the work list."`
		List   *string          `json:"list,omitempty" enum:"overdue,due-today,no-next-action,missed,re-engaged,new-without-contact"`
		Hidden *[]string        `json:"hidden,omitempty" maxItems:"30"`
		Shared *bool            `json:"shared,omitempty"`
	}
}

// ViewGone says which view is forgotten.
type ViewGone struct {
	ID string `json:"id"`
}

func (c *Console) viewRoutes() {
	op := func(method, path, name string, status int, summary, detail string) web.Op {
		return web.Op{Method: method, Path: path, Name: name, Tag: "views", Permission: account.ReadLeads, Status: status, Summary: summary, Detail: detail}
	}
	web.See(c.API, op("GET", "/v1/views", "list-views", 0, "Views of the list of leads that you keep, or others share",
		"By name, whole. What others share is there for whoever may move leads. A view shows no lead: the list behind it is asked for as ever."), listViews)
	web.Do(c.API, op("POST", "/v1/views", "create-view", 201, "Keep a view", "One that you keep by the same name becomes this one. 409 too_many beyond a hundred."), newView)
	web.Do(c.API, op("PATCH", "/v1/views/{id}", "change-view", 0, "Change a view of yours", "What is left out stays. 409 name_taken when you keep another by the name."), reviseView)
	web.Do(c.API, op("DELETE", "/v1/views/{id}", "drop-view", 0, "Forget a view of yours", ""), dropView)
}

func savedView(r views.View) SavedView {
	out := SavedView{ID: r.ID.String(), UserID: r.User.String(), Name: r.Name, Filter: &sift.LeadFilter{}, List: r.List, Hidden: append([]string{}, r.Hidden...),
		Shared: r.Shared, CreatedAt: r.CreatedAt}
	_ = json.Unmarshal([]byte(r.Filter), out.Filter) // we wrote it
	return out
}

// keeper refuses a key, which keeps no views.
func keeper(v *web.Visit) error {
	if v.User.IsZero() {
		return problem.Forbidden("not_a_user", "Only a user keeps views.")
	}
	return nil
}

func listViews(v *web.Visit, tx *store.Tx, _ *struct{}) (*web.List[SavedView], error) {
	if err := keeper(v); err != nil {
		return nil, err
	}
	all, err := views.Of(tx, v.User)
	if err != nil {
		return nil, err
	}
	if v.May(account.MoveLeads) {
		others, err := views.Shared(tx)
		if err != nil {
			return nil, err
		}
		all = append(all, only(others, func(r views.View) bool { return r.User != v.User })...)
	}
	slices.SortFunc(all, func(a, b views.View) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return whole(all, savedView), nil
}

func newView(v *web.Visit, tx *store.Tx, in *newViewIn) (*SavedView, error) {
	b := in.Body
	r := views.View{ID: account.NewViewID(), User: v.User, Name: strings.TrimSpace(b.Name), List: b.List, Hidden: b.Hidden, Shared: b.Shared, CreatedAt: v.At}
	mine, err := views.Of(tx, v.User)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(mine, func(x views.View) bool { return x.Name == r.Name }); i >= 0 {
		r.ID, r.CreatedAt = mine[i].ID, mine[i].CreatedAt
		return keepView(v, tx, r, b.Filter, views.Update)
	}
	return keepView(v, tx, r, b.Filter, views.Add)
}

// keepView checks the view and writes it. A nil filter leaves what it has.
func keepView(v *web.Visit, tx *store.Tx, r views.View, filter *sift.LeadFilter, write func(*store.Tx, views.View) error) (*SavedView, error) {
	if err := keeper(v); err != nil {
		return nil, err
	}
	if r.Shared && !v.May(account.MoveLeads) {
		return nil, problem.Forbidden("forbidden", "The role %s may not share views (it needs %s).", v.Role, account.MoveLeads)
	}
	if r.Name = strings.TrimSpace(r.Name); r.Name == "" || !printable(r.Name) {
		return nil, problem.InvalidField("name", "required", "Give the view a name, in a line of text.")
	}
	if err := checkColumns(r.Hidden); err != nil {
		return nil, err
	}
	if filter == nil && r.Filter == "" {
		filter = &sift.LeadFilter{}
	}
	if filter != nil {
		if _, err := filter.Filter(v.User); err != nil {
			return nil, err
		}
		text, err := json.Marshal(filter)
		if err != nil {
			return nil, err
		}
		r.Filter = string(text)
	}
	if err := room(tx, r); err != nil {
		return nil, err
	}
	r.ChangedAt = v.At
	out := savedView(r)
	return &out, write(tx, r)
}

// room refuses a name that the user has for another view, and more than they can keep.
func room(tx *store.Tx, r views.View) error {
	mine, err := views.Of(tx, r.User)
	if err != nil {
		return err
	}
	others := only(mine, func(x views.View) bool { return x.ID != r.ID })
	if slices.ContainsFunc(others, func(x views.View) bool { return x.Name == r.Name }) {
		return problem.Conflict("name_taken", "You keep another view by this name.")
	}
	if len(others) >= maxViews {
		return problem.Conflict("too_many", "You keep %d views. Forget one first.", len(others))
	}
	return nil
}

// checkColumns takes names as the table has them.
func checkColumns(names []string) error {
	for _, n := range names {
		if n == "" || len(n) > 40 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return problem.InvalidField("hidden", "bad_column", "Name columns by small letters, such as owner.")
		}
	}
	return nil
}

// ownView finds a view of the visitor's; everybody else's is not there.
func ownView(v *web.Visit, tx *store.Tx, p ViewPath) (views.View, error) {
	if err := keeper(v); err != nil {
		return views.View{}, err
	}
	id, err := web.PathID(p.ID, account.ParseViewID)
	if err != nil {
		return views.View{}, err
	}
	r, err := views.Get(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && r.User != v.User {
		err = problem.NotFound()
	}
	return r, err
}

func reviseView(v *web.Visit, tx *store.Tx, in *viewIn) (*SavedView, error) {
	r, err := ownView(v, tx, in.ViewPath)
	if err != nil {
		return nil, err
	}
	b := in.Body
	r.Name, r.Shared = orWas(b.Name, r.Name), orWas(b.Shared, r.Shared)
	r.Hidden, r.List = orWas(b.Hidden, r.Hidden), orWas(b.List, r.List)
	if b.Filter != nil && b.List == nil {
		r.List = ""
	}
	return keepView(v, tx, r, b.Filter, views.Update)
}

func orWas[T any](p *T, was T) T {
	if p != nil {
		return *p
	}
	return was
}

func dropView(v *web.Visit, tx *store.Tx, in *ViewPath) (*ViewGone, error) {
	r, err := ownView(v, tx, *in)
	if err != nil {
		return nil, err
	}
	return &ViewGone{r.ID.String()}, views.Drop(tx, r)
}
