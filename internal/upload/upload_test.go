package upload_test

import (
	"bytes"
	"image"
	_ "image/gif"
	"image/jpeg"
	_ "image/png"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"catchment/internal/problem"
	"catchment/internal/upload"
	"catchment/internal/upload/specimen"
)

func sort(b []byte) (upload.Kind, error) { return upload.Sort(bytes.NewReader(b), int64(len(b))) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// flower is a lossless WebP of one point, from the format's own description.
var webp = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

// Every kind by its content, and every refusal with its code.
func TestSort(t *testing.T) {
	word := specimen.Word()
	huge := specimen.Word(specimen.Part{Name: "word/media/a.bin", Data: make([]byte, 201<<20)})
	if len(huge) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(huge))
	}
	for name, c := range map[string]struct {
		file []byte
		kind upload.Kind
		code string
	}{
		"jpeg":           {specimen.JPEG(40, 20), upload.JPEG, ""},
		"png":            {specimen.PNG(40, 20), upload.PNG, ""},
		"gif":            {specimen.GIF(40, 20), upload.GIF, ""},
		"webp":           {webp, upload.WebP, ""},
		"pdf":            {specimen.PDF(), upload.PDF, ""},
		"text":           {[]byte("Bé there at 5,\r\nplease\t<b>.\n"), upload.Text, ""},
		"text BMW":       {[]byte("BMW, MZ and the like"), upload.Text, ""},
		"csv":            {[]byte("\xef\xbb\xbfname,rooms\nA,2\n"), upload.Text, ""},
		"word":           {word, upload.Word, ""},
		"excel":          {specimen.Zip(specimen.Part{Name: "[Content_Types].xml", Data: []byte("x")}, specimen.Part{Name: "xl/workbook.xml", Data: []byte("x")}), upload.Excel, ""},
		"powerpoint":     {specimen.Zip(specimen.Part{Name: "[Content_Types].xml"}, specimen.Part{Name: "ppt/presentation.xml", Data: []byte("x")}, specimen.Part{Name: "ppt/embeddings/a.xlsx", Data: word}), upload.PowerPoint, ""},
		"empty":          {nil, "", "422 empty"},
		"svg":            {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "", "415 page"},
		"svg after BOM":  {[]byte("\xef\xbb\xbf \n<?xml version='1.0'?><svg/>"), "", "415 page"},
		"html":           {[]byte("\n <!doctype html><title>x</title>"), "", "415 page"},
		"script":         {[]byte("#!/bin/sh\nrm -rf /\n"), "", "415 kind_not_taken"},
		"heic":           {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), "", "415 kind_not_taken"},
		"mp4":            {[]byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00"), "", "415 kind_not_taken"},
		"old word":       {[]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1aaaa"), "", "415 kind_not_taken"},
		"program":        {[]byte("MZ\x90\x00\x03\x00"), "", "415 kind_not_taken"},
		"latin-1":        {[]byte("caf\xe9 for you"), "", "415 kind_not_taken"},
		"late control":   {join(bytes.Repeat([]byte("a"), 70<<10), []byte{0}), "", "415 kind_not_taken"},
		"zip":            {specimen.Zip(specimen.Part{Name: "a.txt", Data: []byte("a")}), "", "415 kind_not_taken"},
		"no zip":         {[]byte("PK\x03\x04 not one"), "", "422 damaged"},
		"short pdf":      {specimen.PDF()[:60], "", "422 damaged"},
		"short word":     {word[:len(word)-30], "", "422 damaged"},
		"short png head": {specimen.PNG(4, 4)[:20], "", "422 damaged"},
		"pdf and zip":    {join(specimen.PDF(), specimen.Zip(specimen.Part{Name: "a"})), "", "422 two_kinds"},
		"text and zip":   {join([]byte("hello\n"), specimen.Zip(specimen.Part{Name: "a"})), "", "422 two_kinds"},
		"text and pdf":   {join([]byte("hello\n"), specimen.PDF()), "", "422 two_kinds"},
		"macros":         {specimen.Word(specimen.Part{Name: "word/vbaProject.bin", Data: []byte("x")}), "", "415 macros"},
		"way out":        {specimen.Word(specimen.Part{Name: "word/../../etc/passwd", Data: []byte("x")}), "", "422 damaged"},
		"nested":         {specimen.Word(specimen.Part{Name: "word/media/a", Data: word}), "", "422 nested"},
		"bomb":           {huge, "", "422 bomb"},
		"overlapped":     {specimen.Overlapped(4000, 1<<20), "", "422 bomb"},
		"many parts":     {specimen.Overlapped(6000, 10), "", "422 too_many_parts"},
		"many pixels":    {specimen.HugePNG(50_000, 50_000), "", "422 too_many_pixels"},
		"one long line":  {specimen.HugePNG(21_000, 1), "", "422 too_many_pixels"},
	} {
		kind, err := sort(c.file)
		if kind != c.kind || code(err) != c.code {
			t.Errorf("%s: %q %q (%v), want %q %q", name, kind, code(err), err, c.kind, c.code)
		}
	}
}

