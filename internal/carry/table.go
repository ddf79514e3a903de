package carry

import (
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/store/members"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
)

// The words beside those of forms. All but key and project are history's.
const (
	wordKey     = "key"     // the row's own name, instead of its number
	wordProject = "project" // id or slug
	wordCreated = "created_at"
	wordOwner   = "owner" // id or e-mail address of a user
	wordStage   = "stage" // id, slug or name
	wordReason  = "reason"
	wordNote    = "note"
)

var (
	always = []string{wordKey, wordProject}
	past   = []string{wordCreated, wordOwner, wordStage, wordReason, wordNote}
)

func isWord(word, mode string) bool {
	return slices.Contains(always, word) || mode == History && slices.Contains(past, word)
}

// checkMapping refuses words that a column cannot go to.
func checkMapping(mapping map[string]string, mode string) error {
	for _, to := range mapping {
		if !isWord(to, mode) && (!submission.Target(to) || to == "test") {
			return problem.InvalidField("mapping", "unknown_target",
				"Map to a path such as person.phone or custom.budget, to - to leave the column out, to key or project, or in history to created_at, owner, stage, reason or note. See docs/import.md.")
		}
	}
	return nil
}

// plan is how the rows of one import are read: all of it is loaded once a run.
type plan struct {
	m        *files.Import
	columns  []string // where each goes
	facts    *setup.Facts
	source   setup.SourceFacts
	projects map[string]account.ProjectID // by id and slug
	stages   map[string]setup.Stage       // by id, slug and name, in small letters
	first    setup.Stage                  // where a lead begins
	users    map[string]account.UserID    // by id; found by address as they come
	key      []byte                       // of enquiry ids
	now      time.Time
}

func (c *Carrier) plan(tx *store.Tx, m *files.Import, head []string, key []byte) (*plan, error) {
	facts, err := setup.ReadFacts(tx)
	if err != nil {
		return nil, err
	}
	p := &plan{m: m, facts: facts, source: facts.Sources[m.Source], projects: map[string]account.ProjectID{},
		stages: map[string]setup.Stage{}, users: map[string]account.UserID{}, key: key, now: store.Clock(time.Now())}
	projects, err := setup.Projects(tx)
	if err != nil {
		return nil, err
	}
	for _, x := range projects {
		p.projects[x.ID.String()], p.projects[strings.ToLower(x.Slug)] = x.ID, x.ID
	}
	stages, err := setup.Stages(tx)
	if err != nil {
		return nil, err
	}
	for _, x := range stages {
		p.stages[strings.ToLower(x.Name)] = x
	}
	for _, x := range stages {
		p.stages[x.ID.String()], p.stages[strings.ToLower(x.Slug)] = x, x
		if x.ID == facts.NewStage {
			p.first = x
		}
	}
	all, err := members.All(tx)
	for _, x := range all {
		p.users[x.ID.String()] = x.ID
	}
	p.columns = columns(head, m.Mapping, p.source.Mapping, m.Mode)
	return p, err
}

// columns finds where each column goes: as the import's mapping says, a word
// of imports by its own name, then as a form of the source would.
func columns(head []string, mapping, source map[string]string, mode string) []string {
	out := make([]string, len(head))
	for i, name := range head {
		name = strings.TrimSpace(name)
		to, given := mapping[name]
		if !given {
			to = strings.ToLower(strings.ReplaceAll(name, " ", "_"))
			if !isWord(to, mode) {
				to = submission.PathOf(name, source)
			}
		}
		switch {
		case name == "" && !given:
			to = submission.Ignore
		case to == "test", to == "source", strings.HasPrefix(name, "_"): // ours, and of forms alone
			to = "custom." + strings.TrimLeft(name, "_")
		}
		if rest, ok := strings.CutPrefix(to, "custom."); ok {
			for len(rest) > submission.MaxCustomName {
				_, n := utf8.DecodeLastRuneInString(rest)
				rest = rest[:len(rest)-n]
			}
			to = "custom." + rest
		}
		out[i] = to
	}
	return out
}

// entry is a row on its way.
type entry struct {
	row     int64
	id      lead.EnquiryID
	project account.ProjectID
	at      time.Time
	body    []byte // a form, with the words as its fields' names
	past    []byte // JSON of a submission.Past; nil in a live import
	fault   *Fault // why it is refused
}

// Fault is what is wrong with a row. It never holds a value, nor a column's
// name: the first line of a file that names no columns is a person.
type Fault struct {
	Row    int64  `json:"row"`
	Column int    `json:"column,omitempty"` // from 1; 0 when it is no single one
	Field  string `json:"field"`
	Code   string `json:"code"`
}

// fault names the first column that goes to the field.
func (p *plan) fault(row int64, field, code string) *Fault {
	f := &Fault{Row: row, Field: field, Code: code, Column: slices.Index(p.columns, field) + 1}
	if strings.HasPrefix(field, "custom.") && !p.named(field) {
		f.Field = "custom"
	}
	return f
}

// named reports whether a mapping leads to the path: then it is a word of the
// account's, and not just what stood in a file's first line.
func (p *plan) named(path string) bool {
	for _, m := range []map[string]string{p.m.Mapping, p.source.Mapping} {
		for _, to := range m {
			if to == path {
				return true
			}
		}
	}
	return false
}

