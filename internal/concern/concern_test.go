package concern_test

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"catchment/internal/clocktest"
	"catchment/internal/concern"
	"catchment/internal/courier"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/concerns"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// post is a mail server's word on each letter, and what it was given.
type post struct {
	err error
	got []courier.Message
}

func (p *post) Ready() bool { return true }
func (p *post) Try(_ context.Context, m courier.Message) error {
	p.got = append(p.got, m)
	return p.err
}

func open(t *testing.T, db *store.DB) (*concern.Concerns, *post, *clocktest.Clock) {
	t.Helper()
	ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	ok(t, err)
	mail, clock := &post{}, clocktest.At(start)
	return concern.New(concern.Options{DB: db, Keys: ring, Mail: mail, To: []string{"security@example.com", "second@example.com"}, PublicURL: "https://leads.example.com", Now: clock.Now}), mail, clock
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func form(text string) concern.Form {
	return concern.Form{Kind: concerns.Contact, Place: vault.Hide("+44 20 7946 0101"), Message: vault.Hide(text), Email: vault.Hide("ada@example.com")}
}

// Nothing of a report is in its rows in clear, two of the same have nothing in
// common, and another's key opens none of it.
func TestSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, _, _ := open(t, db)
		const canary = "Canary: they call although I said no"
		var rows []concerns.Concern
		for range 2 {
			l, err := c.Take(t.Context(), form(canary))
			ok(t, err)
			ok(t, db.ReadDirectory(t.Context(), func(d *store.Dir) error {
				row, err := concerns.Get(d, l.ID)
				rows = append(rows, row)
				return err
			}))
		}
		for _, r := range rows {
			for _, b := range [][]byte{r.Place, r.Message, r.Email, r.LinkMAC} {
				if len(b) < 16 || bytes.Contains(b, []byte("Canary")) || bytes.Contains(b, []byte("7946")) || bytes.Contains(b, []byte("ada@")) {
					t.Errorf("a column holds %q", b)
				}
			}
		}
		if bytes.Equal(rows[0].Message[:13], rows[1].Message[:13]) {
			t.Error("two messages have one nonce")
		}
		ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
		ok(t, err)
		for _, try := range []struct{ id, of concerns.Concern }{{rows[0], rows[1]}, {rows[1], rows[0]}} {
			if _, err := ring.OpenConcernKey(try.id.ID.UUID(), try.of.Wrapped); !errors.Is(err, keyring.ErrDamaged) {
				t.Errorf("a key opens as another's: %v", err)
			}
		}
	})
}

// More than anybody answers is not taken; what is answered makes room. The
// bound is met by rows that are written directly.
func TestFull(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, _, _ := open(t, db)
		last := concerns.NewID()
		ok(t, db.Directory(t.Context(), func(d *store.Dir) error {
			for i := range concern.MostWaiting {
				id := concerns.NewID()
				if i == 0 {
					id = last
				}
				if err := concerns.Add(d, concerns.Concern{ID: id, Kind: concerns.Other, Place: []byte{}, Message: []byte{}, Email: []byte{}, Wrapped: []byte{}, LinkMAC: []byte{}, ReceivedAt: start}); err != nil {
					return err
				}
			}
			return nil
		}))
		_, err := c.Take(t.Context(), form("one too many"))
		if p, is := problem.Of(err); !is || p.Code != "too_many_reports" || p.Status != 503 {
			t.Fatal(err)
		}
		ok(t, db.Directory(t.Context(), func(d *store.Dir) error {
			_, err := concerns.Close(d, last, start)
			return err
		}))
		_, err = c.Take(t.Context(), form("one more"))
		ok(t, err)
	})
}

