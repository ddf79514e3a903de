package console

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/carry"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/sift"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// Import is a file of leads on its way in.
type Import struct {
	ID         string            `json:"id" example:"imp_01h455vb4pex5vsknk084sn02q"`
	SourceID   string            `json:"source_id" example:"src_01h455vb4pex5vsknk084sn02q"`
	Mode       string            `json:"mode" enum:"live,history"`
	State      string            `json:"state" enum:"new,receiving,received,checking,checked,running,done,cancelled"`
	Mapping    map[string]string `json:"mapping" doc:"From a column to where it goes; other columns go by their names." example:"{\"Tel.\":\"person.phone\"}"`
	Bytes      int64             `json:"bytes" doc:"Received."`
	Rows       int64             `json:"rows" doc:"Received, without the line of columns."`
	Done       int64             `json:"rows_done" doc:"Of the check, then of the run."`
	Taken      int64             `json:"taken" doc:"Rows that became an enquiry, or would."`
	Duplicates int64             `json:"duplicates" doc:"Rows whose enquiry was there before."`
	Refused    int64             `json:"refused"`
	RowRate    float64           `json:"rows_per_second" doc:"Since the start."`
	Faults     []ImportFault     `json:"faults" nullable:"false" doc:"The first hundred."`
	Columns    []ImportColumn    `json:"columns,omitempty" doc:"Of the file, with where each goes. Only in the answer to the file: their names are kept sealed with it."`
	CreatedAt  time.Time         `json:"created_at"`
	StartedAt  *time.Time        `json:"started_at"`
	FinishedAt *time.Time        `json:"finished_at"`
}

// ImportFault is what is wrong with a row; it holds no value.
type ImportFault struct {
	Row    int64  `json:"row" doc:"The first row after the line of columns is 1." example:"17"`
	Column int    `json:"column,omitempty" doc:"The first column is 1; absent when it is no single one." example:"4"`
	Field  string `json:"field" doc:"Where the column goes; custom for one that no mapping names." example:"created_at"`
	Code   string `json:"code" example:"bad_time"`
	Detail string `json:"detail" doc:"What to do." example:"Use 2024-03-01 in place of what is there."`
}

// ImportColumn is a column of a file.
type ImportColumn struct {
	Column int    `json:"column" doc:"The first is 1." example:"2"`
	Name   string `json:"name" doc:"As the first line has it." example:"Tel."`
	To     string `json:"to" doc:"A path, a word of imports, or - for left out." example:"person.phone"`
}

func importView(m *files.Import, now time.Time) *Import {
	out := &Import{ID: m.ID.String(), SourceID: m.Source.String(), Mode: m.Mode, State: m.State, Mapping: m.Mapping, Bytes: m.Bytes, Rows: m.Rows,
		Done: m.Done, Taken: m.Taken, Duplicates: m.Duplicates, Refused: m.Refused, Faults: []ImportFault{},
		CreatedAt: m.CreatedAt, StartedAt: web.TimeOrNull(m.StartedAt), FinishedAt: web.TimeOrNull(m.FinishedAt)}
	faults, _ := carry.Faults(m) // we wrote them
	for _, f := range faults {
		out.Faults = append(out.Faults, ImportFault{f.Row, f.Column, f.Field, f.Code, f.Detail()})
	}
	if !m.FinishedAt.IsZero() {
		now = m.FinishedAt
	}
	if d := now.Sub(m.StartedAt); !m.StartedAt.IsZero() && d > 0 {
		out.RowRate = float64(int64(float64(m.Done)/d.Seconds()*10)) / 10
	}
	return out
}

// Export is a file of leads on its way out.
type Export struct {
	ID         string           `json:"id" example:"exp_01h455vb4pex5vsknk084sn02q"`
	ProjectID  *string          `json:"project_id" doc:"null: every project." example:"proj_01h455vb4pex5vsknk084sn02q"`
	State      string           `json:"state" enum:"running,ready,fetched,cancelled" doc:"A ready file can be fetched once."`
	Rows       int64            `json:"rows"`
	Filter     *sift.LeadFilter `json:"filter" doc:"Which leads were asked for; null: all of the project."`
	CreatedAt  time.Time        `json:"created_at"`
	FinishedAt *time.Time       `json:"finished_at"`
}

