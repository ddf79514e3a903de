package submission

import (
	"mime"
	"slices"
	"strings"

	"catchment/internal/lead"
	"catchment/internal/problem"
)

// Names of form fields that are ours. All begin with an underscore.
const (
	FieldKey      = "_key"      // the idempotency key
	FieldHoneypot = "_hp"       // hidden from people: filled in by programs
	fieldCharset  = "_charset_" // filled in by browsers with the form's encoding (HTML, 4.10.18.5)
)

// Ignore, as the target of a mapping, leaves a field out. (The raw body keeps it.)
const Ignore = "-"

// Decode reads a stored body again, as the door read it. contentType and
// mapping matter to forms alone.
func Decode(kind Kind, contentType string, body []byte, mapping map[string]string) (*Submission, error) {
	if kind == AsForm {
		s, _, err := DecodeForm(contentType, body, mapping)
		return s, err
	}
	return DecodeJSON(body)
}

// DecodeForm reads an HTML form: application/x-www-form-urlencoded, or
// multipart/form-data without files, in UTF-8 or windows-1252. key is its
// idempotency key, "" if it has none.
//
// mapping is the source's: from a form's field name to a path ("person.phone",
// "attribution.utm_source", "custom.budget", Ignore). Names that it does not
// have are known by the usual synonyms, or become custom fields. The first
// value of a word that is not blank counts; what comes later for the same word
// is kept as a custom field under its own name.
func DecodeForm(contentType string, body []byte, mapping map[string]string) (s *Submission, key string, err error) {
	if len(body) > MaxBody {
		return nil, "", problem.TooLarge("body_too_large", "Send at most %d KiB for a lead.", MaxBody>>10)
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = ""
	}
	var pairs []pair
	switch media {
	case "application/x-www-form-urlencoded":
		pairs = parseURLEncoded(body)
	case "multipart/form-data":
		pairs, err = parseMultipart(body, params["boundary"])
	default:
		err = problem.WrongType("Send a form as application/x-www-form-urlencoded or multipart/form-data.")
	}
	if err != nil {
		return nil, "", err
	}
	if len(pairs) > maxPairs {
		return nil, "", problem.InvalidField("custom", "too_many_fields", "Send at most %d fields.", maxPairs)
	}
	f := form{s: &Submission{}, mapping: mapping, custom: map[string]int{}}
	for _, p := range inUTF8(pairs, params["charset"]) {
		f.take(p)
	}
	return f.finish()
}

// maxPairs bounds the work for a body that is all separators; it leaves room
// for the repeated values of MaxCustom fields.
const maxPairs = 1000

// pair is a field as it came.
type pair struct{ name, value string }

// form is one reading of a form.
type form struct {
	s       *Submission
	mapping map[string]string
	key     string

	first, last, name string // put together at the end
	seen              map[string]bool
	custom            map[string]int // name to its place in fields
	fields            []formField
	faults
}

type formField struct {
	name   string
	values []string
}

func (f *form) take(p pair) {
	switch p.name {
	case "", fieldCharset:
		return
	case FieldKey:
		f.key = p.value // an empty one is a script that did not run: as good as none
		return
	case FieldHoneypot:
		if !blank(p.value) {
			f.s.flag(lead.HoneypotFilled)
		}
		return
	}
	path := f.path(p.name)
	switch path {
	case Ignore:
	case pathTest:
		f.s.Test = isYes(p.value)
	case pathChannel:
		f.takeChannels(p.value)
	case pathName, pathFirst, pathLast:
		f.takeNamePart(path, p)
	default:
		f.takeText(path, p)
	}
}

// path is where a field goes: a path of textFields, one of the form's own, or
// "custom." and a name.
func (f *form) path(name string) string {
	if path, ok := f.mapping[name]; ok && isTarget(path) {
		return path
	}
	if path, ok := jsonStyle(name); ok {
		return path
	}
	if path, ok := synonym(name); ok {
		return path
	}
	return "custom." + name
}

// PathOf is where a form's field, or a table's column, of that name goes: as
// the mapping says, by its synonym, or among the custom fields.
func PathOf(name string, mapping map[string]string) string {
	f := form{mapping: mapping}
	return f.path(name)
}

// Target reports whether a source's mapping may lead to the path.
func Target(path string) bool { return isTarget(path) }