// Operators are written to once of each report, in one letter for all that
// wait, every ten minutes at most; what no server takes is tried again, and
// nothing of what a report says is in a letter.
func TestLetters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, mail, clock := open(t, db)
		letters := func(want int, why string) {
			t.Helper()
			mail.got = nil
			if ok(t, c.Tell(t.Context())); len(mail.got) != 2*want {
				t.Fatalf("%s: %d letters to two mailboxes", why, len(mail.got))
			}
		}
		take := func() {
			t.Helper()
			_, err := c.Take(t.Context(), form("Canary"))
			ok(t, err)
		}
		letters(0, "there is no report")
		take()
		take()
		mail.err = errors.New("the server is away")
		letters(1, "two reports")
		letters(0, "just after it failed")
		clock.Pass(11 * time.Minute)
		mail.err = nil
		letters(1, "ten minutes after it failed")
		letters(0, "they were told")
		take()
		letters(0, "a third one, just after a letter")
		clock.Pass(11 * time.Minute)
		letters(1, "ten minutes later")
		if m := mail.got[0]; m.ID == mail.got[1].ID || strings.Contains(m.Subject, "Canary") {
			t.Error(m)
		}
		take()
		clock.Pass(4 * 24 * time.Hour)
		letters(0, "older than a letter is tried")
	})
}

// What a browser sends is read as it was typed, tidied; what no browser sends of
// this form is not read.
func TestDecode(t *testing.T) {
	const kind = "application/x-www-form-urlencoded"
	good := url.Values{"kind": {"contact"}, "place": {" +44 20\t7946 0101 "}, "message": {"One\r\nTwo\x00\u202e"}, "email": {""}, "website": {""}}
	_, typed, faults := concern.Decode(kind+"; charset=UTF-8", []byte(good.Encode()))
	if len(faults) != 0 || typed["place"] != "+44 20 7946 0101" || typed["message"] != "One\nTwo" {
		t.Errorf("%q %v", typed, faults)
	}
	for name, x := range map[string]struct{ kind, body string }{
		"another type": {"multipart/form-data; boundary=x", good.Encode()}, "another charset": {kind + "; charset=windows-1252", good.Encode()},
		"no type": {"", good.Encode()}, "twice": {kind, good.Encode() + "&kind=data"}, "unknown": {kind, good.Encode() + "&state=closed"},
		"broken UTF-8": {kind, good.Encode() + "&message=%ff"}, "a broken escape": {kind, "kind=%zz"}, "a semicolon": {kind, "kind=data;message=x"},
		"too long": {kind, "message=" + strings.Repeat("x", concern.MostBody)},
	} {
		if _, typed, faults := concern.Decode(x.kind, []byte(x.body)); len(faults) != 1 || faults[0].Code != concern.Unreadable || typed != nil {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// Whatever is sent, what is taken is within the bounds, of a known kind, and
// reads the same when it is sent again.
func FuzzDecode(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "kind=data&message=x&place=y&email=a%40example.com&website=")
	f.Add("application/x-www-form-urlencoded; charset=utf-8", "kind=other&message=%E2%80%AEabc%0D%0A")
	f.Add("text/plain", "kind=other")
	f.Fuzz(func(t *testing.T, kind, body string) {
		form, typed, faults := concern.Decode(kind, []byte(body))
		for name, s := range typed {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\r\x00\u202e") || s != strings.TrimSpace(s) || name != concern.FieldMessage && strings.Contains(s, "\n") {
				t.Errorf("%s: %q", name, s)
			}
		}
		if len(faults) > 0 {
			return
		}
		if !slices.Contains(concerns.Kinds(), form.Kind) || len(typed["message"]) == 0 || len(typed["message"]) > 8000 || len(typed["place"]) > 500 || len(typed["email"]) > 254 {
			t.Errorf("taken: %q", typed)
		}
		again := url.Values{}
		for name, s := range typed {
			again.Set(name, s)
		}
		if _, same, more := concern.Decode(kind, []byte(again.Encode())); len(more) > 0 || !reflect.DeepEqual(same, typed) {
			t.Errorf("%q reads again as %q %v", typed, same, more)
		}
	})
}
