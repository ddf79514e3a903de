// Package acmetest is a certificate authority that speaks ACME (RFC 8555), with
// the challenges http-01 and tls-alpn-01 (RFC 8737), for tests. It checks every
// signature, nonce and URL as an authority does, and comes to the addresses
// that it is told instead of a domain's ports 80 and 443.
package acmetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Authority is a running one. Set the fields before its first client comes.
type Authority struct {
	HTTP    string        // where http-01 is looked for; "" for not offered
	TLSALPN string        // where tls-alpn-01 is looked for; "" for not offered
	Life    time.Duration // of certificates, default 90 days

	server *httptest.Server
	key    *ecdsa.PrivateKey
	root   *x509.Certificate

	mu       sync.Mutex
	n        int
	nonces   map[string]bool
	accounts map[string]*account // by their URLs
	orders   map[string]*order   // by their numbers
	refused  []string            // why
	issued   int
}

type account struct {
	key        *ecdsa.PublicKey
	thumbprint string
}

type order struct {
	id, domain, token string
	account           *account
	valid             bool
	wrong             string // why the challenge failed
	kind              string // of the challenge that was taken
	chain             []byte
}

// New starts an authority; Close stops it.
func New() (*Authority, error) {
	a := &Authority{nonces: map[string]bool{}, accounts: map[string]*account{}, orders: map[string]*order{}}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * 365 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /directory", a.directory)
	mux.HandleFunc("/nonce", a.nonce)
	for path, f := range map[string]func(*request) (int, any){
		"/account": a.newAccount, "/order": a.newOrder, "/order/{id}": a.getOrder, "/authz/{id}": a.getAuthz,
		"/challenge/{id}/{kind}": a.challenge, "/finalize/{id}": a.finalize, "/cert/{id}": a.cert,
	} {
		mux.HandleFunc("POST "+path, a.signed(f))
	}
	a.server = httptest.NewTLSServer(mux)
	return a, nil
}

// Directory is the URL that clients begin with.
func (a *Authority) Directory() string { return a.server.URL + "/directory" }

// Trust is the PEM by which clients know the authority's own server.
func (a *Authority) Trust() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
}

// Root is what the certificates are signed by.
func (a *Authority) Root() *x509.Certificate { return a.root }

// Issued counts the certificates given.
func (a *Authority) Issued() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.issued
}

// Refused lists what was not believed, and why.
func (a *Authority) Refused() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.refused...)
}

// Close stops it.
func (a *Authority) Close() { a.server.Close() }

func (a *Authority) url(parts ...string) string { return a.server.URL + "/" + strings.Join(parts, "/") }

func (a *Authority) directory(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"newNonce": a.url("nonce"), "newAccount": a.url("account"), "newOrder": a.url("order"),
		"revokeCert": a.url("revoke"), "keyChange": a.url("key-change")})
}

func (a *Authority) nonce(w http.ResponseWriter, _ *http.Request) { a.freshNonce(w) }

func (a *Authority) freshNonce(w http.ResponseWriter) {
	n := text(12)
	a.mu.Lock()
	a.nonces[n] = true
	a.mu.Unlock()
	w.Header().Set("Replay-Nonce", n)
}

