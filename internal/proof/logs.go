package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/files"
	"catchment/internal/keyring"
	"catchment/internal/logbook"
)

// proveLogs sends personal data that it knows through every door, in good
// requests, in refused ones and while things are broken, and then searches all
// that the program said: its standard error, and the log that it keeps, as
// several operators open it.
func proveLogs(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.seat(ctx, e, "", "--approvals", "2", "--log", "debug")
		if err != nil {
			return err
		}
		if err := i.found(ctx); err != nil {
			return err
		}
		return (&logging{t: t, i: i, c: &cage{}, label: string(e) + ": "}).prove(ctx)
	})
}

// logging is the proof on its way.
type logging struct {
	t     *trial
	i     *instance
	c     *cage
	label string

	classes map[int]int // answers, by the hundreds of their status
	fault   string      // id of a request that was answered with 5xx
	asker   *api        // the operator who reads
	others  []*api      // who approve
	pages   int         // of the log that were read
}

func (l *logging) check(name string, ok bool, format string, args ...any) {
	l.t.check(l.label+name, ok, format, args...)
}

func (l *logging) prove(ctx context.Context) error {
	if err := l.sow(ctx); err != nil {
		return err
	}
	if err := l.crash(ctx); err != nil {
		return err
	}
	if err := l.carriers(ctx); err != nil {
		return err
	}
	if err := l.committee(ctx); err != nil {
		return err
	}
	if err := l.read(ctx); err != nil {
		return err
	}
	return l.age(ctx)
}

// sow has the program meet all the canaries: what it takes and works on, what
// it refuses, what it cannot do.
func (l *logging) sow(ctx context.Context) error {
	company := l.i.world.Accounts[0]
	if _, err := l.t.postCanaries(ctx, l.i, l.c, 60); err != nil {
		return err
	}
	if err := l.i.clockIn(ctx, company); err != nil {
		return err
	}
	if err := l.t.workCanaries(ctx, l.i, l.c, company); err != nil {
		return err
	}
	if _, err := l.t.carryCanaries(ctx, l.i, l.c, company); err != nil {
		return err
	}
	if err := l.knock(ctx); err != nil {
		return err
	}
	if err := l.broken(ctx); err != nil {
		return err
	}
	l.check("every kind of answer was given", l.classes[2] > 0 && l.classes[4] > 100 && l.classes[5] > 20,
		"%d good, %d refused, %d broken", l.classes[2], l.classes[4], l.classes[5])
	_, err := l.i.drain(ctx, 90*time.Second)
	return err
}

// credentials stand in no log either.
func (l *logging) credentials() {
	for _, a := range l.i.world.Accounts {
		l.c.keep("secret key", a.SecretKey)
		l.c.keep("publishable key", a.PublishableKey)
		l.users(a.Users...)
	}
	l.users(l.i.world.Operator, l.i.world.Second, l.i.world.Support)
}

func (l *logging) users(list ...user) {
	for _, u := range list {
		for kind, text := range map[string]string{"phone": u.Phone, "e-mail": u.Email, "password": u.Password, "app's seed": u.TOTP} {
			if text != "" {
				l.c.keep(usersOwn+kind, text)
			}
		}
	}
}

// committee signs in three operators, of whom the third is made here.
func (l *logging) committee(ctx context.Context) (err error) {
	args := []string{"operator", "create", "--data", l.i.dir, "--name", "Third Operator", "--email", "third.operator@example.com"}
	if l.i.cluster != nil {
		args = append(args, "--database-url", l.i.cluster.URL("catchment"))
	}
	out, err := l.t.command(ctx, nil, args...)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	third := user{Email: "third.operator@example.com"}
	for line := range strings.Lines(out) {
		what, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch value = strings.TrimSpace(value); what {
		case "password":
			third.Password = value
		case "app":
			u, err := url.Parse(value)
			if err != nil {
				return err
			}
			third.TOTP = u.Query().Get("secret")
		}
	}
	l.users(third)
	if l.asker, err = l.i.operator(ctx); err != nil {
		return err
	}
	for _, u := range []user{l.i.world.Second, third} {
		a, err := l.i.enter(ctx, u)
		if err != nil {
			return err
		}
		l.others = append(l.others, a)
	}
	return nil
}

