package mover

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"catchment/internal/store"
)

// Log is the file in which a server writes, while a move follows it, which
// rows it has changed. It holds tables' names and keys.
type Log struct{ f *os.File }

// CreateLog begins an empty one that only its owner may read.
func CreateLog(path string) (*Log, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err // not emptied: who reads the old one would take new entries for a part of it
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &Log{f}, nil
}

// Add appends rows that a committed transaction changed. After an error the
// log is incomplete.
func (l *Log) Add(list []store.Change) error {
	var b, key []byte
	for _, c := range list {
		key = key[:0]
		for _, v := range c.Key {
			if v == nil {
				v = []byte{} // the driver's empty blob; a key has no NULL
			}
			key = appendKey(key, v)
		}
		b = binary.AppendUvarint(b, uint64(len(c.Table)))
		b = append(b, c.Table...)
		b = binary.AppendUvarint(b, uint64(len(key)))
		b = append(b, key...)
	}
	_, err := l.f.Write(b)
	return err
}

// Close ends writing.
func (l *Log) Close() error { return l.f.Close() }

// Tail reads a Log that grows.
type Tail struct {
	f    *os.File
	rest []byte // read, and not yet a whole entry
}

// OpenTail begins at the log's beginning.
func OpenTail(path string) (*Tail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &Tail{f: f}, nil
}

// Close ends reading.
func (t *Tail) Close() error { return t.f.Close() }

// Left is how many bytes are written that Next has not read yet.
func (t *Tail) Left() (int64, error) {
	at, err := t.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	info, err := t.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size() - at, nil
}

// A Tail gives about so many bytes' entries at once.
const tailBytes = 16 << 20

// Next gives entries that were not given yet; none when it has reached what is
// written so far.
func (t *Tail) Next() (out []store.Change, err error) {
	more, err := io.ReadAll(io.LimitReader(t.f, tailBytes))
	if err != nil {
		return nil, err
	}
	b := append(t.rest, more...)
	for {
		c, n, err := readChange(b)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			t.rest = bytes.Clone(b)
			return out, nil
		}
		out, b = append(out, c), b[n:]
	}
}

var errLog = errors.New("mover: the log of changes cannot be read")

// readChange reads the first entry and says how long it is: 0 when it is not
// there whole.
func readChange(b []byte) (c store.Change, n int, err error) {
	var parts [2][]byte
	for i := range parts {
		size, k := binary.Uvarint(b[n:])
		if k < 0 || size > pageBytes {
			return c, 0, errLog
		}
		if k == 0 || uint64(len(b)-n-k) < size {
			return c, 0, nil
		}
		parts[i] = b[n+k : n+k+int(size)]
		n += k + int(size)
	}
	c.Table = string(parts[0])
	if c.Key, err = keyOf(parts[1]); err != nil || len(c.Key) == 0 {
		return c, 0, fmt.Errorf("%w: a key of %q", errLog, c.Table)
	}
	return c, n, nil
}
