package privacy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/carry"
	"catchment/internal/store/leads"
	"catchment/internal/store/retention"
)

// RetentionJob takes what is older than the account's rules keep, once a day;
// its key is retentionKey.
const (
	RetentionJob jobs.Kind = "retention"
	retentionKey string    = "account"
)

// The days that a rule may have.
const (
	ShortestKeep     = 30 // of leads and submissions
	ShortestKeepFile = 1  // of test leads and files
	LongestKeep      = 3650
)

// RetentionGrace is how long new rules take nothing, so that a wrong one can be
// taken back.
const RetentionGrace = 24 * time.Hour

const (
	everyLook      = 24 * time.Hour
	betweenPages   = time.Second // of one look, so that it takes little of the machine
	personsAtOnce  = 200
	enquiryAtOnce  = 1000
	filesAtOnce    = 200
	mostInAPreview = 50_000 // candidates, submissions, and files of leads
)

// SetRetention changes the account's rules. What they take goes a day later at
// the earliest.
func (p *Privacy) SetRetention(tx *store.Tx, r retention.Rules, actor string, now time.Time) (retention.Plan, error) {
	if err := CheckRetention(r); err != nil {
		return retention.Plan{}, err
	}
	was, err := retention.Get(tx)
	if err != nil || was.Rules == r {
		return was, err
	}
	if err := retention.Set(tx, r, actor, store.Clock(now)); err != nil {
		return was, err
	}
	if !r.None() {
		if err := p.o.Jobs.Add(tx, RetentionJob, retentionKey, now.Add(RetentionGrace)); err != nil {
			return was, err
		}
	}
	return retention.Get(tx)
}

// CheckRetention says what is wrong with rules.
func CheckRetention(r retention.Rules) error {
	for _, x := range []struct {
		field       string
		days, least int
	}{{"lead_days", r.Leads, ShortestKeep}, {"test_lead_days", r.Tests, ShortestKeepFile}, {"submission_days", r.Submissions, ShortestKeep}, {"attachment_days", r.Attachments, ShortestKeepFile}, {"file_days", r.Files, ShortestKeepFile}} {
		if x.days != 0 && (x.days < x.least || x.days > LongestKeep) {
			return problem.InvalidField(x.field, "out_of_range", "Use %d to %d days, or 0: nothing goes.", x.least, LongestKeep)
		}
	}
	return nil
}

// Preview counts what the rules would take if they began now. more: there is
// more than is counted.
func (p *Privacy) Preview(ctx context.Context, s account.Scope, r retention.Rules) (c retention.Counts, more bool, err error) {
	if err := CheckRetention(r); err != nil {
		return c, false, err
	}
	now, cut := p.now(), r.Cut(p.now())
	var at retention.Place
	for seen, last := 0, false; !last && !more; more = !last && seen >= mostInAPreview {
		err := p.o.DB.Read(ctx, s, func(tx *store.Tx) error {
			ids, err := p.candidates(tx, at.Person, cut)
			if err != nil || len(ids) == 0 {
				last = true
				return err
			}
			due, err := judge(tx, cut, ids)
			for _, d := range due {
				d.count(&c)
			}
			at.Person, seen, last = ids[len(ids)-1], seen+len(ids), len(ids) < p.persons
			return err
		})
		if err != nil {
			return c, false, fmt.Errorf("privacy: preview: %w", err)
		}
	}
	err = p.o.DB.Read(ctx, s, func(tx *store.Tx) error {
		for next := !cut.Submissions.IsZero(); next; next = next && c.Submissions < mostInAPreview {
			of, another, err := retention.OldSubmissions(tx, &at, cut.Submissions, enquiryAtOnce)
			if err != nil {
				return err
			}
			c.Submissions, next = c.Submissions+int64(len(of)), another
		}
		for next := !cut.Attachments.IsZero(); next; next = next && c.Attachments < mostInAPreview {
			due, err := retention.DueAttachments(tx, at.File, cut.Attachments, enquiryAtOnce)
			if err != nil {
				return err
			}
			c.Attachments += int64(len(due))
			if next = len(due) == enquiryAtOnce; next {
				at.File = due[len(due)-1].ID
			}
		}
		more = more || c.Submissions >= mostInAPreview || c.Attachments >= mostInAPreview
		c.Files, err = oldFiles(tx, cut.Files, now, false)
		return err
	})
	if err != nil {
		return c, false, fmt.Errorf("privacy: preview: %w", err)
	}
	return c, more, nil
}

// retentionJob does one page of the day's look and comes again.
func (p *Privacy) retentionJob(ctx context.Context, j jobs.Job) error {
	next, err := p.retain(ctx, j.Scope)
	if err != nil || next.IsZero() {
		return err
	}
	return p.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error { return j.Later(tx, next) })
}

