package counts

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// WatchMode is how a source's silence is judged.
type WatchMode string

// The modes.
const (
	WatchLearned WatchMode = "learned" // by its own rhythm
	WatchMinutes WatchMode = "minutes" // after a fixed time
	WatchOff     WatchMode = "off"
)

// Stretch is a weekly stretch of time, minutes of a day on the project's wall clock.
type Stretch struct {
	Weekday int `json:"weekday"` // 0 Sunday … 6 Saturday
	Start   int `json:"start_minute"`
	End     int `json:"end_minute"` // after Start, at most 1440
}

// Watch is a row of source_watch.
type Watch struct {
	Source   account.SourceID
	Mode     WatchMode
	Minutes  int64     // of WatchMinutes
	Patience int64     // of WatchLearned, in percent
	Quiet    []Stretch // when nothing is expected of it
	SeenAt   time.Time // its latest enquiry that was counted; zero: none so far
	DoubtAt  time.Time // when a look found it silent that the next one is to confirm; zero: none did
}

// Silence is a row of source_silence: a time in which a source brought nothing,
// and should have.
type Silence struct {
	Source   account.SourceID
	RaisedAt time.Time
	BeganAt  time.Time // its last enquiry before
	EndedAt  time.Time // zero: it is silent still
}

const silenceColumns = `source_id, raised_at, began_at, ended_at`

var (
	watchAll = store.Register("counts.watch.all", `SELECT source_id, mode, minutes, patience, quiet, seen_at, doubt_at FROM source_watch WHERE account_id = $1`)
	watchSet = store.Register("counts.watch.set", `INSERT INTO source_watch (account_id, source_id, mode, minutes, patience, quiet) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account_id, source_id) DO UPDATE SET mode = excluded.mode, minutes = excluded.minutes, patience = excluded.patience, quiet = excluded.quiet, doubt_at = NULL`)
	watchSaw = store.Bulk("counts.watch.saw", `INSERT INTO source_watch (account_id, source_id, mode, minutes, patience, quiet, seen_at) VALUES`,
		`($1, $2, 'learned', 60, 100, '[]', $3)`, `ON CONFLICT (account_id, source_id) DO UPDATE SET doubt_at = NULL,
			seen_at = CASE WHEN coalesce(source_watch.seen_at, 0) < excluded.seen_at THEN excluded.seen_at ELSE source_watch.seen_at END`)
	watchDoubt = store.Register("counts.watch.doubt", `UPDATE source_watch SET doubt_at = $4 WHERE account_id = $1 AND source_id = $2 AND coalesce(seen_at, 0) = $3`)

	silenceAdd = store.Register("counts.silence.add", `INSERT INTO source_silence (account_id, source_id, raised_at, began_at)
		VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`)
	silenceOpen  = store.Register("counts.silence.open", `SELECT `+silenceColumns+` FROM source_silence WHERE account_id = $1 AND ended_at IS NULL`)
	silenceSince = store.Register("counts.silence.since", `SELECT `+silenceColumns+` FROM source_silence
		WHERE account_id = $1 AND source_id = $2 AND raised_at >= $3 ORDER BY raised_at`)
	silenceEnd = store.Register("counts.silence.end", `UPDATE source_silence SET ended_at = $3 WHERE account_id = $1 AND source_id = $2 AND ended_at IS NULL`)
)

// DefaultWatch is how a source is watched of which nobody has said anything.
func DefaultWatch(s account.SourceID) Watch {
	return Watch{Source: s, Mode: WatchLearned, Minutes: 60, Patience: 100}
}

// Watches reads those that are kept, by source.
func Watches(tx *store.Tx) (map[account.SourceID]Watch, error) {
	out := map[account.SourceID]Watch{}
	rows, err := tx.Query(watchAll)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var w Watch
		var quiet string
		if err := scan(&w.Source, &w.Mode, &w.Minutes, &w.Patience, &quiet, store.Time(&w.SeenAt), store.Time(&w.DoubtAt)); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(quiet), &w.Quiet); err != nil {
			return fmt.Errorf("counts: quiet hours of %s: %w", w.Source, err)
		}
		out[w.Source] = w
		return nil
	})
	return out, err
}

