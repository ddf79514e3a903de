package leads

import (
	"encoding/binary"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

// The states of a dead letter.
const (
	DeadOpen     = "open"     // accepted but not processable
	DeadReplayed = "replayed" // a later try succeeded
)

// DeadLetter is a row of dead_letter: a journal entry that could not be
// processed, as it stood there, still sealed.
type DeadLetter struct {
	ID         lead.DeadID
	Enquiry    lead.EnquiryID
	Stream     string
	Seq        uint64
	Place      int // within the message
	Reason     string
	Entry, Box []byte // only DeadByID reads them
	ReceivedAt time.Time
	State      string
	Tries      int64
	ChangedAt  time.Time
}

const deadColumns = `dead_id, enquiry_id, stream, seq, place, reason, received_at, state, tries, changed_at`

var (
	addDead = store.Register("leads.dead.add", `INSERT INTO dead_letter (account_id, dead_id, enquiry_id, stream, seq, place, reason, entry, box,
		received_at, state, tries, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', 1, $11) ON CONFLICT DO NOTHING`)
	getDead  = store.Register("leads.dead.get", `SELECT `+deadColumns+`, entry, box FROM dead_letter WHERE account_id = $1 AND dead_id = $2`)
	listDead = store.Register("leads.dead.list", `SELECT `+deadColumns+` FROM dead_letter
		WHERE account_id = $1 AND (CAST($4 AS text) IS NULL OR state = $4) AND (received_at, dead_id) < ($2, $3)
		ORDER BY received_at DESC, dead_id DESC LIMIT $5`)
	setDead = store.Register("leads.dead.set", `UPDATE dead_letter SET state = $3, reason = $4, tries = tries + 1, changed_at = $5
		WHERE account_id = $1 AND dead_id = $2 AND state = 'open'`)
)

// AddDead inserts the dead letter; false when this entry of the journal has
// one already.
func AddDead(tx *store.Tx, d DeadLetter) (bool, error) {
	n, err := tx.Exec(addDead, d.ID, d.Enquiry, d.Stream, int64(d.Seq), d.Place, d.Reason, notNull(d.Entry), notNull(d.Box),
		store.Micro(d.ReceivedAt), store.Micro(d.ChangedAt))
	return n == 1, err
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// DeadByID returns the dead letter with its entry, or store.ErrNone.
func DeadByID(tx *store.Tx, id lead.DeadID) (d DeadLetter, err error) {
	err = scanDead(func(dest ...any) error {
		return tx.Row(getDead, id).Scan(append(dest, &d.Entry, &d.Box)...)
	}, &d)
	return d, err
}

// DeadPage is the place after which a list goes on; the zero value begins it.
type DeadPage struct {
	ReceivedAt time.Time
	ID         lead.DeadID
}

// ListDead returns up to limit dead letters without their entries, newest
// first; state "" lists all.
func ListDead(tx *store.Tx, state string, after DeadPage, limit int) (out []DeadLetter, err error) {
	at := after.ReceivedAt.UnixMicro()
	if after.ReceivedAt.IsZero() {
		at, after.ID = endOfTime, lead.NewDeadID()
	}
	rows, err := tx.Query(listDead, at, after.ID, textOrNull(state), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var d DeadLetter
		err := scanDead(scan, &d)
		out = append(out, d)
		return err
	})
	return out, err
}

// SetDead notes one more try of an open dead letter and what came of it; false
// when it was not open (any more).
func SetDead(tx *store.Tx, id lead.DeadID, state, reason string, at time.Time) (bool, error) {
	n, err := tx.Exec(setDead, id, state, reason, store.Micro(at))
	return n == 1, err
}

func scanDead(scan func(...any) error, d *DeadLetter) error {
	var seq int64
	err := scan(&d.ID, &d.Enquiry, &d.Stream, &seq, &d.Place, &d.Reason, store.Time(&d.ReceivedAt), &d.State, &d.Tries, store.Time(&d.ChangedAt))
	d.Seq = uint64(seq)
	return err
}

var deadBoxes = store.Register("dead.boxes", `SELECT DISTINCT substr(box, 1, 5) FROM dead_letter WHERE account_id = $1 AND state = 'open'`)

// DeadBoxes lists the generations of drop boxes that open dead letters are
// sealed to.
func DeadBoxes(tx *store.Tx) (out []uint32, err error) {
	rows, err := tx.Query(deadBoxes)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var head []byte
		err := scan(&head)
		if len(head) == 5 {
			out = append(out, binary.BigEndian.Uint32(head[1:]))
		}
		return err
	})
	return out, err
}
