package integration

import (
	"fmt"
	"sync"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
)

// allotment hands out runs of numbers that no other test has.
type allotment struct {
	mu    *sync.Mutex // guards all below
	all   v1alpha1.PortRange
	free  *bitmap.Set
	start int32 // where the search for the next run begins
}

// byName is where numbers are handed out only by name: for texts in golden files.
const byName = 1000

func newAllotment(all v1alpha1.PortRange) allotment {
	return allotment{mu: &sync.Mutex{}, all: all, free: bitmap.New(all.From, all.To), start: all.From + byName}
}

// run is a run of so many numbers.
func (a *allotment) run(size int32) v1alpha1.PortRange {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, begin := range []int32{a.start, a.all.From + byName} {
		for from := begin; from+size-1 <= a.all.To; from++ {
			r := v1alpha1.PortRange{From: from, To: from + size - 1}
			if a.isFree(r) {
				a.free.TakeRun(r.From, r.To)
				a.start = r.To + 1
				return r
			}
		}
	}
	panic(fmt.Sprintf("no run of %d numbers is left", size))
}

// exactly takes just these numbers, of those that are handed out by name.
func (a *allotment) exactly(r v1alpha1.PortRange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.isFree(r) || r.From < a.all.From || r.To >= a.all.From+byName {
		panic(fmt.Sprintf("%d-%d is another test's, or not handed out by name", r.From, r.To))
	}
	a.free.TakeRun(r.From, r.To)
}

func (a *allotment) isFree(r v1alpha1.PortRange) bool {
	for n := r.From; n <= r.To; n++ {
		if a.free.Taken(n) {
			return false
		}
	}
	return true
}

// giveBack ends a test's use of a run.
func (a *allotment) giveBack(r v1alpha1.PortRange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n := r.From; n <= r.To; n++ {
		a.free.GiveBack(n)
	}
}
