package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/checkpoint"
	"catchment/internal/checkpoint/checkpointtest"
	"catchment/internal/receipt"
)

var writeVectors = flag.Bool("write-vectors", false, "write docs/audit-vectors.json")

var (
	key     = checkpointtest.Own()
	foreign = checkpointtest.New("the seed of somebody else's key.")
	began   = time.Date(2026, 3, 2, 9, 40, 0, 0, time.UTC)
	keys    = key.Published(began)
)

const acct = "acct_01h455vb4pex5vsknk084sn02q"

// sheet is a record before it is written: what a tamperer changes.
type sheet struct {
	begin   checkpoint.Begin
	lines   []any
	outside []string
	rehash  bool // the tamperer has computed the hashes of entries anew
	cut     bool
}

func sign(t testing.TB, k checkpointtest.Key, size uint64, root checkpoint.Hash) string {
	t.Helper()
	note, err := checkpoint.Checkpoint{Account: acct, Size: size, Root: root, At: began.Add(time.Duration(size) * time.Minute)}.Sign(k)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// entries of two writers in turns; skip leaves one out of the tree, whose chain
// goes on.
func entries(skip int) (out []checkpoint.EntryLine) {
	last, n := map[string]checkpoint.Hash{}, map[string]uint64{}
	for i := range 21 {
		w := fmt.Sprintf("wrt_01h455vb4pex5vsknk084sn0%02d", 10+i%2)
		n[w]++
		e := checkpoint.Entry{ID: fmt.Sprintf("rec_01h455vb4pex5vsknk084sn0%02d", 30+i), At: checkpoint.FormatTime(began.Add(time.Duration(i) * time.Second)),
			Writer: w, N: n[w], Prev: last[w], Payload: checkpoint.Payload{Actor: "user_a", Action: "opened", Purpose: "contact",
				About: fmt.Sprint("lead_", i), Detail: `{"note":"<é & \"so\">","n":` + fmt.Sprint(i) + `}`}}
		e.Salt[0] = byte(i)
		last[w] = e.Leaf(acct)
		if i != skip {
			out = append(out, checkpoint.EntryLine{Kind: "entry", Position: uint64(len(out)), LeafHash: last[w], Entry: e})
		}
	}
	return out[:20]
}

// record is a whole one with checkpoints of 5, 12 and 20 entries; after from
// it begins there.
func record(t testing.TB, from uint64, skip int) *sheet {
	t.Helper()
	s := &sheet{begin: checkpoint.Begin{Kind: "begin", Format: checkpoint.Format, Account: acct, From: from, Size: 20, Peaks: []checkpoint.Hash{}}}
	tree, err := checkpoint.NewTree(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries(skip) {
		if e.Position >= from {
			s.lines = append(s.lines, e)
		}
		if err := tree.Append(e.LeafHash); err != nil {
			t.Fatal(err)
		}
		root, err := tree.Root()
		if err != nil {
			t.Fatal(err)
		}
		if size := tree.Size(); size >= from && slices.Contains([]uint64{5, 12, 20}, size) {
			s.lines = append(s.lines, checkpoint.Noted{Kind: "checkpoint", Note: sign(t, key, size, root)})
			for p := tree.Peaks(); size == from && len(p) > 0; p = p[32:] {
				s.begin.Peaks = append(s.begin.Peaks, checkpoint.Hash(p[:32]))
			}
		}
	}
	return s
}

// entry is the i-th of the lines that is an entry.
func (s *sheet) entry(position int) (int, checkpoint.EntryLine) {
	for i, l := range s.lines {
		if e, ok := l.(checkpoint.EntryLine); ok && e.Position == uint64(position) {
			return i, e
		}
	}
	panic("no such entry")
}

func (s *sheet) change(position int, f func(*checkpoint.EntryLine)) {
	i, e := s.entry(position)
	f(&e)
	s.lines[i] = e
}

func (s *sheet) drop(position int) {
	i, _ := s.entry(position)
	s.lines = slices.Delete(s.lines, i, i+1)
}

// text writes it, numbered anew.
func (s *sheet) text(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	put := func(v any) {
		if err := out.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	var lines []any
	at, strays := s.begin.From, uint64(0)
	for _, l := range s.lines {
		switch e := l.(type) {
		case checkpoint.EntryLine:
			if e.Kind == "stray" {
				strays++
				break
			}
			if e.Position = at; s.rehash {
				e.LeafHash = e.Leaf(acct)
			}
			at++
			l = e
		case checkpoint.Gone:
			e.Position = at
			at++
			l = e
		case checkpoint.Missing:
			e.Position = at
			at++
			l = e
		}
		lines = append(lines, l)
	}
	s.begin.Size = at
	put(s.begin)
	for _, l := range lines {
		put(l)
	}
	if !s.cut {
		put(checkpoint.End{Kind: "end", Entries: at - s.begin.From, Strays: strays})
	}
	return b.String()
}

type vector struct {
	Name    string   `json:"name"`
	Record  string   `json:"record"`
	Outside []string `json:"outside"`
	Says    string   `json:"says"` // a part of a fault; "" when it is valid
}

func vectors(t testing.TB) (out []vector) {
	for _, c := range []struct {
		name, says string
		from       uint64
		skip       int
		f          func(s *sheet)
	}{
		{"whole", "", 0, -1, func(*sheet) {}},
		{"from a checkpoint", "", 12, -1, func(*sheet) {}},
		{"with a checkpoint from outside", "", 0, -1, func(s *sheet) { s.outside = notes(record(t, 0, -1)) }},
		{"a payload dropped by a rule", "", 0, -1, func(s *sheet) {
			i, e := s.entry(7)
			s.lines[i] = checkpoint.Gone{Kind: "dropped", LeafHash: e.LeafHash, ID: e.ID, At: e.At, Writer: e.Writer, N: e.N, Prev: e.Prev, Payload: e.Payload.Hash()}
		}},
		{"who did it", "position 7", 0, -1, func(s *sheet) { s.change(7, func(e *checkpoint.EntryLine) { e.Actor = "user_b" }) }},
		{"who did it, its hash too", "positions 5 to 11", 0, -1, func(s *sheet) { s.rehash = true; s.change(7, func(e *checkpoint.EntryLine) { e.Actor = "user_b" }) }},
		{"when", "position 19", 0, -1, func(s *sheet) { s.change(19, func(e *checkpoint.EntryLine) { e.At = checkpoint.FormatTime(began) }) }},
		{"the hash alone", "position 7", 0, -1, func(s *sheet) { s.change(7, func(e *checkpoint.EntryLine) { e.LeafHash[0]++ }) }},
		{"one dropped", "are missing", 0, -1, func(s *sheet) { s.drop(7) }},
		{"one gone", "is gone", 0, -1, func(s *sheet) {
			i, e := s.entry(7)
			s.lines[i] = checkpoint.Missing{Kind: "missing", LeafHash: e.LeafHash, ID: e.ID}
		}},
		{"two of different writers swapped", "positions 5 to 11", 0, -1, func(s *sheet) {
			i, a := s.entry(7)
			j, b := s.entry(8)
			s.lines[i], s.lines[j] = b, a
		}},
		{"two of one writer swapped", "reordered", 0, -1, func(s *sheet) {
			i, a := s.entry(7)
			j, b := s.entry(9)
			s.lines[i], s.lines[j] = b, a
		}},
		{"one added", "a checkpoint of 12 entries", 0, -1, func(s *sheet) {
			i, e := s.entry(7)
			e.Writer, e.N, e.Prev = "wrt_01h455vb4pex5vsknk084sn0zz", 1, checkpoint.Hash{}
			s.lines = slices.Insert(s.lines, i, any(e))
			s.rehash = true
		}},
		{"an entry before it was placed", "are missing", 0, 9, func(*sheet) {}},
		{"cut to an older checkpoint", "was cut", 0, -1, func(s *sheet) {
			s.outside = notes(s)
			i, _ := s.entry(12)
			s.lines = s.lines[:i]
		}},
		{"the last entries unsigned", "under no checkpoint", 0, -1, func(s *sheet) { s.lines = s.lines[:len(s.lines)-1] }},
		{"the file cut", "no end", 0, -1, func(s *sheet) { s.cut = true }},
		{"signed by a stranger", "does not verify", 0, -1, func(s *sheet) {
			tree, _ := checkpoint.NewTree(0, nil)
			for p := range 20 {
				_, e := s.entry(p)
				if err := tree.Append(e.LeafHash); err != nil {
					t.Fatal(err)
				}
			}
			root, _ := tree.Root()
			s.lines[len(s.lines)-1] = checkpoint.Noted{Kind: "checkpoint", Note: sign(t, foreign, 20, root)}
		}},
		{"a stray", "in no tree", 0, -1, func(s *sheet) {
			_, e := s.entry(7)
			e.Kind, e.ID = "stray", "rec_01h455vb4pex5vsknk084sn0zz"
			s.lines = append(s.lines, e)
		}},
		{"what came before is nobody's word", "nothing that is signed", 12, -1, func(s *sheet) { s.lines = s.lines[1:] }},
	} {
		s := record(t, c.from, c.skip)
		c.f(s)
		out = append(out, vector{c.name, s.text(t), append([]string{}, s.outside...), c.says})
	}
	return out
}

func notes(s *sheet) (out []string) {
	for _, l := range s.lines {
		if n, ok := l.(checkpoint.Noted); ok {
			out = append(out, n.Note)
		}
	}
	return out
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		r, err := checkpoint.Verify(strings.NewReader(v.Record), keys, v.Outside...)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		if said := strings.Join(r.Faults, "\n"); (said == "") != (v.Says == "") || !strings.Contains(said, v.Says) {
			t.Errorf("%s: it says %q, want %q", v.Name, said, v.Says)
		}
	}
}

// docs/audit-vectors.json is what others try their verifiers with.
func TestVectorsAreWritten(t *testing.T) {
	keysText, err := receipt.MarshalKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	if err := out.Encode(map[string]any{"keys_document": string(keysText), "vectors": vectors(t)}); err != nil {
		t.Fatal(err)
	}
	const file = "../../docs/audit-vectors.json"
	if *writeVectors {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not what this package makes (%v): go test ./internal/checkpoint -write-vectors", file, err)
	}
}

// A second verifier, written from docs/audit.md alone in another language,
// judges as this one.
func TestTheSecondVerifierAgrees(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node is not installed: the second verifier was not tried")
	}
	program, err := os.ReadFile("../../docs/audit-verify.mjs")
	if err != nil || bytes.Count(program, []byte("\n")) >= 200 {
		t.Fatalf("the second verifier has 200 lines or more, or is not there: %v", err)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keysText, err := receipt.MarshalKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := file("keys.json", string(keysText))
	for _, v := range vectors(t) {
		args := []string{"../../docs/audit-verify.mjs", file("record.jsonl", v.Record), keyFile}
		for i, note := range v.Outside {
			args = append(args, file(fmt.Sprint("note", i), note))
		}
		said, err := exec.Command(node, args...).CombinedOutput()
		if (err == nil) != (v.Says == "") || !strings.Contains(string(said), v.Says) {
			t.Errorf("%s: it says %q (%v), want %q", v.Name, said, err, v.Says)
		}
	}
}

// Whatever a file has, judging it ends, and what is found valid is signed to
// its end.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Record))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := checkpoint.Verify(bytes.NewReader(text), keys)
		if err == nil && len(r.Faults) == 0 && r.Size > 0 && (r.Last.Size != r.Size || r.Last.Account != r.Account) {
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzOpen: a note that is taken says what its text says.
func FuzzOpen(f *testing.F) {
	for _, note := range notes(record(f, 0, -1)) {
		f.Add(note)
	}
	f.Fuzz(func(t *testing.T, note string) {
		c, err := checkpoint.Open(note, keys)
		if err == nil && !strings.HasPrefix(note, c.Text()+"\n") {
			t.Fatalf("%q is %+v", note, c)
		}
	})
}
