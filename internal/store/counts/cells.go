package counts

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

	ofHour Dim = "hour" // the half hour of the day, UTC; months only, made of ByAll

	// Flows: what happened, by when it happened.
	flowAll     Dim = "flow-all"
	flowProject Dim = "flow-project"
	flowSource  Dim = "flow-source"
)

// Dims lists those that figures are asked by.
func Dims() []Dim { return []Dim{ByAll, OfProject, OfSource, OfOrigin, OfCampaign, OfUser} }

// Step is the least time that figures are told apart by: days and hours begin
// at a half hour of UTC in many a time zone.
const Step = 30 * time.Minute

// The grains: how much time one cell is of.
const (
	grainStep = iota
	grainDay
	grainMonth
)

var grains = [...]struct{ letter, layout string }{{"h", "200601021504"}, {"d", "20060102"}, {"m", "200601"}}

// slot is one stretch of time of one dim.
type slot struct {
	dim   Dim
	grain int
	at    int64 // seconds
}

func slotOf(d Dim, grain int, t time.Time) slot { return slot{d, grain, begin(grain, t).Unix()} }

func (s slot) start() time.Time { return time.Unix(s.at, 0).UTC() }

// name is the first part of a cell's name: "source/d/20260302/". Names are in
// the order of their times.
func (s slot) name() string {
	g := grains[s.grain]
	return string(s.dim) + "/" + g.letter + "/" + s.start().Format(g.layout) + "/"
}

// begin is when the half hour, day or month of t begins, in UTC.
func begin(grain int, t time.Time) time.Time {
	t = t.UTC()
	switch grain {
	case grainStep:
		return t.Truncate(Step)
	case grainDay:
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// next is when the one after it begins.
func next(grain int, t time.Time) time.Time {
	switch grain {
	case grainStep:
		return t.Add(Step)
	case grainDay:
		return t.AddDate(0, 0, 1)
	}
	return t.AddDate(0, 1, 0)
}

// Figures are sums by slot and key. They are gathered by half hours; days and months
// are made of them when they are kept.
type Figures map[slot]map[string]*Tally

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
		f.at(slotOf(d, grainStep, p.At), keys[i]).Merge(&p.Tally, sign)
	}
}

func (f Figures) at(s slot, key string) *Tally {
	keys := f[s]
	if keys == nil {
		keys = map[string]*Tally{}
		f[s] = keys
	}
	t := keys[key]
	if t == nil {
		t = &Tally{}
		keys[key] = t
	}
	return t
}

// Merge adds sign times the others.
func (f Figures) Merge(o Figures, sign int64) {
	for at, keys := range o {
		for key, t := range keys {
			f.at(at, key).Merge(t, sign)
		}
	}
}

// whole is the figures with the days and months of their half hours.
func (f Figures) whole() Figures {
	out := maps.Clone(f)
	for at, keys := range f {
		for key, t := range keys {
			for grain := grainDay; grain <= grainMonth; grain++ {
				out.at(slotOf(at.dim, grain, at.start()), key).Merge(t, 1)
			}
			if at.dim == ByAll {
				out.at(slotOf(ofHour, grainMonth, at.start()), at.start().Format("1504")).Merge(t, 1)
			}
		}
	}
	return out
}

