package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/alarm"
	"catchment/internal/audit"
	"catchment/internal/checkpoint"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/ledger"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/access"
	"catchment/internal/store/ending"
	"catchment/internal/store/grants"
)

// EndJob ends an account when its grace time is over; its key is endKey.
const (
	EndJob jobs.Kind = "end-account"
	endKey string    = "account"

	aboutEnd = "account" // in the keys of letters
)

// The grace time that an account may choose.
const (
	ShortestGrace = 3 * 24 * time.Hour
	LongestGrace  = 60 * 24 * time.Hour
)

// What lies on as noise after an end: entries of the journal, which are trimmed
// a day after SQL has passed them and grow no older than five days, and the
// keys in backups, which are kept for six.
const (
	journalRest = 5 * 24 * time.Hour
	backupRest  = 6 * 24 * time.Hour
)

// AskEnd writes down that the account is to end after the grace time. Until
// then everything goes on as before, and CancelEnd takes it back.
func (p *Privacy) AskEnd(tx *store.Tx, grace time.Duration, actor string, now time.Time) (ending.End, error) {
	if grace < ShortestGrace || grace > LongestGrace {
		return ending.End{}, problem.InvalidField("grace_days", "out_of_range", "Use %d to %d days.", int(ShortestGrace.Hours()/24), int(LongestGrace.Hours()/24))
	}
	ok, err := ending.Ask(tx, ending.End{AskedAt: now, DueAt: store.Clock(now.Add(grace)), By: actor})
	if err != nil {
		return ending.End{}, err
	}
	if !ok {
		return ending.End{}, problem.Conflict("account_ending", "That the account is to end was asked already. Take it back first to change the time.")
	}
	e, err := ending.Get(tx)
	if err != nil {
		return e, err
	}
	// The other admins hear of it while it can be taken back.
	a := alarm.Alarm{Detail: map[string]any{"due_at": e.DueAt.UTC(), "by": actor}}
	if err := p.bell().Raise(tx, alarm.Ending, a, now); err != nil {
		return e, err
	}
	if err := p.bell().Mail(tx, alarm.Ending, aboutEnd, alarm.Asked, now); err != nil {
		return e, err
	}
	return e, p.o.Jobs.Add(tx, EndJob, endKey, e.DueAt)
}

// CancelEnd takes back what AskEnd wrote down, for as long as nothing is
// destroyed.
func (p *Privacy) CancelEnd(tx *store.Tx) error {
	err := ending.Cancel(tx)
	if errors.Is(err, store.ErrNone) {
		return problem.Conflict("not_ending", "Nobody has asked that the account ends, or it cannot be taken back any more.")
	}
	if err != nil {
		return err
	}
	if err := p.bell().Mail(tx, alarm.Ending, aboutEnd, alarm.Ended, p.now()); err != nil {
		return err
	}
	return p.bell().End(tx, alarm.Ending, "", p.now())
}

// HastenEnd has an end that was asked for begin now. It is for who runs the
// machine, when the account wants it so.
func (p *Privacy) HastenEnd(tx *store.Tx, now time.Time) error {
	err := ending.Hasten(tx, now)
	if errors.Is(err, store.ErrNone) {
		return problem.Conflict("not_ending", "No admin of the account has asked that it ends, or it has begun.")
	}
	if err != nil {
		return err
	}
	return p.o.Jobs.Add(tx, EndJob, endKey, now)
}

func (p *Privacy) endJob(ctx context.Context, j jobs.Job) error {
	var e ending.End
	err := p.o.DB.Read(ctx, j.Scope, func(tx *store.Tx) (err error) {
		e, err = ending.Get(tx)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return nil // it was taken back
	}
	if err != nil {
		return fmt.Errorf("privacy: end of an account: %w", err)
	}
	if e.StartedAt.IsZero() && p.now().Before(e.DueAt) {
		return p.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error { return j.Later(tx, e.DueAt) })
	}
	if err := p.end(ctx, j); err != nil {
		return fmt.Errorf("privacy: end of an account: %w", err)
	}
	return nil
}

