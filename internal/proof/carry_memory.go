package proof

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// reading is an instance's memory when so many rows of an import were done.
type reading struct {
	done     int64
	live     float64 // MiB of the Go heap that its last collection found in use
	resident float64 // MiB, with SQLite's pages and what the collector has not given back
}

// carryBands is how many parts of a file the memory is compared by.
const carryBands = 10

// band is the memory in one part of a file: the middle of the live heap's
// readings, because a collection may come in the middle of a batch, and the
// highest of the resident set, because it is what a machine must have.
type band struct {
	readings       int
	live, resident float64
}

func bands(fed []reading, rows int64) (out [carryBands]band) {
	var live [carryBands][]float64
	for _, r := range fed {
		n := min(int(r.done*carryBands/max(rows, 1)), carryBands-1)
		live[n] = append(live[n], r.live)
		out[n].resident = max(out[n].resident, r.resident)
	}
	for n, list := range live {
		if out[n].readings = len(list); len(list) > 0 {
			slices.Sort(list)
			out[n].live = list[len(list)/2]
		}
	}
	return out
}

// The caches are warm after two tenths (200,000 rows of a million). From there
// to the end the live heap may grow by a tenth, or by 6 MiB, which is about a
// batch on its way; and the resident set by a tenth.
const (
	warmBands  = 2
	liveSlack  = 1.10
	liveLeast  = 6
	restSlack  = 1.10
	residentIn = 1024 // MiB; it must not depend on the file

	// In a shorter run caches are still filling at its end: it cannot tell
	// growth, and is held to absolute bounds.
	fillsCaches = 500_000 // rows
	liveIn      = 128     // MiB
)

// flat compares the bands from the first warm one to the last.
func flat(fed []reading, rows int64) (ok bool, what string) {
	if rows < fillsCaches {
		var live, resident float64
		for _, r := range fed {
			live, resident = max(live, r.live), max(resident, r.resident)
		}
		return len(fed) > 0 && live <= liveIn && resident <= residentIn, fmt.Sprintf("live heap at most %.1f MiB, resident %.0f MiB; %d rows are too few to tell more",
			live, resident, rows)
	}
	all := bands(fed, rows)
	first := slices.IndexFunc(all[:], func(b band) bool { return b.readings > 0 })
	if first < 0 || first+warmBands >= carryBands-1 {
		return false, "too few readings"
	}
	warm, last := all[first+warmBands], all[carryBands-1]
	if warm.readings == 0 || last.readings == 0 {
		return false, "too few readings"
	}
	before := 0.0 // the highest of the first half that is warm
	for _, b := range all[first+warmBands : first+warmBands+(carryBands-first-warmBands+1)/2] {
		before = max(before, b.resident)
	}
	ok = last.live <= max(warm.live*liveSlack, warm.live+liveLeast) && last.resident <= min(before*restSlack, residentIn)
	return ok, fmt.Sprintf("live heap %.1f → %.1f MiB, resident at most %.0f → %.0f MiB, from %d %% of the rows to the end",
		warm.live, last.live, before, last.resident, (first+warmBands)*100/carryBands)
}

// memoryNow reads an instance's memory. The runtime tells what its last
// collection found alive; nothing is collected for our sake.
func (i *instance) memoryNow(done int64) reading {
	r := reading{done: done}
	r.resident, _ = i.memory()
	resp, err := probes.Get("http://" + i.inner + "/metrics")
	if err != nil {
		return r
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "go_gc_heap_live_bytes "); found {
			n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			r.live = n / (1 << 20)
		}
	}
	return r
}

func highest(fed []reading) (most float64) {
	for _, r := range fed {
		most = max(most, r.resident)
	}
	return most
}
