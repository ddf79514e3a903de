package counts

import (
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// Span is a time in which somebody declared one presence. Until is zero while
// it lasts.
type Span struct {
	User     account.UserID
	Presence account.Presence
	From     time.Time
	Until    time.Time
}

const spanColumns = `user_id, presence, from_at, until_at`

var (
	spanAdd = store.Register("counts.span.add", `INSERT INTO presence_span (account_id, user_id, from_at, presence) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, user_id, from_at) DO UPDATE SET presence = excluded.presence`)
	spanEnd = store.Register("counts.span.end", `UPDATE presence_span SET until_at = $3
		WHERE account_id = $1 AND user_id = $2 AND until_at IS NULL AND from_at < $3`)
	spanLast = store.Register("counts.span.last", `SELECT from_at FROM presence_span WHERE account_id = $1 AND user_id = $2 ORDER BY from_at DESC LIMIT 1`)
	spanOpen = store.Register("counts.span.open", `SELECT `+spanColumns+` FROM presence_span WHERE account_id = $1 AND until_at IS NULL`)
	spanAll  = store.Register("counts.span.all", `SELECT `+spanColumns+` FROM presence_span WHERE account_id = $1`)
	declared = store.Register("counts.span.declared", `SELECT user_id, presence, presence_at FROM member WHERE account_id = $1`)
)

// Declare notes a presence from s.From on. What ended thereby is returned;
// its From is zero when nothing did. Noting the same again, or something
// older, does nothing.
func Declare(tx *store.Tx, s Span) (ended Span, err error) {
	open, err := spans(tx, spanOpen)
	if err != nil {
		return ended, err
	}
	var last time.Time
	rows, err := tx.Query(spanLast, s.User)
	err = store.Each(rows, err, func(scan func(...any) error) error { return scan(store.Time(&last)) })
	if err != nil || !s.From.After(last) {
		return ended, err
	}
	for _, o := range open {
		if o.User == s.User && o.From.Before(s.From) {
			ended, ended.Until = o, s.From
		}
	}
	if _, err := tx.Exec(spanEnd, s.User, s.From.UnixMicro()); err != nil {
		return ended, err
	}
	_, err = tx.Exec(spanAdd, s.User, s.From.UnixMicro(), string(s.Presence))
	return ended, err
}

// Spans lists every span of the account.
func Spans(tx *store.Tx) ([]Span, error) { return spans(tx, spanAll) }

// OpenSpans lists those that last.
func OpenSpans(tx *store.Tx) ([]Span, error) { return spans(tx, spanOpen) }

// Declared lists what everybody declares now, as the members' table has it.
func Declared(tx *store.Tx) (out []Span, err error) {
	rows, err := tx.Query(declared)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Span
		err := scan(&s.User, &s.Presence, store.Time(&s.From))
		out = append(out, s)
		return err
	})
	return out, err
}

func spans(tx *store.Tx, st *store.Stmt) (out []Span, err error) {
	rows, err := tx.Query(st)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Span
		err := scan(&s.User, &s.Presence, store.Time(&s.From), store.Time(&s.Until))
		out = append(out, s)
		return err
	})
	return out, err
}

// AddSpan adds the milliseconds of a span that ended to the Steps in which
// they passed. Time logged off is not counted.
func (f Figures) AddSpan(s Span, sign int64) {
	count := Present(s.Presence)
	if count == 0 || s.From.IsZero() || s.Until.IsZero() {
		return
	}
	for from := s.From.UTC(); from.Before(s.Until); {
		step := from.Truncate(Step)
		to := step.Add(Step)
		if to.After(s.Until) {
			to = s.Until
		}
		// By difference of whole milliseconds, so that the parts of a span add up to it.
		ms := sign * (to.UnixMilli() - from.UnixMilli())
		f.at(slotOf(OfUser, grainStep, step), s.User.String()).Add(count, ms)
		f.at(slotOf(ByAll, grainStep, step), "").Add(count, ms)
		from = to
	}
}
