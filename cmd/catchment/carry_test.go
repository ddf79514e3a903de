package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/store"
	"catchment/internal/store/storetest"
)

// Files of leads over real HTTP, on both engines.
func TestFilesOfLeads(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { filesOfLeads(t, store.Options{}) })
	t.Run("postgres", func(t *testing.T) { filesOfLeads(t, storetest.PostgresOptions(t)) })
}

func filesOfLeads(t *testing.T, o store.Options) {
	c := settingsFor(t, o)
	s := serve(t, c)
	office := openOffice(t, s, openShop(t, c, s))
	for _, step := range []struct {
		name string
		run  func(*testing.T, *filesRoom)
	}{
		{"mapping", mappingIsKept}, {"dry run", dryRunStoresNothing}, {"result", resultHasALineARow}, {"key", keysMakeRowsOne},
		{"encodings", encodingsArrive}, {"wrong files", wrongFilesAreRefused}, {"multipart", multipartFile}, {"history", historyKeepsItsPlace},
		{"export", exportByRight}, {"cancel", cancelInTheMiddle},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(t, office.in(t)) })
	}
	t.Run("stop", func(t *testing.T) { stopInTheMiddle(t, c, office.in(t)) })
	for _, personal := range []string{"Asha Example", "asha.example", "2079460142"} {
		if strings.Contains(s.logs.String(), personal) {
			t.Errorf("the log names %q", personal)
		}
	}
}

// filesRoom is an admin with files, and the shop that they are for.
type filesRoom struct {
	shop
	s     *running
	admin api
}

func openOffice(t *testing.T, s *running, shop shop) *filesRoom {
	admin := s.as(t, shop.admin)
	admin.want(200, "PUT", "/v1/projects/"+shop.project+"/pool", fields{"offers_at_once": 100_000, "accept_seconds": 600})
	return &filesRoom{shop: shop, s: s, admin: admin}
}

func (o *filesRoom) in(t *testing.T) *filesRoom {
	c := *o
	c.admin.t = t
	return &c
}

// newSource makes one, so that what a test imports can be told apart.
func (o *filesRoom) newSource(name string) string {
	return o.admin.want(201, "POST", "/v1/sources", fields{"name": name, "project_id": o.project}).text("id")
}

func (o *filesRoom) begin(source, mode string, mapping map[string]string) string {
	in := fields{"source_id": source, "mode": mode}
	if mapping != nil {
		in["mapping"] = mapping
	}
	return o.admin.want(201, "POST", "/v1/imports", in).text("id")
}

func (o *filesRoom) put(id, file string) answer {
	o.admin.t.Helper()
	return o.admin.want(200, "PUT", "/v1/imports/"+id+"/file", []byte(file), "Content-Type", "text/csv")
}

// run checks or starts an import and waits for its end.
func (o *filesRoom) run(id, verb, state string) answer {
	o.admin.t.Helper()
	o.admin.want(202, "POST", "/v1/imports/"+id+"/"+verb, nil)
	return o.admin.until(verb, "/v1/imports/"+id, func(a answer) bool { return a.text("state") == state })
}

// bring takes a file from its first row to its last.
func (o *filesRoom) bring(source, mode, file string) (id string, done answer) {
	o.admin.t.Helper()
	id = o.begin(source, mode, nil)
	o.put(id, file)
	return id, o.run(id, "start", "done")
}

// result is an import's result file, as rows of words by column.
func (o *filesRoom) result(id string) (out []map[string]string) {
	o.admin.t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(o.admin.want(200, "GET", "/v1/imports/"+id+"/result", nil).body)).ReadAll()
	if err != nil || len(lines) == 0 {
		o.admin.t.Fatalf("the result is no CSV: %v", err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		out = append(out, row)
	}
	return out
}

func (o *filesRoom) enquiries(source string) []any {
	o.admin.t.Helper()
	return o.admin.want(200, "GET", "/v1/enquiries?limit=500&source="+source, nil).items()
}

