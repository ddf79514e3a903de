package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// shipped is a live database, and a copy that only pieces reach.
type shipped struct {
	t          *rapid.T
	db         *DB
	live, copy string
	ship       *Shipping
	readers    []session
	foreign    *sql.DB
	foul       bool // somebody else has moved the log
	gaps       int
	pieces     int
}

func (s *shipped) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shipped) write(text string, args ...any) {
	s.must(s.db.b.(*liteBackend).alone(context.Background(), func(c *liteConn) error {
		_, err := c.c.ExecContext(context.Background(), text, args...)
		return err
	}))
}

// begin is what a server does at its start, and after a gap.
func (s *shipped) begin() {
	if s.ship != nil {
		s.must(s.ship.Close())
		s.ship = nil
	}
	s.release()
	ship, err := s.db.Ship(context.Background(), s.live)
	s.must(err)
	s.ship, s.foul = ship, false
	var b bytes.Buffer
	s.must(ship.Copy(context.Background(), &b))
	s.must(os.WriteFile(s.copy, b.Bytes(), 0o600))
}

func (s *shipped) release() {
	for _, r := range s.readers {
		r.rollback()
	}
	s.readers = nil
}

// follow takes all pieces, and compares.
func (s *shipped) follow() {
	for {
		piece, err := s.ship.Next()
		if errors.Is(err, ErrGap) {
			if !s.foul {
				s.t.Fatalf("a gap, and nobody was at the log: %v", err)
			}
			s.gaps++
			s.begin()
			continue
		}
		s.must(err)
		if piece == nil {
			break
		}
		s.pieces++
		s.must(ApplyPiece(s.copy, piece))
	}
	if a, b := content(s.t, s.live), content(s.t, s.copy); a != b {
		s.t.Fatalf("the copy is another database: %s, %s", a, b)
	}
}

// content is what a reader finds; of the copy, without a log.
func content(t interface{ Fatal(...any) }, path string) string {
	db, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var whole string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
		t.Fatal(path, whole, err)
	}
	h := sha256.New()
	rows, err := db.Query("SELECT id, hex(text) FROM thing ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(h, id, text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Whatever is written, deleted, scrubbed, read and moved, and whoever else is at
// the file: the copy and its pieces are the database as it was, or a gap is told.
func TestShippedLogIsTheDatabase(t *testing.T) {
	dir, n, gaps, pieces := t.TempDir(), 0, 0, 0
	usual := readersWait
	readersWait = 2 * time.Millisecond // readers of this test do not go away
	t.Cleanup(func() { readersWait = usual })
	rapid.Check(t, func(rt *rapid.T) {
		n++
		ctx := context.Background()
		s := &shipped{t: rt, live: filepath.Join(dir, fmt.Sprintf("live%d.db", n)), copy: filepath.Join(dir, fmt.Sprintf("copy%d.db", n))}
		var err error
		s.db, err = Open(ctx, Options{Path: s.live, Readers: 3})
		s.must(err)
		defer s.db.Close()
		defer func() { s.release(); gaps += s.gaps; pieces += s.pieces }()
		s.foreign, err = sql.Open("sqlite", sqliteDSN(s.live, false))
		s.must(err)
		s.foreign.SetMaxOpenConns(1)
		defer s.foreign.Close()
		s.write("CREATE TABLE thing (id INTEGER PRIMARY KEY, text BLOB)")
		s.begin()
		quiet := func(err error) {
			if !errors.Is(err, ErrBusy) && !(errors.Is(err, ErrGap) && s.foul) {
				s.must(err)
			}
		}
		do := map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				s.write("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) INSERT INTO thing (text) SELECT randomblob(?1) FROM n", rapid.IntRange(0, 9000).Draw(rt, "bytes"), rapid.IntRange(1, 40).Draw(rt, "rows"))
			},
			"change": func(*rapid.T) { s.write("UPDATE thing SET text = randomblob(300) WHERE id % 3 = 0") },
			"delete": func(*rapid.T) { s.write("DELETE FROM thing WHERE id % 2 = 0") },
			"vacuum": func(*rapid.T) {
				if len(s.readers) == 0 {
					s.write("VACUUM")
				}
			},
			"rollback": func(*rapid.T) { s.write("BEGIN IMMEDIATE; DELETE FROM thing; ROLLBACK") },
			"move":     func(*rapid.T) { quiet(s.ship.Move(ctx)) },
			"scrub":    func(*rapid.T) { quiet(Scrub(ctx, s.db, Options{Path: s.live})) },
			"follow":   func(*rapid.T) { s.follow() },
			"read": func(*rapid.T) {
				if len(s.readers) == 2 {
					s.release()
					return
				}
				r, err := s.db.b.begin(ctx, mode{readOnly: true})
				s.must(err)
				var n int
				s.must(r.(*liteSession).conn.c.QueryRowContext(ctx, "SELECT count(*) FROM thing").Scan(&n))
				s.readers = append(s.readers, r)
			},
			"another program writes": func(*rapid.T) {
				_, err := s.foreign.Exec("INSERT INTO thing (text) VALUES (randomblob(5000))")
				s.must(err)
			},
		}
		if rapid.Bool().Draw(rt, "somebody moves the log") {
			do["another program moves the log"] = func(rt *rapid.T) {
				s.foul = true
				_, err := s.foreign.Exec("PRAGMA busy_timeout = 10; PRAGMA wal_checkpoint(" + rapid.SampledFrom([]string{"PASSIVE", "RESTART", "TRUNCATE"}).Draw(rt, "how") + ")")
				s.must(err)
			}
		}
		rt.Repeat(do)
		s.follow()
		_ = os.Remove(s.copy)
	})
	t.Logf("%d pieces, %d gaps noticed", pieces, gaps)
	if gaps == 0 || pieces == 0 {
		t.Error("nothing was tried")
	}
}

