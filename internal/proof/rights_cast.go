package proof

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// cast is everybody who asks, and what they ask about.
type cast struct {
	table *rightsTable
	m     *matrix
	i     *instance
	admin *api // a secret key of the account
	north *office
	south *office
	all   []*credential
	spare map[string]string // ids of what nobody needs, by kind
	near  map[string]string // what most stand near to
	far   map[string]string

	spareUser *person
	roles     map[string]string  // ids of own roles, by name
	made      int                // spare roles
	workers   map[string]*person // those who own leads, by id
	texts     []string           // see marks
}

// credential is one that asks, and what stands to it near and far: near is
// theirs or their team's, far another team's of the same account.
type credential struct {
	standing
	name      string
	id        string // as the record has it; learned by the walk
	api       *api
	user      user
	near, far map[string]string
	mine      []string        // the marks of leads that are theirs
	onOffer   []string        // and of those that are on offer to them, or were
	others    []string        // ids of leads and offers that they may not know of
	leadsTeam map[string]bool // projects whose team they lead
	cells     int
	classes   map[string]int
	wrong     []string
	stray     []string          // ids of others that were shown
	found     map[string]string // marks that were shown, and where first
}

// office is a project with its source, its team and its leads.
type office struct {
	name, project, source string
	seller                *person
	leads                 []deal
	merge, held           string
}

// deal is a lead with what belongs to it.
type deal struct{ lead, enquiry, person, offer, mark string }

// person is somebody who was hired.
type person struct {
	user
	id  string
	api *api
}

const proofPassword = "a-long-password-for-the-proof"

// hire invites somebody and signs them in.
func (c *cast) hire(ctx context.Context, name, role string) (*person, error) {
	p := &person{user: user{Role: role, Name: name, Email: name + "@team.example", Password: proofPassword}}
	var made struct{ ID, Link string }
	if err := c.admin.post(ctx, "/v1/users", map[string]any{"name": name, "role": role, "email": p.Email}, &made); err != nil {
		return nil, err
	}
	p.id = made.ID
	var in struct{ Token string }
	if err := c.m.base.post(ctx, "/v1/links/redeem", map[string]string{"token": made.Link, "password": proofPassword}, &in); err != nil {
		return nil, err
	}
	p.api = c.m.base.as(in.Token)
	p.api.purpose = "proof"
	return p, nil
}

// open makes an office with one seller, whom all of its leads are offered to.
func (c *cast) open(ctx context.Context, name string) (o *office, err error) {
	o = &office{name: name}
	var made struct{ ID string }
	if err := c.admin.post(ctx, "/v1/projects", map[string]any{"name": name, "slug": name, "time_zone": "UTC"}, &made); err != nil {
		return nil, err
	}
	o.project = made.ID
	pool := map[string]any{"name": name, "accept_seconds": 3600, "offers_at_once": 1000, "alarm_seconds": 86_400}
	if err := c.admin.call(ctx, http.MethodPut, "/v1/projects/"+o.project+"/pool", pool, nil); err != nil {
		return nil, err
	}
	if err := c.admin.post(ctx, "/v1/sources", map[string]any{"project_id": o.project, "name": name, "slug": name + "-api"}, &made); err != nil {
		return nil, err
	}
	o.source = made.ID
	if o.seller, err = c.hire(ctx, name+"-seller", "salesperson"); err != nil {
		return nil, err
	}
	if err := c.roundTheClock(ctx, o.seller); err != nil {
		return nil, err
	}
	if err := c.join(ctx, o, o.seller, nil); err != nil {
		return nil, err
	}
	return o, o.seller.api.call(ctx, http.MethodPut, "/v1/me/presence", map[string]string{"state": "available"}, nil)
}

func (c *cast) join(ctx context.Context, o *office, p *person, how any) error {
	return c.admin.call(ctx, http.MethodPut, "/v1/projects/"+o.project+"/pool/members/"+p.id, how, nil)
}

func (c *cast) roundTheClock(ctx context.Context, p *person) error {
	var shifts []map[string]int
	for d := range 7 {
		shifts = append(shifts, map[string]int{"weekday": d, "start_minute": 0, "end_minute": 1440})
	}
	return c.admin.call(ctx, http.MethodPut, "/v1/users/"+p.id+"/shifts", map[string]any{"shifts": shifts}, nil)
}

// The leads of an office, by what becomes of them.
const (
	accepted = iota // by the seller, with a visit, a booking and an attempt
	onOffer         // to the seller
	passedOn        // to somebody else
	kept            // of two persons who are merged
	mergedIn        //
	dealCount
)

