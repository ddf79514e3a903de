package proof

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// proveMove grows an instance on SQLite, moves it to PostgreSQL while leads
// come in, and counts them there.
func proveMove(ctx context.Context, t *trial) error {
	if !slices.Contains(t.Engines, Postgres) {
		return errSkipped{"a move goes to PostgreSQL"}
	}
	if t.Postgres == nil {
		return errSkipped{"no PostgreSQL was given"}
	}
	target, err := t.Postgres()
	if err != nil {
		return err
	}
	t.later(target.Stop)
	if err := target.Create(ctx, "grown", ""); err != nil {
		return err
	}
	i, err := t.fresh(ctx, SQLite)
	if err != nil {
		return err
	}
	most := t.Leads
	if most == 0 {
		most = 100_000
	}
	l := i.load("move", 1_000_000, 32)
	if err := t.grow(ctx, i, l, min(most, controlLeads)); err != nil {
		return err
	}
	if err := t.moveControl(ctx, i, target); err != nil {
		return err
	}
	if err := t.grow(ctx, i, l, min(most, doorLeads)); err != nil {
		return err
	}
	t.figure("leads that came through the door before the move", float64(l.book.acknowledged()), "")
	if err := t.neighbours(ctx, i, most); err != nil {
		return err
	}
	if err := t.moveUnderLoad(ctx, i, l, target.URL("grown")); err != nil {
		return err
	}
	return t.afterMove(ctx, i, l, target)
}

const (
	controlLeads = 2000   // of the copy in which one bit is changed
	doorLeads    = 50_000 // that are sent; more are their neighbours'
)

// neighbours gives the database so many leads: the first company's rows once
// more for other companies, until there are enough. Those have no keys and
// nobody who works there; for a move a row is a row.
func (t *trial) neighbours(ctx context.Context, i *instance, most int) error {
	if err := i.stop(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(i.dir, "catchment.db")+"?_pragma=synchronous(OFF)&_pragma=cache_size(-262144)&_pragma=temp_store(MEMORY)")
	if err != nil {
		return err
	}
	defer db.Close()
	began, have := time.Now(), 0
	var first []byte
	err = db.QueryRowContext(ctx, `SELECT account_id, count(*) FROM lead GROUP BY account_id ORDER BY 2 DESC LIMIT 1`).Scan(&first, &have)
	if err != nil {
		return err
	}
	companies := 1
	for ; companies*have < most; companies++ {
		other := account.NewID().UUID()
		for _, table := range store.Tables() {
			if table.Directory {
				continue
			}
			if err := copyRows(ctx, db, table.Name, first, other[:]); err != nil {
				return fmt.Errorf("%s: %w", table.Name, err)
			}
		}
	}
	t.figure("leads before the move", float64(companies*have), "")
	t.figure("companies that they belong to", float64(companies), "")
	t.say("%d companies' rows were written in %.0f s", companies-1, time.Since(began).Seconds())
	return i.again(ctx)
}

