package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"catchment/internal/totp"
)

// instance is the program, running as a process of its own on a folder of its
// own, with two companies in it. It can be killed and started again.
type instance struct {
	t       *trial
	engine  Engine
	dir     string // --data, and what goes to temporary files
	listen  string
	inner   string
	args    []string // more flags
	logs    string   // file that takes its log
	screen  string   // file that takes what it shows to who started it
	cluster Cluster  // with Postgres
	world   world
	apps    totp.Apps

	mu sync.Mutex
	op *api // the operator, once they have signed in

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// world is demo.json.
type world struct {
	URL      string    `json:"url"`
	Accounts []company `json:"accounts"`
	Operator user      `json:"operator"`
	Second   user      `json:"second_operator"`
	Support  user      `json:"support"`
}

type company struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	PublishableKey string `json:"publishable_key"`
	SecretKey      string `json:"secret_key"`
	Sources        []struct {
		ID      string `json:"id"`
		Slug    string `json:"slug"`
		Project string `json:"project"`
	} `json:"sources"`
	Users []user `json:"users"`
}

type user struct {
	Role     string `json:"role"`
	Name     string `json:"name"`
	Phone    string `json:"phone"`
	Email    string `json:"email"`
	Password string `json:"password"`
	TOTP     string `json:"totp"` // the seed of an admin's or operator's app
}

// with lists the company's users of the role.
func (c company) with(role string) []user {
	var out []user
	for _, u := range c.Users {
		if u.Role == role {
			out = append(out, u)
		}
	}
	return out
}

// seatOf makes the place for an instance; it runs nothing yet. dir is where
// the data goes, a folder of the trial when empty.
func (t *trial) seat(ctx context.Context, e Engine, dir string, args ...string) (*instance, error) {
	t.count++
	if dir == "" {
		dir = filepath.Join(t.dir, fmt.Sprintf("%s-%d", e, t.count))
	}
	i := &instance{t: t, engine: e, dir: dir, args: args, logs: filepath.Join(t.dir, fmt.Sprintf("%s-%d.log", e, t.count)),
		screen: filepath.Join(t.dir, fmt.Sprintf("%s-%d.screen", e, t.count))}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	i.listen, i.inner = ports[0], ports[1]
	if e == Postgres {
		if t.Postgres == nil {
			return nil, errSkipped{"no PostgreSQL was given"}
		}
		if i.cluster, err = t.Postgres(); err != nil {
			return nil, err
		}
		t.later(i.cluster.Stop)
		if err := i.cluster.Create(ctx, "catchment", ""); err != nil {
			return nil, err
		}
	}
	t.later(i.kill)
	return i, nil
}

// fresh starts a new instance with two companies and nobody about.
func (t *trial) fresh(ctx context.Context, e Engine, args ...string) (*instance, error) {
	i, err := t.seat(ctx, e, "", args...)
	if err != nil {
		return nil, err
	}
	return i, i.found(ctx)
}

// found starts the instance for the first time and waits for its companies.
func (i *instance) found(ctx context.Context) error {
	i.t.say("starting a fresh instance on %s", i.engine)
	if err := i.start("demo", "--quiet"); err != nil {
		return err
	}
	if err := i.ready(ctx, 60*time.Second); err != nil {
		return err
	}
	return i.wait(ctx, 120*time.Second, "its companies", func() bool {
		text, err := os.ReadFile(filepath.Join(i.dir, "demo.json"))
		return err == nil && json.Unmarshal(text, &i.world) == nil && len(i.world.Accounts) >= 2
	})
}

