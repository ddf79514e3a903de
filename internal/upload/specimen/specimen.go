// Package specimen makes files for tests and proofs of what comes in: honest
// ones, and those that somebody makes to do harm.
package specimen

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
)

// Place is what a picture of Photo says in its EXIF: a place, and a name.
const Place = "CanaryCamera"

func must(err error) {
	if err != nil {
		panic(err) // into memory nothing fails
	}
}

// Corner is a picture of w × h points: blue, with a red quarter at its upper
// left.
func Corner(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{B: 255, A: 255}
			if x < w/2 && y < h/2 {
				c = color.NRGBA{R: 255, A: 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// JPEG, PNG and GIF are honest pictures of Corner.
func JPEG(w, h int) []byte {
	var b bytes.Buffer
	must(jpeg.Encode(&b, Corner(w, h), nil))
	return b.Bytes()
}

// PNG is Corner.
func PNG(w, h int) []byte {
	var b bytes.Buffer
	must(png.Encode(&b, Corner(w, h)))
	return b.Bytes()
}

// GIF is Corner.
func GIF(w, h int) []byte {
	var b bytes.Buffer
	must(gif.Encode(&b, Corner(w, h), nil))
	return b.Bytes()
}

// Photo is a JPEG as a camera makes it: with an orientation, the camera's name,
// and where it was taken (EXIF, CIPA DC-008: IFD0 and the GPS IFD).
func Photo(w, h, orientation int) []byte {
	var t bytes.Buffer
	le := binary.LittleEndian
	entry := func(tag, kind uint16, count uint32, value uint32) {
		must(binary.Write(&t, le, tag))
		must(binary.Write(&t, le, kind))
		must(binary.Write(&t, le, count))
		must(binary.Write(&t, le, value))
	}
	camera := Place + "\x00"
	const ifd0, gps = 8, 8 + 2 + 3*12 + 4
	name := uint32(gps + 2 + 4*12 + 4)
	places := name + uint32(len(camera)+1)/2*2
	t.WriteString("II*\x00")
	must(binary.Write(&t, le, uint32(ifd0)))
	must(binary.Write(&t, le, uint16(3)))
	entry(0x0110, 2, uint32(len(camera)), name) // Model
	entry(0x0112, 3, 1, uint32(orientation))    // Orientation
	entry(0x8825, 4, 1, gps)                    // the GPS IFD
	must(binary.Write(&t, le, uint32(0)))       // no next IFD
	must(binary.Write(&t, le, uint16(4)))       // entries of GPS
	entry(1, 2, 2, uint32('N'))                 // GPSLatitudeRef
	entry(2, 5, 3, places)                      // GPSLatitude
	entry(3, 2, 2, uint32('W'))                 // GPSLongitudeRef
	entry(4, 5, 3, places+24)                   // GPSLongitude
	must(binary.Write(&t, le, uint32(0)))       // no next IFD
	t.WriteString(camera)
	if t.Len()%2 == 1 {
		t.WriteByte(0)
	}
	for _, r := range []uint32{51, 1, 30, 1, 2622, 100, 0, 1, 7, 1, 3921, 100} {
		must(binary.Write(&t, le, r))
	}
	plain := JPEG(w, h)
	exif := append([]byte("Exif\x00\x00"), t.Bytes()...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte((len(exif) + 2) >> 8), byte(len(exif) + 2)}, exif...)
	return append(out, plain[2:]...)
}

// HugePNG says of itself that it has w × h points, and has none.
func HugePNG(w, h uint32) []byte {
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		body := append([]byte(kind), data...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		out = append(out, body...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(nil, w)
	head = binary.BigEndian.AppendUint32(head, h)
	chunk("IHDR", append(head, 8, 6, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c, 0x03, 0, 0, 0, 0, 1})
	chunk("IEND", nil)
	return out
}

// PDF is a page that says nothing.
func PDF() []byte {
	return []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")
}

// Part is a part of an archive.
type Part struct {
	Name string
	Data []byte
}

// Zip is an archive of parts.
func Zip(parts ...Part) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range parts {
		w, err := z.Create(p.Name)
		must(err)
		_, err = w.Write(p.Data)
		must(err)
	}
	must(z.Close())
	return b.Bytes()
}

// Word is a text file of Word, with more parts.
func Word(more ...Part) []byte {
	return Zip(append([]Part{{"[Content_Types].xml", []byte(`<?xml version="1.0"?><Types/>`)}, {"word/document.xml", []byte(`<w:document>` + "Booked." + `</w:document>`)}}, more...)...)
}

// Overlapped is a text file of Word whose directory names one part many times:
// a small file that unpacks to times × each bytes (Fifield, "A better zip bomb",
// 2019).
func Overlapped(times, each int) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range []Part{{"[Content_Types].xml", []byte("<Types/>")}, {"word/document.xml", make([]byte, each)}} {
		w, err := z.Create(p.Name)
		must(err)
		_, err = w.Write(p.Data)
		must(err)
	}
	must(z.Close())
	text := b.Bytes()
	at := bytes.Index(text, []byte("PK\x01\x02"))
	at += 4 + bytes.Index(text[at+4:], []byte("PK\x01\x02")) // of the second part
	end := bytes.LastIndex(text, []byte("PK\x05\x06"))
	entry := bytes.Clone(text[at:end])
	out := bytes.Clone(text[:end])
	for i := range times {
		again := bytes.Clone(entry)
		name := again[46:]
		name[0], name[1], name[2], name[3] = 'a'+byte(i%26), 'a'+byte(i/26%26), 'a'+byte(i/676%26), 'x'
		out = append(out, again...)
	}
	tail := bytes.Clone(text[end:])
	count := uint16(2 + times)
	binary.LittleEndian.PutUint16(tail[8:], count)
	binary.LittleEndian.PutUint16(tail[10:], count)
	first := bytes.Index(text, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(tail[12:], uint32(len(out)-first))
	binary.LittleEndian.PutUint32(tail[16:], uint32(first))
	return append(out, tail...)
}
