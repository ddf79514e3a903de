package main

import (
	"context"
	"errors"
	"path/filepath"

	"catchment/internal/account"
	"catchment/internal/files"
	"catchment/internal/filing"
)

// filesConfig says where files of leads are kept, and how many.
type filesConfig struct {
	FilesTo   string `name:"files-to" help:"Folder, or s3://BUCKET/PREFIX?region=…, where files of leads are kept, sealed; DATA/files when empty. Several nodes need the same one." env:"CATCHMENT_FILES_TO"`
	FilesRoom int64  `name:"files-room" help:"MiB that all files of one account may have." default:"20480" env:"CATCHMENT_FILES_ROOM"`
}

// filesFolder is where files are without another place; what is looked at on its
// way in lies beside it, sealed and without a name.
const (
	filesFolder = "files"
	spoolFolder = "arriving"
)

func (c config) checkFiles() error {
	if c.FilesRoom < 0 || c.FilesRoom > 1<<30 {
		return usage("--files-room %d: want MiB, from 0 to 1073741824", c.FilesRoom)
	}
	if err := files.CheckURL(c.FilesTo, c.filesOptions()); err != nil {
		return usage("--files-to: %v", err)
	}
	return nil
}

func (c config) filesBucket(ctx context.Context) (files.Bucket, error) {
	if c.FilesTo == "" {
		return files.Open(ctx, filepath.Join(c.Data, filesFolder), c.filesOptions())
	}
	return c.openBucket(ctx, c.FilesTo)
}

func (h *house) openFiles(ctx context.Context) error {
	b, err := h.c.filesBucket(ctx)
	if err != nil {
		return err
	}
	h.filing = filing.New(filing.Options{DB: h.db, Bucket: b, Dir: filepath.Join(h.c.Data, spoolFolder), Log: h.log})
	return nil
}

// leave takes what lies outside SQL of an account that has ended.
func (h *house) leave(ctx context.Context, id account.ID) error {
	return errors.Join(h.withdraw(ctx, id), h.filing.RemoveAll(ctx, id))
}

// files tells whether the place for files of leads takes them.
func (d *doctor) files() {
	ctx, cancel := context.WithTimeout(d.w.ctx, copyFor)
	defer cancel()
	b, err := d.c.filesBucket(ctx)
	if err == nil && d.c.FilesTo != "" { // a folder of one's own is made by the first file
		err = files.Check(ctx, b)
	}
	switch {
	case err != nil:
		d.bad("files of leads: %v", err)
	case d.c.FilesTo == "" && (d.c.Role == "web" || d.c.Role == "work"):
		d.bad("files of leads: this is one of several nodes and needs --files-to, the same for all")
	default:
		d.ok("files of leads: their place takes them and gives them back")
	}
}
