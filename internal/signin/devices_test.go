package signin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/devices"
)

func TestNoShareWithoutTheRecord(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		first, err := h.door.Release(h.Context(), here, in.Principal, account.DeviceID{})
		if err != nil {
			h.Fatal(err)
		}
		o := h.keys.Opener()
		away := errors.New("the record is away")
		o.Record = func(context.Context, keyring.Opening) error { return away }
		mute := signin.New(signin.Options{DB: h.db, Directory: h.dir, Keys: h.keys, Now: h.clock.Now, Opener: o})
		h.Cleanup(mute.Close)
		if got, err := mute.Release(h.Context(), here, in.Principal, first.Device); !errors.Is(err, away) || got.Share != "" {
			h.Errorf("%v", err)
		}
		if again, err := h.door.Release(h.Context(), here, in.Principal, first.Device); err != nil || again.Share != first.Share || again.New {
			h.Errorf("%v", err)
		}
	})
}

// Another node believes in a session for some seconds after it ended: a share
// is not among what it gives.
func TestNoShareForASessionThatIsOver(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		other := h.comesIn()
		first, err := h.door.Release(h.Context(), here, in.Principal, account.DeviceID{})
		if err != nil {
			h.Fatal(err)
		}
		if err := h.door.EndSession(h.Context(), other.Principal, in.User, in.Session); err != nil {
			h.Fatal(err)
		}
		for _, id := range []account.DeviceID{first.Device, {}} {
			_, err := h.door.Release(h.Context(), here, in.Principal, id)
			h.refused(err, 401, "unauthenticated")
		}
		_, err = h.door.Release(h.Context(), here, other.Principal, first.Device)
		h.refused(err, 409, "device_revoked")
	})
}

func TestTheRuleOfDevices(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.company("priya@example.com")
		for _, bad := range []devices.Rule{{Lease: -1, Level: 1}, {Lease: signin.MostLease + 1, Level: 1}, {Lease: 0, Level: 0}, {Lease: 0, Level: 3}} {
			h.refused(h.try(s, func(tx *store.Tx) error { return h.door.SetDeviceRule(tx, bad) }), 422, "invalid")
		}
		h.write(s, func(tx *store.Tx) error { return h.door.SetDeviceRule(tx, devices.Rule{Lease: time.Hour, Level: 2}) })
		_, err := h.door.Release(h.Context(), here, in.Principal, account.DeviceID{})
		h.refused(err, 403, "second_factor_required")
		_, strong := h.enrol(in)
		got, err := h.door.Release(h.Context(), here, strong.Principal, account.DeviceID{})
		if err != nil || got.Until.Sub(got.Now) != time.Hour {
			h.Errorf("%v, %s", err, got.Lease)
		}
	})
}

// A user has so many devices; one more is at the cost of the oldest.
func TestAUserHasNotManyDevices(t *testing.T) {
	each(t, func(h *house) {
		_, in := h.company("priya@example.com")
		first, err := h.door.Release(h.Context(), here, in.Principal, account.DeviceID{})
		if err != nil {
			h.Fatal(err)
		}
		for range 20 {
			h.clock.Pass(time.Second)
			if _, err := h.door.Release(h.Context(), here, h.comesIn().Principal, account.DeviceID{}); err != nil {
				h.Fatal(err)
			}
		}
		list, err := h.door.Devices(h.Context(), in.Principal, in.User, "")
		if err != nil || len(list) != 20 {
			h.Errorf("%v, %d devices", err, len(list))
		}
		_, err = h.door.Release(h.Context(), here, in.Principal, first.Device)
		if p, ok := problem.Of(err); !ok || p.Code != "device_revoked" {
			h.Errorf("%v", err)
		}
	})
}

// A device that ended is told so for 90 days, and then forgotten; one that did
// not end is kept.
func TestDevicesThatEndedAreForgotten(t *testing.T) {
	each(t, func(h *house) {
		s, in := h.company("priya@example.com")
		gone, err := h.door.Release(h.Context(), here, in.Principal, account.DeviceID{})
		if err != nil {
			h.Fatal(err)
		}
		kept, err := h.door.Release(h.Context(), here, h.comesIn().Principal, account.DeviceID{})
		if err != nil {
			h.Fatal(err)
		}
		h.write(s, func(tx *store.Tx) error {
			_, err := devices.End(tx, gone.Device, devices.Revoked, h.clock.Now())
			return err
		})
		there := func(id account.DeviceID) (there bool) {
			if err := h.door.Tidy(h.Context(), []account.Scope{s}); err != nil {
				h.Fatal(err)
			}
			h.write(s, func(tx *store.Tx) error {
				_, err := devices.Get(tx, id)
				there = err == nil
				if errors.Is(err, store.ErrNone) {
					err = nil
				}
				return err
			})
			return there
		}
		h.clock.Pass(90 * 24 * time.Hour)
		if !there(gone.Device) {
			h.Error("forgotten within 90 days")
		}
		h.clock.Pass(time.Second)
		if there(gone.Device) {
			h.Error("not forgotten after 90 days")
		}
		if !there(kept.Device) {
			h.Error("one that did not end was forgotten")
		}
	})
}
