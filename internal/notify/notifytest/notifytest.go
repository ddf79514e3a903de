// Package notifytest is for tests only: a push service on this machine, with
// the browsers that subscribe there.
package notifytest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catchment/internal/notify"
)

// Service is a push service and the browsers that subscribe there: it checks
// who sends (RFC 8292) and reads what is sent as a browser does (RFC 8291).
// What is wrong fails the test.
type Service struct {
	testing.TB
	*httptest.Server
	Key     atomic.Pointer[[]byte]                       // the house's, as browsers were told
	Asked   atomic.Int64                                 // requests
	contact string                                       // who a push says it is from
	answer  func(w http.ResponseWriter, r *http.Request) // nil: 201
	pushes  chan Pushed
	mu      sync.Mutex
	private map[string]*ecdh.PrivateKey // by path
	auth    map[string][]byte
}

// Pushed is a push as its browser reads it.
type Pushed struct {
	Path string
	Head http.Header
	Raw  []byte // as it came
	notify.Payload
	Fields map[string]any // the payload as it came
	At     time.Time
}

// Start starts one. contact is what its VAPID tokens must name ("" for none);
// answer, unless nil, answers in its place.
func Start(t testing.TB, contact string, answer func(http.ResponseWriter, *http.Request)) *Service {
	s := &Service{TB: t, contact: contact, answer: answer, pushes: make(chan Pushed, 100), private: map[string]*ecdh.PrivateKey{}, auth: map[string][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

// Host is what --push-hosts names it by.
func (s *Service) Host() string { return strings.TrimPrefix(s.URL, "http://") }

// Subscribe is the subscription of a browser, told apart by its path, as
// toJSON() gives it.
func (s *Service) Subscribe(path string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	auth := make([]byte, 16)
	rand.Read(auth)
	s.private[path], s.auth[path] = key, auth
	b64 := base64.RawURLEncoding
	return map[string]any{"endpoint": s.URL + path, "expirationTime": nil,
		"keys": map[string]any{"p256dh": b64.EncodeToString(key.PublicKey().Bytes()), "auth": b64.EncodeToString(auth)}}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Asked.Add(1)
	if s.answer != nil {
		s.answer(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.checkVAPID(r.Header.Get("Authorization"))
	if r.Header.Get("Content-Encoding") != "aes128gcm" || r.Header.Get("TTL") == "" {
		s.Errorf("%v", r.Header)
	}
	p := Pushed{Path: r.URL.Path, Head: r.Header, Raw: body, At: time.Now()}
	text := s.decrypt(r.URL.Path, body)
	if err := errors.Join(json.Unmarshal(text, &p.Payload), json.Unmarshal(text, &p.Fields)); err != nil {
		s.Errorf("what a browser reads: %v", err)
	}
	w.WriteHeader(http.StatusCreated)
	s.pushes <- p
}

func (s *Service) checkVAPID(header string) {
	s.Helper()
	var t, k string
	for part := range strings.SplitSeq(strings.TrimPrefix(header, "vapid "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			t = value
		case "k":
			k = value
		}
	}
	b64 := base64.RawURLEncoding
	point, err := b64.DecodeString(k)
	if key := s.Key.Load(); err != nil || key == nil || string(point) != string(*key) {
		s.Errorf("signed by another key than browsers subscribed with: %v", err)
		return
	}
	parts := strings.Split(t, ".")
	if len(parts) != 3 {
		s.Errorf("no JWT: %s", header)
		return
	}
	signature, err := b64.DecodeString(parts[2])
	public, err2 := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil || err2 != nil || len(signature) != 64 {
		s.Errorf("%v %v", err, err2)
		return
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		s.Error("the signature is not the key's")
	}
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	text, _ := b64.DecodeString(parts[1])
	if err := json.Unmarshal(text, &claims); err != nil || claims.Aud != s.URL || claims.Sub != s.contact ||
		time.Until(time.Unix(claims.Exp, 0)) > 24*time.Hour || time.Until(time.Unix(claims.Exp, 0)) < time.Minute {
		s.Errorf("%v %s", err, text)
	}
}

// decrypt is RFC 8291 from the browser's side.
func (s *Service) decrypt(path string, body []byte) []byte {
	s.Helper()
	s.mu.Lock()
	key, auth := s.private[path], s.auth[path]
	s.mu.Unlock()
	if key == nil || len(body) < 86+17 || body[20] != 65 {
		s.Errorf("%d bytes for %s", len(body), path)
		return nil
	}
	salt, sender := body[:16], body[21:86]
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		s.Error(err)
		return nil
	}
	secret, _ := key.ECDH(public)
	ikm, _ := hkdf.Key(sha256.New, secret, auth, "WebPush: info\x00"+string(key.PublicKey().Bytes())+string(sender), 32)
	cek, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	block, _ := aes.NewCipher(cek)
	gcm, _ := cipher.NewGCM(block)
	plain, err := gcm.Open(nil, nonce, body[86:], nil)
	if err != nil {
		s.Errorf("the browser cannot read it: %v", err)
		return nil
	}
	plain = []byte(strings.TrimRight(string(plain), "\x00"))
	if len(plain) == 0 || plain[len(plain)-1] != 2 {
		s.Error("not the last record")
		return nil
	}
	return plain[:len(plain)-1]
}

// Next waits for the next push of the kind.
func (s *Service) Next(kind string) Pushed {
	s.Helper()
	for {
		select {
		case p := <-s.pushes:
			if p.Kind == kind {
				return p
			}
		case <-time.After(10 * time.Second):
			s.Fatalf("no push %s came", kind)
		}
	}
}
