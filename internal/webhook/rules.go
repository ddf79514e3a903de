package webhook

import (
	"net/http"
	"strconv"
	"time"

	"catchment/internal/store/webhooks"
)

// pauses come between the tries of one message, as Standard Webhooks recommends
// ("Retry schedule"): the last try is three days and three hours after the first.
var pauses = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

const (
	tries     = 10                  // of one message: the first, and one after each pause
	patience  = 3 * 24 * time.Hour  // how long a webhook may take nothing
	mostRest  = 10 * time.Minute    // between looks whether a receiver is back
	mostAfter = time.Hour           // that a receiver may ask for
	tired     = 5                   // messages in a row that were not taken, after which one at a time is tried
	keptDead  = 30 * 24 * time.Hour // how long the dead list is kept
)

// answer is how a receiver answered one message.
type answer struct {
	status int           // 0: there was none
	class  string        // "": taken
	after  time.Duration // it asked to be left alone for so long
	took   time.Duration
}

// read judges an answer by the rules of Standard Webhooks: 2xx takes the
// message, whatever the body says; a redirect is a failure.
func read(status int, head http.Header) answer {
	a := answer{status: status}
	switch {
	case status/100 == 2:
	case status/100 == 3:
		a.class = "redirect"
	case status == http.StatusGone:
		a.class = "gone"
	case status/100 == 4:
		a.class = "refused"
	default:
		a.class = "server_error"
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		if s, err := strconv.Atoi(head.Get("Retry-After")); err == nil && s > 0 {
			a.after = min(time.Duration(s), mostAfter/time.Second) * time.Second
		}
	}
	return a
}

// next says when a message that was tried so often is tried again; the zero
// time: not any more. jitter, from 0 to 1, spreads what failed together over a
// tenth of the pause.
func next(tried int, a answer, now time.Time, jitter float64) time.Time {
	if tried >= tries {
		return time.Time{}
	}
	pause := pauses[tried-1]
	pause += time.Duration(jitter * float64(pause) / 10)
	return now.Add(max(pause, a.after))
}

// heard puts an answer into what is known of a webhook. From the fifth failure
// in a row on it rests after each, for longer and longer, and one message at a
// time is tried: a receiver that is down is not asked by everybody who waits.
func heard(w *webhooks.Webhook, message, kind string, a answer, now time.Time) {
	w.Recent = append([]webhooks.Answer{{Message: message, Kind: kind, At: now, Status: a.status, Class: a.class, Took: a.took.Milliseconds()}},
		w.Recent[:min(len(w.Recent), mostRecent-1)]...)
	if a.class == "" {
		w.Taken++
		w.Fails, w.FailingSince, w.RestUntil = 0, time.Time{}, time.Time{}
		return
	}
	if w.Fails++; w.FailingSince.IsZero() {
		w.FailingSince = now
	}
	rest := a.after
	if w.Fails >= tired {
		rest = max(rest, min(10*time.Second<<min(w.Fails-tired, 10), mostRest))
	}
	if rest > 0 {
		w.RestUntil = now.Add(rest)
	}
}

const mostRecent = 20

// givenUp reports that the webhook has taken nothing for so long that what
// happened as long ago goes to the dead list untried.
func givenUp(w *webhooks.Webhook, now time.Time) bool {
	return !w.FailingSince.IsZero() && now.Sub(w.FailingSince) >= patience
}
