package desk_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// phone is a device whose clock is off, with what waits in it.
type phone struct {
	*visitor
	off time.Duration
}

func (p phone) clock() time.Time { return time.Now().Add(p.off) }

// tell sends what happened so long ago, under a key.
func (p phone) tell(path, key string, ago time.Duration, body map[string]any) answer {
	p.Helper()
	body["happened_at"] = p.clock().Add(-ago)
	return p.resend(path, key, body)
}

func (p phone) resend(path, key string, body map[string]any) answer {
	p.Helper()
	return p.post(path, body, "Idempotency-Key", key, "Catchment-Clock", p.clock().Format(time.RFC3339Nano))
}

func near(t *testing.T, what string, v any, want time.Time) {
	t.Helper()
	if at := timeOf(t, v); at.Sub(want).Abs() > 20*time.Second {
		t.Errorf("%s: %s, want about %s", what, at, want)
	}
}

// The clock of the phone is three days off, either way: what it tells stands at
// the time at which it happened, within the time that the lead was its user's.
func TestAnOutboxOfAWrongClock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam := c.user(account.Salesperson)
		for _, off := range []time.Duration{72 * time.Hour, -72 * time.Hour} {
			a := c.arrive(sam.id)
			p := phone{sam, off}
			path := "/v1/leads/" + a.lead.String()
			now := time.Now()
			note := p.tell(path+"/notes", "n"+off.String(), 0, map[string]any{"text": "Prefers calls after six."}).want(t, 201)
			near(t, "note", note.body["created_at"], now)
			early := p.tell(path+"/notes", "e"+off.String(), 48*time.Hour, map[string]any{"text": "Before it was mine."}).want(t, 201)
			near(t, "a note of before", early.body["created_at"], now)
			late := p.tell(path+"/notes", "l"+off.String(), -48*time.Hour, map[string]any{"text": "From the future."}).want(t, 201)
			near(t, "a note of the future", late.body["created_at"], now)
			try := p.tell(path+"/attempts", "a"+off.String(), 0, map[string]any{"channel": "call", "disposition": "spoke", "started_at": p.clock()}).want(t, 201)
			near(t, "attempt", try.body["attempt"].(map[string]any)["started_at"], now)
		}
		a := c.arrive(sam.id)
		body := map[string]any{"text": "x", "happened_at": time.Now()}
		sam.post("/v1/leads/"+a.lead.String()+"/notes", body).want(t, 422) // by which clock?
		sam.post("/v1/leads/"+a.lead.String()+"/notes", body, "Catchment-Clock", "noon").want(t, 422)
	})
}

func TestAnOutboxIsSentTwice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, mia, boss := c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Manager)
		a := c.arrive(sam.id)
		p := phone{sam, 72 * time.Hour}
		path := "/v1/leads/" + a.lead.String()
		body := map[string]any{"channel": "call", "disposition": "call-back", "note": "Rings back.", "next": map[string]any{"at": p.clock().Add(time.Hour)}, "happened_at": p.clock()}
		first := p.resend(path+"/attempts", "k", body).want(t, 201)
		p.off += time.Minute // the clock is read anew each time
		if again := p.resend(path+"/attempts", "k", body).want(t, 201); again.text != first.text {
			t.Errorf("%s\n%s", first.text, again.text)
		}
		boss.post(path+"/transfer", map[string]any{"to": mia.id.String()}).want(t, 200)
		p.resend(path+"/attempts", "k", body).want(t, 201) // it was kept: the same answer
		if got := p.tell(path+"/notes", "late", 0, map[string]any{"text": "Too late."}).want(t, 409); got.code() != "lead_passed_on" {
			t.Errorf("%s", got.text)
		}
		// Controls: without an outbox it is not there, and neither is what was never theirs.
		sam.post(path+"/notes", map[string]any{"text": "x"}).want(t, 404)
		other := c.arrive(mia.id)
		p.tell("/v1/leads/"+other.lead.String()+"/notes", "never", 0, map[string]any{"text": "x"}).want(t, 404)
		if got := mia.get(path+"/attempts").want(t, 200); len(got.items()) != 1 {
			t.Errorf("%s", got.text)
		}
	})
}

func TestAnOutboxOutOfOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam := c.user(account.Salesperson)
		a := c.arrive(sam.id)
		p := phone{sam, 0}
		path := "/v1/leads/" + a.lead.String()
		later, earlier := p.clock(), p.clock()
		for !later.After(earlier.Add(time.Millisecond)) { // both since the lead is Sam's
			later = p.clock()
		}
		want := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
		send := func(verb, key string, at time.Time, body map[string]any) answer {
			body["happened_at"] = at
			return p.resend(path+"/"+verb, key, body)
		}
		send("next-action", "2", later, map[string]any{"at": want}).want(t, 200)
		if got := send("next-action", "1", earlier, map[string]any{"at": want.Add(-24 * time.Hour)}).want(t, 409); got.code() != "superseded" {
			t.Errorf("%s", got.text)
		}
		send("stage", "4", later, map[string]any{"stage": "contacted"}).want(t, 200)
		if got := send("stage", "3", earlier, map[string]any{"category": "dropped", "reason": "no-answer"}); got.status != 409 || got.code() != "superseded" {
			t.Errorf("%s", got.text)
		}
		// An attempt is kept, and what came after it stands.
		got := send("attempts", "0", earlier, map[string]any{"channel": "call", "disposition": "no-answer", "next": map[string]any{"at": want.Add(-time.Hour)}}).want(t, 201)
		l := got.body["lead"].(map[string]any)
		if !timeOf(t, l["next_at"]).Equal(want) || l["stage"].(map[string]any)["slug"] != "contacted" {
			t.Errorf("%s", got.text)
		}
		// The control: in order, the later one counts.
		send("next-action", "5", p.clock(), map[string]any{"at": want.Add(time.Hour)}).want(t, 200)
	})
}

