package main

import (
	"io"
	"net/http"
	"testing"

	"catchment/internal/store/storetest"
	"catchment/internal/web/webtest"
)

// The whole document, as every door together makes it, holds together.
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
}
