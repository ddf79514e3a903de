package signin_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/clocktest"
	"catchment/internal/directory"
	"catchment/internal/signin"
)

// nodeAt is a node on the same database whose clock differs by so much.
func (h *house) nodeAt(off time.Duration) (*directory.Directory, *signin.Signin) {
	c := clocktest.At(h.clock.Now().Add(off))
	d := directory.New(directory.Options{DB: h.db, Keys: h.keys, Waker: h.waker, Now: c.Now})
	h.Cleanup(d.Close)
	return d, h.deskAt(d, c)
}

// A session lives no longer for a clock that went, in whichever direction, and
// a factor that it has shown does not stay fresh for it.
func TestSessionsAndClocksThatDiffer(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		a, _ := h.enrol(in)
		for _, c := range []struct {
			off   time.Duration
			in    bool
			fresh bool
		}{
			{0, true, true}, {time.Minute, true, true}, {-time.Minute, true, true},
			{9 * time.Minute, true, true}, {11 * time.Minute, true, false}, {-11 * time.Minute, true, false},
			{11 * time.Hour, true, false}, {-11 * time.Hour, true, false},
			{13 * time.Hour, false, false}, {-13 * time.Hour, false, false}, {31 * 24 * time.Hour, false, false}, {-31 * 24 * time.Hour, false, false},
		} {
			h.clock.Pass(time.Minute) // another code, and another session: nodes note when one was used
			in, err := h.show(h.comesIn(), signin.Proof{TOTP: a.code(0)})
			if err != nil {
				h.Fatal(err)
			}
			d, _ := h.nodeAt(c.off)
			p, err := d.Authenticate(h.Context(), in.Token)
			if (err == nil) != c.in {
				h.Errorf("%s: %v", c.off, err)
			}
			if got := account.Fresh(p.Shown.Strong(), h.clock.Now().Add(c.off)); err == nil && got != c.fresh {
				h.Errorf("%s: the second factor is fresh: %v", c.off, got)
			}
		}
	})
}

// A code of an app is used up for all nodes, whatever their clocks say, and
// counts on none whose clock is more than a step from the app's.
func TestAppsAndClocksThatDiffer(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		a, in := h.enrol(in)
		for _, off := range []time.Duration{time.Hour, -time.Hour, 2 * time.Minute, -2 * time.Minute} {
			_, desk := h.nodeAt(off)
			_, err := desk.Show(h.Context(), in.Principal, signin.Proof{TOTP: a.code(0)})
			h.refused(err, 422, "invalid")
		}
		code := a.code(0)
		_, near := h.nodeAt(20 * time.Second)
		in, err := near.Show(h.Context(), in.Principal, signin.Proof{TOTP: code})
		if err != nil {
			h.Fatalf("the control, 20 s ahead: %v", err)
		}
		_, behind := h.nodeAt(-20 * time.Second)
		_, err = behind.Show(h.Context(), in.Principal, signin.Proof{TOTP: code})
		h.refused(err, 422, "invalid")
	})
}

// A provider's token is judged by the clock of the node that takes it: one
// that is past, or not yet, lets nobody in there.
func TestProvidersAndClocksThatDiffer(t *testing.T) {
	each(t, func(h *house) {
		j := h.joined(nil)
		for off, want := range map[time.Duration]bool{0: true, time.Minute: true, -time.Minute: true, 5 * time.Hour: false, -5 * time.Hour: false} {
			_, desk := h.nodeAt(off)
			f, err := desk.BeginSSO(h.Context(), here, j.scope.Account(), "")
			if err != nil {
				h.Fatal(err)
			}
			err = desk.Returned(h.Context(), here, j.visit(f, somebody("s1", "priya@example.com")))
			if (err == nil) != want {
				h.Errorf("%s: %v", off, err)
			}
		}
	})
}
