package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/metrics"
)

// idleTally counts the numbers that Services have and nobody uses, for the metric.
type idleTally struct {
	mu      sync.Mutex // guards all below
	numbers map[int32]tallied
	pools   map[string]poolTally
}

// tallied is a number of which is known whether it is idle.
type tallied struct {
	pool string
	idle bool
}

// poolTally counts those of a pool.
type poolTally struct{ numbers, idle int }

func newIdleTally() *idleTally {
	return &idleTally{numbers: map[int32]tallied{}, pools: map[string]poolTally{}}
}

// note takes in what the status of a number's allocation says.
func (t *idleTally) note(o observed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, was := t.numbers[o.number]
	after, is := tallyOf(o.allocation)
	if was == is && before == after {
		return
	}
	delete(t.numbers, o.number)
	if is {
		t.numbers[o.number] = after
		t.count(after, 1)
	}
	if was {
		t.count(before, -1)
	}
}

// tallyOf is false where it is not known whether the number is idle.
func tallyOf(a *v1alpha1.NodePortAllocation) (tallied, bool) {
	if a == nil || meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AllocationIdle) == nil {
		return tallied{}, false
	}
	return tallied{a.Spec.PoolName, meta.IsStatusConditionTrue(a.Status.Conditions, v1alpha1.AllocationIdle)}, true
}

// count counts a number in, or out. The series of a pool ends with its last number.
func (t *idleTally) count(number tallied, by int) {
	of := t.pools[number.pool]
	of.numbers += by
	if number.idle {
		of.idle += by
	}
	if of.numbers == 0 {
		delete(t.pools, number.pool)
		metrics.IdlePorts.DeleteLabelValues(number.pool)
		return
	}
	t.pools[number.pool] = of
	metrics.IdlePorts.WithLabelValues(number.pool).Set(float64(of.idle))
}
