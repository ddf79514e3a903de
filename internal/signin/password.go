package signin

import (
	"unicode/utf8"

	"catchment/internal/password"
	"catchment/internal/problem"
)

const passwordLeast = 10

// checkPassword refuses a new password that is too short or too long.
func checkPassword(field, s string) error {
	switch {
	case utf8.RuneCountInString(s) < passwordLeast:
		return problem.InvalidField(field, "too_short", "Use at least %d characters; a few words are fine.", passwordLeast)
	case len(s) > password.Most:
		return problem.InvalidField(field, "too_long", "Use at most %d bytes.", password.Most)
	}
	return nil
}
