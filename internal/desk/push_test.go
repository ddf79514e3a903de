package desk_test

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

	"catchment/internal/account"
	"catchment/internal/events"
	"catchment/internal/notify"
	"catchment/internal/store"
	"catchment/internal/store/devices"
	"catchment/internal/store/offers"
	"catchment/internal/store/storetest"
)

// pushService is a push service and the browsers that subscribe there: it
// checks who sends (RFC 8292) and reads what is sent as a browser does (RFC 8291).
type pushService struct {
	testing.TB
	*httptest.Server
	answer  func(w http.ResponseWriter, r *http.Request) // nil: 201
	key     atomic.Pointer[[]byte]                       // the house's, as browsers were told
	asked   atomic.Int64
	pushes  chan pushed
	mu      sync.Mutex
	private map[string]*ecdh.PrivateKey // by path
	auth    map[string][]byte
}

type pushed struct {
	path string
	head http.Header
	raw  []byte
	notify.Payload
	fields map[string]any // the payload as it came
}

func startPushes(t testing.TB, answer func(http.ResponseWriter, *http.Request)) *pushService {
	s := &pushService{TB: t, answer: answer, pushes: make(chan pushed, 100), private: map[string]*ecdh.PrivateKey{}, auth: map[string][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

func (s *pushService) host() string { return strings.TrimPrefix(s.URL, "http://") }

// subscribe is a browser's subscription, as toJSON() gives it.
func (s *pushService) subscribe(path string) map[string]any {
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
func (s *pushService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	if s.answer != nil {
		s.answer(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.checkVAPID(r.Header.Get("Authorization"))
	if r.Header.Get("Content-Encoding") != "aes128gcm" || r.Header.Get("TTL") == "" {
		s.Errorf("%v", r.Header)
	}
	p := pushed{path: r.URL.Path, head: r.Header, raw: body}
	text := s.decrypt(r.URL.Path, body)
	if err := errors.Join(json.Unmarshal(text, &p.Payload), json.Unmarshal(text, &p.fields)); err != nil {
		s.Errorf("what a browser reads: %v", err)
	}
	w.WriteHeader(http.StatusCreated)
	s.pushes <- p
}

func (s *pushService) checkVAPID(header string) {
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
	if key := s.key.Load(); err != nil || key == nil || string(point) != string(*key) {
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
	if err := json.Unmarshal(text, &claims); err != nil || claims.Aud != s.URL || claims.Sub != "mailto:leads@example.com" ||
		time.Until(time.Unix(claims.Exp, 0)) > 24*time.Hour || time.Until(time.Unix(claims.Exp, 0)) < time.Minute {
		s.Errorf("%v %s", err, text)
	}
}

// decrypt is RFC 8291 from the browser's side.
func (s *pushService) decrypt(path string, body []byte) []byte {
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

func (s *pushService) next(kind string) pushed {
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

// pushTo subscribes a visitor's session at a service.
func (v *visitor) pushTo(s *pushService, path string, alarms bool) {
	v.Helper()
	key, err := base64.RawURLEncoding.DecodeString(v.get("/v1/push/key").want(v, 200).body["key"].(string))
	v.ok(err)
	s.key.Store(&key)
	body := map[string]any{"subscription": s.subscribe(path), "alarms": alarms}
	for _, x := range differences("push-request", examples(v.T)["push-request"], body) {
		v.Errorf("docs/api.md and what is sent: %s", x)
	}
	got := v.ask(http.MethodPut, "/v1/me/push", body).want(v, 200)
	if got.body["subscribed"] != true || strings.Contains(got.text, "auth") {
		v.Errorf("%s", got.text)
	}
}

func TestAnOfferIsPushed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := startPushes(t, nil)
		c := openTo(t, db, s).company()
		sam, mia := c.user(account.Salesperson), c.user(account.Salesperson)
		sam.pushTo(s, "/sam", false)
		mia.pushTo(s, "/mia", false)
		a := c.arrive(account.UserID{})
		sam.presence(account.Available)
		p := s.next("offer")
		o := sam.get("/v1/offers/"+p.ID).want(t, 200)
		if p.path != "/sam" || p.Version != 1 || o.body["lead_id"] != a.lead.String() || p.head.Get("Urgency") != "high" || len(p.head.Get("Topic")) != 22 {
			t.Errorf("%+v", p)
		}
		for _, x := range differences("push", examples(t)["push"], p.fields) {
			t.Errorf("docs/api.md and the server: %s", x)
		}
		if strings.Contains(string(p.raw), p.ID) {
			t.Error("the push service can read the push")
		}
		within(t, 5*time.Second, "the offer is pushed", func() bool { return sam.get("/v1/offers/" + p.ID).body["state"] == "pushed" })
		nobody := &visitor{company: c}
		if got := nobody.post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 200); got.body["open"] != true || got.body["expires_at"] != o.body["expires_at"] {
			t.Errorf("%s", got.text)
		}
		if got := sam.get("/v1/offers/" + p.ID); got.body["state"] != "acked" {
			t.Errorf("%s", got.text)
		}
		last := len(p.Ack) - 5
		for _, bad := range []string{"", "psa_", p.Ack[:last], p.Ack[:last] + "AAAAA", "psa_" + strings.Repeat("A", len(p.Ack)-4)} {
			nobody.post("/v1/push/acks", map[string]any{"ack": bad}).want(t, 404)
		}
		sam.ask(http.MethodDelete, "/v1/me/push", nil).want(t, 200)
		nobody.post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 404)
		if got := sam.get("/v1/me/push").want(t, 200); got.body["subscribed"] != false {
			t.Errorf("%s", got.text)
		}
	})
}

// A device that acknowledges pushes is one that answers, for routing; it does
// not keep its session alive.
func TestAnAcknowledgedPushCountsAsReachable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := startPushes(t, nil)
		c := openTo(t, db, s).company()
		sam := c.user(account.Salesperson)
		sam.pushTo(s, "/sam", false)
		c.arrive(account.UserID{})
		sam.presence(account.Available)
		p := s.next("offer")
		seen := func() (at int64) {
			c.write(func(tx *store.Tx) error {
				all, err := offers.LastSeen(tx, []account.UserID{sam.id})
				at = all[sam.id]
				return err
			})
			return at
		}
		before := seen()
		(&visitor{company: c}).post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 200)
		if after := seen(); after <= before || before == 0 {
			t.Errorf("seen at %d, then at %d", before, after)
		}
	})
}

