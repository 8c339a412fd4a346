package nodeproxy

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/activity"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

const (
	// useInterval is how often the kernel's counters are read. That takes it a microsecond a number: 3 ms for all 2,768 of
	// the default range, which is 0.02 % of a CPU.
	useInterval = 15 * time.Second
	// openInterval is how often it is looked which numbers connections are open to: that goes through all of the node's,
	// for 5 to 20 ms, and up to 0.1 s more for each 100,000.
	openInterval = activity.Interval
)

// counter counts new connections to numbers; *nft.Kernel is one.
type counter interface {
	Uses() (map[nft.Port]uint64, error)
}

// flowReader knows which connections there are; *conntrack.Table is one.
type flowReader interface {
	Each(visit func(conntrack.Connection)) error
}

// usage is what numbers are used for. The kernel is asked by sockets of its own, so that no change waits for it.
type usage struct {
	book    *activity.Book
	counter counter
	flows   flowReader

	// What follows is the own of the goroutine that reads.
	openDue time.Time
	said    string // the failure that was last logged
}

// watchUse reads how numbers are used, beside the loop, until ctx ends: once the kernel counts what Services have, and only
// while it is in step. Else a node that counts nothing would say that nothing is used.
func (a *Agent) watchUse(ctx context.Context) {
	select {
	case <-a.guardian.inForce:
	case <-ctx.Done():
		return
	}
	for ok := true; ok; ok = a.wait(ctx, useInterval) {
		if a.Status().Failure != nil {
			continue
		}
		err := a.usage.read(a.clock.Now(), a.fromOutside())
		switch {
		case err == nil:
			a.usage.said = ""
			a.reporter.Changed()
		case err.Error() != a.usage.said:
			a.usage.said = err.Error()
			a.log.Info("Cannot tell how node ports are used, it is tried again", "reason", err.Error())
		}
	}
}

// read reads the counters, and now and then which connections are open.
func (u *usage) read(now time.Time, fromOutside func(conntrack.Connection) bool) error {
	counts, err := u.counter.Uses()
	if err != nil {
		return err
	}
	reading := activity.Reading{At: now, Counts: counts}
	if !now.Before(u.openDue) {
		u.openDue = now.Add(openInterval)
		reading.Open, err = u.open(counts, fromOutside)
	}
	u.book.Take(reading)
	return err
}

// open are the numbers, of those that are counted, that connections from outside are open to.
func (u *usage) open(counts map[nft.Port]uint64, fromOutside func(conntrack.Connection) bool) ([]uint16, error) {
	numbers := map[uint16]bool{}
	err := u.flows.Each(func(c conntrack.Connection) {
		port := nft.Port{Protocol: nft.Protocol(c.Protocol), Number: c.To.Port()}
		if _, counted := counts[port]; counted && fromOutside(c) {
			numbers[port.Number] = true
		}
	})
	return slices.Sorted(maps.Keys(numbers)), err
}

// taken is how many new connections each port has taken by now; none, where that cannot be told. It may be called
// concurrently.
func (u *usage) taken() map[nft.Port]uint64 {
	if u.counter == nil {
		return nil
	}
	counts, _ := u.counter.Uses() // who reads them all the time says what fails
	return counts
}

// fromOutside tells connections that come to an address of this node from outside of it.
func (a *Agent) fromOutside() func(conntrack.Connection) bool {
	addresses := a.node.View().Addresses
	return func(c conntrack.Connection) bool {
		return slices.Contains(addresses, c.To.Addr()) && !slices.Contains(addresses, c.Source)
	}
}
