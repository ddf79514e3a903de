package webhook

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/courier"
	"catchment/internal/store"
	"catchment/internal/store/webhooks"
)

const created = "lead.created"

func TestWhatHappensIsTold(t *testing.T) {
	each(t, func(h *house) {
		r, theirs := newReceiver(h.T, "127.0.0.2:0"), newReceiver(h.T, "127.0.0.2:0")
		h.happen(h.mine, 2) // before there was a webhook
		id, secret := h.hook(h.mine, r.URL, created)
		h.hook(h.other, theirs.URL)
		h.happen(h.mine, 40)
		h.settle()
		all := r.took()
		if len(all) != 40 || len(r.ids(created)) != 40 || len(theirs.took()) != 0 {
			h.Fatalf("%d messages, %d ids, %d to the other account", len(all), len(r.ids(created)), len(theirs.took()))
		}
		for _, m := range all {
			if !verify(m, secret) || verify(m, courier.NewWebhookSecret()) {
				h.Fatalf("signature: %v", m.head)
			}
		}
		var body struct {
			Type, Timestamp string
			Data            map[string]any
		}
		h.ok(json.Unmarshal(all[0].body, &body))
		if _, err := time.Parse(time.RFC3339, body.Timestamp); err != nil || body.Type != created || body.Data["account_id"] != h.mine.Account().String() ||
			!strings.HasPrefix(body.Data["lead_id"].(string), "lead_") || body.Data["kind"] != nil || body.Data["at"] != nil || body.Data["position"] == nil {
			h.Errorf("%s", all[0].body)
		}
		if w := h.get(h.mine, id); w.Taken != 40 || len(w.Recent) != mostRecent || w.Recent[0].Status != 200 || len(h.deliveries(h.mine, id, false)) != 0 {
			h.Errorf("%+v", w)
		}
		h.settle()
		if len(r.took()) != 40 {
			h.Error("it was told twice")
		}
	})
}

// A receiver that is down for a day gets everything, soon after it is back; it
// was not asked once for each event meanwhile.
func TestDownForADay(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		id, _ := h.hook(h.mine, r.URL, created)
		r.says(status(502))
		for range 24 {
			h.happen(h.mine, 10)
			h.settle()
			h.later(time.Hour)
		}
		tried := len(r.took())
		if tried < 24 || tried > 80 || len(h.alarms()) != 0 {
			h.Errorf("tried %d times, alarms %v", tried, h.alarms())
		}
		if f := h.figures(); f.Active != 1 || f.Failing != 1 || f.Waiting != 1 || f.Since.IsZero() || f.Since.After(h.now().Add(-23*time.Hour)) {
			h.Errorf("while it is down: %+v", f)
		}
		if o := h.d.Outcomes(); o["server_error"] < 24 || o[Taken] != 0 {
			h.Errorf("%d tries: %v", tried, o)
		}
		r.says(nil)
		h.later(mostRest)
		h.settle()
		if w := h.get(h.mine, id); w.Taken != 240 || len(h.deliveries(h.mine, id, false)) != 0 || len(h.deliveries(h.mine, id, true)) != 0 {
			h.Errorf("%d of 240 taken, %d wait, %d dead", w.Taken, len(h.deliveries(h.mine, id, false)), len(h.deliveries(h.mine, id, true)))
		}
		h.later(25 * time.Hour)
		h.settle()
		if f, o := h.figures(), h.d.Outcomes(); f.Failing != 0 || f.Waiting != 0 || !f.Since.IsZero() || o[Taken] != 240 || o[Dead] != 0 {
			h.Errorf("when it is back: %+v %v", f, o)
		}
		if w := h.get(h.mine, id); len(h.deliveries(h.mine, id, false)) != 0 || w.Fails != 0 || w.Taken != 240 {
			h.Errorf("%+v", w)
		}
	})
}

