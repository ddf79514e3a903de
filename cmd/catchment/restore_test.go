package main

import (
	"bytes"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
)

// A backup is made beside the working server; then somebody is erased, and
// somebody new enquires. The database is lost and restored: who was erased is
// in no file and on no screen, who came since is back from the journal.
func TestARestoredDatabaseHasNobodyWhoWasErased(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	folder := t.TempDir()
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	send := func(name, phone string) (enquiry, leadID, person string) {
		enquiry = s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead(name, phone)).text("id")
		leadID = attached(s.as(t, shop.admin), enquiry)
		return enquiry, leadID, s.as(t, shop.admin).want(200, "GET", "/v1/leads/"+leadID, nil).text("person_id")
	}
	goneEnquiry, goneLead, gone := send("Asha Example", "+12025550141")
	_, staysLead, _ := send("Ben Example", "+12025550142")
	do(t, 0, "backup", "--data", c.Data, "--backup-to", folder)
	do(t, 0, "drill", "--data", c.Data, "--from", folder)
	if text := do(t, 1, "drill", "--data", c.Data, "--from", t.TempDir()); !strings.Contains(text, "no backup") {
		t.Error(text)
	}

	_, _, late := send("Cleo Example", "+12025550143")
	key := wrappedKey(t, c.Data, gone)
	if !inFiles(t, c.Data, key) {
		t.Fatal("the search finds no key that is there")
	}
	admin := s.as(t, shop.admin)
	ask := admin.want(201, "POST", "/v1/subject-requests", fields{"kind": "erase", "person_id": gone}).text("id")
	admin.want(200, "POST", "/v1/subject-requests/"+ask+"/fulfil", nil)
	admin.until("the erasure", "/v1/subject-requests/"+ask, func(a answer) bool { return a.text("state") == "done" })
	waitFor(t, "the key is in no file", func() bool { return !inFiles(t, c.Data, key) })
	s.stop()

	// The control: without the ledger the same backup brings the person back.
	other := settingsFor(t, store.Options{})
	copyKeys(t, c.Data, other.Data)
	do(t, 0, "restore", "--data", other.Data, "--from", folder)
	if !bytes.Equal(wrappedKey(t, other.Data, gone), key) {
		t.Error("the backup did not have the person: nothing was proved")
	}

	do(t, 1, "restore", "--data", c.Data, "--from", folder) // over one that is there
	for _, name := range []string{"catchment.db", "catchment.db-wal", "catchment.db-shm"} {
		if err := os.Remove(filepath.Join(c.Data, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	do(t, 0, "restore", "--data", c.Data, "--from", folder)
	if inFiles(t, c.Data, key) {
		t.Error("the restore wrote the key of who was erased")
	}
	s = serve(t, c)
	admin = s.as(t, shop.admin)
	if a := admin.want(200, "GET", "/v1/enquiries/"+goneEnquiry, nil); a.text("state") != "erased" {
		t.Errorf("%s", a.body)
	}
	a := admin.want(200, "GET", "/v1/leads/"+goneLead, nil, "Catchment-Purpose", "test")
	if bytes.Contains(a.body, []byte("Asha")) || !bytes.Contains(a.body, []byte(`"erased":true`)) {
		t.Errorf("%s", a.body)
	}
	if a := admin.want(200, "GET", "/v1/leads/"+staysLead, nil, "Catchment-Purpose", "test"); !bytes.Contains(a.body, []byte("Ben Example")) {
		t.Errorf("%s", a.body)
	}
	admin.until("who came after the backup", "/v1/leads", func(a answer) bool { return len(a.items()) == 3 })
	if late == "" || inFiles(t, c.Data, key) {
		t.Error("the key of who was erased is in a file again")
	}
}

func wrappedKey(t *testing.T, dir, person string) (wrapped []byte) {
	t.Helper()
	id, err := lead.ParsePersonID(person)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "catchment.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT wrapped FROM person_key WHERE person_id = ?`, id.Bytes()).Scan(&wrapped); err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// inFiles reports whether any file of the folder has the bytes.
func inFiles(t *testing.T, dir string, what []byte) (yes bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it may go while we look
		}
		text, err := os.ReadFile(path)
		yes = yes || err == nil && bytes.Contains(text, what)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

// Keys go after six days and data later, whatever the server did meanwhile.
func TestOldBackupsArePruned(t *testing.T) {
	c := config{backupConfig: backupConfig{BackupTo: t.TempDir(), BackupKeep: 35}}
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	for _, days := range []int{0, 5, 6, 34, 35} {
		name := now.AddDate(0, 0, -days).Format(backupTime) + "-00000000"
		for _, suffix := range []string{dataSuffix, keysSuffix} {
			if err := os.WriteFile(filepath.Join(c.BackupTo, name+suffix), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(c.BackupTo, "holiday.data.age"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := c.backupBucket(t.Context())
	if err == nil {
		err = c.prune(t.Context(), b, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, _ := backups(t.Context(), b, dataSuffix)
	keys, _ := backups(t.Context(), b, keysSuffix)
	if len(data) != 4 || len(keys) != 2 || !exists(filepath.Join(c.BackupTo, "holiday.data.age")) {
		t.Errorf("left are %v and %v", data, keys)
	}
}
