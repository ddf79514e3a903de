package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/logtest"
)

func names(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }

// A client that has the authority's file reaches the doors by each of their
// names, over HTTP/2 and with the post-quantum key exchange; one without it,
// or by another name, does not.
func TestOwnAuthority(t *testing.T) {
	certs := own(t, "leads.example.com")
	_, addr := serve(t, Options{Handler: http.HandlerFunc(names), Certificates: certs})
	trusting := &tls.Config{RootCAs: poolOf(t, certs.Authority())}
	for _, host := range []string{"leads.example.com", "localhost", "127.0.0.1"} {
		resp, said := get(t, client(addr, trusting), "https://"+host+"/")
		if said != "HTTP/2.0" || resp.TLS.Version != tls.VersionTLS13 || resp.TLS.CurveID != tls.X25519MLKEM768 {
			t.Errorf("%s: %s %x %v", host, said, resp.TLS.Version, resp.TLS.CurveID)
		}
	}
	if _, err := client(addr, trusting).Get("https://other.example.com/"); err == nil {
		t.Error("the certificate is good for another name")
	}
	if _, err := client(addr, nil).Get("https://localhost/"); err == nil {
		t.Error("a client without the authority's file connects")
	}
	if mode := fileMode(t, filepath.Join(filepath.Dir(certs.Authority()), authorityKey)); mode != 0o600 {
		t.Errorf("the authority's key has mode %o", mode)
	}
}

