package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/logtest"
	"catchment/internal/store"
	"catchment/internal/store/mover"
	"catchment/internal/store/storetest"
)

// moved runs the command in this process.
func moved(c config, args ...string) (status int, out string) {
	var b logtest.Lines
	status = run(append([]string{"move", "--data", c.Data}, args...), &b, &b)
	return status, b.String()
}

// wantMove runs it and wants the status and these texts.
func wantMove(t *testing.T, c config, status int, args []string, texts ...string) string {
	t.Helper()
	got, out := moved(c, args...)
	if got != status {
		t.Fatalf("move %v: status %d, want %d: %s", args, got, status, out)
	}
	for _, x := range texts {
		if !regexp.MustCompile(x).MatchString(out) {
			t.Errorf("move %v does not say %q: %s", args, x, out)
		}
	}
	return out
}

// A house with a few hundred leads goes over while more come in, and stays
// there.
func TestMoveBesideTheWorkingServer(t *testing.T) {
	t.Parallel()
	c, to := settingsFor(t, store.Options{}), storetest.PostgresOptions(t)
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	first := attached(s.as(t, shop.admin), s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141")).text("id"))
	taken := post(t, s, shop, 0, 300, func(int) {})
	for id := range taken {
		attached(s.as(t, shop.admin), id)
	}

	// One that is killed in the middle leaves nothing behind, and work goes on.
	dead := start(t, "move", "--data", c.Data, "--to", to.URL)
	awaitText(t, c, moveAnswer, `"following"`)
	dead.kill()
	awaitText(t, c, moveLog, "")

	more, stop := map[string]int{}, make(chan struct{})
	var crowd sync.WaitGroup
	crowd.Go(func() {
		for n := 300; ; n += 20 {
			select {
			case <-stop:
				return
			default:
			}
			for id, k := range post(t, s, shop, n, 20, func(int) {}) {
				more[id] = k
			}
		}
	})
	wantMove(t, c, 0, []string{"--to", to.URL}, `(?m)^round 1: \d+ changed rows`, `(?m)^last round: `, `work paused for \d+\.\d\d s`, `recount: both`, `(?s)equal: \d+ rows.*\nequal: \d+ rows`)
	close(stop)
	crowd.Wait()
	if s.house.limits == nil {
		t.Error("after the move nobody has a limit any more")
	}
	if a := s.as(t, "cpk_"+strings.Repeat("A", 43)).send("POST", "/v1/leads", fields{}); a.status != 401 {
		t.Errorf("a guessed key: %d", a.status)
	}
	waitFor(t, "the door's refusals are on the record that is there now", func() bool { return platformHas(t, s, "request.refused") > 0 })
	for id, k := range more {
		taken[id] = k
	}
	admin := s.as(t, shop.admin)
	for id := range taken {
		attached(admin, id)
	}
	countLeads(t, to, len(taken)+1)
	admin.until("an offer", "/v1/leads/"+first, func(a answer) bool { return a.text("state") == "offered" || a.text("state") == "queued" })
	for _, name := range []string{moveAsks, moveLog} {
		if exists(filepath.Join(c.Data, name)) {
			t.Errorf("%s is still there", name)
		}
	}
	wantMove(t, c, 1, []string{"--to", to.URL}, "was moved to", "--database-url")
	s.stop()

	// What was left is refused, what was copied is started on.
	if old, err := startServer(&world{ctx: t.Context(), out: io.Discard, err: io.Discard}, c); err == nil {
		old.stop()
		t.Error("a server starts on the SQLite that was left")
	} else if !strings.Contains(err.Error(), "give --database-url") {
		t.Error(err)
	}
	c.DatabaseURL = to.URL
	again := serve(t, c)
	attached(again.as(t, shop.admin), again.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Ben Example", "+12025550142")).text("id"))
	countLeads(t, to, len(taken)+2)
}

// awaitText waits until a file of the folder has the text, or with "" until it
// is gone.
func awaitText(t *testing.T, c config, name, text string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(c.Data, name))
		if text == "" && os.IsNotExist(err) || text != "" && bytes.Contains(b, []byte(text)) {
			return
		}
	}
	t.Fatalf("%s never came to have %q", name, text)
}

