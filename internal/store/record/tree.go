package record

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

const chained = columns + `, e.writer_id, e.n, e.prev, e.salt`

var (
	waiting = store.Register("record.waiting", `SELECT writer_id, n, count FROM audit_waiting WHERE account_id = $1 ORDER BY writer_id, n LIMIT $2`)
	placed  = store.Register("record.waiting.placed", `DELETE FROM audit_waiting WHERE account_id = $1 AND writer_id = $2 AND n = $3`)
	ofChain = store.Register("record.chain", `SELECT `+chained+` FROM audit_event e
		WHERE e.account_id = $1 AND e.writer_id = $2 AND e.n >= $3 AND e.n < $4 ORDER BY e.n`)
	unchained = store.Register("record.unchained", `SELECT `+chained+` FROM audit_event e
		WHERE e.account_id = $1 AND e.writer_id IS NULL ORDER BY e.at, e.event_id`)
	addLeaf = store.Bulk("record.leaf.add", `INSERT INTO audit_leaf (account_id, position, event_id, hash) VALUES`, `($1, $2, $3, $4)`, ``)
	head    = store.Register("record.head", `SELECT size, peaks FROM audit_head WHERE account_id = $1`)
	newHead = store.Register("record.head.new", `INSERT INTO audit_head (account_id, size, peaks) VALUES ($1, 0, $2) ON CONFLICT (account_id) DO NOTHING`)
	hold    = store.Register("record.head.hold", `UPDATE audit_head SET size = size WHERE account_id = $1 AND size = $2`)
	grow    = store.Register("record.head.grow", `UPDATE audit_head SET size = $2, peaks = $3, sign_at = COALESCE(sign_at, $4) WHERE account_id = $1`)
	signed  = store.Register("record.head.signed", `UPDATE audit_head SET sign_at = NULL, export_at = COALESCE(export_at, $2) WHERE account_id = $1`)
	sent    = store.Register("record.head.exported", `UPDATE audit_head SET export_at = $2 WHERE account_id = $1
		AND NOT EXISTS (SELECT 1 FROM audit_checkpoint c WHERE c.account_id = $1 AND c.size > $3)`)

	addCheckpoint = store.Register("record.checkpoint.add", `INSERT INTO audit_checkpoint (account_id, size, at, peaks, note) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account_id, size) DO NOTHING`)
	checkpoints = store.Register("record.checkpoints", `SELECT size, at, peaks, note FROM audit_checkpoint
		WHERE account_id = $1 AND size < $2 ORDER BY size DESC LIMIT $3`)
	checkpointAt = store.Register("record.checkpoint", `SELECT size, at, peaks, note FROM audit_checkpoint WHERE account_id = $1 AND size = $2`)
	between      = store.Register("record.checkpoints.between", `SELECT size, at, peaks, note FROM audit_checkpoint
		WHERE account_id = $1 AND size > $2 AND size <= $3 ORDER BY size`)

	leaves = store.Register("record.leaves", `SELECT l.position, l.hash, l.event_id, e.event_id, COALESCE(e.at, 0), COALESCE(e.actor, ''), COALESCE(e.action, ''),
		COALESCE(e.purpose, ''), COALESCE(e.about, ''), COALESCE(e.detail, ''), e.writer_id, COALESCE(e.n, 0), e.prev, e.salt
		FROM audit_leaf l LEFT JOIN audit_event e ON e.account_id = $1 AND e.event_id = l.event_id
		WHERE l.account_id = $1 AND l.position >= $2 AND l.position < $3 ORDER BY l.position`)
	strays = store.Register("record.strays", `SELECT `+chained+` FROM audit_event e WHERE e.account_id = $1
		AND NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.account_id = $1 AND l.event_id = e.event_id)
		AND NOT EXISTS (SELECT 1 FROM audit_waiting w WHERE w.account_id = $1 AND w.writer_id = e.writer_id AND w.n <= e.n AND e.n < w.n + w.count)
		ORDER BY e.at, e.event_id LIMIT $2`)

	toPlace  = store.Unbound("record.accounts.waiting", `SELECT DISTINCT account_id FROM audit_waiting ORDER BY account_id LIMIT $1`)
	toSign   = store.Unbound("record.accounts.unsigned", `SELECT account_id FROM audit_head WHERE sign_at IS NOT NULL AND sign_at <= $1 ORDER BY sign_at LIMIT $2`)
	toExport = store.Unbound("record.accounts.unexported", `SELECT account_id FROM audit_head WHERE export_at IS NOT NULL AND export_at <= $1 ORDER BY export_at LIMIT $2`)
)

// Stretch is entries of one writer that follow each other: Count from N on.
type Stretch struct {
	Writer   WriterID
	N, Count int64
}

// Waiting lists what has no place in the tree yet, each writer's in its order.
func Waiting(tx *store.Tx, limit int) (out []Stretch, err error) {
	rows, err := tx.Query(waiting, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var s Stretch
		err := scan(&s.Writer, &s.N, &s.Count)
		out = append(out, s)
		return err
	})
	return out, err
}

// Placed takes a stretch off the list.
func Placed(tx *store.Tx, s Stretch) error { return tx.Must(placed, s.Writer, s.N) }

// Chain reads the entries of a stretch, those that are there.
func Chain(tx *store.Tx, s Stretch) ([]Row, error) {
	return chainedRows(tx, ofChain, s.Writer, s.N, s.N+s.Count)
}

// Unchained reads the entries from before there were chains.
func Unchained(tx *store.Tx) ([]Row, error) { return chainedRows(tx, unchained) }

// Strays reads up to limit entries that are neither in the tree nor wait to be.
func Strays(tx *store.Tx, limit int) ([]Row, error) { return chainedRows(tx, strays, limit) }