func code(err error) string {
	if err == nil {
		return ""
	}
	p, ok := problem.Of(err)
	if !ok || len(p.Errors) != 1 || p.Errors[0].Field != "file" || p.Errors[0].Detail == "" {
		return "no problem of the file: " + err.Error()
	}
	return map[int]string{413: "413 ", 415: "415 ", 422: "422 "}[p.Status] + p.Errors[0].Code
}

func redraw(t *testing.T, b []byte) ([]byte, upload.Kind) {
	t.Helper()
	k, err := sort(b)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	k, err = upload.Redraw(&out, bytes.NewReader(b), int64(len(b)), k)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), k
}

// What a picture tells besides its pixels is gone, and what was joined to it.
func TestRedraw(t *testing.T) {
	page := []byte("<script>alert(1)</script>")
	archive := specimen.Zip(specimen.Part{Name: "a.js", Data: page})
	comment := append(append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(2 + len(page))}, page...), specimen.JPEG(40, 20)[2:]...)
	for name, c := range map[string]struct {
		file []byte
		kind upload.Kind
		gone string
	}{
		"photo":        {specimen.Photo(40, 20, 1), upload.JPEG, specimen.Place},
		"jpeg comment": {comment, upload.JPEG, "<script"},
		"png and zip":  {join(specimen.PNG(40, 20), archive), upload.PNG, "PK\x03\x04"},
		"gif and js":   {join(specimen.GIF(40, 20), []byte("*/=1;alert(1)//")), upload.PNG, "alert"},
		"webp":         {join(webp, page), upload.PNG, "<script"},
	} {
		if !bytes.Contains(c.file, []byte(c.gone)) {
			t.Fatalf("%s: the control: %q was never in it", name, c.gone)
		}
		out, kind := redraw(t, c.file)
		if kind != c.kind || bytes.Contains(out, []byte(c.gone)) || bytes.Contains(out, []byte("Exif")) {
			t.Errorf("%s: %s, with %q in it: %t", name, kind, c.gone, bytes.Contains(out, []byte(c.gone)))
		}
		if m, _, err := image.Decode(bytes.NewReader(out)); err != nil || m.Bounds().Dx() < 1 {
			t.Errorf("%s: what was drawn cannot be read: %v", name, err)
		}
	}
	whole := specimen.JPEG(400, 200)
	for _, cut := range []int{len(whole) / 2, len(whole) - 40} {
		if _, err := upload.Redraw(io.Discard, bytes.NewReader(whole[:cut]), int64(cut), upload.JPEG); code(err) != "422 damaged" {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	var small bytes.Buffer
	if _, err := upload.Redraw(&small, bytes.NewReader(specimen.HugePNG(9999, 9999)), 100, upload.PNG); code(err) != "422 too_many_pixels" || small.Len() > 0 {
		t.Errorf("who does not ask first: %v", err)
	}
}

// Each orientation puts the red quarter where EXIF says it belongs.
func TestUpright(t *testing.T) {
	for orientation, want := range map[int]string{1: "left top", 2: "right top", 3: "right bottom", 4: "left bottom", 5: "left top", 6: "right top", 7: "right bottom", 8: "left bottom"} {
		for _, side := range []int{41, 40} {
			out, _ := redraw(t, specimen.Photo(side, 20, orientation))
			m, err := jpeg.Decode(bytes.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			w, h := m.Bounds().Dx(), m.Bounds().Dy()
			if orientation < 5 && (w != side || h != 20) || orientation >= 5 && (w != 20 || h != side) {
				t.Errorf("orientation %d of %d: %d × %d", orientation, side, w, h)
			}
			got := ""
			for where, p := range map[string]image.Point{"left top": {w / 4, h / 4}, "right top": {w * 3 / 4, h / 4}, "left bottom": {w / 4, h * 3 / 4}, "right bottom": {w * 3 / 4, h * 3 / 4}} {
				if r, _, b, _ := m.At(p.X, p.Y).RGBA(); r > 0xc000 && b < 0x4000 {
					got += where
				}
			}
			if got != want {
				t.Errorf("orientation %d: red is %q, want %q", orientation, got, want)
			}
		}
	}
}

func TestName(t *testing.T) {
	for _, c := range []struct {
		said string
		kind upload.Kind
		want string
	}{
		{"booking form.pdf", upload.PDF, "booking form.pdf"},
		{"Photo.JPEG", upload.JPEG, "Photo.jpeg"},
		{"photo.webp", upload.PNG, "photo.png"},
		{"../../etc/passwd", upload.Text, "passwd.txt"},
		{`C:\Users\me\scan.pdf`, upload.PDF, "scan.pdf"},
		{"invoice.pdf.exe", upload.PDF, "invoice.pdf_exe.pdf"},
		{"gpj.\u202eexe.txt", upload.Text, "gpj.exe.txt"},
		{"a\x00b\r\nSet-Cookie: x.txt", upload.Text, "abSet-Cookie_ x.txt"},
		{"", upload.PDF, "file.pdf"},
		{".htaccess", upload.Text, "htaccess.txt"},
		{"rates.csv", upload.Text, "rates.csv"},
		{"rates.html", upload.Text, "rates_html.txt"},
		{"契約書.docx", upload.Word, "契約書.docx"},
		{"...", upload.PDF, "file.pdf"},
		{strings.Repeat("é", 300) + ".pdf", upload.PDF, strings.Repeat("é", 90) + ".pdf"},
	} {
		if got := upload.Name(c.said, c.kind); got != c.want {
			t.Errorf("%q: %q, want %q", c.said, got, c.want)
		}
	}
	if got := upload.SaidName("attachment; filename=a.pdf; filename*=UTF-8''b%C3%BC%20c.pdf"); got != "bü c.pdf" && got != "" {
		t.Errorf("%q", got)
	}
	if got := upload.SaidName("attachment; filename*=UTF-8''b%C3%BC%20c.pdf"); got != "bü c.pdf" {
		t.Errorf("%q", got)
	}
	if got := upload.SaidName(upload.Disposition(`bü "c".pdf`, true)); got != `bü "c".pdf` {
		t.Errorf("%q", got)
	}
}

// A name has no part of a path, no control character and the ending of its
// kind, and is the same when it is cleaned again.
func FuzzName(f *testing.F) {
	for _, s := range []string{"a.pdf", "../a", "", "\u202egpj.exe", "a\x00.pdf", "é.JPEG", ".", strings.Repeat("x", 400)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		for _, k := range []upload.Kind{upload.PDF, upload.Text, upload.JPEG} {
			got := upload.Name(said, k)
			if !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\x00\r\n\u202e\"") || strings.HasPrefix(got, ".") || len(got) > 200 || len(got) < 4 {
				t.Errorf("%q: %q", said, got)
			}
			if again := upload.Name(got, k); again != got {
				t.Errorf("%q: %q, then %q", said, got, again)
			}
		}
	})
}

// Whatever it is, it is a kind or a problem of the file; a picture that is taken
// can be drawn, or is damaged.
func FuzzSort(f *testing.F) {
	for _, b := range [][]byte{specimen.JPEG(9, 9), specimen.PNG(9, 9), specimen.GIF(9, 9), webp, specimen.PDF(), specimen.Word(), specimen.Photo(9, 9, 6), specimen.Overlapped(3, 9), []byte("text"), {}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := sort(b)
		if (err == nil) == (k == "") || err != nil && strings.HasPrefix(code(err), "no problem") {
			t.Fatalf("%q: %v", k, err)
		}
		if err != nil || !k.Picture() {
			return
		}
		var out bytes.Buffer
		if _, err = upload.Redraw(&out, bytes.NewReader(b), int64(len(b)), k); err != nil {
			if p, ok := problem.Of(err); !ok || p.Status != 422 {
				t.Fatal(err)
			}
			return
		}
		if _, _, err := image.Decode(&out); err != nil {
			t.Fatal(err)
		}
	})
}