func exportView(e *files.Export) *Export {
	out := &Export{ID: e.ID.String(), ProjectID: web.OrNull(e.Project.String()), State: e.State, Rows: e.Rows,
		CreatedAt: e.CreatedAt, FinishedAt: web.TimeOrNull(e.FinishedAt)}
	if e.Asked != "" {
		out.Filter = &sift.LeadFilter{}
		_ = json.Unmarshal([]byte(e.Asked), out.Filter) // we wrote it
	}
	return out
}

// ImportPath is the input of a route about one import.
type ImportPath struct {
	ID string `path:"id" doc:"The import's id." example:"imp_01h455vb4pex5vsknk084sn02q"`
}

// ExportPath is the input of a route about one export.
type ExportPath struct {
	ID string `path:"id" doc:"The export's id." example:"exp_01h455vb4pex5vsknk084sn02q"`
}

type newImportIn struct {
	Body struct {
		SourceID string            `json:"source_id" maxLength:"60" doc:"Where the leads count as come from." example:"src_01h455vb4pex5vsknk084sn02q"`
		Mode     string            `json:"mode" enum:"live,history" doc:"live: as if each had just come in. history: keeps time, owner, stage and note, and is never routed."`
		Mapping  map[string]string `json:"mapping,omitempty" doc:"From a column to where it goes. It is kept for the source's next imports; left out: the one that was kept." example:"{\"Tel.\":\"person.phone\"}"`
	}
}

type newExportIn struct {
	Body struct {
		ProjectID string           `json:"project_id,omitempty" maxLength:"60" doc:"Only this project's leads." example:"proj_01h455vb4pex5vsknk084sn02q"`
		Filter    *sift.LeadFilter `json:"filter,omitempty" doc:"Only leads that fit: what GET /v1/leads takes, under the same names."`
		Purpose   string           `json:"purpose" minLength:"1" maxLength:"100" doc:"Why persons are opened; it goes on the record." example:"move to another system"`
	}
}

const carryTag = "import and export"

func (c *Console) carryRoutes() {
	op := func(method, path, name string, p account.Permission, status int, summary, detail string) web.Op {
		return web.Op{Method: method, Path: path, Name: name, Tag: carryTag, Permission: p, Status: status, Summary: summary, Detail: detail}
	}
	web.See(c.API, op("GET", "/v1/imports", "list-imports", account.ImportLeads, 0, "Imports", ""), listImports)
	web.Do(c.API, op("POST", "/v1/imports", "create-import", account.ImportLeads, 201, "Begin an import",
		"Send its file next: PUT /v1/imports/{id}/file. See docs/import.md."), c.newImport)
	web.See(c.API, op("GET", "/v1/imports/{id}", "get-import", account.ImportLeads, 0, "One import, and how far it is", ""), getImport)
	web.Do(c.API, op("POST", "/v1/imports/{id}/check", "check-import", account.ImportLeads, 202, "Try an import without storing anything",
		"The state goes from checking to checked."), c.beginImport(carry.Checking))
	web.Do(c.API, op("POST", "/v1/imports/{id}/start", "start-import", account.ImportLeads, 202, "Start an import", ""), c.beginImport(carry.Running))
	web.Do(c.API, op("POST", "/v1/imports/{id}/cancel", "cancel-import", account.ImportLeads, 0, "Cancel an import",
		"What was taken so far stays; the file is destroyed."), c.cancelImport)
	web.See(c.API, op("GET", "/v1/exports", "list-exports", account.ExportLeads, 0, "Exports", ""), listExports)
	create := op("POST", "/v1/exports", "create-export", account.ExportLeads, 202, "Begin an export",
		"When it is ready, fetch its file once: GET /v1/exports/{id}/file.")
	create.StepUp = true
	web.Do(c.API, create, c.newExport)
	web.See(c.API, op("GET", "/v1/exports/{id}", "get-export", account.ExportLeads, 0, "One export, and how far it is", ""), getExport)
	web.Do(c.API, op("POST", "/v1/exports/{id}/cancel", "cancel-export", account.ExportLeads, 0, "Cancel an export", "Its file is destroyed."), c.cancelExport)
	c.fileRoutes()
}

