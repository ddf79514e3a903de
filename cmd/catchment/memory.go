package main

import (
	"os"
	"runtime/debug"
)

// letGarbageGrow trades memory for time: what lives is a few dozen megabytes
// and most of it stays, so collecting at four times that rather than two saves
// a tenth of the time a lead costs. Near a gigabyte the collector works as hard
// as it must. GOGC and GOMEMLIMIT in the environment are obeyed instead.
func letGarbageGrow() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(1 << 30)
	}
}
