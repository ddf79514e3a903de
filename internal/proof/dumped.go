package proof

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"catchment/internal/account"
	"catchment/internal/journal"
	"catchment/internal/submission"
)

const dumpLeads = 40 // before the dump

// dumped copies the memory of a process that only captures, and tries all that
// stands there, at every eighth byte, as a key and as a state of the ratchet
// (docs/decisions/0003-keys.md) on leads that it had accepted before. The
// control is a lead that it accepts afterwards, in the same epoch.
func (t *trial) dumped(ctx context.Context) error {
	w := &town{t: t}
	var err error
	if w.bus, err = t.startBus(); err != nil {
		return err
	}
	if w.founder, err = w.place(ctx, "house", w.bus.url()); err != nil {
		return err
	}
	if err := w.founder.found(ctx); err != nil {
		return err
	}
	door, err := w.join(ctx, w.bus.url(), "capture", 0)
	if err != nil {
		return err
	}
	c := &cage{}
	if err := t.dropIn(ctx, door, c, dumpLeads); err != nil {
		return err
	}
	memory, err := readMemory(door.cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("read the door's memory: %w", err)
	}
	if err := t.dropIn(ctx, door, &cage{}, 1); err != nil {
		return err
	}
	past, next, err := t.taken(ctx, w, door)
	if err != nil {
		return err
	}
	guesses := candidates(memory)
	t.figure("a door's memory", float64(len(bytes.Join(memory, nil))>>20), "MiB")
	t.figure("what in it may be a key", float64(len(guesses)), "")
	id, err := account.ParseID(door.world.Accounts[0].ID)
	if err != nil {
		return err
	}
	uuid := id.UUID()
	info := "catchment-drop-box-v1\n" + string(uuid[:]) + "\x00\x00\x00\x01"
	control := steal(guesses, []parcel{next}, info)
	t.check("a door's memory: control: it opens the lead that comes next", len(control) == 1, "%d of 1", len(control))
	opened := steal(guesses, past, info)
	t.check("a door's memory opens no lead that was accepted before", len(opened) == 0 && len(past) == dumpLeads, "%d of %d, at places %v", len(opened), len(past), opened)
	s, err := newSearcher(c.canaries)
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for _, part := range memory {
		if _, err := s.scan("memory", bytes.NewReader(part), func(h hit) { kinds[h.kind]++ }); err != nil {
			return err
		}
	}
	sum := 0
	for _, n := range kinds {
		sum += n
	}
	t.figure("remnants of clear text in the door's memory", float64(sum), "")
	t.note("remnants by kind: %v; a core dump of a door is secret", kinds)
	return nil
}

