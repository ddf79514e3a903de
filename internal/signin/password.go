package signin

import (
	"unicode/utf8"

	"catchment/internal/password"
	"catchment/internal/problem"
)

const passwordLeast = 10

// checkPassword refuses a new password that is too short, too long, or among
// those that are tried first.
func checkPassword(field, s string) error {
	switch {
	case utf8.RuneCountInString(s) < passwordLeast:
		return problem.InvalidField(field, "too_short", "Use at least %d characters; a few words are fine.", passwordLeast)
	case len(s) > password.Most:
		return problem.InvalidField(field, "too_long", "Use at most %d bytes.", password.Most)
	case easy(s):
		return problem.InvalidField(field, "too_easy", "That one is tried first by whoever guesses. A few words that only you think of are fine.")
	}
	return nil
}
