package proof

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// edgeHost is the name that the doors' certificate is for; the scanners come
// to loopback by it.
const edgeHost = "leads.example.com"

// proveEdge has two scanners that others wrote look at the doors: testssl.sh at
// what is spoken, slowhttptest at who can be kept waiting. The control is a
// server as one should not be.
func proveEdge(ctx context.Context, t *trial) error {
	scanner, err := tool("testssl", "testssl.sh")
	if err != nil {
		return err
	}
	slow, err := tool("slowhttptest")
	if err != nil {
		return err
	}
	i, err := t.seat(ctx, SQLite, "", "--tls", "self", "--public-url", "https://"+edgeHost)
	if err != nil {
		return err
	}
	if err := i.start("serve"); err != nil {
		return err
	}
	if err := i.ready(ctx, 60*time.Second); err != nil {
		return err
	}
	all, err := t.scan(ctx, scanner, i.listen, "--add-ca", filepath.Join(i.dir, "tls", "authority.pem"))
	if err != nil {
		return err
	}
	bad := aboveLow(all)
	t.check("testssl.sh finds nothing above LOW", len(bad) == 0 && len(all) > 100, "%d findings, above LOW: %s", len(all), counted(bad))
	for _, low := range withSeverity(all, "LOW") {
		t.note("testssl.sh, LOW: %s", low)
	}
	if err := t.keepWaiting(ctx, slow, i); err != nil {
		return err
	}
	return t.weakServer(ctx, scanner, slow)
}

func tool(names ...string) (string, error) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", errSkipped{names[0] + " is not installed (sh scripts/deps.sh prove)"}
}

// finding is one of testssl.sh's.
type finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Finding  string `json:"finding"`
}

// scan runs testssl.sh on a loopback address, under edgeHost's name.
func (t *trial) scan(ctx context.Context, scanner, address string, more ...string) ([]finding, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(t.dir, "testssl-"+port+".json")
	args := append([]string{"--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--jsonfile", out}, more...)
	t.say("testssl.sh looks at %s; this takes minutes", address)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	said, runErr := command(ctx, t.dir, scanner, append(args, "https://"+edgeHost+":"+port+"/docs")...) // its status counts findings
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("testssl.sh left no report: %w: %v: %s", err, runErr, lastOf(said))
	}
	var all []finding
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("testssl.sh's report: %w", err)
	}
	return all, ctx.Err()
}

// command runs a program in a group of its own, so that its children end too.
func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = endWithParent()
	cmd.WaitDelay = 5 * time.Second
	return cmd.CombinedOutput()
}

func lastOf(b []byte) string {
	if len(b) > 400 {
		b = b[len(b)-400:]
	}
	return strings.TrimSpace(string(b))
}

// aboveLow lists what would have to be mended. WARN is testssl.sh's word for
// what it could not look at; that its own openssl lacks an engine for Russian
// ciphers is not ours.
func aboveLow(all []finding) (out []string) {
	for _, f := range all {
		switch f.Severity {
		case "OK", "INFO", "LOW", "DEBUG":
		case "WARN":
			if f.ID != "engine_problem" {
				out = append(out, f.String())
			}
		default:
			out = append(out, f.String())
		}
	}
	return out
}

func (f finding) String() string { return f.ID + " (" + f.Severity + "): " + f.Finding }

func withSeverity(all []finding, severity string) (out []string) {
	for _, f := range all {
		if f.Severity == severity {
			out = append(out, f.String())
		}
	}
	return out
}

// siege is one way of keeping a server waiting.
type siege struct {
	name string
	path string
	args []string
}

func sieges() []siege {
	return []siege{
		{"heads that do not end", "/docs", []string{"-H"}},
		{"bodies that do not end", "/v1/sessions", []string{"-B", "-t", "POST", "-f", "application/json", "-s", "8192"}},
		{"answers that are not taken", "/openapi.json", []string{"-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"}},
	}
}

// keepWaiting runs each siege with 400 connections, and looks whether anybody
// else would still be served all the while, and what became of those.
func (t *trial) keepWaiting(ctx context.Context, slow string, i *instance) error {
	for _, s := range sieges() {
		away, held, err := t.besiege(ctx, slow, "https://"+i.listen+s.path, s.args...)
		if err != nil {
			return err
		}
		t.check("served beside 400 "+s.name, away == 0, "not served in %d of the seconds", away)
		if s.args[0] != "-X" { // an answer that fits into the kernel's buffers is not ours to wait for
			t.check("400 "+s.name+" are let go", held == 0, "%d of them still there in the end", held)
		}
	}
	t.check("no panic", i.panics() == 0, "%d", i.panics())
	return nil
}

