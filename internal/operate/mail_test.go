package operate_test

import (
	"encoding/base64"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/jobs"
	"catchment/internal/notify"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/vault"
)

// letters is a mail server on loopback.
type letters struct {
	mu   sync.Mutex
	got  []string // to whom, subject and text
	away bool     // it takes none for now
}

type letterSession struct {
	l  *letters
	to string
}

func (l *letters) NewSession(*smtp.Conn) (smtp.Session, error) { return &letterSession{l: l}, nil }

func (*letterSession) Mail(string, *smtp.MailOptions) error { return nil }
func (*letterSession) Reset()                               {}
func (*letterSession) Logout() error                        { return nil }

func (s *letterSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	if s.l.away {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later"}
	}
	s.to = to
	return nil
}

func (s *letterSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	body := m.Body
	switch m.Header.Get("Content-Transfer-Encoding") {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.l.got = append(s.l.got, s.to+"\n"+subject+"\n"+string(text))
	return err
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// take gives what came since the last time.
func (l *letters) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.got
	l.got = nil
	return got
}

func (l *letters) set(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

// mailed has mail written by the server, as of a clock that is so far ahead.
func (p *platform) mailed(l *letters) (pass func(time.Duration)) {
	p.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	p.ok(err)
	server := smtp.NewServer(l)
	server.Domain, server.AllowInsecureAuth, server.ErrorLog = "mail.example.com", true, silent{}
	go server.Serve(at)
	p.Cleanup(func() { server.Close() })
	carrier, err := courier.NewSMTP("smtp+plain://"+at.Addr().String(), "", "leads@example.com", nil)
	p.ok(err)
	post := courier.New(courier.Options{Carrier: carrier})
	p.Cleanup(post.Close)
	var ahead time.Duration
	n := notify.New(notify.Options{DB: p.db, Jobs: p.list, Carrier: courier.NewWebPush(nil, p.ring.Keyring.PushKey(), ""), Opener: p.ring.Opener(), Mail: post, PublicURL: "https://leads.example.com/",
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(ahead) }})
	p.Cleanup(n.Close)
	runner := jobs.NewRunner(p.db, p.list, slog.New(slog.DiscardHandler), jobs.RunnerOptions{})
	n.Register(runner)
	p.privacy.Register(runner)
	return func(d time.Duration) {
		p.Helper()
		ahead += d
		_, err := runner.Drain(p.Context(), time.Now().Add(ahead+time.Second))
		p.ok(err)
	}
}

// colleagues makes another admin, and a manager whom no letter is for.
func (p *platform) colleagues(in signin.SignedIn) {
	p.Helper()
	for _, one := range []directory.NewMember{{Name: "Bea", Role: account.Admin, Email: vault.Hide("bea@example.com")}, {Name: "Max", Role: account.Manager, Email: vault.Hide("max@example.com")}} {
		var link string
		p.ok(p.db.Write(p.Context(), in.Scope, func(tx *store.Tx) (err error) {
			_, link, err = p.dir.CreateMember(tx, one)
			return err
		}))
		p.door.Redeem(link)
	}
}

func (p *platform) wantLetters(l *letters, to []string, words ...string) {
	p.Helper()
	got := l.take()
	if len(got) != len(to) {
		p.Fatalf("%d letters, want %d: %q", len(got), len(to), got)
	}
	all := strings.Join(got, "\n")
	for _, one := range to {
		if !strings.Contains(all, one+"@example.com\n") {
			p.Errorf("nothing for %s: %q", one, got)
		}
	}
	for _, text := range got {
		for _, w := range append(words, "First", "https://leads.example.com/app/console/") {
			if !strings.Contains(text, w) {
				p.Errorf("without %q: %q", w, text)
			}
		}
		for _, canary := range []string{"Ada", "7946", "4711"} {
			if strings.Contains(text, canary) {
				p.Errorf("a letter says %q: %q", canary, text)
			}
		}
	}
}

// Admins are written to when operators open leads in an emergency, and when that
// is over, by a mail server that takes nothing at first; the address is opened on
// the record once. A manager and another account get nothing.
func TestAdminsAreWrittenToInAnEmergency(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		l := &letters{}
		pass := p.mailed(l)
		in := p.company("First")
		p.company("Second")
		p.colleagues(in)
		mine := p.lead(in, "Ada Canary", "+442079460101")
		otto, oona := p.operator("otto@example.com"), p.operator("oona@example.com")
		const path = "/v1/operator/approvals"
		one := path + "/" + word(p.post(path, p.token, map[string]any{"kind": "break-glass", "account_id": in.Scope.Account().String(), "leads": []string{mine.String()}, "fields": []string{"phone"},
			"minutes": 15, "purpose": "Ticket 4711"}, 201), "id")
		p.post(one+"/approve", otto, nil, 200)
		pass(0)
		p.wantLetters(l, nil)
		l.set(true)
		p.post(one+"/approve", oona, nil, 200)
		pass(0)
		p.wantLetters(l, nil)
		l.set(false)
		pass(2 * time.Minute)
		p.wantLetters(l, []string{"ana", "bea"}, "emergency", "طارئة", "1 leads", "/grants?id=grant_")
		p.post(one+"/close", oona, nil, 200)
		pass(0)
		p.wantLetters(l, []string{"ana", "bea"}, "ended", "انتهى", "/openings?grant=grant_")
		pass(time.Hour)
		p.wantLetters(l, nil)
		var opened []audit.Record
		p.ok(p.db.Read(t.Context(), in.Scope, func(tx *store.Tx) (err error) {
			opened, err = audit.List(tx, audit.Filter{Actor: "system:notify"}, audit.Place{}, 10)
			return err
		}))
		if len(opened) != 2 || opened[0].Purpose != vault.ForMail {
			t.Errorf("openings of addresses on the record: %+v", opened)
		}
	})
}

