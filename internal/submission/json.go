package submission

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"catchment/internal/lead"
	"catchment/internal/problem"
)

// JSONType checks a Content-Type: application/json, in UTF-8 if it says a
// character set at all. Others are refused because what inspects requests in
// front of this program may not read JSON in a body that is called something else.
func JSONType(contentType string) error {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" {
		return problem.WrongType("Send Content-Type: application/json.")
	}
	if cs, ok := params["charset"]; ok && !strings.EqualFold(cs, "utf-8") {
		return problem.WrongType("Send JSON in UTF-8, the only character set it has.")
	}
	return nil
}

// DecodeJSON reads one lead. Errors are *problem.Problem: 413 for a body over
// MaxBody, 400 for what is not JSON, 422 with every fault that was found.
func DecodeJSON(body []byte) (*Submission, error) {
	if len(body) > MaxBody {
		return nil, problem.TooLarge("body_too_large", "Send at most %d KiB for a lead.", MaxBody>>10)
	}
	if err := checkBytes(body); err != nil {
		return nil, err
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	d.start(body)
	if err := d.lead(); err != nil {
		return nil, err
	}
	return d.s, nil
}

// checkBytes refuses what no JSON text begins with or contains (RFC 8259, 8.1).
func checkBytes(body []byte) error {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")), bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return problem.Unreadable("byte_order_mark", "The body begins with a byte order mark. Send UTF-8 without one.")
	case !utf8.Valid(body):
		return problem.Unreadable("invalid_utf8", "The body is not valid UTF-8. Send UTF-8.")
	case len(bytes.TrimLeft(body, " \t\r\n")) == 0:
		return problem.Unreadable("malformed_json", "The body is empty. Send a JSON value.")
	}
	return nil
}

// decoder is one reading of one lead. The jsontext decoder is kept between
// readings; it refuses repeated names and broken surrogate pairs by itself.
type decoder struct {
	buf bytes.Buffer
	in  *jsontext.Decoder
	s   *Submission
	faults
}

var decoders = sync.Pool{New: func() any { return &decoder{in: jsontext.NewDecoder(&bytes.Buffer{})} }}

// start reads from body without changing it: jsontext works in a Buffer's own
// bytes, and only reads there.
func (d *decoder) start(body []byte) {
	d.buf = *bytes.NewBuffer(body)
	d.in.Reset(&d.buf)
	d.s = &Submission{}
	d.faults = faults{}
}

// release lets go of everything personal before the decoder is kept.
func (d *decoder) release() {
	d.buf = bytes.Buffer{}
	d.in.Reset(&d.buf)
	d.s = nil
	d.faults = faults{}
	decoders.Put(d)
}

// key is what may stand under one name of an object.
type key struct {
	path string
	take func(d *decoder, path string) error
}

type object map[string]key

var (
	topObject = object{
		"source":      {pathSource, (*decoder).takeText},
		"project":     {pathProject, (*decoder).takeText},
		"person":      {"person", (*decoder).takePerson},
		"message":     {pathMessage, (*decoder).takeText},
		"attribution": {"attribution", (*decoder).takeAttribution},
		"consent":     {"consent", (*decoder).takeConsent},
		"custom":      {"custom", (*decoder).takeCustom},
		"test":        {pathTest, (*decoder).takeTest},
	}
	personObject      = textObject("person.", personKeys)
	attributionObject = textObject("attribution.", attributionKeys)
	consentObject     = func() object {
		o := textObject("consent.", consentKeys)
		o["channels"] = key{pathChannel, (*decoder).takeChannels}
		return o
	}()
)

func textObject(prefix string, keys []string) object {
	o := object{}
	for _, k := range keys {
		o[k] = key{prefix + k, (*decoder).takeText}
	}
	return o
}

func (d *decoder) lead() error {
	if k := d.in.PeekKind(); k != jsontext.KindBeginObject && k != jsontext.KindInvalid {
		if err := d.skip(); err != nil {
			return err
		}
		if err := d.end(); err != nil {
			return err
		}
		return problem.InvalidField("", "wrong_type", "Send a lead as one JSON object. An array of leads goes to /v1/leads:batch.")
	}
	if err := d.object("", topObject, topKeys); err != nil {
		return err
	}
	if err := d.end(); err != nil {
		return err
	}
	return d.finish(d.s)
}

