package mover

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"catchment/internal/store"

	"github.com/jackc/pgx/v5"
)

// ErrNoDump says that what was read is not a whole dump.
var ErrNoDump = errors.New("mover: this is not a whole dump")

// Skip says which rows of a dump are left out: those of an account, or of a
// person, that is gone for good. Ids are 16 bytes.
type Skip struct {
	Account func(id []byte) bool
	Person  func(account, id []byte) bool // of the tables of persons' keys and indexes
}

// ReadHeader reads how a dump begins.
func ReadHeader(r io.Reader) (Header, *Reader, error) {
	d := &Reader{r: bufio.NewReaderSize(r, 1<<16)}
	magic := make([]byte, len(dumpMagic))
	if _, err := io.ReadFull(d.r, magic); err != nil || string(magic) != dumpMagic {
		return Header{}, nil, ErrNoDump
	}
	var h Header
	kind, content, err := d.next()
	if err != nil || kind != 'H' || json.Unmarshal(content, &h) != nil {
		return Header{}, nil, ErrNoDump
	}
	return h, d, nil
}

// Reader reads the tables of a dump.
type Reader struct {
	r   *bufio.Reader
	buf []byte
}

func (d *Reader) next() (kind byte, content []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(d.r, head[:]); err != nil {
		return 0, nil, ErrNoDump
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, ErrNoDump
	}
	if cap(d.buf) < int(n) {
		d.buf = make([]byte, 0, min(int(n), 1<<20))
	}
	d.buf = d.buf[:0]
	for len(d.buf) < int(n) { // what is said to be long is believed as it comes
		part := min(int(n)-len(d.buf), 1<<20)
		d.buf = slices.Grow(d.buf, part)
		at := len(d.buf)
		d.buf = d.buf[:at+part]
		if _, err := io.ReadFull(d.r, d.buf[at:]); err != nil {
			return 0, nil, ErrNoDump
		}
	}
	return head[0], d.buf, nil
}

// Each gives each table to begin, each of its rows to f, and its count to end
// when what was read is what was written.
func (d *Reader) Each(begin func(table string, columns []string) error, f func(row []any) error, end func(TableCount) error) error {
	var now *dumpTable
	var c Counted
	var scratch []byte
	for {
		kind, content, err := d.next()
		if err != nil {
			return err
		}
		switch {
		case kind == 'Z' && now == nil:
			return nil
		case kind == 'T' && now == nil:
			now, c = &dumpTable{}, Counted{}
			if json.Unmarshal(content, now) != nil {
				return ErrNoDump
			}
			if err := begin(now.Name, now.Columns); err != nil {
				return err
			}
		case kind == 'R' && now != nil:
			row, err := readRow(content, len(now.Columns))
			if err != nil {
				return err
			}
			scratch = c.Sum.add(row, scratch)
			c.Rows++
			if err := f(row); err != nil {
				return err
			}
		case kind == 'E' && now != nil:
			var said TableCount
			if json.Unmarshal(content, &said) != nil || said != (TableCount{now.Name, c.Rows, c.Sum.String()}) {
				return fmt.Errorf("%w: table %s reads otherwise than it was written", ErrNoDump, now.Name)
			}
			now = nil
			if err := end(said); err != nil {
				return err
			}
		default:
			return ErrNoDump
		}
	}
}

// readRow reads what appendRow wrote of a row without bools.
func readRow(b []byte, columns int) ([]any, error) {
	row := make([]any, 0, min(columns, 256))
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch kind {
		case 'n':
			row = append(row, nil)
		case 'i':
			if len(b) < 8 {
				return nil, ErrNoDump
			}
			row, b = append(row, int64(binary.BigEndian.Uint64(b))), b[8:]
		case 's', 'b':
			if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
				return nil, ErrNoDump
			}
			n := int(binary.BigEndian.Uint32(b))
			x := b[4 : 4+n]
			b = b[4+n:]
			if kind == 's' {
				row = append(row, string(x))
			} else {
				row = append(row, append([]byte{}, x...))
			}
		default:
			return nil, ErrNoDump
		}
	}
	if len(row) != columns {
		return nil, ErrNoDump
	}
	return row, nil
}

// Fill writes a dump's rows into a database that has the dump's schema and
// none of its tables' rows. It returns what the dump has, and how many rows were left
// out.
func Fill(ctx context.Context, o store.Options, d *Reader, skip Skip) (all []TableCount, skipped int64, err error) {
	to, err := openTarget(ctx, o)
	if err != nil {
		return nil, 0, fmt.Errorf("mover: fill: %w", err)
	}
	defer to.close()
	known := map[string]store.Table{}
	for _, t := range store.Tables() {
		known[t.Name] = t
	}
	var f filter
	err = d.Each(func(name string, columns []string) error {
		t, ok := known[name]
		if !ok {
			return fmt.Errorf("mover: fill: there is no table %s", name)
		}
		f = newFilter(name, columns, skip)
		return to.begin(ctx, t, columns)
	}, func(row []any) error {
		if f.out(row) {
			skipped++
			return nil
		}
		return to.row(ctx, row)
	}, func(n TableCount) error {
		all = append(all, n)
		return to.end(ctx)
	})
	return all, skipped, err
}

