package main

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/caller"
	"catchment/internal/edge"
	"catchment/internal/journal"
	"catchment/internal/outward"
	"catchment/internal/store"
)

// wireConfig is how this program's own parts speak to each other.
type wireConfig struct {
	AllowPlaintext  bool   `name:"allow-plaintext" help:"Allow connections without TLS off loopback: the doors', and those to NATS and PostgreSQL." env:"CATCHMENT_ALLOW_PLAINTEXT"`
	AllowNetworks   string `name:"allow-networks" help:"Private networks that accounts' webhooks and identity providers may stand in, apart by commas, also without TLS: 10.20.0.0/16,192.0.2.7. Empty: public addresses alone." env:"CATCHMENT_ALLOW_NETWORKS"`
	AllowPrivateSSO bool   `name:"allow-private-sso" help:"Allow accounts' identity providers at private addresses and without TLS: for a closed network, or to try it." env:"CATCHMENT_ALLOW_PRIVATE_SSO"`
	DNS             string `name:"dns" help:"Name server (HOST:PORT) that is asked for what accounts enter: their domains, identity providers and webhooks; the system's when empty." placeholder:"ADDR" env:"CATCHMENT_DNS"`
	NATSCA          string `name:"nats-ca" help:"PEM file with the authority of the NATS server's certificate; the system's when empty." env:"CATCHMENT_NATS_CA" type:"path"`
	NATSCert        string `name:"nats-cert" help:"PEM file with the certificate to show to the NATS server." env:"CATCHMENT_NATS_CERT" type:"path"`
	NATSKey         string `name:"nats-key" help:"PEM file with its key." env:"CATCHMENT_NATS_KEY" type:"path"`
}

// checkNATS refuses a journal whose leads would cross a network in clear, or
// to somebody who only says to be it.
func (c wireConfig) checkNATS(flag, urls string) error {
	if (c.NATSCert == "") != (c.NATSKey == "") {
		return usage("--nats-cert and --nats-key go together")
	}
	if clear := c.natsInClear(urls); clear != "" && !c.AllowPlaintext {
		return usage("%s: %s is not loopback, and the connection would not be encrypted: use tls://, with --nats-ca when the server's certificate is of an authority of your own; or say --allow-plaintext", flag, clear)
	}
	return nil
}

// natsInClear is the first host off loopback to which no TLS is wanted.
func (c wireConfig) natsInClear(urls string) string {
	if c.NATSCA != "" || c.NATSCert != "" { // with either, the client insists on TLS
		return ""
	}
	for text := range strings.SplitSeq(urls, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil {
			return "what cannot be read" // never the text: it may hold a password
		}
		if u.Scheme != "tls" && u.Scheme != "wss" && !caller.Here(u.Hostname()) {
			return u.Hostname()
		}
	}
	return ""
}

// checkDatabase refuses a PostgreSQL to which the way is not encrypted, or
// whose certificate is not checked.
func (c wireConfig) checkDatabase(flag, text string) error {
	if text == "" || c.AllowPlaintext {
		return nil
	}
	host, err := store.InClear(text)
	if err != nil {
		return usage("%s cannot be read as postgres://…", flag)
	}
	if host != "" {
		return usage("%s: %s is not loopback, and the connection would not be encrypted to a server that proves who it is: add sslmode=verify-full (and sslrootcert=FILE for an authority of your own); or say --allow-plaintext", flag, host)
	}
	return nil
}

// checkWires is both for a server's own settings.
func (c config) checkWires() error {
	if _, err := caller.ParseNetworks(c.AllowNetworks); err != nil {
		return usage("--allow-networks: %v", err)
	}
	if err := c.checkNATS("--nats-url", c.NATSURL); err != nil {
		return err
	}
	if err := c.checkDatabase("--database-url", c.DatabaseURL); err != nil {
		return err
	}
	return c.checkDatabase("--database-owner-url", c.DatabaseOwnerURL)
}

