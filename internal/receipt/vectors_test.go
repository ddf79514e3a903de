package receipt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"catchment/internal/lead"
)

var update = flag.Bool("update", false, "write docs/receipt-vectors.json anew")

const vectorsFile = "../../docs/receipt-vectors.json"

// vector is one case for another implementation. Receipt is kept as it stands
// in the file, so that the failing ones can be ill-formed.
type vector struct {
	Name    string          `json:"name"`
	Body    string          `json:"body"` // base64url
	Receipt json.RawMessage `json:"receipt"`
	Leaf    string          `json:"leaf,omitempty"`
	Signed  string          `json:"signed_message,omitempty"`
	Fault   string          `json:"fault"` // "" is valid; else form, key, signature, inclusion or body
}

type vectors struct {
	About   string          `json:"about"`
	Keys    json.RawMessage `json:"keys_document"`
	Vectors []vector        `json:"vectors"`
}

func parseID(b []byte) (lead.EnquiryID, error) {
	var id lead.EnquiryID
	err := id.Scan(b)
	return id, err
}

func valid(name string, r *Receipt) vector {
	leaf := Leaf(r.Salt, r.ID, r.SHA256, r.ReceivedAt)
	return vector{Name: name, Body: b64.EncodeToString(body(int(r.Index))), Receipt: AppendJSON(nil, r),
		Leaf: b64.EncodeToString(leaf[:]), Signed: b64.EncodeToString(SignedMessage(r.Stream, r.Seq, r.Size, r.Root))}
}

func changed(name, fault string, change func(*Receipt)) vector {
	r := one(8, 3)
	change(r)
	return vector{Name: name, Body: b64.EncodeToString(body(3)), Receipt: AppendJSON(nil, r), Fault: fault}
}

func rewritten(name, from, to string) vector {
	text := AppendJSON(nil, one(8, 3))
	if !bytes.Contains(text, []byte(from)) {
		panic(name + ": nothing to rewrite")
	}
	return vector{Name: name, Body: b64.EncodeToString(body(3)), Receipt: bytes.Replace(text, []byte(from), []byte(to), 1), Fault: "form"}
}

func generate(t *testing.T) vectors {
	keys, err := MarshalKeys(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	v := vectors{About: "Cases for docs/receipt.md. Verify each receipt with keys_document, then compare its sha256 with the body. An empty fault is valid.", Keys: keys}
	at := day.Add(9 * time.Hour)
	for _, c := range []struct {
		name    string
		size    int
		indices []int
	}{
		{"size 1", 1, []int{0}},
		{"size 2", 2, []int{0, 1}},
		{"size 3", 3, []int{0, 1, 2}},
		{"size 5", 5, []int{0, 3, 4}},
		{"size 8", 8, []int{0, 3, 7}},
		{"size 1000", 1000, []int{0, 511, 512, 999}},
	} {
		for _, r := range commit(c.size, 42, testKey(1), "rk-2026", at, c.indices...) {
			v.Vectors = append(v.Vectors, valid(c.name, r))
		}
	}
	old := commit(2, 7, testKey(0), "rk-2025", day.AddDate(0, 0, -20), 1)[0]
	v.Vectors = append(v.Vectors, valid("a key that has ended, for a receipt of its time", old))

	wrongBody := valid("another body", one(8, 3))
	wrongBody.Body, wrongBody.Fault = b64.EncodeToString(body(4)), "body"
	v.Vectors = append(v.Vectors, wrongBody,
		changed("another id", "inclusion", func(r *Receipt) { r.ID = one(8, 4).ID }),
		changed("another time", "inclusion", func(r *Receipt) { r.ReceivedAt = "2026-03-14T09:00:00.004Z" }),
		changed("another salt", "inclusion", func(r *Receipt) { r.Salt[0] ^= 1 }),
		changed("another index", "inclusion", func(r *Receipt) { r.Index = 2 }),
		changed("a path hash too few", "inclusion", func(r *Receipt) { r.Path = r.Path[:2] }),
		changed("a path hash too many", "inclusion", func(r *Receipt) { r.Path = append(r.Path, r.Root) }),
		changed("path out of order", "inclusion", func(r *Receipt) { r.Path[0], r.Path[1] = r.Path[1], r.Path[0] }),
		changed("another sequence", "signature", func(r *Receipt) { r.Seq++ }),
		changed("another size", "signature", func(r *Receipt) { r.Size-- }),
		changed("another stream", "signature", func(r *Receipt) { r.Stream = "other" }),
		changed("another root", "signature", func(r *Receipt) { r.Root[0] ^= 1 }),
		changed("another signature", "signature", func(r *Receipt) { r.Signature[0] ^= 1 }),
		changed("unknown key", "key", func(r *Receipt) { r.KeyID = "rk-2027" }),
		changed("received after the key had ended", "key", func(r *Receipt) { r.KeyID = "rk-2025" }),
		changed("another version", "form", func(r *Receipt) { r.V = 2 }),
		changed("index outside the commit", "form", func(r *Receipt) { r.Index = 8 }),
		rewritten("time without decimals", ".003Z", "Z"),
		rewritten("sequence as text", `"seq":42`, `"seq":"42"`),
		rewritten("an unknown member", `"v":1`, `"v":1,"note":"x"`),
		rewritten("a repeated member", `"v":1`, `"v":1,"v":1`),
		rewritten("a missing member", `"v":1,`, ``),
		rewritten("a value with padding", `","key_id"`, `=","key_id"`),
	)
	return v
}

func encode(t *testing.T, v vectors) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The file is what the code makes, and the code judges the file as it says.
func TestVectors(t *testing.T) {
	want := encode(t, generate(t))
	if *update {
		if err := os.WriteFile(vectorsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/receipt-vectors.json is not what the code makes; if that is meant, run go test ./internal/receipt -update")
	}
	var v vectors
	if err := json.Unmarshal(got, &v); err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(v.Keys)
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]int{}
	for _, c := range v.Vectors {
		faults[c.Fault]++
		if got := judge(c, keys); got != c.Fault {
			t.Errorf("%s: fault %q, want %q", c.Name, got, c.Fault)
		}
	}
	for _, f := range []string{"", "form", "key", "signature", "inclusion", "body"} {
		if faults[f] == 0 {
			t.Errorf("no vector with fault %q", f)
		}
	}
}

func judge(c vector, keys Keys) string {
	r, err := Parse(c.Receipt)
	if err == nil {
		err = Verify(r, keys)
	}
	if err == nil {
		raw, _ := base64.RawURLEncoding.DecodeString(c.Body)
		err = r.MatchesBody(raw)
	}
	for name, kind := range map[string]error{"form": ErrForm, "key": ErrKey, "signature": ErrSignature, "inclusion": ErrInclusion, "body": ErrBody} {
		if errors.Is(err, kind) {
			return name
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
