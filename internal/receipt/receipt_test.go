package receipt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"

	"catchment/internal/lead"
)

// seeded gives n bytes that are the same on every run. No randomness is meant.
func seeded(n int, what string, i int) []byte {
	var out []byte
	for block := 0; len(out) < n; block++ {
		h := sha256.Sum256(fmt.Appendf(nil, "catchment receipt vectors|%s|%d|%d", what, i, block))
		out = append(out, h[:]...)
	}
	return out[:n]
}

func testKey(i int) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seeded(32, "key", i)) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var day = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

func testKeys() Keys {
	return Keys{
		{ID: "rk-2025", PublicKey: public(testKey(0)), NotBefore: day.AddDate(-1, 0, 0), NotAfter: day.AddDate(0, 0, -10)},
		{ID: "rk-2026", PublicKey: public(testKey(1)), NotBefore: day.AddDate(0, 0, -10)},
	}
}

// root and path follow the definitions of RFC 6962, 2.1, word for word, so
// that they share nothing with the check under test.
func root(leaves []Hash) Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return node(root(leaves[:k]), root(leaves[k:]))
}

func path(m int, leaves []Hash) []Hash {
	if len(leaves) == 1 {
		return []Hash{}
	}
	k := split(len(leaves))
	if m < k {
		return append(path(m, leaves[:k]), root(leaves[k:]))
	}
	return append(path(m-k, leaves[k:]), root(leaves[:k]))
}

func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