// dropIn posts leads one after the other, so that all are of one epoch.
func (t *trial) dropIn(ctx context.Context, door *instance, c *cage, n int) error {
	company := door.world.Accounts[0]
	a := door.api(company.PublishableKey)
	for k := range n {
		body, err := json.Marshal(c.visitor(20_000 + k).lead(company.apiSource()))
		if err != nil {
			return err
		}
		err = door.wait(ctx, 10*time.Second, "the door", func() bool {
			r, err := a.do(ctx, "POST", "/v1/leads", nil, body)
			return err == nil && r.status == 202
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parcel is a sealed lead in the journal.
type parcel struct {
	index     int // in its epoch
	data, aad []byte
}

// taken reads what the door has put into the journal, in its order; the last
// one came after the dump.
func (t *trial) taken(ctx context.Context, w *town, door *instance) (past []parcel, next parcel, err error) {
	j, err := journal.Open(ctx, journal.Options{URL: w.bus.url(), MaxBytes: 2 << 30, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, next, err
	}
	defer j.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was appended
	err = j.Recent(ctx, dumpLeads+1, func(_ uint64, r journal.Record) {
		e, err := submission.ParseEnvelope(r.Data)
		if err == nil && len(e.Data) > 3 && e.Account.String() == door.world.Accounts[0].ID {
			past = append(past, parcel{int(binary.BigEndian.Uint16(e.Data[1:])), e.Data[3:], e.AAD})
		}
	})
	if err != nil || len(past) != dumpLeads+1 {
		return nil, next, errors.Join(err, fmt.Errorf("%d leads in the journal", len(past)))
	}
	slices.SortFunc(past, func(a, b parcel) int { return cmp.Compare(a.index, b.index) })
	return past[:dumpLeads], past[dumpLeads], nil
}

// readMemory copies what a process can write to.
func readMemory(pid int) (parts [][]byte, err error) {
	maps, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "maps"))
	if err != nil {
		return nil, err
	}
	mem, err := os.Open(filepath.Join("/proc", fmt.Sprint(pid), "mem"))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	for lines := bufio.NewScanner(bytes.NewReader(maps)); lines.Scan(); {
		var from, to int64
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil || !strings.HasPrefix(rights, "rw") {
			continue
		}
		parts = append(parts, readPages(mem, from, to)...)
	}
	if len(parts) == 0 {
		return nil, errors.New("nothing can be read")
	}
	return parts, nil
}

// readPages leaves out what was reserved and never used.
func readPages(mem io.ReaderAt, from, to int64) (parts [][]byte) {
	const step = 1 << 20
	empty := make([]byte, 4096)
	for at := from; at < to; at += step {
		b := make([]byte, min(step, to-at))
		n, _ := mem.ReadAt(b, at)
		for b = b[:n]; len(b) >= 4096 && bytes.Equal(b[:4096], empty); {
			b = b[4096:]
		}
		if len(b) > 0 {
			parts = append(parts, b)
		}
	}
	return parts
}

// candidates are the runs of 32 bytes that look random. Of random ones one in
// many millions looks otherwise.
func candidates(memory [][]byte) (out [][32]byte) {
	known := map[[32]byte]bool{}
	for _, b := range memory {
		for i := 0; i+32 <= len(b); i += 8 {
			c := [32]byte(b[i : i+32])
			if looksRandom(&c) && !known[c] {
				known[c] = true
				out = append(out, c)
			}
		}
	}
	return out
}

func looksRandom(c *[32]byte) bool {
	var seen [4]uint64
	distinct, high := 0, 0
	for _, b := range c {
		if bit := uint64(1) << (b & 63); seen[b>>6]&bit == 0 {
			seen[b>>6] |= bit
			distinct++
		}
		high += int(b >> 7)
	}
	return distinct >= 20 && high >= 3
}

// hpkeSuite is MLKEM768-X25519, HKDF-SHA256, AES-256-GCM (RFC 9180, 5.1).
const hpkeSuite = "HPKE\x64\x7a\x00\x01\x00\x02"

// exported is the first state of the epoch whose exporter secret this is.
func exported(secret []byte) []byte { return expanded(secret, "sec", "catchment-drop-box-epoch-v2") }

// scheduled is the exporter secret that follows from HPKE's shared secret.
func scheduled(shared []byte, info string) []byte {
	prk := extracted(shared, "secret", "")
	return expanded(prk, "exp", "\x00"+string(extracted(nil, "psk_id_hash", ""))+string(extracted(nil, "info_hash", info)))
}

func extracted(salt []byte, label, ikm string) []byte {
	out, _ := hkdf.Extract(sha256.New, []byte("HPKE-v1"+hpkeSuite+label+ikm), salt)
	return out
}

func expanded(secret []byte, label, info string) []byte {
	out, _ := hkdf.Expand(sha256.New, secret, "\x00\x20HPKE-v1"+hpkeSuite+label+info, 32)
	return out
}

// steal gives the places of those parcels that a guess opens: as a key, as the
// state from which the key is made, or as a secret of HPKE from which the first
// state is. The info is that of the epoch's encapsulation.
func steal(guesses [][32]byte, parcels []parcel, info string) (opened []int) {
	var found sync.Map
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(guesses) {
					return
				}
				for _, state := range [][]byte{guesses[n][:], exported(guesses[n][:]), exported(scheduled(guesses[n][:], info))} {
					tryAll(state, parcels, &found)
					tryAll(stepOf(state, 1), parcels, &found)
				}
			}
		})
	}
	all.Wait()
	found.Range(func(k, _ any) bool { opened = append(opened, k.(int)); return true })
	slices.Sort(opened)
	return opened
}

// stepOf is the ratchet's: SHA-256 of the state and one byte.
func stepOf(state []byte, b byte) []byte {
	sum := sha256.Sum256(append(slices.Clone(state), b))
	return sum[:]
}

func tryAll(key []byte, parcels []parcel, found *sync.Map) {
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return
	}
	var nonce [12]byte
	for _, p := range parcels {
		if _, err := aead.Open(nil, nonce[:], p.data, p.aad); err == nil {
			found.Store(p.index, true)
		}
	}
}
