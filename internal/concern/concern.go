// Package concern keeps what strangers report to the operators: a fault, misuse,
// contact that somebody does not want. Callers may rely on this: a report that
// was taken is on disk, its texts sealed under a key of its own; no operator
// reads one before that is on the platform's record; who sent it follows it by
// a link that nobody else can make; and it is gone for good, its key first,
// half a year after it was closed.
package concern

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/keyring"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/concerns"
	"catchment/internal/vault"
)

// Bounds.
const (
	Keep        = 180 * 24 * time.Hour // after it was closed
	AnswerIn    = 3 * 24 * time.Hour   // what waits for longer is a fault of ours
	MostWaiting = 1000                 // that nobody has answered; more are not taken
	tellPause   = 10 * time.Minute     // between two letters
	tellFor     = 3 * 24 * time.Hour   // a letter is tried for as long
	dropAtOnce  = 200
)

// Actor acts for the program, on the platform's record.
const Actor = "system:reports"

// Keys makes and opens the keys of reports. *keyring.Keyring is one.
type Keys interface {
	NewConcernKey(id [16]byte) (wrapped []byte, key keyring.ConcernKey)
	OpenConcernKey(id [16]byte, wrapped []byte) (keyring.ConcernKey, error)
	TokenMAC(kind, token string) [32]byte
}

// Mailer tries once to hand a message over. courier.Courier is one.
type Mailer interface {
	Try(ctx context.Context, m courier.Message) error
	Ready() bool
}

// Options is what Concerns need. Without Mail, or without To, nobody is written to.
type Options struct {
	DB        *store.DB
	Keys      Keys
	Mail      Mailer
	To        []string // e-mail addresses of operators
	PublicURL string   // of the platform, for letters
	Now       func() time.Time
}

// Concerns are the reports. It is safe to share.
type Concerns struct {
	o Options

	mu    sync.Mutex
	later time.Time // no letter is tried before
}

// New returns them.
func New(o Options) *Concerns {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	o.Now = func() time.Time { return store.Clock(now()) }
	return &Concerns{o: o}
}

// Link is how who sent a report follows it.
type Link struct {
	ID     concerns.ID
	Secret string
}

const linkKind = "report-link"

func (c *Concerns) linkMAC(secret string) []byte {
	m := c.o.Keys.TokenMAC(linkKind, secret)
	return m[:]
}

// Take keeps a form that has no faults. 503 too_many_reports: more wait than
// anybody answers.
func (c *Concerns) Take(ctx context.Context, f Form) (Link, error) {
	var random [16]byte
	rand.Read(random[:])
	l := Link{concerns.NewID(), base64.RawURLEncoding.EncodeToString(random[:])}
	wrapped, key := c.o.Keys.NewConcernKey(l.ID.UUID())
	row := concerns.Concern{ID: l.ID, Kind: f.Kind, Wrapped: wrapped, LinkMAC: c.linkMAC(l.Secret), ReceivedAt: c.o.Now(),
		Place: key.Seal(at(l.ID, vault.Spot), f.Place), Message: key.Seal(at(l.ID, vault.Message), f.Message), Email: key.Seal(at(l.ID, vault.Email), f.Email)}
	err := c.o.DB.Directory(ctx, func(d *store.Dir) error {
		n, _, err := concerns.Unanswered(d)
		if err == nil && n >= MostWaiting {
			err = problem.Busy("too_many_reports", time.Hour, "More reports wait than can be answered. Nothing was stored.")
		}
		if err != nil {
			return err
		}
		return concerns.Add(d, row)
	})
	return l, err
}

func at(id concerns.ID, f vault.Field) vault.Binding {
	return vault.Binding{Table: "concern", Row: id.UUID(), Field: f}
}

func wordAt(w concerns.Word) vault.Binding {
	return vault.Binding{Table: "concern_word", Row: w.ID.UUID(), Field: vault.Note}
}

