package files

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// folder keeps each file under its name. What is not whole yet has a name that
// begins with a point, which no file has.
type folder struct{ path string }

// in does something below the folder, which no name can lead out of.
func (f *folder) in(name string, do func(r *os.Root) error) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("files: %q: %w", name, err)
	}
	r, err := os.OpenRoot(f.path)
	if err != nil {
		return none(name, err)
	}
	defer r.Close()
	return do(r)
}

// into is in, for a new file: the folder is made.
func (f *folder) into(name string, do func(r *os.Root) error) error {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return f.in(name, do)
}

// Put implements Bucket.
func (f *folder) Put(ctx context.Context, name string, body io.Reader) error {
	return f.into(name, func(r *os.Root) error { return write(ctx, r, name, body, r.Rename) })
}

// Add implements Bucket.
func (f *folder) Add(ctx context.Context, name string, body []byte) error {
	return f.into(name, func(r *os.Root) error {
		err := write(ctx, r, name, strings.NewReader(string(body)), r.Link)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("files: %s: %w", name, ErrThere)
		}
		return err
	})
}

// write has a file on disk before it gets its name.
func write(ctx context.Context, r *os.Root, name string, body io.Reader, appear func(from, to string) error) error {
	dir := path.Dir(name)
	if err := r.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	half := path.Join(dir, "."+rand.Text())
	f, err := r.OpenFile(half, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	defer func() { _ = r.Remove(half) }() // of Rename it is gone
	_, err = io.Copy(f, body)
	if err = cmp.Or(err, ctx.Err()); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	if err := appear(half, name); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	for ; ; dir = path.Dir(dir) { // each folder above may be new, too
		if err := syncFolder(r, dir); err != nil || dir == "." {
			return err
		}
	}
}

func syncFolder(r *os.Root, dir string) error {
	d, err := r.Open(dir)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get implements Bucket.
func (f *folder) Get(_ context.Context, name string) (out io.ReadCloser, err error) {
	err = f.in(name, func(r *os.Root) error {
		file, err := r.Open(name)
		if err != nil {
			return none(name, err)
		}
		if info, err := file.Stat(); err != nil || info.IsDir() {
			return errors.Join(none(name, cmp.Or(err, fs.ErrNotExist)), file.Close())
		}
		out = file
		return nil
	})
	return out, err
}

// Remove implements Bucket.
func (f *folder) Remove(_ context.Context, name string) error {
	err := f.in(name, func(r *os.Root) error { return none(name, r.Remove(name)) })
	if errors.Is(err, ErrNone) {
		return nil
	}
	return err
}

func none(name string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("files: %s: %w", name, ErrNone)
	}
	return fmt.Errorf("files: %w", err)
}

// List implements Bucket.
func (f *folder) List(ctx context.Context, prefix string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		all, err := f.all(ctx, prefix)
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
		if err != nil {
			yield(File{}, fmt.Errorf("files: %w", err))
		}
	}
}

func (f *folder) all(ctx context.Context, prefix string) (all []File, err error) {
	below := os.DirFS(f.path)
	err = fs.WalkDir(below, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist): // gone meanwhile
			return nil
		case err != nil:
			return err
		case d.IsDir():
			if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasPrefix(name, prefix) || checkName(name) != nil || !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			all = append(all, File{name, info.Size(), info.ModTime()})
		}
		return err
	})
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}