func (d *decoder) takePerson(path string) error { return d.object(path, personObject, personKeys) }
func (d *decoder) takeConsent(path string) error {
	return d.object(path, consentObject, consentKeys)
}
func (d *decoder) takeAttribution(path string) error {
	return d.object(path, attributionObject, attributionKeys)
}

func (d *decoder) object(path string, known object, keys []string) error {
	prefix := path
	if prefix != "" {
		prefix += "."
	}
	return d.members(path, func(name []byte) error {
		if k, ok := known[string(name)]; ok {
			return k.take(d, k.path)
		}
		d.unknown(prefix, string(name), keys)
		return d.skip()
	})
}

// unknown says so, and what may have been meant.
func (d *decoder) unknown(prefix, name string, keys []string) {
	if d.full() {
		return // a body full of unknown keys shall not buy a search for each
	}
	hint := ""
	if near := nearest(prefix, name, keys); near != "" {
		hint = " Did you mean " + near + "?"
	}
	d.add(prefix+shown(name), "unknown_field", "There is no such field; free fields go under custom.%s", hint)
}

// members calls member for each name of an object; member reads the value.
// null is as good as left out.
func (d *decoder) members(path string, member func(name []byte) error) error {
	if ok, err := d.begin(path, jsontext.KindBeginObject, "an object"); !ok {
		return err
	}
	for d.in.PeekKind() != jsontext.KindEndObject {
		raw, err := d.in.ReadValue()
		if err != nil {
			return d.unreadable(err)
		}
		name := raw[1 : len(raw)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name, _ = jsontext.AppendUnquote(nil, raw) // it was just read as valid
		}
		if err := member(name); err != nil {
			return err
		}
	}
	return d.close()
}

// items calls item for each value of an array; item reads it.
func (d *decoder) items(path string, item func() error) error {
	if ok, err := d.begin(path, jsontext.KindBeginArray, "an array"); !ok {
		return err
	}
	for d.in.PeekKind() != jsontext.KindEndArray {
		if err := item(); err != nil {
			return err
		}
	}
	return d.close()
}

// begin goes into an object or array; !ok means that it has passed over
// something else.
func (d *decoder) begin(path string, kind jsontext.Kind, what string) (ok bool, err error) {
	if ok, err := d.expect(path, kind, what); !ok {
		return false, err
	}
	if _, err := d.in.ReadToken(); err != nil {
		return false, d.unreadable(err)
	}
	return true, nil
}

func (d *decoder) close() error {
	if _, err := d.in.ReadToken(); err != nil {
		return d.unreadable(err)
	}
	return nil
}

// expect looks at the next value: !ok means that it was null, or of another
// type, which is now a fault, and is passed over.
func (d *decoder) expect(path string, kind jsontext.Kind, what string) (ok bool, err error) {
	switch d.in.PeekKind() {
	case kind, jsontext.KindInvalid: // the reading that follows says what is wrong
		return true, nil
	case jsontext.KindNull:
	default:
		d.add(path, "wrong_type", "Send %s here.", what)
	}
	return false, d.skip()
}

func (d *decoder) takeText(path string) error {
	if ok, err := d.expect(path, jsontext.KindString, "a string"); !ok {
		return err
	}
	tok, err := d.in.ReadToken()
	if err != nil {
		return d.unreadable(err)
	}
	d.setText(d.s, path, tok.String())
	return nil
}

func (d *decoder) takeTest(path string) error {
	switch d.in.PeekKind() {
	case jsontext.KindTrue:
		d.s.Test = true
	case jsontext.KindFalse, jsontext.KindNull, jsontext.KindInvalid:
	default:
		d.add(path, "wrong_type", "Send true or false here.")
	}
	return d.skip()
}

func (d *decoder) takeChannels(path string) error {
	n := 0
	return d.items(path, func() error {
		if n++; n == maxChannels+1 {
			d.add(path, "too_many", "Send at most %d channels.", maxChannels)
		}
		if n > maxChannels {
			return d.skip()
		}
		return d.takeText(path)
	})
}

func (d *decoder) takeCustom(path string) error {
	n := 0
	return d.members(path, func(name []byte) error {
		if n++; n == MaxCustom+1 {
			d.tooManyCustom()
		}
		if n > MaxCustom {
			return d.skip()
		}
		return d.takeCustomField(string(name))
	})
}

