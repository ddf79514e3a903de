package apptest

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

// Notifications says what the user of the tab's device has answered: "prompt"
// (nothing yet), "granted" or "denied".
func (p *Page) Notifications(answer string) {
	p.t.Helper()
	c := chromedp.FromContext(p.ctx)
	_, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSetting(answer), BrowserContextID: c.BrowserContextID})
	p.must(err)
}

// Before has every page of the tab run the script first.
func (p *Page) Before(script string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	p.must(err)
}

// Deliverer finds the service worker of the origin; what it gives hands the
// worker a push, as the browser does once its push service has brought it.
func (p *Page) Deliverer(origin string) (deliver func(text string)) {
	p.t.Helper()
	found := make(chan serviceworker.RegistrationID, 100)
	p.must(chromedp.Listen(p.ctx, func(ev any) {
		if e, ok := ev.(*serviceworker.EventWorkerRegistrationUpdated); ok {
			for _, r := range e.Registrations {
				if !r.IsDeleted && r.ScopeURL == origin+"/app/" {
					select {
					case found <- r.RegistrationID:
					default:
					}
				}
			}
		}
	}))
	_, err := chromedp.Call(p.ctx, serviceworker.Enable, cdp.Empty{})
	p.must(err)
	select {
	case id := <-found:
		return func(text string) {
			p.t.Helper()
			_, err := chromedp.Call(p.ctx, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: origin, RegistrationID: id, Data: text})
			p.must(err)
		}
	case <-time.After(patience):
		p.fail("the page has no service worker")
		return nil
	}
}

// InWorker runs script in the tab's service worker, which must be running, and
// gives its value.
func InWorker[T any](p *Page, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.worker(), chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail("in the worker: %v\n%.300s", err, script)
	}
	return v
}

// worker is the running service worker. One is attached to once, and for as
// long as the tab lives: to let go of it would end it.
func (p *Page) worker() context.Context {
	p.t.Helper()
	ours := chromedp.FromContext(p.ctx).BrowserContextID
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		all, err := chromedp.Targets(p.ctx)
		p.must(err)
		for _, target := range all {
			if target.Type != "service_worker" || target.BrowserContextID != ours {
				continue
			}
			if p.workers[target.TargetID] == nil {
				ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithTargetID(target.TargetID))
				p.t.Cleanup(cancel)
				p.workers[target.TargetID] = ctx
			}
			return p.workers[target.TargetID]
		}
	}
	p.fail("no service worker runs")
	return nil
}

// Tap taps the notification with this tag, and says which window the worker
// opens; Chromium lets no program tap, so the worker gets the event of it.
func Tap(p *Page, tag string) (opened string) {
	p.t.Helper()
	return InWorker[string](p, fmt.Sprintf(`(async () => {
		let opened = ''
		const before = clients.openWindow
		clients.openWindow = async url => { opened = url; return null }
		const [n] = await registration.getNotifications({ tag: %q })
		const event = new NotificationEvent('notificationclick', { notification: n })
		const work = []
		event.waitUntil = p => work.push(p)
		self.dispatchEvent(event)
		await Promise.all(work)
		clients.openWindow = before
		return opened
	})()`, tag))
}
