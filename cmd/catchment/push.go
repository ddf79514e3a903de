package main

import (
	"net/url"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/lead"
	"catchment/internal/notify"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// pushConfig says where pushes may go.
type pushConfig struct {
	PushHosts string `name:"push-hosts" help:"Push services that pushes go to besides the browsers' own, apart by commas: push.example.com, or *.push.example.com." env:"CATCHMENT_PUSH_HOSTS"`
}

// pushHosts are the browsers' own push services and those of --push-hosts.
func (c pushConfig) pushHosts() (courier.PushHosts, error) {
	hosts := append(courier.PushHosts{}, courier.KnownPushHosts...)
	for h := range strings.SplitSeq(c.PushHosts, ",") {
		if h = strings.ToLower(strings.TrimSpace(h)); h != "" {
			hosts = append(hosts, h)
		}
	}
	if err := courier.CheckPushHosts(hosts); err != nil {
		return nil, usage("--push-hosts: %v", err)
	}
	return hosts, nil
}

// newNotifier makes what tells people by push.
func (h *house) newNotifier() (*notify.Notifier, error) {
	hosts, err := h.c.pushHosts()
	if err != nil {
		return nil, err
	}
	return notify.New(notify.Options{
		DB: h.db, Jobs: h.jobs, Carrier: courier.NewWebPush(hosts, h.ring.PushKey(), h.c.pushContact()), Opener: h.opener(), TokenMAC: h.ring.TokenMAC,
		Seal: sealerOf(h.directory), Mail: h.mail, PublicURL: h.c.publicURL(), Log: h.log,
		Pushed: func(tx *store.Tx, id lead.OfferID, user account.UserID) error { return h.routing.Pushed(tx, id, user) },
		Acked:  func(tx *store.Tx, id lead.OfferID, user account.UserID) error { return h.routing.Acked(tx, id, user) },
	}), nil
}

func sealerOf(d *directory.Directory) func(*store.Tx, account.UserID) (func(vault.Binding, vault.Personal) vault.Sealed, error) {
	return func(tx *store.Tx, user account.UserID) (func(vault.Binding, vault.Personal) vault.Sealed, error) {
		return d.SealerOf(tx, user)
	}
}

// pushContact is where a push service can complain (RFC 8292, 2.1).
func (c config) pushContact() string {
	if u, err := url.Parse(c.publicURL()); err == nil && u.Scheme == "https" {
		return "https://" + u.Host
	}
	if c.MailFrom != "" {
		return "mailto:" + c.MailFrom
	}
	return ""
}

// pushesEnded tells a user's revoked browsers.
func (h *house) pushesEnded(tx *store.Tx, user account.UserID) error {
	return h.jobs.Add(tx, notify.KindWipe, user.String(), time.Now())
}
