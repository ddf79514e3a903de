package courier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
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
	key, err := ParseWebhookSecret(secret)
	if err != nil {
		return nil, err
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
	SignWebhook(r.Header, m.ID, now, body, w.key)
	status, _, head, err := send(w.http, r)
	if err != nil {
		return err
	}
	return judge(status, head, "")
}

const webhookSecret = "whsec_"

// NewWebhookSecret makes a secret of 32 random bytes.
func NewWebhookSecret() string {
	key := make([]byte, 32)
	rand.Read(key)
	return webhookSecret + base64.StdEncoding.EncodeToString(key)
}

// ParseWebhookSecret reads "whsec_" and 24 to 64 bytes in base64.
func ParseWebhookSecret(text string) ([]byte, error) {
	text, ok := strings.CutPrefix(text, webhookSecret)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("courier: the webhook's secret must be whsec_ and 24 to 64 bytes in base64")
	}
	return key, nil
}

// SignWebhook sets the headers of a message by the Standard Webhooks rules: its
// id, which a repeat has too, the time of this try, and a signature by each
// key, so that a secret can be changed without a gap.
func SignWebhook(h http.Header, id string, now time.Time, body []byte, keys ...[]byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	h.Set("Content-Type", "application/json")
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	var all []string
	for _, key := range keys {
		all = append(all, "v1,"+sign(key, id, at, body))
	}
	h.Set("Webhook-Signature", strings.Join(all, " "))
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
