package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/carry"
	"catchment/internal/store/grants"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
)

// Reason is the code that a lead closed by an erasure has.
const Reason = "person-erased"

// whole is all that a human left in an account.
type whole struct {
	id        lead.PersonID // who was asked for; the others are merged with them
	persons   []lead.PersonID
	leads     []lead.ID
	enquiries []lead.EnquiryID
	indexes   []people.Entry
	dead      []lead.EnquiryID // of dead letters that speak of them, and became nobody's
}

// Erase destroys the person's key, and those of all who are merged with them,
// their blind indexes, and everything that is personal; facts that count
// without it stay. It may run again at any time, and goes on where it was. A
// person that does not exist is no error: the ledger keeps them out.
func (p *Privacy) Erase(ctx context.Context, s account.Scope, id lead.PersonID) error {
	return p.eraseAll(ctx, s, []lead.PersonID{id})
}

// eraseAll erases each person in a transaction of their own; what is dear, to
// look through the blind indexes and to scrub, is done once for all.
func (p *Privacy) eraseAll(ctx context.Context, s account.Scope, ids []lead.PersonID) error {
	all, err := p.find(ctx, s, ids)
	if err != nil {
		return err
	}
	if err := p.findDead(ctx, s, all); err != nil {
		return err
	}
	at := p.now()
	for _, w := range all {
		if err := p.list(ctx, s, w, at); err != nil {
			return err
		}
	}
	if err := p.destroy(ctx, s, all, at); err != nil {
		return err
	}
	return p.o.Scrub(ctx)
}

// list has the ledger name a human.
func (p *Privacy) list(ctx context.Context, s account.Scope, w whole, at time.Time) error {
	for _, one := range w.persons { // in one entry each, so that undoing a merge in an older database hides nobody
		e := ledger.Entry{At: at, Account: s.Account(), Person: one}
		if one == w.id {
			e.Enquiries = append(slices.Clone(w.enquiries), w.dead...)
		}
		if err := p.o.Ledger.Add(ctx, e); err != nil {
			return fmt.Errorf("privacy: erase: %w", err)
		}
	}
	return nil
}

