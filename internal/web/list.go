package web

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"catchment/internal/problem"
)

// Page is the input of a list: how many, and from where.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most."`
	Cursor string `query:"cursor" doc:"The next_cursor of the page before; opaque."`
}

// List is the answer of a list.
type List[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Send as cursor for the next page; absent on the last."`
}

// Place is where a page begins: just after the item of this time and id, in
// the order newest first. The zero Place is the beginning.
type Place struct {
	At time.Time
	ID [16]byte
}

// Start reads the page's cursor.
func (p Page) Start() (Place, error) {
	if p.Cursor == "" {
		return Place{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || len(b) != 24 {
		return Place{}, problem.InvalidField("cursor", "bad_cursor", "Send the next_cursor of an earlier page as it was, or leave cursor out to begin anew.")
	}
	pl := Place{At: time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()}
	copy(pl.ID[:], b[8:])
	return pl, nil
}

// NewList makes the answer from up to limit+1 items: the one too many says
// that there is a next page, which begins after the limit's last.
func NewList[T any](p Page, items []T, place func(T) Place) *List[T] {
	if items == nil {
		items = []T{}
	}
	l := &List[T]{Items: items}
	if len(items) > p.Limit {
		l.Items = items[:p.Limit]
		l.NextCursor = place(l.Items[p.Limit-1]).Cursor()
	}
	return l
}

// Cursor is the place as a caller sends it back; Start reads it.
func (p Place) Cursor() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.At.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, p.ID[:]...))
}

// ListOf is NewList for items that are shown in another form than the rows'.
func ListOf[R, T any](p Page, rows []R, place func(R) Place, view func(R) T) *List[T] {
	cut := NewList(p, rows, place)
	out := &List[T]{Items: make([]T, len(cut.Items)), NextCursor: cut.NextCursor}
	for i, r := range cut.Items {
		out.Items[i] = view(r)
	}
	return out
}

// IDAt is the id of a page's beginning as the list's own kind; the zero id at
// the beginning of the list.
func IDAt[T any, P interface {
	*T
	Scan(any) error
}](from Place) (id T) {
	if from.At.IsZero() {
		return id
	}
	_ = P(&id).Scan(from.ID[:]) // 16 bytes always fit
	return id
}

// OrNull is null in an answer for what there is none of.
func OrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// TimeOrNull is null in an answer for what has not come.
func TimeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// PathID reads an id of a path. What is no id answers like one that never was.
func PathID[T interface{ IsZero() bool }](s string, parse func(string) (T, error)) (T, error) {
	id, err := parse(s)
	if err != nil || id.IsZero() {
		return id, problem.NotFound()
	}
	return id, nil
}

// Instant reads a time of a query; zero when it is not sent.
func Instant(field, s string) (t time.Time, err error) {
	if s == "" {
		return t, nil
	}
	if t, err = time.Parse(time.RFC3339, s); err != nil {
		return t, problem.InvalidField(field, "bad_time", "Send a time such as 2026-03-02T00:00:00Z.")
	}
	return t, nil
}