// start runs the program. Its output is appended to the log.
func (i *instance) start(verb string, more ...string) error {
	args := append([]string{verb, "--data", i.dir, "--listen", i.listen, "--inner", i.inner}, i.args...)
	if i.cluster != nil {
		args = append(args, "--database-url", i.cluster.URL("catchment"))
	}
	logs, err := os.OpenFile(i.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close() // the child has its own
	screen, err := os.OpenFile(i.screen, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer screen.Close()
	tmp := filepath.Join(i.dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	cmd := exec.Command(i.t.Binary, append(args, more...)...)
	cmd.Stdout, cmd.Stderr = screen, logs
	cmd.Env = append(clean(os.Environ()), "TMPDIR="+tmp) // so that temporary files are searched, too
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	i.cmd, i.done = cmd, done
	return nil
}

// clean leaves out what would configure the child behind our back.
func clean(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "CATCHMENT_") && !strings.HasPrefix(e, "TMPDIR=") {
			out = append(out, e)
		}
	}
	return out
}

// again starts the instance on the data that it has.
func (i *instance) again(ctx context.Context) error {
	if err := i.start("serve"); err != nil {
		return err
	}
	return i.ready(ctx, 60*time.Second)
}

func (i *instance) ready(ctx context.Context, within time.Duration) error {
	return i.wait(ctx, within, "readiness", func() bool { return i.probe("/readyz") == http.StatusOK })
}

var probes = &http.Client{Timeout: 2 * time.Second}

// probe asks the inner listener; 0 without an answer.
func (i *instance) probe(path string) int {
	resp, err := probes.Get("http://" + i.inner + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (i *instance) wait(ctx context.Context, within time.Duration, what string, f func() bool) error {
	for began := time.Now(); time.Since(began) < within; {
		if f() {
			return nil
		}
		select {
		case <-i.done:
			return fmt.Errorf("the instance ended while it was waited for %s: %s", what, i.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(15 * time.Millisecond):
		}
	}
	return fmt.Errorf("no %s within %s: %s", what, within, i.tail())
}

// tail is the end of its log.
func (i *instance) tail() string {
	text, _ := os.ReadFile(i.logs)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > 5 {
		lines = lines[len(lines)-5:]
	}
	return strings.Join(lines, " | ")
}

func (i *instance) alive() bool {
	if i.cmd == nil {
		return false
	}
	select {
	case <-i.done:
		return false
	default:
		return true
	}
}

// kill ends the process without asking it.
func (i *instance) kill() {
	if i.alive() {
		_ = i.cmd.Process.Kill()
		<-i.done
	}
}

// stop asks it to end and waits; after half a minute it is killed.
func (i *instance) stop() error {
	if !i.alive() {
		return nil
	}
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-i.done:
		return nil
	case <-time.After(30 * time.Second):
		i.kill()
		return errors.New("it did not end within 30 s of SIGTERM")
	}
}

func (i *instance) url() string { return "http://" + i.listen }

// panics counts what no log should have.
func (i *instance) panics() int {
	text, _ := os.ReadFile(i.logs)
	return bytes.Count(text, []byte("panic:")) + bytes.Count(text, []byte("goroutine 1 ["))
}

// cpu is what the process has used so far, in all its threads.
func (i *instance) cpu() time.Duration { return processCPU(i.cmd.Process.Pid) }

// processCPU reads user and system time from /proc, in hundredths of a second.
func processCPU(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold spaces
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// databaseCPU is what PostgreSQL's processes have used so far; 0 with SQLite,
// which is in the program's own.
func (i *instance) databaseCPU() time.Duration {
	if i.cluster == nil {
		return 0
	}
	text, _ := os.ReadFile(filepath.Join(i.cluster.Folder(), "postmaster.pid"))
	first, _, _ := strings.Cut(string(text), "\n")
	parent, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return familyCPU(parent)
}

// memory is the process's resident set now and at its highest, in MiB.
func (i *instance) memory() (now, peak float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.cmd.Process.Pid))
	return kib(text, "VmRSS:") / 1024, kib(text, "VmHWM:") / 1024
}

func kib(status []byte, name string) float64 {
	_, rest, ok := bytes.Cut(status, []byte(name))
	if !ok {
		return 0
	}
	f := bytes.Fields(rest)
	v, _ := strconv.ParseFloat(string(f[0]), 64)
	return v
}

// freePorts finds loopback addresses that nobody listens on.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all are found, so that they differ
		out = append(out, l.Addr().String())
	}
	return out, nil
}
