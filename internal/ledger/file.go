package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The file has one line an entry: a hash, a space, the entry as JSON. The hash
// is SHA-256 of the hash before it (none for the first) and the JSON, in
// hexadecimal, so that no line is changed, left out or put elsewhere unseen.
// The last line may be half: a write that a power cut ended. It was not
// acknowledged.

// ErrDamaged says that the file is not what was written.
var ErrDamaged = errors.New("the deletion ledger is damaged: put its file back from its copy, or move it away when the journal's bucket is whole, which has every entry too")

type file struct {
	f    *os.File
	last string // the hash of the last line
	at   int64  // where the next line begins
}

func openFile(path string) (*file, []Entry, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("ledger: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ledger: %w", err), f.Close())
	}
	list, last, whole, err := parse(text)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ledger: %s: %w", path, err), f.Close())
	}
	if whole < len(text) {
		err = f.Truncate(int64(whole))
	}
	if err = errors.Join(err, f.Sync(), syncFolder(path)); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ledger: %w", err), f.Close())
	}
	return &file{f, last, int64(whole)}, list, nil
}

func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// parse reads the lines; whole is where the last whole one ends.
func parse(text []byte) (list []Entry, last string, whole int, err error) {
	for whole < len(text) {
		n := bytes.IndexByte(text[whole:], '\n')
		if n < 0 {
			return list, last, whole, nil
		}
		hash, plain, ok := bytes.Cut(text[whole:whole+n], []byte(" "))
		if !ok || string(hash) != chain(last, plain) {
			return nil, "", 0, fmt.Errorf("line %d: %w", len(list)+1, ErrDamaged)
		}
		e, err := decode(plain)
		if err != nil {
			return nil, "", 0, fmt.Errorf("line %d: %w", len(list)+1, err)
		}
		list, last, whole = append(list, e), string(hash), whole+n+1
	}
	return list, last, whole, nil
}

// Read gives the entries of a copy of the file.
func Read(text []byte) ([]Entry, error) {
	list, _, _, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return list, nil
}

func chain(last string, plain []byte) string {
	sum := sha256.Sum256(append([]byte(last), plain...))
	return hex.EncodeToString(sum[:])
}

// append writes a line and returns when it is on disk. A line that could not
// be written whole is taken back.
func (f *file) append(e *Entry) error {
	plain, err := encode(e)
	if err != nil {
		return err
	}
	hash := chain(f.last, plain)
	line := append([]byte(hash+" "), plain...)
	line = append(line, '\n')
	if _, err = f.f.WriteAt(line, f.at); err == nil {
		err = f.f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("ledger: %w", err), f.f.Truncate(f.at))
	}
	f.last, f.at = hash, f.at+int64(len(line))
	return nil
}

func (f *file) close() error { return f.f.Close() }

func encode(e *Entry) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return b, nil
}

func decode(plain []byte) (e Entry, err error) {
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("ledger: an entry cannot be read: %w", ErrDamaged)
	}
	if d.More() {
		return Entry{}, fmt.Errorf("ledger: an entry has something after it: %w", ErrDamaged)
	}
	return e, e.check()
}
