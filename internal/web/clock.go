package web

import (
	"time"

	"catchment/internal/problem"
)

// clockOf reads Catchment-Clock where a route takes it.
func clockOf(op Op, text string) (at time.Time, err error) {
	if !op.Later || text == "" {
		return at, nil
	}
	if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
		return at, problem.InvalidField("Catchment-Clock", "bad_time", "Send the time of your clock as RFC 3339.")
	}
	return at, nil
}

// Happened is a time of the caller's clock by ours, and not in the future. nil
// gives the zero time. 422: a time without the clock that it is of.
func (v *Visit) Happened(said *time.Time) (time.Time, error) {
	if said == nil {
		return time.Time{}, nil
	}
	if v.Clock.IsZero() {
		return time.Time{}, problem.InvalidField("happened_at", "clock_required", "Send Catchment-Clock with what your clock says now.")
	}
	at := v.Corrected(*said)
	if at.After(v.At) {
		at = v.At
	}
	return at, nil
}

// clockIsRight is how far a caller's clock may differ from ours and count as
// right. The difference that we see has the request's own way in it, which is
// another each time: what a phone did first, and told over a slow network,
// would come out after what it did next.
const clockIsRight = 5 * time.Second

// Corrected is a time of the caller's clock by ours; as it was said when their
// clock is right, or they did not tell what it says.
func (v *Visit) Corrected(said time.Time) time.Time {
	off := v.At.Sub(v.Clock)
	if v.Clock.IsZero() || off.Abs() <= clockIsRight {
		return said
	}
	return said.Add(off)
}
