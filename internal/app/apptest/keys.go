package apptest

import (
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Key presses a key.
func (p *Page) Key(keys string) {
	p.t.Helper()
	p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(keys)))
}

// enter presses Enter as a keyboard does: what its down prevents does not come.
// (chromedp's KeyEvent sends its character by itself, to whatever has the focus by then.)
func (p *Page) enter() {
	p.t.Helper()
	for _, what := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		_, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: what, Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 13})
		p.must(err)
	}
}

// KeyUntil presses a key until the words can be read: who has just opened a
// page presses it before the page listens.
func (p *Page) KeyUntil(keys, words string) {
	p.t.Helper()
	for end := time.Now().Add(patience); p.ctx.Err() == nil && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if p.says(words) {
			return
		}
		p.Key(keys)
	}
	p.fail("%q does not lead to %q; the page says:\n%s", keys, words, p.Text())
}

// Row opens the first row of the list, when it is there.
func Row(p *Page) {
	p.t.Helper()
	for end := time.Now().Add(patience); p.ctx.Err() == nil && time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		if Eval[bool](p, `(r => !!r && (r.click(), true))(document.querySelector('main [data-row]'))`) {
			return
		}
	}
	p.fail("the list stays empty; the page says:\n%s", p.Text())
}

// RowByKeys opens the first row of the list by the keyboard, when it is there.
func RowByKeys(p *Page) {
	p.t.Helper()
	for end := time.Now().Add(patience); p.ctx.Err() == nil && time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		if Eval[bool](p, `document.activeElement?.matches('main [data-row]')`) {
			p.enter()
			return
		}
		p.Key("j")
	}
	p.fail("no row takes the keys; the page says:\n%s", p.Text())
}
