// Package concerns is the SQL of what strangers report to the operators (tables
// concern, concern_key and concern_word). It belongs to the platform: no
// statement is of an account.
package concerns

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/store"
)

// ID names a report; its text is the reference that whoever sent it is given.
type ID = ident.ID[concernKind]

type concernKind struct{}

func (concernKind) Prefix() string { return "rpt" }

// NewID makes one, ParseID reads its text.
func NewID() ID                    { return ident.New[concernKind]() }
func ParseID(s string) (ID, error) { return ident.Parse[concernKind](s) }

// IDFrom gives 16 bytes of a report their kind back.
func IDFrom(b [16]byte) ID { return ident.From[concernKind](b) }

// Kind is what a report is about.
type Kind string

// The kinds.
const (
	Vulnerability Kind = "vulnerability" // a weakness of the software
	Misuse        Kind = "misuse"        // a form or a page that deceives
	Contact       Kind = "contact"       // somebody is contacted against their will
	Data          Kind = "data"          // somebody's data are where they should not be
	Other         Kind = "other"
)

// Kinds lists them in the order in which they are offered.
func Kinds() []Kind { return []Kind{Vulnerability, Misuse, Contact, Data, Other} }

// State is where a report is.
type State string

// The states.
const (
	New      State = "new"      // nobody has opened it
	Looked   State = "looked"   // somebody has
	Answered State = "answered" // its link shows an answer
	Closed   State = "closed"
)

// Concern is a row of concern with its key. The texts are ciphertext.
type Concern struct {
	ID                    ID
	Kind                  Kind
	Place, Message, Email []byte
	Wrapped               []byte // its key
	LinkMAC               []byte
	ReceivedAt            time.Time
	LookedAt              time.Time // zero, as those that follow: not yet
	AnsweredAt            time.Time
	ClosedAt              time.Time
}

// State says where it is.
func (c Concern) State() State {
	switch {
	case !c.ClosedAt.IsZero():
		return Closed
	case !c.AnsweredAt.IsZero():
		return Answered
	case !c.LookedAt.IsZero():
		return Looked
	}
	return New
}

// WordID names what an operator wrote.
type WordID = ident.ID[wordKind]

type wordKind struct{}

func (wordKind) Prefix() string { return "rptw" }

// NewWordID makes one.
func NewWordID() WordID { return ident.New[wordKind]() }

// WordKind tells an operator's note from an answer.
type WordKind string

// The kinds of words.
const (
	Note   WordKind = "note"
	Answer WordKind = "answer"
)

// Word is what an operator wrote to a report.
type Word struct {
	ID   WordID
	Kind WordKind
	By   account.UserID
	Text []byte // ciphertext
	At   time.Time
}

const columns = `c.concern_id, c.kind, c.place, c.message, c.email, k.wrapped, c.link_mac, c.received_at, c.looked_at, c.answered_at, c.closed_at`

const from = ` FROM concern c JOIN concern_key k ON k.concern_id = c.concern_id `

