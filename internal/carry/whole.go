package carry

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/checkpoint"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/store/people"
	"catchment/internal/store/whole"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// An archive is everything that an account has, as of one instant: a tar,
// compressed by zstd, sealed by age where a recipient was named. docs/export.md
// describes its files. Each is whole in memory before it is written, and none is
// longer than partBytes and a row, but for the record.

// The files of an archive.
const (
	aboutFile    = "account.json"
	findingFile  = "finding.json"
	recordFile   = "record.jsonl"
	keysFile     = "record-keys.json"
	manifestFile = "manifest.json"
	sealFile     = "manifest.sig"
	partBytes    = 8 << 20
)

// WholeFormat is the version of an archive's form.
const WholeFormat = 1

// About begins an archive.
type About struct {
	Format  int       `json:"format"`
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Schema  int64     `json:"schema"` // the version of the tables
	At      time.Time `json:"at"`
}

// Manifest names all other files of an archive.
type Manifest struct {
	About
	Files   []ManifestFile    `json:"files"`
	Rows    map[string]int64  `json:"rows"`    // by table
	Left    map[string]string `json:"left"`    // tables that are not carried, with the reason
	Damaged int64             `json:"damaged"` // values that did not open, and stand as null
}

// ManifestFile is one of them.
type ManifestFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Wholes writes archives. All parts are needed.
type Wholes struct {
	DB       *store.DB
	Accounts *keyring.Accounts
	Record   func(context.Context, keyring.Opening) error // of openings
	Boxes    *keyring.DropOpener
	Tree     func(ctx context.Context, s account.Scope, from int64, w io.Writer) error // the record's export
	Key      func() checkpoint.Key
	Keys     func() ([]byte, error) // the published keys of the record
	Schema   func(context.Context) (int64, error)
	Now      func() time.Time
	Contents Contents

	// One is written at a time: it holds a connection that reads while the
	// record's export takes another, and as many at once as there are
	// connections would each wait for ever for one of the others.
	turn     chan struct{} // has room for one
	makeTurn sync.Once
}

