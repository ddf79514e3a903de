package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/problem"
)

// Page puts a page for people's eyes on the mux: anybody may ask for it, and is
// counted as every stranger is. It is no part of the API's document. What fails
// is shown by fail, which is given the error and what it is to the caller; a
// page that fails has written nothing.
func (a *API) Page(pattern, name string, show func(w http.ResponseWriter, r *http.Request) error, fail func(w http.ResponseWriter, r *http.Request, p *problem.Problem, err error)) {
	method, path, _ := strings.Cut(pattern, " ")
	op := Op{Method: method, Path: path, Name: name, Permission: account.Public}
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(caller.With(r.Context(), caller.Of(r)))
		v, err := a.visit(r.Context(), op, r.Header.Get)
		if err == nil {
			err = show(w, r)
		}
		if err == nil {
			return
		}
		p := a.problem(v, op, err)
		for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
			w.Header().Set(name, p.Headers[name])
		}
		if p.RetryAfter > 0 {
			w.Header().Set("Retry-After", retryAfter(p))
		}
		fail(w, r, p, err)
	})
}
