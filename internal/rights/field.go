package rights

import "github.com/cedar-policy/cedar-go"

// Field is a part of what is personal of a lead, as far as policies tell parts
// apart.
type Field uint8

// The fields.
const (
	Name Field = iota
	Phone
	Email
	Message    // of an enquiry
	Custom     // custom fields that are not marked non-personal, and consent
	Notes      // what was written down: notes, places of visits
	Submission // what came in, as it came
	fieldCount
)

var fieldWords = [fieldCount]string{"name", "phone", "email", "message", "custom", "notes", "submission"}

func (f Field) String() string { return fieldWords[f] }

// Fields lists them, in the order of docs/rights.md.
func Fields() (out []Field) {
	for f := range fieldCount {
		out = append(out, f)
	}
	return out
}

// Form is how much of a field somebody is given.
type Form uint8

// The forms, each more than the one before.
const (
	Nothing Form = iota
	Masked       // enough to tell numbers apart, too little to call one
	Clear
)

var formWords = [...]string{"–", "masked", "clear"}

func (f Form) String() string { return formWords[f] }

// Standing is how somebody stands to a lead: one of Owner, InTeam and Other, and
// perhaps Offered besides.
type Standing cell

// The standings.
const (
	Owner   = Standing(owned)
	Offered = Standing(offered) // it is on open offer to them
	InTeam  = Standing(team)    // of a project whose team they are in
	Other   = Standing(other)
)

// Sight is how much of each field of a lead somebody is given. The zero Sight
// is nothing of any.
type Sight [fieldCount]Form

// Of is how much of the field.
func (s Sight) Of(f Field) Form { return s[f] }

// Sight is what they are given of a lead to which they stand so. masks says
// that the account masks what is on offer.
func (r Rights) Sight(as Standing, masks bool) (s Sight) {
	if r.t == nil {
		return s
	}
	for f, given := range r.t.fields[state(masks)] {
		switch {
		case given.clear&cell(as) != 0:
			s[f] = Clear
		case given.masked&cell(as) != 0:
			s[f] = Masked
		}
	}
	return s
}

// given is for which of the sample leads a field is given, and how.
type given struct{ clear, masked cell }

// state is a place in table.fields.
func state(masks bool) int {
	if masks {
		return 1
	}
	return 0
}

// Each field is an action in one of two groups, so that a policy names one
// field, or all.
var (
	inClear = cedar.NewEntityUID("Action", "open")
	masking = cedar.NewEntityUID("Action", "mask")
)

func fieldAction(group cedar.EntityUID, f Field) cedar.EntityUID {
	return cedar.NewEntityUID("Action", group.ID+":"+cedar.String(f.String()))
}

// fieldActions are the actions as entities, each in its group.
func fieldActions() cedar.EntityMap {
	out := cedar.EntityMap{}
	for _, group := range []cedar.EntityUID{inClear, masking} {
		for f := range fieldCount {
			uid := fieldAction(group, f)
			out[uid] = cedar.Entity{UID: uid, Parents: cedar.NewEntityUIDSet(group)}
		}
	}
	return out
}
