// Package upload says what a file is that somebody sent, by its content alone,
// and makes a picture anew without what it tells besides.
//
// Callers may rely on this: neither a name nor a header decides anything; what
// is taken is whole as far as its kind can tell, and of one kind only; no work
// grows with what a file promises to be, only with what it is, and within the
// bounds below; a picture that was made anew has pixels and nothing else.
package upload

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"catchment/internal/problem"
)

// Kind is what a file is: its media type.
type Kind string

// The kinds that are kept. WebP and GIF come in, and are made to PNG or JPEG.
const (
	JPEG       Kind = "image/jpeg"
	PNG        Kind = "image/png"
	WebP       Kind = "image/webp"
	GIF        Kind = "image/gif"
	PDF        Kind = "application/pdf"
	Text       Kind = "text/plain"
	Word       Kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	Excel      Kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	PowerPoint Kind = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
)

// The bounds of a file.
const (
	MaxBytes    = 25 << 20 // as it is sent, and as it is kept
	MaxPixels   = 25_000_000
	MaxSide     = 20_000    // pixels
	maxEntries  = 5_000     // in an office file
	maxUnpacked = 200 << 20 // of all of them together
)

// The words of the refusals.
const (
	takes    = "JPEG, PNG, WebP or GIF pictures, PDF, plain text in UTF-8 (CSV too), and Word, Excel and PowerPoint files without macros"
	pictures = "JPEG, PNG, WebP or GIF pictures"
	damaged  = "It ends too early or is damaged. Open it, save it again, and send that."
)

// Picture reports whether it is one, which is made anew.
func (k Kind) Picture() bool { return k == JPEG || k == PNG || k == WebP || k == GIF }

// Ending is what its name ends with.
func (k Kind) Ending() string {
	return map[Kind]string{JPEG: ".jpg", PNG: ".png", WebP: ".webp", GIF: ".gif", PDF: ".pdf", Text: ".txt", Word: ".docx", Excel: ".xlsx", PowerPoint: ".pptx"}[k]
}

// MediaType is what its answer's Content-Type says.
func (k Kind) MediaType() string {
	if k == Text {
		return "text/plain; charset=utf-8"
	}
	return string(k)
}

// TooLarge refuses a file that is over the limit of bytes.
func TooLarge() error {
	p := problem.TooLarge("file_too_large", "A file has up to %d MiB. Send a smaller one, or parts of it.", MaxBytes>>20)
	p.Errors = []problem.Field{{Field: "file", Code: p.Code, Detail: p.Detail}}
	return p
}

// NoPicture refuses a file that would be taken elsewhere, where only pictures
// are.
func NoPicture() error {
	return wrongKind("not_a_picture", "Only pictures are shown to everybody. Send %s.", pictures)
}

// OnlyPictures has a refusal that says what is taken say so for where only
// pictures are.
func OnlyPictures(err error) error {
	p, ok := problem.Of(err)
	if !ok || p.Status != http.StatusUnsupportedMediaType {
		return err
	}
	q := *p
	q.Detail, q.Errors = strings.ReplaceAll(q.Detail, takes, pictures), slices.Clone(q.Errors)
	for i := range q.Errors {
		q.Errors[i].Detail = strings.ReplaceAll(q.Errors[i].Detail, takes, pictures)
	}
	return &q
}

// wrongKind is 415: files of this kind are not taken at all.
func wrongKind(code, format string, args ...any) error {
	p := problem.WrongType(format, args...)
	p.Errors = []problem.Field{{Field: "file", Code: code, Detail: p.Detail}}
	return p
}

// bad is 422: of a kind that is taken, but this one is not.
func bad(code, format string, args ...any) error {
	return problem.InvalidField("file", code, format, args...)
}

// Sort says of what kind the file is, after a look at all that has to be looked
// at. The error is a *problem.Problem when the file is at fault: 415 or 422.
func Sort(r io.ReaderAt, size int64) (Kind, error) {
	k, err := sort(r, size)
	if err != nil {
		return "", err
	}
	return k, nil
}

func sort(r io.ReaderAt, size int64) (Kind, error) {
	if size == 0 {
		return "", bad("empty", "The file is empty. Choose another one.")
	}
	head := make([]byte, min(size, 1024))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", fmt.Errorf("upload: %w", err)
	}
	switch k := begins(head); k {
	case JPEG, PNG, WebP, GIF:
		return k, bounded(r, size, k)
	case PDF:
		return k, checkPDF(r, size)
	case office:
		return sortOffice(r, size)
	case "":
		return Text, checkText(r, size, head)
	default:
		return "", wrongKind("kind_not_taken", "%s are not taken. Send %s.", refused[k], takes)
	}
}
