package main

import (
	"os"
	"runtime/debug"
)

// To read all Services and to plan them leaves several times as much garbage behind as it keeps. Collected at the pace that
// suits the time after, that is a third of the work of a start. So the collector is slow at first, and then everything
// that is not used goes back to the system at once: a node has better use for it.
const (
	percentAtStart = 400
	percentAfter   = 100 // Go's own
)

// spareCollector is to be called at the start, and what it returns when that is over. Where GOGC is set, that decides.
func spareCollector() (over func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(percentAtStart)
	return func() {
		debug.SetGCPercent(percentAfter)
		go debug.FreeOSMemory() // takes a while
	}
}
