package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"catchment/internal/keyring"
	"catchment/internal/keyservice"

	"github.com/prometheus/client_golang/prometheus"
)

// kmsConfig is what can be set of the key service.
type kmsConfig struct {
	KMSURI       string        `name:"kms-uri" help:"Key service that opens the keyring and wraps accounts' keys, as aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID or hcvault://HOST/transit/keys/NAME; local: none, the keyring is opened by an identity file or a passphrase." default:"local" env:"CATCHMENT_KMS_URI"`
	KMSCA        string        `name:"kms-ca" help:"PEM file with the authority of Vault's certificate; the system's when empty." env:"CATCHMENT_KMS_CA" type:"path"`
	KMSTokenFile string        `name:"kms-token-file" help:"File with the token for Vault, read at each call, as an agent renews it; VAULT_TOKEN when empty." env:"CATCHMENT_KMS_TOKEN_FILE" type:"path"`
	KMSKeep      time.Duration `name:"kms-keep" help:"How long an account's keys serve that the key service opened, while it is away." default:"12h" env:"CATCHMENT_KMS_KEEP"`

	Services *keyServices `kong:"-"` // of a server: one client a key, which counts
}

// kms is the key service's URI, "" for none.
func (c kmsConfig) kms() string {
	if c.KMSURI == "local" {
		return ""
	}
	return c.KMSURI
}

func (c kmsConfig) checkKMS() error {
	if c.KMSKeep < 0 || c.KMSKeep > 0 && c.KMSKeep < time.Minute {
		return usage("--kms-keep %s: want a minute or more", c.KMSKeep)
	}
	if c.kms() == "" {
		return nil
	}
	if err := keyservice.Check(c.kms()); err != nil {
		return usage("--kms-uri: %v, or local", err)
	}
	return nil
}

// connect opens the way to the key that a URI names.
func (c config) connect(uri string) (keyring.KeyService, error) {
	return c.Services.get(uri, func() (*keyservice.Service, error) {
		return keyservice.Open(context.Background(), uri, keyservice.Options{
			Plaintext: c.AllowPlaintext, CA: c.KMSCA, Token: c.vaultToken, Namespace: os.Getenv("VAULT_NAMESPACE")})
	})
}

func (c kmsConfig) vaultToken() (string, error) {
	if c.KMSTokenFile == "" {
		return os.Getenv("VAULT_TOKEN"), nil
	}
	text, err := os.ReadFile(c.KMSTokenFile)
	return strings.TrimSpace(string(text)), err
}

// keyServices are the ways that are open.
type keyServices struct {
	mu   sync.Mutex
	open map[string]*keyservice.Service
}

// get gives the way that is open, or opens it; nil keeps none.
func (k *keyServices) get(uri string, open func() (*keyservice.Service, error)) (keyring.KeyService, error) {
	if k == nil {
		return open()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.open[uri]; s != nil {
		return s, nil
	}
	s, err := open()
	if err != nil {
		return nil, err
	}
	if k.open == nil {
		k.open = map[string]*keyservice.Service{}
	}
	k.open[uri] = s
	return s, nil
}

var (
	kmsCalls = prometheus.NewDesc("catchment_key_service_calls_total", "Calls of a key service, by what came of them.", []string{"service", "outcome"}, nil)
	kmsUp    = prometheus.NewDesc("catchment_key_service_up", "0 when the last call found the key service away or refusing.", []string{"service"}, nil)
	kmsWait  = prometheus.NewDesc("catchment_key_service_wait_seconds_total", "Time that was waited for a key service.", []string{"service"}, nil)
)

// Describe implements prometheus.Collector.
func (*keyServices) Describe(c chan<- *prometheus.Desc) { c <- kmsCalls; c <- kmsUp; c <- kmsWait }

// Collect implements prometheus.Collector.
func (k *keyServices) Collect(c chan<- prometheus.Metric) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for uri, s := range k.open {
		st, up := s.Stats(), 1.0
		if st.Down {
			up = 0
		}
		c <- prometheus.MustNewConstMetric(kmsUp, prometheus.GaugeValue, up, uri)
		c <- prometheus.MustNewConstMetric(kmsWait, prometheus.CounterValue, st.Waited.Seconds(), uri)
		for outcome, n := range map[string]int64{"ok": st.OK, "away": st.Away, "refused": st.Refused, "wrong": st.Wrong} {
			c <- prometheus.MustNewConstMetric(kmsCalls, prometheus.CounterValue, float64(n), uri, outcome)
		}
	}
}

