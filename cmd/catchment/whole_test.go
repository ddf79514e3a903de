package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/carry"
	"catchment/internal/lead"
	"catchment/internal/receipt"
	"catchment/internal/store"
	"catchment/internal/store/storetest"

	"filippo.io/age"
)

// An account leaves SQLite for PostgreSQL, and that for SQLite again: each time
// everything is as it was, under other keys, and it goes on where it came to.
func TestAnAccountMovesAsItIs(t *testing.T) {
	t.Parallel()
	c := settingsFor(t, store.Options{})
	c.FilesRoom = 100
	s := serve(t, c)
	shop := openShop(t, c, s)
	awaitKey(t, s, shop.pub)
	admin := s.as(t, shop.admin)
	send := func(s *running, reader api, name, phone string) (leadID, person string) {
		t.Helper()
		leadID = attached(reader, s.as(t, shop.pub).want(202, "POST", "/v1/leads", shop.lead(name, phone)).text("id"))
		return leadID, reader.want(200, "GET", "/v1/leads/"+leadID, nil).text("person_id")
	}
	stays, person := send(s, admin, "Asha Example", "+12025550141")
	_, gone := send(s, admin, "Ben Example", "+12025550142")
	admin.want(201, "POST", "/v1/leads/"+stays+"/notes", fields{"text": "Asked for the south side."})
	booking := bytes.Repeat([]byte("Asha Example booked the flat on the south side.\n"), 8000)
	attach := func(name string, content []byte) string {
		t.Helper()
		made := admin.send("POST", "/v1/leads/"+stays+"/files", content, "Content-Type", "application/octet-stream", "Content-Disposition", "attachment; filename*=UTF-8''"+name)
		if made.status != 201 {
			t.Fatalf("%d %s", made.status, made.body)
		}
		return made.text("id")
	}
	fileURL := "/v1/leads/" + stays + "/files/" + attach("booking.txt", booking)
	if err := os.Remove(filepath.Join(c.Data, filesFolder, "leads", shop.account, attach("lost.txt", booking))); err != nil { // which nobody has any more
		t.Fatal(err)
	}
	ask := admin.want(201, "POST", "/v1/subject-requests", fields{"kind": "erase", "person_id": gone}).text("id")
	admin.want(200, "POST", "/v1/subject-requests/"+ask+"/fulfil", nil)
	admin.until("the erasure", "/v1/subject-requests/"+ask, func(a answer) bool { return a.text("state") == "done" })

	// An export in clear is fetched once, by an admin alone.
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	export := admin.want(202, "POST", "/v1/account/archives", fields{"purpose": "moving"}).text("id")
	admin.until("the archive", "/v1/account/archives/"+export, func(a answer) bool { return a.text("state") == "ready" })
	s.as(t, shop.seller).want(403, "GET", "/v1/account/archives/"+export+"/file", nil)
	admin.want(404, "GET", "/v1/exports/"+export, nil) // it is none of leads
	admin.want(404, "GET", "/v1/exports/"+export+"/file", nil)
	file := admin.want(200, "GET", "/v1/account/archives/"+export+"/file", nil).body
	admin.want(409, "GET", "/v1/account/archives/"+export+"/file", nil)
	write(t, dir, "first", file)
	write(t, dir, "keys.json", s.as(t, "").want(200, "GET", recordKeysPath, nil).body)

	// The one who runs the machine writes only what is sealed for another.
	out := do(t, 1, "account", "export", "--data", c.Data, shop.account, "--out", path("sealed"))
	if !strings.Contains(out, "No admin") || exists(path("sealed")) {
		t.Error(out)
	}
	to, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "identity", []byte(to.String()+"\n"))
	admin.want(422, "POST", "/v1/account/archives", fields{"purpose": "moving", "recipient": "age1nobody"})
	admin.want(202, "POST", "/v1/account/archives", fields{"purpose": "moving", "recipient": to.Recipient().String()})
	do(t, 0, "account", "export", "--data", c.Data, shop.account, "--out", path("sealed"))
	s.stop()

	verify := func(status int, name string, args ...string) string {
		return do(t, status, append([]string{"account", "export", "verify", path(name), "--keys", path("keys.json")}, args...)...)
	}
	if text := verify(0, "first"); !strings.Contains(text, "valid: "+shop.account) {
		t.Error(text)
	}
	verify(1, "sealed")
	if text := verify(0, "sealed", "--open-with", path("identity")); !strings.Contains(text, "1 values did not open") {
		t.Error(text) // the file that is lost
	}
	for _, at := range []int{len(file) / 3, len(file) / 2, len(file) - 200} {
		wrong := bytes.Clone(file)
		wrong[at] ^= 1
		write(t, dir, "wrong", wrong)
		verify(1, "wrong")
	}
	write(t, dir, "short", file[:len(file)-300])
	verify(1, "short")

	was := rowsOfArchive(t, c, path("sealed"), to)
	text := strings.Join(slices.Concat(was["person"], was["note"], was["submission"]), "\n")
	for _, what := range []string{"Asha Example", "+12025550141", "Asked for the south side."} {
		if !strings.Contains(text, what) {
			t.Errorf("%q is not in the archive", what)
		}
	}
	if strings.Contains(text, "Ben Example") {
		t.Error("who was erased is in the archive")
	}
	if out := do(t, 1, "account", "import", "--data", c.Data, path("first"), "--keys", path("keys.json")); !strings.Contains(out, "there already") {
		t.Error(out)
	}

	b := settingsFor(t, storetest.PostgresOptions(t))
	stopInTheMiddleOfAnImport(t, c, b, path("sealed"), to)
	out = do(t, 0, "account", "import", "--data", b.Data, "--database-url", b.DatabaseURL, path("sealed"), "--keys", path("keys.json"), "--open-with", path("identity"))
	link := regexp.MustCompile(`link  (\S+)`).FindStringSubmatch(out)
	if link == nil {
		t.Fatal(out)
	}
	writeArchive(t, b, shop.account, path("second"))
	equalRows(t, was, rowsOfArchive(t, b, path("second"), nil))

	d := settingsFor(t, store.Options{})
	write(t, dir, "keysb.json", keysOf(t, b))
	do(t, 0, "account", "import", "--data", d.Data, path("second"), "--keys", path("keysb.json"))
	writeArchive(t, d, shop.account, path("third"))
	equalRows(t, was, rowsOfArchive(t, d, path("third"), nil))

	s = serve(t, b)
	in := s.as(t, "").want(201, "POST", "/v1/links/redeem", fields{"token": link[1], "password": "another long password of Ada"})
	admin = s.as(t, equip(t, s, in.text("token")))
	if a := admin.want(200, "GET", "/v1/leads/"+stays, nil, "Catchment-Purpose", "test"); !bytes.Contains(a.body, []byte("Asha Example")) {
		t.Errorf("%s", a.body)
	}
	if f := admin.want(200, "GET", fileURL, nil, "Catchment-Purpose", "test"); !bytes.Equal(f.body, booking) {
		t.Errorf("the file has %d bytes, and had %d", len(f.body), len(booking))
	}
	if list := admin.want(200, "GET", "/v1/leads/"+stays+"/files", nil, "Catchment-Purpose", "test").items(); len(list) != 1 || list[0].(fields)["name"] != "booking.txt" {
		t.Errorf("files: %v", list)
	}
	awaitKey(t, s, shop.pub) // pages go on as they are
	if again, who := send(s, admin, "Asha Example", "+12025550141"); again != stays || who != person {
		t.Errorf("a known number became lead %s of %s, want %s of %s", again, who, stays, person)
	}
	s.as(t, shop.admin).want(401, "GET", "/v1/me", nil)
	record := admin.want(200, "GET", "/v1/record/export", nil).body
	write(t, dir, "record", record)
	do(t, 0, "audit", "verify", path("record"), "--keys", path("keysb.json"))
}

