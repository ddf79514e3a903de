package people

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

// RequestKind is what a person asked for.
type RequestKind string

// The kinds.
const (
	AskAccess     RequestKind = "access"     // a copy of what is kept
	AskRectify    RequestKind = "rectify"    // what is wrong put right
	AskErase      RequestKind = "erase"      // everything destroyed
	AskRestrict   RequestKind = "restrict"   // kept, and not used
	AskUnrestrict RequestKind = "unrestrict" // used again
)

// Valid reports whether k is one of the list.
func (k RequestKind) Valid() bool {
	switch k {
	case AskAccess, AskRectify, AskErase, AskRestrict, AskUnrestrict:
		return true
	}
	return false
}

// RequestState is where a request has got to.
type RequestState string

// The states: an open one becomes one of the others, a running one is done.
const (
	RequestOpen    RequestState = "open"
	RequestRunning RequestState = "running"
	RequestDone    RequestState = "done"
	RequestRefused RequestState = "refused"
)

// Request is a row of subject_request.
type Request struct {
	ID         lead.RequestID
	Kind       RequestKind
	Person     lead.PersonID
	State      RequestState
	Reason     string // a code: why it was refused
	ReceivedAt time.Time
	DueAt      time.Time
	By, DoneBy string
	CreatedAt  time.Time
	FinishedAt time.Time // zero: not yet
}

const requestColumns = `request_id, kind, person_id, state, reason, received_at, due_at, by_actor, done_by, created_at, finished_at`

var (
	addRequest = store.Register("people.request.add", `INSERT INTO subject_request (account_id, `+requestColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`)
	getRequest  = store.Register("people.request.get", `SELECT `+requestColumns+` FROM subject_request WHERE account_id = $1 AND request_id = $2`)
	listRequest = store.Register("people.request.list", `SELECT `+requestColumns+` FROM subject_request
		WHERE account_id = $1 AND (created_at, request_id) < ($2, $3) AND (CAST($4 AS text) IS NULL OR state IN ($4, $5))
		ORDER BY created_at DESC, request_id DESC LIMIT $6`)
	requestsOf = store.Register("people.request.of", `SELECT `+requestColumns+` FROM subject_request
		WHERE account_id = $1 AND person_id = $2 ORDER BY created_at`)
	moveRequest = store.Register("people.request.move", `UPDATE subject_request SET state = $4, reason = $5, done_by = $6, finished_at = $7
		WHERE account_id = $1 AND request_id = $2 AND state = $3`)
)

// AddRequest keeps the request.
func AddRequest(tx *store.Tx, r Request) error {
	return tx.Must(addRequest, r.ID, string(r.Kind), r.Person, string(r.State), r.Reason, store.Micro(r.ReceivedAt), store.Micro(r.DueAt), r.By, r.DoneBy,
		store.Micro(r.CreatedAt), store.Micro(r.FinishedAt))
}

// RequestByID returns the request, or store.ErrNone.
func RequestByID(tx *store.Tx, id lead.RequestID) (Request, error) {
	return scanRequest(tx.Row(getRequest, id).Scan)
}

// The states that are asked for together.
const (
	RequestWaiting  RequestState = "waiting"  // open or running: the person has no answer
	RequestAnswered RequestState = "answered" // done or refused
)

// ListRequests lists up to limit requests that come after the place, newest
// first; state "" lists all.
func ListRequests(tx *store.Tx, state RequestState, at time.Time, after lead.RequestID, limit int) (out []Request, err error) {
	from := at.UnixMicro()
	if at.IsZero() {
		from, after = int64(1)<<62, lead.NewRequestID()
	}
	var one, other any
	switch state {
	case "":
	case RequestWaiting:
		one, other = string(RequestOpen), string(RequestRunning)
	case RequestAnswered:
		one, other = string(RequestDone), string(RequestRefused)
	default:
		one, other = string(state), string(state)
	}
	rows, err := tx.Query(listRequest, from, after, one, other, limit)
	return scanRequests(rows, err)
}

// RequestsOf lists what the person asked for, the oldest first.
func RequestsOf(tx *store.Tx, id lead.PersonID) ([]Request, error) {
	rows, err := tx.Query(requestsOf, id)
	return scanRequests(rows, err)
}

// MoveRequest writes state, reason and end of a request that is still in the
// state from; store.ErrAgain when it is not.
func MoveRequest(tx *store.Tx, r Request, from RequestState) error {
	n, err := tx.Exec(moveRequest, r.ID, string(from), string(r.State), r.Reason, r.DoneBy, store.Micro(r.FinishedAt))
	if err == nil && n != 1 {
		return store.ErrAgain
	}
	return err
}

func scanRequests(rows store.Rows, err error) (out []Request, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		r, err := scanRequest(scan)
		out = append(out, r)
		return err
	})
	return out, err
}

func scanRequest(scan func(...any) error) (r Request, err error) {
	err = scan(&r.ID, &r.Kind, &r.Person, &r.State, &r.Reason, store.Time(&r.ReceivedAt), store.Time(&r.DueAt), &r.By, &r.DoneBy,
		store.Time(&r.CreatedAt), store.Time(&r.FinishedAt))
	return r, err
}
