package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/directory"
	"catchment/internal/files"
	"catchment/internal/intake"
	"catchment/internal/keyring"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/mover"

	"filippo.io/age"
)

type restoreCmd struct {
	config   `embed:""`
	From     string    `help:"Folder or bucket of the backups, as --backup-to has it." required:""`
	Name     string    `help:"Which backup; the newest when empty."`
	At       time.Time `help:"A time, 2026-03-02T09:52:00Z: SQLite as it was then, by its log; the newest there is when empty."`
	OpenWith string    `name:"open-with" help:"age identity file that opens the backup, instead of this installation's keyring." type:"path"`
}

// Run fills an empty database from a backup. The keyring of the installation
// that made it has to be in the data folder.
func (c restoreCmd) Run(w *world) error {
	if err := c.notMoved(); err != nil {
		return err
	}
	lock, err := c.lockSQL()
	if err != nil {
		return err
	}
	if lock != nil {
		defer lock.Close()
	}
	ring, by, err := c.identities(c.OpenWith)
	if err != nil {
		return err
	}
	if has, err := c.hasAccounts(w.ctx); err != nil || has {
		return errors.Join(err, errors.New("the database is not empty: a backup goes into a new one; move this one away"))
	}
	gone, err := ledger.Open(ledger.Options{Path: c.ledgerFile()})
	if err != nil {
		return err
	}
	defer gone.Close()
	if c.BucketURL != "" {
		b, err := c.openBucket(w.ctx, c.BucketURL)
		if err == nil {
			_, err = takeDeleted(w.ctx, b, ring.OpenSnapshot, gone)
		}
		if err != nil {
			return fmt.Errorf("what was deleted cannot be read from the bucket: %w", err)
		}
	}
	if err := c.act(w, "installation.restore", "", map[string]any{"name": c.Name}); err != nil {
		return err
	}
	b, err := c.openBucket(w.ctx, c.From)
	if err != nil {
		return err
	}
	name := "log"
	byLog, err := c.restoreKept(w, b, by)
	var r restored
	if err == nil && !byLog {
		r, err = restore(w.ctx, c.storeOptions(), b, c.Name, by, skipping(gone))
		name = r.name
	}
	if err != nil {
		return err
	}
	if err := keysOpen(w.ctx, c.storeOptions(), ring); err != nil {
		return err
	}
	if err := writeWhole(c.restoredFile(), []byte(name)); err != nil {
		return err
	}
	if byLog {
		fmt.Fprintln(w.out, "The next start destroys what the deletion ledger names before it serves anything, and reads the journal again from its beginning.")
		return nil
	}
	fmt.Fprintf(w.out, "restored %s, with the keys of %s: %d rows; %d of what is deleted were left out\nThe next start reads the journal again from its beginning, and destroys what else the deletion ledger names before it serves anything.\n",
		r.name, r.keys, r.rows, r.skipped)
	return nil
}

// restoredFile tells the next start to take the journal in again: the database
// is older than what intake had acknowledged.
func (c config) restoredFile() string { return filepath.Join(c.Data, "restored") }

