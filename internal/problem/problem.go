// Package problem has the few kinds of error that reach a caller, in the
// terms of RFC 9457: a stable code, the fields at fault and the way out.
// A Problem never contains a person's data, a query or a stack.
package problem

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Problem is an error with an answer. Title and Detail are for people, Code
// is for programs and never changes.
type Problem struct {
	Status     int           `json:"status"`
	Code       string        `json:"code"`
	Title      string        `json:"title"`
	Detail     string        `json:"detail,omitempty"`
	Errors     []Field       `json:"errors,omitempty"`
	Choices    []Choice      `json:"choices,omitempty"` // what can be sent instead, where detail says so
	RequestID  string        `json:"request_id,omitempty"`
	RetryAfter time.Duration `json:"-"` // for 429 and 503, at least a second
	// Headers of the answer that say more, by their canonical names.
	Headers map[string]string `json:"-"`
	cause   error
}

// Field is one fault of the input. Field is a JSON pointer-like path
// ("person.phone", "custom.budget"); Index counts in a batch from 0.
type Field struct {
	Index  *int   `json:"index,omitempty"`
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Choice is something that the caller can choose: an account, a way to sign in.
type Choice struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Error says what happened without anything that came from outside.
func (p *Problem) Error() string {
	s := p.Code
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	if p.cause != nil {
		s += ": " + p.cause.Error()
	}
	return s
}

// Unwrap returns the cause, which is logged and never sent.
func (p *Problem) Unwrap() error { return p.cause }

// Because returns a copy that carries its cause for the log.
func (p *Problem) Because(err error) *Problem {
	q := *p
	q.cause = err
	return &q
}

// Of finds the Problem in err, if there is one.
func Of(err error) (*Problem, bool) {
	var p *Problem
	ok := errors.As(err, &p)
	return p, ok
}

func answer(status int, code, title, format string, args []any) *Problem {
	return &Problem{Status: status, Code: code, Title: title, Detail: fmt.Sprintf(format, args...)}
}

// Unreadable is 400: the bytes are not of the format.
func Unreadable(code, format string, args ...any) *Problem {
	return answer(http.StatusBadRequest, code, "The request cannot be read", format, args)
}

// Unauthenticated is 401: no credential, or one that is not valid (any more).
func Unauthenticated(format string, args ...any) *Problem {
	return answer(http.StatusUnauthorized, "unauthenticated", "Sign in or send a valid key", format, args)
}

// Forbidden is 403: a valid credential without the right.
func Forbidden(code, format string, args ...any) *Problem {
	return answer(http.StatusForbidden, code, "Not allowed", format, args)
}

// NotFound is 404, for what does not exist and, identically, for what belongs
// to another account. It therefore takes no arguments.
func NotFound() *Problem {
	return answer(http.StatusNotFound, "not_found", "There is nothing here", "Check the address and the id.", nil)
}

// Conflict is 409: the state of the thing does not allow it.
func Conflict(code, format string, args ...any) *Problem {
	return answer(http.StatusConflict, code, "The state has changed", format, args)
}

// TooLarge is 413.
func TooLarge(code, format string, args ...any) *Problem {
	return answer(http.StatusRequestEntityTooLarge, code, "Too large", format, args)
}

// WrongType is 415.
func WrongType(format string, args ...any) *Problem {
	return answer(http.StatusUnsupportedMediaType, "unsupported_media_type", "This content type is not taken here", format, args)
}

// Invalid is 422 with the list of fields.
func Invalid(fields ...Field) *Problem {
	p := answer(http.StatusUnprocessableEntity, "invalid", "Some fields cannot be taken", "See errors: each names a field and what to do.", nil)
	p.Errors = fields
	return p
}

// InvalidField is Invalid for one field.
func InvalidField(field, code, format string, args ...any) *Problem {
	return Invalid(Field{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// Busy is 503: nothing was stored, try again after the given time.
func Busy(code string, retry time.Duration, format string, args ...any) *Problem {
	p := answer(http.StatusServiceUnavailable, code, "Try again shortly", format, args)
	p.RetryAfter = max(retry, time.Second)
	return p
}

// Sealed is 503: the server does not have its keys yet.
func Sealed() *Problem {
	return Busy("sealed", 30*time.Second, "This server was started and does not have its keys yet: it waits for their passphrase, "+
		"which whoever runs it gives by catchment keys unlock, or for the key service. Repeat this request then.")
}

// TooMany is 429.
func TooMany(code string, retry time.Duration, format string, args ...any) *Problem {
	p := answer(http.StatusTooManyRequests, code, "Too many requests", format, args)
	p.RetryAfter = max(retry, time.Second)
	return p
}
