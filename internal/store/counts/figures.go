package counts

import (
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

// Dim is by what figures are told apart.
type Dim string

// The dims.
const (
	ByAll      Dim = "all"
	OfProject  Dim = "project"
	OfSource   Dim = "source"
	OfOrigin   Dim = "origin"   // utm_source / utm_medium of the first enquiry
	OfCampaign Dim = "campaign" // utm_campaign of the first enquiry
	OfUser     Dim = "user"
)

// The grains: how much time one cell is of.
const (
	grainHour int64 = iota + 1
	grainDay
	grainMonth
)

// Dims lists them.
func Dims() []Dim { return []Dim{ByAll, OfProject, OfSource, OfOrigin, OfCampaign, OfUser} }

// slot is one stretch of time of one dim; its cells are read together.
type slot struct {
	dim   Dim
	grain int64
	at    int64 // microseconds
}

// Figures are sums by slot and key.
type Figures map[slot]map[string]Tally

// Add adds sign times a share.
func (f Figures) Add(s Share, sign int64) {
	for _, p := range s.Parts {
		f.AddPart(s, p, sign)
	}
}

// AddPart adds sign times one part of a share.
func (f Figures) AddPart(s Share, p Part, sign int64) {
	keys := [...]string{"", s.Project, s.Source, s.Origin, s.Campaign, p.User}
	for i, d := range Dims() {
		if d == OfUser && p.User == "" {
			continue
		}
		f.addKey(d, keys[i], p, sign)
	}
}

func (f Figures) addKey(d Dim, key string, p Part, sign int64) {
	for grain := grainHour; grain <= grainMonth; grain++ {
		at := slot{d, grain, begin(grain, p.Hour).UnixMicro()}
		if f[at] == nil {
			f[at] = map[string]Tally{}
		}
		if f[at][key] == nil {
			f[at][key] = Tally{}
		}
		f[at][key].Merge(p.Tally, sign)
	}
}

// begin is when the hour, day or month of t begins, in UTC.
func begin(grain int64, t time.Time) time.Time {
	t = t.UTC()
	switch grain {
	case grainHour:
		return t.Truncate(time.Hour)
	case grainDay:
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// Less removes zeros, and what has none but zeros.
func (f Figures) Less() {
	for at, keys := range f {
		for key, t := range keys {
			for m, n := range t {
				if *n == 0 {
					delete(t, m)
				}
			}
			if len(t) == 0 {
				delete(keys, key)
			}
		}
		if len(keys) == 0 {
			delete(f, at)
		}
	}
}

// Cells is how many there are.
func (f Figures) Cells() (n int) {
	for _, keys := range f {
		n += len(keys)
	}
	return n
}

// Merge adds sign times the others.
func (f Figures) Merge(o Figures, sign int64) {
	for at, keys := range o {
		for key, t := range keys {
			if f[at] == nil {
				f[at] = map[string]Tally{}
			}
			if f[at][key] == nil {
				f[at][key] = Tally{}
			}
			f[at][key].Merge(t, sign)
		}
	}
}

var (
	figureSlot = store.Register("counts.figure.slot", `SELECT key, tally FROM figure WHERE account_id = $1 AND dim = $2 AND grain = $3 AND at = $4`)
	figureAll  = store.Register("counts.figure.all", `SELECT dim, grain, at, key, tally FROM figure WHERE account_id = $1`)
	figureSpan = store.Register("counts.figure.span", `SELECT at, key, tally FROM figure
		WHERE account_id = $1 AND dim = $2 AND grain = $3 AND at >= $4 AND at < $5`)
	figureSet = store.Bulk("counts.figure.set", `INSERT INTO figure (account_id, dim, grain, at, key, tally) VALUES`,
		`($1, $2, $3, $4, $5, $6)`, `ON CONFLICT (account_id, dim, grain, at, key) DO UPDATE SET tally = excluded.tally`)
	shareSet = store.Bulk("counts.share.set", `INSERT INTO figure_share (account_id, lead_id, share) VALUES`,
		`($1, $2, $3)`, `ON CONFLICT (account_id, lead_id) DO UPDATE SET share = excluded.share`)
	shareOf    = store.List("counts.share.of", `SELECT lead_id, share FROM figure_share WHERE account_id = $1 AND lead_id IN (LIST)`)
	shareDrop  = store.Register("counts.share.drop", `DELETE FROM figure_share WHERE account_id = $1`)
	figureDrop = store.Register("counts.figure.drop", `DELETE FROM figure WHERE account_id = $1`)
)

// Account puts what the leads add now in the place of what they added before.
// The caller holds the account's cursor in this transaction, so that nobody
// else changes figures. Running again changes nothing.
func Account(tx *store.Tx, facts []Facts) error {
	before, err := sharesOf(tx, facts)
	if err != nil {
		return err
	}
	change, rows := Figures{}, [][]any{}
	for _, f := range facts {
		s := ShareOf(f)
		packed := s.Pack()
		old, had := before[f.Lead]
		if had && Same(old, packed) {
			continue
		}
		rows = append(rows, []any{f.Lead, packed})
		change.Add(s, 1)
		if !had {
			continue
		}
		was, err := UnpackShare(old)
		if err != nil {
			return err
		}
		change.Add(was, -1)
	}
	if _, err := tx.Bulk(shareSet, rows); err != nil {
		return err
	}
	return Change(tx, change)
}

func sharesOf(tx *store.Tx, facts []Facts) (map[lead.ID][]byte, error) {
	out := make(map[lead.ID][]byte, len(facts))
	ids := make([]any, len(facts))
	for i, f := range facts {
		ids[i] = f.Lead
	}
	err := tx.QueryList(shareOf, nil, ids, func(scan func(...any) error) error {
		var id lead.ID
		var share []byte
		err := scan(&id, &share)
		out[id] = share
		return err
	})
	return out, err
}

// Change adds to the figures that are kept.
func Change(tx *store.Tx, change Figures) error {
	change.Less()
	rows := make([][]any, 0, len(change))
	for at, keys := range change {
		have, err := tx.Query(figureSlot, string(at.dim), at.grain, at.at)
		err = store.Each(have, err, func(scan func(...any) error) error {
			var key string
			var packed []byte
			if err := scan(&key, &packed); err != nil || keys[key] == nil {
				return err
			}
			return keys[key].Unpack(packed, 1)
		})
		if err != nil {
			return err
		}
		for key, t := range keys {
			rows = append(rows, []any{string(at.dim), at.grain, at.at, key, t.Pack()})
		}
	}
	_, err := tx.Bulk(figureSet, rows)
	return err
}

// Kept reads all figures of the account.
func Kept(tx *store.Tx) (Figures, error) {
	out := Figures{}
	rows, err := tx.Query(figureAll)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var at slot
		var key string
		var packed []byte
		if err := scan(&at.dim, &at.grain, &at.at, &key, &packed); err != nil {
			return err
		}
		if out[at] == nil {
			out[at] = map[string]Tally{}
		}
		t := Tally{}
		out[at][key] = t
		return t.Unpack(packed, 1)
	})
	out.Less()
	return out, err
}

// Forget removes all figures of the account, to make them anew.
func Forget(tx *store.Tx) error {
	if _, err := tx.Exec(shareDrop); err != nil {
		return err
	}
	_, err := tx.Exec(figureDrop)
	return err
}

// Between sums the hours that begin in [from, to) for each key of a dim. Both
// are the beginning of an hour. It reads months and days where they lie within,
// so that a year costs no more than a week.
func Between(tx *store.Tx, d Dim, from, to time.Time) (map[string]Tally, error) {
	out := map[string]Tally{}
	err := each(tx, d, stretches(from, to), func(_ time.Time, key string, packed []byte) error {
		if out[key] == nil {
			out[key] = Tally{}
		}
		return out[key].Unpack(packed, 1)
	})
	return out, err
}

// Hours calls f with each hour of the whole account that begins in [from, to)
// and has figures.
func Hours(tx *store.Tx, from, to time.Time, f func(hour time.Time, add func(Tally) error) error) error {
	return each(tx, ByAll, []stretch{{grainHour, from, to}}, func(at time.Time, _ string, packed []byte) error {
		return f(at, func(t Tally) error { return t.Unpack(packed, 1) })
	})
}

func each(tx *store.Tx, d Dim, spans []stretch, f func(at time.Time, key string, packed []byte) error) error {
	for _, s := range spans {
		rows, err := tx.Query(figureSpan, string(d), s.grain, s.from.UnixMicro(), s.to.UnixMicro())
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var at time.Time
			var key string
			var packed []byte
			if err := scan(store.Time(&at), &key, &packed); err != nil {
				return err
			}
			return f(at, key, packed)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type stretch struct {
	grain    int64
	from, to time.Time
}

// stretches covers [from, to) by whole months, the days before and after
// them, and the hours before and after those.
func stretches(from, to time.Time) []stretch {
	return within(grainMonth, from, to)
}

func within(grain int64, from, to time.Time) []stretch {
	if !from.Before(to) {
		return nil
	}
	if grain == grainHour {
		return []stretch{{grainHour, from, to}}
	}
	first, last := begin(grain, from), begin(grain, to)
	if first.Before(from) {
		first = next(grain, first)
	}
	if !first.Before(last) { // none is whole
		return within(grain-1, from, to)
	}
	out := within(grain-1, from, first)
	out = append(out, stretch{grain, first, last})
	return append(out, within(grain-1, last, to)...)
}

func next(grain int64, t time.Time) time.Time {
	if grain == grainDay {
		return t.AddDate(0, 0, 1)
	}
	return t.AddDate(0, 1, 0)
}
