// Package apptest is for tests only: it drives the web app in Chromium as a
// person would, by the words on the screen. A page that breaks its own content
// policy, or throws, fails the test.
package apptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"catchment/internal/app"
)

// patience is for what should take moments, on a busy machine.
const patience = 60 * time.Second

// stuck is how long a page may stay at one address.
const stuck = 5 * time.Minute

// Browser is a Chromium of the test's own, with an empty profile.
type Browser struct {
	t       testing.TB
	ctx     context.Context
	profile string
}

// Open starts it, and skips the test where Chromium or the built app is
// missing.
func Open(t testing.TB) *Browser {
	t.Helper()
	if d, err := app.New(""); err != nil || !d.Built() {
		t.Skip("the app is not built in: make build")
	}
	return start(t)
}

func start(t testing.TB) *Browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("Chromium is not installed: make deps")
	}
	profile := t.TempDir()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(profile), chromedp.WSURLReadTimeout(3*patience), chromedp.WindowSize(1440, 1000), // what lies beyond the window gets no clicks
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-GB"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, cancelBrowser := chromedp.NewContext(ctx)
	t.Cleanup(func() { cancelBrowser(); cancel() })
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return &Browser{t, ctx, profile}
}

// Page is a tab. Its methods fail the test.
type Page struct {
	t    testing.TB
	ctx  context.Context
	stop context.CancelCauseFunc
	end  *time.Timer // of a page that is stuck

	// Close closes the tab, once.
	Close func()

	workers map[target.ID]context.Context
	others  func(words string) []string // what else the words may be called

	survives bool // a crash, as its driver tries again

	mu     sync.Mutex
	faults []string
}

// Own opens a tab that keeps what it keeps in the browser's profile, on disk.
func (b *Browser) Own() *Page {
	b.t.Helper()
	return b.page()
}

// Profile is the folder of what the browser keeps; some of it is written only
// when it ends.
func (b *Browser) Profile() string { return b.profile }

// End closes the browser, so that all that it keeps is on disk, and gives the
// folder of its profile.
func (b *Browser) End() (profile string) {
	b.t.Helper()
	if err := chromedp.Cancel(b.ctx); err != nil {
		b.t.Fatalf("Chromium does not end: %v", err)
	}
	return b.profile
}

// Page opens a tab with storage of its own: another device.
func (b *Browser) Page() *Page {
	b.t.Helper()
	return b.page(chromedp.WithNewBrowserContext())
}

func (b *Browser) page(how ...chromedp.ContextOption) *Page {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, how...)
	ctx, stop := context.WithCancelCause(ctx)
	end := time.AfterFunc(stuck, func() { stop(fmt.Errorf("at one address for %v", stuck)) })
	p := &Page{t: b.t, ctx: ctx, stop: stop, end: end, workers: map[target.ID]context.Context{}}
	p.Close = sync.OnceFunc(func() {
		end.Stop()
		stop(nil)
		cancel()
	})
	b.t.Cleanup(func() {
		if b.t.Failed() && ctx.Err() == nil {
			b.t.Logf("the page at the end:\n%.1500s", p.Text())
		}
		p.Close()
		for _, f := range p.Faults() {
			b.t.Errorf("the page: %s", f)
		}
	})
	p.must(chromedp.Listen(ctx, p.hear))
	p.must(chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	_, err := chromedp.Call(ctx, log.Enable, cdp.Empty{})
	p.must(err)
	_, err = chromedp.Call(ctx, inspector.Enable, cdp.Empty{})
	p.must(err)
	return p
}

// hear notes what the page did wrong.
func (p *Page) hear(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		p.faults = append(p.faults, "exception: "+text)
	case *cdppage.EventJavascriptDialogOpening:
		if e.Type != cdppage.DialogTypeBeforeunload {
			p.faults = append(p.faults, "dialog: "+e.Message)
		}
		go func() { // who leaves a draft behind says yes; a page that asks answers nothing else
			_, _ = chromedp.Call(p.ctx, cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{Accept: true})
		}()
	case *inspector.EventTargetCrashed: // it would never answer
		p.stop(ErrCrashed)
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceSecurity || strings.Contains(e.Entry.Text, "Content Security Policy") || strings.Contains(e.Entry.Text, "Trusted") {
			p.faults = append(p.faults, "policy: "+e.Entry.Text)
		}
	}
}

