package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"catchment/internal/audit"
	"catchment/internal/keyservice"
	"catchment/internal/problem"
	"catchment/internal/store"

	"github.com/danielgtaylor/huma/v2"
)

// problem turns any error into a Problem and logs what the caller is not told.
func (a *API) problem(v *Visit, op Op, err error) *problem.Problem {
	p, known := problem.Of(err)
	switch {
	case known:
		q := *p
		p = &q
	case errors.Is(err, store.ErrNone):
		p = problem.NotFound()
	case errors.Is(err, store.ErrAway), errors.Is(err, store.ErrAgain):
		p = problem.Busy("database_away", 2*time.Second, "The database does not answer just now. Captured leads are safe; repeat this request.")
	case errors.Is(err, keyservice.ErrAway), errors.Is(err, keyservice.ErrRefused):
		p = problem.Busy("keys_away", 5*time.Second, "The service that has this account's keys does not open them just now. Captured leads are safe; repeat this request, and tell whoever runs the server.")
	case errors.Is(err, audit.ErrUnwritten):
		p = problem.Busy("record_away", 2*time.Second, "This could not be put on the record, so it was not done. Repeat it later, and tell whoever runs the server.")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = problem.Busy("timeout", time.Second, "The request took too long. Look whether it was done, or repeat it under the same Idempotency-Key.")
	default:
		p = &problem.Problem{Status: http.StatusInternalServerError, Code: "internal", Title: "Something went wrong on our side",
			Detail: "Nothing was changed. Tell support the request_id."}
	}
	if v != nil {
		p.RequestID = v.RequestID
	}
	if p.Status >= 500 && a.log != nil {
		level := slog.LevelError
		if errors.Is(err, context.Canceled) { // the caller hung up: nobody's fault, and nobody reads the answer
			level = slog.LevelDebug
		}
		attrs := []any{"route", op.Name, "code", p.Code, "request_id", p.RequestID, "error", err.Error()}
		if v != nil && v.Scope.Valid() {
			attrs = append(attrs, "account_id", v.Scope.Account().String())
		}
		a.log.Log(context.Background(), level, "request failed", attrs...)
	}
	return p
}

// reply is a Problem in the form that huma writes.
type reply struct{ *problem.Problem }

// GetStatus implements huma.StatusError.
func (r reply) GetStatus() int { return r.Status }

// ContentType implements huma.ContentTypeFilter (RFC 9457, section 3).
func (r reply) ContentType(string) string { return "application/problem+json" }

// MarshalJSON writes the problem alone.
func (r reply) MarshalJSON() ([]byte, error) { return json.Marshal(r.Problem) }

func (a *API) fault(v *Visit, op Op, err error) error {
	p := a.problem(v, op, err)
	if p.RetryAfter > 0 {
		return huma.ErrorWithHeaders(reply{p}, http.Header{"Retry-After": {retryAfter(p)}})
	}
	return reply{p}
}

func retryAfter(p *problem.Problem) string {
	return strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds())))
}

func writeProblem(c huma.Context, p *problem.Problem) {
	c.SetHeader("Content-Type", "application/problem+json")
	if p.RetryAfter > 0 {
		c.SetHeader("Retry-After", retryAfter(p))
	}
	for name, value := range p.Headers {
		c.SetHeader(name, value)
	}
	if p.Status == http.StatusUnauthorized {
		c.SetHeader("WWW-Authenticate", `Bearer realm="catchment"`)
	}
	c.SetStatus(p.Status)
	_ = json.NewEncoder(c.BodyWriter()).Encode(p) // the caller has gone
}

// WriteProblem answers a plain handler's request with the problem.
func WriteProblem(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	q := *p
	q.RequestID = RequestID(r.Context())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if q.RetryAfter > 0 {
		w.Header().Set("Retry-After", retryAfter(&q))
	}
	for name, value := range q.Headers {
		w.Header().Set(name, value)
	}
	if q.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="catchment"`)
	}
	w.WriteHeader(q.Status)
	_ = json.NewEncoder(w).Encode(&q)
}

// fromHuma gives the library's own refusals our form. Its details may echo
// the input's values; those are left out.
func fromHuma(c huma.Context, status int, msg string, errs ...error) huma.StatusError {
	p := translate(status, errs)
	if c != nil {
		p.RequestID = RequestID(c.Context())
	}
	return reply{p}
}

func translate(status int, errs []error) *problem.Problem {
	if status == http.StatusUnprocessableEntity || status == http.StatusBadRequest {
		if fields := fieldsOf(errs); len(fields) > 0 {
			if p := unreadable(errs); p != nil {
				return p
			}
			return problem.Invalid(fields...)
		}
	}
	switch status {
	case http.StatusBadRequest:
		return problem.Unreadable("unreadable", "The body is missing or cannot be read as JSON.")
	case http.StatusRequestEntityTooLarge:
		return problem.TooLarge("body_too_large", "The body is over this route's limit.")
	case http.StatusUnsupportedMediaType:
		return problem.WrongType("Send application/json.")
	case http.StatusRequestTimeout:
		return problem.Unreadable("body_too_slow", "The body did not arrive in time.")
	case http.StatusNotFound:
		return problem.NotFound()
	}
	return &problem.Problem{Status: status, Code: "refused", Title: http.StatusText(status)}
}

func fieldsOf(errs []error) []problem.Field {
	var out []problem.Field
	for _, err := range errs {
		var d huma.ErrorDetailer
		if err == nil || !errors.As(err, &d) {
			continue
		}
		detail := d.ErrorDetail()
		where := detail.Location
		for _, part := range []string{"body.", "query.", "path.", "header."} {
			where = strings.TrimPrefix(where, part)
		}
		if name, ok := missing(detail.Message); ok {
			where = strings.TrimPrefix(strings.TrimPrefix(where, "body")+"."+name, ".")
		}
		out = append(out, problem.Field{Field: where, Code: codeOf(detail.Message), Detail: wayOut(detail.Message)})
	}
	return out
}

// missing reads the property's name out of the library's sentence.
func missing(message string) (string, bool) {
	rest, ok := strings.CutPrefix(message, "expected required property ")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, " to be present")
}

// wayOut says what to do where the library only says what is.
func wayOut(message string) string {
	if _, ok := missing(message); ok {
		return "This field is required."
	}
	if message == "unexpected property" {
		return "There is no such field: check its spelling, or leave it out."
	}
	return message
}

// unreadable tells a body that is not JSON from one with wrong values: the
// library says of the first only that the location is the body.
func unreadable(errs []error) *problem.Problem {
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) && d.ErrorDetail().Location == "body" {
			switch m := d.ErrorDetail().Message; {
			case strings.HasPrefix(m, zeroAt):
				return zeroField(strings.TrimPrefix(m, zeroAt))
			case strings.Contains(m, "duplicate"):
				return problem.Unreadable("duplicate_key", "The JSON object has a key twice.")
			case strings.Contains(m, "json") || strings.Contains(m, "JSON") || strings.Contains(m, "jsontext"):
				return problem.Unreadable("malformed_json", "The body cannot be read as JSON.")
			}
		}
	}
	return nil
}

func codeOf(message string) string {
	switch {
	case strings.HasPrefix(message, "unexpected property"):
		return "unknown_field"
	case strings.HasPrefix(message, "unknown query parameter"):
		return "unknown_parameter"
	case strings.Contains(message, "required"):
		return "required"
	case strings.Contains(message, "one of"):
		return "not_in_list"
	case strings.HasPrefix(message, "expected"):
		return "wrong_value"
	}
	return "invalid"
}
