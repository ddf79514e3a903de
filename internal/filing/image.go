package filing

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/files"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/store"
	"catchment/internal/store/content"
	"catchment/internal/upload"
)

// ImageJob makes the bucket say of a public picture what its row says; its key is
// the picture's id.
const ImageJob jobs.Kind = "image"

// What a link to a public picture leads to when it leads to none.
var (
	ErrNoImage   = errors.New("there never was such a picture")
	ErrImageGone = errors.New("the picture was removed")
)

// tokenBytes of a picture's token are random: nobody guesses one.
const tokenBytes = 24

// NewToken makes what the link to a picture ends with.
func NewToken() string {
	var b [tokenBytes]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// IsToken reports whether it has the form of one.
func IsToken(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == tokenBytes && !strings.ContainsAny(s, "\r\n") // which decoding leaves out
}

// Image is a public picture as it lies in the bucket, where a line about it goes
// before it: whoever asks for it needs no database.
type Image struct {
	Kind upload.Kind
	Size int64
	At   time.Time // when it came
	Sum  string    // SHA-256, in hexadecimal

	token string
	head  int64
}

const (
	imageForm = "catchment-image-1"
	maxHead   = 256 // bytes, its line feed too
)

func (i Image) line() string {
	return fmt.Sprintf("%s %s %d %s %s\n", imageForm, i.Kind, i.Size, i.At.UTC().Format(time.RFC3339), i.Sum)
}

// parseHead reads the line, without its end. No kind gets out of the bucket that
// a picture which was drawn anew cannot have.
func parseHead(line string) (i Image, err error) {
	var at string
	n, err := fmt.Sscanf(line, imageForm+" %s %d %s %s", &i.Kind, &i.Size, &at, &i.Sum)
	if err == nil {
		i.At, err = time.Parse(time.RFC3339, at)
	}
	if err != nil || n != 4 || i.Kind != upload.JPEG && i.Kind != upload.PNG || i.Size < 1 || i.Size > upload.MaxBytes || len(i.Sum) != 64 || i.line() != line+"\n" {
		return Image{}, errors.New("filing: this is no picture of ours")
	}
	i.head = int64(len(line)) + 1
	return i, nil
}

func imageName(token string) string { return "images/" + token }

// indexName has an account's pictures found when no row tells of them any more.
func indexName(of account.ID, token string) string {
	return "images-of/" + of.String() + "/" + token
}

// Pixels is how wide and high a picture is that was received.
func (f *Filing) Pixels(c *Content, key keyring.ContentKey) (width, height int, err error) {
	clear, err := c.look(key)
	if err != nil {
		return 0, 0, err
	}
	return upload.Pixels(clear, c.Size, c.Kind)
}

// Publish puts a picture into the bucket, in clear: from now on whoever has the
// token sees it.
func (f *Filing) Publish(ctx context.Context, of account.ID, token string, at time.Time, c *Content, key keyring.ContentKey) error {
	clear, err := c.look(key)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(clear, 0, c.Size)); err != nil {
		return fmt.Errorf("filing: %w", err)
	}
	head := Image{Kind: c.Kind, Size: c.Size, At: at, Sum: hex.EncodeToString(sum.Sum(nil))}.line()
	if err := f.o.Bucket.Put(ctx, indexName(of, token), bytes.NewReader(nil)); err != nil {
		return away(nameless{err, token})
	}
	if err := f.o.Bucket.Put(ctx, imageName(token), io.MultiReader(strings.NewReader(head), io.NewSectionReader(clear, 0, c.Size))); err != nil {
		return away(nameless{err, token})
	}
	return nil
}

// Find reads about the picture with the token; ErrNoImage, ErrImageGone, or a
// *problem.Problem while the bucket does not answer.
func (f *Filing) Find(ctx context.Context, token string) (Image, error) {
	if !IsToken(token) {
		return Image{}, ErrNoImage
	}
	_, i, err := f.openImage(ctx, token, false)
	return i, err
}

// Show reads a picture from its beginning. The caller closes it.
func (f *Filing) Show(ctx context.Context, i Image) (io.ReadCloser, error) {
	r, _, err := f.openImage(ctx, i.token, true)
	return r, err
}

func (f *Filing) openImage(ctx context.Context, token string, whole bool) (io.ReadCloser, Image, error) {
	from, err := f.o.Bucket.Get(ctx, imageName(token))
	if errors.Is(err, files.ErrNone) {
		return nil, Image{}, ErrNoImage
	}
	if err != nil {
		return nil, Image{}, away(nameless{err, token})
	}
	r := bufio.NewReaderSize(from, maxHead)
	line, err := r.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		from.Close()
		return nil, Image{}, ErrImageGone
	}
	var i Image
	if err == nil {
		i, err = parseHead(string(line[:len(line)-1]))
		i.token = token
	}
	if err != nil || !whole {
		from.Close()
		if err != nil {
			err = fmt.Errorf("filing: a public picture: %w", nameless{err, token})
		}
		return nil, i, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, from}, i, nil
}

// Bury has the link to a picture say that it is gone.
func (f *Filing) Bury(ctx context.Context, token string) error {
	if err := f.o.Bucket.Put(ctx, imageName(token), bytes.NewReader(nil)); err != nil {
		return away(nameless{err, token})
	}
	return nil
}

// forget takes all of a picture, and what leads to it last.
func (f *Filing) forget(ctx context.Context, of account.ID, token string) error {
	for _, name := range []string{imageName(token), indexName(of, token)} {
		if err := f.o.Bucket.Remove(ctx, name); err != nil {
			return fmt.Errorf("filing: %w", nameless{err, token})
		}
	}
	return nil
}

// nameless is an error of the bucket without the token in its words, which go to
// the log: who reads that has no link.
type nameless struct {
	error
	token string
}

// Error implements error.
func (n nameless) Error() string { return strings.ReplaceAll(n.error.Error(), n.token, "…") }

// Unwrap has it be of the kind that it was.
func (n nameless) Unwrap() error { return n.error }

// settleImage is the job: a picture that was removed has its link say so, and one
// that did not arrive goes. Then the row goes.
func (f *Filing) settleImage(ctx context.Context, j jobs.Job) error {
	id, err := account.ParseImageID(j.Key)
	if err != nil {
		return fmt.Errorf("filing: job image: %w", err)
	}
	row, settled, err := f.imageOf(ctx, j, id)
	if err != nil || settled {
		return err
	}
	if row.State == content.ImageRemoved {
		err = f.Bury(ctx, row.Token)
	} else {
		err = f.forget(ctx, j.Scope.Account(), row.Token)
	}
	if err != nil {
		return err
	}
	return f.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		if err := content.DropImage(tx, id); err != nil {
			return err
		}
		return j.Done(tx)
	})
}

// imageOf gives the row of one that goes, and settles the job for every other.
func (f *Filing) imageOf(ctx context.Context, j jobs.Job, id account.ImageID) (row content.Image, settled bool, err error) {
	err = f.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) (err error) {
		settled = true
		row, err = content.ImageByID(tx, id)
		switch {
		case errors.Is(err, store.ErrNone) || err == nil && row.State == content.ImageKept:
			return j.Done(tx)
		case err != nil:
			return err
		}
		if end := row.CreatedAt.Add(content.ImageArrives); row.State == content.ImageArriving && end.After(time.Now()) {
			return j.Later(tx, end)
		}
		settled = false
		_, err = content.TurnImage(tx, id, content.ImageArriving, content.ImageDropped)
		return err
	})
	return row, settled, err
}