// offlineHouse opens an installation whose server does not run.
func offlineHouse(t *testing.T, c config) *house {
	t.Helper()
	h, err := offline(t.Context(), &world{ctx: t.Context(), out: io.Discard, err: io.Discard}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.closeOffline)
	return h
}

func keysOf(t *testing.T, c config) []byte {
	t.Helper()
	text, err := receipt.MarshalKeys(offlineHouse(t, c).recordKeyList())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeArchive(t *testing.T, c config, of, path string) {
	t.Helper()
	id, err := account.ParseID(of)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := offlineHouse(t, c).newWholes().Write(t.Context(), admit.To(id), carry.NewWhole{Actor: "system:test", Purpose: "test"}, f, nil); err != nil {
		t.Fatal(err)
	}
}

// verified opens an archive that c has made.
func verified(t *testing.T, c config, path string, by *age.X25519Identity, read func(v carry.Verified, open func() (r io.Reader))) {
	t.Helper()
	keys, err := receipt.ParseKeys(keysOf(t, c))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files, done, err := carry.OpenWhole(bytes.NewReader(b), identities(by)...)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	v, err := carry.VerifyWhole(files, keys)
	if err != nil {
		t.Fatal(err)
	}
	read(v, func() io.Reader { return bytes.NewReader(b) })
}

func identities(by *age.X25519Identity) (out []age.Identity) {
	if by != nil {
		out = append(out, by)
	}
	return out
}

// rowsOfArchive gives an archive's rows by table, in their order.
func rowsOfArchive(t *testing.T, c config, path string, by *age.X25519Identity) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	verified(t, c, path, by, func(v carry.Verified, open func() io.Reader) {
		files, done, err := carry.OpenWhole(open(), identities(by)...)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		for {
			h, err := files.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			name, ok := strings.CutPrefix(h.Name, "tables/")
			b, fault := io.ReadAll(files)
			if err := errors.Join(err, fault); err != nil {
				t.Fatal(err)
			}
			if ok {
				name, _, _ = strings.Cut(name, ".")
				out[name] = append(out[name], strings.Split(strings.TrimSpace(string(b)), "\n")...)
			}
		}
		for name, n := range v.Rows {
			if int(n) != len(out[name]) {
				t.Errorf("the manifest says %d rows of %s, and there are %d", n, name, len(out[name]))
			}
		}
	})
	return out
}

