package courier

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"catchment/internal/outward"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// Kinds of pushes.
const (
	PushOffer Kind = "push-offer"
	PushAlarm Kind = "push-alarm"
	PushWipe  Kind = "push-wipe"
	PushTest  Kind = "push-test"
)

// PushHosts are the push services that pushes may go to: a host, a host with a
// port, or *.HOST for all below it. An IP address of this machine may be
// reached without TLS, and only by its own entry.
type PushHosts []string

// KnownPushHosts are those of the browsers' makers: Chrome and its kin,
// Firefox, Safari, Edge.
var KnownPushHosts = PushHosts{"fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com", "*.push.apple.com", "*.notify.windows.com"}

// entry is the one that allows the address; "" for none.
func (h PushHosts) entry(u *url.URL) string {
	for _, e := range h {
		below, wild := strings.CutPrefix(e, "*")
		if e == u.Host || e == u.Hostname() && u.Port() == "" || wild && strings.HasPrefix(below, ".") && strings.HasSuffix(u.Host, below) {
			return e
		}
	}
	return ""
}

// PushPlace is where a browser's pushes go, as its PushSubscription says it.
type PushPlace struct {
	Endpoint string `json:"endpoint"`
	P256DH   []byte `json:"p256dh"` // the browser's public key: an uncompressed point of P-256
	Auth     []byte `json:"auth"`   // 16 bytes
}

// Errors of ParsePush.
var (
	ErrPushHost = errors.New("courier: this is no push service that pushes may go to")
	ErrPushForm = errors.New("courier: this is no push subscription")
)

const mostEndpoint = 1024

// ParsePush reads a subscription; keys are base64url, padded or not.
func ParsePush(hosts PushHosts, endpoint, p256dh, auth string) (p PushPlace, err error) {
	u, err := url.Parse(endpoint)
	if err != nil || len(endpoint) > mostEndpoint || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return p, ErrPushForm
	}
	if hosts.entry(u) == "" || secure(u) != nil {
		return p, ErrPushHost
	}
	p.Endpoint = u.String()
	if p.P256DH, err = unpadded(p256dh); err != nil {
		return p, ErrPushForm
	}
	if p.Auth, err = unpadded(auth); err != nil || len(p.Auth) != 16 {
		return p, ErrPushForm
	}
	if _, err := ecdh.P256().NewPublicKey(p.P256DH); err != nil {
		return p, ErrPushForm
	}
	return p, nil
}

