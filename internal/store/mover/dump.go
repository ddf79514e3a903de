package mover

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"catchment/internal/store"

	"github.com/jackc/pgx/v5"
)

// A dump is every row of some tables as they stood at one instant, in a form
// that is the same for both engines: the line dumpMagic, then frames, each a
// kind (1 byte), a length (4, big-endian) and a content. 'H' is the Header,
// 'T' begins a table, 'R' is a row (its values as appendPlain writes them, in
// the order of the table's columns), 'E' ends the table with its count and
// checksum, 'Z' ends the dump. One that does not end with 'Z' is no dump.

const (
	dumpMagic = "catchment-dump-v1\n"
	maxFrame  = 64 << 20 // above any row
)

// Header begins a dump.
type Header struct {
	Schema int64     `json:"schema"` // the version of the tables
	At     time.Time `json:"at"`     // as of when
	Part   string    `json:"part"`   // "data" or "keys"
	Twin   string    `json:"twin"`   // the same in the two parts of one instant
}

type dumpTable struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

// TableCount is how many rows of a table a dump has, and their checksum.
type TableCount struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	Sum   string `json:"sum"`
}

// KeyPart lists the tables that a backup keeps apart, for a few days only: what
// makes other rows readable, and files that live for a few days at most.
// Without them a backup opens nothing, however old it gets.
func KeyPart() []string { return append(store.KeyTables(), "import_chunk", "export_chunk") }

// reading is a database that is read as of one instant.
type reading interface {
	columns(ctx context.Context, table string) (names []string, key []string, err error)
	// each gives a table's rows; a row is valid for the call.
	each(ctx context.Context, t store.Table, columns, key []string, f func(row []any) error) error
	close()
}

// Dump writes the tables of both parts as they stand at one instant; the
// database is used meanwhile. It returns what each has.
func Dump(ctx context.Context, o store.Options, h Header, data, keys io.Writer) (all []TableCount, err error) {
	have, want, err := store.Versions(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("mover: dump: %w", err)
	}
	if have != want {
		return nil, fmt.Errorf("mover: the database's schema is version %d, this program's %d: run catchment migrate first", have, want)
	}
	src, err := openSource(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("mover: dump: %w", err)
	}
	defer src.close()
	h.Schema = have
	apart := KeyPart()
	for _, p := range []struct {
		name string
		to   io.Writer
	}{{"data", data}, {"keys", keys}} {
		h.Part = p.name
		d, err := newDumper(p.to, h)
		if err != nil {
			return nil, err
		}
		for _, t := range store.Tables() {
			if slices.Contains(apart, t.Name) != (p.name == "keys") {
				continue
			}
			n, err := d.table(ctx, src, t)
			if err != nil {
				return nil, fmt.Errorf("mover: dump %s: %w", t.Name, err)
			}
			all = append(all, n)
		}
		if err := d.end(); err != nil {
			return nil, fmt.Errorf("mover: dump: %w", err)
		}
	}
	return all, nil
}

type dumper struct {
	w   *bufio.Writer
	buf []byte
}

func newDumper(w io.Writer, h Header) (*dumper, error) {
	d := &dumper{w: bufio.NewWriterSize(w, 1<<16)}
	if _, err := d.w.WriteString(dumpMagic); err != nil {
		return nil, err
	}
	return d, d.json('H', h)
}

func (d *dumper) frame(kind byte, content []byte) error {
	if len(content) > maxFrame {
		return fmt.Errorf("a row of %d bytes", len(content))
	}
	if err := d.w.WriteByte(kind); err != nil {
		return err
	}
	if _, err := d.w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(content)))); err != nil {
		return err
	}
	_, err := d.w.Write(content)
	return err
}

func (d *dumper) json(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return d.frame(kind, b)
}

func (d *dumper) end() error {
	if err := d.frame('Z', nil); err != nil {
		return err
	}
	return d.w.Flush()
}

func (d *dumper) table(ctx context.Context, src reading, t store.Table) (TableCount, error) {
	columns, key, err := src.columns(ctx, t.Name)
	if err != nil {
		return TableCount{}, err
	}
	if err := d.json('T', dumpTable{t.Name, columns}); err != nil {
		return TableCount{}, err
	}
	var c Counted
	err = src.each(ctx, t, columns, key, func(row []any) error {
		for i, v := range row {
			if row[i], err = plainValue(v); err != nil {
				return fmt.Errorf("%s: %w", columns[i], err)
			}
		}
		d.buf = c.Sum.add(row, d.buf)
		c.Rows++
		return d.frame('R', d.buf)
	})
	n := TableCount{t.Name, c.Rows, c.Sum.String()}
	if err != nil {
		return n, err
	}
	return n, d.json('E', n)
}