func countLeads(t *testing.T, o store.Options, want int) {
	t.Helper()
	db, err := sql.Open("pgx", o.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM lead`).Scan(&n); err != nil || n != want {
		t.Errorf("%d leads in PostgreSQL, want %d: %v", n, want, err)
	}
}

// Where not every change was told, because another program wrote to the file or
// because the server was started again, the last pass reads everything.
func TestMoveThatMissedChangesReadsAll(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(t *testing.T, c config, s *running) *running{
		"another program wrote": func(t *testing.T, c config, s *running) *running {
			db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Data, "catchment.db")+"?_pragma=busy_timeout(5000)")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(`UPDATE person SET country = 'XX'`); err != nil {
				t.Fatal(err)
			}
			return s
		},
		"the server was restarted": func(t *testing.T, c config, s *running) *running {
			s.stop()
			s = serve(t, c)
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, to := settingsFor(t, store.Options{}), storetest.PostgresOptions(t)
			s := serve(t, c)
			shop := openShop(t, c, s)
			awaitKey(t, s, shop.pub)
			for id := range post(t, s, shop, 0, 30, func(int) {}) {
				attached(s.as(t, shop.admin), id)
			}
			var out logtest.Lines
			x := openTransfer(t, c, to, &out)
			if err := x.meet(); err != nil || x.tail == nil {
				t.Fatalf("%v: %s", err, &out)
			}
			if err := x.passes(); err != nil {
				t.Fatal(err)
			}
			s = disturb(t, c, s)
			if err := x.rounds(); err != nil {
				t.Fatal(err)
			}
			if err := x.changeOver(); err != nil {
				t.Fatalf("%v: %s", err, &out)
			}
			if !strings.Contains(out.String(), "last pass:") || !strings.Contains(out.String(), "work paused for") {
				t.Errorf("it trusts a log that is not whole: %s", &out)
			}
			countLeads(t, to, 30)
			attached(s.as(t, shop.admin), s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Ben Example", "+12025550142")).text("id"))
		})
	}
}

// openTransfer is the move's command at its beginning, step by step.
func openTransfer(t *testing.T, c config, to store.Options, out *logtest.Lines) *transfer {
	t.Helper()
	lock, err := tryLock(filepath.Join(c.Data, moveLock))
	if err != nil || lock == nil {
		t.Fatalf("the move's lock: %v", err)
	}
	m, err := mover.Open(t.Context(), filepath.Join(c.Data, "catchment.db"), to)
	if err != nil {
		t.Fatal(err)
	}
	x := &transfer{c: moveCmd{Data: c.Data, To: to.URL, Recount: "after"}, w: &world{ctx: context.WithoutCancel(t.Context()), out: out, err: out}, m: m, id: t.Name()}
	t.Cleanup(func() { x.end(); m.Close(); lock.Close() })
	return x
}

// Every refusal names the way out, and leaves the folder and the target as
// they were.
func TestMoveRefusals(t *testing.T) {
	t.Parallel()
	create := func(o store.Options) config {
		c := settingsFor(t, store.Options{})
		args := []string{"account", "create", "--data", c.Data, "--name", "Example Homes", "--admin-email", "ada@example.com"}
		if o.URL != "" {
			args = append(args, "--database-url", o.URL)
		}
		if status := run(args, io.Discard, os.Stderr); status != 0 {
			t.Fatalf("account create: %d", status)
		}
		return c
	}
	source := create(store.Options{})
	to := func(o store.Options) []string { return []string{"--to", o.URL} }

	used := storetest.PostgresOptions(t)
	create(used)
	wantMove(t, source, 1, to(used), "give an empty database")

	change(t, "sqlite", "file:"+filepath.Join(source.Data, "catchment.db"), `UPDATE goose_db_version SET version_id = -version_id WHERE id = (SELECT max(id) FROM goose_db_version)`)
	wantMove(t, source, 1, to(storetest.PostgresOptions(t)), "the source's schema is version", "run catchment migrate first")
	change(t, "sqlite", "file:"+filepath.Join(source.Data, "catchment.db"), `UPDATE goose_db_version SET version_id = -version_id WHERE id = (SELECT max(id) FROM goose_db_version)`)

	newer := storetest.PostgresOptions(t)
	change(t, "pgx", newer.URL, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`)
	wantMove(t, source, 1, to(newer), "the target's schema is version 9999", "use the newer program")

	empty := settingsFor(t, store.Options{})
	if status := run([]string{"migrate", "--data", empty.Data}, io.Discard, os.Stderr); status != 0 {
		t.Fatal(status)
	}
	wantMove(t, empty, 1, to(storetest.PostgresOptions(t)), "no account yet", "start with --database-url")

	lock, err := tryLock(filepath.Join(source.Data, moveLock))
	if err != nil || lock == nil {
		t.Fatal(err)
	}
	wantMove(t, source, 1, to(storetest.PostgresOptions(t)), "another move of this folder is running")
	lock.Close()

	// The control: the same folder moves when nothing is in the way; nobody serves.
	good := storetest.PostgresOptions(t)
	wantMove(t, source, 0, []string{"--to", good.URL, "--copy"}, "pass 1: ")
	wantMove(t, source, 0, []string{"--to", good.URL, "--check"}, "equal: ")
	change(t, "pgx", good.URL, `UPDATE account SET name = name || 'x'`)
	wantMove(t, source, 1, []string{"--to", good.URL, "--check"}, `not equal: \[account\]`)
	change(t, "pgx", good.URL, `UPDATE account SET name = 'Example Homes'`)
	wantMove(t, source, 0, []string{"--to", good.URL, "--recount", "pause"}, "recount: ", "moved, nobody was serving", "start with --database-url")
}

