package proof

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// assemble makes the offices, hires everybody and gives each a credential.
func (c *cast) assemble(ctx context.Context) error {
	c.admin = c.m.base.as(c.m.a.SecretKey)
	c.admin.purpose = "proof"
	if err := c.admin.call(ctx, http.MethodPut, "/v1/quarantine-rules", map[string]any{"domains": []string{"held.example"}, "patterns": []string{}, "person_an_hour": 0, "address_ten_minutes": 0}, nil); err != nil {
		return err
	}
	var err error
	if c.spare, err = c.m.things(ctx, c.i, c.m.a, 100); err != nil {
		return err
	}
	if err = c.abroad(ctx); err != nil {
		return err
	}
	if c.north, err = c.open(ctx, "north"); err != nil {
		return err
	}
	if c.south, err = c.open(ctx, "south"); err != nil {
		return err
	}
	if err = c.i.untilKnown(ctx, site{source: c.south.source}); err != nil {
		return err
	}
	if err = c.trade(ctx, c.north, 300); err != nil {
		return err
	}
	if err = c.trade(ctx, c.south, 400); err != nil {
		return err
	}
	if err = c.spares(ctx); err != nil {
		return err
	}
	for _, make := range []func(context.Context) error{c.staff, c.keys, c.withFactors, c.strangers, c.pages, c.platform} {
		if err := make(ctx); err != nil {
			return err
		}
	}
	for _, kind := range pathKinds {
		if c.near[kind] == "" && !slices.Contains(c.m.untried, kind) && kind != "role" { // a role is made for each that may change it
			c.m.untried = append(c.m.untried, kind)
		}
	}
	slices.Sort(c.m.untried)
	return c.atTheDoor(ctx)
}

// abroad leaves a mark in the other account.
func (c *cast) abroad(ctx context.Context) error {
	b := c.m.base.as(c.m.b.SecretKey)
	return b.post(ctx, "/v1/leads", map[string]any{"source": c.m.b.apiSource(), "message": "canary-of-b", "person": map[string]any{"name": "canary-of-b", "email": "canary-of-b@example.com"}}, nil)
}

// spares are things that requests may change and end.
func (c *cast) spares(ctx context.Context) error {
	p, err := c.hire(ctx, "spare", "salesperson")
	if err != nil {
		return err
	}
	c.spareUser = p
	c.spare["user"] = p.id
	var made struct{ ID string }
	if err := c.admin.post(ctx, "/v1/projects", map[string]any{"name": "Spare", "slug": "spare", "time_zone": "UTC"}, &made); err != nil {
		return err
	}
	c.spare["project"] = made.ID
	pool := map[string]any{"name": "Spare", "accept_seconds": 3600, "alarm_seconds": 86_400}
	if err := c.admin.call(ctx, http.MethodPut, "/v1/projects/"+made.ID+"/pool", pool, nil); err != nil {
		return err
	}
	if err := c.admin.post(ctx, "/v1/sources", map[string]any{"project_id": made.ID, "name": "Spare", "slug": "spare-api"}, &made); err != nil {
		return err
	}
	c.spare["source"] = made.ID
	c.spare["view"], err = p.api.keepView(ctx, "Spare") // nobody's who asks
	return err
}

// add gives somebody their place. near is what is theirs or their team's.
func (c *cast) add(w *credential, near, far map[string]string) *credential {
	w.near, w.far, w.classes, w.found = near, far, map[string]int{}, map[string]string{}
	if w.owns == nil {
		w.owns = map[string]bool{}
	}
	if w.team == nil {
		w.team = map[string]bool{}
	}
	c.all = append(c.all, w)
	return w
}

// grantsOf are the rights of the account's own roles that are tried.
var grantsOf = map[string]map[string]string{
	"own role, mine": {"leads:read": reachMine, "persons:open": reachMine, "leads:work": reachMine, "offers:answer": reachAll, "events:follow": reachAll, "setup:read": reachAll},
	"own role, teams": {"leads:read": reachTeams, "persons:open": reachTeams, "leads:work": reachTeams, "leads:move": reachTeams, "reports:read": reachTeams,
		"offers:answer": reachAll, "events:follow": reachAll, "setup:read": reachAll},
	"own role, no persons": {"leads:read": reachAll, "reports:read": reachAll, "events:follow": reachAll, "spend:enter": reachAll},
}

