package signin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/devices"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

const (
	shareBytes  = 32
	mostDevices = 20 // of a user; one more ends the oldest
	// MostLease is how long an account may let the app work without us.
	MostLease = 7 * 24 * time.Hour
)

// Released is a device's share, for that device alone. It is nowhere else in
// clear.
type Released struct {
	Device account.DeviceID
	Share  string // 32 bytes, base64url without padding
	New    bool   // the device was not known before
	Lease  time.Duration
	Until  time.Time // when the lease ends
	Now    time.Time // by our clock
}

// Release gives a session its device's share of the key to what the device
// keeps: a new device's, or, with the id, the one that it had. It is on the
// record, and begins the lease anew.
// 404: no such device of this user; 409 device_revoked: it is destroyed;
// 403 second_factor_required: the account's rule wants more shown.
func (s *Signin) Release(ctx context.Context, c Client, p directory.Principal, id account.DeviceID) (out Released, err error) {
	if p.User.IsZero() || p.Session.IsZero() || !p.Scope.Valid() {
		return out, problem.Conflict("no_session", "Only a user's session of an account has a device.")
	}
	var d devices.Device
	err = s.o.DB.Write(ctx, p.Scope, func(tx *store.Tx) error {
		out = Released{Now: s.now(), New: id.IsZero()}
		rule, err := devices.GetRule(tx)
		if err != nil {
			return err
		}
		if p.Shown.Level() < rule.Level {
			return problem.Forbidden("second_factor_required", "Your company has you show a second factor before the app keeps anything here. POST it to /v1/sessions/current/factors.")
		}
		if err := s.live(tx, p); err != nil {
			return err
		}
		out.Lease, out.Until = rule.Lease, out.Now.Add(rule.Lease)
		if out.New {
			d, err = s.newDevice(tx, c, p, out)
		} else {
			d, err = s.sameDevice(tx, p, id, out)
		}
		if err != nil {
			return err
		}
		out.Device = d.ID
		return audit.Write(tx, out.Now, audit.Entry{Actor: p.Actor, Action: "device.release", About: d.ID.String(),
			Detail: map[string]any{"session": p.Session, "new": out.New, "lease_until": out.Until}})
	})
	if err != nil {
		return Released{}, err
	}
	opened, err := s.o.Opener.Open(ctx, p.Scope, p.Actor, vault.ForDevice, d.SealedShare())
	if err == nil && opened.States[0] != keyring.Clear {
		err = errors.New("signin: the share of a device does not open")
	}
	if err != nil {
		return Released{}, err
	}
	out.Share = reveal.Text(opened.Values[0])
	return out, nil
}

// live refuses a session that has ended since it was believed: nothing is
// released in the seconds in which another node has not heard of it.
func (s *Signin) live(tx *store.Tx, p directory.Principal) error {
	rows, err := s.o.Directory.Sessions(tx, p.User)
	if err == nil && !slices.ContainsFunc(rows, func(r access.Session) bool { return r.ID == p.Session }) {
		err = problem.Unauthenticated("This session is over.")
	}
	return err
}

// newDevice takes the place of one that the session had: its browser has lost
// what it kept.
func (s *Signin) newDevice(tx *store.Tx, c Client, p directory.Principal, out Released) (d devices.Device, err error) {
	had, err := devices.Of(tx, p.User)
	if err != nil {
		return d, err
	}
	for i, x := range had {
		if x.Session == p.Session {
			err = devices.Remove(tx, x.ID)
		} else if i >= mostDevices-1 {
			err = s.o.Directory.EndDevice(tx, p.Actor, x, devices.Revoked)
		}
		if err != nil {
			return d, err
		}
	}
	seal, err := s.o.Directory.SealerOf(tx, p.User)
	if err != nil {
		return d, err
	}
	fresh := make([]byte, shareBytes)
	rand.Read(fresh)
	d = devices.Device{ID: account.NewDeviceID(), User: p.User, Session: p.Session, CreatedAt: out.Now, ReleasedAt: out.Now, LeaseUntil: out.Until}
	d.Share = seal(devices.Binding(d.ID, vault.KeyShare), vault.Hide(base64.RawURLEncoding.EncodeToString(fresh))).Data
	d.Label = seal(devices.Binding(d.ID, vault.Device), c.noted().Device).Data
	return d, devices.Add(tx, d)
}

