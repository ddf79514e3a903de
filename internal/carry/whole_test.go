package carry

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/receipt"
	"catchment/internal/store/storetest"
	"catchment/internal/store/whole"
	"catchment/internal/submission"
	"catchment/internal/vault"
)

// A dead letter goes out opened and in sealed to the other drop box, where the
// old keys do not open it; one that does not open stays as it is.
func TestADeadLetterChangesItsDropBox(t *testing.T) {
	s := storetest.Account()
	ring, err := keyring.Open(keyring.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	keys := func() (*keyring.AccountKeys, *keyring.Sealer) {
		_, k, err := ring.NewAccount(t.Context(), s.Account())
		if err != nil {
			t.Fatal(err)
		}
		sealer := keyring.NewSealer(func(account.ID) (vault.DropBox, bool) { return k.DropBox(), true })
		t.Cleanup(sealer.Close)
		return k, sealer
	}
	was, old := keys()
	is, fresh := keys()
	head := submission.Header{Account: s.Account(), Enquiry: lead.NewEnquiryID(), Source: account.NewSourceID(), Project: account.NewProjectID(),
		ReceivedAt: time.UnixMicro(1), Format: submission.AsJSON}
	aad := head.Append(nil)
	box, data, err := old.Seal(s.Account(), []byte("as it came"), aad)
	if err != nil {
		t.Fatal(err)
	}
	row := func() whole.Row {
		return whole.Row{"entry": append(bytes.Clone(aad), data...), "box": bytes.Clone(box)}
	}
	x := &wholeWriter{w: &Wholes{Boxes: keyring.NewDropOpener()}, keys: was}
	out := []whole.Row{row()}
	if err := x.clearDead(out); err != nil || x.m.Damaged != 0 || !bytes.HasSuffix(out[0]["entry"].([]byte), []byte("as it came")) {
		t.Fatalf("%v, %v, %d damaged", out, err, x.m.Damaged)
	}
	in := &taking{s: s, keys: is, sealer: fresh}
	got, err := in.sealDead(out[0])
	if err != nil {
		t.Fatal(err)
	}
	e, err := submission.ParseEnvelope(got["entry"].([]byte))
	if err != nil {
		t.Fatal(err)
	}
	opener := keyring.NewDropOpener()
	if plain, err := opener.Open(is, got["box"].([]byte), e.Data, e.AAD); err != nil || string(plain) != "as it came" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := keyring.NewDropOpener().Open(was, got["box"].([]byte), e.Data, e.AAD); err == nil {
		t.Error("the old drop box opens it")
	}
	x.keys, x.w.Boxes = is, keyring.NewDropOpener() // the wrong keys
	kept := []whole.Row{row()}
	if err := x.clearDead(kept); err != nil || x.m.Damaged != 1 || !bytes.Equal(kept[0]["box"].([]byte), box) {
		t.Errorf("%v, %d damaged", err, x.m.Damaged)
	}
}

func tableOf(name string) *whole.Table {
	for _, t := range whole.Tables() {
		if t.Name == name {
			return t
		}
	}
	return nil
}

const someRow = `{"by_actor":"user_x","created_at":1,"lead_id":"0190b6f0-0000-7000-8000-000000000001","note_id":"0190b6f0-0000-7000-8000-000000000002","person_id":"0190b6f0-0000-7000-8000-000000000003","text":"Zürich"}`

func TestRowsAreReadAsTheyAreWritten(t *testing.T) {
	note := tableOf("note")
	for _, line := range []string{someRow, strings.Replace(someRow, `"Zürich"`, `{"base64":"Wvxy"}`, 1), strings.Replace(someRow, `"Zürich"`, `null`, 1)} {
		r, err := rowOf(note, []byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := lineOf(note, r); err != nil || string(again) != line {
			t.Errorf("%s became %s, %v", line, again, err)
		}
	}
	for _, line := range []string{``, `[]`, `null`, `{}`, strings.Replace(someRow, `"text"`, `"other"`, 1), someRow[:len(someRow)-1] + `,"more":1}`,
		strings.Replace(someRow, `:1,`, `:"1",`, 1), strings.Replace(someRow, `0001"`, `000"`, 1)} {
		if r, err := rowOf(note, []byte(line)); err == nil {
			t.Errorf("%s is read as %v", line, r)
		}
	}
}

func FuzzArchiveRow(f *testing.F) {
	f.Add(someRow)
	f.Add(strings.Replace(someRow, `"Zürich"`, `{"base64":"Wvxy"}`, 1))
	note := tableOf("note")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := rowOf(note, []byte(line))
		if err != nil {
			return
		}
		b, err := lineOf(note, r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := rowOf(note, b)
		if err != nil || again["text"] != r["text"] || again["created_at"] != r["created_at"] {
			t.Errorf("%q became %q: %v", line, b, err)
		}
	})
}

// Whatever is read as an archive, nothing is taken for one.
func FuzzArchive(f *testing.F) {
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 4, 0, 1, 0, 0, 0x99, 0xe9, 0xd8, 0x51})
	f.Fuzz(func(t *testing.T, b []byte) {
		files, done, err := OpenWhole(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer done()
		if _, err := VerifyWhole(files, receipt.Keys{}); err == nil {
			t.Error("this is no archive")
		}
	})
}