func change(t *testing.T, driver, where, text string) {
	t.Helper()
	db, err := sql.Open(driver, where)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if r, err := db.Exec(text); err != nil {
		t.Fatal(err)
	} else if n, err := r.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%s: %d rows: %v", text, n, err)
	}
}

// The embedded journal goes over to a NATS server: receipts stay true, nothing
// is taken twice, and the journal that was left is refused.
func TestMoveJournal(t *testing.T) {
	t.Parallel()
	c, bus := settingsFor(t, store.Options{}), startNATS(t)
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	p, body := captureAndVerify(t, s, shop)
	taken := post(t, s, shop, 0, 100, func(int) {})
	args := []string{"--nats-to", bus, "--nats-storage", "1"}
	wantMove(t, c, 1, args, "stop the server first")
	s.stop()
	wantMove(t, c, 0, append(args, "--copy"), `messages \d+ to \d+`)
	wantMove(t, c, 0, args, ` 0 copied`, "start with --nats-url")
	wantMove(t, c, 1, args, "give --nats-url")
	if old, err := startServer(&world{ctx: t.Context(), out: io.Discard, err: io.Discard}, c); err == nil {
		old.stop()
		t.Error("a server starts on the journal that was left")
	} else if !strings.Contains(err.Error(), "give --nats-url") {
		t.Error(err)
	}

	c.NATSURL = bus
	s = serve(t, c)
	awaitKey(t, s, shop.pub) // the doors' snapshot is not moved but made again
	again := s.as(t, shop.pub).want(202, "POST", "/v1/leads", body, "Idempotency-Key", p.key)
	if id := again.text("id"); id != p.enquiry {
		t.Errorf("a repeat of %s made %s", p.enquiry, id)
	}
	for id, n := range post(t, s, shop, 100, 20, func(int) {}) {
		taken[id] = n
	}
	onceEach(t, s.as(t, shop.admin), taken)
	if seq := again.at("receipt", "seq"); seq == nil || fmt.Sprint(seq) == "1" {
		t.Errorf("the new journal numbers anew: %v", seq)
	}
}
