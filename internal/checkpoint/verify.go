package checkpoint

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"catchment/internal/receipt"
)

// Report is what a verifier found. No faults: between the first and the last
// checkpoint nothing was altered, dropped or reordered.
type Report struct {
	Account     string
	From, Size  uint64 // the entries' places: from From on, before Size
	Checkpoints int
	Last        Checkpoint
	Chains      int
	Dropped     uint64 // payloads that a rule has dropped
	Faults      []string
	More        int // faults beyond those
}

const (
	maxFaults = 200
	maxLine   = 8 << 20
)

// Verify reads an exported record and checks it with the published keys, and
// with checkpoints that were kept elsewhere. The error says that r could not be
// read; everything else that is wrong is a fault, in plain words.
func Verify(r io.Reader, keys receipt.Keys, outside ...string) (Report, error) {
	v := checker{keys: keys, chains: map[string]link{}, outside: map[uint64][]Checkpoint{}}
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return v.Report, fmt.Errorf("checkpoint: line %d: %w", n, err)
		}
		if err := v.line(line, outside); err != nil {
			v.fault("line %d: %v", n, err)
			return v.Report, nil
		}
	}
	if !v.ended {
		v.fault("the file is cut: it has no end")
	}
	return v.Report, nil
}

func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxLine:
			return nil, errors.New("longer than a line of a record")
		}
	}
}

type link struct {
	n            uint64
	leaf, stored Hash
	position     uint64
}

type checker struct {
	Report
	keys         receipt.Keys
	tree, stored *Tree // of what is shown, and of the hashes that the database says it has
	signed       uint64
	altered      int // entries, since the last checkpoint
	broken       bool
	chains       map[string]link
	outside      map[uint64][]Checkpoint
	begun, ended bool
	strays, seen uint64
}

func (v *checker) fault(format string, args ...any) {
	if len(v.Faults) == maxFaults {
		v.More++
		return
	}
	v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
}

func strict(line []byte, into any) error {
	if err := json.Unmarshal(line, into, json.RejectUnknownMembers(true)); err != nil {
		return errors.New("this is no line of a record")
	}
	return nil
}

func (v *checker) line(line []byte, outside []string) error {
	var k struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(line, &k); err != nil {
		return errors.New("this is no line of a record")
	}
	if v.ended || v.begun == (k.Kind == "begin") {
		return fmt.Errorf("a line of kind %q cannot stand here", k.Kind)
	}
	switch k.Kind {
	case "begin":
		return v.begin(line, outside)
	case "entry", "stray":
		var e EntryLine
		if err := strict(line, &e); err != nil {
			return err
		}
		if k.Kind == "stray" {
			v.strays++
			v.fault("%s of %s stands in the database and in no tree: it was put there past the program, or its place was taken away", e.ID, e.At)
			return nil
		}
		return v.entry(e.Position, e.Entry, e.Leaf(v.Account), e.LeafHash)
	case "dropped":
		var g Gone
		if err := strict(line, &g); err != nil {
			return err
		}
		v.Dropped++
		e := Entry{ID: g.ID, At: g.At, Writer: g.Writer, N: g.N, Prev: g.Prev}
		return v.entry(g.Position, e, e.leaf(v.Account, g.Payload), g.LeafHash)
	case "missing":
		var m Missing
		if err := strict(line, &m); err != nil {
			return err
		}
		v.fault("position %d: %s is gone from the database", m.Position, m.ID)
		v.altered++
		return v.append(m.Position, m.LeafHash, m.LeafHash)
	case "checkpoint":
		var n Noted
		if err := strict(line, &n); err != nil {
			return err
		}
		return v.checkpoint(n.Note)
	case "end":
		var e End
		if err := strict(line, &e); err != nil {
			return err
		}
		return v.end(e)
	}
	return fmt.Errorf("the kind %q is not known", k.Kind)
}

func (v *checker) begin(line []byte, outside []string) error {
	var b Begin
	if err := strict(line, &b); err != nil {
		return err
	}
	if b.Format != Format || b.Account == "" || b.Size < b.From {
		return errors.New("this is no beginning of a record of this format")
	}
	peaks := make([]byte, 0, len(b.Peaks)*sha256.Size)
	for _, h := range b.Peaks {
		peaks = append(peaks, h[:]...)
	}
	var err error
	if v.tree, err = NewTree(b.From, peaks); err != nil {
		return err
	}
	if v.stored, err = NewTree(b.From, peaks); err != nil {
		return err
	}
	v.begun, v.Account, v.From, v.Size = true, b.Account, b.From, b.Size
	for _, text := range outside {
		c, err := Open(text, v.keys)
		switch {
		case err != nil:
			v.fault("a checkpoint from outside: %v", err)
		case c.Account == v.Account && c.Size > v.Size:
			v.fault("the record was cut: a checkpoint of %s has signed %d entries, and it has %d", FormatTime(c.At), c.Size, v.Size)
		case c.Account == v.Account:
			v.outside[c.Size] = append(v.outside[c.Size], c)
		}
	}
	return nil
}

