package counts

import (
	"strings"
	"time"

	"catchment/internal/store"
)

// A span of time is read as few cells: whole months, and at each end of them
// days, and then half hours, that are added or, where that is fewer, taken away. Any
// span is five stretches at most, which one statement reads.
const stretchesAtMost = 5

var cellSpan = store.Register("counts.cell.span", `SELECT 0, cell, sums FROM figure_cell WHERE account_id = $1 AND cell >= $2 AND cell < $3
	UNION ALL SELECT 1, cell, sums FROM figure_cell WHERE account_id = $1 AND cell >= $4 AND cell < $5
	UNION ALL SELECT 2, cell, sums FROM figure_cell WHERE account_id = $1 AND cell >= $6 AND cell < $7
	UNION ALL SELECT 3, cell, sums FROM figure_cell WHERE account_id = $1 AND cell >= $8 AND cell < $9
	UNION ALL SELECT 4, cell, sums FROM figure_cell WHERE account_id = $1 AND cell >= $10 AND cell < $11`)

// Between sums what lies in [from, to) for each key of a dim that has any. Both
// are whole Steps.
func Between(tx *store.Tx, d Dim, from, to time.Time) (map[string]*Tally, error) {
	sums := map[string]*adder{}
	err := eachCell(tx, d, cover(from, to, 1, grainMonth, grainDay, grainStep), func(name string, packed []byte, sign int64) error {
		return eachKey(name, packed, func(key string, packed []byte) error {
			if sums[key] == nil {
				sums[key] = &adder{}
			}
			return sums[key].unpack(packed, sign)
		})
	})
	out := map[string]*Tally{}
	for key, a := range sums {
		if t := a.tally(); !t.Zero() {
			out[key] = &t
		}
	}
	return out, err
}

// Total is Between of the whole account.
func Total(tx *store.Tx, from, to time.Time) (*Tally, error) { return total(tx, ByAll, from, to) }

func total(tx *store.Tx, d Dim, from, to time.Time) (*Tally, error) {
	by, err := Between(tx, d, from, to)
	if err != nil || by[""] == nil {
		return &Tally{}, err
	}
	return by[""], nil
}

// ByHour sums what lies in [from, to) by the hour of the day in the zone. While
// the zone's offset stands still, months are read by their half hours of UTC.
func ByHour(tx *store.Tx, from, to time.Time, zone *time.Location) (out [24]Tally, err error) {
	var sums [24]adder
	for from.Before(to) && err == nil {
		until := steadyUntil(from, to, zone)
		_, offset := from.In(zone).Zone()
		err = hoursOf(tx, from, until, offset, &sums)
		from = until
	}
	for i := range sums {
		out[i] = sums[i].tally()
	}
	return out, err
}

// steadyUntil is until when, at most to, every Step from there on has the same
// offset.
func steadyUntil(from, to time.Time, zone *time.Location) time.Time {
	_, end := from.In(zone).ZoneBounds()
	if end.IsZero() || !end.Before(to) {
		return to
	}
	until := end.UTC().Truncate(Step)
	if until.Before(end) {
		until = until.Add(Step)
	}
	if until.After(to) {
		return to
	}
	return until
}

func hoursOf(tx *store.Tx, from, to time.Time, offset int, out *[24]adder) error {
	const twoDays = 48 * 3600 // zones lie west of UTC too
	local := func(at time.Time) *adder {
		return &out[(at.Hour()*3600+at.Minute()*60+offset+twoDays)/3600%24]
	}
	var months, steps []stretch
	for _, s := range cover(from, to, 1, grainMonth, grainStep) {
		if s.grain == grainMonth {
			months = append(months, s)
		} else {
			steps = append(steps, s)
		}
	}
	err := eachCell(tx, ofHour, months, func(name string, packed []byte, sign int64) error {
		at, err := time.Parse("1504", name[strings.LastIndexByte(name, '/')+1:])
		if err != nil || len(packed) == 0 {
			return err
		}
		return local(at).unpack(packed, sign)
	})
	if err != nil {
		return err
	}
	return eachCell(tx, ByAll, steps, func(name string, packed []byte, sign int64) error {
		at, err := parseName(name)
		if err != nil {
			return err
		}
		return eachPart(packed, func(_ string, packed []byte) error { return local(at.start()).unpack(packed, sign) })
	})
}

// eachCell calls f with each row of the stretches.
func eachCell(tx *store.Tx, d Dim, spans []stretch, f func(name string, packed []byte, sign int64) error) error {
	args := make([]any, 2*stretchesAtMost)
	for i := range args {
		args[i] = "" // from nothing to nothing
	}
	for i, s := range spans {
		args[2*i], args[2*i+1] = slotOf(d, s.grain, s.from).name(), slotOf(d, s.grain, s.to).name()
	}
	if len(spans) == 0 {
		return nil
	}
	rows, err := tx.Query(cellSpan, args...)
	return store.Each(rows, err, func(scan func(...any) error) error {
		var i int
		var name string
		var packed []byte
		if err := scan(&i, &name, &packed); err != nil {
			return err
		}
		return f(name, packed, spans[i].sign)
	})
}

// stretch is whole half hours, days or months in a row; sign −1 takes them away.
type stretch struct {
	grain    int
	from, to time.Time
	sign     int64
}

// cover gives stretches whose sum is [from, to), in these grains, the last of
// which is grainStep.
func cover(from, to time.Time, sign int64, grains ...int) []stretch {
	if !from.Before(to) {
		return nil
	}
	if grains[0] == grainStep {
		return []stretch{{grainStep, from, to, sign}}
	}
	first, last := nearest(grains[0], from), nearest(grains[0], to)
	if !first.Before(last) { // none is whole, nor nearly
		return cover(from, to, sign, grains[1:]...)
	}
	// What lies at an end is missing in the whole ones, or, if they reach beyond it, too much.
	edge := func(a, b time.Time, sign int64) []stretch {
		if b.Before(a) {
			a, b, sign = b, a, -sign
		}
		return cover(a, b, sign, grains[1:]...)
	}
	out := append(edge(from, first, sign), stretch{grains[0], first, last, sign})
	return append(out, edge(last, to, sign)...)
}

// nearest is the beginning of a day or month that lies nearest to t.
func nearest(grain int, t time.Time) time.Time {
	a := begin(grain, t)
	b := next(grain, a)
	if t.Sub(a) < b.Sub(t) {
		return a
	}
	return b
}