// person opens a lead.
func (o *filesRoom) person(lead string) answer {
	o.admin.t.Helper()
	return o.admin.want(200, "GET", "/v1/leads/"+lead, nil, "Catchment-Purpose", "test")
}

func counts(a answer) [3]int {
	return [3]int{a.count("taken"), a.count("duplicates"), a.count("refused")}
}

// A mapping is kept for the source's next imports, and for no other's.
func mappingIsKept(t *testing.T, o *filesRoom) {
	source := o.newSource("Mapped")
	const file = "Wie heißt du,Rufnummer,Geheim\nAsha Example,+44 20 7946 0142,hush\n"
	id := o.begin(source, "live", map[string]string{"Wie heißt du": "person.name", "Rufnummer": "person.phone", "Geheim": "-"})
	sent := o.put(id, file)
	if text, _ := json.Marshal(sent.fields["columns"]); string(text) != `[{"column":1,"name":"Wie heißt du","to":"person.name"},{"column":2,"name":"Rufnummer","to":"person.phone"},{"column":3,"name":"Geheim","to":"-"}]` {
		t.Errorf("columns: %s", text)
	}
	if got := counts(o.run(id, "start", "done")); got != [3]int{1, 0, 0} {
		t.Errorf("with a mapping: %v", got)
	}
	a := o.person(o.result(id)[0]["lead_id"])
	if a.text("person", "name") != "Asha Example" || a.text("person", "phone") != "+442079460142" || strings.Contains(string(a.body), "hush") {
		t.Errorf("the lead is %s", a.body)
	}
	id, done := o.bring(source, "live", strings.ReplaceAll(file, "0142", "0143"))
	if got := counts(done); got != [3]int{1, 0, 0} || o.person(o.result(id)[0]["lead_id"]).text("person", "phone") != "+442079460143" {
		t.Errorf("with the one that was kept: %v", got)
	}
	other := o.begin(o.newSource("Unmapped"), "live", nil)
	a = o.admin.want(422, "PUT", "/v1/imports/"+other+"/file", []byte(file), "Content-Type", "text/csv")
	if !strings.Contains(string(a.body), "no_contact_column") {
		t.Errorf("another source has the mapping: %s", a.body)
	}
	o.admin.want(422, "POST", "/v1/imports", fields{"source_id": source, "mode": "live", "mapping": fields{"a": "nowhere"}})
}

// faulty has a row of each kind; its first and fourth are good.
const faulty = "Name,E-mail,Stage,Created at,Owner\n" +
	"Asha Example,asha.example@example.com,booked,2024-03-01,ravi@example.com\n" +
	"Ben Example,,booked,2024-03-01,\n" +
	"Cleo Example,cleo@example.com,nowhere,,\n" +
	"Dan Example,dan@example.com,,,,,\n" +
	"Eve Example,eve@example.com,,03/02/2024,\n" +
	"Fay Example,fay@example.com,,,who@example.com\n" +
	"Gus Example,gus@example.com,,,,extra\n"

var itsFaults = `[{"row":2,"field":"person","code":"contact_missing"},{"row":3,"column":3,"field":"stage","code":"unknown_stage"},` +
	`{"row":5,"column":4,"field":"created_at","code":"bad_time"},{"row":6,"column":5,"field":"owner","code":"unknown_user"},` +
	`{"row":7,"column":6,"field":"","code":"too_many_columns"}]`

// faultsOf leaves out what is said to people.
func faultsOf(t *testing.T, a answer) string {
	var list []struct {
		Row    int    `json:"row"`
		Column int    `json:"column,omitempty"`
		Field  string `json:"field"`
		Code   string `json:"code"`
	}
	all, _ := json.Marshal(a.fields["faults"])
	if err := json.Unmarshal(all, &list); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(all), `"detail":"`) - strings.Count(string(all), `"detail":""`); n != len(list) {
		t.Errorf("%d of %d faults say what to do", n, len(list))
	}
	text, _ := json.Marshal(list)
	return string(text)
}

