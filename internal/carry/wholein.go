package carry

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/checkpoint"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/receipt"
	"catchment/internal/store"
	"catchment/internal/store/ending"
	"catchment/internal/store/keys"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
	"catchment/internal/store/whole"
	"catchment/internal/submission"
	"catchment/internal/vault"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// ErrArchive says that what was read is not a whole archive as it was written.
var ErrArchive = errors.New("carry: this is not a whole archive of an account")

// mostPart bounds a file of an archive that is read into memory: partBytes, and
// the longest row.
const mostPart = partBytes + 64<<20

// OpenWhole reads an archive's files; by opens one that is sealed.
func OpenWhole(r io.Reader, by ...age.Identity) (*tar.Reader, func(), error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	var plain io.Reader = buffered
	if head, _ := buffered.Peek(len(ageHead)); string(head) == ageHead {
		if len(by) == 0 {
			return nil, nil, errors.New("carry: the archive is sealed: name the age identity that opens it")
		}
		var err error
		if plain, err = age.Decrypt(buffered, by...); err != nil {
			return nil, nil, fmt.Errorf("carry: the archive does not open: %w", err)
		}
	}
	z, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return nil, nil, ErrArchive
	}
	return tar.NewReader(z), z.Close, nil
}

const ageHead = "age-encryption.org/v1"

// Verified is what an archive was found to be.
type Verified struct {
	Manifest
	Record checkpoint.Report
}

// VerifyWhole reads an archive to its end: every file is the one that the
// manifest names, one of the keys has signed the manifest, and the record in it
// is whole. It needs no network.
func VerifyWhole(files *tar.Reader, published receipt.Keys) (v Verified, err error) {
	seen := map[string]ManifestFile{}
	var manifest, seal []byte
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return v, fmt.Errorf("%w: %w", ErrArchive, err)
		}
		_, twice := seen[h.Name]
		if twice || seal != nil || manifest != nil && h.Name != sealFile {
			return v, fmt.Errorf("%w: %.80q stands where nothing should", ErrArchive, h.Name)
		}
		switch h.Name {
		case manifestFile, sealFile:
			b, err := io.ReadAll(io.LimitReader(files, mostPart))
			if err != nil {
				return v, fmt.Errorf("%w: %w", ErrArchive, err)
			}
			if h.Name == manifestFile {
				manifest = b
			} else {
				seal = b
			}
		default:
			if seen[h.Name], err = v.read(h.Name, files, published); err != nil {
				return v, err
			}
		}
	}
	return v, v.check(manifest, seal, seen, published)
}

func (v *Verified) read(name string, r io.Reader, published receipt.Keys) (f ManifestFile, err error) {
	sum := sha256.New()
	counted := &counter{r: io.TeeReader(r, sum)}
	if name == recordFile {
		if v.Record, err = checkpoint.Verify(counted, published); err != nil {
			return f, fmt.Errorf("%w: the record: %w", ErrArchive, err)
		}
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return f, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	return ManifestFile{name, counted.n, hex.EncodeToString(sum.Sum(nil))}, nil
}

type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (v *Verified) check(manifest, seal []byte, seen map[string]ManifestFile, published receipt.Keys) error {
	if manifest == nil || seal == nil {
		return fmt.Errorf("%w: it ends before its manifest", ErrArchive)
	}
	s, err := checkpoint.OpenArchive(string(seal), published)
	if err != nil {
		return err
	}
	if s.Manifest != sha256.Sum256(manifest) || json.Unmarshal(manifest, &v.Manifest) != nil || s.Account != v.Account {
		return fmt.Errorf("%w: the manifest is not the one that was signed", ErrArchive)
	}
	if v.Format != WholeFormat {
		return fmt.Errorf("carry: an archive of format %d is not known to this version of the program", v.Format)
	}
	if len(v.Files) != len(seen) {
		return fmt.Errorf("%w: the manifest names %d files, and there are %d", ErrArchive, len(v.Files), len(seen))
	}
	for _, f := range v.Files {
		if seen[f.Name] != f {
			return fmt.Errorf("%w: %s is not what the manifest names", ErrArchive, f.Name)
		}
	}
	return nil
}

// Incoming takes an account in. All parts are needed.
type Incoming struct {
	DB       *store.DB
	NewKeys  func(ctx context.Context, id account.ID, find keyring.FindingKeys) (wrapped []byte, keys *keyring.AccountKeys, err error)
	Gone     func(lead.PersonID) bool // erased since: nothing of them comes back
	Schema   int64                    // the version of the tables
	Finish   func(tx *store.Tx, users []Login) error
	Now      func() time.Time
	Contents Contents
	PerWrite func(rows int) error // after each write; an error stops the import
}

// Login is a user who will sign in.
type Login struct {
	User         account.UserID
	Role         account.Role
	State        string
	Email, Phone vault.Personal
}

// Refusals of Take.
var (
	ErrThere  = errors.New("carry: the account is there already")
	ErrSchema = errors.New("carry: the archive is of a newer version of the program: upgrade first")
)

// Take makes the account of an archive that VerifyWhole has read. Its ids stay,
// its keys to seal with are new, and what makes it be served comes last and at
// once. One that was stopped is begun anew: what it had written is removed.
func (in *Incoming) Take(ctx context.Context, s account.Scope, v Verified, files *tar.Reader) error {
	if v.Schema > in.Schema {
		return ErrSchema
	}
	if err := in.clear(ctx, s); err != nil {
		return err
	}
	t := &taking{in: in, ctx: ctx, s: s, want: map[string]ManifestFile{}, held: map[*whole.Table][]whole.Row{}, tables: map[string]*whole.Table{}, came: map[lead.FileID]*cameIn{}}
	for _, f := range v.Files {
		t.want[f.Name] = f
	}
	for _, x := range whole.Tables() {
		t.tables[x.Name] = x
	}
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrArchive, err)
		}
		if err := t.file(h.Name, files); err != nil {
			return err
		}
	}
	return t.finish()
}