const approvalsPath = "/v1/operator/approvals"

// ask asks to read the log of the last day and of the next hour.
func (l *logging) ask(ctx context.Context, minutes int) (path string, err error) {
	var r struct{ ID string }
	now := time.Now()
	err = l.asker.post(ctx, approvalsPath, map[string]any{"kind": "logs", "from": now.Add(-24 * time.Hour), "to": now.Add(time.Hour), "minutes": minutes, "purpose": "a proof"}, &r)
	return approvalsPath + "/" + r.ID, err
}

// status of a page of the log, for who asks.
func status(ctx context.Context, a *api, path string) (int, error) {
	r, err := a.do(ctx, "GET", path, nil, nil)
	return r.status, err
}

// read opens the log with the others' approval, and searches it.
func (l *logging) read(ctx context.Context) error {
	if err := l.leak(ctx); err != nil {
		return err
	}
	one, err := l.approved(ctx)
	if err != nil {
		return err
	}
	s, err := newSearcher(l.c.canaries)
	if err != nil {
		return err
	}
	kept, err := l.kept(ctx, one)
	if err != nil {
		return err
	}
	if err := l.search(s, kept); err != nil {
		return err
	}
	return l.recorded(ctx, one)
}

// approved shows that nobody reads before enough have approved, nor without
// asking, and gives what was asked for, open.
func (l *logging) approved(ctx context.Context) (one string, err error) {
	if one, err = l.ask(ctx, 30); err != nil {
		return "", err
	}
	var got []int
	for _, step := range []func() error{
		func() error { return nil },
		func() error { return l.others[0].post(ctx, one+"/approve", nil, nil) },
		func() error { return l.others[1].post(ctx, one+"/approve", nil, nil) },
	} {
		if err := step(); err != nil {
			return "", err
		}
		n, err := status(ctx, l.asker, one+"/lines")
		if err != nil {
			return "", err
		}
		got = append(got, n)
	}
	l.pages++
	l.check("it opens with two approvals, and not with one or none", fmt.Sprint(got) == "[403 403 200]", "%v", got)
	n, err := status(ctx, l.others[0], one+"/lines")
	l.check("it opens for who asked alone", n == 404, "%d for who approved", n)
	return one, err
}

// line is one of the log as the API gives it.
type line = json.RawMessage

// kept reads all of it, once all that was said is in it: it is written every
// five seconds.
func (l *logging) kept(ctx context.Context, one string) (lines []line, err error) {
	err = l.i.wait(ctx, time.Minute, "its log", func() bool {
		if err = pause(ctx, 500*time.Millisecond); err != nil {
			return true
		}
		lines = nil
		err = pages(ctx, l.asker, one+"/lines?level=info", func(x line) { lines = append(lines, x) })
		l.pages += len(lines)/500 + 1
		return err == nil && hasLine(lines, l.fault) && hasLine(lines, leaked)
	})
	return lines, err
}

func hasLine(lines []line, word string) bool {
	for _, x := range lines {
		if strings.Contains(string(x), word) {
			return true
		}
	}
	return false
}

