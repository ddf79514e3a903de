package proof

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// canary is a text that must be found nowhere. All of them are ASCII or are
// looked for byte by byte; letters are compared without regard to case.
type canary struct {
	kind string // name, phone, e-mail, message …
	text string
}

// needle is one form of a canary, in lower case.
type needle struct {
	canary int
	form   string
	bytes  []byte
}

// searcher looks for every form of every canary at once. It hashes each
// window of eight bytes into a bit set and compares only where a bit is set,
// so a gigabyte takes seconds however many needles there are.
type searcher struct {
	canaries []canary
	needles  []needle
	bits     []uint64         // one bit for each hash of a needle's first window
	at       map[uint64][]int // needles by their first window
	longest  int
}

const window = 8

// hit is a canary that was found.
type hit struct {
	file   string
	kind   string
	form   string
	offset int64
}

func (h hit) String() string {
	return fmt.Sprintf("%s as %s in %s at byte %d", h.kind, h.form, h.file, h.offset)
}

func newSearcher(canaries []canary) (*searcher, error) {
	s := &searcher{canaries: canaries, bits: make([]uint64, 1<<22>>6), at: map[uint64][]int{}}
	for n, c := range canaries {
		once := map[string]bool{}
		for _, f := range forms(c) {
			low := lower(bytes.Clone(f.bytes))
			if once[string(low)] {
				continue
			}
			once[string(low)] = true
			if len(low) < window {
				return nil, fmt.Errorf("a %s is too short to be looked for as %s", c.kind, f.form)
			}
			s.add(needle{n, f.form, low})
		}
	}
	return s, nil
}

func (s *searcher) add(n needle) {
	w := binary.LittleEndian.Uint64(n.bytes)
	s.bits[slot(w)>>6] |= 1 << (slot(w) & 63)
	s.at[w] = append(s.at[w], len(s.needles))
	s.needles = append(s.needles, n)
	s.longest = max(s.longest, len(n.bytes))
}

// slot is the window's bit: 22 bits of a multiplicative hash.
func slot(w uint64) uint64 { return w * 0x9E3779B97F4A7C15 >> 42 }

var toLower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

func lower(b []byte) []byte {
	for i, c := range b {
		b[i] = toLower[c]
	}
	return b
}

// scan reads to the end and returns how much there was. A needle that lies
// across two blocks is found: the end of a block is kept for the next.
func (s *searcher) scan(name string, r io.Reader, found func(hit)) (int64, error) {
	buf := make([]byte, 0, 1<<20+s.longest)
	total := int64(0) // bytes before buf
	for {
		keep := len(buf)
		n, err := io.ReadFull(r, buf[keep:cap(buf)])
		buf = buf[:keep+n]
		lower(buf[keep:])
		last := err != nil
		until := len(buf) - s.longest + 1 // beginnings that are seen whole
		if last {
			until = len(buf) - window + 1
		}
		s.look(name, buf, max(0, until), total, found)
		if last {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return total + int64(len(buf)), err
		}
		done := max(0, until)
		total += int64(done)
		buf = buf[:copy(buf, buf[done:])]
	}
}

// look reports needles that begin before until.
func (s *searcher) look(name string, b []byte, until int, before int64, found func(hit)) {
	for i := range until {
		w := binary.LittleEndian.Uint64(b[i:])
		k := slot(w)
		if s.bits[k>>6]&(1<<(k&63)) == 0 {
			continue
		}
		for _, n := range s.at[w] {
			if nd := s.needles[n]; bytes.HasPrefix(b[i:], nd.bytes) {
				found(hit{name, s.canaries[nd.canary].kind, nd.form, before + int64(i)})
			}
		}
	}
}

// swept is what a search went through.
type swept struct {
	files int
	bytes int64
	hits  []hit
}

// tree searches every file below dir, and their names, but for those that
// leave says to leave out. Files that go away meanwhile are passed over.
func (s *searcher) tree(dir string, leave func(name string) bool) (swept, error) {
	var out swept
	found := func(h hit) { out.hits = append(out.hits, h) }
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if _, err := s.scan("the name of "+name, strings.NewReader(name), found); err != nil {
			return err
		}
		if !d.Type().IsRegular() || leave(name) {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		defer f.Close()
		n, err := s.scan(name, f, found)
		out.files++
		out.bytes += n
		return err
	})
	return out, err
}

func (a *swept) plus(b swept) {
	a.files += b.files
	a.bytes += b.bytes
	a.hits = append(a.hits, b.hits...)
}

// form is one way in which a text may stand in a file.
type form struct {
	form  string
	bytes []byte
}

// forms are all the ways that are looked for. A telephone number is looked for
// in all the ways in which it is written; hashes without a key are among them,
// because whoever has one can try every number there is.
func forms(c canary) []form {
	var out []form
	texts := map[string]string{"raw": c.text}
	if strings.HasSuffix(c.kind, "phone") {
		for how, t := range phoneTexts(c.text) {
			texts[how] = t
		}
	}
	for how, t := range texts {
		out = append(out, encodings(how, t)...)
	}
	return out
}

// phoneTexts writes an E.164 number of North America as people and programs do.
func phoneTexts(e164 string) map[string]string {
	digits := strings.TrimPrefix(e164, "+")
	if len(digits) != 11 || digits[0] != '1' {
		return map[string]string{"digits": digits}
	}
	a, b, c := digits[1:4], digits[4:7], digits[7:]
	return map[string]string{
		"digits": digits, "national digits": digits[1:], "national": "(" + a + ") " + b + "-" + c,
		"dashes": a + "-" + b + "-" + c, "spaces": a + " " + b + " " + c, "dots": a + "." + b + "." + c,
	}
}

