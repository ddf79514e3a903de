package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

type serveCmd struct {
	config `embed:""`
}

// Run serves until SIGINT or SIGTERM, then finishes what it has begun.
func (c serveCmd) Run(w *world) error {
	s, err := startServer(w, c.config)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "Catchment %s on %s (API: %s/docs)\n", version, s.url, s.url)
	err = s.wait(w.ctx)
	s.stop()
	return err
}

// server is a house with its doors open.
type server struct {
	house  *house
	url    string
	health string // the inner address; "" for none
	outer  *http.Server
	inner  *http.Server
	failed chan error
	log    *slog.Logger

	doors    atomic.Pointer[rooms] // what house answers; a move puts another house in its place
	lock     *os.File              // SQLite belongs to one server
	watching context.CancelFunc
	watch    sync.WaitGroup
}

func (c config) logger(w *world) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log)) // the parser has checked it
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w.err, o))
	}
	return slog.New(slog.NewTextHandler(w.err, o))
}

func startServer(w *world, c config) (*server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	letGarbageGrow()
	s := &server{log: c.logger(w), failed: make(chan error, 2)}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	c.Listen = l.Addr().String()
	s.url = "http://" + c.Listen
	var inner net.Listener
	if c.Inner != "" {
		if inner, err = net.Listen("tcp", c.Inner); err != nil {
			l.Close()
			return nil, fmt.Errorf("--inner: %w (another address, or --inner= for none)", err)
		}
		s.health = "http://" + inner.Addr().String()
	}
	if s.lock, err = c.lockSQL(); err == nil {
		s.house, err = open(w.ctx, c, s.log)
	}
	if err != nil {
		l.Close()
		if inner != nil {
			inner.Close()
		}
		s.unlock()
		return nil, err
	}
	s.enter(s.house)
	s.outer = &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	go func() { s.failed <- s.outer.Serve(l) }()
	if inner != nil {
		s.inner = &http.Server{Handler: http.HandlerFunc(s.answerInner), ReadHeaderTimeout: 5 * time.Second}
		go func() { s.failed <- s.inner.Serve(inner) }()
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s.house.desk != nil {
		s.house.desk.Close() // Shutdown would wait for open streams
	}
	if err := s.outer.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.log.Warn("some requests were cut off", "error", err)
		s.outer.Close()
	}
	s.house.close()
	if s.inner != nil {
		s.inner.Close()
	}
	s.unlock()
}