// Word is what an operator wrote.
type Word struct {
	concerns.Word
	Text vault.Personal
}

// Followed gives a report, without its texts, and the answers to it, to who
// holds its link. 404 for every other.
func (c *Concerns) Followed(ctx context.Context, l Link) (row concerns.Concern, answers []Word, err error) {
	var all []concerns.Word
	err = c.o.DB.ReadDirectory(ctx, func(d *store.Dir) error {
		if row, err = get(d, l.ID); err != nil {
			return err
		}
		if !hmac.Equal(row.LinkMAC, c.linkMAC(l.Secret)) {
			return problem.NotFound()
		}
		all, err = concerns.Words(d, l.ID)
		return err
	})
	if err != nil {
		return concerns.Concern{}, nil, err
	}
	key, err := c.o.Keys.OpenConcernKey(l.ID.UUID(), row.Wrapped)
	if err != nil {
		return concerns.Concern{}, nil, err
	}
	words, err := opened(key, all)
	for _, w := range words {
		if w.Kind == concerns.Answer {
			answers = append(answers, w)
		}
	}
	return row, answers, err
}

func get(d *store.Dir, id concerns.ID) (concerns.Concern, error) {
	row, err := concerns.Get(d, id)
	if errors.Is(err, store.ErrNone) {
		return row, problem.NotFound()
	}
	return row, err
}

func opened(key keyring.ConcernKey, all []concerns.Word) (out []Word, err error) {
	for _, w := range all {
		text, err := key.Open(wordAt(w), w.Text)
		if err != nil {
			return nil, err
		}
		out = append(out, Word{w, text})
	}
	return out, nil
}

// List reads up to limit reports that come after the place, newest first, without
// their texts; open leaves out those that are closed. waiting counts all that
// nobody has answered.
func (c *Concerns) List(ctx context.Context, open bool, from time.Time, after concerns.ID, limit int) (out []concerns.Concern, waiting int64, err error) {
	err = c.o.DB.ReadDirectory(ctx, func(d *store.Dir) error {
		if waiting, _, err = concerns.Unanswered(d); err == nil {
			out, err = concerns.List(d, open, from, after, limit)
		}
		return err
	})
	return out, waiting, err
}

// Waiting counts reports that nobody has answered, and says when the oldest of
// them came; zero: there is none.
func (c *Concerns) Waiting(ctx context.Context) (n int64, oldest time.Time, err error) {
	err = c.o.DB.ReadDirectory(ctx, func(d *store.Dir) error {
		n, oldest, err = concerns.Unanswered(d)
		return err
	})
	return n, oldest, err
}

// Opened is a report with its texts.
type Opened struct {
	concerns.Concern
	Place, Message, Email vault.Personal
	Words                 []Word
}

// Open gives a report to an operator, once that is on the platform's record. 404.
func (c *Concerns) Open(ctx context.Context, by account.UserID, id concerns.ID) (Opened, error) {
	return c.act(ctx, by, id, "report.open", nil, func(d *store.Dir, row *concerns.Concern, _ keyring.ConcernKey, now time.Time) error {
		first, err := concerns.Look(d, id, now)
		if first {
			row.LookedAt = now
		}
		return err
	})
}

// Note keeps a note of an operator's. 404.
func (c *Concerns) Note(ctx context.Context, by account.UserID, id concerns.ID, text vault.Personal) (Opened, error) {
	return c.act(ctx, by, id, "report.note", nil, func(d *store.Dir, _ *concerns.Concern, key keyring.ConcernKey, now time.Time) error {
		return write(d, id, key, concerns.Note, by, text, now)
	})
}