// siegeLength is how long slowhttptest goes on; it ends sooner when it has no
// connection left.
const siegeLength = 25

// besiege runs slowhttptest. It gives the seconds in which its probe was not
// served, and the connections that it still had when its time was over.
func (t *trial) besiege(ctx context.Context, slow, url string, args ...string) (away, held int, err error) {
	t.count++
	name := filepath.Join(t.dir, "slow-"+strconv.Itoa(t.count))
	args = append(args, "-c", "400", "-r", "200", "-i", "4", "-l", strconv.Itoa(siegeLength), "-p", "4", "-g", "-o", name, "-u", url)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	said, runErr := command(ctx, t.dir, slow, args...)
	text, err := os.ReadFile(name + ".csv")
	if err != nil {
		return 0, 0, fmt.Errorf("slowhttptest left no report: %w: %v: %s", err, runErr, lastOf(said))
	}
	away, held, err = readSiege(text)
	if err != nil {
		return 0, 0, fmt.Errorf("slowhttptest's report: %w", err)
	}
	return away, held, ctx.Err()
}

// readSiege reads slowhttptest's table: Seconds, Closed, Pending, Connected,
// Service Available (above 0 when it was), a line a second.
func readSiege(text []byte) (away, held int, err error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return 0, 0, err
	}
	if len(rows) == 0 {
		return 0, 0, errors.New("it is empty")
	}
	column := func(name string) int {
		return slices.IndexFunc(rows[0], func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), name) })
	}
	second, connected, available := column("Seconds"), column("Connected"), column("Service Available")
	if second < 0 || connected < 0 || available < 0 || len(rows) < 3 {
		return 0, 0, fmt.Errorf("columns %q, %d lines", rows[0], len(rows))
	}
	last := 0
	for _, row := range rows[1:] {
		if len(row) <= max(second, connected, available) {
			continue
		}
		if strings.TrimSpace(row[available]) == "0" {
			away++
		}
		if last, err = strconv.Atoi(strings.TrimSpace(row[second])); err != nil {
			return 0, 0, err
		}
		if held, err = strconv.Atoi(strings.TrimSpace(row[connected])); err != nil {
			return 0, 0, err
		}
	}
	if last < siegeLength-5 { // it ended because none was left
		held = 0
	}
	return away, held, nil
}

// weakServer is the control: TLS 1.0 with ciphers of the nineties, no time
// limits, and a fixed number of places for everybody.
func (t *trial) weakServer(ctx context.Context, scanner, slow string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := weakTLS()
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)} //nolint:gosec // without time limits: that is what it is for
	go func() { _ = s.Serve(tls.NewListener(&crowded{l, make(chan struct{}, 100)}, c)) }()
	defer s.Close()
	all, err := t.scan(ctx, scanner, l.Addr().String(), "-p", "-s")
	if err != nil {
		return err
	}
	bad := aboveLow(all)
	t.check("control: testssl.sh finds a server's old ciphers", len(bad) > 0, "above LOW: %s", counted(bad))
	away, held, err := t.besiege(ctx, slow, "https://"+l.Addr().String()+"/", "-H")
	if err != nil {
		return err
	}
	t.check("control: slowhttptest locks others out of a server without time limits", away > 0 && held > 0, "not served in %d of the seconds, %d connections still there", away, held)
	return nil
}

// crowded has so many places, and whoever is in keeps theirs.
type crowded struct {
	net.Listener
	places chan struct{}
}

// Accept implements net.Listener.
func (l *crowded) Accept() (net.Conn, error) {
	l.places <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &seated{Conn: c, leave: func() { <-l.places }}, nil
}

type seated struct {
	net.Conn
	leave func()
	left  bool
}

// Close implements net.Conn.
func (c *seated) Close() error {
	if !c.left {
		c.left = true
		c.leave()
	}
	return c.Conn.Close()
}

func weakTLS() (*tls.Config, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{edgeHost}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, //nolint:gosec // the control
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, nil
}
