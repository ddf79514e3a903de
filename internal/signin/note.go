package signin

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/directory"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/devices"
)

// What is refused is counted and goes on the record every few seconds, one
// entry for all of a kind: a flood of guesses must not become a flood of
// writes. A stop of the program by force loses what was not written yet.
const (
	noteEvery = 2 * time.Second
	mostNotes = 10_000
)

type noted struct {
	account       account.ID // zero: the platform's record
	action, about string
	why           string
}

// note counts a refusal of an account, or of nobody known.
func (s *Signin) note(acct account.ID, action, about, why string) {
	s.count(noted{acct, action, about, why}, 1)
}

func (s *Signin) count(k noted, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.notes[k]; !ok && len(s.notes) >= mostNotes {
		k.about = "" // whose it is gives way; that it was stays
	}
	s.notes[k] += n
}

// noteElsewhere counts a sign-in from outside the networks that are open to the
// user. False: err is no such refusal.
func (s *Signin) noteElsewhere(acct account.ID, user account.UserID, err error) bool {
	p, ok := problem.Of(err)
	if !ok || p.Code != directory.CodeElsewhere {
		return false
	}
	s.note(acct, "sign-in.refused", user.String(), "network")
	return true
}

// Refused counts a session or key that was used from outside its networks: see
// directory.Options.
func (s *Signin) Refused(p directory.Principal) {
	acct, about := account.ID{}, p.Session.String()
	if p.Scope.Valid() {
		acct = p.Scope.Account()
	}
	if !p.Key.IsZero() {
		about = p.Key.String()
	}
	s.note(acct, "request.refused", about, "network")
}

// Unknown counts a request that was refused for a credential that nobody has,
// or for a foreign page: see directory.Options.
func (s *Signin) Unknown(why string) { s.note(account.ID{}, "request.refused", "", why) }

// Flush writes what was counted until now; when it returns, no other flush has
// some of it in hand. What finds no database waits for the next.
func (s *Signin) Flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	notes := s.notes
	s.notes = map[noted]int{}
	s.mu.Unlock()
	by := map[account.ID][]noted{}
	for k := range notes {
		by[k.account] = append(by[k.account], k)
	}
	var errs []error
	for acct, list := range by {
		err := s.write(ctx, acct, entries(list, notes))
		if err != nil && (errors.Is(err, store.ErrAway) || ctx.Err() != nil) {
			for _, k := range list {
				s.count(k, notes[k])
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func entries(list []noted, notes map[noted]int) []audit.Entry {
	out := make([]audit.Entry, len(list))
	for i, k := range list {
		out[i] = audit.Entry{Actor: "system:signin", Action: k.action, About: k.about, Detail: map[string]any{"count": notes[k], "why": k.why}}
	}
	return out
}

func (s *Signin) write(ctx context.Context, acct account.ID, list []audit.Entry) error {
	now := s.now()
	if acct.IsZero() {
		return s.o.DB.Directory(ctx, func(dir *store.Dir) error {
			for _, e := range list {
				if err := audit.WritePlatform(dir, now, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return s.o.DB.Write(ctx, admit.To(acct), func(tx *store.Tx) error {
		for _, e := range list {
			if err := audit.Write(tx, now, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepNotes flushes until the end.
func (s *Signin) keepNotes(ctx context.Context) {
	t := time.NewTicker(noteEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("signin: refusals could not be put on the record", "error", err)
		}
	}
}

const (
	keepFlows = 25 * time.Hour // longer than any bound looks back
	keepSent  = 30 * 24 * time.Hour
	// Sessions live for 30 days and leases for seven: a device that comes after
	// these has long had nothing that it could open.
	keepEnded = 90 * 24 * time.Hour
)

// Tidy removes what no bound looks at any more.
func (s *Signin) Tidy(ctx context.Context, all []account.Scope) error {
	now := s.now()
	errs := []error{s.o.DB.Directory(ctx, func(dir *store.Dir) error {
		_, err := access.ForgetFlows(dir, now.Add(-keepFlows))
		return errors.Join(err, access.ForgetCeremonies(dir, now.Add(-keepFlows)))
	})}
	for _, scope := range all {
		errs = append(errs, s.o.DB.Write(ctx, scope, func(tx *store.Tx) error {
			return errors.Join(access.ForgetSent(tx, now.Add(-keepSent)), access.ForgetSSO(tx, now.Add(-keepSSO)),
				devices.ForgetEnded(tx, now.Add(-keepEnded)))
		}))
	}
	return errors.Join(errs...)
}
