package audit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/record"
)

// The platform's record has what operators do, what is done at the command
// line, and what happens to nobody known. Of these the first two wait for the
// eyes of another operator, who signs them off.

// CommandLine begins the actor of what is done at the command line: the
// system's user and the machine follow, as in "command:root@db1".
const CommandLine = "command:"

// SignedOff is the action of a sign-off, which nobody has to sign off again.
const SignedOff = "record.signed-off"

// LogRead is the action of reading a page of the log: several operators have
// approved it before, so nobody signs it off after.
const LogRead = "log.read"

// WritePlatform records the entry on the platform's record. It opens nothing,
// so it has no purpose.
func WritePlatform(d *store.Dir, at time.Time, e Entry) error {
	row, err := e.row(at)
	if err == nil && e.Purpose != "" {
		err = errors.New("audit: nothing is opened on the platform's record")
	}
	if err != nil {
		return err
	}
	return record.AddPlatform(d, row, e.review())
}

// review reports whether somebody did it who has to be looked after: an
// operator, or whoever was at the machine.
func (e Entry) review() bool {
	_, err := account.ParseUserID(e.Actor)
	return (err == nil || strings.HasPrefix(e.Actor, CommandLine)) && e.Action != SignedOff && e.Action != LogRead
}

// ListPlatform is List of the platform's record.
func ListPlatform(d *store.Dir, f Filter, after Place, limit int) ([]Record, error) {
	rows, err := record.ListPlatform(d, record.PlatformFilter{Filter: f}, after.before(), limit)
	out := make([]record.Row, len(rows))
	for i, r := range rows {
		out[i] = r.Row
	}
	return records(out), err
}

// Reviewed is an entry of the platform's record with its sign-off.
type Reviewed struct {
	Record
	Review   bool   // it is for another operator's eyes
	By       string // who signed it off; "": nobody has
	SignedAt time.Time
	Note     string
}

// ReviewFilter chooses entries; empty fields choose all.
type ReviewFilter struct {
	Filter
	Unsigned bool
}

// Platform is the platform's record for who reviews it.
type Platform struct{ db *store.DB }

// NewPlatform gives nothing of any account.
func NewPlatform(db *store.DB) *Platform { return &Platform{db} }

// List reads up to limit entries, newest first, that come after the place, and
// counts those of the whole record that wait to be signed off.
func (p *Platform) List(ctx context.Context, f ReviewFilter, after Place, limit int) (out []Reviewed, unsigned int64, err error) {
	var rows []record.PlatformRow
	err = p.db.ReadDirectory(ctx, func(d *store.Dir) (err error) {
		if unsigned, err = record.Unsigned(d, time.Now().Add(time.Hour)); err != nil { // clocks differ
			return err
		}
		rows, err = record.ListPlatform(d, record.PlatformFilter(f), after.before(), limit)
		return err
	})
	for _, r := range rows {
		out = append(out, reviewed(r))
	}
	return out, unsigned, err
}

// Unsigned counts entries from before then that wait to be signed off.
func (p *Platform) Unsigned(ctx context.Context, before time.Time) (n int64, err error) {
	err = p.db.ReadDirectory(ctx, func(d *store.Dir) (err error) {
		n, err = record.Unsigned(d, before)
		return err
	})
	return n, err
}

func reviewed(r record.PlatformRow) Reviewed {
	return Reviewed{Record: records([]record.Row{r.Row})[0], Review: r.Review, By: r.Signed.By, SignedAt: r.Signed.At, Note: r.Signed.Note}
}

// SignOff notes that the operator by has looked at an entry, and puts that on
// the record too. 409 own_act: it is their own; 409 signed_off: somebody has;
// 409 no_review: nobody has to.
func (p *Platform) SignOff(ctx context.Context, id ID, by, note string, at time.Time) (out Reviewed, err error) {
	err = p.db.Directory(ctx, func(d *store.Dir) error {
		r, err := record.Platform(d, id)
		switch {
		case errors.Is(err, store.ErrNone):
			return problem.NotFound()
		case err != nil:
			return err
		case !r.Review:
			return problem.Conflict("no_review", "This was done by a part of the program, or is a sign-off: nobody has to sign it off.")
		case r.Actor == by:
			return problem.Conflict("own_act", "You did this yourself. Another operator signs it off.")
		}
		ok, err := record.AddSignOff(d, id, record.SignOff{By: by, At: at, Note: note})
		if err == nil && !ok {
			err = problem.Conflict("signed_off", "Somebody has signed this off already.")
		}
		if err != nil {
			return err
		}
		if r, err = record.Platform(d, id); err != nil {
			return err
		}
		out = reviewed(r)
		return WritePlatform(d, at, Entry{Actor: by, Action: SignedOff, About: id.String()})
	})
	return out, err
}

// MarshalEntry and its reverse carry an entry to the record by way of a file,
// from where SQL cannot be reached. Its id has it written once.
func MarshalEntry(at time.Time, e Entry) ([]byte, error) {
	if e.ID.IsZero() {
		e.ID = NewID()
	}
	if _, err := e.row(at); err != nil {
		return nil, err
	}
	return json.Marshal(filed{e.ID, at, e.Actor, e.Action, e.About, e.Detail})
}

type filed struct {
	ID     ID        `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	About  string    `json:"about,omitempty"`
	Detail any       `json:"detail,omitempty"`
}

// UnmarshalEntry reads what MarshalEntry wrote.
func UnmarshalEntry(text []byte) (at time.Time, e Entry, err error) {
	var f filed
	if err := json.Unmarshal(text, &f); err != nil {
		return at, e, errors.New("audit: this is no entry")
	}
	e = Entry{ID: f.ID, Actor: f.Actor, Action: f.Action, About: f.About, Detail: f.Detail}
	if _, err := e.row(f.At); err != nil || e.ID.IsZero() || f.At.IsZero() {
		return at, e, errors.Join(errors.New("audit: this is no entry"), err)
	}
	return f.At, e, nil
}
