package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"catchment/internal/page"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/mover"
	"catchment/internal/web"

	"golang.org/x/sys/unix"
)

// What a server and `catchment move` say to each other, in files of the data
// folder, whose owner both run as:
//
//	serve.lock        held by the server that has SQLite
//	move.lock         held by a move for its life
//	move.json         what the move asks for: follow, pause, then go
//	move-answer.json  what the server has done
//	move-changes.log  the rows that the server has changed since it follows
//	MOVED             stays: this SQLite was left behind
//	JOURNAL-MOVED     stays: so was the embedded journal
const (
	serveLock  = "serve.lock"
	moveLock   = "move.lock"
	moveAsks   = "move.json"
	moveAnswer = "move-answer.json"
	moveLog    = "move-changes.log"
	movedFile  = "MOVED"

	journalMovedFile = "JOURNAL-MOVED"
)

// ask is what a move wants of the server.
type ask struct {
	ID       string `json:"id"`    // of the move
	State    string `json:"state"` // follow, pause, go
	URL      string `json:"database_url,omitempty"`
	OwnerURL string `json:"database_owner_url,omitempty"`
}

// told is the server's answer.
type told struct {
	State string    `json:"state"` // following, paused, working, failed
	At    time.Time `json:"at"`
	Why   string    `json:"why,omitempty"`
	Ask   string    `json:"ask,omitempty"` // the id of the move that is answered
	Log   string    `json:"log,omitempty"` // which log: another after a restart. Paused without one: not every change is there
}

// tryLock takes the file for this process; nil when another has it.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// lockSQL takes the folder's SQLite for a server, or nothing when it has none.
func (c config) lockSQL() (*os.File, error) {
	if c.DatabaseURL != "" || c.Role == "capture" {
		return nil, nil
	}
	if err := c.prepareFolder(); err != nil {
		return nil, err
	}
	for try := range 20 { // a move looks whether somebody has it
		f, err := tryLock(filepath.Join(c.Data, serveLock))
		if err != nil || f != nil {
			return f, err
		}
		if try < 19 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil, fmt.Errorf("the database in %s is in use by another server, or a move is finishing", c.Data)
}

func (s *server) unlock() {
	if s.lock != nil {
		s.lock.Close()
	}
}

// notMoved refuses a SQLite that was left behind: what is written there would
// be missing where the work goes on.
func (c config) notMoved() error {
	if err := c.journalNotMoved(); err != nil {
		return err
	}
	if c.DatabaseURL != "" || c.Role == "capture" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.Data, movedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the database in %s was moved to %s; give --database-url (or, to go back to the state before the move, remove the file %s)",
		c.Data, text, movedFile)
}

// journalNotMoved is the same for the embedded journal, whose numbers go on
// elsewhere.
func (c config) journalNotMoved() error {
	if c.NATSURL != "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.Data, journalMovedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the journal in %s was moved to %s; give --nats-url", c.Data, text)
}

// writeWhole replaces the file in one step.
func writeWhole(path string, v any) error {
	text, ok := v.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(v); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readWhole(path string, v any) (found bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(text, v)
}

// rooms are the routes of one house, with those who are in them.
type rooms struct {
	house        *house
	outer, inner http.Handler
	foreign      func() // counts a change that a foreign page asked for
	guests       sync.WaitGroup
	mu           sync.Mutex
	closed       bool
}

func (r *rooms) come() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.guests.Add(1)
	}
	return !r.closed
}

// empty lets nobody in any more and waits for those who are inside.
func (r *rooms) empty(within time.Duration) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	gone := make(chan struct{})
	go func() { r.guests.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(within):
	}
}

// enter has the house answer from now on.
func (s *server) enter(h *house) (before *rooms) {
	return s.doors.Swap(&rooms{house: h, outer: page.Apart(h.c.FilesOrigin, web.Wrap(h.mux, s.log, h.guards()...)), inner: h.innerRoutes(s.gate.metrics()...),
		foreign: func() { h.unknown("foreign-origin") }})
}

// countForeign has the house count what the gate refused.
func (s *server) countForeign() { s.doors.Load().foreign() }

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	in := s.doors.Load()
	for !in.come() {
		in = s.doors.Load()
	}
	defer in.guests.Done()
	in.outer.ServeHTTP(w, r)
}

func (s *server) answerInner(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == unlockPath && r.Method == http.MethodPost {
		s.unlocker.ServeHTTP(w, r)
		return
	}
	s.doors.Load().inner.ServeHTTP(w, r)
}

// watchForMove looks now and then whether a move wants to know what changes, or
// wants the work to pause.
func (s *server) watchForMove(ctx context.Context) {
	ctx, s.watching = context.WithCancel(context.WithoutCancel(ctx))
	moves := s.house.c.Role == "all" && s.house.c.DatabaseURL == ""
	if !moves && !s.house.sealed {
		return
	}
	s.watch.Go(func() {
		if !s.awaitKeys(ctx) || !moves {
			return
		}
		for s.sleep(ctx, 100*time.Millisecond) {
			var a ask
			found, err := readWhole(s.file(moveAsks), &a)
			if f := s.house.follower; f != nil && (err != nil || a.ID != f.ask || !s.moveLives()) {
				s.house.unfollow() // it has ended without having moved
				_ = os.Remove(s.file(moveLog))
			}
			switch {
			case !found || err != nil || !s.moveLives():
			case a.State == "follow" && s.house.follower == nil && s.house.ready.Load():
				s.answerMove(s.house.follow(ctx, a.ID))
			case a.State == "pause" && s.letMove(ctx, a.ID):
				return
			}
		}
	})
}

