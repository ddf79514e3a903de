package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/limits"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// limited is a hall with a clock of its own, in which callers are whoever they
// say in X-From.
func limited(t *testing.T, r limits.Rates, now *time.Time, pressure func() float64) http.Handler {
	a, b := storetest.Account(), storetest.Account()
	auth := doorman{
		"one":   {Scope: a, Actor: "key_one", Role: account.Admin, Rights: rights.Of(account.Admin)},
		"two":   {Scope: a, Actor: "key_two", Role: account.Admin, Rights: rights.Of(account.Admin)},
		"other": {Scope: b, Actor: "key_other", Role: account.Admin, Rights: rights.Of(account.Admin)},

		"operator": {Actor: "user_op", Role: account.Operator, Rights: rights.Of(account.Operator), Operator: true},
	}
	l := limits.New(r, []byte("secret"), func() time.Time { return *now })
	api := New(Options{DB: storetest.SQLite(t), Auth: auth, Log: slog.New(slog.DiscardHandler), Version: "test", Limits: l, Pressure: pressure})
	see := func(path string, p account.Permission) {
		See(api, Op{Method: "GET", Path: path, Name: path[1:], Tag: "t", Summary: "s", Permission: p},
			func(*Visit, *store.Tx, *struct{}) (*made, error) { return &made{}, nil })
	}
	see("/things", account.ReadSetup)
	See(api, Op{Method: "GET", Path: "/things/{id}", Name: "get-thing", Tag: "t", Summary: "s", Permission: account.ReadSetup},
		func(_ *Visit, _ *store.Tx, in *thingPath) (*made, error) { return &made{ID: in.ID}, nil })
	see("/platform", account.RunPlatform)
	Meet(api, Op{Method: "POST", Path: "/sign-in", Name: "sign-in", Tag: "t", Summary: "s", Permission: account.Public}, signInForNobody)
	if err := api.ServeDocument(); err != nil {
		t.Fatal(err)
	}
	h := Wrap(api.Mux(), slog.New(slog.DiscardHandler), ByAddress(l))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(caller.With(r.Context(), netip.MustParseAddr(r.Header.Get("X-From")))))
	})
}

type thingPath struct {
	ID string `path:"id"`
}

func signInForNobody(context.Context, *Visit, *struct{}) (*made, error) {
	return nil, problem.Unauthenticated("Nobody.")
}

func ask(h http.Handler, method, path, from, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("X-From", from)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestLimits(t *testing.T) {
	const here, there, loop = "203.0.113.7", "198.51.100.9", "127.0.0.1"
	each := limits.Rate{N: 1, Per: 3 * time.Second, Burst: 2}
	for _, c := range []struct {
		name          string
		rates         limits.Rates
		method, path  string
		from, token   string
		freeFrom      string // who is still let in
		freeToken     string
		limitedByName string
	}{
		{"address", limits.Rates{Address: each}, "GET", "/things", here, "one", there, "one", "address"},
		{"an IPv6 network", limits.Rates{Address: each}, "GET", "/nowhere", "2001:db8:1:2::1", "", "2001:db8:1:3::1", "", "address"},
		{"strangers", limits.Rates{Stranger: each}, "POST", "/sign-in", here, "", there, "", "stranger"},
		{"loopback is everybody", limits.Rates{Stranger: each}, "POST", "/sign-in", here, "", loop, "", "stranger"},
		{"holder", limits.Rates{Holder: each}, "GET", "/things", here, "one", here, "two", "holder"},
		{"account", limits.Rates{Account: each}, "GET", "/things", here, "one", here, "other", "account"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			h := limited(t, c.rates, &now, nil)
			for n := range 2 {
				if w := ask(h, c.method, c.path, c.from, c.token); w.Code == http.StatusTooManyRequests {
					t.Fatalf("request %d of 2: %s", n+1, w.Body)
				}
			}
			w := ask(h, c.method, c.path, c.from, c.token)
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "3" || !strings.Contains(w.Body.String(), `"too_many_requests"`) {
				t.Fatalf("the third: %d, Retry-After %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
			}
			if got := w.Header().Get("RateLimit-Policy"); got != `"`+c.limitedByName+`";q=2;w=6` {
				t.Errorf("RateLimit-Policy: %s", got)
			}
			if got := w.Header().Get("RateLimit"); got != `"`+c.limitedByName+`";r=0;t=3` {
				t.Errorf("RateLimit: %s", got)
			}
			if w := ask(h, c.method, c.path, c.freeFrom, c.freeToken); w.Code == http.StatusTooManyRequests {
				t.Errorf("another pays for it: %s", w.Body)
			}
			now = now.Add(3*time.Second - time.Millisecond)
			if w := ask(h, c.method, c.path, c.from, c.token); w.Code != http.StatusTooManyRequests {
				t.Errorf("let in a millisecond before Retry-After: %d", w.Code)
			}
			now = now.Add(time.Millisecond)
			if w := ask(h, c.method, c.path, c.from, c.token); w.Code == http.StatusTooManyRequests {
				t.Errorf("not let in after Retry-After: %s", w.Body)
			}
		})
	}
}

// What the account's limit refuses does not count for the key.
func TestOneRefusalIsCountedOnce(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := limited(t, limits.Rates{Holder: limits.Rate{N: 1, Per: time.Hour, Burst: 2}, Account: limits.Rate{N: 1, Per: time.Second, Burst: 1}}, &now, nil)
	for n, want := range []int{200, 429, 429, 429} {
		if w := ask(h, "GET", "/things", "203.0.113.7", "one"); w.Code != want {
			t.Fatalf("request %d: %d %s", n, w.Code, w.Body)
		}
	}
	now = now.Add(time.Second)
	if w := ask(h, "GET", "/things", "203.0.113.7", "one"); w.Code != 200 {
		t.Errorf("the key paid for what the account was refused: %s", w.Body)
	}
}

func TestWhatCanWaitYieldsFirst(t *testing.T) {
	pressure, now := 0.0, time.Now()
	h := limited(t, limits.Rates{}, &now, func() float64 { return pressure })
	lets := func() (out string) {
		for _, c := range []struct{ method, path, token, letter string }{
			{"GET", "/openapi.json", "", "d"}, {"GET", "/things", "one", "l"}, {"GET", "/things/x", "one", "r"},
			{"POST", "/sign-in", "", "w"}, {"GET", "/platform", "operator", "o"},
		} {
			switch w := ask(h, c.method, c.path, "203.0.113.7", c.token); {
			case w.Code != http.StatusServiceUnavailable:
				out += c.letter
			case w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"busy_capturing"`):
				t.Errorf("%s: %s", c.path, w.Body)
			}
		}
		return out
	}
	for _, c := range []struct {
		pressure float64
		want     string
	}{{0, "dlrwo"}, {0.49, "dlrwo"}, {0.5, "rwo"}, {0.7, "wo"}, {0.85, "o"}, {1, "o"}} {
		pressure = c.pressure
		if got := lets(); got != c.want {
			t.Errorf("at a pressure of %v: %s are let in, want %s", pressure, got, c.want)
		}
	}
}