func listImports(v *web.Visit, tx *store.Tx, in *web.Page) (*web.List[*Import], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := files.ListImports(tx, from.At, web.IDAt[lead.ImportID](from), in.Limit+1)
	return web.ListOf(*in, rows, func(m *files.Import) web.Place { return web.Place{At: m.CreatedAt, ID: m.ID.UUID()} },
		func(m *files.Import) *Import { return importView(m, v.At) }), err
}

func getImport(v *web.Visit, tx *store.Tx, in *ImportPath) (*Import, error) {
	id, err := web.PathID(in.ID, lead.ParseImportID)
	if err != nil {
		return nil, err
	}
	m, err := files.GetImport(tx, id)
	if err != nil {
		return nil, err
	}
	return importView(m, v.At), nil
}

func (c *Console) newImport(v *web.Visit, tx *store.Tx, in *newImportIn) (*Import, error) {
	source, err := account.ParseSourceID(in.Body.SourceID)
	if err != nil {
		return nil, problem.InvalidField("source_id", "unknown_source", "Send the id of a source of this account.")
	}
	m, err := c.Carrier.Create(tx, carry.NewImport{Source: source, Mode: in.Body.Mode, Mapping: in.Body.Mapping, By: v.Actor, At: v.At})
	if err != nil {
		return nil, err
	}
	return importView(m, v.At), nil
}

func (c *Console) beginImport(state string) func(*web.Visit, *store.Tx, *ImportPath) (*Import, error) {
	return func(v *web.Visit, tx *store.Tx, in *ImportPath) (*Import, error) {
		if _, err := getImport(v, tx, in); err != nil {
			return nil, err
		}
		id, _ := lead.ParseImportID(in.ID)
		if err := c.Carrier.Begin(tx, id, state, v.Actor, v.At); err != nil {
			return nil, err
		}
		return getImport(v, tx, in)
	}
}

func (c *Console) cancelImport(v *web.Visit, tx *store.Tx, in *ImportPath) (*Import, error) {
	if _, err := getImport(v, tx, in); err != nil {
		return nil, err
	}
	id, _ := lead.ParseImportID(in.ID)
	if err := c.Carrier.Cancel(tx, id, v.Actor, v.At); err != nil {
		return nil, err
	}
	return getImport(v, tx, in)
}

func listExports(_ *web.Visit, tx *store.Tx, in *web.Page) (*web.List[*Export], error) {
	return exportsOf(tx, files.OfLeads, in, exportView)
}

// exportsOf lists the exports of a kind.
func exportsOf[T any](tx *store.Tx, kind string, in *web.Page, view func(*files.Export) T) (*web.List[T], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := files.ListExports(tx, kind, from.At, web.IDAt[lead.ExportID](from), in.Limit+1)
	return web.ListOf(*in, rows, func(e *files.Export) web.Place { return web.Place{At: e.CreatedAt, ID: e.ID.UUID()} }, view), err
}

// exportOf finds one of a kind.
func exportOf(tx *store.Tx, kind string, in *ExportPath) (*files.Export, error) {
	id, err := web.PathID(in.ID, lead.ParseExportID)
	if err != nil {
		return nil, err
	}
	e, err := files.GetExport(tx, id)
	if err == nil && e.Kind != kind {
		err = store.ErrNone
	}
	return e, err
}

func getExport(_ *web.Visit, tx *store.Tx, in *ExportPath) (*Export, error) {
	e, err := exportOf(tx, files.OfLeads, in)
	if err != nil {
		return nil, err
	}
	return exportView(e), nil
}

