package rules

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// FakeLedger is a Ledger in which "namespace/name" has each number; a name that ends in " until TIME"
// (RFC 3339) is a hold, in " by NAME" the number is kept by that reservation.
type FakeLedger map[int32]string

// Holders implements Ledger.
func (f FakeLedger) Holders(number int32) []Holder {
	entry, ok := f[number]
	if !ok {
		return nil
	}
	entry, reservation, _ := strings.Cut(entry, " by ")
	entry, until, held := strings.Cut(entry, " until ")
	namespace, name, _ := strings.Cut(entry, "/")
	h := Holder{Service: types.NamespacedName{Namespace: namespace, Name: name}, Reservation: reservation}
	if held {
		var err error
		if h.HeldUntil, err = time.Parse(time.RFC3339, until); err != nil {
			panic(err)
		}
	}
	return []Holder{h}
}

// FreeNumbers implements Ledger.
func (f FakeLedger) FreeNumbers(pool *Pool, atMost int) []int32 {
	var free []int32
	for _, r := range pool.Numbers {
		for n := r.From; n <= r.To && len(free) < atMost; n++ {
			if _, taken := f[n]; !taken {
				free = append(free, n)
			}
		}
	}
	return free
}

// Usage implements Ledger.
func (f FakeLedger) Usage(pool *Pool) Usage {
	u := Usage{Total: pool.Numbers.Len()}
	u.Free = u.Total
	for n := range f {
		if !pool.Numbers.Contains(n) {
			continue
		}
		u.Free--
		if h := f.Holders(n)[0]; h.Held() && (u.NextHoldEnd.IsZero() || h.HeldUntil.Before(u.NextHoldEnd)) {
			u.NextHoldEnd = h.HeldUntil
		}
	}
	return u
}

// Used implements Ledger.
func (f FakeLedger) Used(namespace string, pool *Pool) int {
	used := 0
	for n := range f {
		if pool.Numbers.Contains(n) && f.Holders(n)[0].Service.Namespace == namespace {
			used++
		}
	}
	return used
}

// Clashes implements Ledger.
func (f FakeLedger) Clashes(int32) []Clash { return nil }

// ClashingLedger is a FakeLedger of a cluster on whose nodes something else uses numbers.
type ClashingLedger struct {
	FakeLedger
	Clashing map[int32][]Clash
}

// Clashes implements Ledger.
func (c ClashingLedger) Clashes(number int32) []Clash { return c.Clashing[number] }

// FreeNumbers implements Ledger.
func (c ClashingLedger) FreeNumbers(pool *Pool, atMost int) []int32 {
	free := slices.DeleteFunc(c.FakeLedger.FreeNumbers(pool, atMost+len(c.Clashing)), func(n int32) bool { return len(c.Clashing[n]) > 0 })
	return free[:min(atMost, len(free))]
}

// Usage implements Ledger.
func (c ClashingLedger) Usage(pool *Pool) Usage {
	u := c.FakeLedger.Usage(pool)
	for n := range c.Clashing {
		if _, taken := c.FakeLedger[n]; !taken && pool.Numbers.Contains(n) {
			u.Free--
			u.Clashing++
		}
	}
	return u
}