// clear removes what an import that was stopped has left. What nobody may remove
// is the same in the archive, and stays.
func (in *Incoming) clear(ctx context.Context, s account.Scope) error {
	err := in.DB.Read(ctx, s, func(tx *store.Tx) error {
		_, err := setup.GetAccount(tx)
		return err
	})
	if err == nil {
		return ErrThere
	}
	if !errors.Is(err, store.ErrNone) {
		return err
	}
	for at := 0; at >= 0; {
		err := in.DB.Write(ctx, s, func(tx *store.Tx) (err error) {
			at, err = ending.Remove(tx, at, true)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type taking struct {
	in     *Incoming
	ctx    context.Context
	s      account.Scope
	want   map[string]ManifestFile
	keys   *keyring.AccountKeys
	sealer *keyring.Sealer
	tables map[string]*whole.Table
	held   map[*whole.Table][]whole.Row
	users  []Login
	rows   int
	came   map[lead.FileID]*cameIn
}

func (t *taking) file(name string, r io.Reader) error {
	if id, ok := strings.CutPrefix(name, contentsIn); ok {
		return t.content(name, id, r)
	}
	table, ok := partOf(name)
	if !ok && name != findingFile {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(r, mostPart))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	sum := sha256.Sum256(b)
	if t.want[name].SHA256 != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("%w: %s changed since it was verified", ErrArchive, name)
	}
	if name == findingFile {
		return t.makeKeys(b)
	}
	of := t.tables[table]
	if of == nil || of.Left != "" || t.keys == nil {
		return fmt.Errorf("%w: there is no table %.40q", ErrArchive, table)
	}
	return t.part(of, b)
}

func (t *taking) makeKeys(b []byte) error {
	var find keyring.FindingKeys
	if err := json.Unmarshal(b, &find); err != nil {
		return fmt.Errorf("%w: %s", ErrArchive, findingFile)
	}
	wrapped, own, err := t.in.NewKeys(t.ctx, t.s.Account(), find)
	if err != nil {
		return err
	}
	t.keys = own
	t.sealer = keyring.NewSealer(func(account.ID) (vault.DropBox, bool) { return own.DropBox(), true })
	return t.in.DB.Write(t.ctx, t.s, func(tx *store.Tx) error { return keys.Add(tx, own.Version(), wrapped, t.in.Now()) })
}

func (t *taking) part(of *whole.Table, b []byte) error {
	var rows []whole.Row
	for line := range bytes.Lines(b) {
		r, err := rowOf(of, line)
		if err != nil {
			return fmt.Errorf("%s: %w", of.Name, err)
		}
		if of.Held || of.HeldIf != nil && of.HeldIf(r) {
			t.held[of] = append(t.held[of], r)
			continue
		}
		if rows = append(rows, r); len(rows) < whole.PageRows {
			continue
		}
		if err := t.write(of, rows); err != nil {
			return err
		}
		rows = nil
	}
	return t.write(of, rows)
}

func (t *taking) write(of *whole.Table, rows []whole.Row) error {
	if len(rows) == 0 {
		return nil
	}
	var users []Login
	err := t.in.DB.Write(t.ctx, t.s, func(tx *store.Tx) error {
		var made []whole.Row
		var err error
		if made, users, err = t.seal(tx, of, rows); err != nil {
			return err
		}
		return whole.Add(tx, of, made)
	})
	if err != nil {
		return fmt.Errorf("carry: import %s: %w", of.Name, err)
	}
	t.users, t.rows = append(t.users, users...), t.rows+len(rows)
	if t.in.PerWrite != nil {
		return t.in.PerWrite(t.rows)
	}
	return nil
}

// seal gives the rows as they are to stand, with the keys of those who are new.
func (t *taking) seal(tx *store.Tx, of *whole.Table, rows []whole.Row) (out []whole.Row, users []Login, err error) {
	known, err := t.subjects(tx, of, rows)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		if of.Name == "person_index" && t.in.Gone(personIn(r)) {
			continue
		}
		if of.Name == "dead_letter" {
			if r, err = t.sealDead(r); err != nil {
				return nil, nil, err
			}
		}
		if of.Name == leads.FileTable && !t.hasContent(r, known) {
			continue
		}
		if of.Name == "member" {
			users = append(users, loginOf(r))
		}
		made := whole.Row{}
		for k, v := range r {
			made[k] = v
		}
		for _, c := range of.Sealed {
			if made[c.Column], err = sealOne(known, of, c, r); err != nil {
				return nil, nil, err
			}
		}
		out = append(out, made)
	}
	return out, users, nil
}

func sealOne(known map[vault.Subject]keyring.SubjectKey, of *whole.Table, c whole.Sealed, r whole.Row) (any, error) {
	x, ok := r[c.Column].(text)
	key, has := known[vault.Subject(idIn(r, c.Whose))]
	switch {
	case ok && x != "" && has:
		return key.Seal(bindingOf(c, r), vault.Hide(string(x))).Data, nil
	case of.Name == "note" || c.Column == "raw": // these are never NULL
		return []byte{}, nil
	}
	return nil, nil // nothing, or of somebody who is erased
}

// subjects are the keys of those whose the rows are: made with the rows of
// persons and members, read for all others.
func (t *taking) subjects(tx *store.Tx, of *whole.Table, rows []whole.Row) (map[vault.Subject]keyring.SubjectKey, error) {
	out := map[vault.Subject]keyring.SubjectKey{}
	if len(of.Sealed) == 0 {
		return out, nil
	}
	if of.Name == "person" || of.Name == "member" {
		return out, t.newSubjects(tx, of, rows, out)
	}
	var ids []vault.Subject
	for _, r := range rows {
		id := vault.Subject(idIn(r, of.Sealed[0].Whose))
		if _, ok := out[id]; !ok && id != (vault.Subject{}) {
			out[id] = keyring.SubjectKey{}
			ids = append(ids, id)
		}
	}
	clear(out)
	wrapped, err := subjectKeys(tx, ids)
	for id, w := range wrapped {
		if out[id], err = t.keys.OpenSubjectKey(id, w); err != nil {
			return nil, err
		}
	}
	return out, err
}

func (t *taking) newSubjects(tx *store.Tx, of *whole.Table, rows []whole.Row, out map[vault.Subject]keyring.SubjectKey) error {
	var made []whole.Key
	for _, r := range rows {
		id := idIn(r, of.Sealed[0].Whose)
		if of.Name == "person" && (r["erased_at"] != nil || t.in.Gone(personIn(r))) {
			continue
		}
		wrapped, key := t.keys.NewSubjectKey(vault.Subject(id))
		out[vault.Subject(id)] = key
		made = append(made, whole.Key{Whose: id, Wrapped: wrapped})
	}
	return whole.AddKeys(tx, of.Name, t.keys.Version(), made)
}

func personIn(r whole.Row) lead.PersonID { return lead.PersonIDFrom(idIn(r, "person_id")) }

func loginOf(r whole.Row) Login {
	l := Login{User: account.UserIDFrom(idIn(r, "user_id"))}
	role, _ := r["role"].(string)
	l.Role = account.Role(role)
	l.State, _ = r["state"].(string)
	email, _ := r["email"].(text)
	phone, _ := r["phone"].(text)
	l.Email, l.Phone = vault.Hide(string(email)), vault.Hide(string(phone))
	return l
}

// sealDead seals what an export has opened to the account's drop box.
func (t *taking) sealDead(r whole.Row) (whole.Row, error) {
	entry, _ := r["entry"].([]byte)
	box, _ := r["box"].([]byte)
	e, err := submission.ParseEnvelope(entry)
	if err != nil || len(box) > 0 {
		return r, nil // it did not open there, and does not here
	}
	box, data, err := t.sealer.Seal(t.s.Account(), e.Data, e.AAD)
	if err != nil {
		return nil, err
	}
	made := whole.Row{}
	for k, v := range r {
		made[k] = v
	}
	made["box"], made["entry"] = box, append(bytes.Clone(e.AAD), data...)
	return made, nil
}

// finish writes what has the account served, in one transaction.
func (t *taking) finish() error {
	if t.keys == nil {
		return fmt.Errorf("%w: there are no rows", ErrArchive)
	}
	t.sealer.Close()
	if err := t.dropContents(); err != nil {
		return err
	}
	return t.in.DB.Write(t.ctx, t.s, func(tx *store.Tx) error {
		for _, of := range whole.Tables() {
			for _, r := range t.held[of] {
				if of.Name == "audit_head" { // this platform signs the tree, too
					r["sign_at"], r["export_at"] = t.in.Now().UnixMicro(), nil
				}
			}
			if err := whole.Add(tx, of, t.held[of]); err != nil {
				return err
			}
		}
		return t.in.Finish(tx, t.users)
	})
}
