package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"time"
)

// Certificates are what a TLS server shows. They renew themselves until Close.
// *Own, *Files and *ACME are the three kinds. All methods are safe to share.
type Certificates interface {
	// Config is the server's: one of its own for every call.
	Config() *tls.Config
	// State tells about the certificate that is shown now.
	State() State
	// Plain answers on the plain listener what has to be answered there, else
	// reports false.
	Plain(w http.ResponseWriter, r *http.Request) bool
	Close()
}

// State is a certificate for those who run the machine.
type State struct {
	Names   []string  // of the hosts; empty when there is no certificate yet
	Ends    time.Time // of its validity
	Problem string    // why the next one could not be taken, "" when all is well
}

// Soon is how long before a certificate's end a human is told: each kind
// renews itself earlier, so something is in its way.
const Soon = 30 * 24 * time.Hour

// modern is what all servers here have in common. TLS 1.3's suites are Go's;
// of 1.2 only those with forward secrecy and authenticated encryption stay. The
// curves are Go's too, X25519MLKEM768 first. Session ticket keys are made anew
// each day by crypto/tls.
func modern() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// stateOf reads the names and the end out of a certificate.
func stateOf(c *tls.Certificate, problem string) State {
	s := State{Problem: problem}
	if leaf, err := leafOf(c); err == nil {
		s.Names, s.Ends = namesOf(leaf), leaf.NotAfter
	}
	return s
}

func leafOf(c *tls.Certificate) (*x509.Certificate, error) {
	if c == nil || len(c.Certificate) == 0 {
		return nil, errors.New("edge: no certificate")
	}
	if c.Leaf != nil {
		return c.Leaf, nil
	}
	return x509.ParseCertificate(c.Certificate[0])
}

func namesOf(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Local is how this program calls its own doors, by whatever address: it takes
// the very certificate that they show, and no other.
func Local(c Certificates) *tls.Config {
	shown := c.Config()
	name := ""
	if names := c.State().Names; len(names) > 0 {
		name = names[0]
	}
	return &tls.Config{
		ServerName:         name,
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter: the same bytes
		VerifyConnection: func(cs tls.ConnectionState) error {
			own, err := shown.GetCertificate(&tls.ClientHelloInfo{ServerName: cs.ServerName, SupportedVersions: []uint16{tls.VersionTLS13},
				SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256, tls.Ed25519}})
			if err != nil {
				return err
			}
			if !bytes.Equal(cs.PeerCertificates[0].Raw, own.Certificate[0]) {
				return errors.New("edge: this is not our own certificate")
			}
			return nil
		},
	}
}
