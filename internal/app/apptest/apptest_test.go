package apptest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A page that breaks its policy, or throws, is noticed; one that does neither
// is not.
func TestFaultsOfAPageAreNoticed(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"/good":   `<body>good<script src="/good.js"></script></body>`,
		"/inline": `<body>inline<script>1</script></body>`,
		"/style":  `<body>style<p style="color:red">x</p></body>`,
		"/throw":  `<body>throw<script src="/throw.js"></script></body>`,
		"/markup": `<body>markup<script src="/markup.js"></script></body>`,
	}
	scripts := map[string]string{"/good.js": "document.body.dataset.x = 1", "/throw.js": "throw new Error('on purpose')", "/markup.js": "document.body.innerHTML = '<b>x</b>'"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'")
		if text, ok := scripts[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(text))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><link rel=icon href=\"data:,\">" + pages[r.URL.Path]))
	}))
	defer s.Close()
	p := start(t).Page()
	for path := range pages {
		p.Faults()
		p.Go(s.URL + path)
		p.See(strings.Trim(path, "/"))
		faults := p.Faults()
		for i := 0; i < len(faults); i++ { // the tab's own icon is not the page's
			if strings.Contains(faults[i], "data:,") {
				faults = append(faults[:i], faults[i+1:]...)
				i--
			}
		}
		if (path == "/good") != (len(faults) == 0) {
			t.Errorf("%s: %q", path, faults)
		}
	}
	p.Faults()
}

// A button that is another one by the time it is pressed is pressed again; a
// field that gives its focus away is not typed into.
func TestWhatMovesIsPressedAgain(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{
		"/button.js": `let drawn = 0
			const draw = () => { const b = document.createElement('button'); b.textContent = 'Yes'; b.onclick = () => { document.body.append('taken ' + drawn) }
				if (drawn++ < 3) b.onpointerdown = draw
				else if (drawn++ < 6) b.onpointerdown = () => { b.style.transform = 'translateY(200px)'; setTimeout(draw) } // the body is clicked
				document.body.replaceChildren(b) }
			draw()`,
		"/field.js": `let tries = 0
			document.querySelector('input').onfocus = e => { if (tries++ < 3) e.target.blur() }
			document.querySelector('input').oninput = e => document.body.append('said ' + e.target.value + ' ' + tries)`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text, ok := scripts[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(text))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><body><label>Name <input></label><script src=" + r.URL.Path + ".js></script></body>"))
	}))
	defer s.Close()
	p := start(t).Page()
	p.Go(s.URL + "/button")
	p.Press("Yes")
	p.See("taken 7")
	p.Go(s.URL + "/field")
	p.Type("Name", "Ada")
	p.See("said Ada 4")
}

// A tab that crashes is told from one that shows the wrong thing, and only to
// who asked; what its driver panics about stays a panic.
func TestACrashedTabIsNoticed(t *testing.T) {
	t.Parallel()
	b := start(t)
	p := b.Page()
	if p.Crashed(func() { p.Go("about:blank") }) {
		t.Error("a tab that is there is said to have crashed")
	}
	if !p.Crashed(func() {
		_ = chromedp.Do(p.ctx, chromedp.Navigate("chrome://crash"))
		p.See("what cannot be seen any more")
	}) {
		t.Error("the crash was not noticed")
	}
	p = b.Page()
	defer func() {
		if e := recover(); e != "its own" {
			t.Errorf("recovered %v", e)
		}
	}()
	p.Crashed(func() { panic("its own") })
}