// end goes on where it was: the way back is closed, the ledger names the
// account, keys go, then rows, then the record, and what proves it is written
// before the last trace goes.
func (p *Privacy) end(ctx context.Context, j jobs.Job) error {
	s := j.Scope
	e, err := p.beginEnd(ctx, s)
	if err != nil {
		return err
	}
	if err := p.o.Ledger.Add(ctx, ledger.Entry{At: e.StartedAt, Account: s.Account()}); err != nil {
		return err
	}
	if err := p.destroyKeys(ctx, s); err != nil {
		return err
	}
	if err := p.removeRows(ctx, s); err != nil {
		return err
	}
	if err := p.certify(ctx, s); err != nil {
		return err
	}
	err = p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		if err := j.Done(tx); err != nil {
			return err
		}
		return ending.Finish(tx, p.o.RemoveKept != nil)
	})
	if err != nil {
		return err
	}
	if err := p.dropKept(ctx, s.Account()); err != nil {
		return err
	}
	return p.o.Scrub(ctx)
}

// beginEnd closes the way back, once, and notes which keys there are.
func (p *Privacy) beginEnd(ctx context.Context, s account.Scope) (e ending.End, err error) {
	var keys ending.Keys
	if own, err := p.o.Accounts.Get(ctx, s.Account()); err == nil {
		for _, g := range own.Generations() {
			keys.Generations = append(keys.Generations, g.Number)
		}
	}
	err = p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		if e, err = ending.Get(tx); err != nil || !e.StartedAt.IsZero() {
			return err
		}
		all, err := access.Keys(tx)
		if err != nil {
			return err
		}
		keys.API = nil
		for _, k := range all {
			keys.API = append(keys.API, k.ID)
		}
		if err := ending.Start(tx, p.now(), keys); err != nil {
			return err
		}
		e, err = ending.Get(tx)
		return err
	})
	return e, err
}

// destroyKeys makes everything of the account unreadable. The doors forget it
// before, and again after: a snapshot may have been on its way.
func (p *Privacy) destroyKeys(ctx context.Context, s account.Scope) error {
	id := s.Account()
	if err := p.o.Withdraw(ctx, id); err != nil {
		return err
	}
	if err := p.destroyGrants(ctx, s); err != nil {
		return err
	}
	err := p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		e, err := ending.Get(tx)
		if err != nil || !e.Keys.DestroyedAt.IsZero() {
			return err
		}
		return ending.Destroy(tx, p.now())
	})
	if err != nil {
		return err
	}
	p.o.Accounts.Forget(id)
	if err := p.o.Withdraw(ctx, id); err != nil {
		return err
	}
	return p.o.Scrub(ctx)
}

// destroyGrants destroys the keys of what support was granted: they lie outside
// SQL.
func (p *Privacy) destroyGrants(ctx context.Context, s account.Scope) error {
	const page = 500
	for at, after := (time.Time{}), (account.GrantID{}); ; {
		var list []grants.Grant
		err := p.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
			list, err = grants.List(tx, "", time.Time{}, at, after, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, g := range list {
			if err := p.o.Grants.Destroy(ctx, keyring.GrantID(g.ID.UUID())); err != nil {
				return err
			}
			at, after = g.MadeAt, g.ID
		}
		if len(list) < page {
			return nil
		}
	}
}

// removeRows goes on until a look at every table finds nothing: others may write
// beside it, because they had begun.
func (p *Privacy) removeRows(ctx context.Context, s account.Scope) error {
	for at := 0; at >= 0; {
		err := p.o.DB.Write(ctx, s, func(tx *store.Tx) (err error) {
			at, err = ending.Remove(tx, at, p.o.RemoveKept != nil)
			return err
		})
		if err != nil {
			return err
		}
	}
	if p.o.RemoveKept == nil {
		return nil
	}
	if err := p.o.DB.Write(ctx, s, ending.CountKept); err != nil {
		return err
	}
	return p.dropKept(ctx, s.Account())
}

func (p *Privacy) dropKept(ctx context.Context, id account.ID) error {
	if p.o.RemoveKept == nil {
		return nil
	}
	return p.o.RemoveKept(ctx, id)
}

// certify writes the certificate into the ledger, and tells the platform.
func (p *Privacy) certify(ctx context.Context, s account.Scope) error {
	id := s.Account()
	if was, ok := p.o.Ledger.Of(id); ok && len(was.Certificate) > 0 {
		return nil
	}
	var e ending.End
	err := p.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
		e, err = ending.Get(tx)
		return err
	})
	if err != nil {
		return err
	}
	now := p.now()
	text, err := p.certificate(id, e, now).Sign(p.o.Key())
	if err != nil {
		return err
	}
	err = p.o.DB.Directory(ctx, func(d *store.Dir) error {
		return audit.WritePlatform(d, now, audit.Entry{Actor: Actor, Action: "account.ended", About: id.String(), Detail: map[string]any{"asked_by": e.By, "asked_at": e.AskedAt}})
	})
	if err != nil {
		return err
	}
	return p.o.Ledger.Add(ctx, ledger.Entry{At: e.StartedAt, Account: id, Certificate: []byte(text)})
}