func (c *Console) newExport(v *web.Visit, tx *store.Tx, in *newExportIn) (*Export, error) {
	n := carry.NewExport{By: v.Actor, Purpose: vault.Purpose(in.Body.Purpose), At: v.At}
	if !n.Purpose.Valid() {
		return nil, problem.InvalidField("purpose", "bad_purpose", "Up to 100 letters, digits, spaces and - _ . : say why the data is opened.")
	}
	if in.Body.ProjectID != "" {
		var err error
		if n.Project, err = projectOf(tx, in.Body.ProjectID); err != nil {
			return nil, err
		}
	}
	if f := in.Body.Filter; f != nil {
		var err error
		if n.Filter, err = f.Filter(v.User); err != nil {
			return nil, err
		}
		if err := f.Known(tx, n.Filter); err != nil {
			return nil, err
		}
		if err := f.Name(tx, &n.Filter); err != nil {
			return nil, err
		}
		if f.Project != "" && !n.Project.IsZero() && n.Filter.Project != n.Project {
			return nil, problem.InvalidField("filter.project", "not_with_project_id", "Name the project once.")
		}
		n.Asked = f
	}
	e, err := c.Carrier.Export(tx, n)
	if err != nil {
		return nil, err
	}
	return exportView(e), nil
}

func (c *Console) cancelExport(v *web.Visit, tx *store.Tx, in *ExportPath) (*Export, error) {
	if _, err := getExport(v, tx, in); err != nil {
		return nil, err
	}
	id, _ := lead.ParseExportID(in.ID)
	if err := c.Carrier.CancelExport(tx, id, v.Actor, v.At); err != nil {
		return nil, err
	}
	return getExport(v, tx, in)
}

// What does not go through the typed routes: files.

var (
	putFileOp = web.Op{Method: "PUT", Path: "/v1/imports/{id}/file", Name: "send-import-file", Tag: carryTag, Permission: account.ImportLeads,
		Summary: "Send an import's file, as text/csv or as the part named file of multipart/form-data"}
	resultOp = web.Op{Method: "GET", Path: "/v1/imports/{id}/result", Name: "get-import-result", Tag: carryTag, Permission: account.ImportLeads,
		Summary: "What became of each row (text/csv); nothing in it is personal"}
	fetchOp = web.Op{Method: "GET", Path: "/v1/exports/{id}/file", Name: "fetch-export-file", Tag: carryTag, Permission: account.ExportLeads, StepUp: true,
		Summary: "Fetch an export's file (text/csv), once"}
)

func (c *Console) fileRoutes() {
	c.API.Handle(putFileOp, c.receiveFile)
	c.API.Handle(resultOp, c.writeResult)
	c.API.Handle(fetchOp, c.fetchFile)
	for _, op := range []web.Op{putFileOp, resultOp, fetchOp} {
		of, example := "import", "imp_01h455vb4pex5vsknk084sn02q"
		if op.Permission == account.ExportLeads {
			of, example = "export", "exp_01h455vb4pex5vsknk084sn02q"
		}
		text := map[string]any{"text/csv": map[string]any{"schema": map[string]any{"type": "string"}}}
		d := map[string]any{"operationId": op.Name, "summary": op.Summary, "tags": []string{op.Tag}, "x-permission": string(op.Permission),
			"security": []any{map[string]any{"key": []any{}}},
			"parameters": []any{map[string]any{"name": "id", "in": "path", "required": true, "description": "The " + of + "'s id.", "example": example,
				"schema": map[string]any{"type": "string"}}},
			"responses": map[string]any{"200": map[string]any{"description": "As said.", "content": text},
				"401": map[string]any{"description": "No valid credential."}, "403": map[string]any{"description": "Not for this role."},
				"404": map[string]any{"description": "There is no such " + of + "."}, "409": map[string]any{"description": "Not in this state."}}}
		if op.StepUp {
			d["x-step-up"] = true
		}
		method := "get"
		if op.Method == "PUT" {
			method = "put"
			d["requestBody"] = map[string]any{"required": true, "content": map[string]any{"text/csv": text["text/csv"],
				"multipart/form-data": map[string]any{"schema": map[string]any{"type": "object", "required": []string{"file"},
					"properties": map[string]any{"file": map[string]any{"type": "string", "contentMediaType": "text/csv"}}}}}}
			d["responses"].(map[string]any)["200"] = map[string]any{"description": "The import.", "content": map[string]any{
				"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Import"}}}}
			d["responses"].(map[string]any)["415"] = map[string]any{"description": "Neither text/csv nor multipart/form-data."}
			d["responses"].(map[string]any)["422"] = map[string]any{"description": "It cannot be read as CSV, or no column says how to reach a person."}
		}
		c.API.Describe(web.Fragment{"paths": map[string]any{op.Path: map[string]any{method: d}}})
	}
}

