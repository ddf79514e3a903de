package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// highWater keeps the highest acknowledged sequence number beside the store.
// It is written without a sync: it survives the process, and after a power
// cut it may be low, never too high.
type highWater struct{ f *os.File }

const highSize = 12

func openHighWater(dir string) (*highWater, error) {
	f, err := os.OpenFile(filepath.Join(dir, "HIGH"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: high water: %w", err)
	}
	return &highWater{f}, nil
}

// read gives 0 when nothing readable was written.
func (h *highWater) read() uint64 {
	var b [highSize]byte
	if n, _ := h.f.ReadAt(b[:], 0); n < highSize {
		return 0
	}
	if crc32.Checksum(b[:8], castagnoli) != binary.BigEndian.Uint32(b[8:]) {
		return 0
	}
	return binary.BigEndian.Uint64(b[:8])
}

// write may fail on a full disk; the mark is then low, which only makes the
// check at the next start weaker.
func (h *highWater) write(seq uint64) {
	var b [highSize]byte
	binary.BigEndian.PutUint64(b[:8], seq)
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	_, _ = h.f.WriteAt(b[:], 0)
}

func (h *highWater) close() error { return h.f.Close() }
