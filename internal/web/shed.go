package web

import (
	"net/http"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/problem"
)

// From which pressure a request yields to capture: first what can be asked
// again at leisure, last what somebody has just done.
const (
	listsYield  = 0.5 // documents, reports, lists
	readsYield  = 0.7
	writesYield = 0.85
	neverYields = 2 // the operator must see what goes on
)

func (op Op) yields() float64 {
	switch {
	case op.Permission == account.RunPlatform:
		return neverYields
	case op.Method != http.MethodGet:
		return writesYield
	case op.Tag == "reports", !strings.Contains(op.Path, "{"):
		return listsYield
	}
	return readsYield
}

// shed refuses what yields at this pressure or less.
func (a *API) shed(at float64) error {
	if a.pressure == nil || a.pressure() < at {
		return nil
	}
	return problem.Busy("busy_capturing", 2*time.Second, "Leads come in faster than they can be kept, and go first. Nothing was done.")
}

// yielding is a plain handler of a document.
func (a *API) yielding(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p, busy := problem.Of(a.shed(listsYield)); busy {
			WriteProblem(w, r, p)
			return
		}
		h(w, r)
	}
}