// A dry run says what the run will, and stores nothing.
func dryRunStoresNothing(t *testing.T, o *filesRoom) {
	source := o.newSource("Tried")
	id := o.begin(source, "history", nil)
	o.put(id, faulty)
	for range 2 { // as often as one likes
		tried := o.run(id, "check", "checked")
		if got := counts(tried); got != [3]int{2, 0, 5} || faultsOf(t, tried) != itsFaults {
			t.Errorf("dry run: %v %s", got, faultsOf(t, tried))
		}
	}
	if n := len(o.enquiries(source)); n != 0 {
		t.Errorf("the dry run stored %d enquiries", n)
	}
	if len(o.result(id)) != 0 {
		t.Error("the dry run has a result of rows")
	}
	done := o.run(id, "start", "done")
	if got := counts(done); got != [3]int{2, 0, 5} || faultsOf(t, done) != itsFaults {
		t.Errorf("run: %v %s", got, faultsOf(t, done))
	}
	if n := len(o.enquiries(source)); n != 2 {
		t.Errorf("control: the run stored %d enquiries", n)
	}
}

// The result has a line a row: what became of it, which column is at fault and
// the way out; and a second run of the file adds nothing and says so.
func resultHasALineARow(t *testing.T, o *filesRoom) {
	source := o.newSource("Told")
	const file = "Name,Phone,Project\nIda Example,+442079460150,\nIda Example,+442079460150,\nJon Example,,\nKim Example,+442079460151,nowhere\n"
	id, done := o.bring(source, "live", file)
	if got := counts(done); got != [3]int{2, 0, 2} || done.count("rows") != 4 || done.count("rows_done") != 4 {
		t.Errorf("%v: %s", got, done.body)
	}
	rows := o.result(id)
	want := []string{"1 created     true true", "2 attached     true true",
		"3 refused  person contact_missing A lead needs a phone or an e-mail: fill a column that goes to person.phone or person.email. false false",
		"4 refused 3 project unknown_project Use the id or the slug of a project of this account, or leave the cell empty. false false"}
	said := func(rows []map[string]string) (out []string) {
		for _, r := range rows {
			out = append(out, fmt.Sprint(r["row"], " ", r["outcome"], " ", r["column"], " ", r["field"], " ", r["reason"], " ", r["detail"], " ",
				strings.HasPrefix(r["enquiry_id"], "enq_"), " ", strings.HasPrefix(r["lead_id"], "lead_")))
		}
		return out
	}
	if got := said(rows); !slices.Equal(got, want) {
		t.Errorf("the result is\n%s", strings.Join(got, "\n"))
	}
	if rows[0]["lead_id"] != rows[1]["lead_id"] || rows[0]["enquiry_id"] == rows[1]["enquiry_id"] {
		t.Errorf("two rows of one person are %v", rows[:2])
	}
	id, done = o.bring(source, "live", file)
	again := o.result(id)
	if got := counts(done); got != [3]int{0, 2, 2} || again[0]["outcome"] != "duplicate" || again[0]["enquiry_id"] != rows[0]["enquiry_id"] || again[0]["lead_id"] != rows[0]["lead_id"] {
		t.Errorf("the file again: %v %v", got, again[0])
	}
	if n := len(o.enquiries(source)); n != 2 {
		t.Errorf("%d enquiries", n)
	}
	o.admin.want(404, "GET", "/v1/imports/imp_01h455vb4pex5vsknk084sn02q/result", nil)
}

// Rows with a key are the same enquiry in whatever file, also twice in one.
func keysMakeRowsOne(t *testing.T, o *filesRoom) {
	source := o.newSource("Keyed")
	id, done := o.bring(source, "live", "Key,Email\nK-1,lea@example.com\nK-2,max@example.com\nK-1,lea@example.com\n")
	if got := counts(done); got != [3]int{2, 1, 0} {
		t.Errorf("a key twice in a file: %v", got)
	}
	first := o.result(id)
	id, done = o.bring(source, "live", "Email,Key\nmax@example.com,K-2\nnia@example.com,K-3\n")
	second := o.result(id)
	if got := counts(done); got != [3]int{1, 1, 0} || second[0]["enquiry_id"] != first[1]["enquiry_id"] {
		t.Errorf("in another file: %v", got)
	}
	if _, done = o.bring(o.newSource("Keyed, too"), "live", "Key,Email\nK-1,lea@example.com\n"); counts(done) != [3]int{1, 0, 0} {
		t.Errorf("control: of another source: %v", counts(done))
	}
}

