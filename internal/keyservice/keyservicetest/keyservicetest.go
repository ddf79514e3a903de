// Package keyservicetest runs key services for tests, in this process, that
// speak the wire formats of AWS KMS and of Vault's transit engine, and can be
// away, refuse, hang and forget their key.
package keyservicetest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"catchment/internal/keyservice/awstest"
)

// Mood is how a service answers.
type Mood int

// The moods.
const (
	Well    Mood = iota
	Sealed       // it says that it cannot work: 503, or an internal error
	Refuses      // the caller may not
	NoKey        // the key is gone
	Hangs        // it takes the request and does not answer
)

// Service is one that runs. Its methods may be called at any time.
type Service struct {
	URI string // for keyservice.Open

	namespace string

	server *httptest.Server
	mu     sync.Mutex
	mood   Mood
	keys   []cipher.AEAD // by version, the newest last
	calls  int
	hung   chan struct{}
}

// Set changes how it answers.
func (s *Service) Set(m Mood) { s.mu.Lock(); defer s.mu.Unlock(); s.mood = m }

// Calls is how often it was asked.
func (s *Service) Calls() int { s.mu.Lock(); defer s.mu.Unlock(); return s.calls }

// Rotate gives the key another version; the older ones open on.
func (s *Service) Rotate() { s.mu.Lock(); defer s.mu.Unlock(); s.keys = append(s.keys, newKey()) }

// Replace puts another key in the place of this one, under the same name.
func (s *Service) Replace() { s.mu.Lock(); defer s.mu.Unlock(); s.keys = []cipher.AEAD{newKey()} }

// Stop closes it: a connection is refused from now on.
func (s *Service) Stop() { s.server.CloseClientConnections(); s.server.Listener.Close() }

func newKey() cipher.AEAD {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func start(t testing.TB, answer func(s *Service, m Mood, w http.ResponseWriter, r *http.Request, body []byte)) *Service {
	t.Helper()
	s := &Service{keys: []cipher.AEAD{newKey()}, hung: make(chan struct{})}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.calls++
		m := s.mood
		s.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if m == Hangs {
			select {
			case <-r.Context().Done():
			case <-s.hung:
			}
			return
		}
		answer(s, m, w, r, body)
	}))
	t.Cleanup(func() { close(s.hung); s.server.Close() })
	return s
}

func (s *Service) seal(plain, aad []byte) (version int, sealed []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys), s.keys[len(s.keys)-1].Seal(nil, nil, plain, aad)
}

func (s *Service) open(version int, sealed, aad []byte) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < 1 || version > len(s.keys) {
		return nil, false
	}
	plain, err := s.keys[version-1].Open(nil, nil, sealed, aad)
	return plain, err == nil
}

// Token is what Vault wants of its callers, Namespace one where its key may be.
const (
	Token     = "hvs.an-example-of-a-token"
	Namespace = "sales"
)

// Vault runs one with the key "catchment" of the engine "transit" in this
// namespace; "" for none.
func Vault(t testing.TB, namespace string) *Service {
	s := start(t, answerVault)
	s.namespace = namespace
	s.URI = "hcvault://" + strings.TrimPrefix(s.server.URL, "http://") + "/transit/keys/catchment?tls=off"
	return s
}

func answerVault(s *Service, m Mood, w http.ResponseWriter, r *http.Request, body []byte) {
	refuse := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {text}})
	}
	verb, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/transit/"), "/")
	var ask struct {
		Plaintext  *string `json:"plaintext"`
		Ciphertext string  `json:"ciphertext"`
		Data       []byte  `json:"associated_data"`
	}
	switch {
	case m == Sealed:
		refuse(503, "Vault is sealed")
		return
	case r.Header.Get("X-Vault-Token") != Token || m == Refuses:
		refuse(403, "permission denied")
		return
	case r.Header.Get("X-Vault-Namespace") != s.namespace || !strings.HasPrefix(r.URL.Path, "/v1/transit/") || r.Method != http.MethodPost:
		refuse(404, "no handler for route")
		return
	case m == NoKey || rest != "catchment":
		refuse(400, "encryption key not found")
		return
	case json.Unmarshal(body, &ask) != nil:
		refuse(400, "error parsing JSON")
		return
	}
	answer := func(name, value string) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "1", "lease_id": "", "renewable": false, "data": map[string]any{name: value}})
	}
	wrap := func(plain []byte) {
		version, sealed := s.seal(plain, ask.Data)
		answer("ciphertext", fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(sealed)))
	}
	var plain []byte
	if verb == "encrypt" {
		var err error
		if ask.Plaintext == nil {
			refuse(400, "missing plaintext")
			return
		}
		if plain, err = base64.StdEncoding.DecodeString(*ask.Plaintext); err != nil {
			refuse(400, "plaintext was not base64-encoded")
			return
		}
		wrap(plain)
		return
	}
	var version int
	var text string
	if n, _ := fmt.Sscanf(ask.Ciphertext, "vault:v%d:%s", &version, &text); n != 2 {
		refuse(400, "invalid ciphertext: no prefix")
		return
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	plain, ok := s.open(version, sealed, ask.Data)
	if err != nil || !ok {
		refuse(400, "cipher: message authentication failed")
		return
	}
	switch verb {
	case "decrypt":
		answer("plaintext", base64.StdEncoding.EncodeToString(plain))
	case "rewrap":
		wrap(plain)
	default:
		refuse(404, "unsupported path")
	}
}

const awsKey = "arn:aws:kms:" + awstest.Region + ":111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// AWS runs AWS KMS with one key, and puts into the test's environment what its
// client needs.
func AWS(t *testing.T) *Service {
	s := start(t, answerAWS)
	s.URI = "aws-kms://" + awsKey
	awstest.Env(t)
	t.Setenv("AWS_ENDPOINT_URL_KMS", s.server.URL)
	return s
}

func answerAWS(s *Service, m Mood, w http.ResponseWriter, r *http.Request, body []byte) {
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "example"})
	}
	var ask struct {
		KeyID      string `json:"KeyId"`
		Plaintext  []byte
		Ciphertext []byte            `json:"CiphertextBlob"`
		Context    map[string]string `json:"EncryptionContext"`
	}
	switch {
	case m == Sealed:
		refuse(500, "KMSInternalException")
		return
	case !awstest.Signed(r, body, "kms"):
		refuse(400, "InvalidSignatureException")
		return
	case m == Refuses:
		refuse(400, "AccessDeniedException")
		return
	case r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || json.Unmarshal(body, &ask) != nil:
		refuse(400, "SerializationException")
		return
	case m == NoKey || ask.KeyID != awsKey:
		refuse(400, "DisabledException")
		return
	}
	var aad bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(ask.Context)) {
		fmt.Fprintf(&aad, "%q=%q\n", name, ask.Context[name])
	}
	answer := func(v map[string]any) {
		v["KeyId"] = awsKey
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.Encrypt":
		if len(ask.Plaintext) > 4096 {
			refuse(400, "ValidationException")
			return
		}
		version, sealed := s.seal(ask.Plaintext, aad.Bytes())
		answer(map[string]any{"CiphertextBlob": append([]byte{byte(version)}, sealed...)})
	case "TrentService.Decrypt":
		if len(ask.Ciphertext) == 0 {
			refuse(400, "InvalidCiphertextException")
			return
		}
		plain, ok := s.open(int(ask.Ciphertext[0]), ask.Ciphertext[1:], aad.Bytes())
		if !ok {
			refuse(400, "InvalidCiphertextException")
			return
		}
		answer(map[string]any{"Plaintext": plain})
	default:
		refuse(400, "UnknownOperationException")
	}
}
