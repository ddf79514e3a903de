package courier

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"catchment/internal/vault"
)

// mailServer is a real one, on loopback.
type mailServer struct {
	mu      sync.Mutex
	letters []string
	refuse  error // of the recipient
	address string
}

func (m *mailServer) NewSession(c *smtp.Conn) (smtp.Session, error) { return &mailSession{m: m}, nil }

type mailSession struct {
	m    *mailServer
	user string
}

func (*mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, pass string) error {
		if user != "leads" || pass != secret {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}
func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if s.user == "" {
		return smtp.ErrAuthRequired
	}
	return nil
}
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.refuse
}
func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.letters = append(s.m.letters, string(text))
	return err
}
func (*mailSession) Reset()        {}
func (*mailSession) Logout() error { return nil }

// certificate is one for 127.0.0.1 and who trusts it.
func certificate(t *testing.T) (server, trusting *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

// serve starts the server: with STARTTLS, or with TLS from the beginning, or
// (a nil config) with neither.
func (m *mailServer) serve(t *testing.T, config *tls.Config, implicit bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = l.Addr().String()
	s := smtp.NewServer(m)
	s.Domain, s.AllowInsecureAuth, s.ErrorLog = "mail.example.com", config == nil, quiet{}
	if implicit {
		l = tls.NewListener(l, config)
	} else {
		s.TLSConfig = config
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func letter() Message {
	return Message{To: vault.Hide("priya@example.com"), Text: vault.Hide("Choose a password: https://leads.example.com/#clk_x\nGrüße"), Subject: "Your way in", Kind: Invitation}
}

func TestSMTP(t *testing.T) {
	server, trusting := certificate(t)
	for scheme, implicit := range map[string]bool{"smtp": false, "smtps": true} {
		m := &mailServer{}
		m.serve(t, server, implicit)
		s, err := NewSMTP(scheme+"://leads@"+m.address, secret, "leads@example.com", trusting)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Carry(t.Context(), letter()); err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		if len(m.letters) != 1 || !strings.Contains(m.letters[0], "To: <priya@example.com>") || !strings.Contains(m.letters[0], "Subject: Your way in") ||
			!strings.Contains(m.letters[0], "clk_x") || !strings.Contains(m.letters[0], "Auto-Submitted: auto-generated") {
			t.Errorf("%s: %q", scheme, m.letters)
		}
		for want, refuse := range map[string]error{
			"for good 550": &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no priya@example.com here"},
			"for now 451":  &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "priya@example.com: later"},
		} {
			m.refuse = refuse
			if err := s.Carry(t.Context(), letter()); outcome(err) != want || strings.Contains(err.Error(), "priya") {
				t.Errorf("%s: %v, want %s", scheme, err, want)
			}
		}
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("%s: check: %v", scheme, err)
		}
		wrong, _ := NewSMTP(scheme+"://leads@"+m.address, "another", "leads@example.com", trusting)
		if err := wrong.Check(t.Context()); err == nil {
			t.Errorf("%s: a wrong password passes", scheme)
		}
		stranger, _ := NewSMTP(scheme+"://leads@"+m.address, secret, "leads@example.com", nil)
		if err := stranger.Carry(t.Context(), letter()); err == nil {
			t.Errorf("%s: an unknown certificate is believed", scheme)
		}
	}
}

// A server without TLS gets neither the password nor the letter; the control
// shows that it would have taken both.
func TestSMTPInsistsOnTLS(t *testing.T) {
	m := &mailServer{}
	m.serve(t, nil, false)
	for _, scheme := range []string{"smtp", "smtps"} {
		s, err := NewSMTP(scheme+"://leads@"+m.address, secret, "leads@example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Carry(t.Context(), letter()); err == nil || len(m.letters) != 0 {
			t.Errorf("%s: %v, %d letters", scheme, err, len(m.letters))
		}
	}
	c, err := smtp.Dial(m.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(c.Auth(sasl.NewPlainClient("", "leads", secret)), c.SendMail("a@example.com", []string{"b@example.com"}, strings.NewReader("Subject: x\r\n\r\nx\r\n"))); err != nil || len(m.letters) != 1 {
		t.Errorf("the control: %v, %d letters", err, len(m.letters))
	}
	for _, bad := range []string{"smtp+plain://mail.example.com", "smtp://u:p@mail.example.com", "http://x", "smtp://u@mail.example.com:x"} {
		if _, err := NewSMTP(bad, secret, "leads@example.com", nil); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
