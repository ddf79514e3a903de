package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"catchment/internal/journal"
)

// lossFile lies in the data folder after acknowledged messages were found
// missing from the journal's end. The journal shows that only once: it then
// fills the numbers up, so that none is given twice. The doctor goes on
// complaining until a human has removed the file.
const lossFile = "journal-losses.txt"

// noteLoss writes down what this opening of the journal found missing.
func (c config) noteLoss(j *journal.Journal, at time.Time) error {
	n := j.Stats().WentBack
	if n == 0 || c.NATSURL != "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(c.Data, lossFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("note the journal's loss: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s  %d messages gone from the end, up to %d\n", at.UTC().Format(time.RFC3339), n, j.LastSeq())
	return errors.Join(err, f.Sync(), f.Close())
}

// losses reads what was noted; "" when nothing was.
func (c config) losses() (string, error) {
	text, err := os.ReadFile(filepath.Join(c.Data, lossFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
