// Package snapshot is the ledger of node ports at a moment: that of package allocator, which a manager feeds by watches, fed
// with lists. So what is said of a cluster that was read once is what a manager would say that knows these objects. It is
// asked, and nothing is ever written from it.
package snapshot

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// DefaultRange is the API server's node port range where nothing else is known. Source: --service-node-port-range of
// kube-apiserver.
var DefaultRange = v1alpha1.PortRange{From: 30000, To: 32767}

// Objects are what a ledger knows. They must not be changed once they are in one.
type Objects struct {
	// ClusterRange is the API server's node port range; the zero value is DefaultRange.
	ClusterRange v1alpha1.PortRange
	Pools        []v1alpha1.NodePortPool
	Allocations  []v1alpha1.NodePortAllocation
	Services     []corev1.Service
	NodeStates   []v1alpha1.NodePortNodeState
}

// Ledger is one that knows these objects, now and for ever: its clock stands still. What it is shown later it learns as
// any other does. A claim on it fails.
func Ledger(o Objects, now time.Time) *allocator.Ledger {
	l := allocator.New(readOnly{}, moment(now))
	for i := range o.Pools {
		l.PoolSeen(&o.Pools[i])
	}
	if o.ClusterRange == (v1alpha1.PortRange{}) {
		o.ClusterRange = DefaultRange
	}
	l.SetClusterRange(o.ClusterRange) // after the pools: each would be laid out anew
	for i := range o.Allocations {
		l.AllocationSeen(&o.Allocations[i])
	}
	for i := range o.Services {
		l.ServiceSeen(&o.Services[i])
	}
	for i := range o.NodeStates {
		l.NodeStateSeen(&o.NodeStates[i])
	}
	return l
}

// moment is a clock that stands still.
type moment time.Time

func (m moment) Now() time.Time                  { return time.Time(m) }
func (m moment) Since(t time.Time) time.Duration { return time.Time(m).Sub(t) }

// readOnly is a store that nothing is written to.
type readOnly struct{}

var errReadOnly = errors.New("a snapshot of the ledger is only looked at")

func (readOnly) Create(context.Context, *v1alpha1.NodePortAllocation) error { return errReadOnly }
func (readOnly) Update(context.Context, *v1alpha1.NodePortAllocation) error { return errReadOnly }
func (readOnly) Delete(context.Context, *v1alpha1.NodePortAllocation) error { return errReadOnly }
func (readOnly) Get(context.Context, int32) (*v1alpha1.NodePortAllocation, error) {
	return nil, errReadOnly
}