func (s *Signin) sameDevice(tx *store.Tx, p directory.Principal, id account.DeviceID, out Released) (devices.Device, error) {
	d, err := devices.Get(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && d.User != p.User {
		return d, problem.NotFound()
	}
	if err != nil {
		return d, err
	}
	if d.Session != p.Session {
		if err := devices.MovePushes(tx, p.User, d.Session, p.Session); err != nil {
			return d, err
		}
	}
	ok, err := devices.Release(tx, id, p.Session, out.Now, out.Until)
	if err == nil && !ok {
		err = problem.Conflict("device_revoked", "This device was revoked: what it keeps cannot be opened any more. Delete it, and ask without the id.")
	}
	return d, err
}

// UserDevice is one of a user's, for their eyes or an admin's.
type UserDevice struct {
	ID         string    `json:"id" example:"dev_01h455vb4pex5vsknk084sn02q"`
	Current    bool      `json:"current" doc:"It is the one that asks."`
	Device     *string   `json:"device" doc:"Browser and system as they call themselves; null: unknown, or not opened." example:"Firefox on Android"`
	SessionID  string    `json:"session_id" doc:"The session that had its key last; it may be over." example:"sess_01h455vb4pex5vsknk084sn02q"`
	CreatedAt  time.Time `json:"created_at"`
	ReleasedAt time.Time `json:"released_at" doc:"When it was given its share of the key last."`
	LeaseUntil time.Time `json:"lease_until" doc:"How long the app works there without the server."`
}

// Devices lists a user's devices that were not revoked, newest first. What they
// are is opened for the purpose, in one entry on the record; without a purpose
// it stays closed.
func (s *Signin) Devices(ctx context.Context, p directory.Principal, user account.UserID, purpose vault.Purpose) ([]UserDevice, error) {
	var rows []devices.Device
	if p.Scope.Valid() {
		err := s.o.DB.Read(ctx, p.Scope, func(tx *store.Tx) (err error) {
			rows, err = devices.Of(tx, user)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out := make([]UserDevice, len(rows))
	sealed := make([]vault.Sealed, len(rows))
	for i, d := range rows {
		out[i] = UserDevice{ID: d.ID.String(), Current: d.Session == p.Session, SessionID: d.Session.String(), CreatedAt: d.CreatedAt,
			ReleasedAt: d.ReleasedAt, LeaseUntil: d.LeaseUntil}
		sealed[i] = d.SealedLabel()
	}
	if purpose == "" || len(rows) == 0 {
		return out, nil
	}
	opened, err := s.o.Opener.Open(ctx, p.Scope, p.Actor, purpose, sealed...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if opened.States[i] == keyring.Clear {
			out[i].Device = new(reveal.Text(opened.Values[i]))
		}
	}
	return out, nil
}

// EndDevice destroys a device's share and ends the session that had it last.
// 404: the user has no such device, or not any more.
func (s *Signin) EndDevice(tx *store.Tx, p directory.Principal, user account.UserID, id account.DeviceID) error {
	d, err := devices.Get(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && (d.User != user || !d.EndedAt.IsZero()) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	s.o.Directory.Revoked(tx)
	if _, err := access.EndSessionOf(tx, user, d.Session, s.now()); err != nil {
		return err
	}
	return s.o.Directory.EndDevice(tx, p.Actor, d, devices.Revoked)
}

// DeviceRule reads what the account wants of devices.
func (s *Signin) DeviceRule(tx *store.Tx) (devices.Rule, error) { return devices.GetRule(tx) }

// SetDeviceRule changes it. Leases that run are not shortened: the app was told
// their end.
func (s *Signin) SetDeviceRule(tx *store.Tx, r devices.Rule) error {
	if r.Lease < 0 || r.Lease > MostLease {
		return problem.InvalidField("offline_ms", "out_of_range", "Give milliseconds, seven days at most; 0: the app does not work without the server.")
	}
	if r.Level != 1 && r.Level != 2 {
		return problem.InvalidField("level", "out_of_range", "Give 1 or 2.")
	}
	return devices.SetRule(tx, r, s.now())
}