// Less removes what has none but zeros.
func (f Figures) Less() {
	for at, keys := range f {
		maps.DeleteFunc(keys, func(_ string, t *Tally) bool { return t.Zero() })
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

// A row of figure_cell is a day or month of one key, or a half hour of all
// keys: there are so many of these that a row for each key would be most of the
// table, and each has so few leads that it is little to write anew.
var (
	cellsOf = store.List("counts.cell.of", `SELECT cell, sums FROM figure_cell WHERE account_id = $1 AND cell IN (LIST)`)
	cellAll = store.Register("counts.cell.all", `SELECT cell, sums FROM figure_cell WHERE account_id = $1 AND cell >= $2 AND cell < $3`)
	cellSet = store.Bulk("counts.cell.set", `INSERT INTO figure_cell (account_id, cell, sums) VALUES`,
		`($1, $2, $3)`, `ON CONFLICT (account_id, cell) DO UPDATE SET sums = excluded.sums`)
	cellDrop = store.Register("counts.cell.drop", `DELETE FROM figure_cell WHERE account_id = $1 AND cell >= $2 AND cell < $3`)
)

// row is what a row of figure_cell is to hold more.
type row struct {
	one   *Tally            // of a day or month
	parts map[string]*Tally // of a half hour
}

// Change adds to the figures that are kept: what is there is read by one
// statement, and written by another.
func Change(tx *store.Tx, change Figures) error {
	change.Less()
	rows := map[string]row{}
	for at, keys := range change.whole() {
		if at.grain == grainStep {
			rows[at.name()] = row{parts: keys}
			continue
		}
		for key, t := range keys {
			rows[at.name()+key] = row{one: t}
		}
	}
	names := slices.Sorted(maps.Keys(rows)) // in order: neighbours lie on the same page
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = n
	}
	sums := make(map[string][]byte, len(names))
	err := tx.QueryList(cellsOf, nil, list, func(scan func(...any) error) error {
		var name string
		var packed []byte
		err := scan(&name, &packed)
		sums[name] = packed
		return err
	})
	if err != nil {
		return err
	}
	out := make([][]any, len(names))
	for i, name := range names {
		packed, err := rows[name].onto(sums[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out[i] = []any{name, packed}
	}
	_, err = tx.Bulk(cellSet, out)
	return err
}

// onto adds the row to what is kept of it.
func (r row) onto(kept []byte) ([]byte, error) {
	if r.one != nil {
		t := Tally{}
		if err := t.unpackRow(kept); err != nil {
			return nil, err
		}
		t.Merge(r.one, 1)
		return t.Pack(), nil
	}
	parts := map[string][]byte{}
	if err := eachPart(kept, func(key string, packed []byte) error { parts[key] = packed; return nil }); err != nil {
		return nil, err
	}
	for key, more := range r.parts {
		t := Tally{}
		if err := t.unpackRow(parts[key]); err != nil {
			return nil, err
		}
		if t.Merge(more, 1); t.Zero() {
			delete(parts, key)
			continue
		}
		parts[key] = t.Pack()
	}
	out := []byte{}
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		out = appendBytes(appendBytes(out, []byte(key)), parts[key])
	}
	return out, nil
}

// unpackRow is Unpack of a row that may not be there yet.
func (t *Tally) unpackRow(kept []byte) error {
	if len(kept) == 0 {
		return nil
	}
	return t.Unpack(kept, 1)
}

func appendBytes(b, x []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(x))), x...)
}

// eachPart calls f with each key of a half hour's row and its packed sums.
func eachPart(b []byte, f func(key string, packed []byte) error) error {
	for r := (reader{b: b}); len(r.b) > 0; {
		key, packed := r.bytes(), r.bytes()
		if r.bad {
			return errPacked
		}
		if err := f(string(key), packed); err != nil {
			return err
		}
	}
	return nil
}

// eachKey calls f with each key of a row of figure_cell and its packed sums: the
// row's name says which key it is of, or that it is a half hour of all keys.
func eachKey(name string, packed []byte, f func(key string, packed []byte) error) error {
	_, rest, _ := strings.Cut(name, "/")
	grain, rest, _ := strings.Cut(rest, "/")
	_, key, ok := strings.Cut(rest, "/")
	if !ok {
		return errPacked
	}
	if grain == grains[grainStep].letter {
		return eachPart(packed, f)
	}
	if len(packed) == 0 {
		return nil
	}
	return f(strings.Clone(key), packed)
}

// parseName reads which slot a row is of.
func parseName(name string) (s slot, err error) {
	parts := strings.SplitN(name, "/", 4)
	if len(parts) != 4 {
		return s, errPacked
	}
	s.dim = Dim(parts[0])
	s.grain = slices.IndexFunc(grains[:], func(g struct{ letter, layout string }) bool { return g.letter == parts[1] })
	if s.grain < 0 {
		return s, errPacked
	}
	at, err := time.Parse(grains[s.grain].layout, parts[2])
	s.at = at.Unix()
	return s, err
}

// Kept reads all figures of the account.
func Kept(tx *store.Tx) (Figures, error) { return kept(tx, append(Dims(), ofHour)) }

func kept(tx *store.Tx, dims []Dim) (Figures, error) {
	out := Figures{}
	for _, d := range dims {
		rows, err := tx.Query(cellAll, string(d)+"/", string(d)+afterSlash)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var name string
			var packed []byte
			if err := scan(&name, &packed); err != nil {
				return err
			}
			at, err := parseName(name)
			if err != nil {
				return err
			}
			if out[at] == nil {
				out[at] = map[string]*Tally{}
			}
			return eachKey(name, packed, func(key string, packed []byte) error {
				t := &Tally{}
				out[at][key] = t
				return t.Unpack(packed, 1)
			})
		})
		if err != nil {
			return nil, err
		}
	}
	out.Less()
	return out, nil
}

// forget removes all cells of the dims.
func forget(tx *store.Tx, dims []Dim) error {
	for _, d := range dims {
		if _, err := tx.Exec(cellDrop, string(d)+"/", string(d)+afterSlash); err != nil {
			return err
		}
	}
	return nil
}

// afterSlash is the letter after the one that ends a dim's name.
const afterSlash = "0"
