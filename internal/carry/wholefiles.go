package carry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"catchment/internal/account"
	"catchment/internal/files"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store/whole"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"

	"github.com/google/uuid"
)

// Files of leads stand in an archive in clear, as all of it does, each by its
// id before the part of the table that has its row. They are streamed: one is
// read twice on the way out, because what a tar has begun it cannot take back.

// contentsIn is where an archive has what is in files of leads.
const contentsIn = "files/"

// Contents is where what is in files of leads lies, sealed. It is safe for
// concurrent use.
type Contents interface {
	// Open reads one in clear; files.ErrNone, keyring.ErrDamaged. The caller closes it.
	Open(ctx context.Context, of account.ID, id lead.FileID, key keyring.ContentKey) (io.ReadCloser, error)
	// Bring seals one as it is read, in the place of an older one of that id.
	Bring(ctx context.Context, of account.ID, id lead.FileID, key keyring.ContentKey, clear io.Reader) error
	Remove(ctx context.Context, of account.ID, id lead.FileID) error
}

// contents writes what is in the files of these rows, and returns the rows
// whose file is whole. Their keys end here.
func (x *wholeWriter) contents(rows []whole.Row) (out []whole.Row, err error) {
	for _, r := range rows {
		id := lead.FileIDFrom(idIn(r, "file_id"))
		said, _ := r["content_key"].(text)
		size, _ := r["size"].(int64)
		r["content_key"] = nil
		key, err := keyring.ContentKeyOf(id.UUID(), vault.Hide(string(said)))
		if err == nil {
			err = x.copyContent(io.Discard, id, key, size)
		}
		if errors.Is(err, files.ErrNone) || errors.Is(err, keyring.ErrDamaged) {
			x.m.Damaged++
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := x.content(id, key, size); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (x *wholeWriter) content(id lead.FileID, key keyring.ContentKey, size int64) error {
	name := contentsIn + uuid.UUID(id.UUID()).String()
	if err := x.header(name, size); err != nil {
		return err
	}
	sum := sha256.New()
	if err := x.copyContent(io.MultiWriter(x.tar, sum), id, key, size); err != nil {
		return err
	}
	x.m.Files = append(x.m.Files, ManifestFile{name, size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// copyContent writes all of a file; ErrDamaged when that is not as long as its
// row says, or was changed.
func (x *wholeWriter) copyContent(to io.Writer, id lead.FileID, key keyring.ContentKey, size int64) error {
	from, err := x.w.Contents.Open(x.ctx, x.s.Account(), id, key)
	if err != nil {
		return err
	}
	defer from.Close()
	read := &failing{r: from}
	n, err := io.Copy(to, io.LimitReader(read, size+1))
	if read.err != nil || err == nil && n != size {
		return errors.Join(keyring.ErrDamaged, read.err)
	}
	return err
}

// failing tells a file that cannot be read from an archive that cannot be
// written.
type failing struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// cameIn is what was in a file of an archive, in the bucket by now.
type cameIn struct {
	key  text // of the content, made here
	kept bool // its row is there, too
}

// content puts what is in a file into the bucket, under a new key.
func (t *taking) content(name, said string, r io.Reader) error {
	of, err := uuid.Parse(said)
	want, named := t.want[name]
	if err != nil || !named || t.keys == nil {
		return fmt.Errorf("%w: there is no file %.60q", ErrArchive, name)
	}
	id := lead.FileIDFrom(of)
	key, words := keyring.NewContentKey(id.UUID())
	sum := sha256.New()
	counted := &counter{r: io.TeeReader(r, sum)}
	if err := t.in.Contents.Bring(t.ctx, t.s.Account(), id, key, counted); err != nil {
		return fmt.Errorf("carry: import a file: %w", err)
	}
	if counted.n != want.Size || want.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		return fmt.Errorf("%w: %s changed since it was verified", ErrArchive, name)
	}
	t.came[id] = &cameIn{key: text(reveal.Text(words))}
	return nil
}

// hasContent puts the key of its content into a file's row. Without a content
// there is no file, nor one of somebody who was erased since.
func (t *taking) hasContent(r whole.Row, known map[vault.Subject]keyring.SubjectKey) bool {
	c := t.came[lead.FileIDFrom(idIn(r, "file_id"))]
	if _, has := known[vault.Subject(idIn(r, "person_id"))]; !has || c == nil {
		return false
	}
	r["content_key"], c.kept = c.key, true
	return true
}

// dropContents takes out of the bucket what no row has.
func (t *taking) dropContents() error {
	for id, c := range t.came {
		if c.kept {
			continue
		}
		if err := t.in.Contents.Remove(t.ctx, t.s.Account(), id); err != nil {
			return err
		}
	}
	return nil
}
