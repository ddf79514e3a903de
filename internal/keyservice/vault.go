package keyservice

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// vault speaks to the transit engine of Vault (API v1) and of OpenBao, which
// answers alike. The key is of type aes256-gcm96 or another that takes
// associated data, and not derived.
type vault struct {
	base      string // https://HOST/v1/transit
	name      string
	token     func() (string, error)
	namespace string
	client    *http.Client
}

var vaultName = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+/keys/[A-Za-z0-9_.-]+$`)

// vaultPath reads hcvault://HOST[:PORT]/MOUNT/keys/NAME. tls=off after it is
// for a server on loopback.
func vaultPath(uri string) (u *url.URL, name string, err error) {
	u, err = url.Parse(uri)
	if err != nil || u.Host == "" || u.User != nil || !vaultName.MatchString(u.Path) || strings.Contains(u.Path, "..") || u.Fragment != "" ||
		(u.RawQuery != "" && u.RawQuery != "tls=off") {
		return nil, "", errors.New("keyservice: want hcvault://HOST[:PORT]/transit/keys/NAME, with ?tls=off for one on this machine without TLS")
	}
	u.Scheme = "https"
	if u.RawQuery == "tls=off" {
		u.Scheme = "http"
	}
	u.RawQuery = ""
	mount, name, _ := strings.Cut(u.Path, "/keys/")
	u.Path = "/v1" + mount
	return u, name, nil
}

func openVault(uri string, o Options) (*vault, error) {
	u, name, err := vaultPath(uri)
	if err != nil {
		return nil, err
	}
	if err := o.checkTLS(u); err != nil {
		return nil, err
	}
	if o.Token == nil {
		return nil, errors.New("keyservice: Vault needs a token: VAULT_TOKEN, or a file of it")
	}
	shown := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("keyservice: %w", err)
		}
		shown.RootCAs = x509.NewCertPool()
		if !shown.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("keyservice: %s has no certificate", o.CA)
		}
	}
	return &vault{base: u.String(), name: name, token: o.Token, namespace: o.Namespace, client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: shown, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment},
		// A redirect would take the token along to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

type vaultAsk struct {
	Plaintext  []byte `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	Data       []byte `json:"associated_data,omitempty"`
}

type vaultAnswer struct {
	Data struct {
		Ciphertext string `json:"ciphertext"`
		Plaintext  []byte `json:"plaintext"`
	} `json:"data"`
}

func (v *vault) encrypt(ctx context.Context, plain, aad []byte) ([]byte, error) {
	a, err := v.post(ctx, "encrypt", vaultAsk{Plaintext: plain, Data: aad})
	if err == nil && !strings.HasPrefix(a.Data.Ciphertext, "vault:v") {
		err = fmt.Errorf("%w: it gave no ciphertext", ErrAway)
	}
	return []byte(a.Data.Ciphertext), err
}

func (v *vault) decrypt(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	if !bytes.HasPrefix(sealed, []byte("vault:v")) {
		return nil, ErrWrong
	}
	a, err := v.post(ctx, "decrypt", vaultAsk{Ciphertext: string(sealed), Data: aad})
	return a.Data.Plaintext, err
}

// rewrap has Vault wrap anew by the key's newest version, without showing what.
func (v *vault) rewrap(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	a, err := v.post(ctx, "rewrap", vaultAsk{Ciphertext: string(sealed), Data: aad})
	return []byte(a.Data.Ciphertext), err
}

// versionOf is "vault:v3" of "vault:v3:…".
func versionOf(sealed []byte) string {
	parts := strings.SplitN(string(sealed), ":", 3)
	return strings.Join(parts[:min(2, len(parts))], ":")
}

const mostAnswer = 64 << 10 // bytes

func (v *vault) post(ctx context.Context, verb string, ask vaultAsk) (a vaultAnswer, err error) {
	token, err := v.token()
	if err != nil || token == "" {
		return a, fmt.Errorf("%w: there is no token for it", ErrRefused)
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return a, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+"/"+verb+"/"+v.name, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Vault-Token", token)
	r.Header.Set("X-Vault-Request", "true")
	if v.namespace != "" {
		r.Header.Set("X-Vault-Namespace", v.namespace)
	}
	resp, err := v.client.Do(r)
	if err != nil {
		var named *url.Error // it repeats the address
		if errors.As(err, &named) {
			err = named.Err
		}
		return a, fmt.Errorf("%w: %w", ErrAway, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrAway, err)
	}
	if resp.StatusCode != http.StatusOK {
		return a, vaultFault(resp.StatusCode, text)
	}
	if json.Unmarshal(text, &a) != nil {
		return a, fmt.Errorf("%w: its answer cannot be read", ErrAway)
	}
	return a, nil
}

// vaultFault reads a refusal by the API's status codes. Of its words only the
// few that tell a missing key from a wrong ciphertext are looked at, and none
// are repeated.
func vaultFault(status int, text []byte) error {
	var said struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(text, &said)
	words := strings.Join(said.Errors, " ")
	switch {
	case status == http.StatusBadRequest && strings.Contains(words, "key not found"):
		return fmt.Errorf("%w: it has no such key", ErrRefused)
	case status == http.StatusBadRequest:
		return ErrWrong
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return fmt.Errorf("%w: the token is not (any more) allowed to use this key (%d)", ErrRefused, status)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: there is no such engine or key (404)", ErrRefused)
	case status/100 == 3:
		return fmt.Errorf("%w: it sends us elsewhere (%d): name the active node or what stands before all", ErrAway, status)
	case status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: it is sealed or in maintenance (503)", ErrAway)
	}
	return fmt.Errorf("%w: it answers %d", ErrAway, status)
}