func unpadded(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// VAPID signs towards push services; keyring.PushKey does.
type VAPID interface {
	Public() []byte
	Sign(message []byte) ([]byte, error)
}

// WebPush carries messages to browsers: To is a PushPlace as JSON, and Text what
// the page's worker gets. The push service sees that somebody is told
// something, and when (RFC 8030, 8291, 8292).
type WebPush struct {
	hosts   PushHosts
	key     VAPID
	contact string // https: or mailto:, where a push service can complain; "" for none
	now     func() time.Time

	clients map[string]*http.Client // by the entry of hosts

	mu     sync.Mutex
	tokens map[string]token // by origin
}

type token struct {
	text  string
	until time.Time
}

// NewWebPush returns a carrier to the hosts.
func NewWebPush(hosts PushHosts, key VAPID, contact string) *WebPush {
	w := &WebPush{hosts: hosts, key: key, contact: contact, now: time.Now, clients: map[string]*http.Client{}, tokens: map[string]token{}}
	for _, e := range hosts {
		w.clients[e] = outward.New(way(&url.URL{Host: e}))
	}
	return w
}

// Hosts are what NewWebPush took.
func (w *WebPush) Hosts() PushHosts { return slices.Clone(w.hosts) }

// Lane names the push service of a place (a PushPlace as JSON), by its entry:
// what waits for one does not wait for another. "": none that is allowed any more.
func (w *WebPush) Lane(place vault.Personal) string {
	var p PushPlace
	if json.Unmarshal([]byte(reveal.Text(place)), &p) != nil {
		return ""
	}
	return w.lane(p)
}

func (w *WebPush) lane(p PushPlace) string {
	u, err := url.Parse(p.Endpoint)
	if err != nil {
		return ""
	}
	return w.hosts.entry(u)
}

// Carry implements Carrier. Failures with the codes 404 and 410 say that the
// browser is not subscribed any more (RFC 8030, 7.3).
func (w *WebPush) Carry(ctx context.Context, m Message) error {
	var p PushPlace
	if err := json.Unmarshal([]byte(reveal.Text(m.To)), &p); err != nil {
		return &Failure{Permanent: true, Code: "unreadable"}
	}
	lane := w.lane(p)
	if lane == "" {
		return &Failure{Permanent: true, Code: "host_not_allowed"}
	}
	body, err := encryptPush(p, []byte(reveal.Text(m.Text)))
	if err != nil {
		return &Failure{Permanent: true, Code: "bad_key"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Endpoint, bytes.NewReader(body))
	if err != nil {
		return &Failure{Permanent: true, Code: "bad_address"}
	}
	if err := w.head(r, m); err != nil {
		return err
	}
	status, _, head, err := send(w.clients[lane], r)
	if err != nil {
		return err
	}
	return judge(status, head, "")
}

func (w *WebPush) head(r *http.Request, m Message) error {
	t, err := w.token(r.URL.Scheme + "://" + r.URL.Host)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "vapid t="+t+", k="+base64.RawURLEncoding.EncodeToString(w.key.Public()))
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Content-Encoding", "aes128gcm")
	r.Header.Set("Urgency", "high")
	r.Header.Set("TTL", strconv.Itoa(max(int(m.Until.Sub(w.now()).Seconds()), 0)))
	if m.Topic != "" {
		r.Header.Set("Topic", m.Topic)
	}
	return nil
}

// A token is good for an hour less than it says, and made anew then.
const tokenLife = 12 * time.Hour

// token is the JWT of RFC 8292, 2, for a push service's origin.
func (w *WebPush) token(origin string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if t := w.tokens[origin]; now.Before(t.until) {
		return t.text, nil
	}
	claims, err := json.Marshal(struct {
		Aud string `json:"aud"`
		Exp int64  `json:"exp"`
		Sub string `json:"sub,omitempty"`
	}{origin, now.Add(tokenLife).Unix(), w.contact})
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(claims)
	signature, err := w.key.Sign([]byte(text))
	if err != nil {
		return "", err
	}
	if len(w.tokens) > 1000 { // a service with a host for everybody
		clear(w.tokens)
	}
	text += "." + b64.EncodeToString(signature)
	w.tokens[origin] = token{text, now.Add(tokenLife - time.Hour)}
	return text, nil
}

const (
	pushRecord = 4096
	pushPad    = 256 // a payload is filled up to a multiple, so that its length says little
	mostPush   = 3000
)

// encryptPush is RFC 8291 with a key and a salt of its own for each message.
func encryptPush(p PushPlace, plain []byte) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	pad := pushPad - (len(plain)+1)%pushPad
	return sealPush(p, own, salt, plain, pad)
}

// sealPush makes the one record of RFC 8188 that a push is: the header (salt,
// record size, the sender's key), then plain ‖ 2 ‖ zeros under AES-128-GCM.
func sealPush(p PushPlace, own *ecdh.PrivateKey, salt, plain []byte, pad int) ([]byte, error) {
	if len(plain) > mostPush {
		return nil, fmt.Errorf("courier: a push has %d bytes at most", mostPush)
	}
	browser, err := ecdh.P256().NewPublicKey(p.P256DH)
	if err != nil {
		return nil, err
	}
	secret, err := own.ECDH(browser)
	if err != nil {
		return nil, err
	}
	public := own.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, secret, p.Auth, "WebPush: info\x00"+string(p.P256DH)+string(public), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, 86+len(plain)+pad+17), salt...)
	out = binary.BigEndian.AppendUint32(out, pushRecord)
	out = append(append(out, byte(len(public))), public...)
	record := append(append(slices.Clone(plain), 2), make([]byte, pad)...)
	return gcm.Seal(out, nonce, record, nil), nil
}

// CheckPushHosts refuses entries that are no hosts.
func CheckPushHosts(hosts PushHosts) error {
	for _, e := range hosts {
		name := strings.TrimPrefix(e, "*.")
		u, err := url.Parse("https://" + name)
		if err != nil || u.Host != name || u.Hostname() == "" || strings.ContainsAny(name, "*") || !strings.Contains(name, ".") && !isIP(u.Hostname()) {
			return fmt.Errorf("courier: %q is no host of a push service: push.example.com, or *.push.example.com", e)
		}
	}
	return nil
}

func isIP(s string) bool { _, err := netip.ParseAddr(s); return err == nil }