// retain goes on with the look where it was, for one page, and returns when it
// wants to go on; the zero time when there are no rules.
func (p *Privacy) retain(ctx context.Context, s account.Scope) (next time.Time, err error) {
	var plan retention.Plan
	err = p.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) { plan, err = retention.Get(tx); return err })
	if err != nil || plan.Rules.None() {
		return time.Time{}, err
	}
	now := p.now()
	if begin := begins(plan); plan.Place.Step == "" && now.Before(begin) {
		return begin, nil
	}
	if err := p.page(ctx, s, &plan, now); err != nil {
		return time.Time{}, fmt.Errorf("privacy: retention: %w", err)
	}
	err = p.o.DB.Write(ctx, s, func(tx *store.Tx) error { return finishPage(tx, plan, now) })
	if plan.Place.Step == "" {
		return begins(plan), err
	}
	return p.now().Add(betweenPages), err
}

// begins is when the next look begins.
func begins(plan retention.Plan) time.Time {
	first := plan.ChangedAt.Add(RetentionGrace)
	if next := plan.RanAt.Add(everyLook); next.After(first) {
		return next
	}
	return first
}

// RetentionBegins is when the rules take something next; zero when there are
// none.
func RetentionBegins(plan retention.Plan) time.Time {
	if plan.Rules.None() {
		return time.Time{}
	}
	return begins(plan)
}

// page takes what is due of the next page, and moves the place behind it.
func (p *Privacy) page(ctx context.Context, s account.Scope, plan *retention.Plan, now time.Time) error {
	cut, at := plan.Rules.Cut(now), &plan.Place
	switch at.Step {
	case "", retention.Persons:
		at.Step = retention.Persons
		return p.pageOfPersons(ctx, s, cut, at)
	case retention.Submissions:
		return p.pageOfSubmissions(ctx, s, cut, at)
	case retention.Attachments:
		return p.pageOfAttachments(ctx, s, now, at)
	}
	err := p.o.DB.Write(ctx, s, func(tx *store.Tx) (err error) {
		at.Counts.Files, err = oldFiles(tx, cut.Files, now, true)
		return err
	})
	plan.Ran, plan.RanAt, plan.Place = at.Counts, now, retention.Place{}
	return err
}

// finishPage keeps the place; when the look is over, what it took is on the
// record.
func finishPage(tx *store.Tx, plan retention.Plan, now time.Time) error {
	if err := retention.Move(tx, plan); err != nil || plan.Place.Step != "" || plan.Ran == (retention.Counts{}) {
		return err
	}
	return audit.Write(tx, now, audit.Entry{Actor: Actor, Action: "retention.ran", About: tx.Account().String(), Detail: plan.Ran})
}

// candidates reads nothing where no rule is about persons.
func (p *Privacy) candidates(tx *store.Tx, after lead.PersonID, cut retention.Cut) ([]lead.PersonID, error) {
	if cut.Leads.IsZero() && cut.Tests.IsZero() {
		return nil, nil
	}
	return retention.Candidates(tx, after, cut, p.persons)
}

func (p *Privacy) pageOfPersons(ctx context.Context, s account.Scope, cut retention.Cut, at *retention.Place) error {
	var ids []lead.PersonID
	var due []verdict
	err := p.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
		if ids, err = p.candidates(tx, at.Person, cut); err == nil {
			due, err = judge(tx, cut, ids)
		}
		return err
	})
	if err != nil {
		return err
	}
	if due, err = p.retire(ctx, s, cut, due); err != nil {
		return err
	}
	for _, d := range due {
		d.count(&at.Counts)
	}
	if len(ids) < p.persons {
		at.Step = retention.Submissions
		return nil
	}
	at.Person = ids[len(ids)-1]
	return nil
}

