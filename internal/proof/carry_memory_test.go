package proof

import "testing"

// grown are readings of a run of a million rows, from the one given on.
func grown(from int64, live, resident func(done float64) float64) (out []reading) {
	for done := from; done <= 1_000_000; done += 10_000 {
		d := float64(done) / 1_000_000
		out = append(out, reading{done, live(d), resident(d)})
	}
	return out
}

func TestFlatTellsGrowthFromNoise(t *testing.T) {
	level := func(v float64) func(float64) float64 { return func(float64) float64 { return v } }
	climb := func(from, by float64) func(float64) float64 { return func(d float64) float64 { return from + by*d } }
	saw := func(d float64) float64 { return 40 + float64(int(d*100)%7)*3 }
	warming := func(d float64) float64 { return min(500, 250+1500*d) }
	for name, c := range map[string]struct {
		fed  []reading
		want bool
	}{
		"level":                      {grown(0, level(40), level(400)), true},
		"after a kill":               {grown(200_000, level(40), level(400)), true},
		"batches on their way":       {grown(0, saw, level(400)), true},
		"caches that fill at first":  {grown(0, level(40), warming), true},
		"40 bytes a row":             {grown(0, climb(40, 38), level(400)), false},
		"pages that are never freed": {grown(0, level(40), climb(300, 200)), false},
		"more than a machine has":    {grown(0, level(40), level(1500)), false},
		"only the end was seen":      {grown(900_000, level(40), level(400)), false},
		"nothing was seen":           {nil, false},
	} {
		if ok, what := flat(c.fed, 1_000_000); ok != c.want {
			t.Errorf("%s: %v, %s", name, ok, what)
		}
	}
}

// A short run is held to absolute bounds.
func TestFlatOfAShortRun(t *testing.T) {
	for live, want := range map[float64]bool{60: true, 200: false} {
		var fed []reading
		for done := int64(0); done <= 20_000; done += 500 {
			fed = append(fed, reading{done, live, 300})
		}
		if ok, what := flat(fed, 20_000); ok != want {
			t.Errorf("%.0f MiB: %v, %s", live, ok, what)
		}
	}
}