// Shipping ends: SQLite moves its log by itself again, and a second one may begin.
func TestShippingEnds(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "one.db")
	db, err := Open(ctx, Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	auto := func() (n int) {
		err := db.b.(*liteBackend).alone(ctx, func(c *liteConn) error {
			return c.c.QueryRowContext(ctx, "PRAGMA wal_autocheckpoint").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 2 {
		s, err := db.Ship(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Ship(ctx, path); err == nil {
			t.Error("it is shipped twice")
		}
		if auto() != 0 {
			t.Error("SQLite moves the log beside")
		}
		if err := s.Close(); err != nil || auto() != shipNormal {
			t.Errorf("%v, %d", err, auto())
		}
	}
	beside, err := Open(ctx, Options{Path: path, Beside: true})
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	db = beside
	if auto() != 0 {
		t.Error("a program beside the server moves its log")
	}
}

func FuzzApplyPiece(f *testing.F) {
	f.Add([]byte(pieceHead))
	f.Add(pieceOf(512, []walFrame{{1, 1, make([]byte, 512)}}))
	f.Add(append([]byte(pieceHead), 0, 0, 2, 0, 255, 255, 255, 255, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, piece []byte) {
		path := filepath.Join(t.TempDir(), "f.db")
		if err := os.WriteFile(path, []byte("what was there"), 0o600); err != nil {
			t.Fatal(err)
		}
		if len(piece) > len(pieceHead)+8 && bytes.HasPrefix(piece, []byte(pieceHead)) && piece[len(pieceHead)+4] > 0 {
			t.Skip("a file of terabytes, which is sparse here")
		}
		if err := ApplyPiece(path, piece); err == nil && len(piece) < len(pieceHead)+12 {
			t.Error("something short was taken")
		}
	})
}

func FuzzWAL(f *testing.F) {
	path := filepath.Join(f.TempDir(), "w.db")
	db, err := sql.Open("sqlite", sqliteDSN(path, false))
	if err != nil {
		f.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE thing (id INTEGER PRIMARY KEY, text BLOB); INSERT INTO thing (text) VALUES (randomblob(100))"); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path + "-wal")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := readWALHeader(r)
		if err != nil {
			return
		}
		list, end, _, err := h.frames(r, walHead, h.sum, 1<<20)
		if err != nil || end > int64(len(b)) || len(list) > 0 && list[len(list)-1].size == 0 {
			t.Errorf("%d frames to %d of %d: %v", len(list), end, len(b), err)
		}
	})
}
