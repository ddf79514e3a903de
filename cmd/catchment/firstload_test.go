package main

import (
	"flag"
	"fmt"
	"slices"
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

const loaded = `(async () => {
	while (!self.usableAt) await new Promise(go => setTimeout(go, 20))
	return self.usableAt
})()`

// The first load of the desk, and the next one: four times slower a processor,
// 10 Mbit/s, 40 ms to the server. Issue 5 asks for 3 s and 1 s.
func TestFirstLoad(t *testing.T) {
	if *firstLoads == 0 {
		t.Skip("a measurement: make first-load")
	}
	b := apptest.Open(t)
	d := openDeskDemo(t)
	session := signInJSON(t, d.url, d.me)
	d.aDay(api{t, d.url, tokenOf(session)})
	var cold, warm []float64
	for n := range *firstLoads {
		phone := b.Page().Phone().Dark(false)
		phone.Go(d.url + "/healthz") // of the same origin, and nothing of the app
		apptest.Eval[bool](phone, fmt.Sprintf(`localStorage.setItem('catchment.session', %q), true`, session))
		phone.Before(usable)
		phone.Slow(4, 10e6, 40)
		phone.Go(d.url + "/app/desk?list=new")
		cold = append(cold, apptest.Eval[float64](phone, loaded))
		if n == 0 {
			t.Log(apptest.Eval[string](phone, waterfall))
		}
		awaitWorker(phone)
		phone.Go("about:blank")
		phone.Go(d.url + "/app/desk?list=new")
		warm = append(warm, apptest.Eval[float64](phone, loaded))
		if n == 0 {
			t.Log(apptest.Eval[string](phone, waterfall))
		}
		phone.Go("about:blank")
	}
	t.Logf("first load: %s", spread(cold))
	t.Logf("again:      %s", spread(warm))
	if middleOf(cold) > 3000 || middleOf(warm) > 1000 {
		t.Errorf("the desk is usable after %.0f ms and %.0f ms; wanted under 3000 and 1000", middleOf(cold), middleOf(warm))
	}
}

const waterfall = `performance.getEntriesByType('resource').map(e => [Math.round(e.startTime), Math.round(e.responseEnd), e.name.replace(/^.*\/(app|v1)/, '$1')].join(' ')).join('\n') + '\nscript until usable at ' + Math.round(self.usableAt)`

func middleOf(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }

func spread(all []float64) string {
	return fmt.Sprintf("%.0f ms (%.0f to %.0f)", middleOf(all), slices.Min(all), slices.Max(all))
}
