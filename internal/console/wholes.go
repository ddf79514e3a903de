package console

import (
	"io"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/carry"
	"catchment/internal/lead"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// AccountExport is everything that the account has, on its way out.
type AccountExport struct {
	ID         string     `json:"id" example:"exp_01h455vb4pex5vsknk084sn02q"`
	State      string     `json:"state" enum:"running,ready,fetched,cancelled" doc:"A ready archive can be fetched once."`
	By         string     `json:"by" doc:"Who asked: a user's or key's id."`
	Purpose    string     `json:"purpose"`
	Recipient  string     `json:"recipient" doc:"Of age: who alone opens the archive. Empty: it is in clear." example:""`
	Rows       int64      `json:"rows_done"`
	Total      int64      `json:"rows_total" doc:"About; 0 until it is known."`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

func accountExportView(e *files.Export) *AccountExport {
	return &AccountExport{ID: e.ID.String(), State: e.State, By: e.By, Purpose: e.Purpose, Recipient: e.Recipient, Rows: e.Rows, Total: e.Total,
		CreatedAt: e.CreatedAt, FinishedAt: web.TimeOrNull(e.FinishedAt)}
}

type newAccountExportIn struct {
	Body struct {
		Purpose   string `json:"purpose" minLength:"1" maxLength:"100" doc:"Why everything is opened; it goes on the record." example:"Moving to another place"`
		Recipient string `json:"recipient,omitempty" maxLength:"100" doc:"An age recipient (age1…), who alone opens the archive. Absent: the archive is in clear." example:""`
	}
}

func (c *Console) wholeRoutes() {
	op := func(method, path, name, summary, detail string) web.Op {
		return web.Op{Method: method, Path: path, Name: name, Tag: "privacy", Permission: account.LeaveAccount, Summary: summary, Detail: detail}
	}
	web.See(c.API, op("GET", "/v1/account/archives", "list-account-exports", "Exports of the whole account", ""), listAccountExports)
	ask := op("POST", "/v1/account/archives", "export-account", "Export the whole account",
		"One signed archive of everything: rows as JSON and CSV with names and numbers in clear, the record with its proofs, and what an import needs (docs/export.md). When it is ready, fetch it once: GET /v1/account/archives/{id}/file.")
	ask.Status, ask.StepUp = 202, true
	web.Do(c.API, ask, c.exportAccount)
	web.See(c.API, op("GET", "/v1/account/archives/{id}", "get-account-export", "One export of the whole account, and how far it is", ""), getAccountExport)
	web.Do(c.API, op("POST", "/v1/account/archives/{id}/cancel", "cancel-account-export", "Cancel an export of the whole account", "What was made is destroyed."), c.cancelAccountExport)
	c.API.Handle(fetchWholeOp, c.fetchWhole)
	c.API.Describe(web.Fragment{"paths": map[string]any{fetchWholeOp.Path: map[string]any{"get": map[string]any{
		"operationId": fetchWholeOp.Name, "summary": fetchWholeOp.Summary, "tags": []string{fetchWholeOp.Tag}, "x-permission": string(fetchWholeOp.Permission), "x-step-up": true,
		"security": []any{map[string]any{"key": []any{}}},
		"parameters": []any{map[string]any{"name": "id", "in": "path", "required": true, "description": "The export's id.", "example": "exp_01h455vb4pex5vsknk084sn02q",
			"schema": map[string]any{"type": "string"}}},
		"responses": map[string]any{"200": map[string]any{"description": "As said.", "content": map[string]any{"application/octet-stream": map[string]any{"schema": map[string]any{"type": "string", "format": "binary"}}}},
			"401": map[string]any{"description": "No valid credential."}, "403": map[string]any{"description": "Not for this role."},
			"404": map[string]any{"description": "There is no such export."}, "409": map[string]any{"description": "Not in this state."}}}}}})
}

var fetchWholeOp = web.Op{Method: "GET", Path: "/v1/account/archives/{id}/file", Name: "fetch-account-export", Tag: "privacy", Permission: account.LeaveAccount, StepUp: true,
	Summary: "Fetch the archive of the whole account, once"}

func listAccountExports(_ *web.Visit, tx *store.Tx, in *web.Page) (*web.List[*AccountExport], error) {
	return exportsOf(tx, files.OfAccount, in, accountExportView)
}

func getAccountExport(_ *web.Visit, tx *store.Tx, in *ExportPath) (*AccountExport, error) {
	e, err := exportOf(tx, files.OfAccount, in)
	if err != nil {
		return nil, err
	}
	return accountExportView(e), nil
}

func (c *Console) exportAccount(v *web.Visit, tx *store.Tx, in *newAccountExportIn) (*AccountExport, error) {
	e, err := c.Carrier.ExportAccount(tx, carry.NewWhole{Actor: v.Actor, Purpose: vault.Purpose(in.Body.Purpose), Recipient: in.Body.Recipient}, v.At)
	if err != nil {
		return nil, err
	}
	return accountExportView(e), nil
}

func (c *Console) cancelAccountExport(v *web.Visit, tx *store.Tx, in *ExportPath) (*AccountExport, error) {
	if _, err := getAccountExport(v, tx, in); err != nil {
		return nil, err
	}
	id, _ := lead.ParseExportID(in.ID)
	if err := c.Carrier.CancelExport(tx, id, v.Actor, v.At); err != nil {
		return nil, err
	}
	return getAccountExport(v, tx, in)
}

func (c *Console) fetchWhole(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	id, err := web.PathID(r.PathValue("id"), lead.ParseExportID)
	var out io.Writer
	if err == nil {
		err = c.Carrier.Fetch(r.Context(), v.Scope, files.OfAccount, id, v.Actor, v.At, func(text string) error {
			if out == nil {
				out = fileReply(w, id.String()+".catchment", "application/octet-stream")
			}
			_, err := io.WriteString(out, text)
			return err
		})
	}
	switch {
	case err != nil && out != nil:
		panic(http.ErrAbortHandler) // the file must not look whole
	case err != nil:
		c.API.Fail(w, r, v, fetchWholeOp, err)
	}
}
