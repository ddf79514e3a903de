package upload

import (
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/bep/imagemeta"
	"golang.org/x/image/webp"
)

// quality of a JPEG that is made anew: nobody sees the difference to the first.
const quality = 90

// configs read how large a picture says to be; nothing is decoded for it.
var configs = map[Kind]func(io.Reader) (image.Config, error){JPEG: jpeg.DecodeConfig, PNG: png.DecodeConfig, GIF: gif.DecodeConfig, WebP: webp.DecodeConfig}

var decoders = map[Kind]func(io.Reader) (image.Image, error){JPEG: jpeg.Decode, PNG: png.Decode, GIF: gif.Decode, WebP: webp.Decode}

// bounded refuses a picture that would take more memory than one may.
func bounded(r io.ReaderAt, size int64, k Kind) error {
	c, err := configs[k](io.NewSectionReader(r, 0, size))
	switch {
	case err != nil || c.Width < 1 || c.Height < 1:
		return bad("damaged", damaged)
	case c.Width > MaxSide || c.Height > MaxSide || int64(c.Width)*int64(c.Height) > MaxPixels:
		return bad("too_many_pixels", "The picture has %d × %d pixels; up to %d million are taken. Make it smaller, and send that.", c.Width, c.Height, MaxPixels/1_000_000)
	}
	return nil
}

// Redraw writes the picture's pixels as a new file, upright, and says of what
// kind that is: a JPEG stays one, also a WebP that was one; the others become
// PNG. Of moving pictures the first is kept. It takes some 12 bytes a pixel,
// and a second for the largest. k is what Sort said.
func Redraw(w io.Writer, r io.ReaderAt, size int64, k Kind) (Kind, error) {
	if err := bounded(r, size, k); err != nil { // also when Sort was not asked
		return "", err
	}
	m, err := decoders[k](io.NewSectionReader(r, 0, size))
	if err != nil {
		return "", bad("damaged", damaged)
	}
	m = upright(m, orientation(r, size, k))
	out := PNG
	if _, photo := m.(*image.YCbCr); photo || k == JPEG {
		out = JPEG
		err = jpeg.Encode(w, m, &jpeg.Options{Quality: quality})
	} else {
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, m)
	}
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	return out, nil
}

// Pixels says how wide and how high a picture is; nothing is decoded for it.
func Pixels(r io.ReaderAt, size int64, k Kind) (width, height int, err error) {
	if !k.Picture() {
		return 0, 0, bad("damaged", damaged)
	}
	c, err := configs[k](io.NewSectionReader(r, 0, size))
	if err != nil {
		return 0, 0, bad("damaged", damaged)
	}
	return c.Width, c.Height, nil
}

// orientation is the EXIF tag's value, 1 to 8; 1 when there is none, or it
// cannot be read: then the picture shows as it lies.
func orientation(r io.ReaderAt, size int64, k Kind) int {
	format, ok := map[Kind]imagemeta.ImageFormat{JPEG: imagemeta.JPEG, PNG: imagemeta.PNG, WebP: imagemeta.WebP}[k]
	if !ok {
		return 1
	}
	found := 1
	_, _ = imagemeta.Decode(imagemeta.Options{R: io.NewSectionReader(r, 0, size), ImageFormat: format, Sources: imagemeta.EXIF,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool { return t.Tag == "Orientation" && t.Namespace == "IFD0" },
		HandleTag: func(t imagemeta.TagInfo) error {
			if n, ok := t.Value.(uint16); ok && n >= 1 && n <= 8 {
				found = int(n)
			}
			return imagemeta.ErrStopWalking
		}})
	return found
}

// upright turns the picture as the EXIF orientation asks (CIPA DC-008, 4.6.4):
// from 5 on its sides are exchanged.
func upright(m image.Image, orientation int) image.Image {
	if orientation < 2 || orientation > 8 {
		return m
	}
	if y, ok := m.(*image.YCbCr); ok {
		if turned := turnPhoto(y, orientation); turned != nil {
			return turned
		}
	}
	from := image.NewNRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(from, from.Rect, m, m.Bounds().Min, draw.Src)
	to := image.NewNRGBA(turnedSize(from.Rect, orientation))
	turn(to.Pix, to.Stride, from.Pix, from.Stride, from.Rect.Dx(), from.Rect.Dy(), 4, orientation)
	return to
}

// turnPhoto turns the planes of a photo; nil when its colours are sampled as
// they cannot be when the sides are exchanged.
func turnPhoto(from *image.YCbCr, orientation int) *image.YCbCr {
	ratio := from.SubsampleRatio
	if orientation >= 5 {
		switch ratio {
		case image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio420:
		case image.YCbCrSubsampleRatio422:
			ratio = image.YCbCrSubsampleRatio440
		case image.YCbCrSubsampleRatio440:
			ratio = image.YCbCrSubsampleRatio422
		default:
			return nil
		}
	}
	w, h := from.Rect.Dx(), from.Rect.Dy()
	to := image.NewYCbCr(turnedSize(image.Rect(0, 0, w, h), orientation), ratio)
	turn(to.Y, to.YStride, from.Y[from.YOffset(from.Rect.Min.X, from.Rect.Min.Y):], from.YStride, w, h, 1, orientation)
	cw, ch := to.CStride, len(to.Cb)/to.CStride
	if orientation >= 5 {
		cw, ch = ch, cw
	}
	at := from.COffset(from.Rect.Min.X, from.Rect.Min.Y)
	turn(to.Cb, to.CStride, from.Cb[at:], from.CStride, cw, ch, 1, orientation)
	turn(to.Cr, to.CStride, from.Cr[at:], from.CStride, cw, ch, 1, orientation)
	return to
}

func turnedSize(r image.Rectangle, orientation int) image.Rectangle {
	if orientation >= 5 {
		return image.Rect(0, 0, r.Dy(), r.Dx())
	}
	return image.Rect(0, 0, r.Dx(), r.Dy())
}

// turn copies points of so many bytes from a plane of w × h.
func turn(to []byte, toStride int, from []byte, fromStride, w, h, bytes, orientation int) {
	tw, th := w, h
	if orientation >= 5 {
		tw, th = h, w
	}
	for y := range th {
		for x := range tw {
			sx, sy := x, y
			switch orientation {
			case 2:
				sx = w - 1 - x
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sy = h - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, h-1-x
			case 7:
				sx, sy = w-1-y, h-1-x
			case 8:
				sx, sy = w-1-y, x
			}
			copy(to[y*toStride+x*bytes:][:bytes], from[sy*fromStride+sx*bytes:])
		}
	}
}
