package main

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"catchment/internal/logbook"
)

type serveCmd struct {
	config `embed:""`
}

// Run serves until SIGINT or SIGTERM, then finishes what it has begun.
func (c serveCmd) Run(w *world) error {
	shareProcessors()
	s, err := startServer(w, c.config)
	if err != nil {
		return err
	}
	s.greet(w)
	err = s.wait(w.ctx)
	s.stop()
	return err
}

// shareProcessors lets twice as many goroutines run at once as there are
// processors, unless GOMAXPROCS says otherwise. Go's scheduler lets a busy
// goroutine go on for 10 ms while others wait, and knows no priorities; the
// kernel's shares are shorter and go first to whoever waited. With it one
// account's flood adds a quarter as much to another's p99, for about a tenth of
// the leads that the embedded database takes at full load (docs/limits.md).
func shareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// server is a house with its doors open.
type server struct {
	*gate
	house *house
	log   *slog.Logger
	book  *logbook.Book       // nil: the log is not kept
	pause func(time.Duration) // while a load balancer finds out

	unlocker *unlocker

	doors    atomic.Pointer[rooms] // what house answers; a move puts another house in its place
	lock     *os.File              // SQLite belongs to one server
	keys     chan unlocking        // to a sealed server
	watching context.CancelFunc
	watch    sync.WaitGroup
}

func startServer(w *world, c config) (*server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	letGarbageGrow()
	c.Services = &keyServices{}
	if c.keepsLog() {
		c.Book = logbook.New(nil)
	}
	s := &server{log: c.logger(w), book: c.Book, pause: time.Sleep, keys: make(chan unlocking)}
	s.unlocker = &unlocker{s: s, now: time.Now}
	g, begin, err := openGate(&c, s.log, s.answer, s.answerInner, s.countForeign)
	if err != nil {
		s.closeBook()
		return nil, err
	}
	s.gate = g
	if s.lock, err = c.lockSQL(); err == nil {
		s.house, err = open(w.ctx, c, s.log)
	}
	if err != nil {
		s.gate.abandon()
		s.unlock()
		s.closeBook()
		return nil, err
	}
	s.enter(s.house)
	begin()
	s.watchForMove(w.ctx)
	return s, nil
}

// wait returns when the context ends, or with what ended a listener.
func (s *server) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// stop drains: health says so, running requests finish, then the house closes.
func (s *server) stop() {
	s.watching()
	s.watch.Wait() // house stays the same from here
	s.house.draining.Store(true)
	if wait := s.house.c.DrainWait; wait > 0 {
		s.outer.LetGo()
		s.pause(time.Duration(wait) * time.Second)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s.house.desk != nil {
		s.house.desk.Close() // open streams would be waited for
	}
	if err := s.gate.drain(ctx); err != nil {
		s.log.Warn("some requests were cut off", "error", err)
	}
	s.house.close()
	s.gate.close()
	s.unlock()
	s.closeBook()
}

func (s *server) closeBook() {
	if s.book != nil {
		s.book.Close()
	}
}
