package desk_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/routing"
	"catchment/internal/store"
	"catchment/internal/store/offers"
	"catchment/internal/store/storetest"
)

// governed publishes the default policy with these clocks.
func (c *company) governed(levels ...routing.ServiceLevel) {
	c.Helper()
	p := routing.DefaultPolicy()
	p.Clocks = levels
	c.write(func(tx *store.Tx) error {
		v, err := c.router.DraftPolicy(tx, c.project, "Test", p, "test", time.Now())
		if err == nil {
			_, err = c.router.PublishPolicy(tx, v.ID, "test", time.Now())
		}
		return err
	})
}

// offered has a lead come in and waits until it is offered to the visitor.
func (v *visitor) offered() (a arrived, offer string) {
	v.Helper()
	a = v.arrive(account.UserID{})
	within(v, 20*time.Second, "an offer", func() bool {
		for _, o := range v.get("/v1/offers").want(v, 200).items() {
			if o["lead_id"] == a.lead.String() {
				offer = "/v1/offers/" + o["id"].(string)
			}
		}
		return offer != ""
	})
	return a, offer
}

// takes has a lead come in, be offered and accepted over the API.
func (v *visitor) takes() arrived {
	v.Helper()
	a, offer := v.offered()
	v.post(offer+"/accept", nil).want(v, 200)
	return a
}

// alarms lists those that wait for a look.
func (c *company) alarms() (all []offers.Clock) {
	c.Helper()
	c.write(func(tx *store.Tx) (err error) {
		all, err = c.router.Alarms(tx, false, account.UserID{}, false, time.Time{}, lead.AlarmID{}, 100)
		return err
	})
	return all
}

// alarmed lists the leads with an alarm, by clock.
func (c *company) alarmed() map[lead.ID]string {
	c.Helper()
	out := map[lead.ID]string{}
	for _, x := range c.alarms() {
		out[x.Lead] += x.Name
	}
	return out
}

// From the acceptance to the first attempt, all over the API: beginning an
// attempt stops the alarm, also when its result never comes; who accepts and
// does nothing loses the lead.
func TestBeginningAnAttemptStopsTheAlarm(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		c.governed(routing.ServiceLevel{Clock: routing.AcceptToAttempt, Seconds: 300, Then: routing.Both},
			routing.ServiceLevel{Clock: routing.AttemptToContact, Seconds: 36000, Then: routing.Alert})
		boss, sam := c.user(account.Manager), c.user(account.Salesperson)
		sam.presence(account.Available)
		begun, ended, silent := sam.takes(), sam.takes(), sam.takes()
		begin := func(a arrived) string {
			return "/v1/attempts/" + sam.post("/v1/leads/"+a.lead.String()+"/attempts/begin", map[string]any{"channel": "call"}).want(t, 201).body["id"].(string)
		}
		begin(begun)
		sam.post(begin(ended)+"/end", map[string]any{}).want(t, 200)
		c.pass(290 * time.Second)
		if got := c.alarmed(); len(got) != 0 {
			t.Fatalf("too early: %v", got)
		}
		sam.presence(account.Away) // or the lead might come back to nobody but Sam
		c.pass(11 * time.Second)
		if got := c.alarmed(); len(got) != 1 || got[silent.lead] != string(routing.AcceptToAttempt) {
			t.Errorf("alarms: %v", got)
		}
		owner := func(a arrived) any { return boss.get("/v1/leads/"+a.lead.String()).want(t, 200).body["owner_id"] }
		if owner(begun) != sam.id.String() || owner(ended) != sam.id.String() || owner(silent) != nil {
			t.Errorf("owners: %v %v %v", owner(begun), owner(ended), owner(silent))
		}
		// Its begin starts the next clock, which its result alone stops.
		sam.post("/v1/leads/"+ended.lead.String()+"/attempts", map[string]any{"channel": "call", "disposition": "spoke"}).want(t, 201)
		c.pass(10 * time.Hour)
		if got := c.alarmed(); len(got) != 2 || got[begun.lead] != string(routing.AttemptToContact) {
			t.Errorf("alarms: %v", got)
		}
		for _, x := range c.alarms() {
			if x.User != sam.id || x.Taken != (x.Lead == silent.lead) {
				t.Errorf("%+v", x)
			}
		}
	})
}