// One message that is never taken holds up no other; after its tries it is on
// the dead list, and goes out when somebody says so.
func TestOneThatIsNeverTaken(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		id, _ := h.hook(h.mine, r.URL, created)
		h.happen(h.mine, 3)
		poison := MessageID(h.mine.Account(), 2)
		r.says(func(w http.ResponseWriter, _ *http.Request, m got) {
			if m.id == poison {
				w.WriteHeader(500)
			}
		})
		h.settle()
		if len(r.ids(created)) != 3 || len(h.deliveries(h.mine, id, false)) != 1 {
			h.Fatalf("%v", r.ids(created))
		}
		for _, p := range pauses {
			h.later(p)
			h.settle()
			h.happen(h.mine, 1) // others go on
			h.settle()
		}
		if n := r.ids(created)[poison]; n != tries {
			h.Errorf("tried %d times", n)
		}
		dead := h.deliveries(h.mine, id, true)
		if len(dead) != 1 || dead[0].Status != 500 || dead[0].Class != "server_error" || dead[0].Tries != tries {
			h.Fatalf("%+v", dead)
		}
		if o := h.d.Outcomes(); o[Dead] != 1 {
			h.Errorf("%v", o)
		}
		r.says(nil)
		h.write(h.mine, func(tx *store.Tx) error { return h.d.ReplayOne(tx, id, poison, h.now()) })
		h.settle()
		if r.ids(created)[poison] != tries+1 || len(h.deliveries(h.mine, id, true)) != 0 {
			h.Errorf("%v", r.ids(created))
		}
		if err := h.db.Write(context.Background(), h.other, func(tx *store.Tx) error { return h.d.ReplayOne(tx, id, poison, h.now()) }); err == nil {
			h.Error("another account replays it")
		}
	})
}

// Three days without an answer: the account hears of it, once; what is as old
// is on the dead list, can be had again, and the alarm ends with the first
// message that is taken.
func TestThreeDays(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		id, _ := h.hook(h.mine, r.URL, created)
		r.says(status(500))
		since := h.now()
		for range 18 {
			h.happen(h.mine, 5)
			h.settle()
			h.later(5 * time.Hour)
		}
		for range 3 {
			h.settle()
			h.later(10 * time.Minute)
		}
		if !slices.Equal(h.alarms(), []string{"webhook"}) {
			h.Errorf("alarms %v", h.alarms())
		}
		dead := len(h.deliveries(h.mine, id, true))
		if dead == 0 {
			h.Error("nothing is dead")
		}
		r.says(nil)
		h.later(time.Hour)
		h.settle()
		if len(h.alarms()) != 0 {
			h.Errorf("alarms %v", h.alarms())
		}
		h.write(h.mine, func(tx *store.Tx) error { _, err := h.d.Replay(tx, id, since, h.now()); return err })
		h.later(25 * time.Hour)
		h.settle()
		if n := len(r.ids(created)); n != 90 || len(h.deliveries(h.mine, id, true)) != 0 {
			h.Errorf("%d of 90 arrived; %d were dead", n, dead)
		}
	})
}

func TestReplaySince(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		id, _ := h.hook(h.mine, r.URL, created)
		h.happen(h.mine, 3)
		h.settle()
		h.later(time.Hour)
		before := r.ids(created)
		h.write(h.mine, func(tx *store.Tx) error {
			_, err := h.d.Replay(tx, id, time.Now().Add(-time.Hour), h.now())
			return err
		})
		h.settle()
		if after := r.ids(created); len(r.took()) != 6 || !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))) {
			h.Errorf("%v, then %v", before, after)
		}
	})
}

// A receiver that does not answer holds up neither another webhook of its
// account nor another account.
func TestASlowOneHoldsUpNobody(t *testing.T) {
	each(t, func(h *house) {
		slow, quick, theirs := newReceiver(h.T, "127.0.0.2:0"), newReceiver(h.T, "127.0.0.2:0"), newReceiver(h.T, "127.0.0.2:0")
		let, here := make(chan struct{}), make(chan struct{}, 100)
		slow.says(func(http.ResponseWriter, *http.Request, got) { <-let })
		quick.says(func(http.ResponseWriter, *http.Request, got) { here <- struct{}{} })
		theirs.says(func(http.ResponseWriter, *http.Request, got) { here <- struct{}{} })
		h.hook(h.mine, slow.URL, created)
		h.hook(h.mine, quick.URL, created)
		h.hook(h.other, theirs.URL, created)
		h.happen(h.mine, 10)
		h.happen(h.other, 10)
		_, err := h.d.look(h.Context())
		h.ok(err)
		for range 20 {
			<-here
		}
		if n := len(slow.took()); n > atOnce {
			h.Errorf("%d on their way to the slow one", n)
		}
		close(let)
		h.settle()
		if len(slow.ids(created)) != 10 || len(quick.ids(created)) != 10 || len(theirs.ids(created)) != 10 {
			h.Error("something was lost")
		}
	})
}

