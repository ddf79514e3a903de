package apptest

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	_ "image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var writeIcons = flag.Bool("write-icons", false, "draw the icons of browser/app/public anew from sign.svg, as `make icons` does")

const public = "../../../browser/app/public"

// icon is a picture that phones want as PNG.
type icon struct {
	name string
	size int
	// whole: the ground fills the square and the sign keeps to its middle, since
	// the phone cuts it to a shape of its own (a circle of 80 % stays).
	// https://www.w3.org/TR/appmanifest/#icon-masks
	whole bool
	// alone: the sign in white on nothing; Android colours it.
	alone bool
}

var icons = []icon{
	{name: "icon-192.png", size: 192},
	{name: "icon-512.png", size: 512},
	{name: "maskable-192.png", size: 192, whole: true},
	{name: "maskable-512.png", size: 512, whole: true},
	{name: "apple-touch-icon.png", size: 180, whole: true},
	{name: "badge-96.png", size: 96, alone: true},
}

var ground = regexp.MustCompile(`<rect width="32" height="32" rx="7" fill="(#[0-9a-f]{6})"/>`)

// drawing is the sign's SVG in the icon's form.
func (i icon) drawing(t *testing.T, sign string) string {
	t.Helper()
	m := ground.FindStringSubmatchIndex(sign)
	if m == nil {
		t.Fatal("sign.svg has another ground than this test knows")
	}
	before, colour, rest := sign[:m[0]], sign[m[2]:m[3]], strings.TrimSuffix(strings.TrimSpace(sign[m[1]:]), "</svg>")
	switch {
	case i.alone:
		rest = strings.ReplaceAll(rest, "#f2fbfa", "#ffffff")
		return before + `<g transform="translate(16 16) scale(1.3) translate(-16 -16)">` + rest + "</g></svg>"
	case i.whole:
		return before + `<rect width="32" height="32" fill="` + colour + `"/><g transform="translate(16 16) scale(.85) translate(-16 -16)">` + rest + "</g></svg>"
	}
	return sign
}

// The icons in the build are pictures of the sign of the sizes that the
// manifest says. With -write-icons they are drawn.
func TestIcons(t *testing.T) {
	if *writeIcons {
		drawIcons(t)
	}
	manifest, err := os.ReadFile(filepath.Join(public, "catchment.webmanifest"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range icons {
		text, err := os.ReadFile(filepath.Join(public, i.name))
		if err != nil {
			t.Fatal(err)
		}
		img, kind, err := image.Decode(bytes.NewReader(text))
		if err != nil || kind != "png" || img.Bounds().Dx() != i.size || img.Bounds().Dy() != i.size {
			t.Errorf("%s: %v, a %s of %v", i.name, err, kind, img.Bounds())
			continue
		}
		_, _, _, corner := img.At(0, 0).RGBA()
		_, _, _, basin := img.At(i.size*21/32, i.size/2).RGBA()
		if i.whole != (corner == 0xffff) || basin != 0xffff {
			t.Errorf("%s: its corner has %x, its basin %x", i.name, corner, basin)
		}
		if strings.Contains(i.name, "1") && i.size != 180 && !strings.Contains(string(manifest), fmt.Sprintf(`"/app/%s", "sizes": "%dx%d"`, i.name, i.size, i.size)) {
			t.Errorf("%s is not in the manifest", i.name)
		}
	}
}

func drawIcons(t *testing.T) {
	t.Helper()
	sign, err := os.ReadFile(filepath.Join(public, "sign.svg"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i := strings.TrimPrefix(r.URL.Path, "/"); strings.HasSuffix(i, ".svg") {
			for _, icon := range icons {
				if icon.name+".svg" == i {
					w.Header().Set("Content-Type", "image/svg+xml")
					_, _ = w.Write([]byte(icon.drawing(t, string(sign))))
				}
			}
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><style>html,body{margin:0;background:transparent}img{display:block;width:100vw;height:100vh}</style><img src="%s.svg">`, r.URL.Path)
	}))
	defer s.Close()
	p := start(t).Page()
	for _, i := range icons {
		p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(int64(i.size), int64(i.size))))
		p.Go(s.URL + "/" + i.name)
		_, err := chromedp.Call(p.ctx, emulation.SetDefaultBackgroundColorOverride, emulation.SetDefaultBackgroundColorOverrideParams{Color: &cdp.RGBA{A: 1e-9}})
		p.must(err)
		shot, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png"})
		p.must(err)
		if err := os.WriteFile(filepath.Join(public, i.name), shot.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.Faults()
}
