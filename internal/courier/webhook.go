package courier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"catchment/internal/outward"
	"catchment/internal/vault/reveal"
)

// Webhook carries messages to an address of the operator's, signed by the
// rules of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks,
// symmetric signatures): any gateway can be put behind it. 2xx means taken.
type Webhook struct {
	address *url.URL
	key     []byte
	http    *http.Client
	now     func() time.Time
}

// WebhookMessage is the body.
type WebhookMessage struct {
	Type      string      `json:"type"` // "message.send"
	Timestamp time.Time   `json:"timestamp"`
	Data      WebhookData `json:"data"`
}

// WebhookData is the message itself.
type WebhookData struct {
	To   string `json:"to"`
	Text string `json:"text"`
	Kind Kind   `json:"kind"`
}

// NewWebhook takes the address (https, or http to an IP address of this
// machine) and the secret, "whsec_" and 24 to 64 bytes in base64.
func NewWebhook(address, secret string) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("courier: the webhook's address must be a whole one, without a user: https://sms.example.com/send")
	}
	if err := secure(u); err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("courier: the webhook's secret must be whsec_ and 24 to 64 bytes in base64")
	}
	return &Webhook{address: u, key: key, http: outward.New(way(u)), now: time.Now}, nil
}

// Carry implements Carrier.
func (w *Webhook) Carry(ctx context.Context, m Message) error {
	now := w.now().UTC().Truncate(time.Second)
	body, err := json.Marshal(WebhookMessage{"message.send", now, WebhookData{reveal.Text(m.To), reveal.Text(m.Text), m.Kind}})
	if err != nil {
		return &Failure{Permanent: true, Code: "unwritable"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address.String(), bytes.NewReader(body))
	if err != nil {
		return &Failure{Permanent: true, Code: "bad_address"}
	}
	at := strconv.FormatInt(now.Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", m.ID)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+sign(w.key, m.ID, at, body))
	status, _, head, err := send(w.http, r)
	if err != nil {
		return err
	}
	return judge(status, head, "")
}

// sign is HMAC-SHA-256 of id.timestamp.body.
func sign(key []byte, id, at string, body []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + at + "."))
	h.Write(body)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Check asks whether somebody listens at the address; nothing is sent.
func (w *Webhook) Check(ctx context.Context) error {
	return outward.Knock(ctx, w.address, way(w.address))
}
