package audit

import (
	"crypto/rand"
	"fmt"
	"sync"

	"catchment/internal/account"
	"catchment/internal/checkpoint"
	"catchment/internal/store"
	"catchment/internal/store/record"
)

// gathered is what a transaction puts on one account's record.
type gathered struct {
	rows   []record.Row
	things [][]string
	hooked bool
}

type gatheredKey struct{}

func gatheredIn(tx *store.Tx) *gathered {
	return tx.Keep(gatheredKey{}, func() any { return &gathered{} }).(*gathered)
}

func (g *gathered) add(tx *store.Tx, row record.Row, things []string) {
	g.rows, g.things = append(g.rows, row), append(g.things, things)
	if !g.hooked {
		g.hooked = true
		tx.BeforeCommit(func() error { return g.write(tx) })
	}
}

// write puts the entries into a chain. Chains are taken just before the commit
// and given back after it, so that none waits for another transaction: who
// finds none free begins one.
func (g *gathered) write(tx *store.Tx) error {
	rows, things := g.rows, g.things
	*g = gathered{} // a later hook may write again
	chains := tx.Shared(chainsKey{}, func() any { return &chains{free: map[account.ID][]chain{}} }).(*chains)
	was := chains.take(tx.Account())
	now := was
	for i := range rows {
		now.link(tx.Account(), &rows[i])
	}
	tx.AtEnd(func(end store.End) {
		switch end {
		case store.Committed:
			chains.give(tx.Account(), now)
		case store.RolledBack:
			chains.give(tx.Account(), was)
		} // of a chain whose end nobody knows nothing more is written
	})
	if err := record.Add(tx, rows, things); err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritten, err)
	}
	return nil
}

// chain is where a writer's entries of one account have got to.
type chain struct {
	writer record.WriterID
	n      int64
	last   checkpoint.Hash
}

// link makes the row the chain's next.
func (c *chain) link(id account.ID, r *record.Row) {
	r.Writer, r.N = c.writer, c.n+1
	if c.n > 0 {
		r.Prev = append([]byte(nil), c.last[:]...)
	}
	r.Salt = make([]byte, len(checkpoint.Salt{}))
	rand.Read(r.Salt)
	c.n, c.last = r.N, entryOf(*r).Leaf(id.String())
}

// entryOf is the row as it is hashed and exported.
func entryOf(r record.Row) checkpoint.Entry {
	e := checkpoint.Entry{ID: r.ID.String(), At: checkpoint.FormatTime(r.At), Writer: r.Writer.String(), N: uint64(r.N),
		Payload: checkpoint.Payload{Actor: r.Actor, Action: r.Action, Purpose: r.Purpose, About: r.About, Detail: r.Detail}}
	copy(e.Prev[:], r.Prev)
	copy(e.Salt[:], r.Salt)
	return e
}

type chainsKey struct{}

// chains are the free ones of an open database. They are as many for an
// account as transactions have written to its record at once.
type chains struct {
	mu   sync.Mutex
	free map[account.ID][]chain
}

// manyAccounts bounds what is remembered: a chain that is forgotten has ended.
const manyAccounts = 10_000

func (c *chains) take(id account.ID) chain {
	c.mu.Lock()
	defer c.mu.Unlock()
	free := c.free[id]
	if len(free) == 0 {
		return chain{writer: record.NewWriterID()}
	}
	last := len(free) - 1
	c.free[id] = free[:last]
	return free[last]
}

func (c *chains) give(id account.ID, one chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free[id]) == 0 && len(c.free) >= manyAccounts {
		for other := range c.free { // any
			delete(c.free, other)
			break
		}
	}
	c.free[id] = append(c.free[id], one)
}