// SetWatch keeps how a source is watched, and not when it was seen.
func SetWatch(tx *store.Tx, w Watch) error {
	quiet, err := json.Marshal(append([]Stretch{}, w.Quiet...))
	if err != nil {
		return err
	}
	return tx.Must(watchSet, w.Source, string(w.Mode), w.Minutes, w.Patience, string(quiet))
}

// Saw keeps when each source brought its latest enquiry; an earlier time changes
// nothing. What was doubted is not any more.
func Saw(tx *store.Tx, at map[account.SourceID]time.Time) error {
	rows := make([][]any, 0, len(at))
	for s, t := range at {
		rows = append(rows, []any{s, store.Micro(t)})
	}
	_, err := tx.Bulk(watchSaw, rows)
	return err
}

// Doubt notes that a look found the source silent; the zero time takes that
// back. False: it was seen meanwhile, or nothing is kept of it.
func Doubt(tx *store.Tx, w Watch, at time.Time) (bool, error) {
	seen := int64(0)
	if !w.SeenAt.IsZero() {
		seen = w.SeenAt.UnixMicro()
	}
	n, err := tx.Exec(watchDoubt, w.Source, seen, store.Micro(at))
	return n == 1, err
}

// AddSilence notes that a source is silent. False: it is already.
func AddSilence(tx *store.Tx, s Silence) (bool, error) {
	n, err := tx.Exec(silenceAdd, s.Source, store.Micro(s.RaisedAt), store.Micro(s.BeganAt))
	return n == 1, err
}

// OpenSilences lists those that go on, by source.
func OpenSilences(tx *store.Tx) (map[account.SourceID]Silence, error) {
	rows, err := tx.Query(silenceOpen)
	list, err := scanSilences(rows, err)
	out := map[account.SourceID]Silence{}
	for _, s := range list {
		out[s.Source] = s
	}
	return out, err
}

// SilencesSince lists a source's that were raised from then on, the first one first.
func SilencesSince(tx *store.Tx, source account.SourceID, from time.Time) ([]Silence, error) {
	rows, err := tx.Query(silenceSince, source, store.Micro(from))
	return scanSilences(rows, err)
}

// EndSilence notes that the source is not silent any more. False: it was not.
func EndSilence(tx *store.Tx, source account.SourceID, at time.Time) (bool, error) {
	n, err := tx.Exec(silenceEnd, source, store.Micro(at))
	return n == 1, err
}

func scanSilences(rows store.Rows, err error) (out []Silence, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Silence
		err := scan(&s.Source, store.Time(&s.RaisedAt), store.Time(&s.BeganAt), store.Time(&s.EndedAt))
		out = append(out, s)
		return err
	})
	return out, err
}

// SourceSteps reads how many enquiries each source brought in each half hour of
// [from, to), whole Steps, that has any.
func SourceSteps(tx *store.Tx, from, to time.Time) (map[account.SourceID]map[time.Time]int64, error) {
	out := map[account.SourceID]map[time.Time]int64{}
	err := eachCell(tx, flowSource, []stretch{{grainStep, from, to, 1}}, func(name string, packed []byte, _ int64) error {
		at, err := parseName(name)
		if err != nil {
			return err
		}
		return eachPart(packed, func(key string, packed []byte) error {
			id, err := account.ParseSourceID(key)
			if err != nil {
				return err
			}
			n := int64(0)
			err = unpack(packed, func(code uint16, k int64) {
				if Count(code) == FEnquiries {
					n = k
				}
			}, func(string, int64) {})
			if err != nil || n <= 0 {
				return err
			}
			if out[id] == nil {
				out[id] = map[time.Time]int64{}
			}
			out[id][at.start()] = n
			return nil
		})
	})
	return out, err
}

var sourceLast = store.Register("counts.source.last", `SELECT created_at FROM lead WHERE account_id = $1 AND source_id = $2 AND NOT test
	ORDER BY created_at DESC, lead_id DESC LIMIT 1`)

// LastLead is when the source's newest lead was made; zero: it has none. It
// stands in for what was brought before there were watches.
func LastLead(tx *store.Tx, s account.SourceID) (at time.Time, err error) {
	err = tx.Row(sourceLast, s).Scan(store.Time(&at))
	if errors.Is(err, store.ErrNone) {
		return at, nil
	}
	return at, err
}
