package submission

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/vault"
)

// textField is a field that holds text: its limit and where it goes. JSON and
// forms share it, so that the same lead is the same submission by either way.
type textField struct {
	max   int
	runes bool // max counts characters, else bytes
	set   func(s *Submission, v string)
}

var textFields = makeTextFields()

func makeTextFields() map[string]*textField {
	personal := func(at func(*Submission) *vault.Personal) func(*Submission, string) {
		return func(s *Submission, v string) { *at(s) = s.hide(v) }
	}
	open := func(at func(*Submission) *string) func(*Submission, string) {
		return func(s *Submission, v string) { *at(s) = s.clean(v) }
	}
	m := map[string]*textField{
		pathSource:  {maxReference, false, open(func(s *Submission) *string { return &s.Source })},
		pathProject: {maxReference, false, open(func(s *Submission) *string { return &s.Project })},
		pathName:    {MaxName, true, setName},
		pathPhone:   {MaxPhone, true, personal(func(s *Submission) *vault.Personal { return &s.Person.Phone })},
		pathEmail:   {MaxEmail, false, setEmail},
		pathMessage: {MaxMessage, true, personal(func(s *Submission) *vault.Personal { return &s.Message })},
		pathLanding: {maxURL, false, personal(func(s *Submission) *vault.Personal { return &s.Attribution.LandingPage })},
		pathReferer: {maxURL, false, personal(func(s *Submission) *vault.Personal { return &s.Attribution.Referrer })},
		pathConsent: {maxConsent, true, personal(func(s *Submission) *vault.Personal { return &s.Consent.Text })},
		pathVersion: {maxReference, false, open(func(s *Submission) *string { return &s.Consent.Version })},
		pathGivenAt: {maxReference, false, setGivenAt},
		pathChannel: {maxReference, false, addChannel},
	}
	for _, n := range paramNames {
		m["attribution."+n] = &textField{maxParam, false, func(s *Submission, v string) {
			if v = s.clean(v); v != "" {
				s.Attribution.Params = append(s.Attribution.Params, Param{n, v})
			}
		}}
	}
	return m
}

// hide takes a personal value as it is; a blank one is as good as left out.
func (s *Submission) hide(v string) vault.Personal {
	if hasControl(v) {
		s.flag(lead.ControlCharacters)
	}
	if blank(v) {
		return vault.Personal{}
	}
	return vault.Hide(v)
}

// clean tidies a value that is not personal.
func (s *Submission) clean(v string) string {
	if hasControl(v) {
		s.flag(lead.ControlCharacters)
	}
	return tidy(v)
}

func setName(s *Submission, v string) {
	if s.Person.Name = s.hide(v); !s.Person.Name.Empty() && oddName(v) {
		s.flag(lead.NameOdd)
	}
}

func setEmail(s *Submission, v string) {
	s.Person.Email = s.hide(v)
	if s.Person.Email.Empty() {
		return
	}
	if _, ok := Email(v); !ok {
		s.flag(lead.EmailUnparseable)
	}
}

func setGivenAt(s *Submission, v string) {
	s.Consent.GivenText = s.hide(v)
	if s.Consent.GivenText.Empty() {
		return
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(v))
	if err != nil {
		s.flag(lead.ConsentTimeOdd)
		return
	}
	s.Consent.GivenAt = at.UTC()
}

func addChannel(s *Submission, v string) {
	if v = s.clean(v); v != "" {
		s.Consent.Channels = append(s.Consent.Channels, v)
	}
}

// fits checks the limit.
func (f *textField) fits(v string) bool {
	if len(v) <= f.max {
		return true
	}
	return f.runes && len(v) <= f.max*utf8.UTFMax && utf8.RuneCountInString(v) <= f.max
}

func (f *textField) unit() string {
	if f.runes {
		return "characters"
	}
	return "bytes"
}

// faults collects what a caller has to mend, up to maxFaults: nobody mends a
// hundred at a time.
type faults struct{ list []problem.Field }

const maxFaults = 50

func (f *faults) full() bool { return len(f.list) >= maxFaults }

func (f *faults) add(field, code, format string, args ...any) {
	if !f.full() {
		f.list = append(f.list, problem.Field{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

// setText puts a text where it belongs, or says that it is too long.
func (f *faults) setText(s *Submission, path, v string) {
	t := textFields[path]
	if !t.fits(v) {
		f.add(path, "too_long", "Send at most %d %s.", t.max, t.unit())
		return
	}
	t.set(s, v)
}

// addCustom appends a field whose value is the given JSON.
func (f *faults) addCustom(s *Submission, name, json string) {
	switch {
	case name == "" || len(name) > MaxCustomName:
		f.add("custom."+shown(name), "name_length", "A custom field's name has 1 to %d bytes.", MaxCustomName)
	case len(json) > MaxCustomValue:
		f.add("custom."+shown(name), "too_long", "Send at most %d bytes, counted as JSON.", MaxCustomValue)
	default:
		if hasControl(name) {
			s.flag(lead.ControlCharacters)
		}
		s.Custom = append(s.Custom, custom(name, json))
	}
}

func (f *faults) tooManyCustom() {
	f.add("custom", "too_many_fields", "Send at most %d custom fields; put longer data into one of them or leave it out.", MaxCustom)
}

// finish makes the checks that need the whole submission.
func (f *faults) finish(s *Submission) error {
	if len(s.Custom) > manyCustom {
		s.flag(lead.ManyCustom)
	}
	if s.Person.Phone.Empty() && s.Person.Email.Empty() && !f.about("person") {
		f.add("person", "contact_missing", "A lead needs a phone or an e-mail: send person.phone or person.email.")
	}
	if len(f.list) > 0 {
		return problem.Invalid(f.list...)
	}
	return nil
}

// about reports whether a fault of the object was found already: then what is
// missing from it may only be hidden by that fault.
func (f *faults) about(object string) bool {
	for _, x := range f.list {
		if x.Field == object || strings.HasPrefix(x.Field, object+".") {
			return true
		}
	}
	return false
}