// retire erases who is due, and returns them.
func (p *Privacy) retire(ctx context.Context, s account.Scope, cut retention.Cut, due []verdict) (gone []verdict, err error) {
	if len(due) == 0 {
		return nil, nil
	}
	var ids []lead.PersonID
	for _, d := range due {
		ids = append(ids, d.id)
	}
	all, err := p.find(ctx, s, ids)
	if err != nil {
		return nil, err
	}
	if err := p.findDead(ctx, s, all); err != nil {
		return nil, err
	}
	var left []whole
	at := p.now()
	for _, w := range all {
		still, err := p.retireOne(ctx, s, cut, w, at)
		if err != nil {
			return nil, fmt.Errorf("privacy: erase: %w", err)
		}
		if len(still) > 0 {
			gone, left = append(gone, still...), append(left, w)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	if err := p.destroy(ctx, s, left, at); err != nil { // what was written beside it
		return nil, err
	}
	return gone, p.o.Scrub(ctx)
}

// mostToList bounds how long a transaction waits for the ledger's bucket: on
// SQLite nobody else writes meanwhile.
const mostToList = 5 * time.Second

// retireOne judges once more and erases, all in one transaction that holds the
// human: what is done with them at the same moment is seen and keeps them, or
// waits and is told that they are gone. The ledger names them before the commit,
// when nothing but the commit can fail any more; a transaction that has to run
// again after that does not judge again, because what the ledger names goes.
func (p *Privacy) retireOne(ctx context.Context, s account.Scope, cut retention.Cut, w whole, at time.Time) (gone []verdict, err error) {
	listed := false
	err = p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		now, err := hold(tx, w)
		if err != nil {
			return err
		}
		if !listed {
			gone = nil
			plan, err := retention.Get(tx)
			if err != nil || plan.Rules.None() {
				return err
			}
			gone, err = judge(tx, cut, []lead.PersonID{w.id})
			if err != nil || len(gone) == 0 {
				return err
			}
		}
		if err := p.write(tx, now, at); err != nil {
			return err
		}
		tx.BeforeCommit(func() error {
			listed = true // after an error of the ledger's it may name them all the same
			wait, stop := context.WithTimeout(ctx, mostToList)
			defer stop()
			return p.list(wait, s, now, at)
		})
		return nil
	})
	return gone, err
}

func (p *Privacy) pageOfSubmissions(ctx context.Context, s account.Scope, cut retention.Cut, at *retention.Place) error {
	if cut.Submissions.IsZero() {
		at.Step = retention.Attachments
		return nil
	}
	var of []lead.EnquiryID
	var more bool
	err := p.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
		of, more, err = retention.OldSubmissions(tx, at, cut.Submissions, enquiryAtOnce)
		return err
	})
	if err != nil {
		return err
	}
	if len(of) > 0 {
		err = p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
			n, err := retention.DropSubmissions(tx, of, cut.Submissions)
			at.Counts.Submissions += n
			return err
		})
	}
	if !more {
		at.Step = retention.Attachments
	}
	return err
}

// pageOfAttachments destroys files of leads: their rows, and with them their
// keys, now, and their contents a moment later. Which are due is asked in the
// transaction that takes them, by the rules as they are then: a lead that was
// opened again keeps its files.
func (p *Privacy) pageOfAttachments(ctx context.Context, s account.Scope, now time.Time, at *retention.Place) error {
	var due []retention.Attachment
	err := p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		due = nil
		plan, err := retention.Get(tx)
		if err != nil || plan.Rules.Attachments == 0 {
			return err
		}
		due, err = retention.DueAttachments(tx, at.File, plan.Rules.Cut(now).Attachments, filesAtOnce)
		if err != nil {
			return err
		}
		for _, a := range due {
			if err := p.dropAttachment(tx, a, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	at.Counts.Attachments += int64(len(due))
	if at.Step = retention.Files; len(due) == filesAtOnce {
		at.Step, at.File = retention.Attachments, due[len(due)-1].ID
	}
	return nil
}

func (p *Privacy) dropAttachment(tx *store.Tx, a retention.Attachment, now time.Time) error {
	if _, err := leads.DropFile(tx, a.ID); err != nil {
		return err
	}
	if err := p.o.Jobs.Add(tx, kindFile, a.ID.String(), now); err != nil {
		return err
	}
	p.o.Events.Emit(tx, events.Event{Kind: events.LeadFileRemoved, At: now, Lead: a.Lead, Project: a.Project, Source: a.Source, Test: a.Test, Data: map[string]any{"file_id": a.ID.String()}})
	return audit.Write(tx, now, audit.Entry{Actor: Actor, Action: "file.removed", About: a.Lead.String(), Detail: map[string]any{"file_id": a.ID.String(), "reason": "retention"}})
}

// oldFiles counts the files of imports and exports that nobody has finished or
// fetched since the cut, and drops them.
func oldFiles(tx *store.Tx, cut, now time.Time, drop bool) (n int64, err error) {
	if cut.IsZero() {
		return 0, nil
	}
	imports, err := carry.IdleImports(tx, cut)
	if err != nil {
		return 0, err
	}
	exports, err := carry.OpenExports(tx)
	if err != nil {
		return 0, err
	}
	exports = slices.DeleteFunc(exports, func(e *carry.Export) bool { return !e.CreatedAt.Before(cut) })
	n = int64(len(imports) + len(exports))
	if !drop {
		return n, nil
	}
	for _, m := range imports {
		if _, err := carry.Finish(tx, m.ID, "cancelled", now); err != nil {
			return 0, err
		}
	}
	for _, e := range exports {
		if err := dropExport(tx, e, now); err != nil {
			return 0, err
		}
	}
	return n, nil
}
