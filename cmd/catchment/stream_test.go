package main

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/store"
)

// A live stream ends with the role that it was opened in: when its user gets
// another one, and when the permissions of an own role change. At once, and not
// when the credential is looked at next; that of a colleague goes on.
func TestStreamsEndWithTheRole(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	s := serve(t, c)
	shop := openShop(t, c, s)
	admin := s.as(t, shop.admin)
	role := admin.want(201, "POST", "/v1/roles", fields{"name": "Office", "permissions": fields{"setup:read": "all", "leads:read": "all", "events:follow": "all"}}).text("id")
	join := func(email, role string) (token string) {
		t.Helper()
		link := admin.want(201, "POST", "/v1/users", fields{"name": "Sam Example", "role": role, "email": email}).text("link")
		return s.as(t, "").want(201, "POST", "/v1/links/redeem", fields{"token": link, "password": "a long password of Sam"}).text("token")
	}
	office, colleague := join("office@example.com", role), join("sam@example.com", "manager")
	promoted, ruled, stays := s.listenFrom(t, shop.seller, ""), s.listenFrom(t, office, ""), s.listenFrom(t, colleague, "")
	ends := func(who string, stream <-chan string) {
		t.Helper()
		select {
		case said := <-stream:
			if !strings.HasSuffix(said, "event: end\ndata: {}\n\n") {
				t.Errorf("%s: the stream ended with %q", who, said)
			}
		case <-time.After(patience): // less than the 30 s after which it is looked at anyway
			t.Errorf("%s: the stream went on", who)
		}
	}
	admin.want(200, "PATCH", "/v1/users/"+shop.sellerID, fields{"role": "manager"})
	ends("another role", promoted)
	admin.want(200, "PUT", "/v1/roles/"+role, fields{"name": "Office", "permissions": fields{"setup:read": "all", "events:follow": "all"}})
	ends("an own role that changed", ruled)
	select {
	case said := <-stays:
		t.Errorf("a colleague's stream ended: %q", said)
	default:
	}
}
