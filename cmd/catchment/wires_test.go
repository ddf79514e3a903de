package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/edge"
	"catchment/internal/store"
	"catchment/internal/store/scratch"

	nats "github.com/nats-io/nats-server/v2/server"
)

// What would cross a network in clear, or to somebody who does not prove who
// it is, is refused, and the refusal repeats no password.
func TestPlaintextIsRefused(t *testing.T) {
	for _, c := range []struct {
		nats, postgres string
		more           wireConfig
		refused        string // a word of the refusal; "" when it is taken
	}{
		{nats: "nats://127.0.0.1:4222,nats://[::1]:4222,localhost:4222"},
		{nats: "nats://bus.example.com:4222", refused: "bus.example.com"},
		{nats: "bus.example.com:4222", refused: "bus.example.com"},
		{nats: "tls://bus.example.com:4222, nats://other.example.com", refused: "other.example.com"},
		{nats: "ws://bus.example.com", refused: "bus.example.com"},
		{nats: "nats://me:secret@bus.example.com", refused: "bus.example.com"},
		{nats: "nats://me:secret@bus.example.com:%zz", refused: "cannot be read"},
		{nats: "tls://bus.example.com:4222,wss://web.example.com"},
		{nats: "nats://bus.example.com", more: wireConfig{NATSCA: "ca.pem"}},
		{nats: "nats://bus.example.com", more: wireConfig{AllowPlaintext: true}},
		{nats: "tls://bus.example.com", more: wireConfig{NATSCert: "cert.pem"}, refused: "go together"},
		{postgres: "postgres://me@127.0.0.1/db"},
		{postgres: "postgres://me@localhost,127.0.0.2/db"},
		{postgres: "postgres:///db?host=/var/run/postgresql"},
		{postgres: "postgres://me:secret@db.example.com/db", refused: "db.example.com"},
		{postgres: "postgres://me:secret@db.example.com/db?sslmode=prefer", refused: "verify-full"},
		{postgres: "postgres://me:secret@db.example.com/db?sslmode=require", refused: "verify-full"},
		{postgres: "postgres://me:secret@db.example.com/db?sslmode=verify-ca", refused: "verify-full"},
		{postgres: "postgres://me:secret@127.0.0.1,db.example.com/db?sslmode=disable", refused: "db.example.com"},
		{postgres: "postgres://me:secret@db.example.com/db?sslmode=none", refused: "cannot be read"},
		{postgres: "postgres://me:secret@db.example.com/db?sslmode=verify-full"},
		{postgres: "postgres://me:secret@db.example.com/db", more: wireConfig{AllowPlaintext: true}},
	} {
		for _, set := range []config{
			{NATSURL: c.nats, DatabaseURL: c.postgres, wireConfig: c.more},
			{NATSURL: c.nats, DatabaseOwnerURL: c.postgres, wireConfig: c.more},
		} {
			err := set.checkWires()
			if (err == nil) != (c.refused == "") || (err != nil && !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("%s%s: %v", c.nats, c.postgres, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the refusal repeats a password: %v", err)
			}
		}
	}
}

// vouched makes a certificate for 127.0.0.1 and the authority's file.
func vouched(t *testing.T) (cert, key, authority string) {
	t.Helper()
	own, err := edge.NewOwn(edge.OwnOptions{Dir: t.TempDir(), Hosts: []string{"127.0.0.1"}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	dir := filepath.Dir(own.Authority())
	return filepath.Join(dir, edge.OwnFile), filepath.Join(dir, edge.OwnKey), own.Authority()
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// secureNATS runs a NATS server that speaks TLS only and asks for a client's
// certificate.
func secureNATS(t *testing.T) (url, cert, key, authority string) {
	t.Helper()
	cert, key, authority = vouched(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := nats.NewServer(&nats.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
		TLS: true, TLSTimeout: patience.Seconds(), TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
			ClientAuth: tls.RequireAnyClientCert, VerifyConnection: func(cs tls.ConnectionState) error {
				if !bytes.Equal(cs.PeerCertificates[0].Raw, pair.Certificate[0]) {
					return errors.New("another client")
				}
				return nil
			}}})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	return strings.Replace(s.ClientURL(), "nats://", "tls://", 1), cert, key, authority
}

// ownPostgres is a PostgreSQL that only this test uses, and may halt. Without
// one installed the test is left out when short ones were asked for.
func ownPostgres(t *testing.T) *scratch.Cluster {
	t.Helper()
	c, err := scratch.Start(false)
	if errors.Is(err, scratch.ErrMissing) && testing.Short() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// securePostgres runs a PostgreSQL that speaks TLS only.
func securePostgres(t *testing.T) (url string) {
	t.Helper()
	c := ownPostgres(t)
	cert, key, authority := vouched(t)
	if err := c.Secure(read(t, cert), read(t, key), read(t, authority)); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), "secure", ""); err != nil {
		t.Fatal(err)
	}
	return c.URL("secure")
}

// A server over TLS to NATS and to PostgreSQL takes a lead; doctor tells both
// connections with their certificates' ends; with another authority neither is
// spoken to.
func TestWiresByTLS(t *testing.T) {
	t.Parallel()
	bus, cert, key, authority := secureNATS(t)
	c := settingsFor(t, store.Options{URL: securePostgres(t)})
	c.NATSURL, c.NATSCA, c.NATSCert, c.NATSKey = bus, authority, cert, key
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	attached(s.as(t, shop.admin), s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141")).text("id"))
	s.stop()

	told := func(c config, nats, postgres string) {
		t.Helper()
		var out strings.Builder
		(&doctor{w: &world{ctx: t.Context(), out: &out, err: io.Discard}, c: c}).connections()
		for _, want := range []string{nats, postgres} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("doctor does not say %q: %s", want, out.String())
			}
		}
	}
	told(c, "ok    connection to NATS: TLS: certificate for ", "ok    connection to PostgreSQL: TLS: certificate for ")
	_, _, c.NATSCA = vouched(t)
	c.DatabaseURL = strings.Split(c.DatabaseURL, "sslrootcert=")[0] + "sslrootcert=" + c.NATSCA
	told(c, "BAD   connection to NATS:", "BAD   connection to PostgreSQL:")
	if s, err := startServer(&world{ctx: t.Context(), out: io.Discard, err: io.Discard}, c); err == nil {
		s.stop()
		t.Error("a server starts on the word of an unknown authority")
	}
	c.DatabaseURL = strings.Replace(c.DatabaseURL, "verify-full", "disable", 1)
	c.NATSURL, c.NATSCA, c.NATSCert, c.NATSKey = strings.Replace(bus, "tls://", "nats://", 1), "", "", ""
	told(c, "BAD   connection to NATS:", "BAD   connection to PostgreSQL:") // the servers themselves insist
}

// doctor judges the doors' certificate from its files.
func TestDoctorDoors(t *testing.T) {
	told := func(c config) string {
		var out strings.Builder
		(&doctor{w: &world{ctx: t.Context(), out: &out, err: io.Discard}, c: c}).doors()
		return out.String()
	}
	ownFor := func(dir string, hosts ...string) {
		t.Helper()
		own, err := edge.NewOwn(edge.OwnOptions{Dir: dir, Hosts: hosts, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		own.Close()
	}
	files := func(cert, key string) (c config) {
		c.TLS, c.TLSCert, c.TLSKey = "files", cert, key
		return c
	}
	dir := t.TempDir()
	ownFor(filepath.Join(dir, "tls"), "leads.example.com")
	cert, key := filepath.Join(dir, "tls", edge.OwnFile), filepath.Join(dir, "tls", edge.OwnKey)
	_, other, _ := vouched(t)
	lan := config{TLS: "off", Listen: "0.0.0.0:8080"}
	open := lan
	open.AllowPlaintext = true
	for want, c := range map[string]config{
		"ok    doors: plain HTTP on this machine":                          {TLS: "off", Listen: "127.0.0.1:8080"},
		"look  no --trusted-proxies":                                       {TLS: "off", Listen: "127.0.0.1:8080", PublicURL: "https://leads.example.com"},
		"BAD   --listen 0.0.0.0:8080 is not loopback":                      lan,
		"look  doors: plain HTTP on 0.0.0.0:8080":                          open,
		"look  doors: TLS (self): the first start makes":                   {TLS: "self", Data: t.TempDir()},
		"ok    doors: TLS (self): certificate for leads.example.com until": {TLS: "self", Data: dir},
		"ok    doors: TLS (files): certificate for leads.example.com":      files(cert, key),
		"BAD   doors: TLS (files): no certificate: tls: private key does":  files(cert, other),
		"BAD   doors: TLS (files): no certificate: open":                   files(cert, "absent.pem"),
		"BAD   doors: TLS (acme) leads.example.com: no certificate":        {TLS: "acme", Data: t.TempDir(), edgeConfig: edgeConfig{ACMEDomain: "leads.example.com"}},
	} {
		if got := told(c); !strings.Contains(got, want) {
			t.Errorf("doctor says %q, want %q", got, want)
		}
	}
}

// Thirty days before a certificate's end doctor says so.
func TestDoctorWarns(t *testing.T) {
	for days, want := range map[int]string{40: "ok    x: certificate for a", 31: "ok    x", 29: "look  x: the certificate ends on", -1: "BAD   x: the certificate ended on"} {
		var out strings.Builder
		d := &doctor{w: &world{out: &out}}
		d.ends("x", edge.State{Names: []string{"a"}, Ends: time.Now().Add(time.Duration(days)*24*time.Hour + time.Hour)})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%d days before the end: %s", days, out.String())
		}
	}
}