// plainValue brings what either engine gives to one form without regard to the
// column: nil, int64 (bools too), string or []byte (ids too).
func plainValue(v any) (any, error) {
	switch x := v.(type) {
	case nil, int64, string:
		return x, nil
	case []byte:
		return x, nil
	case [16]byte:
		return x[:], nil
	case bool:
		if x {
			return int64(1), nil
		}
		return int64(0), nil
	}
	return nil, fmt.Errorf("a %T", v)
}

func openSource(ctx context.Context, o store.Options) (reading, error) {
	if o.URL == "" {
		return openLite(ctx, o.Path)
	}
	return openPost(ctx, o)
}

type liteSource struct {
	db *sql.DB
	tx *sql.Tx
}

func openLite(ctx context.Context, path string) (*liteSource, error) {
	db, err := store.OpenFile(path)
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err == nil { // the instant is that of the first read
		_, err = tx.ExecContext(ctx, `SELECT count(*) FROM sqlite_schema`)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return &liteSource{db, tx}, nil
}

func (s *liteSource) close() {
	_ = s.tx.Rollback()
	s.db.Close()
}

func (s *liteSource) columns(ctx context.Context, table string) (names, key []string, err error) {
	rows, err := s.tx.QueryContext(ctx, `SELECT name, pk FROM pragma_table_info(?) ORDER BY cid`, table)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	places := map[int]string{}
	for rows.Next() {
		var name string
		var pk int
		if err := rows.Scan(&name, &pk); err != nil {
			return nil, nil, err
		}
		names = append(names, name)
		if pk > 0 {
			places[pk] = name
		}
	}
	for i := 1; i <= len(places); i++ {
		key = append(key, places[i])
	}
	return names, key, rows.Err()
}

func (s *liteSource) each(ctx context.Context, t store.Table, columns, key []string, f func([]any) error) error {
	rows, err := s.tx.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+t.Name+" ORDER BY "+strings.Join(key, ", "))
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make([]any, len(columns))
	dest := make([]any, len(columns))
	for i := range row {
		dest[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

type postSource struct {
	c        *pgx.Conn
	tx       pgx.Tx
	accounts [][16]byte
}

func openPost(ctx context.Context, o store.Options) (*postSource, error) {
	c, err := pgx.Connect(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	s := &postSource{c: c}
	s.tx, err = c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err == nil {
		err = s.listAccounts(ctx)
	}
	if err != nil {
		c.Close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *postSource) listAccounts(ctx context.Context) error {
	if err := s.as(ctx, true); err != nil {
		return err
	}
	rows, err := s.tx.Query(ctx, `SELECT account_id FROM account ORDER BY account_id`)
	if err != nil {
		return err
	}
	s.accounts, err = pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	return err
}

// as takes on the directory's role or the application's; neither owns a table,
// so that row-level security holds here, too.
func (s *postSource) as(ctx context.Context, directory bool) error {
	role := store.Roles()[0]
	if directory {
		role = store.Roles()[1]
	}
	_, err := s.tx.Exec(ctx, "SET LOCAL ROLE "+role)
	return err
}

func (s *postSource) close() { s.c.Close(context.Background()) }

func (s *postSource) columns(ctx context.Context, table string) (names, key []string, err error) {
	rows, err := s.tx.Query(ctx, `SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, table)
	if err != nil {
		return nil, nil, err
	}
	if names, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return nil, nil, err
	}
	return names, nil, nil // rows come in any order: their checksum does not mind
}

func (s *postSource) each(ctx context.Context, t store.Table, columns, _ []string, f func([]any) error) error {
	if err := s.as(ctx, t.Directory); err != nil {
		return err
	}
	text := "SELECT " + strings.Join(columns, ", ") + " FROM " + t.Name
	if t.Directory {
		return s.rows(ctx, text, f)
	}
	for _, a := range s.accounts {
		if _, err := s.tx.Exec(ctx, "SELECT set_config('app.account', $1::uuid::text, true)", a); err != nil {
			return err
		}
		if err := s.rows(ctx, text+" WHERE account_id = $1", f, a); err != nil {
			return err
		}
	}
	return nil
}

func (s *postSource) rows(ctx context.Context, text string, f func([]any) error, args ...any) error {
	rows, err := s.tx.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := rows.Values()
		if err == nil {
			err = f(row)
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}
