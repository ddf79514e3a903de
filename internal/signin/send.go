package signin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/members"
	"catchment/internal/vault"
)

// The bounds of what goes out. They are looked at after the answer, so that an
// answer tells nobody whether a number is known.
const (
	prefixHour   = 100 // codes to a block of ten thousand numbers in an hour
	accountLeast = 30  // codes of an account in an hour, or three a user
	alarmLeast   = 20  // codes in an hour before their use is judged
	alarmShare   = 4   // raised when fewer than one in so many was used
	mostQueued   = 1000
)

// reserve takes a place in the queue to the worker.
func (s *Signin) reserve() bool {
	if s.queued.Add(1) > mostQueued {
		s.queued.Add(-1)
		return false
	}
	return true
}

func (s *Signin) release() { s.queued.Add(-1) }

// carry settles, one after the other, whether codes go out.
func (s *Signin) carry(ctx context.Context) {
	for {
		select {
		case w := <-s.queue:
			if err := s.dispatch(ctx, w); err != nil {
				s.o.Log.Warn("signin: a code could not be sent", "error", err)
			}
			s.release()
		case <-ctx.Done():
			return
		}
	}
}

// dispatch sends the code to whoever it is for, if to anybody.
func (s *Signin) dispatch(ctx context.Context, w waiting) error {
	var users []codeUser
	var err error
	if w.own != nil {
		users, err = s.ownUser(ctx, &w)
	} else {
		users, err = s.mayUseCodes(ctx, w.number)
	}
	if err != nil {
		return err
	}
	if len(users) == 0 {
		s.note(account.ID{}, "code.refused", "", "unknown-number")
		return nil
	}
	n := 0
	for _, u := range users {
		why, err := s.allow(ctx, w, u)
		if err != nil {
			return err
		}
		if why != "" {
			s.note(u.scope.Account(), "code.withheld", u.id.String(), why)
			continue
		}
		n++
	}
	if n == 0 {
		return nil
	}
	return s.o.Courier.Send(s.message(w), w.flow.ExpiresAt, nil)
}

// allow notes that a code goes out to the user, or says why none does.
func (s *Signin) allow(ctx context.Context, w waiting, u codeUser) (why string, err error) {
	if !goesTo(u, w.goes) {
		return "country", nil
	}
	var block int
	err = s.o.DB.ReadDirectory(ctx, func(dir *store.Dir) (err error) {
		block, err = access.SentToPrefix(dir, w.prefix, w.flow.CreatedAt.Add(-time.Hour))
		return err
	})
	if err != nil {
		return "", err
	}
	if block >= prefixHour {
		s.note(account.ID{}, "code.alarm", u.scope.Account().String(), "numbers-in-a-row")
		return "numbers-in-a-row", nil
	}
	err = s.o.DB.Write(ctx, u.scope, func(tx *store.Tx) error {
		why, err = s.send(tx, w, u)
		return err
	})
	return why, err
}

// goesTo reports whether the account's codes go to the number's country.
func goesTo(u codeUser, goes func(region string) bool) bool {
	if len(u.rule.Countries) == 0 {
		return goes(u.region)
	}
	return slices.ContainsFunc(u.rule.Countries, goes)
}

func (s *Signin) send(tx *store.Tx, w waiting, u codeUser) (why string, err error) {
	at := w.flow.CreatedAt
	sent, used, err := access.SentBetween(tx, at.Add(-time.Hour), at.Add(time.Microsecond))
	if err != nil {
		return "", err
	}
	if sent >= accountLeast {
		all, err := members.All(tx)
		if err != nil {
			return "", err
		}
		if sent >= 3*len(all) {
			return "account", s.alarm(tx, sent, used, at)
		}
	}
	if odd(sent, used) {
		if err := s.alarm(tx, sent, used, at); err != nil {
			return "", err
		}
	}
	err = access.AddSent(tx, access.Sent{Flow: w.flow.ID, At: at, User: u.id, Prefix: w.prefix, Country: w.country})
	if err != nil {
		return "", err
	}
	return "", audit.Write(tx, at, audit.Entry{Actor: "system:signin", Action: "code.sent", About: u.id.String()})
}

// odd reports whether so few codes are used that somebody else has them sent.
func odd(sent, used int) bool { return sent >= alarmLeast && used*alarmShare < sent }

// alarm tells the account, once an hour.
func (s *Signin) alarm(tx *store.Tx, sent, used int, at time.Time) error {
	r, err := access.GetRule(tx)
	if err != nil || at.Sub(r.AlarmAt) < time.Hour {
		return err
	}
	if err := access.SetAlarm(tx, at); err != nil {
		return err
	}
	if err := s.bell().Raise(tx, alarm.Codes, alarm.Alarm{Detail: map[string]any{"sent": sent, "used": used}}, at); err != nil {
		return err
	}
	s.o.Log.Warn("signin: codes are sent and not used", "account_id", tx.Account().String(), "sent", sent, "used", used)
	return audit.Write(tx, at, audit.Entry{Actor: "system:signin", Action: "code.alarm", Detail: map[string]any{"sent": sent, "used": used}})
}

// message is what the phone shows. Its last line lets browsers fill in the
// code on our pages alone (WICG, origin-bound one-time codes).
func (s *Signin) message(w waiting) courier.Message {
	text := fmt.Sprintf("%s is your code to sign in, for %d minutes. Give it to nobody.", w.code, int(CodeLife.Minutes()))
	if s.o.Host != "" {
		text += fmt.Sprintf("\n\n@%s #%s", s.o.Host, w.code)
	}
	return courier.Message{To: w.to, Text: vault.Hide(text), Code: vault.Hide(w.code), Kind: courier.SignInCode}
}
