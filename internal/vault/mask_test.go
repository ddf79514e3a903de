package vault_test

import (
	"strings"
	"testing"

	"catchment/internal/vault"
)

func TestMask(t *testing.T) {
	for _, c := range []struct {
		field    vault.Field
		in, want string
	}{
		{vault.Phone, "+442079460123", "+44 •• •••• ••23"},
		{vault.Phone, "+12025550142", "+1 •• •••• ••42"},
		{vault.Phone, "+3725550142", "+372 •• •••• ••42"},
		{vault.Phone, "+4420123", "•••"}, // too short to show two of
		{vault.Phone, "call 020 7946 0123", "•••"},
		{vault.Phone, "+", "•••"},
		{vault.Phone, "", ""},
		{vault.Email, "priya@example.com", "p•••@example.com"},
		{vault.Email, "éa@example.com", "é•••@example.com"},
		{vault.Email, "p@example.com", "•••@example.com"},
		{vault.Email, "\"a@b\"@example.com", "\"•••@example.com"},
		{vault.Email, "@example.com", "•••"},
		{vault.Email, "priya at example", "•••"},
		{vault.Message, "my number is 020 7946 0123", "•••"},
		{vault.Name, "Priya Example", "•••"},
	} {
		if got := vault.Mask(c.field, c.in); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.field, c.in, got, c.want)
		}
	}
}

// A masked phone hides four digits at least, and has no more than its code and
// two; a masked address no more of what is before the @ than a letter.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"", "+442079460123", "+", "+00000000", "+000000000", "priya@example.com", "@", "a@b@c", "\xff@example.com"} {
		f.Add(s)
	}
	digits := func(s string) (n int) {
		for _, d := range "0123456789" {
			n += strings.Count(s, string(d))
		}
		return n
	}
	f.Fuzz(func(t *testing.T, s string) {
		phone := vault.Mask(vault.Phone, s)
		if n := digits(phone); n > 5 || n > 0 && digits(s)-n < 4 {
			t.Errorf("%q: %q", s, phone)
		}
		email := vault.Mask(vault.Email, s)
		local, domain, ok := strings.Cut(email, "•••")
		if s != "" && (!ok || len(local) > 4 || domain != "" && !strings.HasSuffix(s, domain)) {
			t.Errorf("%q: %q", s, email)
		}
	})
}
