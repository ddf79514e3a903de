// Package totp shows the codes of an app, as a person's phone does: RFC 6238
// with SHA-1, six digits and thirty seconds. It is for programs that sign in
// like people, as the demo and the proofs do.
package totp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pquerna/otp/hotp"
)

// Step is for how long a code is shown. A server takes the one before and the
// one after as well, for clocks that differ, and each of them once.
const Step = 30 * time.Second

// Code is the app's with the seed (base 32) at that time.
func Code(seed string, at time.Time) (string, error) {
	code, err := hotp.GenerateCode(seed, uint64(at.Unix()/int64(Step/time.Second)))
	if err != nil {
		return "", fmt.Errorf("totp: %w", err)
	}
	return code, nil
}

// Apps gives codes that it has not given before. It is safe for concurrent use;
// the zero Apps is ready.
type Apps struct {
	mu    sync.Mutex
	given map[string]int64 // the last step, by seed
}

// Next is a code of the seed that was not given yet: of the step before, now
// or the next one, in this order. When all of these were given it waits.
func (a *Apps) Next(ctx context.Context, seed string) (string, error) {
	at, wait := a.take(seed, time.Now())
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-t.C:
		}
	}
	return Code(seed, at)
}

// take is the time of the code to give, and how long from now it is taken.
func (a *Apps) take(seed string, now time.Time) (at time.Time, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	step := now.Unix() / int64(Step/time.Second)
	next := step - 1
	if last, ok := a.given[seed]; ok && last >= next {
		next = last + 1
	}
	if a.given == nil {
		a.given = map[string]int64{}
	}
	a.given[seed] = next
	at = time.Unix(next*int64(Step/time.Second), 0)
	return at, at.Add(-Step).Sub(now)
}
