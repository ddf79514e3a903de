package password_test

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"catchment/internal/password"
)

func TestCommonPasswords(t *testing.T) {
	for _, s := range []string{"1234567890", "qwertyuiop", "QwertyUiop", "unbelievable", "liverpool1"} {
		if !password.Common(s) {
			t.Errorf("%q is not known as common", s)
		}
	}
	for _, s := range []string{"", "correct horse battery staple", "harbour-lofts in spring", "three rooms with a view"} {
		if password.Common(s) {
			t.Errorf("%q is said to be common", s)
		}
	}
}

func leakedFile(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leaked.txt")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every password of the file is found, and none besides, however its lines end
// and however long their counts are.
func TestLeaked(t *testing.T) {
	for name, end := range map[string]func(n int) string{
		"counts": func(n int) string { return fmt.Sprintf(":%d\r\n", n*n*n) }, "plain": func(int) string { return "\n" },
	} {
		for _, size := range []int{1, 2, 3, 10, 500} {
			var lines []string
			for n := range size {
				lines = append(lines, fmt.Sprintf("%X", sha1.Sum(fmt.Appendf(nil, "leaked-%d", n))))
			}
			slices.Sort(lines)
			for n := range lines {
				lines[n] += end(n)
			}
			for _, cut := range []bool{false, true} { // the last line may end with the file
				if cut {
					lines[size-1] = strings.TrimRight(lines[size-1], "\r\n")
				}
				l, err := password.OpenLeaked(leakedFile(t, lines...))
				if err != nil {
					t.Fatal(name, size, err)
				}
				for n := range size + 200 {
					if has, err := l.Has(fmt.Sprintf("leaked-%d", n)); err != nil || has != (n < size) {
						t.Errorf("%s, %d lines: leaked-%d: %v, %v", name, size, n, has, err)
					}
				}
			}
		}
	}
}

func TestAListThatIsNone(t *testing.T) {
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	for name, lines := range map[string][]string{
		"empty": nil, "words": {"password\n", "123456\n"}, "not sorted": {b + ":1\n", a + ":1\n"}, "NTLM": {strings.Repeat("a", 32) + ":1\n", strings.Repeat("b", 32) + ":1\n"},
		"no lines": {strings.Repeat("a", 10_000)},
	} {
		if _, err := password.OpenLeaked(leakedFile(t, lines...)); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			t.Log(name, err)
		}
	}
	if _, err := password.OpenLeaked(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// Whatever the file has, looking comes to an end.
func FuzzLeaked(f *testing.F) {
	f.Add(strings.Repeat("a", 40)+":1\n"+strings.Repeat("b", 40)+":2\n", "x")
	f.Add("\n\n\n", "")
	f.Fuzz(func(t *testing.T, file, s string) {
		if l, err := password.OpenLeaked(leakedFile(t, file)); err == nil {
			_, _ = l.Has(s)
		}
	})
}
