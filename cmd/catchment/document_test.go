package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"testing"

	"catchment/internal/store/storetest"
	"catchment/internal/web/webtest"
)

// appsCopy is what the web app's typed client is generated from.
const appsCopy = "../../browser/app/src/api/openapi.json"

var writeCopy = flag.Bool("write-api", false, "write the document's copy for the web app, as `make api` does")

// The whole document, as every door together makes it, holds together, and
// the web app is compiled against it.
func TestTheWholeDocument(t *testing.T) {
	s := serve(t, settingsFor(t, storetest.SQLiteOptions(t)))
	resp, err := http.Get(s.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.StatusCode, err)
	}
	for _, fault := range webtest.Faults(text) {
		t.Error(fault)
	}
	bare := withoutWords(t, text)
	if *writeCopy {
		if err := os.WriteFile(appsCopy, bare, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(appsCopy)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, bare) {
		t.Error("the web app's copy of the document is stale: run make api, and commit what it changes")
	}
}

// withoutWords leaves what a client can be compiled against: a sentence that
// is written better changes nothing there.
func withoutWords(t *testing.T, text []byte) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	doc["info"] = map[string]any{"title": "Catchment", "version": ""}
	dropWords(doc)
	out, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// dropWords tells a sentence from a property of that name by its type.
func dropWords(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			dropWords(x)
		}
	case map[string]any:
		for _, k := range []string{"description", "summary"} {
			if _, ok := v[k].(string); ok {
				delete(v, k)
			}
		}
		if _, ok := v["examples"].([]any); ok {
			delete(v, "examples")
		}
		if _, property := v["example"].(map[string]any); !property {
			delete(v, "example")
		}
		for _, x := range v {
			dropWords(x)
		}
	}
}