// Two deliverers, as two nodes have: each message goes out, by one of them.
func TestTwoNodes(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		h.hook(h.mine, r.URL, created)
		second := h.deliverer(h.d.o.Client)
		h.happen(h.mine, 200)
		for _, d := range []*Deliverer{h.d, second} {
			_, err := d.look(h.Context())
			h.ok(err)
		}
		h.d.running.Wait()
		second.running.Wait()
		h.settle()
		if len(r.took()) != 200 || len(r.ids(created)) != 200 {
			h.Errorf("%d messages, %d ids", len(r.took()), len(r.ids(created)))
		}
	})
}

// What a receiver can answer, and what is made of it.
func TestAnswers(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		forbidden := newReceiver(h.T, "127.0.0.1:0")
		id, _ := h.hook(h.mine, r.URL, created)
		for _, c := range []struct {
			answer func(http.ResponseWriter, *http.Request, got)
			class  string
			status int
		}{
			{status(204), "", 204},
			{status(400), "refused", 400},
			{func(w http.ResponseWriter, q *http.Request, _ got) {
				http.Redirect(w, q, forbidden.URL, http.StatusTemporaryRedirect)
			}, "redirect", 307},
			{func(http.ResponseWriter, *http.Request, got) { panic(http.ErrAbortHandler) }, "no_answer", 0},
			{func(w http.ResponseWriter, _ *http.Request, _ got) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "no_answer", 0},
			{func(w http.ResponseWriter, q *http.Request, _ got) {
				for q.Context().Err() == nil { // a body without end; the status has said it
					if _, err := w.Write(make([]byte, 4096)); err != nil {
						return
					}
				}
			}, "", 200},
		} {
			r.says(c.answer)
			h.happen(h.mine, 1)
			h.settle()
			if w := h.get(h.mine, id); w.Recent[0].Class != c.class || w.Recent[0].Status != c.status {
				h.Errorf("want %s %d: %+v", c.class, c.status, w.Recent[0])
			}
			r.says(nil)
			h.later(time.Hour)
			h.settle()
		}
		if len(forbidden.took()) != 0 {
			h.Error("a redirect was followed")
		}
		r.says(func(w http.ResponseWriter, _ *http.Request, _ got) {
			w.Header().Set("Retry-After", "999999")
			w.WriteHeader(503)
		})
		h.happen(h.mine, 1)
		h.settle()
		if w := h.get(h.mine, id); !w.RestUntil.Equal(h.now().Add(mostAfter)) {
			h.Errorf("rests until %v at %v", w.RestUntil, h.now())
		}
		r.says(nil)
		h.later(mostAfter)
		h.settle()
		if n := len(r.ids(created)); n != 7 || len(h.deliveries(h.mine, id, false)) != 0 {
			h.Errorf("%d arrived", n)
		}
		r.says(status(410))
		h.happen(h.mine, 2)
		h.settle()
		if w := h.get(h.mine, id); w.State != webhooks.Gone || !slices.Equal(h.alarms(), []string{"webhook"}) {
			h.Errorf("%s, alarms %v", w.State, h.alarms())
		}
		n := len(r.took())
		r.says(nil)
		h.happen(h.mine, 1)
		h.settle()
		if len(r.took()) != n {
			h.Error("who is gone was told")
		}
	})
}

