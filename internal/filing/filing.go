// Package filing takes in what a file has in it and gives it out again: it
// judges a file, makes a picture anew, seals the content and puts it into the
// bucket; nothing of it stands in clear on a disk, and no memory grows with it.
// The rows are others' (followup, publish), and a job makes the bucket say what
// the row says.
package filing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"time"

	"catchment/internal/account"
	"catchment/internal/files"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/limits"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/upload"
)

// FileJob makes the bucket say of a lead's file what its row says; its key is
// the file's id.
const FileJob jobs.Kind = "file"

// How many files come in at once, and of one account; and how many pictures are
// drawn, which is what takes memory (upload.Redraw). Who waits longer than
// patience is told to come again.
const (
	atOnce     = 16
	ofOne      = 6
	pictures   = 1
	patience   = 10 * time.Second
	arriveFor  = 5 * time.Minute // all of a file
	retryAfter = 5 * time.Second
)

// Options are what filing is made of. Dir is where files lie, sealed, while they
// are looked at; nothing stays there.
type Options struct {
	DB     *store.DB
	Bucket files.Bucket
	Dir    string
	Log    *slog.Logger
}

// Filing is safe for concurrent use.
type Filing struct {
	o        Options
	uploads  *limits.Turns[account.ID]
	pictures *limits.Turns[account.ID]
}

// New returns it; Register has its jobs done.
func New(o Options) *Filing {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Filing{o, limits.NewTurns[account.ID](atOnce, ofOne, patience), limits.NewTurns[account.ID](pictures, pictures, 6*patience)}
}

// Register makes the runner do filing's jobs.
func (f *Filing) Register(r *jobs.Runner) {
	r.Handle(FileJob, f.settle)
	r.Handle(ImageJob, f.settleImage)
}

// Enter waits for a turn to send a file, before any of it is read. Leave gives
// it back.
func (f *Filing) Enter(ctx context.Context, id account.ID) error {
	if f.uploads.Enter(ctx, id, 1) {
		return nil
	}
	return problem.Busy("uploads_busy", retryAfter, "Too many files come in at once. Nothing was stored; send this one again after Retry-After.")
}

// Leave ends what Enter began.
func (f *Filing) Leave(id account.ID) { f.uploads.Leave(id, 1) }

// Content is a file that was received whole, sealed, not in the bucket yet.
type Content struct {
	Kind upload.Kind
	Size int64 // bytes in clear

	spool  *os.File
	sealed int64
}

// Close lets go of it.
func (c *Content) Close() error { return c.spool.Close() }

// Receive reads a file to its end, seals it under the key as it comes, and says
// what it is; a picture is made anew. alive is called before each piece is
// waited for. The error is a *problem.Problem when the file is at fault.
func (f *Filing) Receive(ctx context.Context, of account.ID, body io.Reader, key keyring.ContentKey, alive func()) (*Content, error) {
	ctx, cancel := context.WithTimeout(ctx, arriveFor)
	defer cancel()
	c, err := f.spool(key, func(w io.Writer) (upload.Kind, error) {
		from := &bounded{ctx: ctx, r: io.LimitReader(body, upload.MaxBytes+1), alive: alive}
		n, err := io.Copy(w, from)
		switch {
		case from.err != nil:
			err = brokenOff(from.err)
		case n > upload.MaxBytes:
			err = upload.TooLarge()
		}
		return "", err
	})
	if err != nil {
		return nil, err
	}
	clear, err := c.look(key)
	if err == nil {
		c.Kind, err = upload.Sort(clear, c.Size)
	}
	if err != nil || !c.Kind.Picture() {
		return c.or(err)
	}
	defer c.Close()
	return f.redraw(ctx, of, c, clear, key)
}

// redraw makes a picture anew, one at a time.
func (f *Filing) redraw(ctx context.Context, of account.ID, c *Content, clear io.ReaderAt, key keyring.ContentKey) (*Content, error) {
	if !f.pictures.Enter(ctx, of, 1) {
		return nil, problem.Busy("pictures_busy", retryAfter, "Too many pictures come in at once. Nothing was stored; send this one again after Retry-After.")
	}
	defer f.pictures.Leave(of, 1)
	return f.spool(key, func(w io.Writer) (upload.Kind, error) {
		n := &counted{Writer: w}
		k, err := upload.Redraw(n, clear, c.Size, c.Kind)
		if err == nil && n.n > upload.MaxBytes {
			err = upload.TooLarge()
		}
		return k, err
	})
}

// spool writes sealed what fill writes into a file that nobody else finds, and
// that goes with the process.
func (f *Filing) spool(key keyring.ContentKey, fill func(io.Writer) (upload.Kind, error)) (*Content, error) {
	if err := os.MkdirAll(f.o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("filing: %w", err)
	}
	file, err := os.CreateTemp(f.o.Dir, "")
	if err != nil {
		return nil, fmt.Errorf("filing: %w", err)
	}
	c := &Content{spool: file}
	if err := os.Remove(file.Name()); err != nil {
		return c.or(fmt.Errorf("filing: %w", err))
	}
	w, err := key.Seal(file)
	if err != nil {
		return c.or(fmt.Errorf("filing: %w", err))
	}
	clear := &counted{Writer: w}
	if c.Kind, err = fill(clear); err == nil {
		err = w.Close()
	}
	if err == nil {
		c.Size = clear.n
		c.sealed, err = file.Seek(0, io.SeekEnd)
	}
	return c.or(err)
}

