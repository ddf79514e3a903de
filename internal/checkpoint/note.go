package checkpoint

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"catchment/internal/receipt"

	"golang.org/x/mod/sumdb/note"
)

// KeyName stands before each signature of a checkpoint.
const KeyName = "catchment-record"

// Checkpoint says how long an account's record is and what its tree's root is.
type Checkpoint struct {
	Account string
	Size    uint64
	Root    Hash
	At      time.Time // when it was signed, to the microsecond
}

// Errors that callers tell apart.
var (
	ErrForm = errors.New("checkpoint: not a checkpoint")
	ErrKey  = errors.New("checkpoint: no published key signed it")
)

// Text is the note's text: five lines.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s/%s\n%d\n%s\ntime %s\n", Format, c.Account, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]), FormatTime(c.At))
}

// Key signs checkpoints.
type Key interface {
	Public() []byte // Ed25519
	Sign(message []byte) []byte
}

type signer struct {
	note.Verifier
	k Key
}

// Sign implements note.Signer.
func (s signer) Sign(message []byte) ([]byte, error) { return s.k.Sign(message), nil }

// signNote signs a text of ours, by the rules of signed notes.
func signNote(text string, k Key) (string, error) {
	v, err := verifier(k.Public())
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer{v, k})
	return string(signed), err
}

// Sign gives the signed note (https://pkg.go.dev/golang.org/x/mod/sumdb/note).
func (c Checkpoint) Sign(k Key) (string, error) {
	return signNote(c.Text(), k)
}

func verifier(public []byte) (note.Verifier, error) {
	text, err := note.NewEd25519VerifierKey(KeyName, public)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}

// Open reads a signed note that one of the keys has signed in its time.
func Open(text string, keys receipt.Keys) (c Checkpoint, err error) {
	plain, key, err := openNote(text, keys)
	if err != nil {
		return c, err
	}
	if c, err = parseText(plain); err != nil {
		return c, err
	}
	if !key.Covers(c.At) {
		return c, fmt.Errorf("%w: the key was not in use at %s", ErrKey, FormatTime(c.At))
	}
	return c, nil
}

// openNote gives a note's text and which key has signed it.
func openNote(text string, keys receipt.Keys) (plain string, by receipt.Key, err error) {
	var known []note.Verifier
	for _, k := range keys {
		v, err := verifier(k.PublicKey)
		if err != nil {
			return "", by, err
		}
		known = append(known, v)
	}
	n, err := note.Open([]byte(text), note.VerifierList(known...))
	var malformed *note.UnverifiedNoteError
	switch {
	case errors.As(err, &malformed):
		return "", by, ErrKey
	case err != nil:
		return "", by, fmt.Errorf("%w: %w", ErrForm, err)
	}
	for i, k := range keys {
		if known[i].KeyHash() == n.Sigs[0].Hash {
			return n.Text, k, nil
		}
	}
	return "", by, ErrKey
}

// parseText reads the form of Text and no other.
func parseText(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return c, ErrForm
	}
	var ok bool
	if c.Account, ok = strings.CutPrefix(lines[0], Format+"/"); !ok || c.Account == "" {
		return c, ErrForm
	}
	if c.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil {
		return c, ErrForm
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return c, ErrForm
	}
	c.Root = Hash(root)
	if c.At, err = time.Parse("time "+timeForm, lines[3]); err != nil || c.Text() != text {
		return c, ErrForm
	}
	return c, nil
}
