package proof

import (
	"bytes"
	"context"
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
	l := i.load("move", most+most/2+20_000, 32)
	if err := t.grow(ctx, i, l, most); err != nil {
		return err
	}
	if err := t.moveUnderLoad(ctx, i, l, target.URL("grown")); err != nil {
		return err
	}
	return t.afterMove(ctx, i, l, target)
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
	began := time.Now()
	l.run(under, true)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.flush(ctx, 30*time.Second)
	if _, err := i.drain(ctx, time.Hour); err != nil {
		return err
	}
	t.figure("leads before the move", float64(l.book.acknowledged()), "")
	t.figure("until they were in SQL", time.Since(began).Seconds(), "s")
	return nil
}

// Leads a second that come in during the move.
const moveRate = 200

var (
	pausedFor = regexp.MustCompile(`work paused for ([0-9.]+) s`)
	lastPass  = regexp.MustCompile(`last pass: (\d+) rows looked at, (\d+) written, ([0-9.]+) s`)
	firstPass = regexp.MustCompile(`pass 1: (\d+) rows in (\d+) tables, (\d+) written, ([0-9.]+) s \((\d+) rows/s\)`)
	recounted = regexp.MustCompile(`recount: both databases read whole, ([0-9.]+) s`)
	equalRows = regexp.MustCompile(`(?m)^equal: (\d+) rows in (\d+) tables$`)
)

// moveUnderLoad runs the command beside the server, kills it once in its first
// pass to see it go on, and lets leads come in all the time.
func (t *trial) moveUnderLoad(ctx context.Context, i *instance, l *load, to string) error {
	before, refused := l.book.acknowledged(), l.book.status(503)
	l.rate = moveRate
	under, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() { l.run(under, true); close(ended) }()
	half, cancel := context.WithCancel(ctx)
	go func() {
		_ = pause(ctx, max(300*time.Millisecond, time.Duration(before)*20*time.Microsecond))
		cancel()
	}()
	out, _ := t.command(half, "move", "--data", i.dir, "--to", to, "--copy")
	if firstPass.MatchString(out) {
		t.note("the first pass had ended before it was killed")
	} else {
		t.say("the move was killed in its first pass")
	}
	began := time.Now()
	out, err := t.command(ctx, "move", "--data", i.dir, "--to", to, "--recount")
	t.check("the move went through", err == nil, "%.1f s%s", time.Since(began).Seconds(), because(err))
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
	q := l.book.times(0.99, 1)
	t.figure("answers at the door, p99 of all", q[0], "ms")
	t.moveFigures(out)
	return nil
}

func (t *trial) moveFigures(out string) {
	number := func(re *regexp.Regexp, n int) float64 {
		m := re.FindStringSubmatch(out)
		if n >= len(m) {
			return 0
		}
		v, _ := strconv.ParseFloat(m[n], 64)
		return v
	}
	equal := equalRows.FindAllStringSubmatch(out, -1)
	t.check("counts and checksums are equal, as noted and as recounted", len(equal) == 2 && equal[0][0] == equal[1][0], "%d of 2; %s rows", len(equal), equalCount(equal))
	t.figure("rows copied beside the working server, after it was killed once", number(firstPass, 1), "")
	t.figure("rate of that", number(firstPass, 5), "rows/s")
	t.figure("rows that the last pass still wrote", number(lastPass, 2), "")
	pause, recount := number(pausedFor, 1), number(recounted, 1)
	t.check("the pause in work is printed", pause > 0, "%.2f s, of which %.2f s were this proof's recount", pause, recount)
	t.figure("pause in work without the recount; captures went on", pause-recount, "s")
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
	if err := i.stop(); err != nil {
		return err
	}
	return t.moveControl(ctx, i, target)
}

// moveControl moves the SQLite that was left, which nobody has touched, once
// more, and changes one row of the copy.
func (t *trial) moveControl(ctx context.Context, i *instance, target Cluster) error {
	if err := target.Create(ctx, "control", ""); err != nil {
		return err
	}
	folder := filepath.Join(t.dir, "left")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"catchment.db", "catchment.db-wal"} {
		if err := copyFile(filepath.Join(i.dir, name), filepath.Join(folder, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	to := target.URL("control")
	began := time.Now()
	out, err := t.command(ctx, "move", "--data", folder, "--to", to)
	t.check("the SQLite that was left can be moved again", err == nil && equalRows.MatchString(out), "%.1f s with nobody serving%s", time.Since(began).Seconds(), because(err))
	check := func() (string, error) { return t.command(ctx, "move", "--data", folder, "--to", to, "--check") }
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
	return nil
}

// command runs the program to its end and gives what it printed.
func (t *trial) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.Binary, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env, cmd.SysProcAttr = clean(os.Environ()), endWithParent()
	err := cmd.Run()
	return out.String(), err
}

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
