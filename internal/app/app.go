// Package app serves the web app: the files that `make build` puts into dist,
// embedded into the program. Nothing in them is personal, so they need no
// credential; what the app shows it asks the API for. Without a build there is
// one page, which says how to make it.
package app

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"catchment/internal/problem"
	"catchment/internal/web"
)

//go:embed all:dist
var dist embed.FS

// The policy of the app's pages. Scripts and styles come from our own files
// alone and none is written into a page; strings do not become markup or
// script, so that what a lead says stays text: the one policy of Trusted Types
// (browser/app/src/lib/trusted.ts) gives addresses of our own workers alone. What React and Base UI set on an element goes by the CSSOM, which
// style-src does not concern.
// https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types workers"

// The worker with the desk's sealed database may compile WebAssembly, and not
// more; its page may not even that. A worker has the policy of its own answer.
func sealed(policy string) string {
	return strings.Replace(policy, "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", 1)
}

// policyWith lets pages show pictures of another origin, too.
func policyWith(pictures string) string {
	u, err := url.Parse(pictures)
	if err != nil || u.Host == "" {
		return policy
	}
	return strings.Replace(policy, "img-src 'self'", "img-src 'self' "+u.Scheme+"://"+u.Host, 1)
}

const (
	index   = "index.html"
	unbuilt = "unbuilt.html"
)

// file is one file in the forms that make prepared.
type file struct {
	kind   string            // its media type
	forms  map[string][]byte // by content coding; "" is the file as it is
	tags   map[string]string // each form's ETag
	hashed bool              // its name changes with its content
	policy string            // Content-Security-Policy
}

// Door serves the app under /app/ and leads there from /.
type Door struct {
	files  map[string]*file
	start  *file
	policy string // Content-Security-Policy
}

// New reads what was embedded. pictures is the origin from which its pages show
// public pictures besides their own; "" for none.
func New(pictures string) (*Door, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return open(files, pictures)
}

// Built says whether the program has the app in it.
func (d *Door) Built() bool { return d.files[index] != nil }

func open(from fs.FS, pictures string) (*Door, error) {
	d := &Door{files: map[string]*file{}, policy: policyWith(pictures)}
	err := fs.WalkDir(from, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		d.add(name, text)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	if d.start = d.files[index]; d.start == nil {
		d.start = d.files[unbuilt]
	}
	if d.start == nil {
		return nil, fmt.Errorf("app: neither %s nor %s was embedded", index, unbuilt)
	}
	return d, nil
}

// codings are the suffixes of compressed forms, and their names in HTTP.
var codings = map[string]string{".br": "br", ".gz": "gzip"}

func (d *Door) add(name string, text []byte) {
	coding := codings[path.Ext(name)]
	if coding != "" {
		name = strings.TrimSuffix(name, path.Ext(name))
	}
	f := d.files[name]
	if f == nil {
		f = &file{kind: kindOf(name), forms: map[string][]byte{}, tags: map[string]string{}, hashed: strings.HasPrefix(name, "assets/"), policy: d.policy}
		if strings.HasPrefix(name, "assets/sealed-") {
			f.policy = sealed(d.policy)
		}
		d.files[name] = f
	}
	sum := sha256.Sum256(text)
	f.forms[coding] = text
	f.tags[coding] = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// kindOf does not ask the machine's own table for what the app consists of:
// with nosniff a wrong answer there would stop it.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	case ".wasm":
		return "application/wasm"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

// Register puts the app on the mux.
func (d *Door) Register(mux *http.ServeMux) {
	home := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/app/", http.StatusSeeOther) }
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("GET /app", home)
	mux.HandleFunc("GET /app/{path...}", d.serve)
}

// serve answers with the file of that name, or with the page that every
// address of the app begins with: which screen it is, the app reads itself.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("path")
	f := d.files[name]
	if f == nil && path.Ext(name) != "" { // a file that is not there; old pages ask for assets of theirs
		web.WriteProblem(w, r, problem.NotFound())
		return
	}
	if f == nil {
		f = d.start
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", f.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if f.hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	coding := f.coding(r.Header.Get("Accept-Encoding"))
	if len(f.forms) > 1 {
		h.Set("Vary", "Accept-Encoding")
	}
	if coding != "" {
		h.Set("Content-Encoding", coding)
	}
	h.Set("ETag", f.tags[coding])
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.forms[coding]))
}

// coding picks the smallest form that the browser takes. One that it refuses
// by q=0 is not sent (RFC 9110, section 12.5.3).
func (f *file) coding(accept string) string {
	for _, want := range []string{"br", "gzip"} {
		if f.forms[want] != nil && takes(accept, want) {
			return want
		}
	}
	return ""
}

func takes(accept, want string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), want) {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
		return !ok || strings.Trim(q, "0.") != ""
	}
	return false
}
