// Package clear keeps clear text where fmt, encoding/json, log/slog,
// reflection-based drivers and == cannot reach it: in a closure. A struct
// with polite String and MarshalJSON methods would leak from an unexported
// field of another struct, because fmt calls no methods there; a func prints
// as an address wherever it stands.
package clear

import (
	"database/sql/driver"
	"errors"
	"log/slog"
)

// Text is clear text. The zero Text is empty.
type Text struct {
	_   [0]func() // makes Text incomparable even if get changes its type
	get func() string
}

// Hide wraps s.
func Hide(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{get: func() string { return s }}
}

// Reveal is for vault/reveal.
func Reveal(t Text) string {
	if t.get == nil {
		return ""
	}
	return t.get()
}

// Empty reports whether there is no text.
func (t Text) Empty() bool { return t.get == nil }

const hidden = "[personal]"

var errHidden = errors.New("vault: personal data cannot be encoded; seal it, or use vault/reveal at the screen")

// String and its siblings keep an accident polite; safety does not rest on them.
func (Text) String() string                 { return hidden }
func (Text) GoString() string               { return hidden }
func (Text) LogValue() slog.Value           { return slog.StringValue(hidden) }
func (Text) MarshalJSON() ([]byte, error)   { return nil, errHidden }
func (Text) MarshalText() ([]byte, error)   { return nil, errHidden }
func (Text) MarshalBinary() ([]byte, error) { return nil, errHidden }
func (Text) GobEncode() ([]byte, error)     { return nil, errHidden }
func (Text) Value() (driver.Value, error)   { return nil, errHidden }