func TestASubscriptionIsJudged(t *testing.T) {
	s := startPushes(t, nil)
	elsewhere := startPushes(t, nil)
	c := openTo(t, storetest.SQLite(t), s).company()
	sam := c.user(account.Salesperson)
	good := func(change func(m, keys map[string]any)) map[string]any {
		m := s.subscribe("/x")
		change(m, m["keys"].(map[string]any))
		return map[string]any{"subscription": m}
	}
	for what, endpoint := range map[string]string{"another host": elsewhere.URL + "/x", "metadata": "http://169.254.169.254/latest", "inside": "https://10.0.0.1/x",
		"no TLS": "http://fcm.googleapis.com/x", "a user": "https://a:b@fcm.googleapis.com/x", "a lookalike": "https://fcm.googleapis.com.example.com/x", "a file": "file:///etc/passwd"} {
		body := good(func(m, _ map[string]any) { m["endpoint"] = endpoint })
		if got := sam.ask(http.MethodPut, "/v1/me/push", body); got.status != 422 {
			t.Errorf("%s: %s", what, got.text)
		}
	}
	for _, key := range []string{"", "AAAA", strings.Repeat("A", 87), "!"} {
		sam.ask(http.MethodPut, "/v1/me/push", good(func(_, k map[string]any) { k["p256dh"] = key })).want(t, 422)
		sam.ask(http.MethodPut, "/v1/me/push", good(func(_, k map[string]any) { k["auth"] = key })).want(t, 422)
	}
	alarms := good(func(map[string]any, map[string]any) {})
	alarms["alarms"] = true
	sam.ask(http.MethodPut, "/v1/me/push", alarms).want(t, 403)
	c.key(account.Manager).ask(http.MethodPut, "/v1/me/push", good(func(map[string]any, map[string]any) {})).want(t, 409)
	sam.ask(http.MethodPut, "/v1/me/push", good(func(map[string]any, map[string]any) {})).want(t, 200)
	if elsewhere.asked.Load() != 0 {
		t.Error("another host was asked")
	}
}