// waitsForService tells that a start cannot have its keys because the service
// is away: it is sealed until that is over.
func (c config) waitsForService(err error) bool {
	return errors.Is(err, keyservice.ErrAway) && c.Role != "capture" && exists(filepath.Join(c.Data, keyring.KeyringFile))
}

// awaitService tries to open the keyring until it opens or ctx ends.
func (s *server) awaitService(ctx context.Context) *keyring.Keyring {
	for wait := time.Second; s.sleep(ctx, wait); wait = min(2*wait, 10*time.Second) {
		o := s.house.c.keyringOptions()
		o.MustExist = true
		ring, err := keyring.Open(o)
		if err == nil {
			return ring
		}
		s.log.Warn("the keyring does not open yet; it is tried again", "error", err)
	}
	return nil
}

// services tries each key service that the keyring names.
func (d *doctor) services() {
	var uris []string
	for _, k := range d.h.ring.Held() {
		if k.Service != "" {
			uris = append(uris, k.Service)
		}
	}
	if uri := d.c.kms(); uri != "" {
		uris = append(uris, uri)
	}
	slices.Sort(uris)
	for _, uri := range slices.Compact(uris) {
		ctx, cancel := context.WithTimeout(d.w.ctx, 10*time.Second)
		began := time.Now()
		err := d.c.tryService(ctx, uri)
		cancel()
		if err != nil {
			d.bad("key service: %v: what it opened serves for %s", err, d.c.KMSKeep)
			continue
		}
		d.ok("key service %s: two calls in %s", uri, time.Since(began).Round(time.Millisecond))
	}
	if d.c.kms() != "" {
		if _, err := keyring.OpenOwnDoor(d.c.Data); err != nil {
			d.warn("a start while the key service is away takes no leads: catchment keys lock leaves the keys of a door, which take them (%v)", err)
		}
	}
}

func (c config) tryService(ctx context.Context, uri string) error {
	s, err := c.connect(uri)
	if err != nil {
		return err
	}
	return s.(*keyservice.Service).Try(ctx)
}

type keysLockCmd struct {
	config      `embed:""`
	From        string `help:"The key service that opens the keyring now; none when empty."`
	WithoutDoor bool   `name:"without-door" help:"Leave no keys of a door beside the keyring: a start while the key service is away takes no leads then."`
}

// Run seals the keyring by what the settings name: --kms-uri, or an identity
// file. What its root is stays: see keys rotate root --to.
func (c keysLockCmd) Run(w *world) error {
	if err := c.checkKMS(); err != nil {
		return err
	}
	present := c.config
	present.KMSURI = c.From
	present.Ask = func() (string, error) { return w.secret("Present passphrase") }
	ring, err := present.openRing()
	if err != nil {
		return err
	}
	if err := c.act(w, "keys.lock", "", map[string]any{"by": c.lockName()}); err != nil {
		return err
	}
	to := keyring.Options{Dir: c.Data, IdentityFile: c.Identity, KeyService: c.kms(), Connect: c.connect, MustExist: true}
	if err := resealBeside(ring, to, to.KeyService != "" && !c.WithoutDoor); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s is opened by %s from now on: start the servers anew with these settings. Older copies of it open as they did: destroy them.\n", keyring.KeyringFile, c.lockName())
	return nil
}

func (c config) lockName() string {
	if uri := c.kms(); uri != "" {
		return uri
	}
	return "an identity file"
}

// resealBeside writes the keyring under another lock. The door's keys come
// first, so that no start between the two takes no leads; an identity that opens
// nothing any more goes last.
func resealBeside(ring *keyring.Keyring, to keyring.Options, door bool) error {
	if door {
		if err := ring.KeepDoor(); err != nil {
			return err
		}
	}
	if err := ring.Reseal(to); err != nil {
		return err
	}
	if !door {
		if err := ring.DropDoor(); err != nil {
			return err
		}
	}
	own := filepath.Join(to.Dir, keyring.IdentityFile)
	if to.Passphrase == nil && to.KeyService == "" || !exists(own) {
		return nil
	}
	return os.Remove(own)
}