// For has what goes wrong from now on fail this test: a part of the page's.
func (p *Page) For(t testing.TB) *Page {
	p.t = t
	return p
}

// Faults takes what the page did wrong so far.
func (p *Page) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.faults
	p.faults = nil
	return out
}

func (p *Page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.fail("%v", p.because(err))
	}
}

// ErrCrashed is of a tab whose process has ended, as Chromium's do when a
// worker still writes to the origin's private files while its page is taken down.
var ErrCrashed = errors.New("the tab crashed")

// Crashed calls what drives the page, and says whether the tab crashed
// meanwhile: it can be tried again on another.
func (p *Page) Crashed(drive func()) (crashed bool) {
	p.t.Helper()
	p.survives = true
	defer func() {
		p.survives = false
		switch e := recover(); {
		case e == ErrCrashed:
			crashed = true
		case e != nil:
			panic(e)
		}
	}()
	drive()
	return false
}

func (p *Page) fail(format string, args ...any) {
	p.t.Helper()
	if p.survives && errors.Is(context.Cause(p.ctx), ErrCrashed) {
		panic(ErrCrashed)
	}
	if p.ctx.Err() != nil {
		format, args = format+"\n(the page was ended: %v)", append(args, context.Cause(p.ctx))
	}
	p.t.Fatalf(format, args...)
}

// because says why the page was ended, where it was.
func (p *Page) because(err error) error {
	if p.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(p.ctx))
	}
	return err
}

// Phone makes the tab a phone's: 390 by 844 points, touched.
func (p *Page) Phone() *Page {
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)))
	return p
}

// Tablet makes the tab a tablet's: 834 by 1112 points, touched.
func (p *Page) Tablet() *Page {
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(834, 1112, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)))
	return p
}

// Desktop makes the tab a screen's: 1440 by 900 points.
func (p *Page) Desktop() *Page {
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(1440, 900)))
	return p
}

// Dark says what the system of the device prefers.
func (p *Page) Dark(dark bool) *Page {
	value := "light"
	if dark {
		value = "dark"
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	p.must(err)
	return p
}

// Go opens the address.
func (p *Page) Go(url string) {
	p.t.Helper()
	p.end.Reset(stuck)
	p.must(chromedp.Do(p.ctx, chromedp.Navigate(url)))
}

// Outside has links that lead to the phone's other apps lead nowhere, and says
// where the last one led: Chromium would ask in a window of its own, which
// nobody answers here.
func (p *Page) Outside() (led func() string) {
	p.t.Helper()
	Eval[bool](p, `document.addEventListener('click', e => {
		const a = e.target.closest('a')
		if (a && !/^https?:/.test(a.protocol)) { e.preventDefault(); window.ledOutside = a.href }
	}, true), true`)
	return func() string { return Eval[string](p, `window.ledOutside ?? ''`) }
}

// Authenticator gives the tab's device one that makes passkeys, and a user who
// is there and says yes.
func (p *Page) Authenticator() {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{})
	p.must(err)
	_, err = chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, HasPrf: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
	p.must(err)
}

// Eval runs script in the page and gives its value.
func Eval[T any](p *Page, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail("%v\n%.300s", p.because(err), script)
	}
	return v
}

// Text is what can be read on the page.
func (p *Page) Text() string {
	s, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return s
}

