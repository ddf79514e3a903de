package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/edge"
	"catchment/internal/files"
	"catchment/internal/filing"
	"catchment/internal/page"

	"github.com/prometheus/client_golang/prometheus"
)

// filesConfig says where files are kept, and how many, and where public pictures
// are shown.
type filesConfig struct {
	FilesTo     string `name:"files-to" help:"Folder, or s3://BUCKET/PREFIX?region=…, where files of leads are kept, sealed, and public pictures, in clear; DATA/files when empty. Several nodes need the same one." env:"CATCHMENT_FILES_TO"`
	FilesOrigin string `name:"files-origin" help:"Another origin for what users upload and everybody sees, as https://files.example.net: links to public pictures begin with it, and its host answers nothing else. The public URL when empty." env:"CATCHMENT_FILES_ORIGIN"`
	FilesRoom   int64  `name:"files-room" help:"MiB that all files of one account may have." default:"20480" env:"CATCHMENT_FILES_ROOM"`
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
	if err := c.checkFilesOrigin(); err != nil {
		return err
	}
	if err := files.CheckURL(c.FilesTo, c.filesOptions()); err != nil {
		return usage("--files-to: %v", err)
	}
	return nil
}

// checkFilesOrigin wants an origin with a host that is not the doors' own: pages
// of one host share what a browser keeps for it.
func (c config) checkFilesOrigin() error {
	if c.FilesOrigin == "" {
		return nil
	}
	u, err := url.Parse(c.FilesOrigin)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return usage("--files-origin %q: want a scheme and a host, for example https://files.example.net", c.FilesOrigin)
	}
	if u.Scheme == "http" && !caller.Here(u.Hostname()) && !c.AllowPlaintext {
		return usage("--files-origin %s: links in mails have to begin with https, or say --allow-plaintext", c.FilesOrigin)
	}
	if own, err := url.Parse(c.publicURL()); err == nil && strings.EqualFold(own.Hostname(), u.Hostname()) {
		return usage("--files-origin %s has the host of the public URL: what users upload needs a host of its own, best of another domain", c.FilesOrigin)
	}
	return nil
}

// filesURL is where links to public pictures begin.
func (c config) filesURL() string {
	return strings.TrimSuffix(cmp.Or(c.FilesOrigin, c.publicURL()), "/")
}

// filesHost is the name that certificates need besides; "" without one.
func (c config) filesHost() string {
	u, err := url.Parse(c.FilesOrigin)
	if err != nil {
		return ""
	}
	return u.Hostname()
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
	d.filesOrigin()
}

// filesOrigin tells whether what users upload has an origin of its own where
// strangers come.
func (d *doctor) filesOrigin() {
	u, err := url.Parse(d.c.publicURL())
	public := err == nil && !caller.Here(u.Hostname())
	switch {
	case d.c.FilesOrigin == "" && public:
		d.warn("public pictures are shown on the origin of the app: give them one of their own, best of another domain (--files-origin https://files.example.net)")
	case d.c.FilesOrigin != "" && d.c.TLS == "files":
		if s := edge.InFiles(d.c.TLSCert, d.c.TLSKey); !covers(s.Names, d.c.filesHost()) {
			d.bad("the certificate in --tls-cert is not for %s, where public pictures are shown (--files-origin)", d.c.filesHost())
			return
		}
		fallthrough
	case d.c.FilesOrigin != "":
		d.ok("public pictures have an origin of their own: %s", d.c.filesURL())
	}
}

// covers reports whether a certificate of these names is for the host.
func covers(names []string, host string) bool {
	_, parent, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(names, func(n string) bool {
		return strings.EqualFold(n, host) || parent != "" && strings.EqualFold(n, "*."+parent)
	})
}

// pictures counts what public links were answered.
type pictures struct{ h *house }

var pictureDesc = prometheus.NewDesc("catchment_images_total", "Requests for public pictures, by answer: shown, unknown (404), gone (410), busy (503: too many at once), failed (503: the bucket).", []string{"outcome"}, nil)

// Describe implements prometheus.Collector.
func (pictures) Describe(c chan<- *prometheus.Desc) { c <- pictureDesc }

// Collect implements prometheus.Collector.
func (p pictures) Collect(c chan<- prometheus.Metric) {
	s := p.h.page.Stats()
	for outcome, n := range map[string]int64{"shown": s.Shown.Load(), "unknown": s.Unknown.Load(), "gone": s.Gone.Load(), "busy": s.Busy.Load(), "failed": s.Failed.Load()} {
		c <- prometheus.MustNewConstMetric(pictureDesc, prometheus.CounterValue, float64(n), outcome)
	}
}

// picture is a request for a public picture by a link of the right form: letters
// without a meaning, of which some would look like an attack.
func picture(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.URL.Path, page.Prefix)
	return ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.RawQuery == "" && filing.IsToken(token)
}
