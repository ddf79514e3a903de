package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"catchment/internal/store"
)

// Behind a proxy that says where callers come from: an account's networks hold
// for sessions and their streams, for keys at every door, also while SQL is
// away, and the platform's for the operator's door. Without the proxy's word
// nothing that a caller writes counts.
func TestNetworksOfARunningServer(t *testing.T) {
	t.Parallel()
	cluster := ownPostgres(t)
	c := settingsFor(t, store.Options{URL: cluster.URL("postgres")})
	c.TrustedProxies, c.ProxyHeader, c.OperatorNets = "127.0.0.1", "x-forwarded-for", "203.0.113.0/24"
	s := serve(t, c)
	shop := openShop(t, c, s)
	const where, office, home = "X-Forwarded-For", "192.0.2.9", "198.51.100.3, 192.0.2.9, 198.51.100.3"
	admin, seller := s.as(t, shop.admin), s.as(t, shop.seller)
	key := admin.want(201, "POST", "/v1/keys", fields{"kind": "secret", "name": "CRM", "role": "manager"}).text("key")
	awaitKey(t, s, key)

	stream := s.listenFrom(t, shop.seller, home)
	list := []string{"192.0.2.0/24"}
	if got := admin.want(409, "PUT", "/v1/account/networks", fields{"admins": list, "everyone": list, "keys": list}, where, home).text("code"); got != "locks_you_out" {
		t.Errorf("refused as %s", got)
	}
	admin.want(200, "PUT", "/v1/account/networks", fields{"admins": list, "everyone": list, "keys": list}, where, office)
	select { // long before the next look at the clock
	case said := <-stream:
		if !strings.HasSuffix(said, "event: end\ndata: {}\n\n") {
			t.Errorf("the stream ended with %q", said)
		}
	case <-time.After(patience):
		t.Error("the stream from outside went on")
	}
	seller.want(403, "GET", "/v1/me", nil, where, home)
	seller.want(200, "GET", "/v1/me", nil, where, "198.51.100.3, 192.0.2.9")
	seller.want(403, "GET", "/v1/me", nil, "Forwarded", "for=192.0.2.9") // the proxy writes another header
	s.as(t, key).want(200, "GET", "/v1/leads", nil, where, office)
	s.as(t, key).want(403, "GET", "/v1/leads", nil, where, home)
	for _, path := range []string{"/v1/operator/accounts", "/v1/operator/health"} {
		s.as(t, "").want(403, "GET", path, nil, where, office)
		s.as(t, "").want(401, "GET", path, nil, where, "203.0.113.7")
	}
	admin.want(403, "GET", "/v1/operator/health", nil, where, "203.0.113.7") // from there, and no operator

	door := s.as(t, key)
	admin.until("the door's snapshot", "/v1/account", func(answer) bool {
		return door.send("POST", "/v1/leads", fields{}, where, home).status == 403
	}, where, office)
	cluster.Halt()
	door.want(403, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141"), where, home)
	door.want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141"), where, office)
	s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Ben Example", "+12025550142"), where, home)
}

// listenFrom opens a stream of events, and gives all that it said at its end.
func (r *running) listenFrom(t *testing.T, token, from string) <-chan string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	q.Header.Set("X-Forwarded-For", from)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("a stream: %s", resp.Status)
	}
	out := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		said, _ := io.ReadAll(resp.Body)
		out <- string(said)
	}()
	return out
}
