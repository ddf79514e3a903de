package receipt

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// maxText bounds what Parse reads: the longest receipt has 2.3 kB.
const maxText = 16 << 10

// AppendJSON appends the receipt as one line of JSON: the members in the order
// of the struct, nothing escaped, an empty path as []. It is what encoding/json
// makes of the struct, several times faster; the door sends one for each lead.
func AppendJSON(dst []byte, r *Receipt) []byte {
	dst = append(dst, `{"v":`...)
	dst = strconv.AppendInt(dst, int64(r.V), 10)
	dst = appendText(append(dst, `,"id":`...), r.ID.String())
	dst = appendText(append(dst, `,"received_at":`...), r.ReceivedAt)
	dst = append64(append(dst, `,"sha256":`...), r.SHA256[:])
	dst = append64(append(dst, `,"salt":`...), r.Salt[:])
	dst = appendText(append(dst, `,"stream":`...), r.Stream)
	dst = strconv.AppendUint(append(dst, `,"seq":`...), r.Seq, 10)
	dst = strconv.AppendUint(append(dst, `,"index":`...), r.Index, 10)
	dst = strconv.AppendUint(append(dst, `,"size":`...), r.Size, 10)
	dst = append(dst, `,"path":[`...)
	for i := range r.Path {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append64(dst, r.Path[i][:])
	}
	dst = append64(append(dst, `],"root":`...), r.Root[:])
	dst = appendText(append(dst, `,"key_id":`...), r.KeyID)
	dst = append64(append(dst, `,"signature":`...), r.Signature[:])
	return append(dst, '}')
}

// MarshalJSON implements json.Marshaler by AppendJSON.
func (r Receipt) MarshalJSON() ([]byte, error) { return AppendJSON(nil, &r), nil }

// UnmarshalJSON implements json.Unmarshaler by Parse.
func (r *Receipt) UnmarshalJSON(b []byte) error {
	got, err := Parse(b)
	if err != nil {
		return err
	}
	*r = *got
	return nil
}

func append64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = b64.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendText quotes s. The valid streams, key ids and times need no escape;
// AppendQuote is for a Receipt that check would refuse.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			dst, _ = jsontext.AppendQuote(dst, s) // the error is bad UTF-8, replaced
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// Parse reads a receipt strictly: every member once, no other, each in its one
// form; white space between them and their order are free. What it accepts is
// well formed; only Verify tells whether it is true.
func Parse(b []byte) (*Receipt, error) {
	if len(b) > maxText {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrForm, maxText)
	}
	p := parser{in: jsontext.NewDecoder(bytes.NewReader(b))}
	var r Receipt
	seen := 0
	err := p.object(func(name string) error {
		seen++
		return p.member(&r, name)
	})
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	if seen != members {
		return nil, fmt.Errorf("%w: a member is missing", ErrForm)
	}
	if _, err := ParseTime(r.ReceivedAt); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return &r, nil
}

const members = 13

func (p *parser) member(r *Receipt, name string) (err error) {
	var n uint64
	switch name {
	case "v":
		n, err = p.number()
		r.V = int(n)
	case "id":
		return p.text(&r.ID)
	case "received_at":
		r.ReceivedAt, err = p.string()
	case "sha256":
		return p.text(&r.SHA256)
	case "salt":
		return p.text(&r.Salt)
	case "stream":
		r.Stream, err = p.string()
	case "seq":
		r.Seq, err = p.number()
	case "index":
		r.Index, err = p.number()
	case "size":
		r.Size, err = p.number()
	case "path":
		r.Path, err = p.path()
	case "root":
		return p.text(&r.Root)
	case "key_id":
		r.KeyID, err = p.string()
	case "signature":
		return p.text(&r.Signature)
	default:
		return fmt.Errorf("%w: an unknown member", ErrForm)
	}
	return err
}

// parser reads tokens. jsontext refuses repeated names and bad UTF-8. It gets
// a Reader, not a Buffer, so that it never holds on to the caller's bytes.
type parser struct{ in *jsontext.Decoder }

func (p *parser) token(kind jsontext.Kind) (jsontext.Token, error) {
	t, err := p.in.ReadToken()
	if err != nil {
		return t, fmt.Errorf("%w: unreadable JSON at byte %d", ErrForm, p.in.InputOffset())
	}
	if t.Kind() != kind {
		return t, fmt.Errorf("%w: wrong type at byte %d", ErrForm, p.in.InputOffset())
	}
	return t, nil
}

func (p *parser) object(member func(name string) error) error {
	if _, err := p.token(jsontext.KindBeginObject); err != nil {
		return err
	}
	for p.in.PeekKind() != jsontext.KindEndObject {
		name, err := p.string()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := p.token(jsontext.KindEndObject)
	return err
}

func (p *parser) array(item func() error) error {
	if _, err := p.token(jsontext.KindBeginArray); err != nil {
		return err
	}
	for p.in.PeekKind() != jsontext.KindEndArray {
		if err := item(); err != nil {
			return err
		}
	}
	_, err := p.token(jsontext.KindEndArray)
	return err
}

func (p *parser) end() error {
	if _, err := p.in.ReadToken(); err != io.EOF {
		return fmt.Errorf("%w: something follows it", ErrForm)
	}
	return nil
}

func (p *parser) string() (string, error) {
	t, err := p.token(jsontext.KindString)
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// number reads digits alone: no sign, fraction, exponent or leading zero.
func (p *parser) number() (uint64, error) {
	t, err := p.token(jsontext.KindNumber)
	if err != nil {
		return 0, err
	}
	s := t.String()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > MaxSeq || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%w: want a whole number at byte %d", ErrForm, p.in.InputOffset())
	}
	return n, nil
}

func (p *parser) text(v interface{ UnmarshalText([]byte) error }) error {
	s, err := p.string()
	if err != nil {
		return err
	}
	if err := v.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf("%w: wrong value at byte %d", ErrForm, p.in.InputOffset())
	}
	return nil
}

func (p *parser) path() ([]Hash, error) {
	path := []Hash{}
	err := p.array(func() error {
		if len(path) == maxPath {
			return fmt.Errorf("%w: path is longer than %d", ErrForm, maxPath)
		}
		path = append(path, Hash{})
		return p.text(&path[len(path)-1])
	})
	return path, err
}