func (p *Privacy) certificate(id account.ID, e ending.End, now time.Time) checkpoint.Certificate {
	c := checkpoint.Certificate{Account: id.String(), AskedAt: e.AskedAt.UTC(), AskedBy: e.By, KeysDestroyed: e.Keys.DestroyedAt.UTC(), RemovedAt: now.UTC(),
		Keys:    checkpoint.CertificateKeys{Generations: e.Keys.Generations, API: []string{}, Persons: e.Counts["person_key"], Members: e.Counts["member_key"]},
		Rows:    []checkpoint.RowCount{},
		Journal: checkpoint.JournalRest{UpTo: p.o.JournalSeq(), GoneBy: now.Add(journalRest).UTC()},
		Backups: checkpoint.BackupRest{KeysGoneBy: e.Keys.DestroyedAt.Add(backupRest).UTC()}}
	for _, k := range e.Keys.API {
		c.Keys.API = append(c.Keys.API, k.String())
	}
	for table, n := range e.Counts {
		c.Rows = append(c.Rows, checkpoint.RowCount{Table: table, Rows: n})
	}
	slices.SortFunc(c.Rows, func(a, b checkpoint.RowCount) int { return strings.Compare(a.Table, b.Table) })
	return c
}

// replayAccounts removes again which accounts the ledger names and this database
// has. It returns how many there were.
func (p *Privacy) replayAccounts(ctx context.Context) (n int, err error) {
	for _, e := range p.o.Ledger.Entries() {
		if !e.Person.IsZero() {
			continue
		}
		found, err := p.replayAccount(ctx, e)
		if err != nil {
			return n, fmt.Errorf("privacy: replay the ledger: %w", err)
		}
		if found {
			n++
		}
	}
	return n, nil
}

func (p *Privacy) replayAccount(ctx context.Context, e ledger.Entry) (found bool, err error) {
	s := admit.To(e.Account)
	left := ""
	err = p.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
		left, err = ending.Left(tx)
		return err
	})
	if err != nil || left == "" {
		return false, err
	}
	if len(e.Certificate) == 0 {
		return true, p.resumeEnd(ctx, s, e)
	}
	if err := p.o.Withdraw(ctx, e.Account); err != nil {
		return true, err
	}
	if err := p.removeRows(ctx, s); err != nil {
		return true, err
	}
	if err := p.o.DB.Write(ctx, s, func(tx *store.Tx) error { return ending.Finish(tx, p.o.RemoveKept != nil) }); err != nil {
		return true, err
	}
	if err := p.dropKept(ctx, e.Account); err != nil {
		return true, err
	}
	p.o.Accounts.Forget(e.Account)
	return true, p.o.Scrub(ctx)
}

// resumeEnd destroys the keys of an account whose end had begun; the job does
// the rest. An older database may know of neither.
func (p *Privacy) resumeEnd(ctx context.Context, s account.Scope, e ledger.Entry) error {
	err := p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		if _, err := ending.Ask(tx, ending.End{AskedAt: e.At, DueAt: e.At, By: Actor}); err != nil {
			return err
		}
		return p.o.Jobs.Add(tx, EndJob, endKey, p.now())
	})
	if err != nil {
		return err
	}
	if _, err := p.beginEnd(ctx, s); err != nil {
		return err
	}
	return p.destroyKeys(ctx, s)
}

// EndOf tells when the visitor's account is to end; false: nobody has asked.
func EndOf(tx *store.Tx) (e ending.End, asked bool, err error) {
	e, err = ending.Get(tx)
	if errors.Is(err, store.ErrNone) {
		return ending.End{}, false, nil
	}
	return e, err == nil, err
}