// An attempt that was begun with a signal is ended without one: its end and
// wrap-up are those of the moments at which they happened.
func TestAnAttemptThatEndsInAnOutbox(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam, mia, boss := c.user(account.Salesperson), c.user(account.Salesperson), c.user(account.Manager)
		a := c.arrive(sam.id)
		p := phone{sam, -72 * time.Hour}
		path := "/v1/leads/" + a.lead.String() + "/attempts"
		begun := sam.post(path+"/begin", map[string]any{"channel": "call"}).want(t, 201)
		started, at := timeOf(t, begun.body["started_at"]), "/v1/attempts/"+begun.body["id"].(string)
		sam.post(at+"/end", map[string]any{"happened_at": time.Now()}).want(t, 422) // by which clock?
		over := p.tell(at+"/end", "end", 48*time.Hour, map[string]any{}).want(t, 200)
		if !timeOf(t, over.body["ended_at"]).Equal(started) {
			t.Errorf("it ends before it began: %s", over.text)
		}
		sam.post(at+"/result", map[string]any{"disposition": "spoke", "happened_at": time.Now()}).want(t, 422)
		told := map[string]any{"disposition": "spoke", "note": "Two rooms.", "happened_at": p.clock().Add(-48 * time.Hour)}
		done := p.resend(at+"/result", "result", told).want(t, 201)
		x := done.body["attempt"].(map[string]any)
		if x["wrap_up_ms"].(float64) > 20_000 || x["evidence"] != "seen" {
			t.Errorf("%s", done.text)
		}
		if again := p.resend(at+"/result", "result", told).want(t, 201); again.text != done.text {
			t.Errorf("%s\n%s", done.text, again.text)
		}
		if got := sam.get(path).want(t, 200); len(got.items()) != 1 {
			t.Errorf("%s", got.text)
		}
		begun = sam.post(path+"/begin", map[string]any{"channel": "call"}).want(t, 201)
		boss.post("/v1/leads/"+a.lead.String()+"/transfer", map[string]any{"to": mia.id.String()}).want(t, 200)
		at = "/v1/attempts/" + begun.body["id"].(string)
		for verb, body := range map[string]map[string]any{"/end": {}, "/result": {"disposition": "spoke"}} {
			if got := p.tell(at+verb, verb, 0, body).want(t, 409); got.code() != "lead_passed_on" {
				t.Errorf("%s", got.text)
			}
		}
	})
}

// A visit is planned, and said to be over, without a signal: of two words the
// last to happen counts, and the plan is kept though its follow-up is not.
func TestVisitsOfAnOutbox(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db).company()
		sam := c.user(account.Salesperson)
		a := c.arrive(sam.id)
		p := phone{sam, 72 * time.Hour}
		path := "/v1/leads/" + a.lead.String()
		earlier := p.clock().Add(-time.Minute) // a wrong clock's times are known to the length of a request's way
		want := time.Now().Add(72 * time.Hour).UTC().Truncate(time.Second)
		sam.post(path+"/next-action", map[string]any{"at": want}).want(t, 200)
		plan := map[string]any{"at": want.Add(-24 * time.Hour), "happened_at": earlier}
		sam.post(path+"/visits", plan).want(t, 422)
		visit := p.resend(path+"/visits", "plan", plan).want(t, 201)
		if l := sam.get(path).want(t, 200); !timeOf(t, l.body["next_at"]).Equal(want) {
			t.Errorf("a follow-up that was set later gave way: %s", l.text)
		}
		at := "/v1/visits/" + visit.body["id"].(string)
		sam.post(at, map[string]any{"state": "cancelled"}).want(t, 200)
		if got := p.resend(at, "done", map[string]any{"state": "done", "at": want.Add(-72 * time.Hour), "happened_at": earlier}).want(t, 409); got.code() != "superseded" {
			t.Errorf("%s", got.text)
		}
		// The control: what happened later counts.
		p.tell(at, "back", 0, map[string]any{"state": "planned"}).want(t, 200)
		sam.post(path+"/next-action", map[string]any{"at": nil}).want(t, 200)
		p.tell(path+"/visits", "plan2", 0, map[string]any{"at": want}).want(t, 201)
		if l := sam.get(path).want(t, 200); l.body["next_what"] != "visit" {
			t.Errorf("%s", l.text)
		}
	})
}