// What is read is what people meant, whichever program wrote the file.
func encodingsArrive(t *testing.T, o *filesRoom) {
	source := o.newSource("Written")
	for n, file := range []string{
		"\xef\xbb\xbfname,phone,message\nZoë Straße,+4420794602%02d,\"Two\nlines, \"\"quoted\"\"\"\n",
		"name;phone;message\r\nZo\xeb Stra\xdfe;+4420794602%02d;\"Two\r\nlines, \"\"quoted\"\"\"\r\n",
		"name\tphone\tmessage\t\t\nZoë Straße\t'+4420794602%02d\t\"Two\nlines, \"\"quoted\"\"\"\t\t\n",
		"\n\nname|phone|message\nZoë Straße|+4420794602%02d|\"Two\nlines, \"\"quoted\"\"\"",
	} {
		id, done := o.bring(source, "live", fmt.Sprintf(file, 10+n))
		if counts(done) != [3]int{1, 0, 0} {
			t.Errorf("file %d: %s", n, done.body)
			continue
		}
		row := o.result(id)[0]
		a := o.admin.want(200, "GET", "/v1/enquiries/"+row["enquiry_id"]+"?include=message", nil, "Catchment-Purpose", "test")
		if p := o.person(row["lead_id"]); p.text("person", "name") != "Zoë Straße" || p.text("person", "phone") != fmt.Sprintf("+4420794602%02d", 10+n) ||
			strings.ReplaceAll(a.text("message"), "\r", "") != "Two\nlines, \"quoted\"" {
			t.Errorf("file %d is %s %s", n, p.body, a.body)
		}
	}
}

// What is no file of leads is refused at once, with the reason, and the same
// import takes the right one afterwards.
func wrongFilesAreRefused(t *testing.T, o *filesRoom) {
	id := o.begin(o.newSource("Wrong"), "live", nil)
	path := "/v1/imports/" + id + "/file"
	for _, c := range []struct {
		media, file string
		status      int
		code        string
	}{
		{"application/json", "[]", 415, "unsupported_media_type"},
		{"application/vnd.ms-excel", "a,b", 415, "unsupported_media_type"},
		{"multipart/form-data", "a,b", 415, "unsupported_media_type"},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b--\r\n", 422, "file_missing"},
		{"text/csv", "", 422, "empty_file"},
		{"text/csv", "phone\n", 422, "empty_file"},
		{"text/csv", "PK\x03\x04", 422, "not_csv"},
		{"text/csv", "Asha Example,Leeds\nBen Example,York\n", 422, "no_contact_column"},
		{"text/csv", "phone,message\n1,\"open\n2,\n", 422, "open_quote"},
	} {
		a := o.admin.want(c.status, "PUT", path, []byte(c.file), "Content-Type", c.media)
		if !strings.Contains(string(a.body), `"code":"`+c.code+`"`) || strings.Contains(string(a.body), "Asha") {
			t.Errorf("%s %q: %s", c.media, c.file, a.body)
		}
	}
	o.admin.want(409, "POST", "/v1/imports/"+id+"/start", nil)
	o.put(id, "phone\n+442079460160\n")
	o.admin.want(409, "PUT", path, []byte("phone\n1\n"), "Content-Type", "text/csv")
	if done := o.run(id, "start", "done"); counts(done) != [3]int{1, 0, 0} {
		t.Errorf("the right file after all: %s", done.body)
	}
}

// A browser's form sends the file as a part.
func multipartFile(t *testing.T, o *filesRoom) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	_ = form.WriteField("comment", "from the fair")
	part, _ := form.CreateFormFile("file", "leads.csv")
	fmt.Fprint(part, "name,phone\nOla Example,+442079460161\n")
	_ = form.Close()
	id := o.begin(o.newSource("Form"), "live", nil)
	o.admin.want(200, "PUT", "/v1/imports/"+id+"/file", b.Bytes(), "Content-Type", form.FormDataContentType())
	if done := o.run(id, "start", "done"); counts(done) != [3]int{1, 0, 0} {
		t.Errorf("%s", done.body)
	}
}

