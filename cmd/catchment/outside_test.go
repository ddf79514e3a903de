package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/checkpoint"
	"catchment/internal/checkpoint/checkpointtest"
	"catchment/internal/files"
	"catchment/internal/files/filestest"
	"catchment/internal/store"
)

// Backups, checkpoints and the deletion ledger go to a bucket, and a machine
// that has the keyring and nothing else is made from it: who was erased after
// the backup is not on it.
func TestAMachineIsMadeFromTheBucket(t *testing.T) {
	at := filestest.S3(t)
	c := settingsFor(t, store.Options{})
	c.BucketURL = at.URL
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	enquiry := s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead("Asha Example", "+12025550141")).text("id")
	admin := s.as(t, shop.admin)
	person := admin.want(200, "GET", "/v1/leads/"+attached(admin, enquiry), nil).text("person_id")
	do(t, 0, "backup", "--data", c.Data, "--backup-to", at.URL)
	do(t, 0, "drill", "--data", c.Data, "--from", at.URL)
	ask := admin.want(201, "POST", "/v1/subject-requests", fields{"kind": "erase", "person_id": person}).text("id")
	admin.want(200, "POST", "/v1/subject-requests/"+ask+"/fulfil", nil)
	admin.until("the erasure", "/v1/subject-requests/"+ask, func(a answer) bool { return a.text("state") == "done" })
	s.stop()

	b, err := files.Open(t.Context(), at.URL, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	account := shop.account
	var newest []byte
	for f, err := range b.List(t.Context(), "checkpoints/"+account+"/") {
		if err == nil {
			newest, err = files.Read(t.Context(), b, f.Name, 1<<16)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	local, err := os.ReadFile(filepath.Join(c.Data, checkpointFolder, account+".txt"))
	if err != nil || !bytes.Equal(local, newest) {
		t.Errorf("the bucket's newest checkpoint is\n%s, and this machine's\n%s%v", newest, local, err)
	}

	for _, knows := range []bool{false, true} { // the control does not
		other := settingsFor(t, store.Options{})
		copyKeys(t, c.Data, other.Data)
		args := []string{"restore", "--data", other.Data, "--from", at.URL}
		if knows {
			args = append(args, "--bucket-url", at.URL)
		}
		text := do(t, 0, args...)
		if back := !strings.Contains(text, " 0 of what is deleted were left out"); back != knows {
			t.Errorf("with the bucket's ledger %v: %s", knows, text)
		}
	}
	if text := do(t, 1, "doctor", "--data", c.Data, "--bucket-url", at.URL+"&zone=1"); !strings.Contains(text, "zone") {
		t.Error(text)
	}
	if text := do(t, 0, "doctor", "--data", c.Data, "--bucket-url", at.URL, "--backup-to", at.URL); !strings.Contains(text, "the bucket takes files") || !strings.Contains(text, "newest backup is 0s old") {
		t.Error(text)
	}
	at.Set(filestest.Sick)
	if text := do(t, 1, "doctor", "--data", c.Data, "--bucket-url", at.URL); !strings.Contains(text, "BAD   the bucket: write") {
		t.Error(text)
	}
}

// What the bucket does not take waits; of an account the newest is what counts;
// one that is there is never replaced, and another tree of that size is told.
func TestCheckpointsWaitForTheBucket(t *testing.T) {
	at := filestest.S3(t)
	b, err := files.Open(t.Context(), at.URL, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	o := &outside{to: b, log: log, ledger: filepath.Join(t.TempDir(), "deleted.log"), waiting: map[string]signedNote{}, wake: make(chan struct{}, 1),
		seal: func(_ string, plain []byte) []byte { return append([]byte("sealed:"), plain...) }}
	if err := os.WriteFile(o.ledger, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := checkpointtest.Own()
	sign := func(size uint64, root byte, second int) (checkpoint.Checkpoint, string) {
		c := checkpoint.Checkpoint{Account: "acct_01h455vb4pex5vsknk084sn02q", Size: size, Root: checkpoint.Hash{root}, At: time.Date(2026, 3, 2, 9, 0, second, 0, time.UTC)}
		text, err := c.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return c, text
	}
	kept := func() (names []string) {
		for f, err := range b.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, f.Name)
		}
		return names
	}
	at.Set(filestest.Sick)
	o.add(sign(5, 1, 0))
	if o.pass(t.Context()) == nil {
		t.Error("a bucket that is sick took it")
	}
	o.add(sign(9, 2, 0))
	at.Set(filestest.Well)
	if err := o.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "checkpoints/acct_01h455vb4pex5vsknk084sn02q/00000000000000000009.txt deleted/00000000000000000004"
	if got := strings.Join(kept(), " "); got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
	o.add(sign(9, 2, 30)) // the same tree, signed again after a start
	if err := o.pass(t.Context()); err != nil || said.Len() > 0 {
		t.Errorf("%v %s", err, &said)
	}
	o.add(sign(9, 3, 30))
	if err := o.pass(t.Context()); err != nil || !strings.Contains(said.String(), "ANOTHER CHECKPOINT") {
		t.Errorf("another tree of the same size: %v, and in the log: %q", err, &said)
	}
	text, err := files.Read(t.Context(), b, "checkpoints/acct_01h455vb4pex5vsknk084sn02q/00000000000000000009.txt", 1<<16)
	if _, first := sign(9, 2, 0); err != nil || string(text) != first {
		t.Errorf("it was replaced: %v\n%s", err, text)
	}

	before := len(at.Calls())
	if err := o.pass(t.Context()); err != nil || len(at.Calls()) != before {
		t.Errorf("with nothing new the bucket was asked %d times: %v", len(at.Calls())-before, err)
	}
	if err := os.WriteFile(o.ledger, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := kept(); len(got) != 2 || got[1] != "deleted/00000000000000000008" {
		t.Errorf("kept %q", got)
	}
	text, err = files.Read(t.Context(), b, "deleted/00000000000000000008", 1<<16)
	if err != nil || string(text) != "sealed:one\ntwo\n" {
		t.Errorf("%q %v", text, err)
	}
}