func fileMode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// What is old or weak is not spoken.
func TestOnlyModernTLS(t *testing.T) {
	certs := own(t)
	_, addr := serve(t, Options{Handler: http.HandlerFunc(names), Certificates: certs})
	try := func(c *tls.Config) error {
		c.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", addr, c)
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := try(&tls.Config{MaxVersion: tls.VersionTLS12}); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if err := try(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	for _, s := range append(tls.InsecureCipherSuites(), tls.CipherSuites()...) {
		err := try(&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{s.ID}})
		good := strings.Contains(s.Name, "_ECDHE_ECDSA_") && (strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "_POLY1305"))
		if (err == nil) != good {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// The certificate outlives restarts, is renewed after two thirds of its time
// or for other hosts, and the one before is then on the list of revoked ones,
// which is fetched where the certificate says.
func TestOwnIsRenewed(t *testing.T) {
	now := time.Now()
	o := OwnOptions{Dir: t.TempDir(), Hosts: []string{"leads.example.com"}, List: "https://leads.example.com", Now: func() time.Time { return now }, Log: logTo(&logtest.Lines{})}
	open := func() (*Own, *x509.Certificate) {
		t.Helper()
		s, err := NewOwn(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		return s, s.shown().Leaf
	}
	s, first := open()
	authority, err := os.ReadFile(s.Authority())
	if err != nil {
		t.Fatal(err)
	}
	if _, again := open(); !again.Equal(first) {
		t.Error("a restart makes another certificate")
	}
	now = now.Add(ownLife/3*2 - 2*time.Hour)
	if _, again := open(); !again.Equal(first) {
		t.Error("it is renewed before two thirds of its time")
	}
	now = now.Add(4 * time.Hour)
	s, second := open()
	if second.Equal(first) {
		t.Fatal("it is not renewed after two thirds of its time")
	}
	if !revoked(t, s, first.SerialNumber) || revoked(t, s, second.SerialNumber) {
		t.Error("the list of revoked ones does not tell the two apart")
	}
	o.Hosts = []string{"leads.example.com", "other.example.com"}
	s, third := open()
	if third.VerifyHostname("other.example.com") != nil || !revoked(t, s, first.SerialNumber) || !revoked(t, s, second.SerialNumber) {
		t.Error("for another host it is not renewed, or the list has forgotten")
	}
	now = now.Add(ownLife + time.Hour)
	if s, _ = open(); revoked(t, s, first.SerialNumber) {
		t.Error("the list keeps what has ended by itself")
	}
	if after, _ := os.ReadFile(s.Authority()); !bytes.Equal(after, authority) {
		t.Error("the authority has changed; its clients would have to be told")
	}
	now = now.Add(authorityLife)
	s, last := open()
	if after, _ := os.ReadFile(s.Authority()); bytes.Equal(after, authority) || last.CheckSignatureFrom(s.ca.cert) != nil {
		t.Error("an authority past its end is kept")
	}
}

func revoked(t *testing.T, s *Own, serial *big.Int) bool {
	t.Helper()
	_, addr := serve(t, Options{Handler: http.NotFoundHandler(), Certificates: s})
	if at := s.shown().Leaf.CRLDistributionPoints; len(at) != 1 || at[0] != "https://leads.example.com"+ListPath {
		t.Fatalf("the list is at %q", at)
	}
	resp, text := get(t, client(addr, Local(s)), "https://leads.example.com"+ListPath)
	l, err := x509.ParseRevocationList([]byte(text))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %v", resp.StatusCode, err)
	}
	if err := l.CheckSignatureFrom(s.ca.cert); err != nil {
		t.Fatal(err)
	}
	if !l.NextUpdate.After(s.o.Now()) {
		t.Error("the list is too old")
	}
	for _, e := range l.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}

// pairFiles writes a new certificate of its own with its key.
func pairFiles(t *testing.T, host string) (cert, key []byte) {
	t.Helper()
	o := own(t, host)
	dir := filepath.Dir(o.Authority())
	cert, err := os.ReadFile(filepath.Join(dir, OwnFile))
	if err != nil {
		t.Fatal(err)
	}
	if key, err = os.ReadFile(filepath.Join(dir, OwnKey)); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// Files that change are shown without a restart; a broken pair leaves the one
// before in its place and says so.
func TestFilesAreReadAgain(t *testing.T) {
	var logs logtest.Lines
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func(c, k []byte) {
		t.Helper()
		for path, text := range map[string][]byte{cert: c, key: k} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := NewFiles(cert, key, logTo(&logs)); err == nil {
		t.Fatal("a server starts without its files")
	}
	put(pairFiles(t, "first.example.com"))
	f, err := NewFiles(cert, key, logTo(&logs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	_, addr := serve(t, Options{Handler: http.HandlerFunc(names), Certificates: f})
	shows := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return strings.Join(conn.ConnectionState().PeerCertificates[0].DNSNames, " ")
	}
	if !strings.Contains(shows(), "first") {
		t.Fatalf("at first it shows %s", shows())
	}
	other, _ := pairFiles(t, "second.example.com")
	_, mine := pairFiles(t, "third.example.com")
	put(other, mine) // half of a renewal
	f.reload()
	if !strings.Contains(shows(), "first") || f.State().Problem == "" || f.State().Ends.IsZero() {
		t.Errorf("with a pair that does not fit it shows %s, state %+v", shows(), f.State())
	}
	n := strings.Count(logs.String(), "cannot be used")
	f.reload()
	if n != 2 || strings.Count(logs.String(), "cannot be used") != n { // the first was the missing files
		t.Errorf("the log has it %d times: %s", n, logs.String())
	}
	put(pairFiles(t, "fourth.example.com"))
	f.reload()
	if !strings.Contains(shows(), "fourth") || f.State().Problem != "" {
		t.Errorf("after the renewal it shows %s, state %+v", shows(), f.State())
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	f.reload()
	if !strings.Contains(shows(), "fourth") || f.State().Problem == "" {
		t.Errorf("with its key gone it shows %s, state %+v", shows(), f.State())
	}
}

// This program knows its own doors, and no other's.
func TestLocal(t *testing.T) {
	mine, others := own(t), own(t)
	_, addr := serve(t, Options{Handler: http.HandlerFunc(names), Certificates: others})
	if _, err := client(addr, Local(mine)).Get("https://127.0.0.1/"); err == nil {
		t.Error("another server passes for this one")
	}
	if _, err := client(addr, Local(others)).Get("https://192.0.2.1/"); err != nil {
		t.Errorf("by another address: %v", err)
	}
}
