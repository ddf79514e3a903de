package courier

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
)

func b64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8291, section 5 and appendix A.
func TestTheExampleOfTheRFC(t *testing.T) {
	own, err := ecdh.P256().NewPrivateKey(b64(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	p := PushPlace{P256DH: b64(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"), Auth: b64(t, "BTBZMqHH6r4Tts7J_aSIgg")}
	got, err := sealPush(p, own, b64(t, "DGv6ra1nlYgDCS1FRnbzlw"), []byte("When I grow up, I want to be a watermelon"), 0)
	want := b64(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n%x\n%x", err, got, want)
	}
}

func TestPushesAreOfFewLengths(t *testing.T) {
	key, _ := ecdh.P256().NewPrivateKey(b64(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	p := PushPlace{P256DH: key.PublicKey().Bytes(), Auth: make([]byte, 16)}
	length := map[int]bool{}
	for n := range 256 {
		body, err := encryptPush(p, make([]byte, n))
		if err != nil || len(body) > pushRecord {
			t.Fatal(err, len(body))
		}
		length[len(body)] = true
	}
	if len(length) > 2 {
		t.Errorf("%d lengths", len(length))
	}
	if _, err := encryptPush(p, make([]byte, mostPush+1)); err == nil {
		t.Error("too long a push is taken")
	}
}

func TestPushHosts(t *testing.T) {
	hosts := PushHosts{"push.example.com", "*.wide.example.com", "127.0.0.1:4444"}
	for text, want := range map[string]string{
		"https://push.example.com/x": "push.example.com", "https://a.wide.example.com/x": "*.wide.example.com", "http://127.0.0.1:4444/x": "127.0.0.1:4444",
		"https://push.example.com:8443/x": "", "https://wide.example.com/x": "", "https://push.example.com.evil.example/x": "", "https://xwide.example.com/x": "", "http://127.0.0.1:4445/x": "",
	} {
		u, err := url.Parse(text)
		if err != nil || hosts.entry(u) != want {
			t.Errorf("%s is of %q, want %q", text, hosts.entry(u), want)
		}
	}
	if err := CheckPushHosts(append(KnownPushHosts, hosts...)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"https://push.example.com", "push.example.com/x", "*", "*.*.example.com", "*.com/", "com", "", "a@b.example"} {
		if CheckPushHosts(PushHosts{bad}) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParsePush(f *testing.F) {
	key := "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	f.Add("https://fcm.googleapis.com/fcm/send/x", key, "BTBZMqHH6r4Tts7J_aSIgg==")
	f.Add("https://web.push.apple.com.evil.example/", key, "BTBZMqHH6r4Tts7J_aSIgg")
	f.Add("http://[::1]/", "", "")
	f.Fuzz(func(t *testing.T, endpoint, p256dh, auth string) {
		p, err := ParsePush(KnownPushHosts, endpoint, p256dh, auth)
		if err != nil {
			if !errors.Is(err, ErrPushForm) && !errors.Is(err, ErrPushHost) || endpoint != "" && len(endpoint) > 8 && strings.Contains(err.Error(), endpoint) {
				t.Errorf("%v", err)
			}
			return
		}
		u, err := url.Parse(p.Endpoint)
		if err != nil || u.Scheme != "https" || u.User != nil || KnownPushHosts.entry(u) == "" || len(p.Auth) != 16 {
			t.Errorf("%q is taken as %q", endpoint, p.Endpoint)
		}
		if _, err := encryptPush(p, []byte("x")); err != nil {
			t.Error(err)
		}
	})
}