var (
	add = store.Unbound("concerns.add", `INSERT INTO concern (concern_id, kind, place, message, email, link_mac, received_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	addKey = store.Unbound("concerns.key", `INSERT INTO concern_key (concern_id, wrapped) VALUES ($1, $2)`)
	get    = store.Unbound("concerns.get", `SELECT `+columns+from+`WHERE c.concern_id = $1`)
	list   = store.Unbound("concerns.list", `SELECT `+columns+from+`
		WHERE (c.received_at, c.concern_id) < ($1, $2) ORDER BY c.received_at DESC, c.concern_id DESC LIMIT $3`)
	listOpen = store.Unbound("concerns.list-open", `SELECT `+columns+from+`
		WHERE c.closed_at IS NULL AND (c.received_at, c.concern_id) < ($1, $2) ORDER BY c.received_at DESC, c.concern_id DESC LIMIT $3`)
	unanswered = store.Unbound("concerns.unanswered", `SELECT count(*), min(received_at) FROM concern WHERE closed_at IS NULL AND answered_at IS NULL`)
	look       = store.Unbound("concerns.look", `UPDATE concern SET looked_at = $2 WHERE concern_id = $1 AND looked_at IS NULL`)
	answered   = store.Unbound("concerns.answer", `UPDATE concern SET answered_at = $2 WHERE concern_id = $1 AND closed_at IS NULL`)
	end        = store.Unbound("concerns.close", `UPDATE concern SET closed_at = $2 WHERE concern_id = $1 AND closed_at IS NULL`)
	addWord    = store.Unbound("concerns.word", `INSERT INTO concern_word (concern_id, word_id, kind, operator_id, text, at) VALUES ($1, $2, $3, $4, $5, $6)`)
	words      = store.Unbound("concerns.words", `SELECT word_id, kind, operator_id, text, at FROM concern_word WHERE concern_id = $1 ORDER BY at, word_id`)

	untold   = store.Unbound("concerns.untold", `SELECT count(*), max(received_at) FROM concern WHERE closed_at IS NULL AND told_at IS NULL AND received_at > $1`)
	lastTold = store.Unbound("concerns.last-told", `SELECT max(told_at) FROM concern WHERE closed_at IS NULL`)
	told     = store.Unbound("concerns.told", `UPDATE concern SET told_at = $2 WHERE closed_at IS NULL AND told_at IS NULL AND received_at <= $1`)

	over      = store.Unbound("concerns.over", `SELECT concern_id FROM concern WHERE closed_at < $1 ORDER BY closed_at LIMIT $2`)
	dropKey   = store.Unbound("concerns.drop-key", `DELETE FROM concern_key WHERE concern_id = $1`)
	dropWords = store.Unbound("concerns.drop-words", `DELETE FROM concern_word WHERE concern_id = $1`)
	drop      = store.Unbound("concerns.drop", `DELETE FROM concern WHERE concern_id = $1`)
)

// Add keeps a report.
func Add(d *store.Dir, c Concern) error {
	_, err := d.Exec(add, c.ID, string(c.Kind), c.Place, c.Message, c.Email, c.LinkMAC, c.ReceivedAt.UnixMicro())
	if err == nil {
		_, err = d.Exec(addKey, c.ID, c.Wrapped)
	}
	return err
}

// Get reads one; store.ErrNone.
func Get(d *store.Dir, id ID) (Concern, error) { return scan(d.Row(get, id).Scan) }

// List reads up to limit reports that come after the place, newest first; open
// leaves out those that are closed.
func List(d *store.Dir, open bool, at time.Time, after ID, limit int) (out []Concern, err error) {
	begin, st := at.UnixMicro(), list
	if at.IsZero() {
		begin, after = int64(1)<<62, NewID()
	}
	if open {
		st = listOpen
	}
	rows, err := d.Query(st, begin, after, limit)
	err = store.Each(rows, err, func(s func(...any) error) error {
		c, err := scan(s)
		out = append(out, c)
		return err
	})
	return out, err
}

func scan(scan func(...any) error) (c Concern, err error) {
	err = scan(&c.ID, &c.Kind, &c.Place, &c.Message, &c.Email, &c.Wrapped, &c.LinkMAC, store.Time(&c.ReceivedAt), store.Time(&c.LookedAt), store.Time(&c.AnsweredAt), store.Time(&c.ClosedAt))
	return c, err
}

// Unanswered counts those that nobody has answered or closed, and says when the
// oldest of them came; zero: there is none.
func Unanswered(d *store.Dir) (n int64, oldest time.Time, err error) {
	err = d.Row(unanswered).Scan(&n, store.Time(&oldest))
	return n, oldest, err
}

// Look notes that somebody has opened it. False: somebody had before.
func Look(d *store.Dir, id ID, at time.Time) (bool, error) { return one(d, look, id, at) }

// MarkAnswered notes that it was answered, the last time. False: it is closed.
func MarkAnswered(d *store.Dir, id ID, at time.Time) (bool, error) { return one(d, answered, id, at) }

// Close ends it. False: it was before.
func Close(d *store.Dir, id ID, at time.Time) (bool, error) { return one(d, end, id, at) }

func one(d *store.Dir, st *store.Stmt, id ID, at time.Time) (bool, error) {
	n, err := d.Exec(st, id, at.UnixMicro())
	return n == 1, err
}

// AddWord keeps what an operator wrote.
func AddWord(d *store.Dir, id ID, w Word) error {
	_, err := d.Exec(addWord, id, w.ID, string(w.Kind), w.By, w.Text, w.At.UnixMicro())
	return err
}

// Words lists what operators wrote, oldest first.
func Words(d *store.Dir, id ID) (out []Word, err error) {
	rows, err := d.Query(words, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var w Word
		err := scan(&w.ID, &w.Kind, &w.By, &w.Text, store.Time(&w.At))
		out = append(out, w)
		return err
	})
	return out, err
}

// Untold counts those since then of which operators were not written to, and
// says when the newest of them came, and when operators were last written to of
// one that is open.
func Untold(d *store.Dir, since time.Time) (n int64, newest, last time.Time, err error) {
	if err = d.Row(untold, since.UnixMicro()).Scan(&n, store.Time(&newest)); err == nil {
		err = d.Row(lastTold).Scan(store.Time(&last))
	}
	return n, newest, last, err
}

// Told notes that operators were written to of all that came until then.
func Told(d *store.Dir, until, at time.Time) error {
	_, err := d.Exec(told, until.UnixMicro(), at.UnixMicro())
	return err
}

// Over lists up to limit that were closed before then.
func Over(d *store.Dir, before time.Time, limit int) (out []ID, err error) {
	rows, err := d.Query(over, before.UnixMicro(), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// Drop removes a report, its key and its words.
func Drop(d *store.Dir, id ID) error {
	for _, st := range []*store.Stmt{dropKey, dropWords, drop} {
		if _, err := d.Exec(st, id); err != nil {
			return err
		}
	}
	return nil
}