// role makes an own role, once.
func (c *cast) role(ctx context.Context, name string, grants map[string]string) (string, error) {
	if id := c.roles[name]; id != "" {
		return id, nil
	}
	var made struct{ ID string }
	err := c.admin.post(ctx, "/v1/roles", map[string]any{"name": name, "permissions": grants}, &made)
	if c.roles == nil {
		c.roles = map[string]string{}
	}
	c.roles[name] = made.ID
	return made.ID, err
}

func (c *cast) has(name string) bool {
	return slices.ContainsFunc(c.m.routes, func(r route) bool { return r.name == name })
}

// staff are users with their sessions: of each built-in role, and of own ones.
func (c *cast) staff(ctx context.Context) error {
	near, far := c.ids(c.north, accepted, c.north.seller), c.ids(c.south, accepted, c.south.seller)
	near["offer"], far["offer"] = c.north.leads[onOffer].offer, c.south.leads[onOffer].offer
	if err := c.work(ctx, near, c.north.seller); err != nil {
		return err
	}
	if err := c.work(ctx, far, c.south.seller); err != nil {
		return err
	}
	c.near, c.far = near, far
	seller := c.add(&credential{name: "salesperson", api: c.north.seller.api, user: c.north.seller.user, standing: standing{role: "salesperson", session: true}}, near, far)
	seller.owns = set(near["lead"], near["enquiry"], near["person"], near["offer"], near["visit"], near["booking"], near["attempt"], near["file"])
	seller.pool = idsOf(near, c.north)
	d := c.north.leads[onOffer]
	seller.offered = set(d.lead, d.enquiry, d.person)
	seller.mine, seller.onOffer = []string{c.north.leads[accepted].mark + `"`}, c.marksOf(c.north)
	seller.others = []string{far["lead"], far["offer"], far["person"]}
	for _, role := range []string{"manager", "marketer", "auditor"} {
		p, err := c.hire(ctx, role, role)
		if err != nil {
			return err
		}
		c.add(&credential{name: role, api: p.api, user: p.user, standing: standing{role: role, session: true}}, near, far)
	}
	return c.ownStaff(ctx)
}

func (c *cast) marksOf(o *office) (out []string) {
	for _, d := range o.leads {
		out = append(out, d.mark+`"`)
	}
	return out
}

func set(ids ...string) map[string]bool {
	out := map[string]bool{}
	for _, id := range ids {
		if id != "" {
			out[id] = true
		}
	}
	return out
}

// idsOf are those of an office's leads.
func idsOf(near map[string]string, o *office) map[string]bool {
	out := set(near["lead"], near["enquiry"], near["person"], near["offer"], near["visit"], near["booking"], near["attempt"], near["file"], o.merge, o.held)
	for _, d := range o.leads {
		maps.Copy(out, set(d.lead, d.enquiry, d.person, d.offer))
	}
	return out
}

// ownStaff have roles of the account's own.
func (c *cast) ownStaff(ctx context.Context) error {
	if !c.has("create-role") {
		return nil
	}
	for _, name := range []string{"own role, mine", "own role, teams", "own role, no persons"} {
		id, err := c.role(ctx, name, grantsOf[name])
		if err != nil {
			return err
		}
		p, err := c.hire(ctx, strings.NewReplacer(" ", "-", ",", "").Replace(name), id)
		if err != nil {
			return err
		}
		w := &credential{name: name, api: p.api, user: p.user, standing: standing{grants: grantsOf[name], session: true}}
		near := c.near
		switch name {
		case "own role, mine":
			if near, err = c.passOn(ctx, p); err != nil {
				return err
			}
			w.owns = set(near["lead"], near["enquiry"], near["person"], near["visit"], near["booking"], near["attempt"], near["file"])
			w.mine = []string{c.north.leads[passedOn].mark + `"`}
			w.others = []string{c.near["lead"], c.far["lead"], c.far["offer"]}
		case "own role, teams":
			if err := c.join(ctx, c.north, p, map[string]bool{"lead": true, "offers": false}); err != nil {
				return err
			}
			w.team, w.leadsTeam = idsOf(near, c.north), set(c.north.project)
			w.others = []string{c.far["lead"], c.far["offer"], c.far["person"]}
		}
		c.add(w, near, c.far)
	}
	return nil
}

