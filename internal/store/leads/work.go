package leads

import (
	"database/sql"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/vault"
)

// NoteTable is the name that a note's ciphertext is bound to.
const NoteTable = "note"

// NotePlace is what the text of a note is bound to.
func NotePlace(id lead.NoteID) vault.Binding {
	return vault.Binding{Table: NoteTable, Row: id.UUID(), Field: vault.Note}
}

// Attempt is a row of attempt: one try to reach the person.
type Attempt struct {
	ID          lead.AttemptID
	Lead        lead.ID
	User        account.UserID // zero when a key reported it
	Channel     lead.Channel
	Disposition lead.Disposition
	Reached     bool
	Evidence    lead.Evidence
	StartedAt   time.Time
	EndedAt     time.Time       // zero: not known
	Talk        sql.Null[int64] // milliseconds, of the person's leg
	WrapUp      sql.Null[int64] // milliseconds from its end to its result
	CreatedAt   time.Time       // when it was told
}

// TalkEvidence is how the talk time is known: of an attempt that the app saw
// the person said it.
func (a Attempt) TalkEvidence() lead.Evidence {
	if a.Evidence == lead.Measured {
		return lead.Measured
	}
	return lead.Said
}

// Note is a row of note. Its text opens with the person's key.
type Note struct {
	ID        lead.NoteID
	Lead      lead.ID
	Person    lead.PersonID
	By        string // the actor
	Text      vault.Sealed
	CreatedAt time.Time
}

// StageChange is a row of stage_change.
type StageChange struct {
	Lead     lead.ID
	At       time.Time
	From, To lead.StageID
	Reason   string
	By       string
}

