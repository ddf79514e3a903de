package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"catchment/internal/alarm"
	"catchment/internal/courier"
	"catchment/internal/keyring"
	"catchment/internal/outward"
	"catchment/internal/password"
	"catchment/internal/signin"
	"catchment/internal/webhook"
)

// courierConfig says how messages reach phones and mailboxes. Secrets stand in
// files, or in the environment as CATCHMENT_SMS_SECRET and
// CATCHMENT_SMTP_PASSWORD; never in an address, which shows in lists of
// processes.
type courierConfig struct {
	SMSURL           string `name:"sms-url" help:"Who carries codes to phones: twilio://AC…@api.twilio.com?from=%2B… (or ?service=MG…), or https://… for a webhook signed by the Standard Webhooks rules. Empty: nobody signs in by code." env:"CATCHMENT_SMS_URL"`
	SMSSecretFile    string `name:"sms-secret-file" help:"File with its secret: Twilio's auth token, or whsec_…" env:"CATCHMENT_SMS_SECRET_FILE" type:"path"`
	SMSCountries     string `name:"sms-countries" help:"ISO 3166 countries that codes go to at all, apart by commas; empty: those that the accounts have." env:"CATCHMENT_SMS_COUNTRIES"`
	SMTPURL          string `name:"smtp-url" help:"The mail server: smtp://USER@HOST:587 (with STARTTLS) or smtps://USER@HOST:465. Empty: no mail goes out." env:"CATCHMENT_SMTP_URL"`
	SMTPPasswordFile string `name:"smtp-password-file" help:"File with its password." env:"CATCHMENT_SMTP_PASSWORD_FILE" type:"path"`
	MailFrom         string `name:"mail-from" help:"The sender of mail, as leads@example.com." env:"CATCHMENT_MAIL_FROM"`

	Outbox *courier.Outbox `kong:"-"` // takes the place of both, in the demo
}

// carrier is what can say, without a message, whether it would take one.
type carrier interface {
	courier.Carrier
	Check(ctx context.Context) error
}

// secret reads a secret from its file, else from the environment.
func secret(file, env string) (string, error) {
	if file == "" {
		return os.Getenv(env), nil
	}
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

// phoneCarrier is nil when none is set.
func (c config) phoneCarrier() (carrier, error) {
	if c.SMSURL == "" {
		return nil, nil
	}
	key, err := secret(c.SMSSecretFile, "CATCHMENT_SMS_SECRET")
	if err != nil {
		return nil, fmt.Errorf("--sms-secret-file: %w", err)
	}
	if u, err := url.Parse(c.SMSURL); err == nil && strings.HasPrefix(u.Scheme, "twilio") {
		t, err := courier.NewTwilio(c.SMSURL, key)
		if err != nil {
			return nil, usage("--sms-url: %v", err)
		}
		return t, nil
	}
	w, err := courier.NewWebhook(c.SMSURL, key)
	if err != nil {
		return nil, usage("--sms-url: %v", err)
	}
	return w, nil
}

// mailCarrier is nil when none is set.
func (c config) mailCarrier() (carrier, error) {
	if c.SMTPURL == "" {
		return nil, nil
	}
	password, err := secret(c.SMTPPasswordFile, "CATCHMENT_SMTP_PASSWORD")
	if err != nil {
		return nil, fmt.Errorf("--smtp-password-file: %w", err)
	}
	s, err := courier.NewSMTP(c.SMTPURL, password, c.MailFrom, nil)
	if err != nil {
		return nil, usage("--smtp-url, --mail-from: %v", err)
	}
	return s, nil
}

// countries is the list of --sms-countries.
func (c courierConfig) countries() (out []string) {
	for _, s := range strings.Split(c.SMSCountries, ",") {
		if s = strings.ToUpper(strings.TrimSpace(s)); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// hireCouriers makes those who carry messages, as far as they are set.
func (h *house) hireCouriers() error {
	if h.c.Outbox != nil {
		h.phones = courier.New(courier.Options{Carrier: h.c.Outbox, Log: h.log})
		h.mail = courier.New(courier.Options{Carrier: h.c.Outbox, Log: h.log})
		return nil
	}
	phone, err := h.c.phoneCarrier()
	if err != nil {
		return err
	}
	if phone != nil {
		h.phones = courier.New(courier.Options{Carrier: phone, Log: h.log})
	}
	mail, err := h.c.mailCarrier()
	if err != nil {
		return err
	}
	if mail != nil {
		h.mail = courier.New(courier.Options{Carrier: mail, Log: h.log})
	}
	return nil
}

// dismissCouriers ends them.
func (h *house) dismissCouriers() {
	for _, c := range []*courier.Courier{h.phones, h.mail} {
		if c != nil {
			c.Close()
		}
	}
}

func (h *house) newSignin() (*signin.Signin, error) {
	var leaked *password.Leaked
	if path := h.c.LeakedPasswords; path != "" {
		var err error
		if leaked, err = password.OpenLeaked(path); err != nil {
			return nil, fmt.Errorf("--leaked-passwords: %w", err)
		}
	}
	host := ""
	if u, err := url.Parse(h.c.publicURL()); err == nil {
		host = u.Hostname()
	}
	return signin.New(signin.Options{DB: h.db, Directory: h.directory, Keys: h.ring, Courier: h.phones, Countries: h.c.countries(), Host: host,
		Opener: h.opener(), Events: h.events, Jobs: h.jobs, Log: h.log, Hash: hashCommand(), Leaked: leaked,
		SSO: signin.SSO{Accounts: h.accounts, PublicURL: h.c.publicURL(), Names: outward.Resolver(h.c.DNS), Inside: h.c.insideSSO()}}), nil
}

// newWebhooks tells accounts' own addresses what happens.
func (h *house) newWebhooks() *webhook.Deliverer {
	return webhook.New(webhook.Options{DB: h.db, Feed: h.feed, Accounts: h.accounts, Bell: alarm.Bell{Events: h.events, Jobs: h.jobs}, Agent: "Catchment/" + version, Log: h.log,
		Client: outward.Options{Inside: h.c.inside(), Resolver: outward.Resolver(h.c.DNS)}})
}

// opener opens what belongs to persons and users, on the record.
func (h *house) opener() *keyring.Opener {
	return &keyring.Opener{Accounts: h.accounts, Record: h.recordOpening, Keys: h.subjectKeys}
}

// messages tells whether a message could go out; none does.
func (d *doctor) messages() {
	for _, way := range []struct {
		what, flag string
		hire       func() (carrier, error)
	}{{"codes to phones", "--sms-url", d.c.phoneCarrier}, {"mail", "--smtp-url", d.c.mailCarrier}} {
		c, err := way.hire()
		if err != nil {
			d.bad("%s: %v", way.what, err)
			continue
		}
		if c == nil {
			d.warn("%s: no %s is set, so none go out", way.what, way.flag)
			continue
		}
		ctx, cancel := context.WithTimeout(d.w.ctx, 10*time.Second)
		if err := c.Check(ctx); err != nil {
			d.bad("%s: the carrier of %s does not take any: %v", way.what, way.flag, err)
		} else {
			d.ok("%s: the carrier of %s answers", way.what, way.flag)
		}
		cancel()
	}
}