func (d *decoder) takeCustomField(name string) error {
	var json []byte
	var err error
	good := true
	switch d.in.PeekKind() {
	case jsontext.KindNull:
		return d.skip()
	case jsontext.KindBeginArray:
		json = append(json, '[')
		err = d.items("custom", func() error {
			if len(json) > 1 {
				json = append(json, ',')
			}
			var ok bool
			json, ok, err = d.scalar(json)
			good = good && ok
			return err
		})
		json = append(json, ']')
	default:
		json, good, err = d.scalar(nil)
	}
	if err != nil {
		return err
	}
	if !good {
		d.add("custom."+shown(name), "wrong_type", "Send a string, a number, true, false, or an array of those.")
		return nil
	}
	d.addCustom(d.s, name, string(json))
	return nil
}

// scalar appends the next value as JSON if it is a string, number or bool; if
// not, it passes over it and ok is false.
func (d *decoder) scalar(dst []byte) (_ []byte, ok bool, err error) {
	kind := d.in.PeekKind()
	switch kind {
	case jsontext.KindNull, jsontext.KindBeginObject, jsontext.KindBeginArray:
		return dst, false, d.skip()
	}
	raw, err := d.in.ReadValue()
	if err != nil {
		return dst, false, d.unreadable(err)
	}
	switch kind {
	case jsontext.KindString:
		return d.appendString(dst, raw), true, nil
	case jsontext.KindNumber:
		return appendNumber(dst, raw), true, nil
	}
	return append(dst, raw...), true, nil
}

// appendString gives the string one way of escaping.
func (d *decoder) appendString(dst, raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 && isASCII(string(raw)) && bytes.IndexByte(raw, 0x7f) < 0 {
		return append(dst, raw...)
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // it was just read as valid
	if hasControl(string(text)) {
		d.s.flag(lead.ControlCharacters)
	}
	return appendQuote(dst, string(text))
}

// appendNumber keeps a number's digits as they came. One that no float64 can
// hold becomes a string: later readers would stumble over it.
func appendNumber(dst, raw []byte) []byte {
	if _, err := strconv.ParseFloat(string(raw), 64); err != nil {
		return appendQuote(dst, string(raw))
	}
	return append(dst, raw...)
}

// skip passes over the next value, into which no caller looks; it still has to
// be JSON and not too deep.
func (d *decoder) skip() error {
	outer := d.in.StackDepth()
	for {
		if _, err := d.in.ReadToken(); err != nil {
			return d.unreadable(err)
		}
		depth := d.in.StackDepth()
		if depth > MaxDepth {
			return problem.Unreadable("too_deep", "The JSON is nested more than %d levels deep. Custom fields hold plain values and arrays of them.", MaxDepth)
		}
		if depth <= outer {
			return nil
		}
	}
}

func (d *decoder) end() error {
	if _, err := d.in.ReadToken(); err != io.EOF {
		return problem.Unreadable("trailing_data", "Something follows the JSON value. Send one value.")
	}
	return nil
}

// unreadable turns jsontext's error into a problem. Its text is left behind:
// it may quote the input.
func (d *decoder) unreadable(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case !errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return problem.Unreadable("malformed_json", "The JSON ends too early.")
	case errors.Is(err, jsontext.ErrDuplicateName):
		path := pointerPath(syntax.JSONPointer)
		p := problem.Unreadable("duplicate_key", "The key %s is repeated. Send each key once.", path)
		p.Errors = []problem.Field{{Field: path, Code: "duplicate_key", Detail: "Send this key once."}}
		return p
	case strings.Contains(syntax.Err.Error(), "surrogate"):
		return problem.Unreadable("invalid_utf8", "A \\u escape at byte %d is half of a surrogate pair, which is no character.", syntax.ByteOffset)
	}
	return problem.Unreadable("malformed_json", "The JSON breaks at byte %d.", syntax.ByteOffset)
}

// pointerPath writes a JSON pointer (RFC 6901) the way errors name fields.
func pointerPath(p jsontext.Pointer) string {
	tokens := slices.Collect(p.Tokens())
	for i := range tokens {
		tokens[i] = shown(tokens[i])
	}
	return strings.Join(tokens, ".")
}
