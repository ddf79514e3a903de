package filing

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/upload"
)

// No two links are one, and nothing but a token is asked of the bucket for.
func TestTokens(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := NewToken()
		if !IsToken(token) || len(token) != 32 || seen[token] {
			t.Fatalf("token %q", token)
		}
		seen[token] = true
	}
	one := NewToken()
	for _, bad := range []string{"", "a", one[:31], one + "A", one[:31] + "=", one[:31] + "+", one[:30] + "/x", "../" + one[:29], one[:15] + "\n" + one[15:], strings.Repeat("A", 1<<16)} {
		if IsToken(bad) {
			t.Errorf("%.40q is taken for a token", bad)
		}
	}
}

// The head that was written is read; another kind, size or form is not.
func TestImageHead(t *testing.T) {
	good := strings.TrimSuffix(Image{Kind: upload.JPEG, Size: 12, At: time.Unix(1_700_000_000, 0), Sum: strings.Repeat("a", 64)}.line(), "\n")
	if i, err := parseHead(good); err != nil || i.Size != 12 || i.Kind != upload.JPEG {
		t.Errorf("%+v, %v", i, err)
	}
	for from, to := range map[string]string{"image/jpeg": "text/html", " 12 ": " 0 ", "aaaa": "aa", "2023": "20 23", imageForm: "other"} {
		if _, err := parseHead(strings.Replace(good, from, to, 1)); err == nil {
			t.Errorf("%s in the place of %s is taken", to, from)
		}
	}
}

// FuzzImageHead: whatever lies in the bucket, only a picture that was drawn anew
// comes out of it, under the head that was written.
func FuzzImageHead(f *testing.F) {
	good := Image{Kind: upload.PNG, Size: 12, At: time.Unix(1_700_000_000, 0), Sum: strings.Repeat("a", 64)}.line()
	for _, s := range []string{"", good, good[:len(good)-1], strings.Replace(good, "image/png", "text/html", 1), strings.Replace(good, " 12 ", " -1 ", 1), strings.Replace(good, " 12 ", " 012 ", 1), "\x89PNG"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		i, err := parseHead(line)
		if err != nil {
			return
		}
		if i.Kind != upload.JPEG && i.Kind != upload.PNG || i.Size < 1 || i.Size > upload.MaxBytes || i.head != int64(len(line))+1 || i.line() != line+"\n" {
			t.Errorf("%q was read as %+v", line, i)
		}
	})
}
