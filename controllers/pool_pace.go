package controllers

import (
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Every node watches all pools, with their statuses, of which it reads nothing. So the more nodes there are the seldomer is
// written what has only been counted; the metrics have it at once, and so has what decides by it.

// poolPace says when the statuses of pools are written. Any number of goroutines may use it.
type poolPace struct {
	nodes atomic.Int32 // that watch
	turns *turns[string]
}

func newPoolPace() *poolPace { return &poolPace{turns: newTurns[string]()} }

// poolTempo is that of counts: all nodes together read no more than 5,000 of them a second.
func poolTempo(nodes int32) tempo {
	return tempo{settle: time.Duration(nodes) * time.Millisecond, gap: time.Duration(nodes) * 200 * time.Microsecond}
}

// wait is how long a pool's status has to wait until it is written; 0: no longer.
func (p *poolPace) wait(pool *v1alpha1.NodePortPool, status v1alpha1.NodePortPoolStatus, now time.Time) time.Duration {
	if !onlyCounted(pool.Status, status) {
		p.turns.forget(pool.Name)
		return 0
	}
	return p.turns.wait(pool.Name, now, poolTempo(p.nodes.Load()))
}

// onlyCounted says whether two statuses are the same but for how many numbers are in which state.
func onlyCounted(before, after v1alpha1.NodePortPoolStatus) bool {
	before.Ports, after.Ports = nil, nil
	return equality.Semantic.DeepEqual(before, after)
}
