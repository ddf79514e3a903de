package apptest

import (
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// Slow makes the tab's processor slower, so many times, and its network one of
// these bits a second and this latency (ms).
func (p *Page) Slow(times, bits, latency float64) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: times})
	p.must(err)
	_, err = chromedp.Call(p.ctx, network.Enable, network.EnableParams{})
	p.must(err)
	_, err = chromedp.Call(p.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Latency: latency, DownloadThroughput: bits / 8, UploadThroughput: bits / 8}}})
	p.must(err)
}

// Forget has the browser know nothing of the origin any more: neither what its
// pages have kept, nor files, nor code made of them.
func (p *Page) Forget(origin string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, storage.ClearDataForOrigin, storage.ClearDataForOriginParams{Origin: origin, StorageTypes: "all"})
	p.must(err)
	_, err = chromedp.Call(p.ctx, network.ClearBrowserCache, cdp.Empty{})
	p.must(err)
}
