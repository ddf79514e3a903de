package signin

import (
	"crypto/sha1"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"catchment/internal/logtest"
	"catchment/internal/password"
	"catchment/internal/problem"
)

// What is tried first is refused, however it is dressed up; what people think of
// is taken, of whatever signs, also when a usual word is in it.
func TestPasswordsThatAreGuessed(t *testing.T) {
	var signin Signin
	for _, s := range []string{
		"1234567890", "0123456789", "9876543210", "123123123123", "4420794601", "aaaaaaaaaaaa", "abcabcabcabc", "!!!!!!!!!!!!", "qwertyuiop", "Qwertyuiop1", "qwertyuiop123", "asdfghjkl123", "1qaz2wsx3edc",
		"1q2w3e4r5t6y", "q1w2e3r4t5y6", "qwerty123456", "zxcvbnm12345", "abcdefghij", "abcd1234abcd", "password12", "Password123!", "P@ssw0rd2026", "passwordpassword", "iloveyou1234", "Welcome2026!", "letmein12345", "Summer2026!",
		"liverpool1", "administrator", "Administrator1", "changeme1234", "catchment2026", "Catchment!!!", "salesperson1", "manchesterunited", "unbelievable", "10september", "01.01.1990..",
	} {
		if err := signin.checkPassword("password", s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	for _, s := range []string{
		"correct horse battery", "a new password", "a long password of Ada", "a-long-password-for-the-proof", "not the right password", "kqzvmwtrhb", "eight tall herons", "Πράσινο δέντρο", "أربعة طيور خضراء",
		"MONDAYSAREFORTEA", "h3ron h3ron reed", "tangerine-vestibule", "welcome to the jungle of york", "7e1f0c9a2bd4",
	} {
		if err := signin.checkPassword("password", s); err != nil {
			t.Errorf("%q is refused: %v", s, err)
		}
	}
}

// An operator's list of leaked passwords is asked as well; when it cannot be read, nobody is kept out for that.
func TestLeakedPasswords(t *testing.T) {
	const out, kept = "eight tall herons", "nine small herons"
	path := filepath.Join(t.TempDir(), "leaked.txt")
	if err := os.WriteFile(path, fmt.Appendf(nil, "%X:3\r\n", sha1.Sum([]byte(out))), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := password.OpenLeaked(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines logtest.Lines
	s := &Signin{o: Options{Leaked: list, Log: slog.New(slog.NewJSONHandler(&lines, nil))}}
	if p, ok := problem.Of(s.checkPassword("password", out)); !ok || p.Status != 422 || p.Errors[0].Code != "leaked" {
		t.Errorf("a leaked one is answered %v", p)
	}
	if err := s.checkPassword("password", kept); err != nil {
		t.Error(err)
	}
	list.Close()
	if err := s.checkPassword("password", out); err != nil || !strings.Contains(lines.String(), "cannot be read") || strings.Contains(lines.String(), out) {
		t.Errorf("without the file: %v, %s", err, lines.String())
	}
}

func FuzzEasy(f *testing.F) {
	for _, s := range []string{"", "password12", "أربعة طيور", "qwertyuiop", "\xff\xfe", "aé" + "aé"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digits := strings.Map(func(r rune) rune { return '0' + r%10 }, s)
		if easy(s); !easy("Password"+digits) || !easy(digits) {
			t.Errorf("%q", digits)
		}
	})
}
