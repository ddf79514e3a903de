package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/keyring"
	"catchment/internal/logtest"
	"catchment/internal/store"
	"catchment/internal/store/storetest"

	nats "github.com/nats-io/nats-server/v2/server"
)

// startNATS runs a NATS server of its own, as an operator would: JetStream,
// with every message synced.
func startNATS(t *testing.T) (url string) {
	t.Helper()
	s, err := nats.NewServer(&nats.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	return s.ClientURL()
}

// process is the command in a process of its own, for what only the kernel can
// do to it.
type process struct {
	*exec.Cmd
	logs  *logtest.Lines
	ended chan struct{}
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{exec.Command("catchment", args...), &logtest.Lines{}, make(chan struct{})}
	p.Stdout, p.Stderr = p.logs, p.logs
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", strings.Join(args, " "), lastLines(p.logs.String(), 30))
		}
	})
	return p
}

// lastLines keeps what failed readable below and above a long log.
func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.ended
}

// await returns when the process has said that it serves.
func (p *process) await(t *testing.T) *process {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if strings.Contains(p.logs.String(), "Catchment ") {
			return p
		}
		select {
		case <-p.ended:
			t.Fatalf("it ended: %s", p.logs)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("it does not start: %s", p.logs)
	return nil
}

// Three processes share the course of a lead: the door has neither the
// database nor a key that opens anything, and the worker is killed on the way.
func TestRolesApart(t *testing.T) {
	t.Parallel()
	bus, o := startNATS(t), storetest.PostgresOptions(t)
	role := func(name string, o store.Options) config {
		c := settingsFor(t, o)
		c.Role, c.NATSURL = name, bus
		return c
	}
	work, web, door := role("work", o), role("web", o), role("capture", store.Options{})
	worker := []string{"serve", "--role", "work", "--data", work.Data, "--nats-url", bus, "--nats-storage", "1", "--database-url", o.URL, "--listen", "127.0.0.1:0", "--inner", ""}

	first := start(t, worker...).await(t)
	copyKeys(t, work.Data, web.Data)
	if status := run([]string{"keys", "door", "--data", work.Data, "--out", door.Data}, io.Discard, os.Stderr); status != 0 {
		t.Fatalf("keys door: %d", status)
	}
	desk, capture := serve(t, web), serve(t, door)
	shop := openShop(t, work, desk)
	awaitKey(t, capture, shop.pub)
	theDoorIsAlone(t, capture, door, shop)

	lead := attached(desk.as(t, shop.admin), capture.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141")).text("id"))
	admin, seller := desk.as(t, shop.admin), desk.as(t, shop.seller)
	admin.until("its offer", "/v1/leads/"+lead, func(a answer) bool { return a.text("state") == "offered" })
	sell(t, admin, seller, lead)
	reported(t, admin)

	taken := post(t, capture, shop, 0, 120, func(n int) {
		if n == 60 {
			first.kill()
		}
	})
	start(t, worker...).await(t)
	for id, n := range post(t, capture, shop, 120, 40, func(int) {}) {
		taken[id] = n
	}
	onceEach(t, admin, taken)
	anotherKeyringIsRefused(t, role("web", o))
}

func copyKeys(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{keyring.KeyringFile, keyring.IdentityFile} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, name, text)
	}
}

// theDoorIsAlone checks what the door's process can not do.
func theDoorIsAlone(t *testing.T, s *running, c config, shop shop) {
	t.Helper()
	if s.house.db != nil || s.house.ring != nil || exists(filepath.Join(c.Data, keyring.KeyringFile)) {
		t.Error("the door holds a database or a keyring")
	}
	for _, path := range []string{"/v1/leads", "/v1/me", "/v1/account"} {
		if a := s.as(t, shop.admin).send("GET", path, nil); a.status != 404 && a.status != 405 {
			t.Errorf("the door answers GET %s with %d", path, a.status)
		}
	}
	api{t, s.health, ""}.want(200, "GET", "/readyz", nil)
}

// post hands in n leads of as many persons, eight at a time. It returns the
// persons' numbers by the enquiries' ids.
func post(t *testing.T, s *running, shop shop, from, n int, each func(int)) map[string]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	taken, next, turns := map[string]int{}, 0, make(chan struct{}, 8)
	for i := range n {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			in := fields{"source": shop.source, "person": fields{"name": "Crowd Example", "email": fmt.Sprintf("crowd-%d@example.com", from+i)}}
			a, err := s.as(t, shop.pub).try("POST", "/v1/leads", in)
			if err != nil || a.status != 202 {
				t.Errorf("lead %d: %v %d %s", from+i, err, a.status, a.body)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			taken[a.text("id")] = from + i
			next++
			each(next)
		})
	}
	wg.Wait()
	return taken
}

// onceEach wants a lead for each of the enquiries, and none besides: every
// person is another one.
func onceEach(t *testing.T, admin api, taken map[string]int) {
	t.Helper()
	leads := map[string]bool{}
	for id := range taken {
		leads[attached(admin, id)] = true
	}
	if len(leads) != len(taken) {
		t.Errorf("%d enquiries made %d leads", len(taken), len(leads))
	}
	all := admin.want(200, "GET", "/v1/leads?limit=500", nil).items()
	if len(all) != len(taken)+1 {
		t.Errorf("%d leads, want %d and the one that was sold", len(all), len(taken))
	}
	for _, l := range all {
		if n := l.(fields)["enquiries"]; n != 1.0 {
			t.Errorf("lead %v has %v enquiries", l.(fields)["id"], n)
		}
	}
}

// anotherKeyringIsRefused starts on a folder without keys, beside a database
// that has some: a new keyring would open nothing of it.
func anotherKeyringIsRefused(t *testing.T, c config) {
	t.Helper()
	var logs bytes.Buffer
	s, err := startServer(&world{ctx: t.Context(), out: io.Discard, err: &logs}, c)
	if err == nil {
		s.stop()
		t.Fatal("a server starts with a keyring that is not the database's")
	}
	if !strings.Contains(err.Error(), "put it back") || exists(filepath.Join(c.Data, keyring.KeyringFile)) {
		t.Errorf("%v", err)
	}
}
