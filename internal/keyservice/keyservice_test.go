package keyservice_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"catchment/internal/keyservice"
	"catchment/internal/keyservice/keyservicetest"
)

func token() (string, error) { return keyservicetest.Token, nil }

var toVault = keyservice.Options{Token: token, Namespace: keyservicetest.Namespace, Timeout: 20 * time.Second}

func open(t *testing.T, uri string, o keyservice.Options) *keyservice.Service {
	t.Helper()
	s, err := keyservice.Open(t.Context(), uri, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func want(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
	if err != nil && strings.Contains(err.Error(), keyservicetest.Token) {
		t.Errorf("%s: the error has the token: %v", what, err)
	}
}

func TestVault(t *testing.T) { course(t, keyservicetest.Vault(t, keyservicetest.Namespace)) }

func TestAWS(t *testing.T) { course(t, keyservicetest.AWS(t)) }

// Each kind of fault is told from the others, and is over when it is over.
func course(t *testing.T, at *keyservicetest.Service) {
	s, ctx, aad := open(t, at.URI, toVault), t.Context(), []byte("account 1")
	sealed, err := s.EncryptWithContext(ctx, []byte("secret"), aad)
	if err != nil {
		t.Fatal(err)
	}
	opens := func(aad []byte) error {
		plain, err := s.DecryptWithContext(ctx, sealed, aad)
		if err == nil && string(plain) != "secret" {
			t.Errorf("it opens to %q", plain)
		}
		return err
	}
	want(t, "its own", opens(aad), nil)
	want(t, "another account's", opens([]byte("account 2")), keyservice.ErrWrong)
	changed := append([]byte{}, sealed...)
	changed[len(changed)-3] ^= 1
	_, err = s.DecryptWithContext(ctx, changed, aad)
	want(t, "a changed one", err, keyservice.ErrWrong)
	_, err = s.DecryptWithContext(ctx, nil, aad)
	want(t, "none", err, keyservice.ErrWrong)
	for _, c := range []struct {
		name string
		mood keyservicetest.Mood
		kind error
	}{{"sealed", keyservicetest.Sealed, keyservice.ErrAway}, {"refusing", keyservicetest.Refuses, keyservice.ErrRefused}, {"without the key", keyservicetest.NoKey, keyservice.ErrRefused}} {
		at.Set(c.mood)
		want(t, c.name, opens(aad), c.kind)
		_, err := s.EncryptWithContext(ctx, []byte("secret"), aad)
		want(t, c.name, err, c.kind)
		if !s.Stats().Down {
			t.Errorf("%s: it is not down", c.name)
		}
	}
	at.Set(keyservicetest.Hangs)
	slow := toVault
	slow.Timeout = time.Millisecond
	want(t, "hanging", open(t, at.URI, slow).Try(ctx), keyservice.ErrAway)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	want(t, "a caller who hung up", s.Try(gone), context.Canceled)
	at.Set(keyservicetest.Well)
	want(t, "well again", s.Try(ctx), nil)
	at.Rotate()
	want(t, "after its rotation", opens(aad), nil)
	at.Replace()
	want(t, "another key of that name", opens(aad), keyservice.ErrWrong)
	at.Stop()
	want(t, "gone", opens(aad), keyservice.ErrAway)
	if got := s.Stats(); got.OK == 0 || got.Away == 0 || got.Refused == 0 || got.Wrong == 0 || !got.Down {
		t.Errorf("counted: %+v", got)
	}
}

func TestVaultRewraps(t *testing.T) {
	at := keyservicetest.Vault(t, keyservicetest.Namespace)
	s, aad := open(t, at.URI, toVault), []byte("account 1")
	sealed, err := s.EncryptWithContext(t.Context(), []byte("secret"), aad)
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := s.Rewrap(t.Context(), sealed, aad); changed || err != nil {
		t.Errorf("of the newest version: %v, %v", changed, err)
	}
	at.Rotate()
	again, changed, err := s.Rewrap(t.Context(), sealed, aad)
	if !changed || err != nil || !strings.HasPrefix(string(again), "vault:v2:") {
		t.Fatalf("%q, %v, %v", again, changed, err)
	}
	if plain, err := s.DecryptWithContext(t.Context(), again, aad); err != nil || string(plain) != "secret" {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestWhatIsWrongAtTheVault(t *testing.T) {
	at := keyservicetest.Vault(t, keyservicetest.Namespace)
	o := toVault
	o.Token = func() (string, error) { return "hvs.another", nil }
	want(t, "another token", open(t, at.URI, o).Try(t.Context()), keyservice.ErrRefused)
	o.Token = func() (string, error) { return "", nil }
	want(t, "no token", open(t, at.URI, o).Try(t.Context()), keyservice.ErrRefused)
	o = toVault
	o.Namespace = ""
	want(t, "no namespace", open(t, at.URI, o).Try(t.Context()), keyservice.ErrRefused)
	want(t, "another engine", open(t, strings.Replace(at.URI, "/transit/", "/other/", 1), toVault).Try(t.Context()), keyservice.ErrRefused)
	want(t, "another key", open(t, strings.Replace(at.URI, "/catchment", "/other", 1), toVault).Try(t.Context()), keyservice.ErrRefused)
}

func TestAWSWantsItsOwnCredentials(t *testing.T) {
	at := keyservicetest.AWS(t)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	want(t, "another secret", open(t, at.URI, keyservice.Options{}).Try(t.Context()), keyservice.ErrRefused)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	want(t, "none", open(t, at.URI, keyservice.Options{}).Try(t.Context()), keyservice.ErrRefused)
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://kms.example.com")
	if _, err := keyservice.Open(t.Context(), at.URI, keyservice.Options{}); err == nil || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("in clear over the network: %v", err)
	}
}

func TestURIs(t *testing.T) {
	good := []string{"hcvault://vault.example.com/transit/keys/catchment", "hcvault://vault.example.com:8200/a/b/keys/k-1", "hcvault://127.0.0.1:8200/transit/keys/k?tls=off",
		"aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "aws-kms://arn:aws:kms:eu-west-1:111122223333:alias/catchment"}
	for _, uri := range good {
		if err := keyservice.Check(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, uri := range []string{"", "local", "hcvault://", "hcvault://vault.example.com/transit/catchment", "hcvault://u:p@vault.example.com/transit/keys/k",
		"hcvault://vault.example.com/transit/keys/../k", "hcvault://vault.example.com/transit/keys/k?token=x", "aws-kms://alias/catchment", "aws-kms://arn:aws:s3:::bucket", "gcp-kms://x"} {
		if keyservice.Check(uri) == nil {
			t.Errorf("%s is taken", uri)
		}
	}
	if _, err := keyservice.Open(t.Context(), "hcvault://vault.example.com/transit/keys/k?tls=off", toVault); err == nil || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("a token would cross the network in clear: %v", err)
	}
}

// Where VAULT_ADDR names a server with the key TRANSIT_KEY, it is tried too.
func TestARealVault(t *testing.T) {
	address, key := os.Getenv("VAULT_ADDR"), os.Getenv("TRANSIT_KEY")
	if address == "" || key == "" {
		t.Skip("VAULT_ADDR and TRANSIT_KEY name none")
	}
	scheme, host, _ := strings.Cut(address, "://")
	uri := "hcvault://" + host + "/transit/keys/" + key
	if scheme == "http" {
		uri += "?tls=off"
	}
	o := keyservice.Options{Token: func() (string, error) { return os.Getenv("VAULT_TOKEN"), nil }, Namespace: os.Getenv("VAULT_NAMESPACE"), CA: os.Getenv("VAULT_CACERT")}
	s, aad := open(t, uri, o), []byte("account 1")
	want(t, "itself", s.Try(t.Context()), nil)
	sealed, err := s.EncryptWithContext(t.Context(), []byte("secret"), aad)
	want(t, "encrypt", err, nil)
	_, err = s.DecryptWithContext(t.Context(), sealed, []byte("account 2"))
	want(t, "another account's", err, keyservice.ErrWrong)
	_, err = s.DecryptWithContext(t.Context(), []byte("vault:v1:AAAA"), aad)
	want(t, "a changed one", err, keyservice.ErrWrong)
	o.Token = func() (string, error) { return "hvs.another", nil }
	want(t, "another token", open(t, uri, o).Try(t.Context()), keyservice.ErrRefused)
}

func FuzzURI(f *testing.F) {
	f.Add("hcvault://vault.example.com/transit/keys/catchment")
	f.Add("aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1")
	f.Fuzz(func(t *testing.T, uri string) {
		if keyservice.Check(uri) == nil && strings.ContainsAny(uri, " \n\x00") {
			t.Errorf("%q is taken", uri)
		}
	})
}