// Answer has the report's link show the text. 404; 409 report_closed.
func (c *Concerns) Answer(ctx context.Context, by account.UserID, id concerns.ID, text vault.Personal) (Opened, error) {
	return c.act(ctx, by, id, "report.answer", nil, func(d *store.Dir, row *concerns.Concern, key keyring.ConcernKey, now time.Time) error {
		ok, err := concerns.MarkAnswered(d, id, now)
		if err == nil && !ok {
			err = closed()
		}
		if err != nil {
			return err
		}
		row.AnsweredAt = now
		return write(d, id, key, concerns.Answer, by, text, now)
	})
}

// Close ends it, answered or not. 404; 409 report_closed.
func (c *Concerns) Close(ctx context.Context, by account.UserID, id concerns.ID) (Opened, error) {
	return c.act(ctx, by, id, "report.close", map[string]any{"gone_after": Keep.String()}, func(d *store.Dir, row *concerns.Concern, _ keyring.ConcernKey, now time.Time) error {
		ok, err := concerns.Close(d, id, now)
		if err == nil && !ok {
			err = closed()
		}
		row.ClosedAt = now
		return err
	})
}

func closed() error {
	return problem.Conflict("report_closed", "This report is closed. Whoever sent it can send another.")
}

func write(d *store.Dir, id concerns.ID, key keyring.ConcernKey, kind concerns.WordKind, by account.UserID, text vault.Personal, now time.Time) error {
	w := concerns.Word{ID: concerns.NewWordID(), Kind: kind, By: by, At: now}
	w.Text = key.Seal(wordAt(w), text)
	return concerns.AddWord(d, id, w)
}

// act does something with a report, puts it on the platform's record, and gives
// the report when both are on disk: whoever acts on it reads it.
func (c *Concerns) act(ctx context.Context, by account.UserID, id concerns.ID, action string, detail map[string]any, do func(*store.Dir, *concerns.Concern, keyring.ConcernKey, time.Time) error) (Opened, error) {
	var out Opened
	var all []concerns.Word
	var key keyring.ConcernKey
	err := c.o.DB.Directory(ctx, func(d *store.Dir) (err error) {
		now := c.o.Now()
		if out.Concern, err = get(d, id); err != nil {
			return err
		}
		if key, err = c.o.Keys.OpenConcernKey(id.UUID(), out.Wrapped); err != nil {
			return err
		}
		if err := do(d, &out.Concern, key, now); err != nil {
			return err
		}
		if all, err = concerns.Words(d, id); err != nil {
			return err
		}
		e := audit.Entry{Actor: by.String(), Action: action, About: id.String()}
		if detail != nil {
			e.Detail = detail
		}
		if err := audit.WritePlatform(d, now, e); err != nil {
			return fmt.Errorf("%w: %w", audit.ErrUnwritten, err)
		}
		return nil
	})
	if err != nil {
		return Opened{}, err
	}
	var faults [4]error
	out.Place, faults[0] = key.Open(at(id, vault.Spot), out.Concern.Place)
	out.Message, faults[1] = key.Open(at(id, vault.Message), out.Concern.Message)
	out.Email, faults[2] = key.Open(at(id, vault.Email), out.Concern.Email)
	out.Words, faults[3] = opened(key, all)
	if err := errors.Join(faults[:]...); err != nil {
		return Opened{}, err
	}
	return out, nil
}

// Forget removes what was closed for long enough, keys and all, and returns how
// many reports it were: then the caller has the engine's files written over.
func (c *Concerns) Forget(ctx context.Context) (n int, err error) {
	for {
		gone := 0
		err := c.o.DB.Directory(ctx, func(d *store.Dir) error {
			now := c.o.Now()
			ids, err := concerns.Over(d, now.Add(-Keep), dropAtOnce)
			for _, id := range ids {
				if err == nil {
					err = concerns.Drop(d, id)
				}
			}
			if gone = len(ids); err != nil || gone == 0 {
				return err
			}
			return audit.WritePlatform(d, now, audit.Entry{Actor: Actor, Action: "report.forget", Detail: map[string]any{"reports": gone}})
		})
		if n += gone; err != nil || gone < dropAtOnce {
			return n, err
		}
	}
}
