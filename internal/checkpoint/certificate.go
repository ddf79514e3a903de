package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"catchment/internal/receipt"
)

// CertificateFormat is the first line of a certificate, with the account.
const CertificateFormat = "catchment-deletion-v1"

// Certificate says that an account was ended, and what was destroyed with it.
// It names ids, counts and times, and nothing of a person.
type Certificate struct {
	Account       string          `json:"account"`
	AskedAt       time.Time       `json:"asked_at"`
	AskedBy       string          `json:"asked_by"`          // a user's id, or the program
	KeysDestroyed time.Time       `json:"keys_destroyed_at"` // from then on nothing of the account could be read
	RemovedAt     time.Time       `json:"removed_at"`        // when its last row went
	Keys          CertificateKeys `json:"keys"`
	Rows          []RowCount      `json:"rows"`    // by table, those that had any
	Journal       JournalRest     `json:"journal"` // what lies on as noise, and how long
	Backups       BackupRest      `json:"backups"`
}

// CertificateKeys are the keys that were destroyed.
type CertificateKeys struct {
	Generations []uint32 `json:"generations"` // of the account's keyset, each with its drop box
	API         []string `json:"api"`         // publishable and secret keys
	Persons     int64    `json:"persons"`
	Members     int64    `json:"members"`
}

// RowCount is how many rows of a table were removed.
type RowCount struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// JournalRest says of the journal: entries up to a sequence may lie in it,
// sealed to drop boxes that are destroyed, until they are written over.
type JournalRest struct {
	UpTo   uint64    `json:"up_to"`
	GoneBy time.Time `json:"gone_by"`
}

// BackupRest says of this installation's backups: until when one may hold the
// keys. A restore leaves the account out before that, too.
type BackupRest struct {
	KeysGoneBy time.Time `json:"keys_gone_by"`
}

// Sign gives the certificate as a signed note, with the keys of the record.
func (c Certificate) Sign(k Key) (string, error) {
	text, err := c.text()
	if err != nil {
		return "", err
	}
	return signNote(text, k)
}

// text is the note's: the format with the account, and one line of JSON.
func (c Certificate) text() (string, error) {
	if c.Account == "" || strings.ContainsAny(c.Account, "/\n") {
		return "", ErrCertificate
	}
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("checkpoint: certificate: %w", err)
	}
	return CertificateFormat + "/" + c.Account + "\n" + string(b) + "\n", nil
}

// ErrCertificate says that a text is no certificate.
var ErrCertificate = errors.New("checkpoint: not a certificate of deletion")

// OpenCertificate reads a certificate that one of the keys has signed in its
// time; ErrKey when none has.
func OpenCertificate(text string, keys receipt.Keys) (c Certificate, err error) {
	plain, key, err := openNote(text, keys)
	if errors.Is(err, ErrForm) {
		return c, ErrCertificate
	}
	if err != nil {
		return c, err
	}
	head, body, ok := strings.Cut(plain, "\n")
	if !ok || !strings.HasPrefix(head, CertificateFormat+"/") {
		return c, ErrCertificate
	}
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	d.DisallowUnknownFields()
	if d.Decode(&c) != nil {
		return c, ErrCertificate
	}
	if again, err := c.text(); err != nil || again != plain { // one form, and no other
		return c, ErrCertificate
	}
	if !key.Covers(c.RemovedAt) {
		return c, fmt.Errorf("%w: the key was not in use at %s", ErrKey, FormatTime(c.RemovedAt))
	}
	return c, nil
}