// trade brings an office its leads.
func (c *cast) trade(ctx context.Context, o *office, from int) error {
	for n := range dealCount {
		d := deal{mark: fmt.Sprintf("canary-%s-%d", o.name, n)}
		if err := c.enquire(ctx, o, d.mark, phone(from+n), d.mark+"@example.com", &d); err != nil {
			return err
		}
		o.leads = append(o.leads, d)
	}
	if _, err := c.i.drain(ctx, 30*time.Second); err != nil {
		return err
	}
	for n := range o.leads {
		if err := c.find(ctx, o, &o.leads[n]); err != nil {
			return err
		}
	}
	if err := o.seller.api.post(ctx, "/v1/offers/"+o.leads[accepted].offer+"/accept", nil, nil); err != nil {
		return err
	}
	var merged struct{ ID string }
	if err := c.admin.post(ctx, "/v1/persons/"+o.leads[kept].person+"/merge", map[string]string{"other": o.leads[mergedIn].person}, &merged); err != nil {
		return err
	}
	o.merge = merged.ID
	return c.hold(ctx, o, from+dealCount)
}

func (c *cast) enquire(ctx context.Context, o *office, mark, phone, email string, d *deal) error {
	body := map[string]any{"source": o.source, "message": mark, "person": map[string]any{"name": mark, "phone": phone, "email": email}}
	var made struct{ ID string }
	err := c.admin.post(ctx, "/v1/leads", body, &made)
	d.enquiry = made.ID
	return err
}

// find learns the lead, its person and its offer.
func (c *cast) find(ctx context.Context, o *office, d *deal) error {
	var e struct {
		Lead string `json:"lead_id"`
	}
	if err := c.admin.get(ctx, "/v1/enquiries/"+d.enquiry, &e); err != nil {
		return err
	}
	d.lead = e.Lead
	var l struct {
		Person string `json:"person_id"`
	}
	if err := c.admin.get(ctx, "/v1/leads/"+d.lead, &l); err != nil {
		return err
	}
	d.person = l.Person
	var offers struct {
		Items []struct {
			ID   string
			Lead string `json:"lead_id"`
		}
	}
	if err := o.seller.api.get(ctx, "/v1/offers", &offers); err != nil {
		return err
	}
	for _, x := range offers.Items {
		if x.Lead == d.lead {
			d.offer = x.ID
		}
	}
	if d.offer == "" {
		return fmt.Errorf("the lead %s of %s is on no offer", d.lead, o.name)
	}
	return nil
}

// hold sends an enquiry that is held in quarantine, for which the rule needs a
// moment.
func (c *cast) hold(ctx context.Context, o *office, n int) error {
	mark := "canary-" + o.name + "-held"
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		var d deal
		if err := c.enquire(ctx, o, mark, phone(n), mark+"@held.example", &d); err != nil {
			return err
		}
		if _, err := c.i.drain(ctx, 30*time.Second); err != nil {
			return err
		}
		var e struct{ State string }
		if err := c.admin.get(ctx, "/v1/enquiries/"+d.enquiry, &e); err != nil {
			return err
		}
		if e.State == "quarantined" {
			o.held = d.enquiry
			return nil
		}
		mark += "x"
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("no enquiry of %s is held", o.name)
}

// ids are those of a deal and what belongs to it, over those that nobody needs.
func (c *cast) ids(o *office, n int, by *person) map[string]string {
	d := o.leads[n]
	out := maps.Clone(c.spare)
	maps.Copy(out, map[string]string{"lead": d.lead, "enquiry": d.enquiry, "person": d.person, "offer": d.offer, "merge": o.merge, "held": o.held, "owner": by.id, "mate": o.leads[onOffer].person})
	return out
}

// work begins an attempt, plans a visit and books, as the lead's owner.
func (c *cast) work(ctx context.Context, ids map[string]string, by *person) error {
	if c.workers == nil {
		c.workers = map[string]*person{}
	}
	c.workers[by.id] = by
	return c.m.sell(ctx, by.api, ids["lead"], ids)
}

// key makes a key; nil fields are left to the server.
func (c *cast) key(ctx context.Context, in map[string]any) (made, error) {
	var k made
	return k, c.admin.post(ctx, "/v1/keys", in, &k)
}

// backdate moves what the database knows of a session into the past: a proof
// cannot wait for a month.
func (c *cast) backdate(ctx context.Context, token, column, value string) error {
	db, err := c.i.writable()
	if err != nil {
		return err
	}
	defer db.Close()
	hash := sha256.Sum256([]byte(token))
	res, err := db.ExecContext(ctx, `UPDATE session SET `+column+` = `+value+` WHERE token_hash = $1`, hash[:])
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d sessions were changed: %v", n, err)
	}
	return nil
}
