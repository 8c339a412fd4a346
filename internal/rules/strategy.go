package rules

import (
	"github.com/cespare/xxhash/v2"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Wish is what a number is picked for.
type Wish struct {
	Service types.NamespacedName
	Request serviceports.Request
}

// Pick picks a free number of a pool by the pool's strategy; false where none is free. free holds the pool's
// numbers, all others taken; random gives where a random pick starts, so that replicas keep apart.
func Pick(pool *Pool, free *bitmap.Set, wish Wish, random func() uint32) (int32, bool) {
	if len(pool.Numbers) == 0 {
		return 0, false
	}
	if pool.Spec.Strategy == v1alpha1.StrategyStable {
		return wish.mostWanted(free)
	}
	return free.NextFree(pool.Numbers.at(int(random() % uint32(pool.Numbers.Len())))) //nolint:gosec // at most 65536 numbers
}

// mostWanted is the free number of the greatest weight (rendezvous hashing). The weight of number n is the
// n-th output of SplitMix64 (Steele, Lea, Flood 2014) seeded with the XXH64 of "namespace/name/portName".
// It depends on nothing else, so the same wish ranks numbers alike in every cluster. Frozen: to change it
// would move every number that is not yet claimed.
func (w Wish) mostWanted(free *bitmap.Set) (number int32, ok bool) {
	seed := xxhash.Sum64String(w.Service.String() + "/" + w.portName())
	var greatest uint64
	for n := range free.FreeNumbers() {
		if weight := splitMix64(seed, uint64(n)); !ok || weight > greatest { //nolint:gosec // a port, for its bits
			number, greatest, ok = n, weight, true
		}
	}
	return number, ok
}

// portName is the name of the first entry that carries the number. The health check's cannot be an entry's.
func (w Wish) portName() string {
	if w.Request.Role == serviceports.HealthCheck {
		return "/healthCheck"
	}
	return w.Request.Ports[0].Name
}

func splitMix64(seed, n uint64) uint64 {
	z := seed + n*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
