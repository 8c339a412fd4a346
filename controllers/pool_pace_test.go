package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// countedPool has a status with so many numbers bound, and a condition of this reason.
func countedPool(name string, bound int32, reason string) *v1alpha1.NodePortPool {
	p := &v1alpha1.NodePortPool{}
	p.Name = name
	p.Status.Ports = &v1alpha1.PoolPorts{Total: 10, Bound: bound, Free: 10 - bound}
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.PoolExhausted, Status: metav1.ConditionFalse, Reason: reason}}
	return p
}

func TestWhatIsOnlyCountedIsWrittenSeldomWhereManyNodesRead(t *testing.T) {
	const free, full = v1alpha1.PoolReasonPortsFree, v1alpha1.PoolReasonNoPortFree
	type step struct {
		pool   string
		bound  int32 // of which the status says nothing yet
		reason string
		after  time.Duration // since the step before
		want   time.Duration
	}
	for _, c := range []struct {
		name  string
		nodes int32
		steps []step
	}{
		{"no node reads", 0, []step{{"a", 1, free, 0, 0}, {"b", 1, free, 0, 0}, {"a", 2, free, 0, 0}}},
		{"a condition does not wait", 5000, []step{{"a", 10, full, 0, 0}, {"a", 10, full, 0, 0}}},
		{"a count waits for its turn, and has it once", 5000, []step{
			{"a", 1, free, 0, 5 * time.Second}, {"a", 2, free, time.Second, 4 * time.Second}, {"a", 3, free, 4 * time.Second, 0}, {"a", 4, free, 0, 5 * time.Second},
		}},
		{"pools follow one another by a second", 5000, []step{
			{"a", 1, free, 0, 5 * time.Second}, {"b", 1, free, 0, 6 * time.Second}, {"c", 1, free, 0, 7 * time.Second},
		}},
		{"a condition takes the count along", 5000, []step{
			{"a", 1, free, 0, 5 * time.Second}, {"a", 10, full, time.Second, 0}, {"a", 2, free, 5 * time.Second, 5 * time.Second},
		}},
		{"of few nodes it hardly waits", 10, []step{{"a", 1, free, 0, 10 * time.Millisecond}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, now := newPoolPace(), noon
			p.nodes.Store(c.nodes)
			for i, s := range c.steps {
				now = now.Add(s.after)
				if got := p.wait(countedPool(s.pool, 0, free), countedPool(s.pool, s.bound, s.reason).Status, now); got != s.want {
					t.Errorf("step %d waits %s, want %s", i, got, s.want)
				}
			}
		})
	}
}