func encodings(how, t string) []form {
	b := []byte(t)
	out := []form{{how, b}, {how + ", hex", []byte(hex.EncodeToString(b))}, {how + ", every byte URL-encoded", percent(b)},
		{how + ", URL-encoded query", []byte(url.QueryEscape(t))}, {how + ", URL-encoded path", []byte(url.PathEscape(t))},
		{how + ", HTML-escaped", []byte(html.EscapeString(t))}, {how + ", JSON", jsonText(t)}, {how + ", JSON in ASCII", jsonASCII(t)},
		{how + ", UTF-16LE", utf16Bytes(t, binary.LittleEndian)}, {how + ", UTF-16BE", utf16Bytes(t, binary.BigEndian)},
		{how + ", base32", []byte(strings.TrimRight(base32.StdEncoding.EncodeToString(b), "="))}}
	for shift := range 3 {
		out = append(out, form{fmt.Sprintf("%s, base64 at %d", how, shift), aligned(base64.RawStdEncoding, b, shift)},
			form{fmt.Sprintf("%s, base64url at %d", how, shift), aligned(base64.RawURLEncoding, b, shift)})
	}
	m5, s1, s2 := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b)
	for name, h := range map[string][]byte{"MD5": m5[:], "SHA-1": s1[:], "SHA-256": s2[:]} {
		out = append(out, form{how + ", " + name, h}, form{how + ", " + name + " in hex", []byte(hex.EncodeToString(h))},
			form{how + ", " + name + " in base64", []byte(base64.RawStdEncoding.EncodeToString(h))},
			form{how + ", " + name + " in base64url", []byte(base64.RawURLEncoding.EncodeToString(h))})
	}
	return out
}

// aligned is what of the base64 of a longer text depends on b alone, when b
// begins shift bytes after a multiple of three.
func aligned(e *base64.Encoding, b []byte, shift int) []byte {
	text := e.EncodeToString(append(make([]byte, shift), b...))
	from := (shift*8 + 5) / 6
	to := (shift + len(b)) * 8 / 6
	return []byte(text[from:to])
}

func percent(b []byte) []byte {
	var out []byte
	for _, c := range b {
		out = fmt.Appendf(out, "%%%02x", c)
	}
	return out
}

func jsonText(t string) []byte {
	b, _ := json.Marshal(t) // a string always can be
	return b[1 : len(b)-1]
}

// jsonASCII escapes what is not ASCII, and apostrophes, as careful writers do.
func jsonASCII(t string) []byte {
	var out []byte
	for _, r := range utf16.Encode([]rune(t)) {
		if r < 0x80 && r != '\'' && r != '"' && r != '\\' {
			out = append(out, byte(r))
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func utf16Bytes(t string, order binary.ByteOrder) []byte {
	units := utf16.Encode([]rune(t))
	out := make([]byte, 2*len(units))
	for i, u := range units {
		order.PutUint16(out[2*i:], u)
	}
	return out
}

// planted writes a file that has every form of every canary between random
// bytes: a searcher that does not find each of them proves nothing.
func (s *searcher) planted(w io.Writer, noise []byte) error {
	for n := range s.needles {
		text := s.needles[n].bytes
		if n%2 == 1 {
			text = bytes.ToUpper(text)
			if string(lower(bytes.Clone(text))) != string(s.needles[n].bytes) {
				text = s.needles[n].bytes // upper case of a byte that is no letter of ASCII
			}
		}
		if _, err := w.Write(append(append([]byte{}, noise[n%len(noise):]...), text...)); err != nil {
			return err
		}
	}
	return nil
}

// recall searches a planted text and counts the needles that are found.
func (s *searcher) recall(noise []byte) (found, of int, err error) {
	var b bytes.Buffer
	if err := s.planted(&b, noise); err != nil {
		return 0, 0, err
	}
	type mark struct{ kind, form string }
	seen := map[int64]map[mark]bool{}
	_, err = s.scan("planted", &b, func(h hit) {
		if seen[h.offset] == nil {
			seen[h.offset] = map[mark]bool{}
		}
		seen[h.offset][mark{h.kind, h.form}] = true
	})
	at := int64(0)
	for n, nd := range s.needles {
		at += int64(len(noise) - n%len(noise))
		if seen[at][mark{s.canaries[nd.canary].kind, nd.form}] {
			found++
		}
		at += int64(len(nd.bytes))
	}
	return found, len(s.needles), err
}

// Swept is what a search of a folder went through, and what it found, in words.
type Swept struct {
	Files int
	Bytes int64
	Hits  []string
}

// SearchTree looks below dir for every text, each under what it is (a phone is
// looked for in all the ways in which numbers are written), in all the forms
// that texts take in files. A text has eight bytes or more.
func SearchTree(dir string, texts map[string]string) (Swept, error) {
	var all []canary
	for kind, text := range texts {
		all = append(all, canary{kind, text})
	}
	s, err := newSearcher(all)
	if err != nil {
		return Swept{}, err
	}
	got, err := s.tree(dir, func(string) bool { return false })
	out := Swept{Files: got.files, Bytes: got.bytes}
	for _, h := range got.hits {
		out.Hits = append(out.Hits, h.String())
	}
	return out, err
}
