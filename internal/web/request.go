package web

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"catchment/internal/caller"
	"catchment/internal/limits"
	"catchment/internal/problem"
)

type requestKey struct{}

// RequestID is the request's id, which support can find in the log.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// Wrap gives each request an id, answers a panic with a problem, and logs a
// line a request: method, route, status, duration; never a path's ids, a
// query, a body or a person. What no route takes is answered with a problem.
// The guards are passed before any route, the last one first.
func Wrap(mux *http.ServeMux, log *slog.Logger, guards ...Guard) http.Handler {
	h := answerUnmatched(mux)
	for _, g := range guards {
		h = g(h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := newRequestID()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		seen := &statusWriter{ResponseWriter: w}
		start := time.Now()
		defer func() {
			if x := recover(); x != nil {
				if x == http.ErrAbortHandler {
					panic(x)
				}
				log.Error("panic in a handler", "request_id", id, "panic", fmt.Sprintf("%T", x), "stack", string(debug.Stack()))
				if seen.status == 0 {
					WriteProblem(seen, r, &problem.Problem{Status: 500, Code: "internal", Title: "Something went wrong on our side"})
				}
			}
			level := slog.LevelDebug
			if seen.status >= 500 && r.Context().Err() == nil { // else the caller hung up
				level = slog.LevelWarn
			}
			log.Log(r.Context(), level, "request", "method", r.Method, "route", r.Pattern, "status", seen.status,
				"ms", time.Since(start).Milliseconds(), "request_id", id)
		}()
		h.ServeHTTP(seen, r)
	})
}

// Guard stands before all routes.
type Guard func(http.Handler) http.Handler

// ByAddress refuses those who send too much from one address. It comes before
// a body is read and a credential is looked at.
func ByAddress(l *limits.Limits) Guard {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if p, refused := problem.Of(l.Address(caller.Address(r.Context()))); refused {
				WriteProblem(w, r, p)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func newRequestID() string {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], uint32(time.Now().Unix()))
	rand.Read(b[4:])
	return "req_" + base64.RawURLEncoding.EncodeToString(b[:])
}

// statusWriter remembers the status for the log line.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
