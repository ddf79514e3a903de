package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is the NATS server inside this process, with its folder:
//
//	LOCK       held for life
//	RUNNING    there from start to clean stop
//	HIGH       the highest acknowledged sequence number
//	jetstream/ the server's own
type embedded struct {
	dir      string
	log      *slog.Logger
	stats    *counters
	alarm    func()
	lock     *os.File
	maxStore int64
	broken   atomic.Bool // the store failed and stays so until a restart
	dirty    atomic.Bool // the next start must scan

	mu  sync.Mutex
	srv *server.Server // nil while down
}

// startEmbedded takes the folder and starts a server on it. alarm is called
// when the server reports that its store has failed.
func startEmbedded(dir string, scan bool, log *slog.Logger, stats *counters, alarm func()) (*embedded, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: folder: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	e := &embedded{dir: dir, log: log, stats: stats, alarm: alarm, lock: lock}
	if err := e.begin(scan); err != nil {
		lock.Close()
		return nil, err
	}
	return e, nil
}

func (e *embedded) begin(scan bool) error {
	unclean, err := e.mark()
	if err != nil {
		return err
	}
	if unclean || scan {
		if unclean {
			e.log.Warn("journal: was not stopped cleanly, checking every stored message")
		}
		if err := e.forgetIndexes(); err != nil {
			return err
		}
	}
	if e.maxStore, err = storeLimit(e.dir); err != nil {
		return err
	}
	return e.start()
}

// storeLimit is 70 % of what the disk could give: free space, and what the
// store has already. What the store has must stay below it.
func storeLimit(dir string) (int64, error) {
	free, _, err := diskSpace(dir)
	if err != nil {
		return 0, err
	}
	return (free + folderSize(dir)) / 10 * 7, nil
}

func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}

func (e *embedded) marker() string { return filepath.Join(e.dir, "RUNNING") }

// mark leaves the marker and reports whether it was there: then the last run
// did not end by Close.
func (e *embedded) mark() (unclean bool, err error) {
	f, err := os.OpenFile(e.marker(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("journal: marker: %w", err)
	}
	f.Close()
	return false, syncDir(e.dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// indexes are the server's own files: jetstream/ACCOUNT/streams/STREAM/msgs.
const indexes = "jetstream/*/streams/*/msgs/index.db"

// forgetIndexes removes the server's saved state of each stream. It then reads
// every block and checks every message; with a current index it trusts blocks
// that it has not read, and a consumer later skips what is damaged in them.
func (e *embedded) forgetIndexes() error {
	found, err := filepath.Glob(filepath.Join(e.dir, indexes))
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("journal: force a scan: %w", err)
		}
	}
	return nil
}

func (e *embedded) start() error {
	srv, err := server.NewServer(&server.Options{
		ServerName: "catchment-journal", DontListen: true, NoSigs: true, NoSystemAccount: false,
		JetStream: true, StoreDir: e.dir, SyncAlways: true,
		JetStreamMaxStore: e.maxStore, JetStreamMaxMemory: 64 << 20,
		MaxPayload: maxMessage,
	})
	if err != nil {
		return fmt.Errorf("journal: server: %w", err)
	}
	srv.SetLoggerV2(&serverLog{e: e}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(openTimeout) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("journal: the server on %s did not start: see the log", e.dir)
	}
	e.mu.Lock()
	e.srv = srv
	e.mu.Unlock()
	return nil
}

// InProcessConn connects to whichever server is up, so that a client finds
// the new one after a restart as it would over a network.
func (e *embedded) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.srv == nil {
		return nil, errors.New("journal: server is down")
	}
	return e.srv.InProcessConn()
}

func (e *embedded) stop() {
	e.mu.Lock()
	srv := e.srv
	e.srv = nil
	e.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// restart brings a failed store back: a write error stays with the server
// until it is started anew.
func (e *embedded) restart() error {
	e.stop()
	e.broken.Store(false)
	if err := e.forgetIndexes(); err != nil {
		return err
	}
	return e.start()
}

// close stops the server and gives the folder back.
func (e *embedded) close() error {
	e.stop()
	defer e.lock.Close()
	if e.broken.Load() || e.dirty.Load() {
		return nil // the marker stays: the next start scans
	}
	if err := os.Remove(e.marker()); err != nil {
		return fmt.Errorf("journal: marker: %w", err)
	}
	return syncDir(e.dir)
}

// serverLog passes the server's own messages on. They name subjects and
// files, never a payload.
type serverLog struct{ e *embedded }

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, v ...any) {
	l.e.stats.ServerWarnings.Add(1)
	l.e.log.Warn("journal: server", "message", fmt.Sprintf(format, v...))
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.e.stats.ServerWarnings.Add(1)
	m := fmt.Sprintf(format, v...)
	l.e.log.Error("journal: server", "message", m)
	// These leave a store that answers nothing until a restart (filestore.go
	// setWriteErr, and ShutdownJetStream on ENOSPC).
	if strings.Contains(m, "Critical write error") || strings.Contains(m, "will be DISABLED") {
		l.e.broken.Store(true)
		l.e.alarm()
	}
}

func (l *serverLog) Fatalf(format string, v ...any) { l.Errorf(format, v...) }
