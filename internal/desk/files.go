package desk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/filing"
	"catchment/internal/followup"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/upload"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// LeadFile is a file of a lead.
type LeadFile struct {
	ID        string    `json:"id" example:"file_01h455vb4pex5vsknk084sn02q"`
	LeadID    string    `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	Name      *string   `json:"name" doc:"Personal: null without a purpose." example:"booking form.pdf"`
	Kind      string    `json:"kind" doc:"Media type, by its content." example:"application/pdf"`
	Size      int64     `json:"size" doc:"Bytes, as they are fetched." example:"48213"`
	By        string    `json:"by" doc:"A user's or key's id."`
	ByName    *string   `json:"by_name" doc:"The user's name; null for a key." example:"Priya Sen"`
	CreatedAt time.Time `json:"created_at"`
}

func (n names) file(f leads.File) LeadFile {
	by, _ := account.ParseUserID(f.By) // a key is no user, and has no name here
	return LeadFile{ID: f.ID.String(), LeadID: f.Lead.String(), Kind: f.Kind, Size: f.Size, By: f.By, ByName: web.OrNull(n.users[by]), CreatedAt: f.CreatedAt}
}

// FilePath is the input of a route about one file of a lead.
type FilePath struct {
	LeadPath
	File string `path:"file" doc:"The file's id." example:"file_01h455vb4pex5vsknk084sn02q"`
}

// FileRemoved is the answer to a removal.
type FileRemoved struct {
	ID      string `json:"id" example:"file_01h455vb4pex5vsknk084sn02q"`
	Removed bool   `json:"removed"`
}

var (
	addFileOp = web.Op{Method: http.MethodPost, Path: "/v1/leads/{id}/files", Name: "add-file", Tag: "files", Permission: account.WorkLeads, Status: http.StatusCreated, Takes: web.Octets, MaxBody: upload.MaxBytes,
		Summary: "Add a file to a lead",
		Detail: "The body is the file, as application/octet-stream whatever it is: its kind is told by its content. Its name goes into Content-Disposition: attachment; filename*=UTF-8''booking%20form.pdf. " +
			"Taken are pictures (JPEG, PNG, WebP, GIF), PDF, plain text in UTF-8, and Word, Excel and PowerPoint files without macros, up to 25 MiB; a picture is drawn anew, without what it tells besides its pixels. docs/files.md has all refusals. Kept sealed under the person's key. " +
			"Only the lead's owner may, and whoever may work every lead; for others the lead is not there."}
	getFileOp = web.Op{Method: http.MethodGet, Path: "/v1/leads/{id}/files/{file}", Name: "get-file", Tag: "files", Permission: account.OpenPersons, Opens: true,
		Summary: "Fetch a file of a lead", Detail: "What is in it is personal: it takes a purpose, and each opening is on the record. Range is understood."}
)

func (d *Desk) fileRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: addFileOp.Path, Name: "list-files", Tag: "files", Permission: account.ReadLeads, Opens: true,
		Summary: "A lead's files, newest first", Detail: "Their names are personal: the page is one opening on the record; without a purpose they are null."}, d.listFiles)
	web.Do(d.API, web.Op{Method: http.MethodDelete, Path: getFileOp.Path, Name: "remove-file", Tag: "files", Permission: account.WorkLeads,
		Summary: "Destroy a file of a lead", Detail: "Only the lead's owner may, and whoever may work every lead; for others the lead is not there."}, d.removeFile)
	d.API.Handle(addFileOp, d.addFile)
	d.API.Handle(getFileOp, d.getFile)
	d.describeFiles()
}

func (d *Desk) listFiles(ctx context.Context, v *web.Visit, in *pagedLead) (*web.List[LeadFile], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	var list *web.List[LeadFile]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page = &album{}
		l, err := leadOf(&in.LeadPath, tx, v)
		if err != nil {
			return err
		}
		found, err := leads.FilesOf(tx, l.ID, from.At, web.IDAt[lead.FileID](from), in.Limit+1)
		if err != nil {
			return err
		}
		cut := web.NewList(in.Page, found, func(f leads.File) web.Place { return web.Place{At: f.CreatedAt, ID: f.ID.UUID()} })
		sees, err := sight(tx, v, l)
		if err != nil {
			return err
		}
		n, err := named(tx)
		kept := make([]*LeadFile, 0, len(cut.Items))
		for _, f := range cut.Items {
			if f.State != leads.FileKept {
				continue
			}
			shown := n.file(f)
			kept = append(kept, &shown)
			page.add(f.Name, sees.Of(rights.Notes), func(s string, _ keyring.State) { shown.Name = web.OrNull(s) })
		}
		list = &web.List[LeadFile]{NextCursor: cut.NextCursor, Items: make([]LeadFile, len(kept))}
		page.then(func() {
			for i, f := range kept {
				list.Items[i] = *f
			}
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

func (d *Desk) removeFile(v *web.Visit, tx *store.Tx, in *FilePath) (*FileRemoved, error) {
	of, err := in.lead()
	if err != nil {
		return nil, err
	}
	id, err := web.PathID(in.File, lead.ParseFileID)
	if err != nil {
		return nil, err
	}
	return &FileRemoved{id.String(), true}, d.Followup.RemoveFile(tx, worker(v), of, id, v.At)
}

// addFile answers POST /v1/leads/{id}/files.
func (d *Desk) addFile(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	out, err := d.takeFile(w, r, v)
	d.API.Answer(w, r, v, addFileOp, out, err)
}

// takeFile has the rights and the room for a file looked at before any of it is
// read, and its content in the bucket before its row says so.
func (d *Desk) takeFile(w http.ResponseWriter, r *http.Request, v *web.Visit) (*LeadFile, error) {
	ctx := r.Context()
	of, err := web.PathID(r.PathValue("id"), lead.ParseID)
	if err != nil {
		return nil, err
	}
	if err := web.SentAsFile(r); err != nil {
		return nil, err
	}
	if err := d.Filing.Enter(ctx, v.Scope.Account()); err != nil {
		return nil, err
	}
	defer d.Filing.Leave(v.Scope.Account())
	n := followup.File{ID: lead.NewFileID(), Lead: of, Size: upload.MaxBytes}
	if r.ContentLength >= 0 {
		n.Size = r.ContentLength
	}
	var key keyring.ContentKey
	key, n.Key = keyring.NewContentKey(n.ID.UUID())
	out := &LeadFile{}
	known := false
	err = d.DB.Write(ctx, v.Scope, func(tx *store.Tx) (err error) {
		if known, err = d.API.Recall(tx, v, addFileOp, r, of.String(), out); known || err != nil {
			return err
		}
		return d.Followup.BeginFile(tx, worker(v), n, d.FilesRoom, v.At)
	})
	if known || err != nil {
		return out, err
	}
	if out, err = d.keepFile(w, r, v, n, key); err != nil {
		d.giveUp(ctx, v, n.ID)
	}
	return out, err
}

func (d *Desk) keepFile(w http.ResponseWriter, r *http.Request, v *web.Visit, n followup.File, key keyring.ContentKey) (*LeadFile, error) {
	ctx := r.Context()
	content, err := d.Filing.Receive(ctx, v.Scope.Account(), r.Body, key, web.Alive(w))
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if err := d.Filing.Keep(ctx, v.Scope.Account(), n.ID, content); err != nil {
		return nil, err
	}
	n.Kind, n.Size = string(content.Kind), content.Size
	n.Name = vault.Hide(upload.Name(upload.SaidName(r.Header.Get("Content-Disposition")), content.Kind))
	var out LeadFile
	err = d.DB.Write(ctx, v.Scope, func(tx *store.Tx) error {
		f, err := d.Followup.KeepFile(tx, worker(v), n, v.At)
		if err != nil {
			return err
		}
		called, err := named(tx)
		if err != nil {
			return err
		}
		out = called.file(f)
		return d.API.Remember(tx, v, addFileOp, r, n.Lead.String(), out)
	})
	return &out, err
}

// giveUp forgets a file that did not arrive, also when its sender has gone; what
// this cannot do the job does that BeginFile has planned.
func (d *Desk) giveUp(ctx context.Context, v *web.Visit, id lead.FileID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := d.DB.Write(ctx, v.Scope, func(tx *store.Tx) error { return d.Followup.GiveUpFile(tx, id, time.Now()) })
	if err != nil {
		d.Log.Warn("a file that did not arrive stays for an hour", "account_id", v.Scope.Account().String(), "error", err)
	}
}

// getFile answers GET /v1/leads/{id}/files/{file}.
func (d *Desk) getFile(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	f, name, key, err := d.openFile(r, v)
	if err != nil {
		d.API.Fail(w, r, v, getFileOp, err)
		return
	}
	content := filing.NewSeeker(f.Size, func() (io.ReadCloser, error) { return d.Filing.Open(r.Context(), v.Scope.Account(), f.ID, key) })
	defer content.Close()
	if err := content.Begin(); err != nil {
		d.API.Fail(w, r, v, getFileOp, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", upload.Kind(f.Kind).MediaType())
	h.Set("Content-Disposition", upload.Disposition(name, upload.Kind(f.Kind).Picture()))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-store")
	http.ServeContent(web.Patient(w), r, "", f.CreatedAt, content)
	if content.Failed() {
		panic(http.ErrAbortHandler) // it must not look whole
	}
}

// openFile finds a file that the visitor may open, and opens its name and its
// key, on the record.
func (d *Desk) openFile(r *http.Request, v *web.Visit) (f leads.File, name string, key keyring.ContentKey, err error) {
	id, err := web.PathID(r.PathValue("file"), lead.ParseFileID)
	if err != nil {
		return f, "", key, err
	}
	err = d.DB.Read(r.Context(), v.Scope, func(tx *store.Tx) (err error) {
		f, err = fileFor(tx, v, &LeadPath{r.PathValue("id")}, id)
		return err
	})
	if err != nil {
		return f, "", key, err
	}
	opened, err := d.Opener.Open(r.Context(), v.Scope, v.Actor, v.Purpose, f.Key, f.Name)
	if err != nil {
		return f, "", key, err
	}
	if opened.States[0] == keyring.Erased {
		return f, "", key, problem.NotFound()
	}
	key, err = keyring.ContentKeyOf(f.ID.UUID(), opened.Values[0])
	return f, reveal.Text(opened.Values[1]), key, err
}

// fileFor finds a file of the path's lead whose content the visitor may see.
func fileFor(tx *store.Tx, v *web.Visit, of *LeadPath, id lead.FileID) (leads.File, error) {
	l, err := leadOf(of, tx, v)
	if err != nil {
		return leads.File{}, err
	}
	f, err := leads.FileByID(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && (f.Lead != l.ID || f.State != leads.FileKept) {
		return f, problem.NotFound()
	}
	if err != nil {
		return f, err
	}
	if v.Purpose == "" {
		return f, problem.InvalidField("Catchment-Purpose", "purpose_missing", "Say why the file is opened: it goes on the record.")
	}
	sees, err := sight(tx, v, l)
	if err == nil && sees.Of(rights.Notes) != rights.Clear {
		err = problem.NotFound()
	}
	return f, err
}

// describeFiles puts the two routes that carry a file into the document.
func (d *Desk) describeFiles() {
	text := map[string]any{"type": "string"}
	id := func(name, of, example string) map[string]any {
		return map[string]any{"name": name, "in": "path", "required": true, "description": of, "example": example, "schema": text}
	}
	header := func(name, says string) map[string]any {
		return map[string]any{"name": name, "in": "header", "description": says, "schema": text}
	}
	leadID, fileID := id("id", "The lead's id.", "lead_01h455vb4pex5vsknk084sn02q"), id("file", "The file's id.", "file_01h455vb4pex5vsknk084sn02q")
	whole := map[string]any{"schema": map[string]any{"type": "string", "format": "binary"}}
	route := func(op web.Op, params []any, responses map[string]any) map[string]any {
		for status, says := range map[string]string{"401": "No valid credential.", "403": "Not for this role.", "404": "There is no such lead or file."} {
			responses[status] = map[string]any{"description": says}
		}
		return map[string]any{"operationId": op.Name, "summary": op.Summary, "description": op.Detail, "tags": []string{op.Tag}, "x-permission": string(op.Permission),
			"security": []any{map[string]any{"key": []any{}}}, "parameters": params, "responses": responses}
	}
	add := route(addFileOp, []any{leadID, header("Content-Disposition", "attachment, with filename* (RFC 6266): what the file is called."),
		header("Idempotency-Key", "A repeat with the same key for the same lead gets the same answer; its body is not read.")}, map[string]any{
		"201": map[string]any{"description": "The file, without its name.", "content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/LeadFile"}}}},
		"413": map[string]any{"description": "It is too large, or there is no room: file_too_large, too_many_files, account_full."},
		"415": map[string]any{"description": "Files of this kind are not taken, or Content-Type is not application/octet-stream."},
		"422": map[string]any{"description": "This file cannot be taken; errors says why."}})
	add["requestBody"] = map[string]any{"required": true, "content": map[string]any{web.Octets: whole}}
	get := route(getFileOp, []any{leadID, fileID, header("Catchment-Purpose", "Why it is opened; it goes on the record. A session has its task as a default.")}, map[string]any{
		"200": map[string]any{"description": "The file.", "content": map[string]any{web.Octets: whole}},
		"422": map[string]any{"description": "A key has to say why: Catchment-Purpose."}})
	d.API.Describe(web.Fragment{"paths": map[string]any{addFileOp.Path: map[string]any{"post": add}, getFileOp.Path: map[string]any{"get": get}}})
}
