// Package privacy does what the law and the account ask for with people's
// data: it erases a person, keeps the requests of those whom the data are
// about with their clocks, takes what is older than the account keeps, and ends
// an account.
//
// Callers may rely on this: what is to be destroyed stands in the deletion
// ledger before the first row goes, so that no crash and no older database
// brings it back; everything that is begun is finished by a job or by the next
// start; and what was done is on the record.
package privacy

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"catchment/internal/account"
	"catchment/internal/checkpoint"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/people"
)

// EraseJob erases a person; its key is the person's id.
const EraseJob jobs.Kind = "erase"

// kindWithdraw is routing's job that takes a closed lead out of routing; its
// key is the lead's id.
const kindWithdraw jobs.Kind = "withdraw"

// kindReturn is routing's job that has a person's leads offered again which were
// held back because they must not be contacted; its key is the person's id.
const kindReturn jobs.Kind = "return"

// kindFile is filing's job that takes a file without a row from the bucket; its
// key is the file's id.
const kindFile jobs.Kind = "file"

// Actor is privacy's name in the record, for what nobody asked for just now.
const Actor = "system:privacy"

// Options are the parts that privacy is built from.
type Options struct {
	DB       *store.DB
	Jobs     *jobs.List
	Events   *events.Log
	Accounts *keyring.Accounts
	Ledger   *ledger.Ledger
	Grants   *keyring.Grants // the keys of grants; nil: none are made
	// Scrub has what was destroyed vanish from the engine's files, see
	// store.Scrub; nil: not.
	Scrub func(ctx context.Context) error
	// Withdraw takes an account from the doors' snapshot, and what else of it lies
	// outside SQL; nil: nothing does.
	Withdraw func(ctx context.Context, id account.ID) error
	// RemoveKept empties the tables of the record of an account's rows where this
	// program's role may not; nil: it may.
	RemoveKept func(ctx context.Context, id account.ID) error
	// Unread names the enquiries of dead letters that speak of somebody who is found by
	// these, on the record; nil: there are none.
	Unread func(ctx context.Context, s account.Scope, about lead.PersonID, entries []people.Entry) ([]lead.EnquiryID, error)
	// Taken returns when all that was acknowledged until now is in SQL, or an error
	// when that takes too long; nil: it is.
	Taken func(ctx context.Context) error

	Key        func() checkpoint.Key // signs certificates; asked each time
	JournalSeq func() uint64         // of the journal's newest message; nil: there is none
	Log        *slog.Logger          // nil: silent
	Now        func() time.Time      // time.Now when nil
}

// Privacy is safe for concurrent use.
type Privacy struct {
	o       Options
	persons int // of a page of retention; the constant, but in tests
}

// New returns it. Register has its jobs done.
func New(o Options) *Privacy {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Scrub == nil {
		o.Scrub = func(context.Context) error { return nil }
	}
	if o.Withdraw == nil {
		o.Withdraw = func(context.Context, account.ID) error { return nil }
	}
	if o.Taken == nil {
		o.Taken = func(context.Context) error { return nil }
	}
	if o.JournalSeq == nil {
		o.JournalSeq = func() uint64 { return 0 }
	}
	return &Privacy{o, personsAtOnce}
}

// Register makes the runner do privacy's jobs.
func (p *Privacy) Register(r *jobs.Runner) {
	r.Handle(EraseJob, p.eraseJob)
	r.Handle(EndGrantJob, p.endGrant)
	r.Handle(EmergencyJob, p.beginEmergency)
	r.Handle(EndJob, p.endJob)
	r.Handle(RetentionJob, p.retentionJob)
	r.Handle(ClockJob, p.clock)
}

// Taken returns when all that was acknowledged until now is in SQL, or an error
// when that takes too long.
func (p *Privacy) Taken(ctx context.Context) error { return p.o.Taken(ctx) }

func (p *Privacy) now() time.Time { return store.Clock(p.o.Now()) }

func (p *Privacy) eraseJob(ctx context.Context, j jobs.Job) error {
	id, err := lead.ParsePersonID(j.Key)
	if err != nil {
		return fmt.Errorf("privacy: job erase: %w", err)
	}
	// What the journal has of them would become somebody new.
	if err := p.o.Taken(ctx); err != nil {
		return fmt.Errorf("privacy: job erase: %w", err)
	}
	return p.Erase(ctx, j.Scope, id)
}
