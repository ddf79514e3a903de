package web

import (
	"net/http"

	"catchment/internal/problem"
)

// answerUnmatched gives what the mux answers itself (no such route, no such
// method) the form of every other refusal.
func answerUnmatched(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		said := &unsent{header: http.Header{}}
		h.ServeHTTP(said, r)
		if said.status != http.StatusMethodNotAllowed {
			WriteProblem(w, r, problem.NotFound())
			return
		}
		allow := said.header.Get("Allow")
		w.Header().Set("Allow", allow)
		WriteProblem(w, r, &problem.Problem{Status: said.status, Code: "method_not_allowed",
			Title: "This address does not take this method", Detail: "It takes " + allow + "."})
	})
}

// unsent takes the mux's own answer and sends none of it.
type unsent struct {
	header http.Header
	status int
}

func (u *unsent) Header() http.Header         { return u.header }
func (u *unsent) WriteHeader(status int)      { u.status = status }
func (u *unsent) Write(b []byte) (int, error) { return len(b), nil }
