// Package files is the bucket: files outside the database, in a folder or
// behind the S3 protocol (AWS S3, and what speaks like it: MinIO, Ceph,
// Cloudflare R2, Google Cloud Storage with HMAC keys).
//
// Callers may rely on this: a file is there whole or not at all; when Put or
// Add has returned nil it outlives a power cut, as far as the other side keeps
// its word; a name never leads out of the bucket.
package files

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/caller"
)

// What may be wrong. Other errors are of the disk.
var (
	ErrNone    = errors.New("there is no such file")
	ErrThere   = errors.New("there is such a file already")
	ErrAway    = errors.New("the bucket does not answer")
	ErrRefused = errors.New("the bucket refuses")
	errName    = errors.New("a file's name has letters, digits and . _ - =, in parts with a / between them, 512 bytes at most; no part begins with a point")
)

// File is what a list says of one.
type File struct {
	Name string
	Size int64 // bytes
	At   time.Time
}

// Bucket is safe for concurrent use.
type Bucket interface {
	// Put writes a file of any size, in the place of an older one.
	Put(ctx context.Context, name string, body io.Reader) error
	// Add writes a new file; ErrThere when there is one of that name.
	Add(ctx context.Context, name string, body []byte) error
	// Get reads a file; ErrNone. The caller closes it.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List gives the files whose names begin so, ordered by name.
	List(ctx context.Context, prefix string) iter.Seq2[File, error]
	// Remove is nil also when there was none.
	Remove(ctx context.Context, name string) error
}

// Options say how a bucket elsewhere is reached.
type Options struct {
	Plaintext bool // an endpoint off loopback may be without TLS
}

// Open takes a folder, which the first file makes, or s3://BUCKET/PREFIX?region=…&endpoint=https://… Nothing
// is asked of the other side yet: Check does. Credentials are those that AWS's
// own client finds: environment, shared files, the role of the machine or pod.
func Open(ctx context.Context, where string, o Options) (Bucket, error) {
	if !Elsewhere(where) {
		return &folder{where}, nil
	}
	u, err := parse(where, o)
	if err != nil {
		return nil, err
	}
	return openS3(ctx, u)
}

// Elsewhere says whether that is no folder.
func Elsewhere(where string) bool { return strings.Contains(where, "://") }

// CheckURL says what is wrong with where a bucket is said to be.
func CheckURL(where string, o Options) error {
	if !Elsewhere(where) {
		return nil
	}
	_, err := parse(where, o)
	return err
}

// place is a bucket elsewhere.
type place struct {
	bucket, prefix, region, endpoint string
}

func parse(where string, o Options) (p place, err error) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return p, errors.New("want a folder, or s3://BUCKET/PREFIX?region=REGION, with endpoint=https://HOST for other services than AWS; credentials do not belong into it")
	}
	p.bucket, p.prefix = u.Host, strings.Trim(u.Path, "/")
	if p.prefix != "" {
		if err := checkName(p.prefix); err != nil {
			return p, fmt.Errorf("prefix %q: %w", p.prefix, err)
		}
		p.prefix += "/"
	}
	for name, values := range u.Query() {
		switch {
		case name == "region" && len(values) == 1:
			p.region = values[0]
		case name == "endpoint" && len(values) == 1:
			p.endpoint = values[0]
		default:
			return p, fmt.Errorf("%s is unknown, or there twice: want region and endpoint", name)
		}
	}
	if p.endpoint == "" {
		return p, nil
	}
	e, err := url.Parse(p.endpoint)
	if err != nil || e.Host == "" || e.User != nil || e.RawQuery != "" || e.Scheme != "https" && e.Scheme != "http" {
		return p, errors.New("endpoint: want https://HOST")
	}
	if e.Scheme == "http" && !o.Plaintext && !caller.Here(e.Hostname()) {
		return p, fmt.Errorf("endpoint: %s is not loopback, and the connection would not be encrypted: use https, or say --allow-plaintext", e.Hostname())
	}
	return p, nil
}

// checkName keeps names to what every file system and service takes as it is.
func checkName(name string) error {
	if len(name) == 0 || len(name) > 512 || !filepath.IsLocal(filepath.FromSlash(name)) {
		return errName
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.IndexFunc(part, odd) >= 0 {
			return errName
		}
	}
	return nil
}

func odd(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' || r == '=')
}

// Check writes a file, reads it and removes it: what the bucket is needed for.
func Check(ctx context.Context, b Bucket) error {
	text := rand.Text()
	name := "check-" + text
	if err := b.Add(ctx, name, []byte(text)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	back, err := Read(ctx, b, name, int64(len(text)))
	if err == nil && string(back) != text {
		err = errors.New("what was read is not what was written")
	}
	if err != nil {
		err = fmt.Errorf("read: %w", err)
	}
	if fault := b.Remove(ctx, name); fault != nil {
		err = errors.Join(err, fmt.Errorf("remove: %w", fault))
	}
	return err
}

// Read reads a file of that many bytes at most.
func Read(ctx context.Context, b Bucket, name string, most int64) ([]byte, error) {
	f, err := b.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return text, err
}

// source remembers why a body ended, which the way it goes does not tell.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