// search looks through both logs. One line was written there that leaks, and
// is found.
func (l *logging) search(s *searcher, kept []line) error {
	name := filepath.Join(l.t.dir, "kept.log")
	var planted, own strings.Builder
	for _, x := range kept {
		to := &own
		if strings.Contains(string(x), leaked) {
			to = &planted
		}
		to.Write(x)
		to.WriteByte('\n')
	}
	if err := os.WriteFile(name, []byte(own.String()), 0o600); err != nil {
		return err
	}
	for _, file := range []struct{ what, path string }{{"the kept log, opened", name}, {"standard error", l.i.logs}} {
		n, found, err := s.file(file.path)
		if err != nil {
			return err
		}
		l.check("nothing is found in "+file.what, len(found) == 0 && n > 20<<10, "%d forms of %d canaries in %d KiB; found %s", len(s.needles), len(s.canaries), n>>10, hits(found))
	}
	l.check("a request that failed is in the kept log", hasLine(kept, l.fault), "%s among %d lines", l.fault, len(kept))
	var found []hit
	_, err := s.scan("the kept log", strings.NewReader(planted.String()), func(h hit) { found = append(found, h) })
	l.check("control: a line that leaks a name, written and read the same way, is found", hasKind(found, "name"), "%s", hits(found))
	if err != nil {
		return err
	}
	if err := appendTo(l.i.logs, "level=INFO msg="+leaked+" phone="+s.firstOf("phone")+"\n"); err != nil {
		return err
	}
	_, found, err = s.file(l.i.logs)
	l.check("control: one phone number in one line of standard error is found", hasKind(found, "phone"), "%s", hits(found))
	return err
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return firstError(err, f.Close())
}

// file scans one file.
func (s *searcher) file(name string) (n int64, found []hit, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	n, err = s.scan(filepath.Base(name), f, func(h hit) { found = append(found, h) })
	return n, found, err
}

// leaked begins the message of the line that leaks.
const leaked = "a-line-that-leaks"

// leak writes a line with a name beside the program's own, as a program that
// has a fault would: the net below takes out what looks like an address or a
// number, and cannot know a name.
func (l *logging) leak(ctx context.Context) error {
	ring, err := keyring.Open(keyring.Options{Dir: l.i.dir, MustExist: true})
	if err != nil {
		return err
	}
	b, err := files.Open(ctx, filepath.Join(l.i.dir, logFolder), files.Options{})
	if err != nil {
		return err
	}
	book := logbook.New(nil)
	book.Begin(b, ring.LogRecipient())
	newLog(book).Warn(leaked, "of", l.c.firstOf("name"))
	err = book.Flush(ctx)
	book.Close()
	return err
}

func (c *cage) firstOf(kind string) string { return (&searcher{canaries: c.canaries}).firstOf(kind) }

// recorded looks for each page on the platform's record, and has a reading end
// by itself.
func (l *logging) recorded(ctx context.Context, one string) error {
	n := 0
	if err := pages(ctx, l.asker, "/v1/platform/record?action=log.read", func(json.RawMessage) { n++ }); err != nil {
		return err
	}
	l.check("each page is on the platform's record", n >= l.pages && l.pages > 0, "%d entries, %d pages at least", n, l.pages)
	if err := l.others[1].post(ctx, one+"/close", nil, nil); err != nil {
		return err
	}
	got, err := status(ctx, l.asker, one+"/lines")
	if err != nil {
		return err
	}
	l.check("any operator ends it", got == 403, "%d", got)
	brief, err := l.ask(ctx, 1)
	if err != nil {
		return err
	}
	for _, o := range l.others {
		if err := o.post(ctx, brief+"/approve", nil, nil); err != nil {
			return err
		}
	}
	if got, err = status(ctx, l.asker, brief+"/lines"); err != nil || got != 200 {
		return fmt.Errorf("a reading of a minute: %d %w", got, err)
	}
	began := time.Now()
	err = l.i.wait(ctx, 2*time.Minute, "end of a reading", func() bool {
		_ = pause(ctx, 500*time.Millisecond)
		got, err = status(ctx, l.asker, brief+"/lines")
		return err == nil && got != 200
	})
	l.check("it ends by itself", err == nil && got == 403 && time.Since(began) < 90*time.Second, "%d after %.0f s of a minute", got, time.Since(began).Seconds())
	return nil
}