// Admins are written to when one of them asks that the account ends, two days
// before it does, and when it was taken back; then no reminder comes.
func TestAdminsAreWrittenToBeforeTheEnd(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		l := &letters{}
		pass := p.mailed(l)
		in := p.company("First")
		p.colleagues(in)
		ask := func(days int) {
			p.ok(p.db.Write(p.Context(), in.Scope, func(tx *store.Tx) error {
				_, err := p.privacy.AskEnd(tx, time.Duration(days)*24*time.Hour, in.User.String(), store.Clock(time.Now()))
				return err
			}))
		}
		ask(10)
		pass(0)
		p.wantLetters(l, []string{"ana", "bea"}, "end", "إنهاءه", "/files")
		p.ok(p.db.Write(p.Context(), in.Scope, p.privacy.CancelEnd))
		pass(0)
		p.wantLetters(l, []string{"ana", "bea"}, "taken back", "التراجع")
		ask(30)
		pass(0)
		p.wantLetters(l, []string{"ana", "bea"}, "has asked")
		pass(9 * 24 * time.Hour) // when the first end would have been near
		p.wantLetters(l, nil)
		pass(19*24*time.Hour + time.Hour)
		p.wantLetters(l, []string{"ana", "bea"}, "ends on", "ينتهي", "/files")
	})
}

// Admins are written to when what a person asked is due within a week, and when
// it is late; not of what was answered before the letter went. No letter says
// who asked.
func TestAdminsAreWrittenToOfRequests(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		l := &letters{}
		pass := p.mailed(l)
		in := p.company("First")
		p.colleagues(in)
		mine := p.lead(in, "Ada Canary", "+442079460101")
		ask := func(days int) (r people.Request) {
			p.ok(p.db.Write(p.Context(), in.Scope, func(tx *store.Tx) error {
				of, err := leads.LeadByID(tx, mine)
				if err != nil {
					return err
				}
				now := store.Clock(time.Now())
				r, err = p.privacy.Ask(tx, people.AskAccess, of.Person, now.AddDate(0, 0, -days), in.User.String(), now)
				return err
			}))
			return r
		}
		ask(20)
		pass(0)
		p.wantLetters(l, nil)
		soon := ask(24)
		pass(0)
		p.wantLetters(l, []string{"ana", "bea"}, "has no answer yet", "لم يتلقَّ", "/requests?id="+soon.ID.String(), soon.DueAt.UTC().Format("2006-01-02"))
		late := ask(40)
		pass(0)
		p.wantLetters(l, []string{"ana", "bea"}, "overdue", "تأخر", "/requests?id="+late.ID.String())

		l.set(true) // the mail server takes nothing until the answer is there
		quick := ask(41)
		pass(0)
		p.ok(p.db.Write(p.Context(), in.Scope, func(tx *store.Tx) error {
			_, err := p.privacy.Fulfil(tx, quick.ID, in.User.String(), store.Clock(time.Now()))
			return err
		}))
		l.set(false)
		pass(2 * time.Minute)
		p.wantLetters(l, nil)
	})
}