// inside are the private networks that an account's addresses may lead to.
func (c wireConfig) inside() []netip.Prefix {
	n, _ := caller.ParseNetworks(c.AllowNetworks) // checkWires has read it
	return n
}

func (c wireConfig) insideSSO() []netip.Prefix {
	if c.AllowPrivateSSO {
		return outward.Everywhere
	}
	return c.inside()
}

// connections tells the state of each way in and between the parts.
func (d *doctor) connections() {
	d.doors()
	if err := d.c.checkWires(); err != nil {
		d.bad("%v", err)
	}
	ctx, cancel := context.WithTimeout(d.w.ctx, 10*time.Second)
	defer cancel()
	if d.c.NATSURL != "" {
		cert, err := journal.ServerCertificate(ctx, d.c.journalOptions())
		d.wire("NATS", cert, err)
	}
	if d.c.DatabaseURL != "" {
		cert, err := store.ServerCertificate(ctx, d.c.DatabaseURL)
		d.wire("PostgreSQL", cert, err)
	}
}

// wire tells about a connection to another server; cert is nil without TLS.
func (d *doctor) wire(name string, cert *x509.Certificate, err error) {
	switch {
	case err != nil:
		d.bad("connection to %s: %v", name, err)
	case cert == nil && d.c.AllowPlaintext:
		d.warn("connection to %s: not encrypted (--allow-plaintext)", name)
	case cert == nil:
		d.ok("connection to %s: on this machine, not encrypted", name)
	default:
		d.ends("connection to "+name+": TLS", edge.State{Ends: cert.NotAfter, Names: cert.DNSNames})
	}
}

// doors tells what the doors will show, from the files: a server need not run.
func (d *doctor) doors() {
	what := "doors: TLS (" + d.c.TLS + ")"
	switch d.c.TLS {
	case "self":
		dir := d.c.tlsFolder()
		if !exists(filepath.Join(dir, edge.AuthorityFile)) {
			d.warn("%s: the first start makes an authority and a certificate", what)
			return
		}
		d.ends(what, edge.InFiles(filepath.Join(dir, edge.OwnFile), filepath.Join(dir, edge.OwnKey)))
	case "files":
		d.ends(what, edge.InFiles(d.c.TLSCert, d.c.TLSKey))
	case "acme":
		for _, domain := range d.c.domains() {
			d.ends(what+" "+domain, edge.InACME(d.c.acmeFolder(), domain))
		}
	default:
		d.plainDoors()
	}
}

func (d *doctor) plainDoors() {
	host, _, err := net.SplitHostPort(d.c.Listen)
	switch {
	case err != nil || caller.Here(host):
		d.ok("doors: plain HTTP on this machine; a proxy in front has the TLS")
		if d.c.PublicURL != "" && d.c.TrustedProxies == "" {
			d.warn("no --trusted-proxies: every caller counts as the proxy in front")
		}
	case d.c.AllowPlaintext:
		d.warn("doors: plain HTTP on %s (--allow-plaintext): what is sent there can be read on the way", d.c.Listen)
	default:
		d.bad("%v", d.c.checkListen("--listen", d.c.Listen))
	}
}

// ends judges a certificate by its end.
func (d *doctor) ends(what string, s edge.State) {
	left := time.Until(s.Ends)
	switch {
	case s.Ends.IsZero():
		d.bad("%s: no certificate: %s", what, s.Problem)
	case s.Problem != "":
		d.bad("%s: %s", what, s.Problem)
	case left <= 0:
		d.bad("%s: the certificate ended on %s: renew it", what, s.Ends.Format(time.DateOnly))
	case left < edge.Soon:
		d.warn("%s: the certificate ends on %s, in %d days: see why it is not renewed", what, s.Ends.Format(time.DateOnly), int(left.Hours()/24))
	default:
		d.ok("%s: certificate for %s until %s", what, strings.Join(s.Names, ", "), s.Ends.Format(time.DateOnly))
	}
}
