package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"catchment/internal/app/apptest"
)

var firstLoads = flag.Int("first-load", 0, "so many times, open the desk on a slow phone and say how long it takes, as `make first-load` does")

// usable notes when a row of the day's list stands on the screen and can be
// tapped: the second frame after it is there.
const usable = `(() => {
	const look = () => {
		const row = document.querySelector('main [data-row]')
		if (!row || !row.getBoundingClientRect().height) return requestAnimationFrame(look)
		requestAnimationFrame(() => setTimeout(() => { self.usableAt = performance.now() }))
	}
	requestAnimationFrame(look)
})()`

// phases are the moments of a load, in ms from its beginning.
const phases = `(async () => {
	for (const end = Date.now() + 30e3; !self.usableAt; await new Promise(go => setTimeout(go, 20))) {
		if (Date.now() > end) throw new Error('no row came: ' + location + ' ' + document.visibilityState + ' ' + document.body.innerText)
	}
	const all = performance.getEntriesByType('resource'), end = of => Math.max(0, ...of.map(e => e.responseEnd))
	const page = performance.getEntriesByType('navigation')[0]
	const scripts = [...document.querySelectorAll('script[src], link[rel=modulepreload]')].map(e => e.src || e.href)
	const names = all.filter(e => e.name.includes('include=person'))
	return {
		page: page.responseEnd,
		scripts: end(all.filter(e => scripts.includes(e.name) && e.startTime < page.domInteractive)),
		asked: Math.min(...names.map(e => e.startTime)),
		answered: end(names),
		usable: self.usableAt,
		openings: names.length,
	}
})()`

// loads are the phases of several loads of a kind.
type loads []map[string]float64

func (l loads) middle(phase string) float64 {
	var all []float64
	for _, one := range l {
		all = append(all, one[phase])
	}
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func (l loads) String() string {
	var b strings.Builder
	var all []float64
	for _, one := range l {
		all = append(all, one["usable"])
	}
	fmt.Fprintf(&b, "usable after %4.0f ms (%.0f to %.0f):", l.middle("usable"), slices.Min(all), slices.Max(all))
	for _, phase := range []string{"page", "scripts", "asked", "answered"} {
		fmt.Fprintf(&b, " %s %.0f", phase, l.middle(phase))
	}
	return b.String()
}

// The first load of the desk, the next one, and the one after, as its icon
// opens it: four times slower a processor, 10 Mbit/s, 40 ms to the server.
// Issue 5 asks for 3 s and 1 s. The control is the same without any of it.
func TestFirstLoad(t *testing.T) {
	if *firstLoads == 0 {
		t.Skip("a measurement: make first-load")
	}
	b := apptest.Open(t)
	d := openDeskDemo(t)
	session := signInJSON(t, d.url, d.me)
	d.aDay(api{t, d.url, tokenOf(session)})
	var slow, quick [3]loads
	for range *firstLoads {
		d.loads(b, session, &slow, func(p *apptest.Page) { p.Slow(4, 10e6, 40) })
		d.loads(b, session, &quick, func(*apptest.Page) {})
	}
	for i, name := range []string{"first", "again", "third"} {
		t.Logf("%s  %s", name, slow[i])
		t.Logf("control %s", quick[i])
		if most := []float64{3000, 1000, 1000}[i]; slow[i].middle("usable") > most {
			t.Errorf("%s: the desk is usable after %.0f ms; wanted under %.0f", name, slow[i].middle("usable"), most)
		}
		if slow[i].middle("usable") <= quick[i].middle("usable") {
			t.Errorf("%s: the slow phone is not slower than the control", name)
		}
	}
}

// loads opens the desk on a phone that never had it, and twice more; the last
// time its first row is tapped. It is the browser's own profile, as a phone has
// it, with nothing of the app left in it.
func (d *deskDemo) loads(b *apptest.Browser, session string, to *[3]loads, slow func(*apptest.Page)) {
	phone := b.Own().Phone().Dark(false)
	defer phone.Close()
	phone.Forget(d.url)
	phone.Go(d.url + "/healthz") // of the same origin, and nothing of the app
	apptest.Eval[bool](phone, fmt.Sprintf(`localStorage.setItem('catchment.session', %q), true`, session))
	phone.Before(usable)
	slow(phone)
	for i := range to {
		phone.Go(d.url + "/app/")
		one := apptest.Eval[map[string]float64](phone, phases)
		if one["openings"] != 1 {
			d.t.Errorf("names were asked for %.0f times: each is an opening on the record", one["openings"])
		}
		to[i] = append(to[i], one)
		if i == 0 {
			awaitWorker(phone)
		}
		if i < len(to)-1 {
			phone.Go("about:blank")
		}
	}
	apptest.Row(phone)
	phone.See("Next action") // the lead's page
}