// find is script: the visible, enabled element that a person would call by the
// words: its label, its text, the whole of it before a part.
const find = `(() => {
  const called = %s, kinds = %s
  const name = e => (e.getAttribute('aria-label') || (e.labels && [...e.labels].map(l => l.innerText).join(' ')) || e.innerText || '').replace(/\s+/g, ' ').trim()
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 && getComputedStyle(e).visibility !== 'hidden' && !e.closest('[inert], [aria-hidden=true]') }
  const all = [...document.querySelectorAll(kinds)].filter(e => seen(e) && !e.disabled && e.getAttribute('aria-disabled') !== 'true')
  const first = is => called.flatMap(words => all.find(e => is(name(e), words)) ?? [])[0]
  const e = first((n, words) => n === words) || first((n, words) => n.includes(words))
  if (!e) return null
  e.scrollIntoView({ block: 'center' })
  const r = e.getBoundingClientRect()
  const top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2)
  if (!top || !(e.contains(top) || top.contains(e))) return null
  window.aimed = e
  return [r.x + r.width / 2, r.y + r.height / 2]
})()`

const (
	pressed = "button, a, [role=button], [role=tab], [role=menuitem], [role=option], [role=radio], [role=combobox]"
	typed   = "input, textarea"
)

// Translate has the page's words found in another language too: what Press,
// Type and See are given in English may stand there as any of others.
func (p *Page) Translate(others func(words string) []string) *Page {
	p.others = others
	return p
}

func (p *Page) called(words string) []string {
	if p.others == nil {
		return []string{words}
	}
	return append([]string{words}, p.others(words)...)
}

func (p *Page) at(words, kinds string) (x, y float64) {
	p.t.Helper()
	w, _ := json.Marshal(p.called(words))
	k, _ := json.Marshal(kinds)
	script := fmt.Sprintf(find, w, k)
	var before []float64
	for end := time.Now().Add(patience); p.ctx.Err() == nil && time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		v, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](script))
		if err == nil && len(v) == 2 && len(before) == 2 && v[0] == before[0] && v[1] == before[1] { // it stands still
			return v[0], v[1]
		}
		before = v
	}
	p.fail("there is no %q to press or fill in; the page says:\n%s", words, p.Text())
	return 0, 0
}

// Press presses the button, link, tab or choice of these words. What is drawn
// anew under the pointer, or slides away, is pressed again, as a person would.
func (p *Page) Press(words string) {
	p.t.Helper()
	p.click(words, pressed, `(() => {
		const e = window.aimed
		window.struck = false
		const strike = what => document.addEventListener(what, ev => { window.struck ||= e.contains(ev.target) || !!ev.target.closest('label')?.contains(e) }, { capture: true, once: true })
		strike('click')
		if (e.ariaExpanded !== null || e.role === 'combobox') strike('pointerdown')
		return true
	})()`, `window.struck ?? true`) // or the page is another by now
}

// Open presses what opens something, until it shows. A page that is still
// growing may draw anew what was just opened, and a person presses again.
func (p *Page) Open(words, shows string) {
	p.t.Helper()
	for end := time.Now().Add(patience); p.ctx.Err() == nil && time.Now().Before(end); {
		p.Press(words)
		for soon := time.Now().Add(patience / 6); p.ctx.Err() == nil && time.Now().Before(soon); time.Sleep(40 * time.Millisecond) {
			if p.says(shows) {
				return
			}
		}
	}
	p.fail("%q opens nothing with %q; the page says:\n%s", words, shows, p.Text())
}

// Type types the text into the field of this label.
func (p *Page) Type(label, text string) {
	p.t.Helper()
	p.click(label, typed, `true`, `document.activeElement === window.aimed`)
	_, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text})
	p.must(err)
}

// Tick ticks the first box of these words.
func (p *Page) Tick(words string) {
	p.t.Helper()
	p.click(words, "input[type=checkbox]", `true`, `window.aimed.checked || !window.aimed.isConnected`)
}

// click clicks what find finds until struck, a script, says that it took it.
func (p *Page) click(words, kinds, before, struck string) {
	p.t.Helper()
	for end := time.Now().Add(patience); p.ctx.Err() == nil && time.Now().Before(end); {
		x, y := p.at(words, kinds)
		if took, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](before)); err != nil || !took {
			continue // a new page since
		}
		p.must(chromedp.Do(p.ctx, chromedp.MouseClickXY(x, y)))
		if took, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](struck)); err != nil || took {
			return
		}
	}
	p.fail("%q does not take what is pressed; the page says:\n%s", words, p.Text())
}