func chainedRows(tx *store.Tx, st *store.Stmt, args ...any) (out []Row, err error) {
	rows, err := tx.Query(st, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var r Row
		err := scan(append(r.into(), r.intoChain()...)...)
		out = append(out, r)
		return err
	})
	return out, err
}

func (r *Row) into() []any {
	return []any{&r.ID, store.Time(&r.At), &r.Actor, &r.Action, &r.Purpose, &r.About, &r.Detail}
}

func (r *Row) intoChain() []any { return []any{&r.Writer, &r.N, &r.Prev, &r.Salt} }

// Head is the account's tree: its size, and the hashes of its perfect subtrees.
type Head struct {
	Size  int64
	Peaks []byte
}

// HeadOf reads it; the zero Head of an account without a tree.
func HeadOf(tx *store.Tx) (h Head, err error) {
	err = tx.Row(head).Scan(&h.Size, &h.Peaks)
	if errors.Is(err, store.ErrNone) {
		return Head{}, nil
	}
	return h, err
}

// HoldHead reads it and keeps others from growing the tree until the commit.
// fresh: the tree was begun here. ErrAgain: somebody else was faster.
func HoldHead(tx *store.Tx) (h Head, fresh bool, err error) {
	err = tx.Row(head).Scan(&h.Size, &h.Peaks)
	if errors.Is(err, store.ErrNone) {
		n, err := tx.Exec(newHead, []byte{})
		if err == nil && n != 1 {
			err = store.ErrAgain
		}
		return Head{}, true, err
	}
	if err != nil {
		return h, false, err
	}
	n, err := tx.Exec(hold, h.Size)
	if err == nil && n != 1 {
		err = store.ErrAgain
	}
	return h, false, err
}

// Grow keeps the held head as it is now; the tree is due to be signed then.
func Grow(tx *store.Tx, h Head, signAt time.Time) error {
	return tx.Must(grow, h.Size, h.Peaks, signAt.UnixMicro())
}

// Leaf is a place in the tree.
type Leaf struct {
	Position int64
	Hash     []byte
	Event    ID
	Row      *Row // nil: the entry is not there
}

// AddLeaves writes places.
func AddLeaves(tx *store.Tx, list []Leaf) error {
	var rows [][]any
	for _, l := range list {
		rows = append(rows, []any{l.Position, l.Event, l.Hash})
	}
	_, err := tx.Bulk(addLeaf, rows)
	return err
}

// Leaves reads the places from one on to before another, with their entries.
func Leaves(tx *store.Tx, from, before int64) (out []Leaf, err error) {
	rows, err := tx.Query(leaves, from, before)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var l Leaf
		var r Row
		err := scan(append(append([]any{&l.Position, &l.Hash, &l.Event}, r.into()...), r.intoChain()...)...)
		if !r.ID.IsZero() {
			l.Row = &r
		}
		out = append(out, l)
		return err
	})
	return out, err
}

// Checkpoint is a signed tree.
type Checkpoint struct {
	Size  int64
	At    time.Time
	Peaks []byte
	Note  string
}

// AddCheckpoint keeps one; it is due to be exported then.
func AddCheckpoint(tx *store.Tx, c Checkpoint, exportAt time.Time) error {
	if _, err := tx.Exec(addCheckpoint, c.Size, c.At.UnixMicro(), c.Peaks, c.Note); err != nil {
		return err
	}
	return tx.Must(signed, exportAt.UnixMicro())
}

// Exported notes that the checkpoint of this size is exported, if it is still
// the newest; retry is when that is tried again, zero when it was done.
func Exported(tx *store.Tx, size int64, retry time.Time) error {
	var at any
	if !retry.IsZero() {
		at = retry.UnixMicro()
	}
	_, err := tx.Exec(sent, at, size)
	return err
}

// Checkpoints lists those of trees smaller than before, the largest first.
func Checkpoints(tx *store.Tx, before int64, limit int) ([]Checkpoint, error) {
	return listCheckpoints(tx, checkpoints, before, limit)
}

// CheckpointsBetween lists those of trees larger than one size, and at most of
// another, in their order.
func CheckpointsBetween(tx *store.Tx, above, size int64) ([]Checkpoint, error) {
	return listCheckpoints(tx, between, above, size)
}

// CheckpointAt reads that of a size; store.ErrNone.
func CheckpointAt(tx *store.Tx, size int64) (c Checkpoint, err error) {
	err = tx.Row(checkpointAt, size).Scan(&c.Size, store.Time(&c.At), &c.Peaks, &c.Note)
	return c, err
}

func listCheckpoints(tx *store.Tx, st *store.Stmt, args ...any) (out []Checkpoint, err error) {
	rows, err := tx.Query(st, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var c Checkpoint
		err := scan(&c.Size, store.Time(&c.At), &c.Peaks, &c.Note)
		out = append(out, c)
		return err
	})
	return out, err
}

// ToPlace lists up to limit accounts with entries that have no place yet.
func ToPlace(d *store.Dir, limit int) ([]account.ID, error) { return accounts(d, toPlace, limit) }

// ToSign lists up to limit accounts whose tree is due to be signed.
func ToSign(d *store.Dir, now time.Time, limit int) ([]account.ID, error) {
	return accounts(d, toSign, now.UnixMicro(), limit)
}

// ToExport lists up to limit accounts with a checkpoint that is due to be exported.
func ToExport(d *store.Dir, now time.Time, limit int) ([]account.ID, error) {
	return accounts(d, toExport, now.UnixMicro(), limit)
}

func accounts(d *store.Dir, st *store.Stmt, args ...any) (out []account.ID, err error) {
	rows, err := d.Query(st, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id account.ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}