// History keeps time, owner, stage and note; it is never offered and tells
// nobody. The same row live is offered.
func historyKeepsItsPlace(t *testing.T, o *filesRoom) {
	events := follow(o.admin)
	source := o.newSource("Past")
	const head = "name,phone,created_at,owner,stage,note\n"
	id, done := o.bring(source, "history", head+"Pia Example,+442079460170,2023-05-06 07:08,ravi@example.com,,Called twice\n"+
		"Quin Example,+442079460171,2023-05-07,,,\n")
	if counts(done) != [3]int{2, 0, 0} {
		t.Fatalf("%s", done.body)
	}
	rows := o.result(id)
	owned, free := o.person(rows[0]["lead_id"]), o.person(rows[1]["lead_id"])
	if owned.text("created_at") != "2023-05-06T07:08:00Z" || owned.text("owner_id") != o.sellerID || owned.text("state") != "owned" || free.text("state") != "unrouted" {
		t.Errorf("history became %s %s", owned.body, free.body)
	}
	if a := o.admin.want(200, "GET", "/v1/leads/"+rows[0]["lead_id"]+"/notes", nil, "Catchment-Purpose", "test"); !strings.Contains(string(a.body), "Called twice") {
		t.Errorf("its notes are %s", a.body)
	}
	id, _ = o.bring(source, "live", "name,phone\nRob Example,+442079460172\n")
	live := o.result(id)[0]["lead_id"]
	events.await(t, "offer.made", func(e event) bool { return e.Kind == "offer.made" && e.Lead == live }) // the control, and all before it has come
	for _, r := range rows {
		if e, told := events.find(func(e event) bool { return e.Lead == r["lead_id"] }); told {
			t.Errorf("history told %+v", e)
		}
		if n := len(o.admin.want(200, "GET", "/v1/leads/"+r["lead_id"]+"/offers", nil).items()); n != 0 {
			t.Errorf("history was offered %d times", n)
		}
	}
}

// peopleFile is a file of n rows.
func peopleFile(tag string, n int) string {
	var b strings.Builder
	b.WriteString("name,email\n")
	for i := range n {
		fmt.Fprintf(&b, "Import Example %d,%s.%d@example.com\n", i, tag, i)
	}
	return b.String()
}

// Cancelled in the middle, what was taken stays, the rest never comes, and the
// file is gone. The same file again brings the rest.
func cancelInTheMiddle(t *testing.T, o *filesRoom) {
	const rows = 4_000
	source := o.newSource("Cancelled")
	id := o.begin(source, "history", nil)
	o.put(id, peopleFile("cancel", rows))
	o.admin.want(202, "POST", "/v1/imports/"+id+"/start", nil)
	o.admin.until("progress", "/v1/imports/"+id, func(a answer) bool { return a.count("rows_done") > 0 })
	a := o.admin.want(200, "POST", "/v1/imports/"+id+"/cancel", nil)
	if a.text("state") != "cancelled" || a.count("rows_done") == 0 || a.count("rows_done") >= rows || a.text("finished_at") == "" {
		t.Fatalf("after the cancel: %s", a.body)
	}
	o.admin.want(409, "POST", "/v1/imports/"+id+"/start", nil)
	o.admin.want(409, "POST", "/v1/imports/"+id+"/cancel", nil)
	o.admin.want(409, "PUT", "/v1/imports/"+id+"/file", []byte("phone\n1\n"), "Content-Type", "text/csv")
	o.admin.until("what was on its way", "/v1/imports/"+id+"/result", func(a answer) bool { return !bytes.Contains(a.body, []byte(",waiting,")) })
	_, done := o.bring(source, "history", peopleFile("cancel", rows))
	if c := counts(done); c[0]+c[1] != rows || c[1] < a.count("taken") || c[0] == 0 {
		t.Errorf("the file again: %v, %d had been taken", c, a.count("taken"))
	}
	if n := o.all(source); n != rows {
		t.Errorf("%d enquiries of %d rows", n, rows)
	}
}