// Without the operator's word nothing inside is reached; the control is above.
func TestNothingInside(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.1:0")
		h.write(h.mine, func(tx *store.Tx) error { // it can be entered by name alone
			_, _, err := h.d.Create(tx, Settings{URL: r.URL}, h.now())
			if err == nil {
				h.Error("an address inside was taken")
			}
			return nil
		})
		id, _ := h.hook(h.mine, strings.Replace(r.URL, "127.0.0.1", "localhost", 1), created)
		h.happen(h.mine, 1)
		h.settle()
		if w := h.get(h.mine, id); len(r.took()) != 0 || w.Recent[0].Class != "address_refused" {
			h.Errorf("%d messages, %+v", len(r.took()), w.Recent)
		}
		if a, err := h.d.Test(h.Context(), h.mine, id); err != nil || a.Class != "address_refused" || len(r.took()) != 0 {
			h.Errorf("%+v, %v", a, err)
		}
	})
}

func TestSecretsChangeWithoutAGap(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		id, old := h.hook(h.mine, r.URL, created)
		var young string
		h.write(h.mine, func(tx *store.Tx) (err error) { _, young, err = h.d.Rotate(tx, id, h.now()); return err })
		for i, want := range [][2]bool{{true, true}, {false, true}} {
			h.happen(h.mine, 1)
			h.settle()
			if m := r.took()[i]; verify(m, old) != want[0] || verify(m, young) != want[1] {
				h.Errorf("%d: %v", i, m.head["Webhook-Signature"])
			}
			h.later(Overlap)
		}
		a, err := h.d.Test(h.Context(), h.mine, id)
		if err != nil || a.Status != 200 || a.Kind != KindTest || !verify(r.took()[2], young) || r.took()[2].kind != KindTest {
			h.Errorf("%+v, %v", a, err)
		}
		if _, err := h.d.Test(h.Context(), h.other, id); err == nil {
			h.Error("another account tests it")
		}
	})
}

// Paused, nothing goes out; afterwards what happened meanwhile does.
func TestPauses(t *testing.T) {
	each(t, func(h *house) {
		r := newReceiver(h.T, "127.0.0.2:0")
		id, _ := h.hook(h.mine, r.URL, created)
		set := func(state string) {
			h.Helper()
			h.write(h.mine, func(tx *store.Tx) error {
				_, _, err := h.d.Change(tx, id, Settings{URL: r.URL, Kinds: []string{created}}, state, h.now())
				return err
			})
		}
		h.happen(h.mine, 1) // not delivered yet
		set(webhooks.Paused)
		h.happen(h.mine, 2)
		h.settle()
		if len(r.took()) != 0 {
			h.Error("a paused one was told")
		}
		set(webhooks.Active)
		h.settle()
		if len(r.ids(created)) != 3 {
			h.Errorf("%v", r.ids(created))
		}
		h.write(h.mine, func(tx *store.Tx) error { return h.d.Remove(tx, id, h.now()) })
		h.happen(h.mine, 1)
		h.settle()
		if len(r.took()) != 3 {
			h.Error("one that was removed was told")
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://hooks.example.com/x", "http://127.0.0.1/", "https://[::1]/", "https://u:p@example.com", "https://127.1", "javascript:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkURL(s, nil) == nil && (!strings.HasPrefix(strings.ToLower(s), "https://") || strings.ContainsAny(s, " @#")) && !strings.Contains(s, "/") {
			t.Errorf("%q was taken", s)
		}
	})
}

func FuzzMessageID(f *testing.F) {
	a := account.NewID()
	f.Add(a.String() + ".12")
	f.Add(".1")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := positionOf(a, s); err == nil && MessageID(a, p) != s {
			t.Errorf("%q is %d", s, p)
		}
	})
}

// A pause grows with the tries, and no try comes later than the schedule says.
func TestSchedule(t *testing.T) {
	now, sum := time.Now(), time.Duration(0)
	for n := 1; n < tries; n++ {
		at := next(n, answer{class: "server_error"}, now, 0)
		sum += at.Sub(now)
		if worst := next(n, answer{}, now, 1); worst.Sub(at) != pauses[n-1]/10 {
			t.Errorf("jitter at %d: %v", n, worst.Sub(at))
		}
	}
	if !next(tries, answer{}, now, 0).IsZero() || sum < patience || sum > patience+4*time.Hour {
		t.Errorf("%v in all", sum)
	}
}
