package desk

import (
	_ "embed"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// The examples of the document are those of docs/api.md; a test compares them.
var (
	//go:embed examples/lead.json
	leadExample []byte
	//go:embed examples/enquiry.json
	enquiryExample []byte
	//go:embed examples/offer.json
	offerExample []byte
)

// TransformSchema implements huma.SchemaTransformer.
func (Lead) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return exampled(s, leadExample)
}

// TransformSchema implements huma.SchemaTransformer.
func (Enquiry) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return exampled(s, enquiryExample)
}

// TransformSchema implements huma.SchemaTransformer.
func (Offer) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return exampled(s, offerExample)
}

func exampled(s *huma.Schema, text []byte) *huma.Schema {
	s.Examples = []any{json.RawMessage(text)}
	return s
}