// copyRows writes an account's rows of a table once more, for another.
func copyRows(ctx context.Context, db *sql.DB, table string, from, to []byte) error {
	var columns string
	err := db.QueryRowContext(ctx, `SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info(?) WHERE name <> 'account_id' ORDER BY cid)`, table).Scan(&columns)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO `+table+` (account_id, `+columns+`) SELECT ?, `+columns+` FROM `+table+` WHERE account_id = ?`, to, from)
	return err
}

// grow takes so many leads in, and waits until they are in SQL.
func (t *trial) grow(ctx context.Context, i *instance, l *load, leads int) error {
	t.say("taking %d leads in", leads)
	under, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for l.book.acknowledged() < leads && pause(under, 20*time.Millisecond) == nil {
		}
		stop()
	}()
	l.run(under, true)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.flush(ctx, 30*time.Second)
	_, err := i.drain(ctx, time.Hour)
	return err
}

// Leads a second that come in during the move.
const moveRate = 200

var (
	pausedFor = regexp.MustCompile(`work paused for ([0-9.]+) s`)
	aRound    = regexp.MustCompile(`(?m)^round .*$`)
	lastRound = regexp.MustCompile(`last round: (\d+) changed rows looked at, (\d+) written, ([0-9.]+) s`)
	firstPass = regexp.MustCompile(`pass 1: (\d+) rows in (\d+) tables, (\d+) written, ([0-9.]+) s \((\d+) rows/s\)`)
	recounted = regexp.MustCompile(`recount: both databases read whole, ([0-9.]+) s`)
	equalRows = regexp.MustCompile(`(?m)^equal: (\d+) rows in (\d+) tables$`)
)

// moveUnderLoad runs the command beside the server, kills it once in its first
// pass to see it go on, and lets leads come in all the time, also while the
// command recounts both sides after the change-over.
func (t *trial) moveUnderLoad(ctx context.Context, i *instance, l *load, to string) error {
	before, refused := l.book.acknowledged(), l.book.status(503)
	l.rate = moveRate
	under, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() { l.run(under, true); close(ended) }()
	first := l.book.answeredBy(time.Now())
	half, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_ = pause(ctx, max(500*time.Millisecond, time.Duration(before)*20*time.Microsecond))
		cancel()
	}()
	out, _ := t.command(half, nil, "move", "--data", i.dir, "--to", to)
	t.check("the move was killed in its first pass", !firstPass.MatchString(out), "%s", last(out))
	began := time.Now()
	var over time.Time
	var left string
	out, err := t.command(ctx, func(line string) {
		if pausedFor.MatchString(line) {
			over, left = time.Now(), t.fileSums(i)
		}
	}, "move", "--data", i.dir, "--to", to)
	t.check("the next one went through", err == nil, "%.1f s%s", time.Since(began).Seconds(), because(err))
	if err != nil {
		return fmt.Errorf("%s", out)
	}
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	stop()
	<-ended
	l.rate = 0
	l.flush(ctx, 30*time.Second)
	t.check("leads were taken all the while", l.book.status(503) == refused && l.book.broken == 0, "%d during the move; %d answers of 503, %d cut off",
		l.book.acknowledged()-before, l.book.status(503)-refused, l.book.broken)
	t.moveFigures(out)
	stood := time.Duration(printed(out, pausedFor, 1) * float64(time.Second))
	from, to2 := l.book.answeredBy(over.Add(-stood)), l.book.answeredBy(over)
	t.check("also while work stood still", to2 > from, "%d answered in the %.2f s", to2-from, stood.Seconds())
	t.figure("answers at the door in the pause, p99", l.book.timesOf(from, to2, 0.99)[0], "ms")
	t.figure("answers at the door during the move, p99", l.book.timesOf(first, l.book.answeredBy(time.Now()), 0.99)[0], "ms")
	now := t.fileSums(i)
	t.check("the SQLite that was left is untouched", left != "" && left == now, "%s", now)
	return nil
}

// fileSums are checksums of an instance's SQLite, file by file.
func (t *trial) fileSums(i *instance) string {
	var out []string
	for _, name := range []string{"catchment.db", "catchment.db-wal"} {
		h := sha256.New()
		f, err := os.Open(filepath.Join(i.dir, name))
		if err != nil {
			continue
		}
		n, err := io.Copy(h, f)
		f.Close()
		if err != nil {
			return ""
		}
		out = append(out, fmt.Sprintf("%s %d bytes %x", name, n, h.Sum(nil)[:6]))
	}
	return strings.Join(out, ", ")
}

// printed is the nth part of the last text that a command printed in this form.
func printed(out string, re *regexp.Regexp, n int) float64 {
	all := re.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return 0
	}
	v, _ := strconv.ParseFloat(all[len(all)-1][n], 64)
	return v
}

func (t *trial) moveFigures(out string) {
	equal := equalRows.FindAllStringSubmatch(out, -1)
	t.check("counts and checksums are equal, as noted and as recounted", len(equal) == 2 && equal[0][0] == equal[1][0] && recounted.MatchString(out), "%d of 2; %s rows", len(equal), equalCount(equal))
	t.figure("rows copied beside the working server", printed(out, firstPass, 1), "")
	t.figure("rate of that, after the one that was killed", printed(out, firstPass, 5), "rows/s")
	for _, m := range aRound.FindAllString(out, -1) {
		t.note("%s", m)
	}
	t.figure("changed rows that the last round looked at", printed(out, lastRound, 1), "")
	t.figure("time of the last round", printed(out, lastRound, 3), "s")
	t.figure("recount of both databases, beside the working server", printed(out, recounted, 1), "s")
	stood := printed(out, pausedFor, 1)
	t.check("the pause in work is printed", stood > 0, "%.2f s; captures went on", stood)
	t.figure("pause in work", stood, "s")
}

func equalCount(found [][]string) string {
	if len(found) == 0 {
		return "no"
	}
	return found[0][1]
}

// afterMove counts in PostgreSQL, starts again there, and has the control.
func (t *trial) afterMove(ctx context.Context, i *instance, l *load, target Cluster) error {
	if _, err := i.drain(ctx, 10*time.Minute); err != nil {
		return err
	}
	if err := t.settle(ctx, i, l.book, "in PostgreSQL: "); err != nil {
		return err
	}
	if err := i.stop(); err != nil {
		return err
	}
	old := i.start("serve")
	if old == nil {
		select {
		case <-i.done:
		case <-time.After(20 * time.Second):
		}
	}
	t.check("control: a start on the SQLite that was left is refused", !i.alive() && strings.Contains(i.tail(), "was moved to"), "%s", last(strings.ReplaceAll(i.tail(), " | ", "\n")))
	i.kill()
	i.args = append(i.args, "--database-url", target.URL("grown"))
	began := time.Now()
	if err := i.again(ctx); err != nil {
		return err
	}
	t.check("it starts again with --database-url", true, "%.1f s", time.Since(began).Seconds())
	return i.stop()
}

// moveControl moves a copy of the SQLite while nobody serves, and changes one
// bit of what arrived.
func (t *trial) moveControl(ctx context.Context, i *instance, target Cluster) error {
	if err := i.stop(); err != nil {
		return err
	}
	if err := target.Create(ctx, "control", ""); err != nil {
		return err
	}
	folder := filepath.Join(t.dir, "control")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"catchment.db", "catchment.db-wal"} {
		if err := copyFile(filepath.Join(i.dir, name), filepath.Join(folder, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	to := target.URL("control")
	out, err := t.command(ctx, nil, "move", "--data", folder, "--to", to)
	t.check("a SQLite that nobody serves is moved", err == nil && equalRows.MatchString(out), "%s%s", equalCount(equalRows.FindAllStringSubmatch(out, -1)), because(err))
	check := func() (string, error) { return t.command(ctx, nil, "move", "--data", folder, "--to", to, "--check") }
	if out, err = check(); err != nil {
		return fmt.Errorf("--check of an equal copy: %w: %s", err, out)
	}
	db, err := openURL(to)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `UPDATE person SET name = set_byte(name, 0, get_byte(name, 0) # 1) WHERE person_id = (SELECT person_id FROM person WHERE name IS NOT NULL LIMIT 1)`); err != nil {
		return err
	}
	out, err = check()
	t.check("control: one changed bit in one row is found by the checksum", err != nil && strings.Contains(out, "not equal: [person]"), "%s", last(out))
	return i.again(ctx)
}

// command runs the program to its end and gives what it printed. each, if
// given, has every line as it comes.
func (t *trial) command(ctx context.Context, each func(line string), args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.Binary, args...)
	var all, rest bytes.Buffer
	out := writer(func(b []byte) (int, error) {
		all.Write(b)
		for rest.Write(b); each != nil; {
			line, err := rest.ReadString('\n')
			if err != nil {
				rest.WriteString(line)
				break
			}
			each(line)
		}
		return len(b), nil
	})
	cmd.Stdout, cmd.Stderr = out, out // one writer: never called twice at once
	cmd.Env, cmd.SysProcAttr = clean(os.Environ()), endWithParent()
	err := cmd.Run()
	return all.String(), err
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func last(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
