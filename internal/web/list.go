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
		at := place(l.Items[p.Limit-1])
		b := binary.BigEndian.AppendUint64(nil, uint64(at.At.UnixMicro()))
		l.NextCursor = base64.RawURLEncoding.EncodeToString(append(b, at.ID[:]...))
	}
	return l
}