// entry checks one at its place, and that it follows its writer's last.
func (v *checker) entry(position uint64, e Entry, leaf, stored Hash) error {
	if leaf != stored {
		v.altered++
		v.fault("position %d: %s of %s was altered after it had its place", position, e.ID, e.At)
	}
	if e.Writer != "" {
		v.follows(position, e, link{e.N, leaf, stored, position})
	}
	return v.append(position, leaf, stored)
}

func (v *checker) follows(position uint64, e Entry, now link) {
	before, known := v.chains[e.Writer]
	v.chains[e.Writer] = now
	v.Chains = len(v.chains)
	switch {
	case !known && e.N == 1 && e.Prev == (Hash{}), !known && e.N > 1 && v.From > 0:
	case !known:
		v.fault("position %d: the chain of %s begins with its entry %d: those before it are missing", position, e.Writer, e.N)
	case e.N > before.n+1:
		v.fault("position %d: in the chain of %s entries %d to %d are missing, after position %d", position, e.Writer, before.n+1, e.N-1, before.position)
	case e.N <= before.n:
		v.fault("position %d: in the chain of %s entry %d comes after entry %d: they were reordered or doubled", position, e.Writer, e.N, before.n)
	case e.Prev != before.stored && e.Prev != before.leaf:
		v.fault("position %d: %s does not continue the entry at position %d of its chain", position, e.ID, before.position)
	}
}

func (v *checker) append(position uint64, leaf, stored Hash) error {
	if position != v.tree.Size() {
		return fmt.Errorf("position %d stands where position %d should: entries are missing or reordered", position, v.tree.Size())
	}
	if v.seen++; v.seen == 1 && v.From > 0 && v.Last.Size != v.From {
		v.fault("nothing that is signed says what came before position %d", v.From)
	}
	if err := errors.Join(v.tree.Append(leaf), v.stored.Append(stored)); err != nil {
		return err
	}
	for _, c := range v.outside[v.tree.Size()] {
		v.compare(c, "kept elsewhere ")
	}
	return nil
}

func (v *checker) checkpoint(note string) error {
	c, err := Open(note, v.keys)
	size := v.tree.Size()
	switch {
	case err != nil:
		v.fault("at position %d: a checkpoint that does not verify: %v", size, err)
		return nil
	case c.Account != v.Account:
		v.fault("at position %d: a checkpoint of another account, %s", size, c.Account)
		return nil
	case c.Size > v.Size && size == v.Size:
		v.fault("the record was cut: the checkpoint of %s has signed %d entries, and it has %d", FormatTime(c.At), c.Size, v.Size)
		return nil
	case c.Size != size:
		v.fault("at position %d: a checkpoint of %d entries stands here", size, c.Size)
		return nil
	}
	if c.At.Before(v.Last.At) {
		v.fault("at position %d: a checkpoint was signed before the one of fewer entries", size)
	}
	v.compare(c, "")
	v.Checkpoints++
	v.Last, v.signed, v.altered = c, size, 0
	return nil
}

// compare tells once where the tree stops being the signed one.
func (v *checker) compare(c Checkpoint, where string) {
	if v.broken {
		return
	}
	shown, err := v.tree.Root()
	if err == nil && shown == c.Root {
		return
	}
	v.broken = true
	stored, err := v.stored.Root()
	if err == nil && stored == c.Root && v.altered > 0 {
		v.fault("positions %d to %d: only what is named above was altered; the rest is as the checkpoint %sof %s has signed it", v.signed, c.Size-1, where, FormatTime(c.At))
		return
	}
	v.fault("positions %d to %d: something was altered, dropped, added or reordered: the tree is not the one that the checkpoint %sof %s has signed", v.signed, c.Size-1, where, FormatTime(c.At))
}

func (v *checker) end(e End) error {
	v.ended = true
	switch {
	case v.tree.Size() != v.Size || e.Entries != v.seen || e.Strays != v.strays:
		v.fault("the file is cut: it says that it has %d entries up to position %d, and has %d up to %d", e.Entries, v.Size, v.seen, v.tree.Size())
	case v.From > 0 && v.Checkpoints == 0 || v.Size > 0 && v.Last.Size != v.Size:
		v.fault("the last %d entries are under no checkpoint", v.Size-v.signed)
	}
	return nil
}
