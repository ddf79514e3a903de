package capture_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"catchment/internal/caller"
)

// The account's networks for keys, and a key's own, are the door's to keep, by
// the address that the gate house noted. Publishable keys are not judged.
func TestNetworksOfKeys(t *testing.T) {
	h := newHouse(t)
	from := func(key, addr string) int {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/leads", strings.NewReader(goodLead))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		h.door.Handler().ServeHTTP(w, r.WithContext(caller.With(r.Context(), netip.MustParseAddr(addr))))
		return w.Code
	}
	try := func(key, addr string, want int) {
		t.Helper()
		if got := from(key, addr); got != want {
			t.Errorf("%s from %s: %d, want %d", key, addr, got, want)
		}
	}
	try(atOffice, "192.0.2.9", 202)
	try(atOffice, "198.51.100.3", 403)
	try(secret, "198.51.100.3", 202)
	h.own.KeyNetworks = caller.Networks{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("2001:db8::/48")}
	h.publish(t)
	try(atOffice, "192.0.2.9", 202)
	try(atOffice, "192.0.2.99", 403) // the key's own network, and not the account's
	try(secret, "198.51.100.3", 403)
	try(secret, "2001:db8::7", 202)
	try(atOffice, "2001:db8::7", 403)
	try(anyOrigin, "198.51.100.3", 202)
	try(otherSecret, "198.51.100.3", 422) // another account's: no such source
}