// wait waits for this one's turn, as long as its caller does.
func (w *Wholes) wait(ctx context.Context) (done func(), err error) {
	w.makeTurn.Do(func() { w.turn = make(chan struct{}, 1) })
	select {
	case w.turn <- struct{}{}:
		return func() { <-w.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("carry: archive: waiting for its turn: %w", ctx.Err())
	}
}

// NewWhole is what an archive begins with.
type NewWhole struct {
	Actor     string
	Purpose   vault.Purpose
	Recipient string // of age; "": in clear
}

// Write writes the account's archive. told is called now and then with how many
// of how many rows are done; its error ends the work. The opening of all that is
// personal is one entry on the record, committed before anything is opened.
func (w *Wholes) Write(ctx context.Context, s account.Scope, n NewWhole, to io.Writer, told func(done, total int64) error) (Manifest, error) {
	done, err := w.wait(ctx)
	if err != nil {
		return Manifest{}, err
	}
	defer done()
	sink, end, err := sealTo(to, n.Recipient)
	if err != nil {
		return Manifest{}, err
	}
	x := &wholeWriter{w: w, ctx: ctx, s: s, n: n, told: told, tar: tar.NewWriter(sink)}
	if err := x.write(); err != nil {
		return Manifest{}, fmt.Errorf("carry: archive: %w", err)
	}
	return x.m, errors.Join(x.tar.Close(), end())
}

func sealTo(to io.Writer, recipient string) (io.Writer, func() error, error) {
	under := io.WriteCloser(nopCloser{to})
	if recipient != "" {
		r, err := age.ParseX25519Recipient(recipient)
		if err != nil {
			return nil, nil, errors.New("carry: this is no age recipient")
		}
		if under, err = age.Encrypt(to, r); err != nil {
			return nil, nil, err
		}
	}
	z, err := zstd.NewWriter(under, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, nil, err
	}
	return z, func() error { return errors.Join(z.Close(), under.Close()) }, nil
}

type nopCloser struct{ io.Writer }

// Close implements io.Closer.
func (nopCloser) Close() error { return nil }

type wholeWriter struct {
	w           *Wholes
	ctx         context.Context
	s           account.Scope
	n           NewWhole
	told        func(done, total int64) error
	tar         *tar.Writer
	m           Manifest
	keys        *keyring.AccountKeys
	open        func(context.Context, ...vault.Sealed) (keyring.Opened, error)
	tx          *store.Tx
	done, total int64
}

func (x *wholeWriter) write() (err error) {
	if x.keys, err = x.w.Accounts.Renew(x.ctx, x.s.Account()); err != nil {
		return err
	}
	if err := x.record(); err != nil {
		return err
	}
	began := false
	return x.w.DB.Read(x.ctx, x.s, func(tx *store.Tx) error {
		if began {
			return errors.New("the reading was broken off") // what was written cannot be written again
		}
		began, x.tx = true, tx
		return x.all()
	})
}

// record has the one entry written; the keys are read as of the instant of all
// other rows.
func (x *wholeWriter) record() error {
	var values int64
	err := x.w.DB.Read(x.ctx, x.s, func(tx *store.Tx) error {
		for _, t := range whole.Tables() {
			if t.Left != "" {
				continue
			}
			n, err := whole.Count(tx, t)
			if err != nil {
				return err
			}
			x.total += n
			values += n * int64(len(t.Sealed))
		}
		return nil
	})
	if err != nil {
		return err
	}
	o := keyring.Opener{Accounts: x.w.Accounts, Record: x.w.Record, Keys: func(_ context.Context, _ account.Scope, of []vault.Subject) (map[vault.Subject][]byte, error) {
		return subjectKeys(x.tx, of)
	}}
	x.open, err = o.Everything(x.ctx, x.s, x.n.Actor, x.n.Purpose, int(values))
	return err
}

// subjectKeys finds the wrapped keys of persons and users.
func subjectKeys(tx *store.Tx, of []vault.Subject) (map[vault.Subject][]byte, error) {
	out, err := people.Keys(tx, of)
	if err != nil || len(out) == len(of) {
		return out, err
	}
	more, err := members.Keys(tx, of)
	for k, v := range more {
		out[k] = v
	}
	return out, err
}

func (x *wholeWriter) all() error {
	x.m = Manifest{Rows: map[string]int64{}, Left: map[string]string{}}
	if err := x.begin(); err != nil {
		return err
	}
	for _, t := range whole.Tables() {
		if t.Left != "" {
			x.m.Left[t.Name] = t.Left
			continue
		}
		if err := x.table(t); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	if err := x.recordOf(); err != nil {
		return err
	}
	return x.end()
}

func (x *wholeWriter) begin() error {
	schema, err := x.w.Schema(x.ctx)
	if err != nil {
		return err
	}
	x.m.About = About{Format: WholeFormat, Account: x.s.Account().String(), Schema: schema, At: store.Clock(x.w.Now()).UTC()}
	accounts, _, err := whole.Page(x.tx, whole.Tables()[0], nil)
	if err != nil {
		return err
	}
	if len(accounts) == 1 {
		x.m.Name, _ = accounts[0]["name"].(string)
	}
	if err := x.json(aboutFile, x.m.About); err != nil {
		return err
	}
	return x.json(findingFile, x.keys.FindingKeys())
}

func (x *wholeWriter) json(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return x.file(name, append(b, '\n'))
}

func (x *wholeWriter) file(name string, content []byte) error {
	sum := sha256.Sum256(content)
	x.m.Files = append(x.m.Files, ManifestFile{name, int64(len(content)), hex.EncodeToString(sum[:])})
	return x.put(name, content)
}

func (x *wholeWriter) put(name string, content []byte) error {
	if err := x.header(name, int64(len(content))); err != nil {
		return err
	}
	_, err := x.tar.Write(content)
	return err
}

func (x *wholeWriter) header(name string, size int64) error {
	return x.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: x.m.At, Format: tar.FormatPAX})
}

