package signin

import (
	"unicode/utf8"

	"catchment/internal/password"
	"catchment/internal/problem"
)

const passwordLeast = 10

// checkPassword refuses a new password that is too short, too long, among those
// that are tried first, or on the operator's list of leaked ones.
func (s *Signin) checkPassword(field, pw string) error {
	switch {
	case utf8.RuneCountInString(pw) < passwordLeast:
		return problem.InvalidField(field, "too_short", "Use at least %d characters; a few words are fine.", passwordLeast)
	case len(pw) > password.Most:
		return problem.InvalidField(field, "too_long", "Use at most %d bytes.", password.Most)
	case easy(pw) || password.Common(pw):
		return problem.InvalidField(field, "too_easy", "That one is tried first by whoever guesses. A few words that only you think of are fine.")
	}
	if s.o.Leaked == nil {
		return nil
	}
	has, err := s.o.Leaked.Has(pw)
	if err != nil { // nobody is kept out because a file cannot be read
		s.o.Log.Error("the list of leaked passwords cannot be read: this one was not compared", "error", err)
	}
	if has {
		return problem.InvalidField(field, "leaked", "That one has leaked elsewhere, and is on lists that are tried. Use another, and change it wherever you have it.")
	}
	return nil
}