// find reads what the humans left. Blind indexes that come in meanwhile are
// found by the next look.
func (p *Privacy) find(ctx context.Context, s account.Scope, ids []lead.PersonID) (all []whole, err error) {
	err = p.o.DB.Read(ctx, s, func(tx *store.Tx) error {
		all = nil
		var persons []lead.PersonID
		for _, id := range ids {
			w, err := readWhole(tx, id)
			if err != nil {
				return err
			}
			all, persons = append(all, w), append(persons, w.persons...)
		}
		indexes, err := people.Indexes(tx, persons)
		for i := range all {
			all[i].indexes = slices.DeleteFunc(slices.Clone(indexes), func(e people.Entry) bool { return !slices.Contains(all[i].persons, e.Person) })
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("privacy: find what a person left: %w", err)
	}
	return all, nil
}

// findDead looks for what was accepted of them and could not be processed.
func (p *Privacy) findDead(ctx context.Context, s account.Scope, all []whole) error {
	if p.o.Unread == nil {
		return nil
	}
	for i := range all {
		w := &all[i]
		found, err := p.o.Unread(ctx, s, w.id, w.indexes)
		if err != nil {
			return fmt.Errorf("privacy: find dead letters: %w", err)
		}
		w.dead = found
	}
	return nil
}

func readWhole(tx *store.Tx, id lead.PersonID) (w whole, err error) {
	w.id = id
	if w.persons, err = people.Same(tx, id); err != nil {
		return w, err
	}
	if !slices.Contains(w.persons, id) {
		w.persons = append(w.persons, id)
	}
	all, err := leads.LeadsOfPersons(tx, w.persons)
	if err != nil {
		return w, err
	}
	for _, l := range all {
		w.leads = append(w.leads, l.ID)
	}
	w.enquiries, err = leads.EnquiriesOfPersons(tx, w.leads, w.persons)
	return w, err
}

// destroy looks again within each transaction: what came in since is destroyed
// too. It runs until no blind index leads to the persons any more, because one
// that was written beside it was not seen.
func (p *Privacy) destroy(ctx context.Context, s account.Scope, all []whole, at time.Time) error {
	for len(all) > 0 {
		var ids []lead.PersonID
		for _, w := range all {
			err := p.o.DB.Write(ctx, s, func(tx *store.Tx) error {
				now, err := hold(tx, w)
				if err != nil {
					return err
				}
				return p.write(tx, now, at)
			})
			if err != nil {
				return fmt.Errorf("privacy: erase: %w", err)
			}
			ids = append(ids, w.id)
		}
		again, err := p.find(ctx, s, ids)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(again, func(w whole) bool { return len(w.indexes) == 0 })
	}
	return nil
}

// hold has nobody write anything of a human until the transaction ends, and
// reads what there is of them now. The persons come before their leads, as in
// every other transaction.
func hold(tx *store.Tx, w whole) (now whole, err error) {
	if now, err = readWhole(tx, w.id); err != nil {
		return now, err
	}
	if err := people.HoldAlone(tx, now.persons); err != nil {
		return now, err
	}
	if now, err = readWhole(tx, w.id); err != nil {
		return now, err
	}
	if err := leads.HoldAlone(tx, now.leads); err != nil {
		return now, err
	}
	now.indexes, now.dead = w.indexes, w.dead
	return now, nil
}

func (p *Privacy) write(tx *store.Tx, w whole, at time.Time) error {
	left, err := people.NotErased(tx, w.persons)
	if err != nil {
		return err
	}
	if err := people.DropIndexes(tx, w.indexes); err != nil || len(left) == 0 {
		return err // it was done before
	}
	if err := people.Erase(tx, w.persons, at); err != nil {
		return err
	}
	if err := grants.Forget(tx, w.persons); err != nil {
		return err
	}
	if err := p.dropFiles(tx, w.leads, at); err != nil {
		return err
	}
	count, err := leads.Erase(tx, w.leads, append(w.enquiries, w.dead...))
	if err != nil {
		return err
	}
	if err := dropExports(tx, at); err != nil {
		return err
	}
	if err := p.closeLeads(tx, w.leads, at); err != nil {
		return err
	}
	if err := p.finishErasures(tx, w.persons, at); err != nil {
		return err
	}
	if err := p.tell(tx, w.id, w.leads, at); err != nil {
		return err
	}
	return audit.Write(tx, at, audit.Entry{Actor: Actor, Action: "person.erased", About: w.id.String(), Detail: count})
}

// dropFiles has the contents of the leads' files taken from the bucket, once
// their rows are gone. The keys that open them go with the person's.
func (p *Privacy) dropFiles(tx *store.Tx, of []lead.ID, at time.Time) error {
	all, err := leads.FilesOfLeads(tx, of)
	for _, id := range all {
		if err == nil {
			err = p.o.Jobs.Add(tx, kindFile, id.String(), at)
		}
	}
	return err
}

// tell says it once for each lead, so that it reaches whoever has one on a
// phone, and once where there is none.
func (p *Privacy) tell(tx *store.Tx, id lead.PersonID, of []lead.ID, at time.Time) error {
	e := events.Event{Kind: events.PersonErased, At: at, Data: map[string]any{"person_id": id.String()}}
	all, err := leads.LeadsByID(tx, of...)
	if err != nil || len(all) == 0 {
		p.o.Events.Emit(tx, e)
		return err
	}
	for _, l := range all {
		e.Lead, e.Project, e.Source, e.Test = l.ID, l.Project, l.Source, l.Test
		p.o.Events.Emit(tx, e)
	}
	return nil
}

// dropExports destroys files of leads that were not fetched yet: they may hold
// the person, and are quickly made again.
func dropExports(tx *store.Tx, at time.Time) error {
	all, err := carry.OpenExports(tx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if err := dropExport(tx, e, at); err != nil {
			return err
		}
	}
	return nil
}

func dropExport(tx *store.Tx, e *carry.Export, at time.Time) error {
	if _, err := carry.MoveExport(tx, e.ID, e.State, "cancelled", at); err != nil {
		return err
	}
	return carry.EndExport(tx, e.ID)
}

// closeLeads drops those that are open, so that nobody is offered or sent to
// somebody who is gone.
func (p *Privacy) closeLeads(tx *store.Tx, ids []lead.ID, at time.Time) error {
	open, err := leads.LeadsByID(tx, ids...)
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(l leads.Lead) bool { return !l.ClosedAt.IsZero() })
	if len(open) == 0 {
		return nil
	}
	dropped, err := droppedStage(tx)
	if err != nil {
		return err
	}
	for i := range open {
		if err := p.closeLead(tx, &open[i], dropped, at); err != nil {
			return err
		}
	}
	return nil
}

// droppedStage is where leads go that are over; zero when the account has no
// such stage, and each stays where it is.
func droppedStage(tx *store.Tx) (lead.StageID, error) {
	all, err := setup.Stages(tx)
	for _, s := range all {
		if s.Category == lead.Dropped {
			return s.ID, err
		}
	}
	return lead.StageID{}, err
}

func (p *Privacy) closeLead(tx *store.Tx, l *leads.Lead, to lead.StageID, at time.Time) error {
	if to.IsZero() {
		to = l.Stage
	}
	was, from := l.Category, l.Stage
	c := leads.StageChange{Lead: l.ID, At: at, From: from, To: to, Reason: Reason, By: Actor}
	if err := leads.WorkSetStage(tx, l, c, lead.Dropped, at); err != nil {
		return err
	}
	if !l.NextAt.IsZero() {
		if err := leads.WorkSetNext(tx, l, time.Time{}, "", at); err != nil {
			return err
		}
	}
	p.o.Events.Emit(tx, events.Event{Kind: events.LeadStageChanged, At: at, Lead: l.ID, Project: l.Project, Source: l.Source, Test: l.Test,
		Data: map[string]any{"from_stage": from.String(), "to_stage": to.String(), "from_category": string(was), "to_category": string(lead.Dropped), "reason": Reason}})
	if l.RouteState == lead.Unrouted {
		return nil
	}
	return p.o.Jobs.Add(tx, kindWithdraw, l.ID.String(), at)
}

// Replay destroys again whatever the ledger names and this database has: after
// a start on an older one, before anything is served. It returns how many
// accounts and persons there were.
func (p *Privacy) Replay(ctx context.Context) (accounts, persons int, err error) {
	if accounts, err = p.replayAccounts(ctx); err != nil {
		return accounts, 0, err
	}
	persons, err = p.replayPersons(ctx)
	return accounts, persons, err
}

func (p *Privacy) replayPersons(ctx context.Context) (persons int, err error) {
	byAccount := map[account.ID][]lead.PersonID{}
	for _, e := range p.o.Ledger.Entries() {
		if !e.Person.IsZero() && !p.o.Ledger.Account(e.Account) {
			byAccount[e.Account] = append(byAccount[e.Account], e.Person)
		}
	}
	for id, all := range byAccount {
		s := admit.To(id)
		var left []lead.PersonID
		err := p.o.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
			left, err = people.NotErased(tx, all)
			return err
		})
		if err != nil {
			return persons, fmt.Errorf("privacy: replay the ledger: %w", err)
		}
		for _, one := range left {
			if err := p.Erase(ctx, s, one); err != nil && !errors.Is(err, store.ErrBusy) {
				return persons, err
			}
			persons++
		}
	}
	return persons, nil
}
