package proof

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// proveRotate changes every lock while leads come in and people read, kills
// whoever does it in the middle, and looks whether anything was lost.
func proveRotate(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e)
		if err != nil {
			return err
		}
		r := &rotation{t: t, i: i, label: string(e) + ": "}
		return r.run(ctx)
	})
}

// rotation is the proof on one engine.
type rotation struct {
	t     *trial
	i     *instance
	label string

	wrongReads []string
	reads      int
}

// settledFor is how long old keys are kept here: the least that is allowed.
const settledFor = time.Minute

func (r *rotation) run(ctx context.Context) error {
	t, i := r.t, r.i
	l := i.load("rotate", phones, 16)
	l.rate = 60
	under, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	if err := r.sow(ctx); err != nil {
		return err
	}
	go func() { l.run(under, true); close(ended) }()
	reading := r.read(under)
	if err := r.turn(ctx); err != nil {
		return err
	}
	quiet := len(l.book.codes) + l.book.broken
	t.check(r.label+"no request failed while keys were rotated", quiet == 0 && l.book.acknowledged() > 100, "%d leads taken; refused %v, cut off %d", l.book.acknowledged(), l.book.codes, l.book.broken)
	t.check(r.label+"no page of leads failed, or lacked a name", len(r.wrongReads) == 0 && r.reads > 5, "%d pages; wrong %s", r.reads, counted(r.wrongReads))
	stop()
	<-reading
	<-ended
	if err := r.killed(ctx, l); err != nil {
		return err
	}
	if err := t.settle(ctx, i, l.book, r.label); err != nil {
		return err
	}
	return r.skipped(ctx)
}

// sow brings in enough persons for several pages.
func (r *rotation) sow(ctx context.Context) error {
	l := r.i.load("sown", 3000, 16)
	l.book.crowd.test = true // of nobody else's figures
	l.run(ctx, true)
	l.flush(ctx, 60*time.Second)
	_, err := r.i.drain(ctx, 120*time.Second)
	return err
}

// keys runs the command on the instance's data.
func (r *rotation) keys(ctx context.Context, args ...string) (string, error) {
	out, err := r.t.command(ctx, nil, r.keyArgs(args)...)
	if err != nil {
		err = fmt.Errorf("catchment keys %s: %w: %s", args[0], err, out)
	}
	return out, err
}

func (r *rotation) keyArgs(args []string) []string {
	args = append(append([]string{"keys"}, args...), "--data", r.i.dir)
	if r.i.cluster != nil {
		args = append(args, "--database-url", r.i.cluster.URL("catchment"))
	}
	return args
}

// turn rotates every key that can be, and moves what is under the old ones.
func (r *rotation) turn(ctx context.Context) error {
	t, began := r.t, time.Now()
	for _, args := range [][]string{{"rotate", "account"}, {"rotate", "root"}, {"rotate", "receipt", "--from", "2s"},
		{"rotate", "record", "--from", "2s"}, {"rotate", "snapshot", "--from", "2s"}, {"rotate", "tokens", "--from", "2s"}} {
		if _, err := r.keys(ctx, args...); err != nil {
			return err
		}
	}
	rotated := time.Now().Add(2 * time.Second) // when the last of them begins
	out, err := r.keys(ctx, "expire", "--settled", settledFor.String())
	if err != nil {
		return err
	}
	t.check(r.label+"control: nothing is destroyed that is still needed", strings.Contains(out, "kept: generation 1") && !strings.Contains(out, "destroyed"), "%s", firstLine(out))
	for range 10 { // who does not know yet seals under the old keys for a moment
		if out, err = r.keys(ctx, "rewrap"); err != nil {
			return err
		}
		out = lastLine(out) // progress comes before it
		t.say("     %s", out)
		var keys, bytes float64
		if _, err := fmt.Sscanf(out, "%f keys wrapped anew, %f bytes", &keys, &bytes); err != nil {
			return fmt.Errorf("%q: %w", out, err)
		}
		if keys == 0 {
			break
		}
		t.figure(r.label+"keys wrapped anew in one run", keys, "")
		t.figure(r.label+"bytes rewritten", bytes, "B")
		if err := pause(ctx, 12*time.Second); err != nil {
			return err
		}
	}
	t.figure(r.label+"until all keys were new", time.Since(began).Seconds(), "s")
	if err := pause(ctx, settledFor-time.Since(rotated)+5*time.Second); err != nil {
		return err
	}
	out, err = r.keys(ctx, "expire", "--settled", settledFor.String())
	if err != nil {
		return err
	}
	t.check(r.label+"then the old root and the accounts' old keys are destroyed", strings.Contains(out, "root ") && strings.Contains(out, "generation 1: its wrapping key is destroyed"), "%s", firstLine(out))
	t.check(r.label+"and the old key of the doors' snapshot", strings.Contains(out, "snapshot: the older keys sign nothing"), "doors refuse what it signed; leads come in under the new one")
	t.check(r.label+"a drop box stays while the journal may hold something sealed to it", strings.Contains(out, "kept: drop box 1"), "%d lines", strings.Count(out, "\n"))
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// read opens pages of persons until ctx ends.
func (r *rotation) read(ctx context.Context) (ended chan struct{}) {
	ended = make(chan struct{})
	a := r.i.api(r.i.world.Accounts[0].SecretKey)
	a.purpose = "proof"
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			n, named, err := firstPage(ctx, a)
			if ctx.Err() != nil {
				return
			}
			if err != nil || n != named {
				r.wrongReads = append(r.wrongReads, fmt.Sprintf("%d of %d named, %v", named, n, err))
			}
			r.reads++
			_ = pause(ctx, 200*time.Millisecond)
		}
	}()
	return ended
}