// passOn gives a lead of the north to somebody, who then works it.
func (c *cast) passOn(ctx context.Context, p *person) (map[string]string, error) {
	ids := c.ids(c.north, passedOn, p)
	ids["offer"] = c.near["offer"]
	if err := c.admin.post(ctx, "/v1/leads/"+ids["lead"]+"/transfer", map[string]any{"to": p.id}, nil); err != nil {
		return nil, err
	}
	return ids, c.work(ctx, ids, p)
}

// keys are secret keys of each role.
func (c *cast) keys(ctx context.Context) error {
	for _, role := range []string{"salesperson", "manager", "marketer", "admin", "auditor", "own role, mine", "own role, teams"} {
		w := &credential{name: "key: " + role, standing: standing{role: role}}
		word := role
		if grants := grantsOf[role]; grants != nil {
			if !c.has("create-role") {
				continue
			}
			var err error
			if word, err = c.role(ctx, role, grants); err != nil {
				return err
			}
			w.role, w.grants = "", grants
		}
		k, err := c.key(ctx, map[string]any{"kind": "secret", "name": w.name, "role": word})
		if err != nil {
			return err
		}
		w.api = c.m.base.as(k.Key)
		w.api.purpose = "proof"
		c.add(w, c.near, c.far)
	}
	return nil
}

// withFactors are admins, who need a second factor: one has none, three have a
// passkey, and have shown it, have still to, and did so an hour ago.
func (c *cast) withFactors(ctx context.Context) error {
	for _, name := range []string{"admin", "admin, no factor", "admin, factor owing", "admin, factor stale"} {
		p, err := c.hire(ctx, strings.NewReplacer(" ", "-", ",", "").Replace(name), "admin")
		if err != nil {
			return err
		}
		if name == "admin, no factor" {
			c.add(&credential{name: name, api: p.api, user: p.user, standing: standing{role: "admin", session: true, owing: true}}, c.near, c.far)
			continue
		}
		had, err := p.api.addPasskey(ctx, "Proof")
		if err != nil {
			return err
		}
		w := &credential{name: name, api: c.m.base.as(had.Token), user: p.user, standing: standing{role: "admin", session: true, second: true}}
		near := maps.Clone(c.near)
		near["passkey"] = had.ID
		w.owns = set(had.ID)
		switch name {
		case "admin, factor owing":
			w.owing = true
			if w.api, err = c.m.base.signIn(ctx, p.Email, p.Password); err != nil {
				return err
			}
		case "admin, factor stale":
			w.stale = true
			ago := time.Now().Add(-time.Hour).UnixMicro()
			if err := c.backdate(ctx, had.Token, "factors", fmt.Sprintf(`'{"password":%d,"passkey":%d}'`, ago, ago)); err != nil {
				return err
			}
		}
		w.api.purpose = "proof"
		c.add(w, near, c.far)
	}
	return nil
}

// strangers hold nothing, or nothing that is good any more.
func (c *cast) strangers(ctx context.Context) error {
	tokens := map[string]string{"no key": "", "garbage key": "csk_" + strings.Repeat("x", 43)}
	for name, column := range map[string]string{"expired session": "expires_at", "idle session": "seen_at", "ended session": ""} {
		a, err := c.m.base.signIn(ctx, c.spareUser.Email, c.spareUser.Password)
		if err != nil {
			return err
		}
		tokens[name] = a.token
		if column == "" {
			err = a.call(ctx, http.MethodDelete, "/v1/sessions/current", nil, nil)
		} else {
			err = c.backdate(ctx, a.token, column, fmt.Sprint(time.Now().Add(-13*time.Hour).UnixMicro()))
		}
		if err != nil {
			return err
		}
	}
	end := time.Now().Add(2 * time.Second)
	for name, in := range map[string]map[string]any{"expired key": {"expires_at": end}, "revoked key": {}} {
		in["kind"], in["name"], in["role"] = "secret", name, "admin"
		k, err := c.key(ctx, in)
		if err != nil {
			return err
		}
		tokens[name] = k.Key
		if name == "revoked key" {
			if err := c.admin.post(ctx, "/v1/keys/"+k.ID+"/revoke", nil, nil); err != nil {
				return err
			}
		}
	}
	if err := pause(ctx, time.Until(end)); err != nil {
		return err
	}
	for _, name := range []string{"no key", "garbage key", "expired session", "idle session", "ended session", "expired key", "revoked key"} {
		c.add(&credential{name: name, api: c.m.base.as(tokens[name]), standing: standing{stranger: true}}, c.near, c.far)
	}
	b, err := c.m.session(ctx, c.i, c.m.b, "admin")
	if err != nil {
		return err
	}
	b.purpose = "proof"
	c.add(&credential{name: "another account's admin", api: b, standing: standing{role: "admin", session: true, abroad: true}}, c.near, c.far)
	return nil
}