// equalRows compares all tables. The record goes on, by entries about the import
// and the exports; what waits to be told to the doors is told anew.
func equalRows(t *testing.T, was, is map[string][]string) {
	t.Helper()
	compared := 0
	for name, rows := range was {
		got := slices.DeleteFunc(slices.Clone(is[name]), func(r string) bool { return name == "job" && strings.Contains(r, `"kind":"publish"`) })
		rows = slices.DeleteFunc(slices.Clone(rows), func(r string) bool { return name == "job" && strings.Contains(r, `"kind":"publish"`) })
		if strings.HasPrefix(name, "audit_") {
			for _, r := range rows {
				if name == "audit_event" && !slices.Contains(got, r) {
					t.Errorf("the record lost %s", r)
				}
			}
			continue
		}
		compared += len(rows)
		if !slices.Equal(rows, got) {
			t.Errorf("%s was\n%s\nand is\n%s", name, strings.Join(rows, "\n"), strings.Join(got, "\n"))
		}
	}
	for name, rows := range is {
		if was[name] == nil && len(rows) > 0 && name != "job" && !strings.HasPrefix(name, "audit_") {
			t.Errorf("%s has rows that were nowhere: %v", name, rows)
		}
	}
	if compared < 30 {
		t.Errorf("only %d rows were compared", compared)
	}
}

var errStopped = errors.New("stopped")

// stopInTheMiddleOfAnImport stops after some of the rows. Nothing serves what is
// there, and the next import begins anew.
func stopInTheMiddleOfAnImport(t *testing.T, from, to config, path string, by *age.X25519Identity) {
	t.Helper()
	h := offlineHouse(t, to)
	verified(t, from, path, by, func(v carry.Verified, open func() io.Reader) {
		id, err := account.ParseID(v.Account)
		if err != nil {
			t.Fatal(err)
		}
		for _, after := range []int{1, 20} {
			files, done, err := carry.OpenWhole(open(), identities(by)...)
			if err != nil {
				t.Fatal(err)
			}
			in := carry.Incoming{DB: h.db, NewKeys: h.ring.NewAccountLike, Schema: v.Schema, Now: time.Now, Contents: h.filing, Gone: func(lead.PersonID) bool { return false },
				Finish: func(*store.Tx, []carry.Login) error { t.Error("it was not stopped"); return nil },
				PerWrite: func(rows int) error {
					if rows >= after {
						return errStopped
					}
					return nil
				}}
			err = in.Take(t.Context(), admit.To(id), v, files)
			done()
			if !errors.Is(err, errStopped) {
				t.Fatalf("it ended with %v", err)
			}
			list, err := h.directory.Accounts(t.Context(), nil, 10)
			if err != nil || len(list) != 0 {
				t.Errorf("half an account is listed: %v, %v", list, err)
			}
		}
	})
}
