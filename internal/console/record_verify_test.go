package console_test

import (
	"log/slog"
	"strings"
	"testing"

	"catchment/internal/audit"
	"catchment/internal/checkpoint"
	"catchment/internal/directory/directorytest"
	"catchment/internal/receipt"
	"catchment/internal/store"
)

func recordKeys(ring *directorytest.Ring) (out receipt.Keys) {
	for _, k := range ring.RecordPublicKeys() {
		out = append(out, receipt.Key{ID: k.KeyID, PublicKey: k.Key, NotBefore: k.NotBefore})
	}
	return out
}

func tree(t *testing.T, db *store.DB, ring *directorytest.Ring) *audit.Sequencer {
	t.Helper()
	keys := recordKeys(ring)
	return audit.NewSequencer(audit.SequencerOptions{DB: db, Key: func() checkpoint.Key { return ring.RecordKey() }, Log: slog.New(slog.DiscardHandler),
		Own: func(note string) (checkpoint.Checkpoint, error) { return checkpoint.Open(note, keys) }})
}

// What is exported verifies, also from an earlier checkpoint on; it has what
// was done, and that it was exported.
func TestTheRecordIsExported(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.company()
		state := func() map[string]any { return c.admin.get("/v1/record/state").want(t, 200).body }
		c.admin.post("/v1/projects", map[string]any{"name": "Harbour"}).want(t, 201)
		if s := state(); s["waiting"] == 0.0 || s["checkpoint"] != nil {
			t.Errorf("before anything is placed: %v", s)
		}
		export := func(query string) string { return c.admin.get("/v1/record/export"+query).want(t, 200).text }
		whole := export("")
		r, err := checkpoint.Verify(strings.NewReader(whole), h.recordKeys)
		if err != nil || len(r.Faults) > 0 || !strings.Contains(whole, `"project.created"`) || !strings.Contains(whole, `"record.exported"`) {
			t.Fatalf("%+v, %v\n%s", r, err, whole)
		}
		s := state()
		if s["waiting"] != 0.0 || s["signed"] != float64(r.Size) || s["signed_at"] == nil {
			t.Errorf("after it: %v, %d entries", s, r.Size)
		}
		c.admin.post("/v1/projects", map[string]any{"name": "Hill"}).want(t, 201)
		rest := export("?from=" + strings.TrimSuffix(jsonNumber(s["signed"]), ".0"))
		more, err := checkpoint.Verify(strings.NewReader(rest), h.recordKeys, s["checkpoint"].(string))
		if err != nil || len(more.Faults) > 0 || more.From != r.Size || more.Size <= r.Size || strings.Contains(rest, `"Harbour"`) {
			t.Errorf("%+v, %v\n%s", more, err, rest)
		}
		if again, err := checkpoint.Verify(strings.NewReader(whole), h.recordKeys, state()["checkpoint"].(string)); err != nil || len(again.Faults) != 1 {
			t.Errorf("an older export is taken for the whole record: %+v, %v", again, err)
		}
		c.admin.get("/v1/record/export?from=-1").want(t, 422)
		c.admin.get("/v1/record/export?from=99999").want(t, 422)
	})
}

func jsonNumber(v any) string {
	n, _ := v.(float64)
	return slog.Float64Value(n).String()
}
