package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"catchment/internal/account"
	"catchment/internal/problem"

	"github.com/danielgtaylor/huma/v2"
)

const problemRef = "#/components/schemas/Problem"

// Schema implements huma.SchemaProvider: every error is the one Problem.
func (reply) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Ref: problemRef} }

// refusal is a way in which a request ends otherwise than asked.
type refusal struct {
	status, name, words string
	wait                bool // with Retry-After
}

// refusals stand once in the document, and the routes point to them.
var refusals = []refusal{
	{"400", "Unreadable", "The request cannot be read: broken JSON, a key twice, a bad Idempotency-Key.", false},
	{"401", "Unauthenticated", "No credential, or one that is not valid any more.", false},
	{"403", "Forbidden", "The credential's role does not have the route's permission, or the credential is not for the caller's network (network); code says which.", false},
	{"404", "NotFound", "Nothing of this id, or nothing that this credential may see: the answers are the same.", false},
	{"409", "Conflict", "The state of the thing does not allow it, or the Idempotency-Key came with another request; code says which.", false},
	{"413", "TooLarge", "The body is over the route's limit.", false},
	{"415", "WrongType", "The body is not of the media type that the route takes.", false},
	{"422", "Invalid", "Fields or parameters cannot be taken; errors names each, with the way out.", false},
	{"429", "TooMany", "Too many tries, or too many at once.", true},
	{"503", "Busy", "Just now it cannot be done. Nothing was acknowledged; repeat it after Retry-After.", true},
}

// refusalsOf lists the statuses that the route can end with.
func refusalsOf(op Op) []int {
	out := []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable}
	if op.Method != http.MethodGet {
		out = append(out, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if op.Permission == account.Public {
		return append(out, http.StatusUnauthorized, http.StatusTooManyRequests)
	}
	if out = append(out, http.StatusUnauthorized, http.StatusForbidden); op.Method != http.MethodGet {
		out = append(out, http.StatusConflict)
	}
	if strings.Contains(op.Path, "{") {
		out = append(out, http.StatusNotFound)
	}
	slices.Sort(out)
	return out
}

// describeRefusals puts the Problem into the document, and the refusals that
// its routes can end with, and has the routes point to them.
func describeRefusals(doc map[string]any) {
	shared := map[string]any{}
	eachOperation(doc, func(op map[string]any) {
		responses, ok := op["responses"].(map[string]any)
		if !ok {
			return
		}
		delete(responses, "500") // the library's: it is the default, and not one to expect
		for status, response := range responses {
			said, _ := response.(map[string]any)
			i := slices.IndexFunc(refusals, func(r refusal) bool { return r.status == status })
			if i < 0 || said["$ref"] != nil {
				continue
			}
			r := refusals[i]
			shared[r.name] = r.response()
			ref := map[string]any{"$ref": "#/components/responses/" + r.name}
			if code, _ := strconv.Atoi(status); said["description"] != http.StatusText(code) { // a fragment's own words
				ref["description"] = said["description"]
			}
			responses[status] = ref
		}
		responses["default"] = map[string]any{"$ref": "#/components/responses/Problem"}
	})
	shared["Problem"] = refusal{words: "Any other failure."}.response()
	merge(doc, map[string]any{"components": map[string]any{"responses": shared, "schemas": map[string]any{"Problem": problemSchema()}}})
}

func (r refusal) response() map[string]any {
	out := map[string]any{"description": r.words,
		"content": map[string]any{"application/problem+json": map[string]any{"schema": map[string]any{"$ref": problemRef}}}}
	if r.wait {
		out["headers"] = map[string]any{"Retry-After": map[string]any{"description": "Seconds to wait.",
			"schema": map[string]any{"type": "integer", "minimum": 1}}}
	}
	return out
}

func eachOperation(doc map[string]any, f func(op map[string]any)) {
	paths, _ := doc["paths"].(map[string]any)
	for _, item := range paths {
		methods, _ := item.(map[string]any)
		for _, op := range methods {
			if op, ok := op.(map[string]any); ok {
				f(op)
			}
		}
	}
}

func problemSchema() map[string]any {
	text := func(words string) map[string]any { return map[string]any{"type": "string", "description": words} }
	index := map[string]any{"type": "integer", "minimum": 0, "description": "Of the lead in a batch."}
	return map[string]any{
		"type":        "object",
		"description": "What went wrong and the way out (RFC 9457). Nothing in it repeats what was sent.",
		"required":    []any{"status", "code", "title"},
		"properties": map[string]any{
			"status": map[string]any{"type": "integer", "description": "The answer's own status."},
			"code":   text("For programs; it never changes."), "title": text("For people."), "detail": text("For people: what to do."),
			"request_id": text("Support can find the request in the log with it."),
			"errors": map[string]any{"type": "array", "description": "The faults of the input.", "items": map[string]any{
				"type": "object", "required": []any{"field", "code", "detail"},
				"properties": map[string]any{"index": index, "field": text("Its path: person.phone."), "code": text("For programs."), "detail": text("What to do.")}}},
		},
		"examples": []any{problem.InvalidField("limit", "wrong_value", "expected number <= 500")},
	}
}

// allowNull lets an enumerated value that may be null be null: the library
// puts null into the type alone.
func allowNull(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			allowNull(x)
		}
	case map[string]any:
		types, _ := v["type"].([]any)
		words, ok := v["enum"].([]any)
		if ok && slices.Contains(types, "null") && !slices.Contains(words, nil) {
			v["enum"] = append(words, nil)
		}
		for _, x := range v {
			allowNull(x)
		}
	}
}