// table writes a table in parts, and beside each the same rows as CSV where the
// table is one of those that people look at.
func (x *wholeWriter) table(t *whole.Table) error {
	var lines bytes.Buffer
	sheet := newSheet(t)
	part := 0
	flush := func() error {
		if lines.Len() == 0 {
			return nil
		}
		part++
		if err := x.file(fmt.Sprintf("tables/%s.%06d.jsonl", t.Name, part), lines.Bytes()); err != nil {
			return err
		}
		lines.Reset()
		if sheet == nil {
			return nil
		}
		text, err := sheet.take()
		if err != nil {
			return err
		}
		return x.file(fmt.Sprintf("csv/%s.%06d.csv", t.Name, part), text)
	}
	for at, more := whole.Place(nil), true; more; more = at != nil {
		rows, next, err := whole.Page(x.tx, t, at)
		if err != nil {
			return err
		}
		at = next
		if err := x.clear(t, rows); err != nil {
			return err
		}
		if t.Name == leads.FileTable {
			if rows, err = x.contents(rows); err != nil {
				return err
			}
		}
		for _, r := range rows {
			b, err := lineOf(t, r)
			if err != nil {
				return err
			}
			lines.Write(append(b, '\n'))
			sheet.add(r)
			if lines.Len() >= partBytes {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		x.m.Rows[t.Name] += int64(len(rows))
		if x.done += int64(len(rows)); x.told != nil {
			if err := x.told(x.done, x.total); err != nil {
				return err
			}
		}
	}
	return flush()
}

// clear puts the text in the place of each ciphertext of the rows. What is
// erased, and what does not open, becomes nothing.
func (x *wholeWriter) clear(t *whole.Table, rows []whole.Row) error {
	if t.Name == "dead_letter" {
		return x.clearDead(rows)
	}
	var sealed []vault.Sealed
	for _, r := range rows {
		for _, c := range t.Sealed {
			sealed = append(sealed, sealedIn(c, r))
		}
	}
	if len(sealed) == 0 {
		return nil
	}
	opened, err := x.open(x.ctx, sealed...)
	if err != nil {
		return err
	}
	n := 0
	for _, r := range rows {
		for _, c := range t.Sealed {
			r[c.Column] = nil
			switch opened.States[n] {
			case keyring.Clear:
				r[c.Column] = text(reveal.Text(opened.Values[n]))
			case keyring.Damaged:
				x.m.Damaged++
			}
			n++
		}
	}
	return nil
}

// sealedIn is the ciphertext of a row's column with what it is bound to.
func sealedIn(c whole.Sealed, r whole.Row) (s vault.Sealed) {
	s.Binding = bindingOf(c, r)
	s.Subject = vault.Subject(idIn(r, c.Whose))
	s.Data, _ = r[c.Column].([]byte)
	return s
}

func bindingOf(c whole.Sealed, r whole.Row) vault.Binding {
	b := vault.Binding{Table: c.Table, Row: idIn(r, c.Row), Field: c.Field}
	if c.Field == "" {
		f, _ := r["field"].(string)
		b.Field = vault.Field(f)
	}
	return b
}

// idIn is the id in a column; a user's may be written as the API does.
func idIn(r whole.Row, column string) (id [16]byte) {
	switch x := r[column].(type) {
	case []byte:
		copy(id[:], x)
	case string:
		u, _ := account.ParseUserID(x)
		id = u.UUID()
	}
	return id
}

// clearDead opens what the drop box has sealed of dead letters: an import seals
// it to the new one. What does not open goes along as it stands.
func (x *wholeWriter) clearDead(rows []whole.Row) error {
	for _, r := range rows {
		entry, _ := r["entry"].([]byte)
		box, _ := r["box"].([]byte)
		e, err := submission.ParseEnvelope(entry)
		if err != nil {
			continue
		}
		plain, err := x.w.Boxes.Open(x.keys, box, e.Data, e.AAD)
		if err != nil {
			x.m.Damaged++
			continue
		}
		r["entry"], r["box"] = append(bytes.Clone(e.AAD), plain...), []byte{}
	}
	return nil
}

// recordOf writes the record with its proofs. It has ids alone, and waits in a
// file until its length is known.
func (x *wholeWriter) recordOf() error {
	f, err := os.CreateTemp("", "record-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	h := sha256.New()
	if err := x.w.Tree(x.ctx, x.s, 0, io.MultiWriter(f, h)); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	x.m.Files = append(x.m.Files, ManifestFile{recordFile, size, hex.EncodeToString(h.Sum(nil))})
	if err := x.header(recordFile, size); err != nil {
		return err
	}
	if _, err := io.Copy(x.tar, f); err != nil {
		return err
	}
	keys, err := x.w.Keys()
	if err != nil {
		return err
	}
	return x.file(keysFile, keys)
}

func (x *wholeWriter) end() error {
	b, err := json.MarshalIndent(x.m, "", "  ")
	if err != nil {
		return err
	}
	if err := x.put(manifestFile, b); err != nil {
		return err
	}
	note, err := checkpoint.Archive{Account: x.m.Account, Manifest: sha256.Sum256(b), At: x.m.At}.Sign(x.w.Key())
	if err != nil {
		return err
	}
	return x.put(sealFile, []byte(note))
}

// partOf tells which table a file is of.
func partOf(name string) (table string, ok bool) {
	if name, ok = strings.CutPrefix(name, "tables/"); !ok {
		return "", false
	}
	table, _, ok = strings.Cut(name, ".")
	return table, ok
}

// kindsOf is how the API writes ids, by their column.
var kindsOf = map[string]func([]byte) string{
	"lead_id": written[lead.ID], "previous_id": written[lead.ID], "person_id": written[lead.PersonID], "merged_into": written[lead.PersonID],
	"enquiry_id": written[lead.EnquiryID], "attempt_id": written[lead.AttemptID], "project_id": written[account.ProjectID], "source_id": written[account.SourceID],
	"stage_id": written[lead.StageID], "user_id": written[account.UserID], "owner_id": written[account.UserID], "offer_id": written[lead.OfferID],
}

func written[T fmt.Stringer, P interface {
	*T
	Scan(any) error
}](b []byte) string {
	var id T
	_ = P(&id).Scan(b) // 16 bytes always fit
	return id.String()
}