func (c *Console) receiveFile(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	fail := func(err error) { c.API.Fail(w, r, v, putFileOp, err) }
	id, err := web.PathID(r.PathValue("id"), lead.ParseImportID)
	var file io.Reader
	if err == nil {
		file, err = fileOf(r)
	}
	if err != nil {
		fail(err)
		return
	}
	alive := web.Alive(w)
	alive()
	columns, err := c.Carrier.Receive(r.Context(), v.Scope, id, file, alive)
	if err != nil {
		fail(err)
		return
	}
	var out *Import
	err = c.DB.Read(r.Context(), v.Scope, func(tx *store.Tx) error {
		out, err = getImport(v, tx, &ImportPath{ID: id.String()})
		return err
	})
	if err != nil {
		fail(err)
		return
	}
	for _, x := range columns {
		out.Columns = append(out.Columns, ImportColumn{x.Number, x.Name, x.To})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// fileOf finds the file in a request: its body, or the part that is named
// file, which is how a browser's form sends one.
func fileOf(r *http.Request) (io.Reader, error) {
	switch media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case r.ContentLength > carry.MaxBytes:
		return nil, problem.TooLarge("file_too_large", "Send at most %d GiB.", carry.MaxBytes>>30)
	case media == "text/csv":
		return r.Body, nil
	case media == "multipart/form-data" && params["boundary"] != "":
		return filePart(multipart.NewReader(r.Body, params["boundary"]))
	}
	return nil, problem.WrongType("Send the file as the body with Content-Type: text/csv, or as the part named file of multipart/form-data.")
}

func filePart(form *multipart.Reader) (io.Reader, error) {
	for range 20 { // fields that a form has in front of it
		part, err := form.NextPart()
		if err != nil {
			break
		}
		if part.FormName() == "file" {
			return part, nil
		}
	}
	return nil, problem.InvalidField("file", "file_missing", "Send the file as the part named file.")
}

func (c *Console) writeResult(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	id, err := web.PathID(r.PathValue("id"), lead.ParseImportID)
	if err == nil {
		err = c.DB.Read(r.Context(), v.Scope, func(tx *store.Tx) error {
			_, err := files.GetImport(tx, id)
			return err
		})
	}
	if errors.Is(err, store.ErrNone) {
		err = problem.NotFound()
	}
	if err != nil {
		c.API.Fail(w, r, v, resultOp, err)
		return
	}
	out := csvReply(w, id.String()+"-result.csv")
	if err := c.Carrier.WriteResult(r.Context(), v.Scope, id, out); err != nil {
		panic(http.ErrAbortHandler) // the file must not look whole
	}
}

func (c *Console) fetchFile(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	id, err := web.PathID(r.PathValue("id"), lead.ParseExportID)
	var out io.Writer
	if err == nil {
		err = c.Carrier.Fetch(r.Context(), v.Scope, files.OfLeads, id, v.Actor, v.At, func(text string) error {
			if out == nil {
				out = csvReply(w, id.String()+".csv")
			}
			_, err := io.WriteString(out, text)
			return err
		})
	}
	switch {
	case err != nil && out != nil:
		panic(http.ErrAbortHandler)
	case err != nil:
		c.API.Fail(w, r, v, fetchOp, err)
	case out == nil: // not one lead
		csvReply(w, id.String()+".csv")
	}
}

func csvReply(w http.ResponseWriter, name string) io.Writer {
	return fileReply(w, name, "text/csv; charset=utf-8")
}

func fileReply(w http.ResponseWriter, name, media string) io.Writer {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	return web.Patient(w)
}