// all counts a source's enquiries, page by page.
func (o *filesRoom) all(source string) (n int) {
	o.admin.t.Helper()
	for cursor := ""; ; {
		a := o.admin.want(200, "GET", "/v1/enquiries?limit=500&source="+source+"&cursor="+cursor, nil)
		n += len(a.items())
		if cursor = a.text("next_cursor"); cursor == "" {
			return n
		}
	}
}

// Stopped in the middle, it goes on where it was and counts each row once.
func stopInTheMiddle(t *testing.T, c config, o *filesRoom) {
	const rows = 3_000
	ids, sources := map[string]string{}, map[string]string{}
	for _, mode := range []string{"live", "history"} {
		sources[mode] = o.newSource("Stopped " + mode)
		ids[mode] = o.begin(sources[mode], mode, nil)
		o.put(ids[mode], peopleFile("stop-"+mode, rows))
		o.admin.want(202, "POST", "/v1/imports/"+ids[mode]+"/start", nil)
	}
	for _, id := range ids {
		o.admin.until("progress", "/v1/imports/"+id, func(a answer) bool { return a.count("rows_done") > 0 })
	}
	o.s.stop()
	c.Data = o.s.c.Data
	s := serve(t, c)
	o = &filesRoom{shop: o.shop, s: s, admin: s.as(t, o.shop.admin)}
	for mode, id := range ids {
		before := o.admin.want(200, "GET", "/v1/imports/"+id, nil)
		if before.text("state") != "running" || before.count("rows_done") == rows {
			t.Logf("%s was through already", mode)
		}
		done := o.admin.until("the end of "+mode, "/v1/imports/"+id, func(a answer) bool { return a.text("state") == "done" })
		n := o.all(sources[mode])
		for end := time.Now().Add(patience); n < rows && time.Now().Before(end); n = o.all(sources[mode]) {
			time.Sleep(50 * time.Millisecond) // the last of them are with intake
		}
		if counts(done) != [3]int{rows, 0, 0} || n != rows {
			t.Errorf("%s: %v, %d enquiries", mode, counts(done), n)
		}
	}
}

// An export is by right alone, opens persons a page at a time on the record,
// is given out once, and no cell of it is a formula.
func exportByRight(t *testing.T, o *filesRoom) {
	project := o.admin.want(201, "POST", "/v1/projects", fields{"name": "Exported"}).text("id")
	source := o.admin.want(201, "POST", "/v1/sources", fields{"name": "Out", "project_id": project}).text("id")
	file := "name,email,phone\n" + `"=HYPERLINK(""https://evil.example"",""x"")",evil.1@example.com,` + "\n@cmd,evil.2@example.com,+442079460180\n-2+3,evil.3@example.com,\n+1 cell,evil.4@example.com,\n" +
		strings.TrimPrefix(peopleFile("out", 700), "name,email\n")
	if _, done := o.bring(source, "history", file); counts(done) != [3]int{704, 0, 0} {
		t.Fatalf("%s", done.body)
	}
	in := fields{"project_id": project, "purpose": "move to another system"}
	seller := o.admin.want(403, "POST", "/v1/exports", in, "Authorization", "Bearer "+o.seller)
	if !strings.Contains(string(seller.body), `"code"`) {
		t.Errorf("the refusal says %s", seller.body)
	}
	key := o.admin.want(201, "POST", "/v1/keys", fields{"kind": "secret", "name": "Reports", "role": "marketer"}).text("key")
	o.admin.want(403, "POST", "/v1/exports", in, "Authorization", "Bearer "+key)
	o.admin.want(422, "POST", "/v1/exports", fields{"project_id": project, "purpose": "!"})
	id := o.admin.want(202, "POST", "/v1/exports", in).text("id")
	path := "/v1/exports/" + id
	o.admin.until("the export", path, func(a answer) bool { return a.text("state") == "ready" })
	o.admin.want(403, "GET", path+"/file", nil, "Authorization", "Bearer "+o.seller)
	out := o.admin.want(200, "GET", path+"/file", nil)
	o.admin.want(409, "GET", path+"/file", nil)
	lines, err := csv.NewReader(bytes.NewReader(out.body)).ReadAll()
	if err != nil || len(lines) != 705 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	harmless(t, lines)
	onTheRecord(t, o, id)
	exportByFilter(t, o, source)
	back, done := o.bring(o.newSource("Back"), "history", string(out.body))
	if counts(done) != [3]int{704, 0, 0} {
		t.Errorf("what came out does not go in again: %s", done.body)
	}
	names := map[string]bool{}
	name := slices.Index(lines[0], "name")
	for i, row := range o.result(back) {
		if strings.HasPrefix(lines[i+1][name], "'") {
			names[o.person(row["lead_id"]).text("person", "name")] = true
		}
	}
	for _, name := range []string{`=HYPERLINK("https://evil.example","x")`, "@cmd", "-2+3", "+1 cell"} {
		if !names[name] {
			t.Errorf("%q is not what came back: %v", name, names)
		}
	}
}

