package intake

import (
	"errors"
	"time"

	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/people"
)

// Merge says, on a human's word, that two persons are one: merged's blind
// indexes lead to kept from now on. Nothing is moved or rewritten: leads and
// enquiries keep their person and its key, two open leads of one project both
// stay, and Unmerge restores everything. The error is a *problem.Problem when
// one of them is not there, is merged already, or is of the other world (test
// and real persons never meet).
func (in *Intake) Merge(tx *store.Tx, kept, merged lead.PersonID, actor string) (lead.MergeID, error) {
	if kept == merged {
		return lead.MergeID{}, problem.InvalidField("merged_id", "same_person", "Give two different persons.")
	}
	if err := mergeable(tx, kept, merged); err != nil {
		return lead.MergeID{}, err
	}
	m := people.Merge{ID: lead.NewMergeID(), Kept: kept, Merged: merged, By: actor, At: store.Clock(time.Now())}
	ok, err := people.SetMerged(tx, m)
	if err != nil {
		return lead.MergeID{}, err
	}
	if !ok {
		return lead.MergeID{}, store.ErrAgain
	}
	return m.ID, in.mergeDone(tx, m, events.PersonMerged, "person.merge", actor, m.At)
}

func mergeable(tx *store.Tx, kept, merged lead.PersonID) error {
	if _, err := people.Hold(tx, kept, merged); err != nil {
		return err
	}
	k, err := people.One(tx, kept)
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	m, err := people.One(tx, merged)
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	switch {
	case k.Test != m.Test:
		return problem.Conflict("test_person", "A test person and a real one are never merged.")
	case !m.MergedInto.IsZero():
		return problem.Conflict("already_merged", "This person is merged into another already. Undo that first.")
	case !k.MergedInto.IsZero():
		return problem.Conflict("already_merged", "The person to keep is merged into another already. Name that one.")
	}
	return nil
}

// Unmerge undoes a merge. The error is a *problem.Problem when there is no
// such merge or it was undone.
func (in *Intake) Unmerge(tx *store.Tx, id lead.MergeID, actor string) error {
	m, err := people.GetMerge(tx, id)
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	now := store.Clock(time.Now())
	ok, err := people.UndoMerge(tx, m, now)
	if err != nil {
		return err
	}
	if !ok {
		return problem.Conflict("already_unmerged", "This merge was undone already.")
	}
	for _, p := range []lead.PersonID{m.Kept, m.Merged} { // the mark of one is no longer the other's
		if err := in.o.Jobs.Add(tx, kindReturn, p.String(), now); err != nil {
			return err
		}
	}
	return in.mergeDone(tx, m, events.PersonUnmerged, "person.unmerge", actor, now)
}

func (in *Intake) mergeDone(tx *store.Tx, m people.Merge, k events.Kind, action, actor string, at time.Time) error {
	ids := map[string]any{"merge_id": m.ID.String(), "kept_id": m.Kept.String(), "merged_id": m.Merged.String()}
	if err := audit.Write(tx, at, audit.Entry{Actor: actor, Action: action, About: m.ID.String(), Detail: ids}); err != nil {
		return err
	}
	in.o.Events.Emit(tx, events.Event{Kind: k, At: at, Data: ids})
	return nil
}