// filter knows where a table's rows name accounts and persons.
type filter struct {
	skip            Skip
	account, person int
}

func newFilter(table string, columns []string, skip Skip) filter {
	f := filter{skip: skip, account: slices.Index(columns, "account_id"), person: -1}
	if table == "person_key" || table == "person_index" || table == "withheld" || table == "grant_key" {
		f.person = slices.Index(columns, "person_id")
	}
	return f
}

func (f filter) out(row []any) bool {
	if f.account < 0 {
		return false
	}
	account, ok := row[f.account].([]byte)
	if !ok {
		return false
	}
	if f.skip.Account != nil && f.skip.Account(account) {
		return true
	}
	if f.person < 0 || f.skip.Person == nil {
		return false
	}
	id, ok := row[f.person].([]byte)
	return ok && f.skip.Person(account, id)
}

type target interface {
	begin(ctx context.Context, t store.Table, columns []string) error
	row(ctx context.Context, row []any) error
	end(ctx context.Context) error
	close()
}

func openTarget(ctx context.Context, o store.Options) (target, error) {
	if o.URL == "" {
		db, err := store.OpenForFill(o.Path)
		if err != nil {
			return nil, err
		}
		return &liteTarget{db: db}, nil
	}
	c, err := pgx.Connect(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	return &postTarget{c: c}, nil
}

// fillRows go into one transaction.
const fillRows = 2000

type liteTarget struct {
	db   *sql.DB
	text string
	tx   *sql.Tx
	st   *sql.Stmt
	n    int
}

func (t *liteTarget) begin(_ context.Context, to store.Table, columns []string) error {
	t.text = "INSERT INTO " + to.Name + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	return nil
}

func (t *liteTarget) row(ctx context.Context, row []any) (err error) {
	if t.tx == nil {
		if t.tx, err = t.db.BeginTx(ctx, nil); err != nil {
			return err
		}
		if t.st, err = t.tx.PrepareContext(ctx, t.text); err != nil {
			return err
		}
	}
	if _, err := t.st.ExecContext(ctx, row...); err != nil {
		return err
	}
	if t.n++; t.n < fillRows {
		return nil
	}
	return t.end(ctx)
}

func (t *liteTarget) end(context.Context) error {
	if t.tx == nil {
		return nil
	}
	err := errors.Join(t.st.Close(), t.tx.Commit())
	t.tx, t.st, t.n = nil, nil, 0
	return err
}

func (t *liteTarget) close() {
	if t.tx != nil {
		_ = t.tx.Rollback()
	}
	t.db.Close()
}

type postTarget struct {
	c       *pgx.Conn
	table   store.Table
	text    string
	classes []class
	account int
	rows    [][]any
}

func (t *postTarget) begin(ctx context.Context, to store.Table, columns []string) error {
	kinds := map[string]class{}
	rows, err := t.c.Query(ctx, `SELECT column_name, udt_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1`, to.Name)
	if err != nil {
		return err
	}
	var name, kind string
	if _, err := pgx.ForEachRow(rows, []any{&name, &kind}, func() error { kinds[name] = class(kind); return nil }); err != nil {
		return err
	}
	t.table, t.classes, t.account = to, nil, slices.Index(columns, "account_id")
	var marks []string
	for i, c := range columns {
		if kinds[c] == "" {
			return fmt.Errorf("mover: fill: %s has no column %s", to.Name, c)
		}
		t.classes = append(t.classes, kinds[c])
		marks = append(marks, dollar(i+1))
	}
	t.text = "INSERT INTO " + to.Name + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	return nil
}

// row gathers rows of one account; the directory's tables have them mixed.
func (t *postTarget) row(ctx context.Context, row []any) error {
	if !t.table.Directory && len(t.rows) > 0 && !slices.Equal(t.rows[0][t.account].([]byte), row[t.account].([]byte)) {
		if err := t.end(ctx); err != nil {
			return err
		}
	}
	t.rows = append(t.rows, row)
	if len(t.rows) < fillRows {
		return nil
	}
	return t.end(ctx)
}

func (t *postTarget) end(ctx context.Context) error {
	if len(t.rows) == 0 {
		return nil
	}
	defer func() { t.rows = nil }()
	role := store.Roles()[0]
	if t.table.Directory {
		role = store.Roles()[1]
	}
	return pgx.BeginFunc(ctx, t.c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+role); err != nil {
			return err
		}
		if !t.table.Directory {
			if _, err := tx.Exec(ctx, "SELECT set_config('app.account', $1::uuid::text, true)", [16]byte(t.rows[0][t.account].([]byte))); err != nil {
				return err
			}
		}
		var b pgx.Batch
		for _, r := range t.rows {
			args := make([]any, len(r))
			for i, v := range r {
				args[i] = t.classes[i].fromPlain(v)
			}
			b.Queue(t.text, args...)
		}
		return tx.SendBatch(ctx, &b).Close()
	})
}

func (t *postTarget) close() { t.c.Close(context.Background()) }

// fromPlain is a dump's value as PostgreSQL takes it for the column.
func (c class) fromPlain(v any) any {
	switch x := v.(type) {
	case []byte:
		if c == classID && len(x) == 16 {
			return [16]byte(x)
		}
	case int64:
		if c == classBool {
			return x != 0
		}
	}
	return v
}