func node(l, r Hash) Hash {
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

func body(i int) []byte {
	return fmt.Appendf(nil, `{"source":"web-form","person":{"name":"Ada Example %d","phone":"+1202555%04d"}}`, i, 100+i%100)
}

// commit makes the receipts at the given indices of a commit of size leads.
func commit(size int, seq uint64, key ed25519.PrivateKey, keyID string, at time.Time, indices ...int) []*Receipt {
	all := make([]*Receipt, size)
	leaves := make([]Hash, size)
	for i := range all {
		u := seeded(16, fmt.Sprint("id", seq), i)
		u[6], u[8] = u[6]&0x0f|0x70, u[8]&0x3f|0x80
		id, err := parseID(u)
		if err != nil {
			panic(err)
		}
		r := &Receipt{V: Version, ID: id, ReceivedAt: FormatTime(at.Add(time.Duration(i) * time.Millisecond)),
			SHA256: sha256.Sum256(body(i)), Salt: Salt(seeded(16, fmt.Sprint("salt", seq), i)),
			Stream: "leads", Seq: seq, Index: uint64(i), Size: uint64(size), KeyID: keyID}
		all[i], leaves[i] = r, Leaf(r.Salt, r.ID, r.SHA256, r.ReceivedAt)
	}
	top := root(leaves)
	sig := Signature(ed25519.Sign(key, SignedMessage("leads", seq, uint64(size), top)))
	var out []*Receipt
	for _, i := range indices {
		r := all[i]
		r.Root, r.Signature, r.Path = top, sig, path(i, leaves)
		out = append(out, r)
	}
	return out
}

func one(size, index int) *Receipt {
	return commit(size, 42, testKey(1), "rk-2026", day.Add(9*time.Hour), index)[0]
}

func TestEveryLeafOfEverySizeVerifies(t *testing.T) {
	for size := 1; size <= 33; size++ {
		indices := make([]int, size)
		for i := range indices {
			indices[i] = i
		}
		for i, r := range commit(size, 42, testKey(1), "rk-2026", day, indices...) {
			if err := Verify(r, testKeys()); err != nil {
				t.Fatalf("size %d index %d: %v", size, i, err)
			}
			if err := r.MatchesBody(body(i)); err != nil {
				t.Fatal(err)
			}
			if err := r.MatchesBody(body(i + 1)); !errors.Is(err, ErrBody) {
				t.Fatalf("another body: %v", err)
			}
		}
	}
}

// The leaf is an ordinary RFC 6962 leaf hash of what follows the 0x00.
func TestLeafIsRFC6962(t *testing.T) {
	r := one(3, 1)
	data := append([]byte{}, r.Salt[:]...)
	data = append(data, r.ID.String()...)
	data = append(data, r.SHA256[:]...)
	data = append(data, r.ReceivedAt...)
	if len(data) != 16+30+32+24 {
		t.Errorf("the parts have %d bytes", len(data))
	}
	if got := Leaf(r.Salt, r.ID, r.SHA256, r.ReceivedAt); !bytes.Equal(got[:], rfc6962.DefaultHasher.HashLeaf(data)) {
		t.Error("it is another hash")
	}
}

func TestSignedMessage(t *testing.T) {
	got := SignedMessage("leads", 258, 3, [32]byte{31: 9})
	want := "catchment-receipt-v1\nleads\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x00\x00\x00\x03" + strings.Repeat("\x00", 31) + "\x09"
	if string(got) != want {
		t.Errorf("%q", got)
	}
}

// Every byte of the receipt's text is changed to every other: none passes.
func TestAnyChangedByteIsRefused(t *testing.T) {
	for _, r := range []*Receipt{one(1, 0), one(5, 2)} {
		text := AppendJSON(nil, r)
		accept := func(b []byte) bool {
			got, err := Parse(b)
			return err == nil && Verify(got, testKeys()) == nil && got.MatchesBody(body(int(r.Index))) == nil
		}
		if !accept(text) {
			t.Fatal("the control is refused")
		}
		for i := range text {
			for c := range 256 {
				if byte(c) == text[i] {
					continue
				}
				changed := bytes.Clone(text)
				changed[i] = byte(c)
				if accept(changed) {
					t.Errorf("byte %d as %#x still passes:\n%s", i, c, changed)
				}
			}
		}
	}
}

func TestAnyMissingOrDoubledByteIsRefused(t *testing.T) {
	text := AppendJSON(nil, one(5, 2))
	for i := range text {
		cut := append(bytes.Clone(text[:i]), text[i+1:]...)
		twice := append(bytes.Clone(text[:i+1]), text[i:]...)
		for _, b := range [][]byte{cut, twice} {
			if got, err := Parse(b); err == nil && Verify(got, testKeys()) == nil {
				t.Errorf("byte %d: %s", i, b)
			}
		}
	}
}

func TestVerifyNamesTheFault(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Receipt)
		want   error
	}{
		{"version", func(r *Receipt) { r.V = 2 }, ErrForm},
		{"no id", func(r *Receipt) { r.ID = lead.EnquiryID{} }, ErrForm},
		{"another id", func(r *Receipt) { r.ID = one(8, 4).ID }, ErrInclusion},
		{"time", func(r *Receipt) { r.ReceivedAt = "2026-03-14T09:00:00.004Z" }, ErrInclusion},
		{"time in another form", func(r *Receipt) { r.ReceivedAt = "2026-03-14T09:00:00Z" }, ErrForm},
		{"body", func(r *Receipt) { r.SHA256[0] ^= 1 }, ErrInclusion},
		{"salt", func(r *Receipt) { r.Salt[15] ^= 1 }, ErrInclusion},
		{"stream", func(r *Receipt) { r.Stream = "other" }, ErrSignature},
		{"stream with a line break", func(r *Receipt) { r.Stream = "leads\n" }, ErrForm},
		{"sequence", func(r *Receipt) { r.Seq++ }, ErrSignature},
		{"sequence 0", func(r *Receipt) { r.Seq = 0 }, ErrForm},
		{"index", func(r *Receipt) { r.Index++ }, ErrInclusion},
		{"index outside", func(r *Receipt) { r.Index = r.Size }, ErrForm},
		{"size", func(r *Receipt) { r.Size++ }, ErrSignature},
		{"shorter path", func(r *Receipt) { r.Path = r.Path[:2] }, ErrInclusion},
		{"longer path", func(r *Receipt) { r.Path = append(r.Path, Hash{}) }, ErrInclusion},
		{"endless path", func(r *Receipt) { r.Path = make([]Hash, 31) }, ErrForm},
		{"root", func(r *Receipt) { r.Root[3] ^= 1 }, ErrSignature},
		{"unknown key", func(r *Receipt) { r.KeyID = "rk-2027" }, ErrKey},
		{"a key that had ended", func(r *Receipt) { r.KeyID = "rk-2025" }, ErrKey},
		{"signature", func(r *Receipt) { r.Signature[63] ^= 1 }, ErrSignature},
	} {
		r := one(8, 3)
		if err := Verify(r, testKeys()); err != nil {
			t.Fatal(err)
		}
		c.change(r)
		if err := Verify(r, testKeys()); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestKeyTimes(t *testing.T) {
	k := Key{NotBefore: day, NotAfter: day.Add(time.Hour)}
	for at, want := range map[time.Time]bool{
		day.Add(-leeway): true, day.Add(-leeway - time.Millisecond): false,
		day.Add(time.Hour + leeway): true, day.Add(time.Hour + leeway + time.Millisecond): false,
	} {
		if k.Covers(at) != want {
			t.Errorf("%s: %v", at, !want)
		}
	}
	if k.NotAfter = (time.Time{}); !k.Covers(day.AddDate(50, 0, 0)) {
		t.Error("a key without an end ended")
	}
}

func TestAppendJSONEqualsEncodingJSON(t *testing.T) {
	type plain Receipt // without the methods
	rapid.Check(t, func(t *rapid.T) {
		r := one(rapid.IntRange(1, 9).Draw(t, "size"), 0)
		r.V = rapid.Int().Draw(t, "v")
		r.Seq = rapid.Uint64().Draw(t, "seq")
		r.ReceivedAt = rapid.StringMatching(`[ -%'-;=?-~é]*`).Draw(t, "at") // less the <, > and & that encoding/json escapes for HTML
		got := AppendJSON([]byte("x"), r)
		want, err := json.Marshal((*plain)(r))
		if err != nil || string(got) != "x"+string(want) {
			t.Fatalf("%v\n got %s\nwant %s", err, got, want)
		}
	})
}

func TestJSONRoundTripInsideAnother(t *testing.T) {
	type reply struct {
		Receipt Receipt `json:"receipt"`
	}
	b, err := json.MarshalIndent(reply{*one(5, 3)}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var back reply
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if err := Verify(&back.Receipt, testKeys()); err != nil {
		t.Error(err)
	}
	if r := (&Receipt{}); !strings.Contains(string(AppendJSON(nil, r)), `"path":[]`) {
		t.Error("an empty path is not []")
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(AppendJSON(nil, one(2, 1)))
	swap := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%s is not in %s", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, text := range map[string]string{
		"nothing":            "",
		"another type":       "[]",
		"null":               "null",
		"missing member":     swap(`"v":1,`, ``),
		"unknown member":     swap(`"v":1`, `"v":1,"w":1`),
		"repeated member":    swap(`"v":1`, `"v":1,"v":1`),
		"another case":       swap(`"v":1`, `"V":1`),
		"fraction":           swap(`"seq":42`, `"seq":42.0`),
		"exponent":           swap(`"seq":42`, `"seq":42e0`),
		"minus":              swap(`"index":1`, `"index":-1`),
		"text for number":    swap(`"seq":42`, `"seq":"42"`),
		"too big":            swap(`"seq":42`, `"seq":9007199254740992`),
		"null path":          swap(`"path":[`, `"path":null,"x":[`),
		"padding":            swap(`","signature"`, `=","signature"`),
		"trailing":           good + "{}",
		"trailing comma":     swap(`"}`, `",}`),
		"byte order mark":    "\ufeff" + good,
		"too long":           good + strings.Repeat(" ", maxText),
		"another zone":       swap(`Z","sha256"`, `+00:00","sha256"`),
		"lead id":            swap(`"enq_`, `"lead_`),
		"a time that is not": swap(`2026-03-14`, `2026-02-30`),
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Standard base64's two signs are not base64url's, and spare bits are zero.
func TestBase64IsStrict(t *testing.T) {
	var h Hash
	ok := strings.Repeat("A", 43)
	if err := h.UnmarshalText([]byte(ok)); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", ok + "=", ok[:42], ok + "A", ok[:42] + "B", "+" + ok[1:], "/" + ok[1:], ok[:20] + "\n" + ok[20:42], ok + "\n"} {
		if err := h.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 3, 14, 1, 2, 3, 999_999_999, time.FixedZone("", 3600))
	if got := FormatTime(at); got != "2026-03-14T00:02:03.999Z" {
		t.Error(got)
	}
	for _, bad := range []string{"2026-03-14T00:02:03,999Z", "2026-03-14T00:02:03.99Z", "2026-03-14t00:02:03.999z", "2026-3-14T00:02:03.999Z"} {
		if _, err := ParseTime(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestKeysDocument(t *testing.T) {
	b, err := MarshalKeys(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseKeys(b)
	if err != nil || fmt.Sprint(back) != fmt.Sprint(testKeys()) {
		t.Fatalf("%v: %v", err, back)
	}
	if b, err := MarshalKeys(nil); err != nil || string(b) != `{"keys":[]}` {
		t.Errorf("%s %v", b, err)
	}
	key := `{"key_id":"a","algorithm":"Ed25519","public_key":"` + strings.Repeat("A", 43) + `","not_before":"2026-01-01T00:00:00.000Z"}`
	if _, err := ParseKeys([]byte(`{"keys":[` + key + `]}`)); err != nil {
		t.Fatal(err)
	}
	swap := func(from, to string) string { return `{"keys":[` + strings.Replace(key, from, to, 1) + `]}` }
	for name, text := range map[string]string{
		"no keys":       `{}`,
		"another":       `{"keys":[],"more":1}`,
		"algorithm":     swap("Ed25519", "RS256"),
		"no algorithm":  swap(`"algorithm":"Ed25519",`, ``),
		"key id":        swap(`"a"`, `"a b"`),
		"short key":     swap("AAAA", ""),
		"no time":       swap(`,"not_before":"2026-01-01T00:00:00.000Z"`, ``),
		"time":          swap(`.000Z`, `Z`),
		"ends early":    swap(`}`, `,"not_after":"2025-01-01T00:00:00.000Z"}`),
		"unknown":       swap(`}`, `,"use":"sig"}`),
		"twice":         `{"keys":[` + key + `,` + key + `]}`,
		"under two ids": `{"keys":[` + key + `,` + strings.Replace(key, `"a"`, `"b"`, 1) + `]}`,
		"trailing":      `{"keys":[]} x`,
	} {
		if _, err := ParseKeys([]byte(text)); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(AppendJSON(nil, one(1, 0)))
	f.Add(AppendJSON(nil, one(8, 5)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(AppendJSON(nil, r))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
			t.Fatalf("%v: %s", err, b)
		}
		if Verify(r, testKeys()) == nil && r.Root != one(1, 0).Root && r.Root != one(8, 5).Root {
			t.Errorf("a receipt that nobody signed: %s", b)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	b, _ := MarshalKeys(testKeys())
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		ks, err := ParseKeys(b)
		if err != nil {
			return
		}
		if _, err := MarshalKeys(ks); err != nil {
			t.Errorf("%v: %s", err, b)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	r := one(1000, 500)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendJSON(buf[:0], r)
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	type plain Receipt
	r := (*plain)(one(1000, 500))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = json.Marshal(r)
	}
}

func BenchmarkLeaf(b *testing.B) {
	r := one(1, 0)
	for b.Loop() {
		_ = Leaf(r.Salt, r.ID, r.SHA256, r.ReceivedAt)
	}
}

func BenchmarkVerify(b *testing.B) {
	r, ks := one(1000, 500), testKeys()
	for b.Loop() {
		if err := Verify(r, ks); err != nil {
			b.Fatal(err)
		}
	}
}

// A commit's place cannot be moved by reading its parts at other borders.
func TestSignedMessageHasOneReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "stream")
		seq, size := rapid.Uint64().Draw(t, "seq"), rapid.Uint64().Draw(t, "size")
		m := SignedMessage(stream, seq, size, [32]byte(seeded(32, "root", 0)))
		rest := m[len(signedPrefix):]
		n := len(rest) - 48
		if string(rest[:n]) != stream || binary.BigEndian.Uint64(rest[n:]) != seq || binary.BigEndian.Uint64(rest[n+8:]) != size {
			t.Fatal("the parts are not where they belong")
		}
	})
}