type namedLead struct {
	Person struct {
		Name  string `json:"name"`
		Phone string `json:"phone"`
	} `json:"person"`
}

func firstPage(ctx context.Context, a *api) (n, named int, err error) {
	var page struct {
		Items []namedLead `json:"items"`
	}
	if err := a.get(ctx, "/v1/leads?include=person&test=true&limit=50", &page); err != nil {
		return 0, 0, err
	}
	for _, l := range page.Items {
		if l.Person.Name != "" {
			named++
		}
	}
	return len(page.Items), named, nil
}

// killed rotates once more, and kills first the command in the middle of its
// work and then, under load, the server.
func (r *rotation) killed(ctx context.Context, l *load) error {
	t, i := r.t, r.i
	if _, err := r.keys(ctx, "rotate", "account"); err != nil {
		return err
	}
	done, of, err := r.killCommand(ctx)
	if err != nil {
		return err
	}
	t.check(r.label+"the command was killed in the middle", done > 0 && done < of, "%d of %d keys were new", done, of)
	under, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	ended := make(chan struct{})
	go func() { l.run(under, true); close(ended) }()
	_ = pause(ctx, time.Second)
	i.kill()
	if err := i.again(ctx); err != nil {
		return err
	}
	<-ended
	l.flush(ctx, 30*time.Second)
	if _, err := i.drain(ctx, 120*time.Second); err != nil {
		return err
	}
	out, err := r.keys(ctx, "rewrap")
	if err != nil {
		return err
	}
	var rest int
	_, _ = fmt.Sscanf(lastLine(out), "%d keys", &rest)
	t.check(r.label+"called again it does the rest, and no more", rest > 0 && rest <= of-done+len(l.book.acks), "%d, after %d", rest, done)
	return nil
}

// killCommand begins to rewrap and kills it as soon as some keys are new.
func (r *rotation) killCommand(ctx context.Context) (done, of int, err error) {
	db, err := r.i.database()
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	cmd := exec.CommandContext(ctx, r.t.Binary, r.keyArgs([]string{"rewrap"})...)
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	for began := time.Now(); time.Since(began) < 60*time.Second; {
		if done, of, err = newKeys(ctx, db); err != nil || done > 0 {
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		return 0, 0, err
	}
	return newKeys(ctx, db)
}

func newKeys(ctx context.Context, db *sql.DB) (done, of int, err error) {
	err = db.QueryRowContext(ctx, `SELECT COALESCE(sum(CASE WHEN keyset_version >= 3 THEN 1 ELSE 0 END), 0), count(*) FROM person_key`).Scan(&done, &of)
	return done, of, err
}

// skipped is the control: a rotation that passes over a page says of its keys
// that they are new. The old ones are destroyed, and the persons are gone.
func (r *rotation) skipped(ctx context.Context) error {
	t := r.t
	if _, err := r.keys(ctx, "rotate", "account"); err != nil {
		return err
	}
	_ = pause(ctx, 12*time.Second) // the server knows the new ones
	db, err := r.i.writable()
	if err != nil {
		return err
	}
	res, err := db.ExecContext(ctx, `UPDATE person_key SET keyset_version = 4 WHERE person_id IN (SELECT person_id FROM person WHERE test ORDER BY person_id LIMIT 100)`)
	db.Close()
	if err != nil {
		return err
	}
	skipped, _ := res.RowsAffected()
	if _, err := r.keys(ctx, "rewrap"); err != nil {
		return err
	}
	_ = pause(ctx, settledFor)
	if _, err := r.keys(ctx, "expire", "--settled", settledFor.String()); err != nil {
		return err
	}
	if err := r.i.stop(); err != nil {
		return err
	}
	if err := r.i.again(ctx); err != nil {
		return err
	}
	a := r.i.api(r.i.world.Accounts[0].SecretKey)
	a.purpose = "proof"
	nameless := 0
	err = pages(ctx, a, "/v1/leads?include=person&test=true", func(l namedLead) {
		if l.Person.Name == "" {
			nameless++
		}
	})
	t.check(r.label+"control: a rotation that skips a page is noticed", err == nil && skipped == 100 && nameless == 100, "%d keys skipped, %d persons do not open, %v", skipped, nameless, err)
	return nil
}
