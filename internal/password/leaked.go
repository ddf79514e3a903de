package password

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// commonHashes are the first bytes of the SHA-256 of passwords that are common in
// leaks, in lower case, sorted; tools/passwords makes them.
//
//go:embed common.bin
var commonHashes []byte

const commonSize = 6

// Common reports whether the password, in whatever case, is on the list of common
// ones that the program has.
func Common(s string) bool {
	h := sha256.Sum256([]byte(strings.ToLower(s)))
	n := len(commonHashes) / commonSize
	at := func(i int) []byte { return commonHashes[i*commonSize : (i+1)*commonSize] }
	i := sort.Search(n, func(i int) bool { return bytes.Compare(at(i), h[:commonSize]) >= 0 })
	return i < n && bytes.Equal(at(i), h[:commonSize])
}

// Leaked is a list of leaked passwords in a file: a line of each, the SHA-1 in
// hexadecimal and what may follow it after a colon, sorted by the hash, as Pwned Passwords
// (haveibeenpwned.com) is given out. It is read where it lies, some thirty lines for a
// password, and is safe for concurrent use.
type Leaked struct {
	file *os.File
	size int64
}

const (
	leakedHash = 2 * sha1.Size
	leakedLine = leakedHash + 24 // the longest: hash, colon, count, end
)

// OpenLeaked opens such a file; the error says what is wrong with its first or last
// line, or with their order.
func OpenLeaked(path string) (*Leaked, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l := &Leaked{file: f}
	if err := l.check(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func (l *Leaked) check() error {
	at, err := l.file.Stat()
	if err != nil {
		return err
	}
	if l.size = at.Size(); l.size == 0 {
		return errors.New("it is empty")
	}
	first, _, err := l.line(0)
	if err != nil {
		return fmt.Errorf("its first line: %w", err)
	}
	last, _, err := l.line(l.size - 1)
	if err != nil {
		return fmt.Errorf("its last line: %w", err)
	}
	if bytes.Compare(first, last) > 0 {
		return errors.New("it is not sorted by the hash: get the list that is \"ordered by hash\"")
	}
	return nil
}

// Close closes the file.
func (l *Leaked) Close() error { return l.file.Close() }

// Has reports whether the password is in the file; the error says that it could
// not be read.
func (l *Leaked) Has(s string) (bool, error) {
	sum := sha1.Sum([]byte(s)) // #nosec G401 -- the list is one of SHA-1, and nothing is kept of it here
	want := []byte(hex.EncodeToString(sum[:]))
	for from, to := int64(0), l.size; from < to; {
		middle := from + (to-from)/2
		hash, begin, err := l.line(middle)
		if err != nil {
			return false, err
		}
		switch c := bytes.Compare(hash, want); {
		case c == 0:
			return true, nil
		case c > 0:
			to = begin
		default:
			if from, err = l.after(begin); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// line gives the hash, in lower case, of the line that the byte at is of, and where it begins.
func (l *Leaked) line(at int64) (hash []byte, begin int64, err error) {
	var buf [2 * leakedLine]byte
	from := max(0, at-leakedLine)
	n, err := l.file.ReadAt(buf[:min(int64(len(buf)), l.size-from)], from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	read := buf[:n]
	start := bytes.LastIndexByte(read[:min(int64(n), at-from)], '\n') + 1
	if start == 0 && from > 0 || start+leakedHash > n {
		return nil, 0, fmt.Errorf("at byte %d: want 40 hexadecimal digits a line, and a count after a colon", at)
	}
	hash = bytes.ToLower(read[start : start+leakedHash])
	if _, err := hex.Decode(make([]byte, sha1.Size), hash); err != nil {
		return nil, 0, fmt.Errorf("at byte %d: want 40 hexadecimal digits a line, and a count after a colon", at)
	}
	return hash, from + int64(start), nil
}

// after is where the line after the one that begins there begins, or the end.
func (l *Leaked) after(begin int64) (int64, error) {
	var buf [leakedLine]byte
	n, err := l.file.ReadAt(buf[:min(leakedLine, l.size-begin)], begin)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if end := bytes.IndexByte(buf[:n], '\n'); end >= 0 {
		return begin + int64(end) + 1, nil
	}
	if begin+int64(n) == l.size {
		return l.size, nil
	}
	return 0, fmt.Errorf("at byte %d: a line is too long", begin)
}
