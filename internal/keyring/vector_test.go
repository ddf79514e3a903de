package keyring

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"catchment/internal/account"
	"catchment/internal/vault"
)

var update = flag.Bool("update", false, "write testdata anew: what older versions wrote is then no longer tested")

// vectorFiles are what the versions of the drop box wrote, oldest first; the
// other formats are of version 1 in each. -update writes the last.
var vectorFiles = []string{"testdata/v1.json", "testdata/v2.json"}

var (
	vectorAccount = must(account.ParseID("acct_01h455vb4pex5vsknk084sn02q"))
	vectorSubject = vault.Subject{1, 2, 3}
	vectorBinding = vault.Binding{Table: "person", Row: [16]byte{1, 2, 3}, Field: vault.Name}
)

// vector is what one version wrote, under keys that serve nothing else.
type vector struct {
	Keyset  json.RawMessage `json:"keyset"`  // content before wrapping
	Wrapped []byte          `json:"wrapped"` // of vectorSubject
	Value   []byte          `json:"value"`   // Text at vectorBinding
	Box     []byte          `json:"box"`
	Data    []byte          `json:"data"`  // Text at index 0
	Later   []byte          `json:"later"` // Text at index 300
	AAD     string          `json:"aad"`
	Text    string          `json:"text"`
	Phone   []byte          `json:"phone"`      // blind index of Text
	Test    []byte          `json:"test_phone"` // the same of a test lead
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func readVectors(t testing.TB) (all []vector) {
	t.Helper()
	for _, file := range vectorFiles {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func (v vector) keys(t testing.TB) *AccountKeys {
	t.Helper()
	keys, err := parseKeyset(vectorAccount, v.Keyset)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// What was stored once must open for ever: these bytes were written when the
// formats were fixed.
func TestFormatsStay(t *testing.T) {
	if *update {
		writeVector(t)
	}
	for i, v := range readVectors(t) {
		if v.Box[0] != byte(i+1) || v.Data[0] != v.Box[0] || v.Later[0] != v.Box[0] {
			t.Errorf("%s is of another version", vectorFiles[i])
		}
		v.stays(t)
	}
}

func (v vector) stays(t *testing.T) {
	t.Helper()
	keys := v.keys(t)
	key, err := keys.OpenSubjectKey(vectorSubject, v.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if got := mustReveal(t, key, vault.Sealed{Binding: vectorBinding, Subject: vectorSubject, Data: v.Value}); got != v.Text {
		t.Errorf("the value is %q", got)
	}
	for _, data := range [][]byte{v.Data, v.Later} {
		if got, err := NewDropOpener().Open(keys, v.Box, data, []byte(v.AAD)); err != nil || string(got) != v.Text {
			t.Errorf("the drop box gave %q, %v", got, err)
		}
	}
	if keys.Index(vault.ByPhone, false, v.Text) != vault.MAC(v.Phone) || keys.Index(vault.ByPhone, true, v.Text) != vault.MAC(v.Test) {
		t.Error("the blind index is another one")
	}
}

func writeVector(t *testing.T) {
	g, err := newGeneration(1)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(keysetContent{Version: 1, Generations: []generation{g}, Index: newKey(), CaptureID: newKey()})
	if err != nil {
		t.Fatal(err)
	}
	v := vector{Keyset: content, AAD: "aad", Text: "+12025550123"}
	keys := v.keys(t)
	wrapped, key := keys.NewSubjectKey(vectorSubject)
	v.Wrapped, v.Value = wrapped, key.Seal(vectorBinding, vault.Hide(v.Text)).Data
	s := NewSealer(boxOf(keys))
	defer s.Close()
	for range 301 {
		box, data, err := s.Seal(keys.ID(), []byte(v.Text), []byte(v.AAD))
		if err != nil {
			t.Fatal(err)
		}
		if v.Box == nil {
			v.Box, v.Data = box, data
		}
		v.Later = data
	}
	phone, test := keys.Index(vault.ByPhone, false, v.Text), keys.Index(vault.ByPhone, true, v.Text)
	v.Phone, v.Test = phone[:], test[:]
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFiles[len(vectorFiles)-1], append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