// pages are publishable keys: at home, for another source, from another page.
func (c *cast) pages(ctx context.Context) error {
	k, err := c.key(ctx, map[string]any{"kind": "publishable", "name": "Pages", "origins": []string{"https://pages.example"}, "sources": []string{c.spare["source"]}})
	if err != nil {
		return err
	}
	other := maps.Clone(c.near)
	other["source"] = c.north.source
	for _, w := range []struct {
		name, origin string
		near         map[string]string
		source, page bool
	}{
		{"publishable key", "https://pages.example", c.near, true, true},
		{"publishable key, another source", "https://pages.example", other, false, true},
		{"publishable key, wrong origin", "https://elsewhere.example", c.near, true, false},
	} {
		a := c.m.base.as(k.Key)
		a.origin = w.origin
		c.add(&credential{name: w.name, api: a, standing: standing{publishable: true, source: w.source, page: w.page}}, w.near, c.far)
	}
	return nil
}

// platform is its operator, and its support, to whom a lead is granted.
func (c *cast) platform(ctx context.Context) error {
	a, err := c.i.operator(ctx)
	if err != nil {
		return err
	}
	a.purpose = "proof"
	var record struct{ Items []struct{ ID string } }
	if err := a.get(ctx, "/v1/platform/record?limit=500", &record); err != nil {
		return err
	}
	if n := len(record.Items); n > 0 {
		for _, w := range c.all {
			w.near["entry"] = record.Items[n-1].ID
		}
		c.near["entry"] = record.Items[n-1].ID
	}
	if err := c.m.approval(ctx, a, c.i.world.Accounts[0].ID, c.near); err != nil {
		return err
	}
	if err := c.m.report(ctx, a, c.near); err != nil {
		return err
	}
	for _, w := range c.all {
		w.near["approval"], w.near["report"] = c.near["approval"], c.near["report"]
	}
	c.add(&credential{name: "operator", api: a, user: c.i.world.Operator, standing: standing{role: "operator", session: true}}, c.near, c.far)
	s, err := c.i.enter(ctx, c.i.world.Support)
	if err != nil {
		return err
	}
	s.purpose = "proof"
	near := maps.Clone(c.near)
	if err := c.m.grant(ctx, c.admin, near); err != nil { // of the lead that stands near
		return err
	}
	var mine []string
	for _, d := range append(slices.Clone(c.north.leads), c.south.leads...) {
		if d.lead == near["lead"] {
			mine = []string{d.mark + `"`}
		}
	}
	c.add(&credential{name: "support", api: s, user: c.i.world.Support, mine: mine,
		standing: standing{role: "support", session: true, owns: map[string]bool{near["lead"]: true, near["grant"]: true}}}, near, c.far)
	return nil
}