// rewindAfterRestore has intake read everything that the journal keeps, once
// after a restore. What is in the database is known and taken once.
func (h *house) rewindAfterRestore(ctx context.Context) error {
	if _, err := os.Stat(h.c.restoredFile()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := h.journal.Rewind(ctx, intake.Reader); err != nil {
		return err
	}
	h.log.Warn("this database was restored; the journal is taken in again from its beginning")
	return os.Remove(h.c.restoredFile())
}

// identities are what opens a backup: the keyring, and a file.
func (c config) identities(file string) (*keyring.Keyring, []age.Identity, error) {
	ring, err := c.ownRing()
	if err != nil {
		return nil, nil, err
	}
	by := []age.Identity{ring.BackupIdentity()}
	if file == "" {
		return ring, by, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	more, err := age.ParseIdentities(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not an age identity file", file) // age quotes the line
	}
	return ring, append(more, by...), nil
}

// skipping leaves out whom the ledger names, so that they are not even written.
func skipping(l *ledger.Ledger) mover.Skip {
	persons := map[[32]byte]bool{}
	for _, e := range l.Entries() {
		if !e.Person.IsZero() {
			persons[pair(e.Account.Bytes(), e.Person.Bytes())] = true
		}
	}
	return mover.Skip{
		Account: func(id []byte) bool {
			var a account.ID
			return a.Scan(id) == nil && l.Account(a)
		},
		Person: func(of, id []byte) bool { return persons[pair(of, id)] },
	}
}

func pair(a, b []byte) (out [32]byte) {
	copy(out[:16], a)
	copy(out[16:], b)
	return out
}

// restored is what came of it.
type restored struct {
	name, keys string
	schema     int64
	rows       int64
	skipped    int64
	tables     []mover.TableCount
}

// restore fills the database, whose schema is brought to the backup's, and then
// to this program's. The keys are the newest there are: those of persons that
// were erased since are not among them.
func restore(ctx context.Context, o store.Options, b files.Bucket, name string, by []age.Identity, skip mover.Skip) (r restored, err error) {
	all, err := backups(ctx, b, dataSuffix)
	if err != nil {
		return r, err
	}
	keys, err := backups(ctx, b, keysSuffix)
	if err != nil {
		return r, err
	}
	if len(all) == 0 || len(keys) == 0 {
		return r, errors.New("there is no backup there with data and with keys that are not older than six days")
	}
	r.name, r.keys = name, keys[len(keys)-1]
	if name == "" {
		r.name = all[len(all)-1]
	}
	if !slices.Contains(all, r.name) {
		return r, fmt.Errorf("there is no backup %s there", r.name)
	}
	for _, part := range []struct{ file, is string }{{r.name + dataSuffix, "data"}, {r.keys + keysSuffix, "keys"}} {
		if err := r.part(ctx, o, b, part.file, part.is, by, skip); err != nil {
			return r, fmt.Errorf("restore %s: %w", part.file, err)
		}
	}
	_, _, err = store.Migrate(ctx, o)
	return r, err
}

func (r *restored) part(ctx context.Context, o store.Options, b files.Bucket, name, is string, by []age.Identity, skip mover.Skip) error {
	plain, done, err := openSealed(ctx, b, name, by...)
	if err != nil {
		return err
	}
	defer done()
	h, d, err := mover.ReadHeader(plain)
	if err != nil {
		return err
	}
	if h.Part != is {
		return fmt.Errorf("it holds %q", h.Part)
	}
	r.schema = max(r.schema, h.Schema)
	if err := store.MigrateTo(ctx, o, r.schema); err != nil {
		return err
	}
	tables, skipped, err := mover.Fill(ctx, o, d, skip)
	for _, t := range tables {
		r.rows += t.Rows
	}
	r.tables, r.skipped = append(r.tables, tables...), r.skipped+skipped
	return err
}

// keysOpen tells whether the keyring opens the accounts that were restored.
func keysOpen(ctx context.Context, o store.Options, ring *keyring.Keyring) error {
	db, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	defer db.Close()
	dir := directory.New(directory.Options{DB: db})
	defer dir.Close()
	list, err := dir.Accounts(ctx, nil, 500)
	for _, a := range list {
		wrapped, err := directory.LoadKeyset(ctx, db, a.ID)
		if err == nil {
			_, err = ring.LoadAccount(ctx, a.ID, wrapped)
		}
		if err != nil {
			return fmt.Errorf("the keys of %s do not open with this keyring: %w", a.ID, err)
		}
	}
	return err
}

type drillCmd struct {
	config   `embed:""`
	From     string `help:"Folder or bucket of the backups; --backup-to when empty."`
	Name     string `help:"Which backup; the newest when empty."`
	OpenWith string `name:"open-with" help:"age identity file that opens the backup, instead of this installation's keyring." type:"path"`
}

// drilled is what the last drill found, kept beside the backups.
type drilled struct {
	At   time.Time `json:"at"`
	Name string    `json:"name"`
	Rows int64     `json:"rows"`
}

const drillFile = "drill.json"

// Run restores a backup into a scratch database, counts it again, and opens its
// accounts' keys.
func (c drillCmd) Run(w *world) error {
	if c.From == "" {
		c.From = c.BackupTo
	}
	if c.From == "" {
		return usage("give --from, where the backups are")
	}
	ring, by, err := c.identities(c.OpenWith)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(c.Data, "drill-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	began := time.Now()
	o := store.Options{Path: filepath.Join(scratch, "drill.db")}
	b, err := c.openBucket(w.ctx, c.From)
	if err != nil {
		return err
	}
	r, err := restore(w.ctx, o, b, c.Name, by, mover.Skip{})
	if err != nil {
		return err
	}
	if err := keysOpen(w.ctx, o, ring); err != nil {
		return err
	}
	if err := r.recount(w.ctx, o); err != nil {
		return err
	}
	k, err := keptRound(w.ctx, b, time.Time{})
	if err != nil {
		return err
	}
	if k != nil {
		o.Path = filepath.Join(scratch, "log.db")
		if err := k.bring(w.ctx, b, o.Path, by); err != nil {
			return err
		}
		if err := keysOpen(w.ctx, o, ring); err != nil {
			return err
		}
	}
	text, err := json.Marshal(drilled{began.UTC(), r.name, r.rows})
	if err == nil {
		err = b.Put(w.ctx, drillFile, bytes.NewReader(text))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s restored in %.1f s: %d rows in %d tables, each with the count and the checksum that it had; every account's keys open\n",
		r.name, time.Since(began).Seconds(), r.rows, len(r.tables))
	if k != nil {
		fmt.Fprintf(w.out, "the log brings SQLite to %s, whole, and its keys open\n", k.until.UTC().Format(time.RFC3339))
	}
	return nil
}

// recount reads the scratch database whole. Of an older schema only rows are
// compared, because their columns have changed since.
func (r restored) recount(ctx context.Context, o store.Options) error {
	have, err := mover.Dump(ctx, o, mover.Header{}, discard{}, discard{})
	if err != nil {
		return err
	}
	_, now, err := store.Versions(ctx, o)
	if err != nil {
		return err
	}
	byName := map[string]mover.TableCount{}
	for _, t := range have {
		byName[t.Table] = t
	}
	for _, t := range r.tables {
		got := byName[t.Table]
		if got != t && (r.schema == now || got.Rows != t.Rows) {
			return fmt.Errorf("%s has %d rows %s, and the backup %d rows %s", t.Table, got.Rows, got.Sum, t.Rows, t.Sum)
		}
	}
	return nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// backups warns of old ones.
func (d *doctor) backups() {
	if d.c.BackupTo == "" {
		d.warn("no --backup-to is set, so this server makes no backups (docs/backup.md)")
		return
	}
	ctx, cancel := context.WithTimeout(d.w.ctx, 30*time.Second)
	defer cancel()
	b, err := d.c.backupBucket(ctx)
	if err != nil {
		d.bad("backups: %v", err)
		return
	}
	names, err := backups(ctx, b, dataSuffix)
	keys, fault := backups(ctx, b, keysSuffix)
	if err = errors.Join(err, fault); err != nil {
		d.bad("backups: %v", err)
		return
	}
	if len(names) == 0 || len(keys) == 0 {
		d.bad("there is no backup with data and keys in %s", d.c.BackupTo)
		return
	}
	age := time.Since(madeAt(keys[len(keys)-1])).Round(time.Minute)
	if due := max(2*d.c.BackupEvery, 48*time.Hour); age > due {
		d.bad("the newest backup is %s old: see the server's log for why there is none since", age)
	} else {
		d.ok("the newest backup is %s old; %d are kept", age, len(names))
	}
	if d.c.BackupLogs > 0 && d.c.DatabaseURL == "" {
		switch k, err := keptRound(ctx, b, time.Time{}); {
		case err != nil:
			d.bad("the log beside the backups: %v", err)
		case k == nil:
			d.warn("no log of SQLite is beside the backups yet: a running server begins one at its start")
		case time.Since(madeAt(k.round)) > 2*roundMost:
			d.bad("the log beside the backups ends on %s: see the server's log for why", k.until.Format(time.DateTime))
		default:
			d.ok("SQLite's log is kept beside the backups, until %s", k.until.Format(time.DateTime))
		}
	}
	var last drilled
	text, err := files.Read(ctx, b, drillFile, 1<<16)
	if err != nil || json.Unmarshal(text, &last) != nil {
		d.warn("no backup was ever tried: catchment drill --from %s", d.c.BackupTo)
	} else if age := time.Since(last.At); age > 35*24*time.Hour {
		d.warn("the last drill was %d days ago: catchment drill --from %s", int(age.Hours()/24), d.c.BackupTo)
	} else {
		d.ok("a backup was restored as a drill %d days ago", int(age.Hours()/24))
	}
}
