package edge

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// OwnOptions says for whom the own authority vouches.
type OwnOptions struct {
	Dir   string   // where it keeps its files; made when it is not there
	Hosts []string // names and addresses that the doors are reached by
	List  string   // URL at which the doors are reached, for the list of revoked certificates; "" for none
	Now   func() time.Time
	Log   *slog.Logger
}

// Files of the own authority, in its folder.
const (
	AuthorityFile = "authority.pem" // to be given to clients
	authorityKey  = "authority.key"
	OwnFile       = "doors.pem"
	OwnKey        = "doors.key"
	listFile      = "revoked.crl"
)

// ListPath is where the own authority's list of revoked certificates is.
const ListPath = "/.well-known/catchment-revoked.crl"

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	ownLife       = 90 * 24 * time.Hour
	listLife      = 7 * 24 * time.Hour
)

// Own is an authority of one's own with a certificate for the doors, both kept
// in a folder and renewed after two thirds of their time. A certificate that
// was replaced before its end is on the authority's list of revoked ones.
type Own struct {
	o    OwnOptions
	stop chan struct{}
	done sync.WaitGroup
	once sync.Once

	mu      sync.Mutex
	ca      *pair
	door    *pair
	list    []byte // DER
	listed  time.Time
	problem string
}

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewOwn opens the authority's folder, and makes what is missing in it.
func NewOwn(o OwnOptions) (*Own, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Hosts = tidyHosts(o.Hosts)
	if len(o.Hosts) == 0 {
		return nil, errors.New("edge: no host to make a certificate for")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	s := &Own{o: o, stop: make(chan struct{})}
	if err := s.renew(); err != nil {
		return nil, err
	}
	s.done.Go(s.keep)
	return s, nil
}

func tidyHosts(hosts []string) []string {
	out := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == "" })
	slices.Sort(out)
	return slices.Compact(out)
}

// keep looks every hour whether something nears its end.
func (s *Own) keep() {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		err := s.renew()
		s.mu.Lock()
		s.problem = ""
		if err != nil {
			s.problem = err.Error()
			s.o.Log.Error("edge: the doors' certificate was not renewed", "error", err)
		}
		s.mu.Unlock()
	}
}

// renew makes what is missing, or near its end, or for other hosts.
func (s *Own) renew() error {
	now := s.o.Now()
	ca, err := s.readPair(AuthorityFile, authorityKey)
	if err != nil {
		return err
	}
	if ca == nil || old(ca.cert, now) {
		if ca, err = s.makeAuthority(now); err != nil {
			return err
		}
		s.o.Log.Info("edge: an authority of our own was made; give its certificate to clients", "file", s.path(AuthorityFile))
	}
	door, err := s.readPair(OwnFile, OwnKey)
	if err != nil {
		return err
	}
	var gone *x509.Certificate
	if door == nil || old(door.cert, now) || door.cert.CheckSignatureFrom(ca.cert) != nil || !slices.Equal(tidyHosts(namesOf(door.cert)), s.o.Hosts) {
		if door != nil && door.cert.CheckSignatureFrom(ca.cert) == nil {
			gone = door.cert
		}
		if door, err = s.makeDoor(ca, now); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.ca, s.door = ca, door
	s.mu.Unlock()
	return s.revoke(ca, gone, now)
}

// old is what has lived two thirds of its time.
func old(c *x509.Certificate, now time.Time) bool {
	return now.After(c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3))
}

func (s *Own) path(name string) string { return filepath.Join(s.o.Dir, name) }

// readPair gives nil when one of the files is not there.
func (s *Own) readPair(cert, key string) (*pair, error) {
	c, err := tls.LoadX509KeyPair(s.path(cert), s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("edge: %s: %w (remove it and its key, and another is made)", s.path(cert), err)
	}
	leaf, err := leafOf(&c)
	if err != nil {
		return nil, err
	}
	signer, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("edge: the key in %s cannot sign", s.path(key))
	}
	return &pair{leaf, signer}, nil
}