// says is whether the words can be read.
func (p *Page) says(words string) bool {
	text := p.Text()
	return slices.ContainsFunc(p.called(words), func(w string) bool { return strings.Contains(text, w) })
}

// Down scrolls to where the words stand.
func (p *Page) Down(words string) {
	p.t.Helper()
	p.See(words)
	called, _ := json.Marshal(p.called(words))
	Eval[bool](p, fmt.Sprintf(`(() => {
		const walk = document.createTreeWalker(document.querySelector('main') ?? document.body, NodeFilter.SHOW_TEXT)
		for (let n; (n = walk.nextNode());) if (%s.some(w => n.data.includes(w))) return n.parentElement.scrollIntoView({ block: 'center' }), true
		return false })()`, called))
}

// Printed has the page be what paper shows, until its end.
func (p *Page) Printed() {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	p.must(err)
}

// See waits until the words can be read on the page.
func (p *Page) See(words string) {
	p.t.Helper()
	p.await(words, true)
}

// Gone waits until the words can not be read any more.
func (p *Page) Gone(words string) {
	p.t.Helper()
	p.await(words, false)
}

func (p *Page) await(words string, there bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); p.ctx.Err() == nil && time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		if p.says(words) == there {
			return
		}
	}
	p.fail("wanted %q on the page: %v; it says:\n%s", words, there, p.Text())
}

// Shot is a picture of what the window shows, as PNG.
func (p *Page) Shot() []byte {
	p.t.Helper()
	return p.capture(cdppage.CaptureScreenshotParams{})
}

// capture asks again when no frame comes: Chromium draws none of a tab that it
// takes to be behind another.
func (p *Page) capture(how cdppage.CaptureScreenshotParams) []byte {
	p.t.Helper()
	for tries := 1; ; tries++ {
		_, err := chromedp.Call(p.ctx, cdppage.BringToFront, cdp.Empty{})
		p.must(err)
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		r, err := chromedp.Call(ctx, cdppage.CaptureScreenshot, how)
		cancel()
		if err == nil || tries == 3 || p.ctx.Err() != nil {
			p.must(err)
			return r.Data
		}
	}
}

// Small is a picture of what the window shows, as WebP, for pages that show it.
func (p *Page) Small() []byte {
	p.t.Helper()
	quality := int64(80)
	return p.capture(cdppage.CaptureScreenshotParams{Format: cdppage.CaptureScreenshotFormatWebp, Quality: &quality})
}

// Violation is what axe says of a page.
type Violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Where string `json:"where"`
}

// Axe lists where the page keeps people out, by axe-core's rules for WCAG 2.2
// at A and AA, and its best practices. The script is axe.min.js.
func (p *Page) Axe(script string) []Violation {
	p.t.Helper()
	Eval[bool](p, script+"\n;true")
	return Eval[[]Violation](p, `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(r =>
		r.violations.flatMap(v => v.nodes.slice(0, 3).map(n => ({id: v.id, help: v.help, where: n.html.slice(0, 200) + ' ' + (n.any[0]?.message ?? '')}))))`)
}

// Settle waits until fonts are there, nothing is awaited from the server and
// nothing moves; where something always does, five seconds.
func Settle(p *Page) {
	p.t.Helper()
	last, still := "", 0
	for end := time.Now().Add(5 * time.Second); still < 4 && time.Now().Before(end); time.Sleep(60 * time.Millisecond) {
		now := Eval[string](p, `[document.fonts.status, document.body.innerHTML.length, performance.getEntriesByType('resource').length,
			document.getAnimations().filter(a => a.playState === 'running' && a.effect?.getComputedTiming().iterations !== Infinity).length].join(' ')`)
		if still++; now != last || !strings.HasPrefix(now, "loaded ") || !strings.HasSuffix(now, " 0") {
			still = 0
		}
		last = now
	}
}
