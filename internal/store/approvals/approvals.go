// Package approvals is the SQL of what several operators approve (tables
// approval_request and approval). It belongs to the platform: no statement is
// of an account.
package approvals

import (
	"encoding/json"
	"time"

	"catchment/internal/account"
	"catchment/internal/ident"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// ID names a request.
type ID = ident.ID[requestKind]

type requestKind struct{}

func (requestKind) Prefix() string { return "appr" }

// NewID makes one, ParseID reads its text.
func NewID() ID                    { return ident.New[requestKind]() }
func ParseID(s string) (ID, error) { return ident.Parse[requestKind](s) }

// IDFrom gives 16 bytes of a request their kind back.
func IDFrom(b [16]byte) ID { return ident.From[requestKind](b) }

// Kind is what is asked for.
type Kind string

// BreakGlass and its like are what can be asked for.
const (
	BreakGlass Kind = "break-glass" // leads of an account, without its grant
	Logs       Kind = "logs"        // a time of the program's own log
)

// Scope is what a request is for: leads by their ids, or those of a project, and
// which of their fields; or a part of the log.
type Scope struct {
	Leads   []lead.ID         `json:"leads,omitempty"`
	Project account.ProjectID `json:"project,omitzero"`
	Fields  []vault.Field     `json:"fields,omitempty"`
	Log     *Log              `json:"log,omitempty"`
}

// Log is a part of the program's log; empty fields choose all.
type Log struct {
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Level   string    `json:"level,omitempty"` // the least: info, warn, error
	Part    string    `json:"part,omitempty"`
	Request string    `json:"request,omitempty"`
}

// Request is a row of approval_request with its approvals.
type Request struct {
	ID       ID
	Kind     Kind
	By       account.UserID
	Purpose  string
	Target   account.ID // whose leads, or whom the lines name; zero: any
	Scope    Scope
	Minutes  int64
	Needed   int64
	AskedAt  time.Time
	LapsesAt time.Time
	OpenedAt time.Time // zero: not yet
	EndsAt   time.Time
	ClosedBy string
	ClosedAt time.Time // zero: not before its time

	Approvals []Approval
}

// Approval is one operator's.
type Approval struct {
	By account.UserID
	At time.Time
}

// State is where a request is.
type State string

// The states.
const (
	Asked    State = "asked"    // it waits for approvals
	Approved State = "approved" // it is about to begin
	Open     State = "open"
	Ended    State = "ended"  // after it was open
	Closed   State = "closed" // withdrawn or refused, before it was open
	Lapsed   State = "lapsed" // it was not approved, or did not begin, in time
)

// StateAt says where it is then.
func (r Request) StateAt(now time.Time) State {
	switch {
	case !r.OpenedAt.IsZero() && (!r.ClosedAt.IsZero() || !now.Before(r.EndsAt)):
		return Ended
	case !r.ClosedAt.IsZero():
		return Closed
	case !r.OpenedAt.IsZero():
		return Open
	case !now.Before(r.LapsesAt):
		return Lapsed // an emergency of then is none any more
	case int64(len(r.Approvals)) >= r.Needed:
		return Approved
	}
	return Asked
}

const columns = `request_id, kind, asked_by, purpose, target, scope, minutes, needed, asked_at, lapses_at, opened_at, ends_at, closed_by, closed_at`

var (
	add = store.Unbound("approvals.add", `INSERT INTO approval_request (`+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, NULL, '', NULL)`)
	get  = store.Unbound("approvals.get", `SELECT `+columns+` FROM approval_request WHERE request_id = $1`)
	list = store.Unbound("approvals.list", `SELECT `+columns+` FROM approval_request
		WHERE (asked_at, request_id) < ($1, $2) ORDER BY asked_at DESC, request_id DESC LIMIT $3`)
	ofOne   = store.Unbound("approvals.of", `SELECT operator_id, at FROM approval WHERE request_id = $1 ORDER BY at, operator_id`)
	approve = store.Unbound("approvals.approve", `INSERT INTO approval (request_id, operator_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`)
	over    = store.Unbound("approvals.over", `SELECT request_id FROM approval_request WHERE asked_at > $1 AND kind = $2 AND ends_at <= $3 AND closed_at IS NULL`)
	waiting = store.Unbound("approvals.waiting", `SELECT request_id FROM approval_request r WHERE opened_at IS NULL AND closed_at IS NULL AND asked_at > $1
		AND needed <= (SELECT count(*) FROM approval a WHERE a.request_id = r.request_id)`)
	begin   = store.Unbound("approvals.open", `UPDATE approval_request SET opened_at = $2, ends_at = $3 WHERE request_id = $1 AND opened_at IS NULL AND closed_at IS NULL`)
	closeIt = store.Unbound("approvals.close", `UPDATE approval_request SET closed_by = $2, closed_at = $3 WHERE request_id = $1 AND closed_at IS NULL`)
)

// Add keeps a request.
func Add(d *store.Dir, r Request) error {
	scope, err := json.Marshal(r.Scope)
	if err != nil {
		return err
	}
	_, err = d.Exec(add, r.ID, string(r.Kind), r.By, r.Purpose, r.Target, string(scope), r.Minutes, r.Needed, r.AskedAt.UnixMicro(), r.LapsesAt.UnixMicro())
	return err
}

// Get reads one with its approvals; store.ErrNone.
func Get(d *store.Dir, id ID) (Request, error) {
	r, err := scan(d.Row(get, id).Scan)
	if err == nil {
		r.Approvals, err = approvalsOf(d, id)
	}
	return r, err
}

// List reads up to limit requests that come after the place, newest first.
func List(d *store.Dir, at time.Time, after ID, limit int) (out []Request, err error) {
	from := at.UnixMicro()
	if at.IsZero() {
		from, after = int64(1)<<62, NewID()
	}
	rows, err := d.Query(list, from, after, limit)
	err = store.Each(rows, err, func(s func(...any) error) error {
		r, err := scan(s)
		out = append(out, r)
		return err
	})
	for i := range out {
		if err == nil {
			out[i].Approvals, err = approvalsOf(d, out[i].ID)
		}
	}
	return out, err
}

func approvalsOf(d *store.Dir, id ID) (out []Approval, err error) {
	rows, err := d.Query(ofOne, id)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var a Approval
		err := scan(&a.By, store.Time(&a.At))
		out = append(out, a)
		return err
	})
	return out, err
}

func scan(scan func(...any) error) (r Request, err error) {
	var scope string
	err = scan(&r.ID, &r.Kind, &r.By, &r.Purpose, &r.Target, &scope, &r.Minutes, &r.Needed, store.Time(&r.AskedAt), store.Time(&r.LapsesAt),
		store.Time(&r.OpenedAt), store.Time(&r.EndsAt), &r.ClosedBy, store.Time(&r.ClosedAt))
	if err == nil {
		err = json.Unmarshal([]byte(scope), &r.Scope)
	}
	return r, err
}

// Approve notes an approval. False: they have approved it already.
func Approve(d *store.Dir, id ID, by account.UserID, at time.Time) (bool, error) {
	n, err := d.Exec(approve, id, by, at.UnixMicro())
	return n == 1, err
}

// Begin notes that what was approved is open. False: it was begun or closed before.
func Begin(d *store.Dir, id ID, at, ends time.Time) (bool, error) {
	n, err := d.Exec(begin, id, at.UnixMicro(), ends.UnixMicro())
	return n == 1, err
}

// End closes a request, before its time or after. False: it was closed already.
func End(d *store.Dir, id ID, by string, at time.Time) (bool, error) {
	n, err := d.Exec(closeIt, id, by, at.UnixMicro())
	return n == 1, err
}

// Over lists what was open until then and was not closed, of what was asked for
// in the month before: the program may have been stopped for a while.
func Over(d *store.Dir, k Kind, now time.Time) (out []ID, err error) {
	rows, err := d.Query(over, now.AddDate(0, -1, 0).UnixMicro(), string(k), now.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// Waiting lists what is approved and not open yet, of what was asked since then.
func Waiting(d *store.Dir, since time.Time) (out []ID, err error) {
	rows, err := d.Query(waiting, since.UnixMicro())
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}