var (
	workAddAttempt = store.Register("leads.work.add_attempt", `INSERT INTO attempt (account_id, attempt_id, lead_id, user_id, channel, disposition,
		reached, evidence, started_at, talk_ms, created_at, ended_at, wrap_up_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`)
	workAttempted = store.Register("leads.work.attempted", `UPDATE lead SET version = version + 1, attempted_at = $4, contacted_at = $5, missed_at = $6, tried_at = $7,
		attempted_evidence = $8, contacted_evidence = $9, talk_ms = $10, talk_evidence = $11, wrap_up_ms = $12, wrap_up_evidence = $13
		WHERE account_id = $1 AND lead_id = $2 AND version = $3`)
	workAttempts = store.Register("leads.work.attempts", `SELECT attempt_id, lead_id, user_id, channel, disposition, reached, evidence, started_at,
		talk_ms, created_at, ended_at, wrap_up_ms FROM attempt WHERE account_id = $1 AND lead_id = $2 AND (started_at, attempt_id) < ($3, $4)
		ORDER BY started_at DESC, attempt_id DESC LIMIT $5`)

	workAddNote = store.Register("leads.work.add_note", `INSERT INTO note (account_id, note_id, lead_id, person_id, by_actor, text, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	workNotes = store.Register("leads.work.notes", `SELECT note_id, lead_id, person_id, by_actor, text, created_at FROM note
		WHERE account_id = $1 AND lead_id = $2 AND (created_at, note_id) < ($3, $4) ORDER BY created_at DESC, note_id DESC LIMIT $5`)

	workSetStage = store.Register("leads.work.set_stage", `UPDATE lead SET version = version + 1, stage_id = $4, category = $5, reason = $6, closed_at = $7
		WHERE account_id = $1 AND lead_id = $2 AND version = $3`)
	workAddChange = store.Register("leads.work.add_change", `INSERT INTO stage_change (account_id, lead_id, at, from_stage, to_stage, reason, by_actor)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`)
	workLastChange = store.Register("leads.work.last_change", `SELECT at FROM stage_change
		WHERE account_id = $1 AND lead_id = $2 ORDER BY at DESC LIMIT 1`)
	workChanges = store.Register("leads.work.changes", `SELECT lead_id, at, from_stage, to_stage, reason, by_actor FROM stage_change
		WHERE account_id = $1 AND lead_id = $2 ORDER BY at LIMIT $3`)
	workOpenLead = store.Register("leads.work.open_lead", `SELECT lead_id FROM lead
		WHERE account_id = $1 AND person_id = $2 AND project_id = $3 AND closed_at IS NULL`)
	workNext = store.Register("leads.work.next", `UPDATE lead SET version = version + 1, next_at = $4, next_what = $5, next_set_at = $6
		WHERE account_id = $1 AND lead_id = $2 AND version = $3`)
	workHolds = store.List("leads.work.holds", `SELECT lead_id, owner_id, project_id FROM lead WHERE account_id = $1 AND lead_id IN (LIST)`)
	workReach = store.Register("leads.work.of_person_and_owner", `SELECT count(*) FROM lead
		WHERE account_id = $1 AND person_id = $2 AND owner_id = $3`)
	workTeams = store.Register("leads.work.of_person_and_teams", `SELECT count(*) FROM lead
		WHERE account_id = $1 AND person_id = $2 AND `+ofTeams("lead.", "$3"))
)

// WorkAddAttempt keeps the attempt and sets the lead's firsts and sums. l is the
// lead as it was read in this transaction; store.ErrAgain when it has changed since.
func WorkAddAttempt(tx *store.Tx, l *Lead, a Attempt) error {
	err := tx.Must(workAddAttempt, a.ID, l.ID, nobody(a.User), string(a.Channel), string(a.Disposition), a.Reached, string(a.Evidence),
		store.Micro(a.StartedAt), orNull(a.Talk), store.Micro(a.CreatedAt), store.Micro(a.EndedAt), orNull(a.WrapUp))
	if err != nil {
		return err
	}
	l.tried(a)
	return l.saveTried(tx)
}

func (l *Lead) saveTried(tx *store.Tx) error {
	err := fenced(tx.Exec(workAttempted, l.ID, l.Version, store.Micro(l.AttemptedAt), store.Micro(l.ContactedAt), store.Micro(l.MissedAt), store.Micro(l.TriedAt),
		string(l.AttemptedHow), string(l.ContactedHow), orNull(l.Talk), string(l.TalkHow), orNull(l.WrapUp), string(l.WrapUpHow)))
	if err == nil {
		l.Version++
	}
	return err
}

func orNull(n sql.Null[int64]) any {
	if n.Valid {
		return n.V
	}
	return nil
}

// tried brings the lead up to date. An attempt may be told late, so "first" is
// the earliest begun, not the first told.
func (l *Lead) tried(a Attempt) {
	first := func(at *time.Time, how *lead.Evidence) {
		if at.IsZero() || at.After(a.StartedAt) {
			*at, *how = a.StartedAt, a.Evidence
		}
	}
	first(&l.AttemptedAt, &l.AttemptedHow)
	if a.Reached {
		first(&l.ContactedAt, &l.ContactedHow)
	}
	sum(&l.Talk, &l.TalkHow, a.Talk, a.TalkEvidence())
	sum(&l.WrapUp, &l.WrapUpHow, a.WrapUp, a.Evidence)
	if l.TriedAt.After(a.StartedAt) {
		return // there was a later one
	}
	l.TriedAt = a.StartedAt
	switch {
	case a.Reached:
		l.MissedAt = time.Time{}
	case a.Disposition.Missed():
		l.MissedAt = a.StartedAt
	}
}

// sum adds what was measured; a sum is known as well as its weakest part.
func sum(to *sql.Null[int64], how *lead.Evidence, n sql.Null[int64], by lead.Evidence) {
	if !n.Valid {
		return
	}
	if *how = by.Weaker(*how); !to.Valid {
		*how = by
	}
	to.V, to.Valid = to.V+n.V, true
}

// nobody is how an absent user stands in a column that cannot be NULL.
func nobody(u account.UserID) any {
	if u.IsZero() {
		return make([]byte, 16)
	}
	return u
}

// fenced turns "no row changed" of a compare-and-set into store.ErrAgain.
func fenced(n int64, err error) error {
	if err == nil && n != 1 {
		return store.ErrAgain
	}
	return err
}

// WorkAttempts lists up to limit attempts of the lead that began before at, or
// at it with a lower id, newest first; the zero time begins the list.
func WorkAttempts(tx *store.Tx, id lead.ID, at time.Time, after lead.AttemptID, limit int) (out []Attempt, err error) {
	from, place := workPlace(at, after)
	rows, err := tx.Query(workAttempts, id, from, place, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var a Attempt
		err := scan(&a.ID, &a.Lead, &a.User, &a.Channel, &a.Disposition, &a.Reached, &a.Evidence,
			store.Time(&a.StartedAt), &a.Talk, store.Time(&a.CreatedAt), store.Time(&a.EndedAt), &a.WrapUp)
		out = append(out, a)
		return err
	})
	return out, err
}

// workPlace is where a list goes on: after everything when it begins.
func workPlace[T interface{ IsZero() bool }](at time.Time, after T) (int64, any) {
	if at.IsZero() {
		return endOfTime, make([]byte, 16)
	}
	return at.UnixMicro(), after
}

// WorkAddNote keeps the note.
func WorkAddNote(tx *store.Tx, n Note) error {
	return tx.Must(workAddNote, n.ID, n.Lead, n.Person, n.By, n.Text.Data, store.Micro(n.CreatedAt))
}

var workAddNotes = store.Bulk("leads.work.add_notes", `INSERT INTO note (account_id, note_id, lead_id, person_id, by_actor, text, created_at) VALUES`,
	`($1, $2, $3, $4, $5, $6, $7)`, ``)

// WorkAddNotes keeps many notes.
func WorkAddNotes(tx *store.Tx, all []Note) error {
	rows := make([][]any, len(all))
	for i, n := range all {
		rows[i] = []any{n.ID, n.Lead, n.Person, n.By, n.Text.Data, store.Micro(n.CreatedAt)}
	}
	_, err := tx.Bulk(workAddNotes, rows)
	return err
}

// WorkNotes lists up to limit notes of the lead, newest first, from the place
// that WorkAttempts describes.
func WorkNotes(tx *store.Tx, id lead.ID, at time.Time, after lead.NoteID, limit int) (out []Note, err error) {
	from, place := workPlace(at, after)
	rows, err := tx.Query(workNotes, id, from, place, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var n Note
		err := scan(&n.ID, &n.Lead, &n.Person, &n.By, &n.Text.Data, store.Time(&n.CreatedAt))
		n.Text.Binding, n.Text.Subject = NotePlace(n.ID), vault.Subject(n.Person.UUID())
		out = append(out, n)
		return err
	})
	return out, err
}

// WorkSetStage moves the lead to c.To of the category, writes the history and
// brings l up to date. closed is zero for an open category. The history keeps
// the order of the changes: one whose clock is behind stands a microsecond
// after the one before it.
func WorkSetStage(tx *store.Tx, l *Lead, c StageChange, category lead.Category, closed time.Time) error {
	err := fenced(tx.Exec(workSetStage, l.ID, l.Version, c.To, string(category), c.Reason, store.Micro(closed)))
	if err != nil {
		return err
	}
	l.Version, l.Stage, l.Category, l.Reason, l.ClosedAt = l.Version+1, c.To, category, c.Reason, closed
	var last time.Time
	if err := tx.Row(workLastChange, l.ID).Scan(store.Time(&last)); err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	if !c.At.After(last) {
		c.At = last.Add(time.Microsecond)
	}
	return fenced(tx.Exec(workAddChange, l.ID, store.Micro(c.At), c.From, c.To, c.Reason, c.By))
}

// WorkChanges lists up to limit changes of stage of the lead, oldest first.
func WorkChanges(tx *store.Tx, id lead.ID, limit int) (out []StageChange, err error) {
	rows, err := tx.Query(workChanges, id, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var c StageChange
		err := scan(&c.Lead, store.Time(&c.At), &c.From, &c.To, &c.Reason, &c.By)
		out = append(out, c)
		return err
	})
	return out, err
}

// WorkOpenLead returns the open lead of the person and project; zero: none.
func WorkOpenLead(tx *store.Tx, p lead.PersonID, of account.ProjectID) (id lead.ID, err error) {
	err = tx.Row(workOpenLead, p, of).Scan(&id)
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return id, err
}

// WorkSetNext sets the next follow-up; the zero time takes it away. set is when
// that was decided.
func WorkSetNext(tx *store.Tx, l *Lead, at time.Time, what string, set time.Time) error {
	if err := fenced(tx.Exec(workNext, l.ID, l.Version, store.Micro(at), what, store.Micro(set))); err != nil {
		return err
	}
	l.Version, l.NextAt, l.NextWhat, l.NextSetAt = l.Version+1, at, what, set
	return nil
}

// Hold is what a right to a lead goes by: who owns it, or nobody, and of which
// project it is.
type Hold struct {
	Owner   account.UserID
	Project account.ProjectID
}

// WorkHolds returns it of those leads that there are.
func WorkHolds(tx *store.Tx, ids []lead.ID) (map[lead.ID]Hold, error) {
	out := map[lead.ID]Hold{}
	err := tx.QueryList(workHolds, nil, anys(ids), func(scan func(...any) error) error {
		var id lead.ID
		var h Hold
		err := scan(&id, &h.Owner, &h.Project)
		out[id] = h
		return err
	})
	return out, err
}

// WorkKnows reports whether the user owns a lead of the person or, with teams,
// is in the team of one.
func WorkKnows(tx *store.Tx, user account.UserID, p lead.PersonID, teams bool) (bool, error) {
	st := workReach
	if teams {
		st = workTeams
	}
	var n int64
	err := tx.Row(st, p, user).Scan(&n)
	return n > 0, err
}
