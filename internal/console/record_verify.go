package console

import (
	"net/http"
	"strconv"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/web"
)

// RecordState is how an account's record stands.
type RecordState struct {
	Entries    int64      `json:"entries" doc:"In the record's tree." example:"48211"`
	Waiting    int64      `json:"waiting" doc:"Written, and without a place in the tree yet: normally for under a second."`
	Signed     int64      `json:"signed" doc:"How many of them the newest checkpoint has signed." example:"48211"`
	SignedAt   *time.Time `json:"signed_at" doc:"null: nothing is signed yet."`
	Checkpoint *string    `json:"checkpoint" doc:"The newest checkpoint. Keep a copy elsewhere: catchment audit verify compares the record with it."`
}

var exportRecordOp = web.Op{Method: "GET", Path: "/v1/record/export", Name: "export-record", Tag: "record", Permission: account.ReadRecord,
	Summary: "The record with its checkpoints, for catchment audit verify (lines of JSON)"}

func (c *Console) verifyRoutes() {
	web.See(c.API, web.Op{Method: "GET", Path: "/v1/record/state", Name: "get-record-state", Tag: "record", Permission: account.ReadRecord,
		Summary: "How long the record is, and up to where it is signed"}, c.recordState)
	c.API.Handle(exportRecordOp, c.exportRecord)
	c.API.Describe(web.Fragment{"paths": map[string]any{exportRecordOp.Path: map[string]any{"get": map[string]any{
		"operationId": exportRecordOp.Name, "summary": exportRecordOp.Summary, "tags": []string{exportRecordOp.Tag}, "x-permission": string(exportRecordOp.Permission),
		"security": []any{map[string]any{"key": []any{}}},
		"parameters": []any{map[string]any{"name": "from", "in": "query", "description": "Begin at the size of a checkpoint of an earlier export; 0: at the beginning.",
			"schema": map[string]any{"type": "integer", "minimum": 0, "default": 0}}},
		"responses": map[string]any{
			"200": map[string]any{"description": "As docs/audit.md says.", "content": map[string]any{"application/jsonl": map[string]any{"schema": map[string]any{"type": "string"}}}},
			"401": map[string]any{"description": "No valid credential."}, "403": map[string]any{"description": "Not for this role."},
			"422": map[string]any{"description": "from is not the size of a checkpoint."}},
	}}}})
}

func (c *Console) recordState(_ *web.Visit, tx *store.Tx, _ *struct{}) (*RecordState, error) {
	s, err := c.Tree.State(tx)
	if err != nil {
		return nil, err
	}
	return &RecordState{Entries: s.Size, Waiting: s.Waiting, Signed: int64(s.Signed.Size), SignedAt: web.TimeOrNull(s.Signed.At), Checkpoint: web.OrNull(s.Note)}, nil
}

// exportRecord streams; that it was exported is on the record it exports.
func (c *Console) exportRecord(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	fail := func(err error) { c.API.Fail(w, r, v, exportRecordOp, err) }
	from := int64(0)
	if text := r.URL.Query().Get("from"); text != "" {
		var err error
		if from, err = strconv.ParseInt(text, 10, 62); err != nil || from < 0 {
			fail(problem.InvalidField("from", "bad_number", "Send a whole number, 0 or more."))
			return
		}
	}
	err := c.DB.Write(r.Context(), v.Scope, func(tx *store.Tx) error {
		return audit.Write(tx, v.At, audit.Entry{Actor: v.Actor, Action: "record.exported", Detail: map[string]int64{"from": from}})
	})
	if err != nil {
		fail(err)
		return
	}
	out := &begunReply{w: w}
	if err := c.Tree.Export(r.Context(), v.Scope, from, out); err != nil {
		if out.begun {
			panic(http.ErrAbortHandler) // the file has no end, and a verifier says so
		}
		fail(err)
	}
}

// begunReply answers 200 with the first piece of a file.
type begunReply struct {
	w     http.ResponseWriter
	begun bool
}

// Write implements io.Writer.
func (b *begunReply) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		h := b.w.Header()
		h.Set("Content-Type", "application/jsonl")
		h.Set("Content-Disposition", `attachment; filename="record.jsonl"`)
		h.Set("Cache-Control", "no-store")
	}
	return web.Patient(b.w).Write(p)
}
