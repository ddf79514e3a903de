package upload

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"
)

// office is a zip archive, of which an office file is one.
const office Kind = "zip"

// refused are kinds that are known, to say why they are not taken. The words go
// before "are not taken".
var refused = map[Kind]string{
	"heic":  "HEIC and AVIF pictures (send it as JPEG: on an iPhone, Settings, Camera, Formats, Most Compatible; or share it by mail, which makes a JPEG)",
	"video": "Videos and sound",
	"ole":   "Old office files (save it as docx, xlsx or pptx)",
	"pack":  "Archives (send the files one by one)",
	"tiff":  "TIFF and BMP pictures (save it as PNG or JPEG)",
	"run":   "Programs",
	"utf16": "Texts in UTF-16 (save it as UTF-8)",
}

// signs are how files begin. What several kinds begin with stands once.
var signs = []struct {
	at    int
	bytes string
	kind  Kind
}{
	{0, "\xff\xd8\xff", JPEG}, {0, "\x89PNG\r\n\x1a\n", PNG}, {0, "GIF87a", GIF}, {0, "GIF89a", GIF}, {8, "WEBPVP8", WebP}, {0, "%PDF-", PDF}, {0, "PK\x03\x04", office},
	{4, "ftyphei", "heic"}, {4, "ftyphev", "heic"}, {4, "ftypmif1", "heic"}, {4, "ftypmsf1", "heic"}, {4, "ftypavif", "heic"},
	{4, "ftyp", "video"}, {0, "OggS", "video"}, {0, "ID3", "video"}, {0, "\xff\xfb", "video"}, {0, "\x1aE\xdf\xa3", "video"}, {8, "WAVE", "video"}, {8, "AVI ", "video"},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"},
	{0, "PK\x05\x06", "pack"}, {0, "Rar!", "pack"}, {0, "7z\xbc\xaf\x27\x1c", "pack"}, {0, "\x1f\x8b", "pack"}, {0, "BZh", "pack"}, {0, "\xfd7zXZ", "pack"}, {0, "\x28\xb5\x2f\xfd", "pack"}, {257, "ustar", "pack"},
	{0, "II*\x00", "tiff"}, {0, "MM\x00*", "tiff"}, {0, "BM", "tiff"},
	{0, "MZ", "run"}, {0, "\x7fELF", "run"}, {0, "\xca\xfe\xba\xbe", "run"}, {0, "\xcf\xfa\xed\xfe", "run"}, {0, "#!", "run"},
	{0, "\xff\xfe", "utf16"}, {0, "\xfe\xff", "utf16"},
}

// begins is the kind that the first bytes say; "" is none that is known, which
// may be a text.
func begins(head []byte) Kind {
	for _, s := range signs {
		if len(head) >= s.at && bytes.HasPrefix(head[s.at:], []byte(s.bytes)) {
			if short := s.bytes == "BM" || s.bytes == "MZ"; short && plain(head) == nil {
				return "" // a text may begin with these letters
			}
			return s.kind
		}
	}
	return ""
}

// checkPDF looks whether it is whole, and nothing else besides: readers of PDF
// look for its end from behind, and so do readers of archives.
func checkPDF(r io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, 1024))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return fmt.Errorf("upload: %w", err)
	}
	if isArchive(r, size) {
		return bad("two_kinds", "It is a PDF and an archive in one. Print it to a new PDF, and send that.")
	}
	if !bytes.Contains(tail, []byte("%%EOF")) {
		return bad("damaged", damaged)
	}
	return nil
}

// isArchive reports whether a reader of archives would open it.
func isArchive(r io.ReaderAt, size int64) bool {
	z, err := zip.NewReader(r, size)
	return err == nil && len(z.File) > 0 || errors.Is(err, zip.ErrInsecurePath)
}

// checkText reads all of it: UTF-8 without control characters, that begins like
// nothing which a browser would show as a page, and is no other kind as well.
func checkText(r io.ReaderAt, size int64, head []byte) error {
	begin := bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	if kind := http.DetectContentType(begin); bytes.HasPrefix(bytes.TrimSpace(begin), []byte("<")) || kind == "text/html; charset=utf-8" || kind == "text/xml; charset=utf-8" {
		return wrongKind("page", "Pages, SVG drawings and other files in angle brackets are not taken: they can hold a program. Send %s.", takes)
	}
	if bytes.Contains(head, []byte("%PDF-")) || isArchive(r, size) {
		return bad("two_kinds", "It is a text and something else in one. Send either.")
	}
	err := readText(io.NewSectionReader(r, 0, size))
	if errors.Is(err, errNoText) {
		err = wrongKind("kind_not_taken", "The file is of no kind that is taken. Send %s; a text in another encoding can be saved as UTF-8.", takes)
	}
	return err
}

var errNoText = errors.New("no text")

// readText reads to the end, a piece at a time.
func readText(r io.Reader) error {
	piece, kept := make([]byte, 32<<10), 0
	for {
		n, err := r.Read(piece[kept:])
		text := piece[:kept+n]
		whole := len(text)
		if err == nil { // the last letter may not be all here
			whole = wholeLetters(text)
		}
		if fault := plain(text[:whole]); fault != nil {
			return fault
		}
		kept = copy(piece, text[whole:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("upload: %w", err)
		}
	}
}

// wholeLetters is the length without a letter that the text ends within.
func wholeLetters(text []byte) int {
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if utf8.FullRune(text[i:]) {
				return len(text)
			}
			return i
		}
	}
	return len(text)
}

func plain(text []byte) error {
	if !utf8.Valid(text) {
		return errNoText
	}
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' || c == 0x7f {
			return errNoText
		}
	}
	return nil
}
