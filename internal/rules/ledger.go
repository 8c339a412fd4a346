package rules

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Holder is who has a number.
type Holder struct {
	Service types.NamespacedName
	// HeldUntil is set where the Service has gone and the number is only kept for it.
	HeldUntil time.Time
	// Reservation is the NodePortReservation, in the Service's namespace, that keeps the number for it, if one does.
	Reservation string
}

// Held says whether the number is only kept for a Service that has gone.
func (h Holder) Held() bool { return !h.HeldUntil.IsZero() }

// Usage is how full a pool is.
type Usage struct {
	Total, Free int
	// Clashing are the numbers that nobody has and that are not free all the same: something else uses them on a node.
	Clashing int
	// NextHoldEnd is when the next hold ends; zero: there is none.
	NextHoldEnd time.Time
}

// Ledger is what the rules ask about numbers. FakeLedger is one for tests.
type Ledger interface {
	// Holders are the Services that have the number or carry it: first the one in the ledger. There are
	// several where Services share a number through a hole of the API server's.
	Holders(number int32) []Holder
	// FreeNumbers are the first numbers of a pool that nobody has and that clash on no node, at most so many.
	FreeNumbers(pool *Pool, atMost int) []int32
	// Usage is how full a pool is.
	Usage(pool *Pool) Usage
	// Used is how many numbers of a pool a namespace has, whatever for.
	Used(namespace string, pool *Pool) int
	// Clashes are what else uses a number, on how many nodes.
	Clashes(number int32) []Clash
}

// Quiet is a ledger that leaves out what is different the next moment: which numbers are free, and when a hold ends.
// It is for reports, which would change with every Service that comes or goes.
type Quiet struct{ Ledger }

// FreeNumbers implements Ledger.
func (Quiet) FreeNumbers(*Pool, int) []int32 { return nil }

// Usage implements Ledger.
func (q Quiet) Usage(pool *Pool) Usage {
	u := q.Ledger.Usage(pool)
	u.NextHoldEnd = time.Time{}
	return u
}
