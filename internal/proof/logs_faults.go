package proof

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"catchment/internal/files"
	"catchment/internal/logbook"
)

const (
	logFolder = "log"              // of the data folder
	logTime   = "20060102T150405Z" // in names of what is there
)

func newLog(b *logbook.Book) *slog.Logger { return slog.New(b.Handler(slog.DiscardHandler)) }

// knock calls every route of the document as several callers, with canaries
// in its path, its query, its headers and its body.
func (l *logging) knock(ctx context.Context) error {
	l.classes = map[int]int{}
	l.credentials()
	company := l.i.world.Accounts[0]
	sales, err := l.i.enter(ctx, company.with("salesperson")[0])
	if err != nil {
		return err
	}
	support, err := l.i.enter(ctx, l.i.world.Support)
	if err != nil {
		return err
	}
	stranger := sales.as(l.c.keep("credential", "csk_"+strings.ToLower(rand.Text())))
	return l.knockAs(ctx, []*api{l.i.api(company.SecretKey), sales, support, stranger, sales.as("")})
}

func (l *logging) knockAs(ctx context.Context, callers []*api) error {
	r, err := callers[0].do(ctx, "GET", "/openapi.json", nil, nil)
	if err != nil {
		return err
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(r.body, &doc); err != nil {
		return err
	}
	n := 0
	for path, methods := range doc.Paths {
		for method := range methods {
			if method == "parameters" || path == "/v1/events" || method == "delete" && !strings.Contains(path, "{") {
				continue // the live stream does not end, and nobody signs out
			}
			for k, a := range callers {
				if err := l.call(ctx, a, strings.ToUpper(method), path, 900+n%50*len(callers)+k); err != nil {
					return err
				}
			}
			n++
		}
	}
	l.t.say("%d routes, %d callers each", n, len(callers))
	return nil
}

// call sends one request, full of canaries.
func (l *logging) call(ctx context.Context, a *api, method, path string, n int) error {
	v, h := l.c.visitor(n), l.c.header(n)
	for {
		before, rest, ok := strings.Cut(path, "{")
		if !ok {
			break
		}
		_, after, _ := strings.Cut(rest, "}")
		path = before + url.PathEscape(v.email) + after
	}
	path += "?" + url.Values{"q": {v.name}, "phone": {v.phone}, "cursor": {v.email}, "from": {v.custom}}.Encode()
	var body []byte
	if method != http.MethodGet {
		body, _ = json.Marshal(map[string]any{"name": v.name, "phone": v.phone, "email": v.email, "text": v.message, "note": v.message, "purpose": v.custom, "reason": v.custom})
	}
	r, err := a.do(ctx, method, path, h, body)
	if err != nil {
		return err
	}
	l.answered(r)
	return nil
}

func (l *logging) answered(r answer) {
	l.classes[r.status/100]++
	if r.status >= 500 && l.fault == "" {
		l.fault = r.header.Get("X-Request-Id")
	}
}

// broken takes tables away, and calls what needs them; leads come in
// meanwhile, and become leads when the tables are back.
func (l *logging) broken(ctx context.Context) error {
	db, err := l.i.writable()
	if err != nil {
		return err
	}
	defer db.Close()
	company := l.i.world.Accounts[0]
	a := l.i.api(company.SecretKey)
	a.purpose = "proof"
	var some struct{ Items []struct{ ID string } }
	if err := a.get(ctx, "/v1/leads?limit=1", &some); err != nil || len(some.Items) == 0 {
		return fmt.Errorf("no lead to work on: %w", err)
	}
	rename := func(from, to string) error {
		_, err := db.ExecContext(ctx, "ALTER TABLE "+from+" RENAME TO "+to)
		return err
	}
	for _, table := range []string{"person", "lead", "enquiry", "note"} {
		if err := rename(table, table+"_away"); err != nil {
			return err
		}
		err := l.whileAway(ctx, a, some.Items[0].ID)
		if back := rename(table+"_away", table); err != nil || back != nil {
			return firstError(err, back)
		}
	}
	return nil
}

func (l *logging) whileAway(ctx context.Context, a *api, lead string) error {
	company := l.i.world.Accounts[0]
	for n := range 10 {
		v := l.c.visitor(1500 + n)
		enquiry, _ := json.Marshal(v.lead(company.apiSource()))
		note, _ := json.Marshal(map[string]string{"text": v.message})
		search, _ := json.Marshal(map[string]string{"text": v.phone})
		for _, c := range []struct {
			by           *api
			method, path string
			body         []byte
		}{
			{a.as(company.PublishableKey), "POST", "/v1/leads", enquiry},
			{a, "GET", "/v1/leads?include=person", nil},
			{a, "GET", "/v1/enquiries?include=person", nil},
			{a, "GET", "/v1/leads/" + lead + "/notes", nil},
			{a, "POST", "/v1/leads/" + lead + "/notes", note},
			{a, "POST", "/v1/leads/search", search},
		} {
			r, err := c.by.do(ctx, c.method, c.path, l.c.header(n), c.body)
			if err != nil {
				return err
			}
			l.answered(r)
		}
	}
	return nil
}

// crash ends the program as a fault of its own would, while requests with
// canaries are half read: it prints what every part of it was doing.
func (l *logging) crash(ctx context.Context) error {
	for n, path := range []string{"/v1/leads", "/v1/sessions", "/v1/leads:batch", "/f/" + l.i.world.Accounts[0].formSource()} {
		v := l.c.visitor(1800 + n)
		body, _ := json.Marshal(v.lead("x"))
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.i.listen)
		if err != nil {
			return err
		}
		defer c.Close()
		half := body[:len(body)-10]
		_, err = fmt.Fprintf(c, "POST %s?email=%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nReferer: https://pages.example/%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			path, url.QueryEscape(v.email), l.i.listen, l.i.world.Accounts[0].PublishableKey, url.PathEscape(v.custom), len(body), half)
		if err != nil {
			return err
		}
	}
	if err := pause(ctx, time.Second); err != nil { // so that they are being read
		return err
	}
	_ = l.i.cmd.Process.Signal(syscall.SIGABRT)
	<-l.i.done
	text, err := os.ReadFile(l.i.logs)
	if err != nil {
		return err
	}
	n := strings.Count(string(text), "\ngoroutine ")
	l.check("the program's end by a fault tells what it was doing", n > 10, "%d stacks on standard error", n)
	return nil
}

// carriers starts the program again with carriers of messages that refuse, and
// say back all that they were given.
func (l *logging) carriers(ctx context.Context) error {
	var sms, mails atomic.Int64
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sms.Add(1)
		text, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"cannot send %s"}`, text)
	}))
	l.t.later(gateway.Close)
	mail, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.t.later(func() { mail.Close() })
	go refuseMail(mail, &mails)
	secret := filepath.Join(l.t.dir, "sms.secret")
	if err := os.WriteFile(secret, []byte("whsec_"+base64.StdEncoding.EncodeToString([]byte(rand.Text()+rand.Text()))), 0o600); err != nil {
		return err
	}
	l.i.args = append(l.i.args, "--sms-url", gateway.URL, "--sms-secret-file", secret, "--smtp-url", "smtp+plain://"+mail.Addr().String(), "--mail-from", "leads@example.com")
	if err := l.i.again(ctx); err != nil {
		return err
	}
	company := l.i.world.Accounts[0]
	for _, u := range append(company.with("salesperson"), company.with("manager")...) {
		r, err := l.i.api("").do(ctx, "POST", "/v1/sessions/codes", nil, []byte(`{"phone":"`+u.Phone+`"}`))
		if err != nil {
			return err
		}
		l.answered(r)
	}
	if err := l.endAndStay(ctx, company); err != nil {
		return err
	}
	err = l.i.wait(ctx, time.Minute, "messages that are refused", func() bool { return sms.Load() > 0 && mails.Load() > 0 })
	l.check("carriers refused, and said back what they were given", err == nil, "%d to phones, %d mails", sms.Load(), mails.Load())
	return nil
}

// endAndStay has the admins written to: the account is to end, and then is not.
func (l *logging) endAndStay(ctx context.Context, c company) error {
	admin, err := l.i.enter(ctx, c.with("admin")[0])
	if err != nil {
		return err
	}
	if err := admin.post(ctx, "/v1/account/end", map[string]any{"name": c.Name, "grace_days": 14}, nil); err != nil {
		return err
	}
	return admin.call(ctx, http.MethodDelete, "/v1/account/end", nil, nil)
}

// refuseMail is a mail server that knows nobody, and says whom it does not know.
func refuseMail(on net.Listener, n *atomic.Int64) {
	for {
		c, err := on.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprint(c, "220 mail.example\r\n")
			buf := make([]byte, 4096)
			for {
				k, err := c.Read(buf)
				if err != nil {
					return
				}
				said := strings.TrimSpace(string(buf[:k]))
				switch verb := strings.ToUpper(said); {
				case strings.HasPrefix(verb, "RCPT"):
					n.Add(1)
					fmt.Fprintf(c, "550 5.1.1 %s unknown here\r\n", said)
				case strings.HasPrefix(verb, "QUIT"):
					fmt.Fprint(c, "221 bye\r\n")
					return
				default:
					fmt.Fprint(c, "250 ok\r\n")
				}
			}
		}()
	}
}

// age moves the clock by moving what is kept, whose time is in its name: one
// process's log to before its 21 days, the others' to just within them. The
// program looks at all of it at once.
func (l *logging) age(ctx context.Context) error {
	if err := l.i.stop(); err != nil {
		return err
	}
	b, err := files.Open(ctx, filepath.Join(l.i.dir, logFolder), files.Options{})
	if err != nil {
		return err
	}
	names, err := namesIn(ctx, b)
	if err != nil || len(names) == 0 {
		return fmt.Errorf("no log to move: %w", err)
	}
	first, _, _ := strings.Cut(names[0], "/")
	var old, young []string
	for _, name := range names {
		by, list := logbook.Keep-2*time.Hour, &young
		if strings.HasPrefix(name, first+"/") {
			by, list = logbook.Keep+27*time.Hour, &old // its key is kept for a day longer than a line
		}
		to, err := moved(ctx, b, name, by)
		if err != nil {
			return err
		}
		*list = append(*list, to)
	}
	if err := l.i.again(ctx); err != nil {
		return err
	}
	var left []string
	err = l.i.wait(ctx, time.Minute, "the end of an old log", func() bool {
		left, err = namesIn(ctx, b)
		return err == nil && among(old, left) == 0
	})
	l.check("after 21 days and a little nothing of it is left", err == nil && len(old) > 1, "%d of %d files", among(old, left), len(old))
	l.check("control: two hours before that all of it is there", among(young, left) == len(young) && len(young) > 1, "%d of %d files", among(young, left), len(young))
	return l.saidSo(ctx)
}

// saidSo looks for the end of the old log on the platform's record.
func (l *logging) saidSo(ctx context.Context) error {
	op, err := l.i.operator(ctx)
	if err != nil {
		return err
	}
	var list struct{ Items []json.RawMessage }
	err = l.i.wait(ctx, time.Minute, "an entry of the record", func() bool {
		return op.get(ctx, "/v1/platform/record?action=log.removed", &list) == nil && len(list.Items) > 0
	})
	l.check("that it was removed is on the platform's record", err == nil, "%d entries", len(list.Items))
	return nil
}

func namesIn(ctx context.Context, b files.Bucket) (out []string, err error) {
	for f, err := range b.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		out = append(out, f.Name)
	}
	slices.Sort(out)
	return out, nil
}

// among counts those of the names that are in the list.
func among(names, list []string) (n int) {
	for _, name := range names {
		if slices.Contains(list, name) {
			n++
		}
	}
	return n
}

// moved has a file of the log be so much older.
func moved(ctx context.Context, b files.Bucket, name string, by time.Duration) (to string, err error) {
	parts := strings.Split(name, "/")
	for n, part := range parts {
		at, rest, _ := strings.Cut(part, "-")
		if then, err := time.Parse(logTime, at); err == nil {
			parts[n] = then.Add(-by).Format(logTime) + "-" + rest
		}
	}
	to = strings.Join(parts, "/")
	text, err := files.Read(ctx, b, name, 16<<20)
	if err != nil {
		return "", err
	}
	return to, firstError(b.Put(ctx, to, bytes.NewReader(text)), b.Remove(ctx, name))
}
