package courier

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"

	"catchment/internal/vault/reveal"
)

// SMTP carries messages to mailboxes by a mail server (RFC 5321, 6409).
type SMTP struct {
	options []mail.Option
	host    string
	from    string
}

// NewSMTP reads smtp://USER@HOST:PORT, which insists on STARTTLS, or
// smtps://…, which begins with TLS; with a user it authenticates with the
// secret. Without TLS (smtp+plain://…) only an IP address of this machine is
// spoken to. from is the sender's address. roots trusts other certificate
// authorities than the system's; nil: the system's.
func NewSMTP(address, secret, from string, roots *tls.Config) (*SMTP, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("courier: want smtp://USER@HOST:587 or smtps://USER@HOST:465")
	}
	if _, inline := u.User.Password(); inline {
		return nil, errors.New("courier: write the mail server's password into a file, not into its address")
	}
	if err := mail.NewMsg().From(from); err != nil {
		return nil, errors.New("courier: the sender must be an e-mail address")
	}
	s := &SMTP{host: u.Hostname(), from: from}
	config := &tls.Config{}
	if roots != nil {
		config = roots.Clone()
	}
	config.ServerName, config.MinVersion = s.host, tls.VersionTLS12
	s.options = []mail.Option{mail.WithTimeout(10 * time.Second), mail.WithTLSConfig(config)}
	port := "587"
	switch u.Scheme {
	case "smtp":
		s.options = append(s.options, mail.WithTLSPolicy(mail.TLSMandatory))
	case "smtps":
		port = "465"
		s.options = append(s.options, mail.WithSSL())
	case "smtp+plain":
		if a, err := netip.ParseAddr(s.host); err != nil || !a.IsLoopback() {
			return nil, errors.New("courier: without TLS mail goes to an IP address of this machine only")
		}
		port = "25"
		s.options = append(s.options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		return nil, errors.New("courier: want smtp:// or smtps://")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, errors.New("courier: the mail server's port is no number")
	}
	s.options = append(s.options, mail.WithPort(n))
	if user := u.User.Username(); user != "" {
		if secret == "" {
			return nil, errors.New("courier: the mail server's user needs a password")
		}
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(user), mail.WithPassword(secret))
	}
	return s, nil
}

// Carry implements Carrier.
func (s *SMTP) Carry(ctx context.Context, m Message) error {
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(s.from), msg.To(reveal.Text(m.To))); err != nil {
		return &Failure{Permanent: true, Code: "bad_address"} // the error quotes it
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	msg.SetBodyString(mail.TypeTextPlain, reveal.Text(m.Text))
	c, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return &Failure{Permanent: true, Code: "bad_settings"}
	}
	return judgeMail(c.DialAndSendWithContext(ctx, msg))
}

// judgeMail leaves the server's sentence out: it quotes addresses.
func judgeMail(err error) error {
	if err == nil {
		return nil
	}
	var s *mail.SendError
	if !errors.As(err, &s) {
		return &Failure{Code: "no_answer", cause: bareMail(err)}
	}
	f := &Failure{Code: "smtp", Permanent: !s.IsTemp()}
	if n := s.ErrorCode(); n != 0 {
		f.Code, f.Permanent = strconv.Itoa(n), n/100 == 5
	}
	return f
}

// bareMail keeps of an error only whether time ran out.
func bareMail(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return nil
}

// Check connects, secures, authenticates and leaves; nothing is sent.
func (s *SMTP) Check(ctx context.Context) error {
	c, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return err
	}
	if err := c.DialWithContext(ctx); err != nil {
		return err
	}
	return c.Close()
}