// or gives the content, unless err: then it is let go.
func (c *Content) or(err error) (*Content, error) {
	if err == nil {
		return c, nil
	}
	_ = c.Close() // nothing of it is wanted
	return nil, err
}

// look reads it in clear.
func (c *Content) look(key keyring.ContentKey) (io.ReaderAt, error) {
	clear, n, err := key.OpenAt(c.spool, c.sealed)
	if err == nil && n != c.Size {
		err = keyring.ErrDamaged
	}
	return clear, err
}

// Keep puts a lead's file into the bucket, sealed as it is.
func (f *Filing) Keep(ctx context.Context, of account.ID, id lead.FileID, c *Content) error {
	if err := f.o.Bucket.Put(ctx, nameOf(of, id), io.NewSectionReader(c.spool, 0, c.sealed)); err != nil {
		return away(err)
	}
	return nil
}

// Open reads a lead's file in clear. The caller closes it, and has the key by an
// opening on the record.
func (f *Filing) Open(ctx context.Context, of account.ID, id lead.FileID, key keyring.ContentKey) (io.ReadCloser, error) {
	sealed, err := f.o.Bucket.Get(ctx, nameOf(of, id))
	if err != nil {
		return nil, away(err)
	}
	clear, err := key.Open(sealed)
	if err != nil {
		return nil, errors.Join(err, sealed.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{clear, sealed}, nil
}

// Bring seals what a lead's file has in it as it is read, straight into the
// bucket: what comes from an archive was judged where it came from.
func (f *Filing) Bring(ctx context.Context, of account.ID, id lead.FileID, key keyring.ContentKey, clear io.Reader) error {
	sealed, into := io.Pipe()
	done := make(chan error, 1)
	go func() {
		w, err := key.Seal(into)
		if err == nil {
			if _, err = io.Copy(w, clear); err == nil {
				err = w.Close()
			}
		}
		into.CloseWithError(err)
		done <- err
	}()
	err := f.o.Bucket.Put(ctx, nameOf(of, id), sealed)
	sealed.CloseWithError(io.ErrClosedPipe)
	if fault := <-done; err == nil || fault != nil && !errors.Is(fault, io.ErrClosedPipe) {
		err = fault
	}
	if err != nil {
		return away(err)
	}
	return nil
}

// Remove takes what a lead's file has in it from the bucket.
func (f *Filing) Remove(ctx context.Context, of account.ID, id lead.FileID) error {
	if err := f.o.Bucket.Remove(ctx, nameOf(of, id)); err != nil {
		return fmt.Errorf("filing: %w", err)
	}
	return nil
}

// away is 503 while the bucket does not answer. A file that has a row and is not
// there is our fault, and says so.
func away(err error) error {
	if errors.Is(err, files.ErrAway) || errors.Is(err, files.ErrRefused) {
		return problem.Busy("files_away", retryAfter, "The store that has the files does not answer just now. Nothing was changed; repeat this request.").Because(err)
	}
	return fmt.Errorf("filing: %w", err)
}

// RemoveAll takes all files of an account that has ended, and its pictures.
func (f *Filing) RemoveAll(ctx context.Context, of account.ID) error {
	for file, err := range f.o.Bucket.List(ctx, indexName(of, "")) {
		if err == nil {
			err = f.forget(ctx, of, path.Base(file.Name))
		}
		if err != nil {
			return fmt.Errorf("filing: %w", err)
		}
	}
	for file, err := range f.o.Bucket.List(ctx, "leads/"+of.String()+"/") {
		if err == nil {
			err = f.o.Bucket.Remove(ctx, file.Name)
		}
		if err != nil {
			return fmt.Errorf("filing: %w", err)
		}
	}
	return nil
}

func nameOf(of account.ID, id lead.FileID) string {
	return "leads/" + of.String() + "/" + id.String()
}

// settle is the job: a file without a row goes from the bucket, one that has
// arrived for too long goes from both.
func (f *Filing) settle(ctx context.Context, j jobs.Job) error {
	id, err := lead.ParseFileID(j.Key)
	if err != nil {
		return fmt.Errorf("filing: job file: %w", err)
	}
	keep, err := f.wanted(ctx, j, id)
	if err != nil || keep {
		return err
	}
	if err := f.o.Bucket.Remove(ctx, nameOf(j.Scope.Account(), id)); err != nil {
		return fmt.Errorf("filing: %w", err)
	}
	return f.o.DB.Write(ctx, j.Scope, j.Done)
}

// wanted settles the job for a file that stays, for now or for good.
func (f *Filing) wanted(ctx context.Context, j jobs.Job, id lead.FileID) (keep bool, err error) {
	err = f.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		row, err := leads.FileByID(tx, id)
		keep = err == nil
		switch {
		case errors.Is(err, store.ErrNone):
			return nil
		case err != nil:
			return err
		case row.State == leads.FileKept:
			return j.Done(tx)
		}
		if end := row.CreatedAt.Add(leads.FileArrives); end.After(time.Now()) {
			return j.Later(tx, end)
		}
		keep = false
		_, err = leads.DropFile(tx, id)
		return err
	})
	return keep, err
}
