package edge

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// Files are a certificate with its chain and its key in two PEM files that
// somebody else renews. They are read again when they change; a pair that does
// not fit, or has ended, leaves the one before in its place.
type Files struct {
	cert, key string
	log       *slog.Logger
	stop      chan struct{}
	done      sync.WaitGroup
	once      sync.Once

	mu      sync.Mutex
	pair    *tls.Certificate
	seen    [sha256.Size]byte // what was read last
	problem string
}

// lookAgain is how often the files are read: they are small, and a renewal may
// replace a file, a link to it or the folder above it.
const lookAgain = 10 * time.Second

// NewFiles reads the pair and keeps watch over it.
func NewFiles(cert, key string, log *slog.Logger) (*Files, error) {
	if log == nil {
		log = slog.Default()
	}
	f := &Files{cert: cert, key: key, log: log, stop: make(chan struct{})}
	f.reload()
	if f.pair == nil {
		return nil, fmt.Errorf("edge: %s", f.problem)
	}
	f.done.Go(f.watch)
	return f, nil
}

func (f *Files) watch() {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
			f.reload()
		}
	}
}

// reload takes the files as they are, if they are good and not those it knows.
func (f *Files) reload() {
	cert, errCert := os.ReadFile(f.cert)
	key, errKey := os.ReadFile(f.key)
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := sha256.Sum256(bytes.Join([][]byte{cert, key, []byte(fmt.Sprint(errCert, errKey))}, []byte{0}))
	if seen == f.seen {
		return
	}
	f.seen = seen
	pair, err := readFiles(cert, key, errCert, errKey)
	if err != nil {
		f.problem = fmt.Sprintf("%s with %s: %v", f.cert, f.key, err)
		f.log.Error("edge: the certificate cannot be used as it is", "error", err, "cert", f.cert, "key", f.key)
		if f.pair == nil {
			f.pair = pair // one that has ended serves callers who do not mind; none would serve nobody
		}
		return
	}
	if f.pair != nil {
		f.log.Info("edge: a new certificate is shown", "ends", pair.Leaf.NotAfter)
	}
	f.pair, f.problem = pair, ""
}

// InFiles tells about a pair of files, for those who look from outside.
func InFiles(cert, key string) State {
	c, errCert := os.ReadFile(cert)
	k, errKey := os.ReadFile(key)
	pair, err := readFiles(c, k, errCert, errKey)
	if err != nil {
		return stateOf(pair, err.Error())
	}
	return stateOf(pair, "")
}

func readFiles(cert, key []byte, errs ...error) (*tls.Certificate, error) {
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	leaf, err := leafOf(&pair)
	if err != nil {
		return nil, err
	}
	pair.Leaf = leaf
	if time.Now().After(leaf.NotAfter) {
		return &pair, fmt.Errorf("it ended on %s", leaf.NotAfter.Format(time.DateOnly))
	}
	return &pair, nil
}

// Config implements Certificates.
func (f *Files) Config() *tls.Config {
	c := modern()
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.pair, nil
	}
	return c
}

// State implements Certificates.
func (f *Files) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return stateOf(f.pair, f.problem)
}

// Plain implements Certificates.
func (f *Files) Plain(http.ResponseWriter, *http.Request) bool { return false }

// Close implements Certificates.
func (f *Files) Close() {
	f.once.Do(func() { close(f.stop) })
	f.done.Wait()
}