// waysOut say what to do about a fault, by its code.
var waysOut = map[string]string{
	"contact_missing":  "A lead needs a phone or an e-mail: fill a column that goes to person.phone or person.email.",
	"too_long":         "Shorten the value.",
	"too_many":         "Put fewer values into the cell.",
	"too_many_fields":  "Leave columns out by mapping them to -.",
	"name_length":      "Give the column a shorter name, or map it.",
	"too_many_columns": "The row has more values than the first line has names: is a separator or a quote missing?",
	"body_too_large":   "Shorten the row's texts.",
	"unknown_project":  "Use the id or the slug of a project of this account, or leave the cell empty.",
	"unknown_stage":    "Use the id, slug or name of a stage of this account, or leave the cell empty.",
	"unknown_user":     "Use the id or the e-mail address of a user of this account, or leave the cell empty.",
	"bad_time":         "Use 2024-03-01T09:30:00Z, 2024-03-01 09:30 or 2024-03-01, after 1990 and not in the future.",
}

// wayOut is the same for a code that is not among them.
func wayOut(code string) string {
	if code == "" {
		return ""
	}
	if text, ok := waysOut[code]; ok {
		return text
	}
	return "Mend the value, and import the row again."
}

// Faults reads what Import.Faults holds.
func Faults(m *files.Import) (out []Fault, err error) {
	err = json.Unmarshal([]byte(m.Faults), &out)
	return out, err
}

// Detail says what to do about the fault.
func (f Fault) Detail() string { return wayOut(f.Code) }

const formType = "application/x-www-form-urlencoded"

// read makes an entry of a row. user finds a user by address.
func (p *plan) read(n int64, row []string, user func(string) (account.UserID, error)) (entry, error) {
	e := entry{row: n, project: p.source.Project, at: p.now}
	refuse := func(field, code string) (entry, error) {
		e.fault = p.fault(n, field, code)
		return e, nil
	}
	for len(row) > len(p.columns) && strings.TrimSpace(row[len(row)-1]) == "" {
		row = row[:len(row)-1] // separators at the end of a line
	}
	if len(row) > len(p.columns) {
		e.fault = &Fault{Row: n, Column: len(p.columns) + 1, Code: "too_many_columns"}
		return e, nil
	}
	words := map[string]string{}
	for i, v := range row {
		to := p.columns[i]
		v = strings.TrimSpace(v)
		if t := strings.TrimPrefix(v, "'"); t != v && Inert(t) == v {
			v = t // as an export has it
		}
		if to == submission.Ignore || v == "" {
			continue
		}
		if isWord(to, p.m.Mode) {
			words[to] = v
			continue
		}
		if len(e.body) > 0 {
			e.body = append(e.body, '&')
		}
		e.body = append(e.body, url.QueryEscape(to)+"="+url.QueryEscape(v)...)
	}
	if _, err := submission.Decode(submission.AsForm, formType, e.body, nil); err != nil {
		return refuse(fieldOf(err))
	}
	if name := words[wordProject]; name != "" {
		id, ok := p.projects[strings.ToLower(name)]
		if !ok {
			return refuse(wordProject, "unknown_project")
		}
		e.project = id
	}
	name := hex.EncodeToString(p.m.FileMAC) + "/" + itoa(n)
	if k := words[wordKey]; k != "" {
		name = "key/" + k
	}
	e.id = lead.KeyedEnquiryID(p.key, "import/"+p.m.Source.String(), name)
	if p.m.Mode == Live {
		return e, nil
	}
	return p.readPast(e, words, user)
}

func (p *plan) readPast(e entry, words map[string]string, user func(string) (account.UserID, error)) (entry, error) {
	refuse := func(field, code string) (entry, error) {
		e.fault = p.fault(e.row, field, code)
		return e, nil
	}
	if s := words[wordCreated]; s != "" {
		at, ok := instant(s)
		if !ok || at.After(p.now) || at.Year() < 1990 {
			return refuse(wordCreated, "bad_time")
		}
		e.at = at
	}
	stage := p.first
	if s := words[wordStage]; s != "" {
		var ok bool
		if stage, ok = p.stages[strings.ToLower(s)]; !ok {
			return refuse(wordStage, "unknown_stage")
		}
	}
	b := submission.Past{Stage: stage.ID, Category: stage.Category, Reason: words[wordReason], Note: words[wordNote]}
	if len(b.Reason) > 60 {
		return refuse(wordReason, "too_long")
	}
	if utf8.RuneCountInString(b.Note) > submission.MaxMessage {
		return refuse(wordNote, "too_long")
	}
	if s := words[wordOwner]; s != "" {
		id, err := p.owner(s, user)
		if err != nil {
			return e, err
		}
		if id.IsZero() {
			return refuse(wordOwner, "unknown_user")
		}
		b.Owner = id
	}
	var err error
	e.past, err = json.Marshal(b)
	return e, err
}

func (p *plan) owner(s string, user func(string) (account.UserID, error)) (account.UserID, error) {
	s = strings.ToLower(s)
	id, known := p.users[s]
	if known {
		return id, nil
	}
	id, err := user(s)
	if err == nil && len(p.users) < 10_000 {
		p.users[s] = id
	}
	return id, err
}

// instant reads a time; one without a zone is UTC.
func instant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return store.Clock(t), true
		}
	}
	return time.Time{}, false
}

// fieldOf names the first fault by the decoder's words, which hold no value.
func fieldOf(err error) (field, code string) {
	p, ok := problem.Of(err)
	if !ok {
		return "", "unreadable"
	}
	if len(p.Errors) > 0 {
		return p.Errors[0].Field, p.Errors[0].Code
	}
	return "", p.Code
}
