package followup

import (
	"slices"
	"time"

	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/changes"
	"catchment/internal/store/leads"
)

// MaxTags is how many tags a lead can have.
const MaxTags = 20

// Tag makes a tag of what was sent: like a reason, with digits: "Hot 2026"
// becomes "hot-2026". Tags stand in clear, hence no sentences.
func Tag(s string) (string, bool) {
	var letters []byte
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == ' ' || c == '_':
			c = '-'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
		default:
			return "", false
		}
		letters = append(letters, c)
	}
	digits := 0
	for _, c := range letters {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	// Seven digits would be somebody's telephone number.
	return string(letters), len(letters) > 0 && len(letters) <= 40 && digits <= 6
}

// SetTags gives the lead exactly these tags and returns them, sorted.
func (f *Followup) SetTags(tx *store.Tx, w Worker, id lead.ID, tags []string, now time.Time) (leads.Lead, []string, error) {
	l, err := f.load(tx, w, id)
	if err != nil {
		return l, nil, err
	}
	want := []string{}
	for _, t := range tags {
		tag, ok := Tag(t)
		if !ok {
			return l, nil, problem.InvalidField("tags", "bad_tag", "A tag is a code: up to 40 letters, digits (six at most) and hyphens.")
		}
		want = append(want, tag)
	}
	slices.Sort(want)
	if want = slices.Compact(want); len(want) > MaxTags {
		return l, nil, problem.InvalidField("tags", "too_many", "A lead has up to 20 tags.")
	}
	all, err := leads.TagsOf(tx, l.ID)
	if err != nil {
		return l, nil, err
	}
	have := append([]string{}, all[l.ID]...)
	slices.Sort(have)
	add := without(want, have)
	drop := without(have, want)
	if len(add)+len(drop) == 0 {
		return l, want, nil
	}
	if err := leads.Bump(tx, &l); err != nil {
		return l, nil, err
	}
	if err := leads.DropTags(tx, l.ID, drop); err != nil {
		return l, nil, err
	}
	if err := leads.AddTags(tx, l, add); err != nil {
		return l, nil, err
	}
	if err := told(tx, l, w, now, "tags", have, want); err != nil {
		return l, nil, err
	}
	f.emit(tx, events.LeadTagged, l, w, now, map[string]any{"added": add, "removed": drop})
	return l, want, nil
}

// told keeps what a field of the lead was and is, by whom.
func told(tx *store.Tx, l leads.Lead, w Worker, now time.Time, field string, was, is any) error {
	all, err := changes.Of(field, was, is)
	if err != nil {
		return err
	}
	return changes.Add(tx, l.ID.String(), store.Clock(w.when(now)), w.Actor, all...)
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
