// Package scratch runs a PostgreSQL cluster of its own in a temporary folder,
// from Debian's binaries, for tests, proofs and benchmarks. It listens on
// loopback only and is gone after Stop.
package scratch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a running PostgreSQL.
type Cluster struct {
	Dir  string // its data folder
	Port int
	tls  bool
	bin  string
	cred *syscall.Credential
	cmd  *exec.Cmd
	done chan error
}

// ErrMissing says that PostgreSQL's server is not installed.
var ErrMissing = errors.New("scratch: PostgreSQL is not installed (Debian: apt-get install postgresql)")

// Start makes a cluster and waits until it answers. With durable false it
// runs without fsync, which is right for tests and wrong for proofs.
func Start(durable bool) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "catchment-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, bin: bin}
	if err := c.init(durable); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := c.Run(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	sort.Strings(found)
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", ErrMissing
}

func (c *Cluster) init(durable bool) error {
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("scratch: PostgreSQL does not run as root, and there is no user postgres: %w", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		c.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(c.Dir, uid, gid); err != nil {
			return err
		}
	}
	args := []string{"-D", c.Dir, "-U", "catchment", "--auth=trust", "--encoding=UTF8", "--locale=C"}
	if !durable {
		args = append(args, "--no-sync")
	}
	if err := c.command("initdb", args...).Run(); err != nil {
		return fmt.Errorf("scratch: initdb: %w", err)
	}
	conf := "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\nshared_buffers = 256MB\nmax_wal_size = 4GB\nlog_min_messages = fatal\n"
	if !durable {
		conf += "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(conf)
	return err
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// Run starts the server again after Halt.
func (c *Cluster) Run() error {
	var err error
	for range 5 { // the port may be taken between choosing and listening
		if c.Port == 0 {
			if c.Port, err = freePort(); err != nil {
				return err
			}
		}
		if err = c.run(); err == nil {
			return nil
		}
		c.Port = 0
	}
	return err
}

func (c *Cluster) run() error {
	var out bytes.Buffer
	c.cmd = c.command("postgres", "-D", c.Dir, "-p", strconv.Itoa(c.Port))
	c.cmd.Stderr = &out
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.done = make(chan error, 1)
	go func() { c.done <- c.cmd.Wait() }()
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case err := <-c.done:
			c.cmd = nil
			return fmt.Errorf("scratch: postgres ended: %w: %s", err, out.String())
		case <-time.After(25 * time.Millisecond):
		}
		if c.answers() {
			return nil
		}
	}
	c.Halt()
	return errors.New("scratch: postgres did not answer within a minute")
}

func (c *Cluster) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return false
	}
	conn.Close(ctx)
	return true
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// URL is where a database of the cluster is reached, as its owner.
func (c *Cluster) URL(database string) string {
	if c.tls {
		return fmt.Sprintf("postgres://catchment@127.0.0.1:%d/%s?sslmode=verify-full&sslrootcert=%s", c.Port, database, filepath.Join(c.Dir, "root.crt"))
	}
	return fmt.Sprintf("postgres://catchment@127.0.0.1:%d/%s?sslmode=disable", c.Port, database)
}

// Secure has the server speak TLS only from now on, with this certificate for
// 127.0.0.1; root is what its clients know it by. All are PEM.
func (c *Cluster) Secure(cert, key, root []byte) error {
	for name, text := range map[string][]byte{"server.crt": cert, "server.key": key, "root.crt": root,
		"pg_hba.conf": []byte("hostssl all all 127.0.0.1/32 trust\n")} {
		path := filepath.Join(c.Dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
		if c.cred != nil {
			if err := os.Chown(path, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
				return err
			}
		}
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("ssl = on\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	c.Halt()
	c.tls = true
	return c.Run()
}

// Halt stops the server and keeps its data, closing connections at once.
func (c *Cluster) Halt() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
	select {
	case <-c.done:
	case <-time.After(20 * time.Second):
		_ = c.cmd.Process.Signal(syscall.SIGQUIT)
		<-c.done
	}
	c.cmd = nil
}

// Stop stops the server and removes its data.
func (c *Cluster) Stop() {
	c.Halt()
	os.RemoveAll(c.Dir)
}

// Create makes a database, as a copy of template unless that is empty.
func (c *Cluster) Create(ctx context.Context, name, template string) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	text := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		text += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	_, err = conn.Exec(ctx, text)
	return err
}