// exportByFilter takes out what the list shows by the same filter, and no more.
func exportByFilter(t *testing.T, o *filesRoom, source string) {
	t.Helper()
	one := o.admin.want(200, "GET", "/v1/leads?limit=1&source="+source, nil).items()[0].(fields)["id"].(string)
	o.admin.want(200, "PUT", "/v1/leads/"+one+"/tags", fields{"tags": []string{"hot"}})
	taken := func(filter fields) [][]string {
		id := o.admin.want(202, "POST", "/v1/exports", fields{"purpose": "by filter", "filter": filter}).text("id")
		o.admin.until("the export", "/v1/exports/"+id, func(a answer) bool { return a.text("state") == "ready" })
		lines, err := csv.NewReader(bytes.NewReader(o.admin.want(200, "GET", "/v1/exports/"+id+"/file", nil).body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	if got := taken(fields{"source": source, "tag": "hot"}); len(got) != 2 || got[1][0] != one {
		t.Errorf("by source and tag: %v", got)
	}
	if got := taken(fields{"source": source, "category": "new"}); len(got) != 705 {
		t.Errorf("control: %d lines of the source", len(got))
	}
	if got := taken(fields{"source": source, "to": "2001-01-01T00:00:00Z"}); len(got) != 0 {
		t.Errorf("of before there were any: %v", got)
	}
	o.admin.want(422, "POST", "/v1/exports", fields{"purpose": "by filter", "filter": fields{"source": "proj_01h455vb4pex5vsknk084sn02q"}})
	o.admin.want(422, "POST", "/v1/exports", fields{"purpose": "by filter", "filter": fields{"colour": "red"}})
}

// harmless looks for cells that a spreadsheet would take for a formula; the
// control is that those that were put in are there, made harmless.
func harmless(t *testing.T, lines [][]string) {
	t.Helper()
	seen := 0
	for _, line := range lines {
		for _, v := range line {
			if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
				t.Errorf("%q is a formula", v)
			}
			if strings.HasPrefix(v, "'") {
				seen++
			}
		}
	}
	if seen != 5 {
		t.Errorf("control: %d cells begin with a quote, five were put in", seen)
	}
}

// onTheRecord finds who made the export and why, and an opening a page.
func onTheRecord(t *testing.T, o *filesRoom, id string) {
	t.Helper()
	actions := map[string]int{}
	for _, x := range o.admin.want(200, "GET", "/v1/record?limit=100", nil).items() {
		e := x.(fields)
		switch {
		case e["about"] == id:
			actions[e["action"].(string)]++
		case e["purpose"] == "move to another system":
			actions["opening"]++
		}
	}
	if actions["export.created"] != 1 || actions["export.fetched"] != 1 || actions["opening"] != 2+1 { // 704 leads are two pages, each opened to write; then the file, to give it out
		t.Errorf("on the record: %v", actions)
	}
}