func (s *Own) makeAuthority(now time.Time) (*pair, error) {
	return s.make(nil, AuthorityFile, authorityKey, &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Catchment authority of " + s.o.Hosts[0], Organization: []string{"Catchment"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
}

func (s *Own) makeDoor(ca *pair, now time.Time) (*pair, error) {
	c := &x509.Certificate{
		Subject:   pkix.Name{CommonName: s.o.Hosts[0]},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(ownLife),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range s.o.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	if s.o.List != "" {
		c.CRLDistributionPoints = []string{s.o.List + ListPath}
	}
	return s.make(ca, OwnFile, OwnKey, c)
}

// make signs with the issuer, itself when nil, and writes both files: the key
// first, so that a stop between the two leaves a pair that does not fit and is
// made anew.
func (s *Own) make(issuer *pair, cert, key string, c *x509.Certificate) (*pair, error) {
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	parent, signer := c, crypto.Signer(fresh)
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, fresh.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("edge: make a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(fresh)
	if err != nil {
		return nil, err
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if err := os.Remove(s.path(cert)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("edge: %w", err)
	}
	if err := writePEM(s.path(key), "PRIVATE KEY", keyDER, 0o600); err != nil {
		return nil, err
	}
	return &pair{c, fresh}, writePEM(s.path(cert), "CERTIFICATE", der, 0o644)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	return nil
}

// revoke signs the list anew, with the certificate that was replaced and
// without those that have ended by themselves.
func (s *Own) revoke(ca *pair, gone *x509.Certificate, now time.Time) error {
	var entries []x509.RevocationListEntry
	was, err := s.readList(ca)
	if err != nil {
		return err
	}
	number := big.NewInt(1)
	if was != nil {
		number.Add(was.Number, number)
		for _, e := range was.RevokedCertificateEntries {
			if now.Sub(e.RevocationTime) < ownLife {
				entries = append(entries, e)
			}
		}
	}
	if gone == nil && was != nil && now.Before(was.NextUpdate.Add(-listLife/2)) {
		s.keepList(was.Raw, was.NextUpdate)
		return nil
	}
	if gone != nil && gone.NotAfter.After(now) {
		entries = append(entries, x509.RevocationListEntry{SerialNumber: gone.SerialNumber, RevocationTime: now, ReasonCode: 4}) // superseded
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: number, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(listLife), RevokedCertificateEntries: entries}, ca.cert, ca.key)
	if err != nil {
		return fmt.Errorf("edge: list of revoked certificates: %w", err)
	}
	s.keepList(der, now.Add(listLife))
	return writePEM(s.path(listFile), "X509 CRL", der, 0o644)
}

// readList gives nil when there is none of this authority's.
func (s *Own) readList(ca *pair) (*x509.RevocationList, error) {
	text, err := os.ReadFile(s.path(listFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, nil
	}
	l, err := x509.ParseRevocationList(b.Bytes)
	if err != nil || l.CheckSignatureFrom(ca.cert) != nil {
		return nil, nil
	}
	return l, nil
}

func (s *Own) keepList(der []byte, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.listed = bytes.Clone(der), until
}

// Authority is the file to be given to clients.
func (s *Own) Authority() string { return s.path(AuthorityFile) }

// Config implements Certificates.
func (s *Own) Config() *tls.Config {
	c := modern()
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.shown(), nil }
	return c
}

func (s *Own) shown() *tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &tls.Certificate{Certificate: [][]byte{s.door.cert.Raw}, PrivateKey: s.door.key, Leaf: s.door.cert}
}

// State implements Certificates.
func (s *Own) State() State {
	c := s.shown()
	s.mu.Lock()
	defer s.mu.Unlock()
	return stateOf(c, s.problem)
}

// Plain implements Certificates: who checks a certificate has no connection yet.
func (s *Own) Plain(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != ListPath || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return false
	}
	s.mu.Lock()
	list := s.list
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/pkix-crl")
	_, _ = w.Write(list) // the caller has gone
	return true
}

// Close implements Certificates.
func (s *Own) Close() {
	s.once.Do(func() { close(s.stop) })
	s.done.Wait()
}
