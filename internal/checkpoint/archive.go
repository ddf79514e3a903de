package checkpoint

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"catchment/internal/receipt"
)

// ArchiveFormat is the first line of an archive's seal, with the account.
const ArchiveFormat = "catchment-account-v1"

// Archive says which manifest an account's archive has: a signed note with the
// keys of the record. The manifest names each file by its hash.
type Archive struct {
	Account  string
	Manifest Hash // SHA-256
	At       time.Time
}

// ErrArchive says that a text is no archive's seal.
var ErrArchive = errors.New("checkpoint: not the seal of an archive")

func (a Archive) text() string {
	return fmt.Sprintf("%s/%s\n%x\ntime %s\n", ArchiveFormat, a.Account, a.Manifest[:], FormatTime(a.At))
}

// Sign gives the signed note.
func (a Archive) Sign(k Key) (string, error) {
	if a.Account == "" || strings.ContainsAny(a.Account, "/\n") {
		return "", ErrArchive
	}
	return signNote(a.text(), k)
}

// OpenArchive reads a seal that one of the keys has signed in its time; ErrKey
// when none has.
func OpenArchive(text string, keys receipt.Keys) (a Archive, err error) {
	plain, key, err := openNote(text, keys)
	if errors.Is(err, ErrForm) {
		return a, ErrArchive
	}
	if err != nil {
		return a, err
	}
	lines := strings.Split(plain, "\n")
	if len(lines) != 4 {
		return a, ErrArchive
	}
	a.Account = strings.TrimPrefix(lines[0], ArchiveFormat+"/")
	var sum []byte
	if _, err := fmt.Sscanf(lines[1], "%x", &sum); err != nil || len(sum) != len(a.Manifest) {
		return a, ErrArchive
	}
	a.Manifest = Hash(sum)
	if a.At, err = time.Parse("time "+timeForm, lines[2]); err != nil || a.Account == "" || a.text() != plain { // one form, and no other
		return a, ErrArchive
	}
	if !key.Covers(a.At) {
		return a, fmt.Errorf("%w: the key was not in use at %s", ErrKey, FormatTime(a.At))
	}
	return a, nil
}
