package routing

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The first byte of a packed round: without and with a Plan. Rounds of the
// first kind are older than policies, or of a pool that has none.
const (
	packPlain  = 1
	packPolicy = 2
)

// maxInput bounds what Unpack inflates: a round of 500 leads and 1,000
// candidates, each lead offered to all of them, is well below.
const maxInput = 64 << 20

var gzips = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
	return w
}}

// Pack writes a round as the ledger keeps it: a version byte, then gzip of its
// JSON.
func Pack(in Round) ([]byte, error) {
	var b bytes.Buffer
	version := byte(packPlain)
	if in.Plan != nil {
		version = packPolicy
	}
	b.WriteByte(version)
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(&b)
	if err := json.NewEncoder(z).Encode(in); err != nil {
		return nil, fmt.Errorf("routing: pack a round: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("routing: pack a round: %w", err)
	}
	return b.Bytes(), nil
}

// Unpack reads what Pack wrote, and refuses anything else.
func Unpack(b []byte) (Round, error) {
	if len(b) == 0 || b[0] != packPlain && b[0] != packPolicy {
		return Round{}, errors.New("routing: a saved round of an unknown version")
	}
	z, err := gzip.NewReader(bytes.NewReader(b[1:]))
	if err != nil {
		return Round{}, fmt.Errorf("routing: unpack a round: %w", err)
	}
	dec := json.NewDecoder(io.LimitReader(z, maxInput))
	dec.DisallowUnknownFields()
	var in Round
	if err := dec.Decode(&in); err != nil {
		return Round{}, fmt.Errorf("routing: unpack a round: %w", err)
	}
	if (in.Plan != nil) != (b[0] == packPolicy) {
		return Round{}, errors.New("routing: a saved round is not of the version it says")
	}
	if in.Plan != nil && len(in.Plan.Policy.Rules) == 0 {
		return Round{}, errors.New("routing: a saved round has a policy without rules")
	}
	switch _, err := dec.Token(); { // to the end, where gzip has its checksum
	case err == nil:
		return Round{}, errors.New("routing: something follows a saved round")
	case !errors.Is(err, io.EOF):
		return Round{}, fmt.Errorf("routing: unpack a round: %w", err)
	}
	return in, nil
}

// Replay decides a saved round again.
func Replay(saved []byte) (Round, Outcome, error) {
	in, err := Unpack(saved)
	if err != nil {
		return Round{}, Outcome{}, err
	}
	return in, Decide(in), nil
}