// atTheDoor waits until the door knows the keys that may knock there.
func (c *cast) atTheDoor(ctx context.Context) error {
	for _, w := range c.all {
		if w.stranger || w.session {
			continue
		}
		err := c.i.wait(ctx, 10*time.Second, w.name+" at the door", func() bool {
			r, err := w.api.do(ctx, http.MethodPost, "/v1/leads", nil, []byte("{}"))
			return err == nil && r.status != http.StatusUnauthorized
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare makes what a request uses up, and gives the credential to send it
// with: who signs out does so in a session of its own.
func (c *cast) prepare(ctx context.Context, r route, who *credential, ids map[string]string) (*api, error) {
	switch r.name {
	case "sign-out":
		if !who.session || who.user.Email == "" || who.stranger {
			return who.api, nil
		}
		return c.m.base.signIn(ctx, who.user.Email, who.user.Password)
	case "attempt-result":
		return who.api, c.begin(ctx, who, ids)
	case "revoke-user-device":
		if who.role != "admin" || who.abroad {
			return who.api, nil
		}
		a, err := c.m.base.signIn(ctx, c.spareUser.Email, c.spareUser.Password)
		if err != nil {
			return nil, err
		}
		var d struct {
			ID string `json:"device_id"`
		}
		err = a.post(ctx, "/v1/me/device", map[string]any{}, &d)
		ids["device"] = d.ID
		return who.api, err
	case "end-user-session":
		if who.role != "admin" || who.abroad {
			return who.api, nil
		}
		_, err := c.m.base.signIn(ctx, c.spareUser.Email, c.spareUser.Password)
		if err != nil {
			return nil, err
		}
		var list struct{ Items []struct{ ID string } }
		if err := c.admin.get(ctx, "/v1/users/"+c.spareUser.id+"/sessions", &list); err != nil {
			return nil, err
		}
		ids["session"] = list.Items[0].ID
	case "remove-file":
		return who.api, c.attach(ctx, who, ids)
	case "delete-holiday":
		if who.abroad {
			return who.api, nil
		}
		var h struct{ ID string }
		err := c.admin.post(ctx, "/v1/holidays", map[string]any{"name": "Spare", "from": "2028-03-01"}, &h)
		ids["holiday"] = h.ID
		return who.api, err
	case "delete-webhook":
		if who.role != "admin" || who.abroad {
			return who.api, nil
		}
		var h struct{ ID string }
		err := c.admin.post(ctx, "/v1/webhooks", map[string]any{"url": "https://localhost/spare"}, &h)
		ids["webhook"] = h.ID
		return who.api, err
	case "remove-image":
		if who.abroad {
			return who.api, nil
		}
		id, err := c.admin.publish(ctx)
		ids["image"] = id
		return who.api, err
	case "revoke-key", "rotate-key", "change-key":
		if who.role != "admin" || who.abroad {
			return who.api, nil
		}
		k, err := c.key(ctx, map[string]any{"kind": "secret", "name": "Spare", "role": "auditor"})
		ids["key"] = k.ID
		return who.api, err
	case "remove-role", "change-role":
		if who.role != "admin" || who.abroad {
			return who.api, nil
		}
		c.made++
		id, err := c.role(ctx, fmt.Sprint("Spare ", c.made), map[string]string{"setup:read": reachAll})
		ids["role"] = id
		return who.api, err
	case "remove-pool-member", "put-member-tags":
		return who.api, c.admin.call(ctx, http.MethodPut, "/v1/projects/"+ids["project"]+"/pool/members/"+ids["user"], nil, nil)
	}
	return who.api, nil
}

// attach finds a file of the lead, or adds one as its owner: one that was
// removed is gone.
func (c *cast) attach(ctx context.Context, who *credential, ids map[string]string) error {
	by := c.workers[ids["owner"]]
	if by == nil { // no lead is named
		return nil
	}
	var list struct{ Items []struct{ ID string } }
	err := by.api.get(ctx, "/v1/leads/"+ids["lead"]+"/files", &list)
	if err != nil {
		return err
	}
	id := ""
	if len(list.Items) > 0 {
		id = list.Items[0].ID
	} else if id, err = by.api.attach(ctx, ids["lead"], "spare.txt", []byte("a spare file")); err != nil {
		return err
	}
	who.owns[id], who.team[id] = who.owns[ids["file"]], who.team[ids["file"]]
	ids["file"] = id
	return nil
}

// begin begins another attempt at the lead, as its owner: one that has its
// result is gone.
func (c *cast) begin(ctx context.Context, who *credential, ids map[string]string) error {
	by := c.workers[ids["owner"]]
	var begun struct{ ID string }
	if err := by.api.post(ctx, "/v1/leads/"+ids["lead"]+"/attempts/begin", map[string]any{"channel": "call"}, &begun); err != nil {
		return err
	}
	who.owns[begun.ID], who.team[begun.ID] = who.owns[ids["attempt"]], who.team[ids["attempt"]]
	ids["attempt"] = begun.ID
	return nil
}
