package capture_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// benchBody has about 400 bytes; three in ten messages have an apostrophe.
func benchBody(n int) string {
	message := "We are looking for three rooms with a view of the harbour, ready next spring"
	if n%10 < 3 {
		message = "I'm interested, and we'd like to see the three rooms with a view next week"
	}
	return benchLead(n, message)
}

func benchLead(n int, message string) string {
	return fmt.Sprintf(`{"source":"site","person":{"name":"Ada Example","phone":"+44207946%04d","email":"ada.%d@example.com"},"message":%q,`+
		`"attribution":{"utm_source":"newsletter","utm_medium":"email","utm_campaign":"spring","gclid":"Cj0KCQjw"},"custom":{"budget":"500000","rooms":3}}`, n%1000, n, message)
}

// bare decodes the same body and writes an answer of the same size: what a
// handler costs that keeps nothing.
func bare(size int) http.Handler {
	reply := bytes.Repeat([]byte("x"), size)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v struct {
			Source      string
			Person      struct{ Name, Phone, Email string }
			Message     string
			Attribution map[string]string
			Custom      map[string]any
		}
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(reply)
	})
}

// BenchmarkDoorBesideBare prints the CPU of the door as a multiple of a bare
// handler's, over real HTTP in this process; the generator's share is in both,
// so each pair is also measured against a handler that does nothing, and that
// is taken off. Run with -benchtime=1x.
func BenchmarkDoorBesideBare(b *testing.B) {
	h := newHouse(b)
	size := len(h.send(b, post(benchBody(1))).text)
	bareWeb := httptest.NewServer(bare(size))
	defer bareWeb.Close()
	none := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer none.Close()
	for b.Loop() {
		var gross, net []float64
		for range 5 {
			empty, plain, door := load(b, none.URL), load(b, bareWeb.URL), load(b, h.web.URL)
			gross = append(gross, door/plain)
			net = append(net, (door-empty/2)/(plain-empty/2))
			b.Logf("CPU µs a request, generator included: nothing %.1f, bare %.1f, door %.1f", empty, plain, door)
		}
		slices.Sort(gross)
		slices.Sort(net)
		b.ReportMetric(gross[2], "×bare")
		b.ReportMetric(net[2], "×bare-net")
	}
}

const benchRequests, benchClients = 20_000, 64

// load sends the requests over keep-alive connections and gives the CPU time
// of this process in microseconds a request.
func load(b *testing.B, url string) float64 {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
	defer client.CloseIdleConnections()
	before := cpu()
	var all sync.WaitGroup
	for c := range benchClients {
		all.Go(func() {
			for i := range benchRequests / benchClients {
				sendOne(b, client, url, benchBody(c*1000+i))
			}
		})
	}
	all.Wait()
	return float64((cpu() - before).Microseconds()) / benchRequests
}

func sendOne(b *testing.B, client *http.Client, url, body string) {
	r, _ := http.NewRequest(http.MethodPost, url+"/v1/leads", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+secret)
	res, err := client.Do(r)
	if err != nil {
		b.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		b.Errorf("got %d", res.StatusCode)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHandler is the door without a network: allocations and time of the
// handler, the journal included.
func BenchmarkHandler(b *testing.B) {
	h := newHouse(b)
	handler := h.door.Handler()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			r := httptest.NewRequest(http.MethodPost, "/v1/leads", strings.NewReader(benchBody(n)))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+secret)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusAccepted {
				b.Errorf("got %d %s", w.Code, w.Body)
			}
		}
	})
}
