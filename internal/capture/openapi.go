package capture

import (
	_ "embed"
	"encoding/json"
)

//go:embed openapi.json
var openAPI []byte

// OpenAPI describes the door's routes, written by hand: a part of an OpenAPI
// 3.1 document with paths and components. Each call gives a copy.
func OpenAPI() map[string]any {
	var doc map[string]any
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		panic("capture: openapi.json: " + err.Error()) // a test reads it
	}
	return doc
}
