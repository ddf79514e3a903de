package upload

import (
	"archive/zip"
	"cmp"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

// mains are the parts by which an office file is told (ECMA-376, part 2).
var mains = map[string]Kind{"word/document.xml": Word, "xl/workbook.xml": Excel, "ppt/presentation.xml": PowerPoint}

// sortOffice says which office file the archive is. What is in it is unpacked
// into nothing, to know how much it is; an archive that says less than it has is
// damaged.
func sortOffice(r io.ReaderAt, size int64) (Kind, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return "", bad("damaged", damaged)
	}
	if len(z.File) > maxEntries {
		return "", bad("too_many_parts", "It has more than %d parts. Save it as PDF, and send that.", maxEntries)
	}
	kind, types := Kind(""), false
	for _, f := range z.File {
		types = types || f.Name == "[Content_Types].xml"
		if k, ok := mains[f.Name]; ok {
			kind = k
		}
	}
	if kind == "" || !types {
		return "", wrongKind("kind_not_taken", "%s are not taken. Send %s.", refused["pack"], takes)
	}
	if err := apart(z); err != nil {
		return "", err
	}
	return kind, unpack(z)
}

// apart refuses parts that share their bytes: no program writes that, and it is
// how a small archive becomes a large one.
func apart(z *zip.Reader) error {
	type span struct{ from, to int64 }
	var spans []span
	for _, f := range z.File {
		from, err := f.DataOffset()
		if err != nil {
			return bad("damaged", damaged)
		}
		if f.CompressedSize64 > MaxBytes {
			return bad("damaged", damaged)
		}
		spans = append(spans, span{from, from + int64(f.CompressedSize64)})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return bad("bomb", "Its parts lie within each other, as no office program writes it.")
		}
	}
	return nil
}

func unpack(z *zip.Reader) error {
	left := int64(maxUnpacked)
	for _, f := range z.File {
		name := strings.ToLower(f.Name)
		switch {
		case strings.Contains(name, "vbaproject"):
			return wrongKind("macros", "Office files with macros are not taken: they are programs. Save it without macros, or as PDF.")
		case !cleanPath(f.Name):
			return bad("damaged", damaged)
		case f.Flags&1 != 0:
			return bad("locked", "It is locked by a password, so nobody can look at it here. Save it without one.")
		}
		n, err := unpackOne(f, left, strings.Contains(name, "/embeddings/"))
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// cleanPath is one that leads nowhere else.
func cleanPath(name string) bool {
	name = strings.TrimSuffix(name, "/")
	return name != "" && name == path.Clean(name) && !path.IsAbs(name) && !strings.HasPrefix(name, "../") && name != ".." && !strings.ContainsAny(name, "\\\x00:")
}

// unpackOne reads a part to its end, or to the limit. An archive within is let
// in where office programs put what was inserted.
func unpackOne(f *zip.File, most int64, inserted bool) (int64, error) {
	r, err := f.Open()
	if err != nil {
		return 0, bad("damaged", damaged)
	}
	defer r.Close()
	head := make([]byte, 8)
	n, err := io.ReadFull(r, head)
	if k := begins(head[:n]); (k == office || k == "pack" || k == "run") && !inserted {
		return 0, bad("nested", "There is an archive or a program within it, as no office program writes it.")
	}
	total := int64(n)
	if err == nil {
		var more int64
		more, err = io.Copy(io.Discard, io.LimitReader(r, most+1))
		total += more
	}
	if total > most {
		return 0, bad("bomb", "Unpacked it has more than %d MiB. Save it as PDF, and send that.", maxUnpacked>>20)
	}
	// a part shorter than the head ends unexpectedly, and is whole all the same
	if short := err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && n < len(head); err != nil && !short || uint64(total) != f.UncompressedSize64 {
		return 0, bad("damaged", damaged)
	}
	return total, nil
}
