package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	nats "github.com/nats-io/nats-server/v2/server"
)

// ServeNATS is a NATS server as an operator would run it for Catchment:
// JetStream, every message synced before it is acknowledged. It prints its
// address and serves until ctx ends.
func ServeNATS(ctx context.Context, out io.Writer, address, dir string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := nats.NewServer(&nats.Options{Host: host, Port: n, JetStream: true, StoreDir: dir, SyncAlways: true, MaxPayload: 9 << 20, NoSigs: true, NoLog: true})
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return errors.New("NATS does not start")
	}
	fmt.Fprintln(out, s.ClientURL())
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// bus is a NATS server in a process of its own, that can be killed.
type bus struct {
	t       *trial
	address string
	cmd     *exec.Cmd
}

func (t *trial) startBus() (*bus, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	b := &bus{t: t, address: ports[0]}
	t.later(b.kill)
	return b, b.start()
}

func (b *bus) url() string { return "nats://" + b.address }

// start returns when it listens.
func (b *bus) start() error {
	b.cmd = exec.Command(b.t.Binary, "prove", "nats-server", "--address", b.address, "--dir", filepath.Join(b.t.dir, "nats"))
	b.cmd.SysProcAttr = endWithParent()
	if err := b.cmd.Start(); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", b.address); err == nil {
			return c.Close()
		}
	}
	return errors.New("no NATS within 30 s")
}

func (b *bus) kill() {
	if b.cmd != nil && b.cmd.ProcessState == nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	}
}