func text(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// request is one whose signature was checked.
type request struct {
	*http.Request
	w       http.ResponseWriter
	account *account
	jwk     *ecdsa.PublicKey // of a new account
	payload []byte
}

// signed checks what RFC 8555, section 6, asks of every POST.
func (a *Authority) signed(f func(*request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.freshNonce(w)
		q, err := a.verify(r)
		status, body := http.StatusBadRequest, any(nil)
		if err == nil {
			q.w = w
			status, body = f(q)
		} else {
			a.mu.Lock()
			a.refused = append(a.refused, err.Error())
			a.mu.Unlock()
			w.Header().Set("Content-Type", "application/problem+json")
			kind := "malformed"
			if errors.Is(err, errNonce) {
				kind = "badNonce"
			}
			body = map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": err.Error()}
		}
		if chain, ok := body.([]byte); ok {
			w.Header().Set("Content-Type", "application/pem-certificate-chain")
			w.WriteHeader(status)
			_, _ = w.Write(chain)
			return
		}
		if err == nil {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

var errNonce = errors.New("acmetest: the nonce is not ours, or was used")

func (a *Authority) verify(r *http.Request) (*request, error) {
	if r.Header.Get("Content-Type") != "application/jose+json" {
		return nil, errors.New("acmetest: not application/jose+json")
	}
	var jws struct{ Protected, Payload, Signature string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&jws); err != nil {
		return nil, err
	}
	var head struct {
		Alg, Nonce, URL, Kid string
		JWK                  *struct{ Kty, Crv, X, Y string }
	}
	text, err := base64.RawURLEncoding.DecodeString(jws.Protected)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	if head.Alg != "ES256" || head.URL != a.server.URL+r.URL.Path {
		return nil, fmt.Errorf("acmetest: %s signed for %s", head.Alg, head.URL)
	}
	a.mu.Lock()
	known := a.nonces[head.Nonce]
	delete(a.nonces, head.Nonce)
	acct := a.accounts[head.Kid]
	a.mu.Unlock()
	if !known {
		return nil, errNonce
	}
	q := &request{Request: r, account: acct}
	var key *ecdsa.PublicKey
	switch {
	case head.JWK != nil && r.URL.Path == "/account":
		if key, err = publicKey(head.JWK.X, head.JWK.Y); err != nil {
			return nil, err
		}
		q.jwk = key
	case acct != nil:
		key = acct.key
	default:
		return nil, errors.New("acmetest: no account of this kid")
	}
	if err := checkSignature(key, jws.Protected+"."+jws.Payload, jws.Signature); err != nil {
		return nil, err
	}
	q.payload, err = base64.RawURLEncoding.DecodeString(jws.Payload)
	return q, err
}

func publicKey(x, y string) (*ecdsa.PublicKey, error) {
	bx, errX := base64.RawURLEncoding.DecodeString(x)
	by, errY := base64.RawURLEncoding.DecodeString(y)
	if err := errors.Join(errX, errY); err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, bx...), by...))
}

func checkSignature(key *ecdsa.PublicKey, text, signature string) error {
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || len(sig) != 64 {
		return errors.New("acmetest: not a signature of ES256")
	}
	sum := sha256.Sum256([]byte(text))
	if !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return errors.New("acmetest: the signature does not fit")
	}
	return nil
}

func (a *Authority) newAccount(q *request) (int, any) {
	point, err := q.jwk.Bytes()
	if err != nil {
		return http.StatusBadRequest, nil
	}
	b64 := base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:]))) // RFC 7638
	acct := &account{q.jwk, b64(sum[:])}
	where := a.url("account", acct.thumbprint)
	a.mu.Lock()
	a.accounts[where] = acct
	a.mu.Unlock()
	q.w.Header().Set("Location", where)
	return http.StatusCreated, map[string]any{"status": "valid"}
}

func (a *Authority) newOrder(q *request) (int, any) {
	var in struct {
		Identifiers []struct{ Type, Value string }
	}
	if err := json.Unmarshal(q.payload, &in); err != nil || len(in.Identifiers) != 1 || in.Identifiers[0].Type != "dns" {
		return http.StatusBadRequest, nil
	}
	a.mu.Lock()
	a.n++
	o := &order{id: fmt.Sprint(a.n), domain: in.Identifiers[0].Value, token: text(32), account: q.account}
	a.orders[o.id] = o
	a.mu.Unlock()
	q.w.Header().Set("Location", a.url("order", o.id))
	return http.StatusCreated, a.show(o)
}

func (a *Authority) find(q *request) *order {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o := a.orders[q.PathValue("id")]; o != nil && o.account == q.account {
		return o
	}
	return nil
}

func (a *Authority) show(o *order) map[string]any {
	out := map[string]any{"status": "pending", "identifiers": []any{map[string]any{"type": "dns", "value": o.domain}},
		"authorizations": []any{a.url("authz", o.id)}, "finalize": a.url("finalize", o.id)}
	switch {
	case o.chain != nil:
		out["status"], out["certificate"] = "valid", a.url("cert", o.id)
	case o.valid:
		out["status"] = "ready"
	case o.wrong != "":
		out["status"] = "invalid"
	}
	return out
}

func (a *Authority) getOrder(q *request) (int, any) {
	o := a.find(q)
	if o == nil {
		return http.StatusNotFound, nil
	}
	return http.StatusOK, a.show(o)
}

func (o *order) status() string {
	switch {
	case o.valid:
		return "valid"
	case o.wrong != "":
		return "invalid"
	}
	return "pending"
}