func isTarget(path string) bool {
	if _, ok := textFields[path]; ok {
		return true
	}
	custom, ok := strings.CutPrefix(path, "custom.")
	return path == Ignore || path == pathTest || path == pathFirst || path == pathLast || ok && custom != ""
}

// jsonStyle knows the names that somebody may take over from the JSON:
// "person.phone" and "person[phone]", "custom.budget" and "custom[budget]".
func jsonStyle(name string) (path string, ok bool) {
	if head, rest, found := strings.Cut(name, "["); found && strings.HasSuffix(rest, "]") {
		name = head + "." + strings.TrimSuffix(rest, "]")
	}
	if !strings.Contains(name, ".") || name == pathTest {
		return "", false
	}
	return name, isTarget(name)
}

// takeText puts the first value of a word where it belongs.
func (f *form) takeText(path string, p pair) {
	if name, ok := strings.CutPrefix(path, "custom."); ok {
		f.keep(name, p.value)
		return
	}
	if blank(p.value) {
		return
	}
	if !f.claim(path) {
		f.keep(p.name, p.value)
		return
	}
	f.setText(f.s, path, p.value)
}

// claim reports whether the word is still free, and takes it.
func (f *form) claim(path string) bool {
	if f.seen[path] {
		return false
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[path] = true
	return true
}

func (f *form) takeNamePart(path string, p pair) {
	if blank(p.value) {
		return
	}
	if !f.claim(path) {
		f.keep(p.name, p.value)
		return
	}
	switch path {
	case pathFirst:
		f.first = p.value
	case pathLast:
		f.last = p.value
	default:
		f.name = p.value
	}
}

// fullName puts the parts in their order. A part that the name contains already
// is left out: some forms ask for "name" and "surname", some for both and all.
func (f *form) fullName() string {
	var parts []string
	add := func(p string) {
		if p = strings.TrimSpace(p); p != "" {
			parts = append(parts, p)
		}
	}
	if !containsWords(f.name, f.first) {
		add(f.first)
	}
	add(f.name)
	if !containsWords(f.name, f.last) {
		add(f.last)
	}
	return strings.Join(parts, " ")
}

// containsWords passes over names that are too long anyway: the search is
// quadratic.
func containsWords(all, part string) bool {
	if len(all) > 4*MaxName || len(part) > 4*MaxName {
		return false
	}
	have := strings.Fields(strings.ToLower(all))
	for _, w := range strings.Fields(strings.ToLower(part)) {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

func (f *form) takeChannels(value string) {
	for c := range strings.SplitSeq(value, ",") {
		if len(f.s.Consent.Channels) == maxChannels {
			f.add(pathChannel, "too_many", "Send at most %d channels.", maxChannels)
			return
		}
		f.setText(f.s, pathChannel, c)
	}
}

// keep collects custom values by name, in the order of each name's first.
func (f *form) keep(name, value string) {
	i, ok := f.custom[name]
	if !ok {
		i = len(f.fields)
		f.custom[name] = i
		f.fields = append(f.fields, formField{name: name})
	}
	f.fields[i].values = append(f.fields[i].values, value)
}

func isYes(v string) bool {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "1", "true", "yes", "on":
		return true
	}
	return false
}

func (f *form) finish() (*Submission, string, error) {
	if name := f.fullName(); name != "" {
		f.setText(f.s, pathName, name)
	}
	if len(f.fields) > MaxCustom {
		f.tooManyCustom()
		f.fields = f.fields[:MaxCustom]
	}
	for _, x := range f.fields {
		f.addCustom(f.s, x.name, f.json(x.values))
	}
	if f.key != "" {
		if err := checkKey(FieldKey, f.key); err != nil {
			p, _ := problem.Of(err)
			f.list = append(f.list, p.Errors...)
		}
	}
	if err := f.faults.finish(f.s); err != nil {
		return nil, "", err
	}
	return f.s, f.key, nil
}

// json is a string for one value and an array for more.
func (f *form) json(values []string) string {
	var b []byte
	for i, v := range values {
		if hasControl(v) {
			f.s.flag(lead.ControlCharacters)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuote(b, v)
	}
	if len(values) == 1 {
		return string(b)
	}
	return "[" + string(b) + "]"
}