func (s *server) answerMove(t told) {
	t.At = time.Now()
	if err := writeWhole(s.file(moveAnswer), t); err != nil {
		s.log.Error("the move cannot be answered", "error", err)
	}
}

// follower writes down which rows SQLite changes, for a move.
type follower struct {
	ask, log  string
	following *store.Following
	file      *mover.Log
}

func (h *house) follow(ctx context.Context, ask string) told {
	f := &follower{ask: ask, log: rand.Text()}
	var err error
	if f.file, err = mover.CreateLog(filepath.Join(h.c.Data, moveLog)); err == nil {
		if f.following, err = h.db.Follow(ctx, f.file.Add); err != nil {
			f.file.Close()
		}
	}
	if err != nil {
		return told{State: "failed", Ask: ask, Why: err.Error()}
	}
	h.follower = f
	h.log.Info("a move copies the database; what changes is written down for it")
	return told{State: "following", Ask: ask, Log: f.log}
}

// unfollow ends it, and gives the log's name when everything is in it.
func (h *house) unfollow() (log string) {
	f := h.follower
	if f == nil {
		return ""
	}
	h.follower = nil
	if err := errors.Join(f.following.Stop(context.Background()), f.file.Close()); err != nil {
		h.log.Warn("the move has not seen every change and will read the database whole", "error", err)
		return ""
	}
	return f.log
}

func (s *server) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (s *server) file(name string) string { return filepath.Join(s.house.c.Data, name) }

// moveLives tells whether the move that asked is still there.
func (s *server) moveLives() bool {
	f, err := tryLock(s.file(moveLock))
	if f != nil {
		f.Close()
	}
	return err == nil && f == nil
}

// letMove pauses all that works on SQL, while the door goes on taking leads
// into the journal, and starts it again where the move says. It returns
// whether the house has moved.
func (s *server) letMove(ctx context.Context, id string) (moved bool) {
	began := time.Now()
	s.log.Info("work pauses for the move; leads are captured meanwhile")
	old := s.house
	waiting := old.successor()
	waiting.answerBusy()
	before := s.enter(waiting)
	old.desk.Close() // open streams would be waited for
	before.empty(10 * time.Second)
	log := old.closeSQL()
	s.house = waiting
	if err := writeWhole(s.file(moveAnswer), told{State: "paused", At: began, Ask: id, Log: log}); err != nil {
		s.log.Error("the move cannot be answered", "error", err)
	}
	next := waiting.successor()
	var a ask
	for s.sleep(ctx, 10*time.Millisecond) {
		if _, err := readWhole(s.file(moveAsks), &a); err == nil && a.State == "go" {
			next.c.DatabaseURL, next.c.DatabaseOwnerURL, moved = a.URL, a.OwnerURL, true
			break
		}
		if !s.moveLives() {
			s.log.Warn("the move ended without having moved; work goes on here")
			break
		}
	}
	if ctx.Err() != nil {
		return moved
	}
	s.resume(ctx, next, moved, id)
	return moved
}

func (s *server) resume(ctx context.Context, next *house, moved bool, id string) {
	run, end := context.WithCancel(context.WithoutCancel(ctx))
	next.end = end
	answer := told{State: "working", Ask: id}
	if err := next.openSQL(ctx, run); err != nil {
		s.log.Error("work cannot go on", "error", err)
		answer = told{State: "failed", Ask: id, Why: err.Error()}
	} else {
		s.enter(next)
		s.house = next
	}
	_ = os.Remove(s.file(moveLog))
	if moved {
		_ = os.Remove(s.file(moveAsks)) // it holds the database's password
		s.log.Info("work goes on in PostgreSQL; give --database-url at the next start")
	}
	s.answerMove(answer)
}

// successor is a house with the same door and nothing behind it yet.
func (h *house) successor() *house {
	n := &house{c: h.c, log: h.log, mux: http.NewServeMux(), started: h.started, ring: h.ring, door: h.door, limits: h.limits, firewall: h.firewall, guard: h.guard, journal: h.journal, ledger: h.ledger,
		snapshot: h.snapshot, sealer: h.sealer, capture: h.capture, logs: h.logs, stops: h.stops}
	if n.capture != nil {
		n.capture.Register(n.mux)
	}
	h.heir.Store(n)
	return n
}

// answerBusy has all that needs SQL ask for a little patience.
func (h *house) answerBusy() {
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		web.WriteProblem(w, r, problem.Busy("moving", 5*time.Second, "The database is being moved; leads are taken meanwhile. Try again in a moment."))
	})
}