func (a *Authority) getAuthz(q *request) (int, any) {
	o := a.find(q)
	if o == nil {
		return http.StatusNotFound, nil
	}
	var list []any
	for kind, where := range map[string]string{"http-01": a.HTTP, "tls-alpn-01": a.TLSALPN} {
		if where != "" {
			list = append(list, a.showChallenge(o, kind))
		}
	}
	return http.StatusOK, map[string]any{"status": o.status(), "identifier": map[string]any{"type": "dns", "value": o.domain}, "challenges": list}
}

func (a *Authority) showChallenge(o *order, kind string) map[string]any {
	out := map[string]any{"type": kind, "url": a.url("challenge", o.id, kind), "token": o.token, "status": "pending"}
	if o.kind == kind {
		out["status"] = o.status()
		if o.wrong != "" {
			out["error"] = map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "detail": o.wrong}
		}
	}
	return out
}

// challenge looks at once whether the domain's server answers as it should.
func (a *Authority) challenge(q *request) (int, any) {
	o := a.find(q)
	if o == nil {
		return http.StatusNotFound, nil
	}
	kind, proof := q.PathValue("kind"), o.token+"."+o.account.thumbprint
	var err error
	switch kind {
	case "http-01":
		err = lookHTTP(a.HTTP, o.domain, o.token, proof)
	case "tls-alpn-01":
		err = lookTLS(a.TLSALPN, o.domain, proof)
	default:
		return http.StatusNotFound, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	o.kind, o.valid = kind, err == nil
	if err != nil {
		o.wrong = err.Error()
		a.refused = append(a.refused, err.Error())
	}
	return http.StatusOK, a.showChallenge(o, kind)
}

func lookHTTP(where, domain, token, proof string) error {
	r, err := http.NewRequest(http.MethodGet, "http://"+where+"/.well-known/acme-challenge/"+token, nil)
	if err != nil {
		return err
	}
	r.Host = domain
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil || resp.StatusCode != http.StatusOK || strings.TrimSpace(string(said)) != proof {
		return fmt.Errorf("acmetest: http-01 got %d, %v, and not the proof", resp.StatusCode, err)
	}
	return nil
}

// acmeIdentifier is id-pe-acmeIdentifier of RFC 8737.
var acmeIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

func lookTLS(where, domain, proof string) error {
	conn, err := tls.Dial("tcp", where, &tls.Config{ServerName: domain, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true}) //nolint:gosec // RFC 8737: self-signed
	if err != nil {
		return err
	}
	defer conn.Close()
	leaf := conn.ConnectionState().PeerCertificates[0]
	if conn.ConnectionState().NegotiatedProtocol != "acme-tls/1" || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != domain {
		return fmt.Errorf("acmetest: tls-alpn-01 got a certificate for %q", leaf.DNSNames)
	}
	sum := sha256.Sum256([]byte(proof))
	want, err := asn1.Marshal(sum[:])
	if err != nil {
		return err
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(acmeIdentifier) && e.Critical && string(e.Value) == string(want) {
			return nil
		}
	}
	return errors.New("acmetest: tls-alpn-01 got a certificate without the proof")
}

func (a *Authority) finalize(q *request) (int, any) {
	o := a.find(q)
	var in struct{ CSR string }
	if o == nil || !o.valid || json.Unmarshal(q.payload, &in) != nil {
		return http.StatusForbidden, nil
	}
	der, err := base64.RawURLEncoding.DecodeString(in.CSR)
	if err != nil {
		return http.StatusBadRequest, nil
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || csr.CheckSignature() != nil || len(csr.DNSNames) != 1 || csr.DNSNames[0] != o.domain {
		return http.StatusBadRequest, nil
	}
	chain, err := a.sign(csr.PublicKey, o.domain)
	if err != nil {
		return http.StatusInternalServerError, nil
	}
	a.mu.Lock()
	o.chain = chain
	a.issued++
	a.mu.Unlock()
	q.w.Header().Set("Location", a.url("order", o.id))
	return http.StatusOK, a.show(o)
}

func (a *Authority) sign(key crypto.PublicKey, domain string) ([]byte, error) {
	life := a.Life
	if life == 0 {
		life = 90 * 24 * time.Hour
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain}, NotBefore: time.Now().Add(-time.Minute),
		NotAfter: time.Now().Add(life), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, a.root, key, a.key)
	if err != nil {
		return nil, err
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})...), nil
}

func (a *Authority) cert(q *request) (int, any) {
	o := a.find(q)
	if o == nil || o.chain == nil {
		return http.StatusNotFound, nil
	}
	return http.StatusOK, o.chain
}
