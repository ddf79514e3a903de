package courier

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"catchment/internal/outward"
	"catchment/internal/vault/reveal"
)

// Twilio carries messages by the Programmable Messaging API
// (https://www.twilio.com/docs/messaging/api/message-resource): a form is
// posted under basic authentication, 201 means that it is queued there.
type Twilio struct {
	address string // of the Messages resource
	account string // of the Accounts resource, for Check
	user    string // account SID or the SID of an API key
	secret  string
	from    url.Values // From or MessagingServiceSid
	http    *http.Client
}

// NewTwilio reads twilio://SID@api.twilio.com?from=%2B15005550006, or
// …?service=MG… for a messaging service. SID is the account's (AC…), with its
// auth token as secret; key=SK… names an API key, whose secret it then is. The
// scheme twilio+http is for an IP address of this machine.
func NewTwilio(address, secret string) (*Twilio, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("courier: the address of Twilio cannot be read")
	}
	sid, q := u.User.Username(), u.Query()
	_, inline := u.User.Password()
	switch {
	case inline:
		return nil, errors.New("courier: write Twilio's secret into a file, not into its address")
	case !strings.HasPrefix(sid, "AC") || u.Host == "":
		return nil, errors.New("courier: want twilio://AC…@api.twilio.com?from=%2B… or ?service=MG…")
	case secret == "":
		return nil, errors.New("courier: Twilio needs its secret")
	}
	from := url.Values{}
	if v := q.Get("service"); v != "" {
		from.Set("MessagingServiceSid", v)
	} else if v := q.Get("from"); v != "" {
		from.Set("From", v)
	} else {
		return nil, errors.New("courier: Twilio needs from=%2B… (a number of yours) or service=MG…")
	}
	base := &url.URL{Scheme: "https", Host: u.Host}
	if u.Scheme == "twilio+http" {
		base.Scheme = "http"
	}
	if err := secure(base); err != nil {
		return nil, err
	}
	t := &Twilio{user: sid, secret: secret, from: from, http: outward.New(way(base))}
	if v := q.Get("key"); v != "" {
		t.user = v
	}
	t.account = base.JoinPath("2010-04-01", "Accounts", sid).String()
	t.address = t.account + "/Messages.json"
	return t, nil
}

// Carry implements Carrier.
func (t *Twilio) Carry(ctx context.Context, m Message) error {
	form := url.Values{"To": {reveal.Text(m.To)}, "Body": {reveal.Text(m.Text)}}
	for k, v := range t.from {
		form[k] = v
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.address, strings.NewReader(form.Encode()))
	if err != nil {
		return &Failure{Permanent: true, Code: "bad_address"}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return t.ask(r)
}

// Check asks whether Twilio knows the account; nothing is sent.
func (t *Twilio) Check(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.account+".json", nil)
	if err != nil {
		return err
	}
	return t.ask(r)
}

func (t *Twilio) ask(r *http.Request) error {
	r.SetBasicAuth(t.user, t.secret)
	r.Header.Set("Accept", "application/json")
	status, body, head, err := send(t.http, r)
	if err != nil {
		return err
	}
	return judge(status, head, twilioCode(status, body))
}

// twilioCode is the number of Twilio's error (https://www.twilio.com/docs/api/errors);
// "" for none. Its sentence is left out: it quotes the number.
func twilioCode(status int, body []byte) string {
	var e struct {
		Code int `json:"code"`
	}
	if status/100 == 2 || json.Unmarshal(body, &e) != nil || e.Code == 0 {
		return ""
	}
	return strconv.Itoa(e.Code)
}
