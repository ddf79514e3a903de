package demo

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/totp"
)

// Seed makes the companies with all that they need, through the API at url,
// and writes DIR/demo.json. On a folder that has one it makes nothing, keeps
// ids, keys and passwords, and notes the new url. A seeding that was
// interrupted goes on: each step asks first whether it was done. trust is how
// the server at url is known, nil for the system's way.
//
// Every salesperson is signed on as available when it returns, so that offers
// are made also without the simulated ones.
func Seed(ctx context.Context, url string, trust *tls.Config, dir string, f Founder) (*World, error) {
	s, err := openState(dir)
	if err != nil {
		return nil, err
	}
	base := &client{base: strings.TrimSuffix(url, "/"), http: newHTTP(trust), apps: &totp.Apps{}}
	defer base.http.CloseIdleConnections()
	w, err := Load(dir)
	if isMissing(err) {
		w, err = found(ctx, base, s, f)
	} else if err == nil {
		if err = recognise(ctx, base, w); err == nil {
			err = equip(ctx, base, w, dir)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := openShop(ctx, base, w); err != nil {
		return nil, err
	}
	if err := awaitDoor(ctx, base, w); err != nil {
		return nil, err
	}
	w.URL, w.trust = base.base, trust
	if err := w.save(dir); err != nil {
		return nil, err
	}
	return w, s.done()
}

// recognise checks that demo.json belongs to the database in the folder.
func recognise(ctx context.Context, base *client, w *World) error {
	for _, a := range w.Accounts {
		err := base.as(a.SecretKey).insist(ctx, http.MethodGet, "/v1/account", "", nil, nil)
		if is(err, http.StatusUnauthorized) {
			return fmt.Errorf("%s is of another database than the one in this folder: use another folder, or remove the whole folder to begin anew", worldFile)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// found makes everything.
func found(ctx context.Context, base *client, s *state, f Founder) (*World, error) {
	w := &World{}
	for _, c := range companies() {
		o := &opening{base: base, state: s, begun: s.account(c.name), company: c}
		a, err := o.open(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		w.Accounts = append(w.Accounts, a)
	}
	w.Operator = Operator{Name: operatorName, Email: operatorEmail, Password: s.password(operatorEmail)}
	w.Second = Operator{Name: secondName, Email: secondEmail, Password: s.password(secondEmail)}
	w.Support = Operator{Name: supportName, Email: supportEmail, Password: s.password(supportEmail)}
	if err := s.save(); err != nil {
		return nil, err
	}
	for _, one := range []struct {
		role account.Role
		who  *Operator
	}{{account.Operator, &w.Operator}, {account.Operator, &w.Second}, {account.Support, &w.Support}} {
		if err := employ(ctx, base, s, one.role, one.who, f); err != nil {
			return w, err
		}
	}
	return w, nil
}

func employ(ctx context.Context, base *client, s *state, role account.Role, o *Operator, f Founder) error {
	api, _, err := base.signIn(ctx, o.Email, o.Password)
	if is(err, http.StatusUnauthorized) { // not made before an interruption
		if err := f.CreateStaff(ctx, role, o.Name, o.Email, o.Password); err != nil {
			return err
		}
		api, _, err = base.signIn(ctx, o.Email, o.Password)
	}
	if err != nil {
		return err
	}
	if api, err = s.strengthen(ctx, api, o.Email, ""); err != nil {
		return err
	}
	o.TOTP = s.Seeds[o.Email]
	return api.signOut(ctx)
}

// equip gives an app to the admins and the operator of a folder from before
// they had to have one.
func equip(ctx context.Context, base *client, w *World, dir string) error {
	one := func(email, password, phone string, seed *string) error {
		if *seed != "" {
			return nil
		}
		api, _, err := base.signIn(ctx, email, password)
		if err != nil {
			return err
		}
		if api, err = api.strengthen(ctx, phone, seed, func() error { return w.save(dir) }); err != nil {
			return err
		}
		return api.signOut(ctx)
	}
	for _, a := range w.Accounts {
		for i := range a.Users {
			u := &a.Users[i]
			if u.Role != account.Admin {
				continue
			}
			if err := one(u.Email, u.Password, u.Phone, &u.TOTP); err != nil {
				return fmt.Errorf("%s: %w", u.Name, err)
			}
		}
	}
	return one(w.Operator.Email, w.Operator.Password, "", &w.Operator.TOTP)
}

// openShop makes every salesperson available, but for those whom somebody has
// tried the demo as and given a second factor.
func openShop(ctx context.Context, base *client, w *World) error {
	for _, a := range w.Accounts {
		for _, u := range a.salespeople() {
			api, _, err := base.signIn(ctx, u.Email, u.Password)
			if err != nil {
				return fmt.Errorf("%s signs in: %w", u.Name, err)
			}
			err = api.insist(ctx, http.MethodPut, "/v1/me/presence", "", map[string]any{"state": account.Available}, nil)
			if err != nil && !is(err, http.StatusForbidden) {
				return fmt.Errorf("%s: %w", u.Name, err)
			}
			if err := api.signOut(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitDoor returns when the door knows the new keys, which takes it moments. A
// lead without a person is refused, but not for its key.
func awaitDoor(ctx context.Context, base *client, w *World) error {
	for _, a := range w.Accounts {
		for {
			err := base.as(a.PublishableKey).insist(ctx, http.MethodPost, "/v1/leads", "", map[string]any{}, nil)
			if is(err, http.StatusUnprocessableEntity) {
				break
			}
			if !is(err, http.StatusUnauthorized) {
				return fmt.Errorf("the door of %s: %w", a.Name, err)
			}
			if err := sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *client) signOut(ctx context.Context) error {
	return c.insist(ctx, http.MethodDelete, "/v1/sessions/current", "", nil, nil)
}

// opening makes one company.
type opening struct {
	base    *client
	state   *state
	begun   *begun
	company company
	admin   *client
}

func (o *opening) open(ctx context.Context, f Founder) (Account, error) {
	for _, p := range o.company.everyone() {
		o.state.password(p.email)
	}
	if err := o.state.save(); err != nil {
		return Account{}, err
	}
	if err := o.enter(ctx, f); err != nil {
		return Account{}, fmt.Errorf("its admin: %w", err)
	}
	out := Account{ID: o.begun.ID, Name: o.company.name}
	if err := o.admin.insist(ctx, http.MethodGet, "/v1/account", "", nil, &out); err != nil {
		return out, err
	}
	out.Name = o.company.name
	people, err := o.people(ctx)
	if err != nil {
		return out, err
	}
	for _, p := range o.company.everyone() {
		out.Users = append(out.Users, User{p.role, p.name, p.phone, p.email, o.state.password(p.email), o.state.Seeds[p.email]})
	}
	if out.Sources, err = o.projects(ctx, people); err != nil {
		return out, err
	}
	if err := o.keys(ctx); err != nil {
		return out, err
	}
	out.PublishableKey, out.SecretKey = o.begun.Publishable, o.begun.Secret
	return out, o.admin.signOut(ctx)
}

// enter founds the account and signs its admin in.
func (o *opening) enter(ctx context.Context, f Founder) error {
	in, err := o.firstFactor(ctx, f)
	if err == nil {
		o.admin, err = o.state.strengthen(ctx, in, o.company.admin.email, o.company.admin.phone)
	}
	return err
}

func (o *opening) firstFactor(ctx context.Context, f Founder) (*client, error) {
	a := o.company.admin
	in, _, err := o.base.signIn(ctx, a.email, o.state.password(a.email))
	if !is(err, http.StatusUnauthorized) {
		return in, err
	}
	if o.begun.Link == "" {
		if o.begun.Link, err = f.CreateAccount(ctx, o.company.name, o.company.region, a.name, a.phone, a.email); err != nil {
			return nil, err
		}
		if err := o.state.save(); err != nil {
			return nil, err
		}
	}
	in, _, err = o.base.redeem(ctx, o.begun.Link, o.state.password(a.email))
	return in, err
}

// person is a user as the API lists them.
type person struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	Link  string `json:"link"` // of a new one
}

// people makes the users, lets each choose a password, and sets the hours of
// those who sell: round the clock, so that a check at night sees offers. It
// returns their ids by name.
func (o *opening) people(ctx context.Context) (map[string]string, error) {
	have, err := all[person](ctx, o.admin, "/v1/users?limit=500")
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	states := map[string]string{}
	for _, p := range have {
		ids[p.Name], states[p.Name] = p.ID, p.State
	}
	for _, p := range o.company.staff {
		id, err := o.hire(ctx, p, ids[p.name], states[p.name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		ids[p.name] = id
	}
	return ids, nil
}

func (o *opening) hire(ctx context.Context, p staff, id, state string) (string, error) {
	made := person{ID: id}
	if id == "" {
		in := map[string]any{"name": p.name, "role": p.role, "phone": p.phone, "email": p.email, "time_zone": o.company.zone}
		if err := o.admin.insist(ctx, http.MethodPost, "/v1/users", "demo-seed-"+p.email, in, &made); err != nil {
			return "", err
		}
	}
	if state != "active" {
		if err := o.letIn(ctx, p, made); err != nil {
			return "", err
		}
	}
	if p.role != account.Salesperson {
		return made.ID, nil
	}
	return made.ID, o.admin.insist(ctx, http.MethodPut, "/v1/users/"+made.ID+"/shifts", "", map[string]any{"shifts": roundTheClock()}, nil)
}

// letIn has the user choose their password.
func (o *opening) letIn(ctx context.Context, p staff, made person) error {
	if made.Link == "" {
		if err := o.admin.insist(ctx, http.MethodPost, "/v1/users/"+made.ID+"/link", "", nil, &made); err != nil {
			return err
		}
	}
	api, _, err := o.base.redeem(ctx, made.Link, o.state.password(p.email))
	if err != nil {
		return err
	}
	return api.signOut(ctx)
}

func roundTheClock() []map[string]int {
	var out []map[string]int
	for d := range 7 {
		out = append(out, map[string]int{"weekday": d, "start_minute": 0, "end_minute": 1440})
	}
	return out
}

// thing is a project or a source as the API lists it.
type thing struct {
	ID   string `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// projects makes what is sold, with pools and sources.
func (o *opening) projects(ctx context.Context, people map[string]string) ([]Source, error) {
	projects, err := o.things(ctx, "/v1/projects")
	if err != nil {
		return nil, err
	}
	sources, err := o.things(ctx, "/v1/sources")
	if err != nil {
		return nil, err
	}
	var out []Source
	for _, p := range o.company.projects {
		id, err := o.make(ctx, "/v1/projects", projects[p.slug], map[string]any{"name": p.name, "slug": p.slug, "time_zone": o.company.zone})
		if err != nil {
			return nil, fmt.Errorf("project %s: %w", p.slug, err)
		}
		if err := o.pool(ctx, id, p, people); err != nil {
			return nil, fmt.Errorf("pool of %s: %w", p.slug, err)
		}
		for _, s := range p.sources {
			in := map[string]any{"name": s.name, "slug": s.slug, "kind": s.kind, "project_id": id, "non_personal": s.nonPersonal}
			if s.mapping != nil {
				in["mapping"] = s.mapping
			}
			src, err := o.make(ctx, "/v1/sources", sources[s.slug], in)
			if err != nil {
				return nil, fmt.Errorf("source %s: %w", s.slug, err)
			}
			out = append(out, Source{src, s.slug, s.name, id})
		}
	}
	return out, nil
}

// things lists what is there, ids by slug.
func (o *opening) things(ctx context.Context, path string) (map[string]string, error) {
	list, err := all[thing](ctx, o.admin, path+"?limit=500")
	out := map[string]string{}
	for _, t := range list {
		out[t.Slug] = t.ID
	}
	return out, err
}

// make creates what is not there yet, and returns its id.
func (o *opening) make(ctx context.Context, path, id string, in map[string]any) (string, error) {
	if id != "" {
		return id, nil
	}
	var t thing
	err := o.admin.insist(ctx, http.MethodPost, path, fmt.Sprintf("demo-seed-%s-%s", strings.ReplaceAll(path[1:], "/", "-"), in["slug"]), in, &t)
	return t.ID, err
}

func (o *opening) pool(ctx context.Context, id string, p project, people map[string]string) error {
	path := "/v1/projects/" + id + "/pool"
	in := map[string]any{"name": p.pool.name, "queue_name": p.pool.queue, "accept_seconds": p.pool.accept, "alarm_seconds": p.pool.alarmed}
	if err := o.admin.insist(ctx, http.MethodPut, path, "", in, nil); err != nil {
		return err
	}
	sells := p.sells
	if sells == nil {
		for _, s := range o.company.staff {
			if s.role == account.Salesperson {
				sells = append(sells, s.name)
			}
		}
	}
	for _, name := range sells {
		if err := o.admin.insist(ctx, http.MethodPut, path+"/members/"+people[name], "", nil, nil); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Names of the demo's keys.
const (
	keyOfPages  = "Demo pages"
	keyOfChecks = "Demo integration"
)

// keys makes the two keys. A key is shown once: one that was made when the
// seeding was interrupted is revoked and made anew.
func (o *opening) keys(ctx context.Context) error {
	have, err := all[struct {
		ID, Name, State string
	}](ctx, o.admin, "/v1/keys?limit=500")
	if err != nil {
		return err
	}
	for _, k := range []struct {
		name string
		text *string
		in   map[string]any
	}{
		{keyOfPages, &o.begun.Publishable, map[string]any{"kind": "publishable", "name": keyOfPages, "any_origin": true}},
		{keyOfChecks, &o.begun.Secret, map[string]any{"kind": "secret", "name": keyOfChecks, "role": account.Admin}},
	} {
		if *k.text != "" {
			continue
		}
		for _, old := range have {
			if old.Name != k.name || old.State == "revoked" {
				continue
			}
			if err := o.admin.insist(ctx, http.MethodPost, "/v1/keys/"+old.ID+"/revoke", "", nil, nil); err != nil {
				return err
			}
		}
		var made struct {
			Key string `json:"key"`
		}
		if err := o.admin.insist(ctx, http.MethodPost, "/v1/keys", "", k.in, &made); err != nil {
			return fmt.Errorf("key %s: %w", k.name, err)
		}
		*k.text = made.Key
		if err := o.state.save(); err != nil {
			return err
		}
	}
	return nil
}