// Push services that do not answer, are slow, lie or refuse hold up nobody: not
// the offers of those who are there, and not routing.
func TestAPushServiceHoldsUpNobodyElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		release := make(chan struct{})
		slow := startPushes(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
		t.Cleanup(func() { close(release) })
		inside := startPushes(t, nil)
		lying := startPushes(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inside.URL+"/secret", http.StatusTemporaryRedirect)
		})
		busy := startPushes(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "999999")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		gone, away, good := startPushes(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }), startPushes(t, nil), startPushes(t, nil)
		c := openTo(t, db, slow, lying, busy, gone, away, good, inside).company()
		bad := []*pushService{slow, lying, busy, gone, away}
		var users []*visitor
		for i := range 10 {
			v := c.user(account.Salesperson)
			v.pushTo(bad[i%len(bad)], "/"+v.id.String(), false)
			users = append(users, v)
		}
		away.Server.Close()
		sam := c.user(account.Salesperson)
		sam.pushTo(good, "/sam", false)
		for _, v := range users {
			c.arrive(account.UserID{})
			v.presence(account.Available)
		}
		within(t, 10*time.Second, "all are offered a lead", func() bool {
			for _, v := range users {
				if len(v.get("/v1/offers").items()) != 1 {
					return false
				}
			}
			return slow.asked.Load() == 2 && lying.asked.Load() == 2 && busy.asked.Load() >= 2 && gone.asked.Load() == 2
		})
		c.arrive(account.UserID{})
		sam.presence(account.Available)
		p := good.next("offer") // while two pushes hang
		sam.post("/v1/offers/"+p.ID+"/accept", nil).want(t, 200)
		if inside.asked.Load() != 0 {
			t.Error("a redirect was followed")
		}
		within(t, 5*time.Second, "those that are gone are forgotten", func() (ended bool) {
			ended = true
			for i, v := range users {
				got := v.get("/v1/me/push").want(t, 200).body["subscribed"].(bool)
				if i%len(bad) == 3 && got {
					ended = false
				} else if i%len(bad) != 3 && !got {
					t.Errorf("%d is forgotten, too", i%len(bad))
				}
			}
			return ended
		})
	})
}

func TestAlarmsArePushedToWhoAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := startPushes(t, nil)
		c := openTo(t, db, s).company()
		boss, other, sam := c.user(account.Manager), c.user(account.Manager), c.user(account.Salesperson)
		boss.pushTo(s, "/boss", true)
		other.pushTo(s, "/other", false)
		sam.presence(account.Available)
		stream := boss.listen("", "")
		c.arrive(account.UserID{})
		var e map[string]any
		c.ok(json.Unmarshal([]byte(last(stream.next(events.OfferMade)).data), &e))
		sam.post("/v1/offers/"+e["offer_id"].(string)+"/decline", nil).want(t, 200) // nobody is left: the named queue
		p := s.next("alarm")
		if p.path != "/boss" || p.ID != c.project.String() {
			t.Errorf("%+v", p)
		}
		(&visitor{company: c}).post("/v1/push/acks", map[string]any{"ack": p.Ack}).want(t, 200)
	})
}

func TestARevokedDeviceIsPushedToWipe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := startPushes(t, nil)
		c := openTo(t, db, s).company()
		sam := c.user(account.Salesperson)
		id := sam.device("").want(t, 200).body["device_id"].(string)
		sam.pushTo(s, "/sam", false)
		moved := sam.again() // the device follows to its next session, and its pushes
		moved.device(id).want(t, 200)
		sam.again().ask(http.MethodDelete, "/v1/me/devices/"+id, nil).want(t, 200)
		if p := s.next("wipe"); p.path != "/sam" {
			t.Errorf("%+v", p)
		}
		within(t, 5*time.Second, "the subscription is forgotten", func() (none bool) {
			c.write(func(tx *store.Tx) error {
				list, err := devices.Pushes(tx, sam.id)
				none = len(list) == 0
				return err
			})
			return none
		})
	})
}

// A session that ended gets no offers any more, also when nobody unsubscribed;
// the control is the other user of the same browser.
func TestABrowserHasOneUser(t *testing.T) {
	s := startPushes(t, nil)
	c := openTo(t, storetest.SQLite(t), s).company()
	sam, mia := c.user(account.Salesperson), c.user(account.Salesperson)
	sam.pushTo(s, "/shared", false)
	mia.pushTo(s, "/shared", false)
	if got := sam.get("/v1/me/push").want(t, 200); got.body["subscribed"] != false {
		t.Errorf("%s", got.text)
	}
	mia.ask(http.MethodDelete, "/v1/sessions/current", nil).want(t, 200)
	c.arrive(account.UserID{})
	mia.presence(account.Available)
	back := mia.again()
	within(t, 5*time.Second, "the offer is made", func() bool { return len(back.get("/v1/offers").items()) == 1 })
	back.pushTo(s, "/shared", false)
	back.post("/v1/offers/"+back.get("/v1/offers").items()[0]["id"].(string)+"/accept", nil).want(t, 200)
	c.arrive(account.UserID{})
	p := s.next("offer")
	back.get("/v1/offers/"+p.ID).want(t, 200)
	if n := s.asked.Load(); n != 1 {
		t.Errorf("%d pushes", n)
	}
}
