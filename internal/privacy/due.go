package privacy

import (
	"slices"
	"time"

	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/store/retention"
)

// verdict is a human who is due, under one of their persons.
type verdict struct {
	id    lead.PersonID
	test  bool
	leads int64
}

func (v verdict) count(c *retention.Counts) {
	if v.test {
		c.TestPersons, c.TestLeads = c.TestPersons+1, c.TestLeads+v.leads
		return
	}
	c.Persons, c.Leads = c.Persons+1, c.Leads+v.leads
}

// judge picks those of the persons who are due: with all who are merged with
// them they came before the cut, none of their leads or enquiries had activity
// since or is to have, no booking stands, and nobody restricted them. Who is
// merged with another of the list stands in the answer once.
func judge(tx *store.Tx, cut retention.Cut, ids []lead.PersonID) (due []verdict, err error) {
	known := map[lead.PersonID]retention.Person{}
	if err := learn(tx, known, ids); err != nil {
		return nil, err
	}
	var humans [][]lead.PersonID
	var all []lead.PersonID
	for _, id := range ids {
		who := []lead.PersonID{id}
		if known[id].Merged {
			if who, err = people.Same(tx, id); err != nil {
				return nil, err
			}
			if slices.ContainsFunc(who, func(p lead.PersonID) bool { return slices.Contains(all, p) }) {
				continue
			}
			if err := learn(tx, known, who); err != nil {
				return nil, err
			}
		}
		// the one that was asked for comes first
		who = slices.Insert(slices.DeleteFunc(who, func(p lead.PersonID) bool { return p == id }), 0, id)
		humans, all = append(humans, who), append(all, who...)
	}
	found, err := retention.Leads(tx, all)
	if err != nil {
		return nil, err
	}
	byPerson := map[lead.PersonID][]retention.Lead{}
	for _, l := range found {
		byPerson[l.Person] = append(byPerson[l.Person], l)
	}
	for _, who := range humans {
		if v, ok := judgeOne(known, byPerson, who, cut); ok {
			due = append(due, v)
		}
	}
	return due, nil
}

func learn(tx *store.Tx, known map[lead.PersonID]retention.Person, ids []lead.PersonID) error {
	all, err := retention.PersonsByID(tx, ids)
	for _, p := range all {
		known[p.ID] = p
	}
	return err
}

func judgeOne(known map[lead.PersonID]retention.Person, leads map[lead.PersonID][]retention.Lead, who []lead.PersonID, cut retention.Cut) (v verdict, due bool) {
	v = verdict{id: who[0], test: known[who[0]].Test}
	before := cut.Of(v.test)
	old := func(t time.Time) bool { return t.Before(before) }
	for _, id := range who {
		p, there := known[id]
		if !there || p.Erased && id == v.id || p.Restricted || p.Test != v.test || !old(p.CreatedAt) || !old(p.LooseEnding) {
			return v, false
		}
		for _, l := range leads[id] {
			if l.Booked && !v.test || !old(l.Last) {
				return v, false
			}
			v.leads++
		}
	}
	return v, true
}
