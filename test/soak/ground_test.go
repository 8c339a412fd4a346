package soak

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// ground is what the clients meet on: few numbers, for many.
type ground struct {
	pools []pool
	// reserved are the numbers that are kept for a Service.
	reserved map[int32]types.NamespacedName
}

// pool is a NodePortPool.
type pool struct {
	name       string
	from, to   int32
	quota      int32 // of a namespace; 0: none
	hold       int32 // in seconds
	namespaces []string
}

// drilled is the pool that only the drill uses: see drill.
const drilled = "drill"

// promised is the name of Services that numbers are reserved for.
const promised = "promised"

func newGround() ground {
	return ground{
		pools: []pool{
			{name: "shared", from: 30100, to: 30115, quota: 6, hold: 2, namespaces: []string{"shared-a", "shared-b"}},
			{name: "held", from: 30200, to: 30209, quota: 7, hold: 20, namespaces: []string{"held"}},
			{name: "unlimited", from: 30300, to: 30309, hold: 1, namespaces: []string{"unlimited"}},
			{name: drilled, from: 30400, to: 30421, namespaces: []string{drilled}},
		},
		reserved: map[int32]types.NamespacedName{
			30103: {Namespace: "shared-a", Name: promised},
			30115: {Namespace: "shared-b", Name: promised},
			30204: {Namespace: "held", Name: promised},
			30305: {Namespace: "unlimited", Name: promised},
		},
	}
}

func (p pool) object() *v1alpha1.NodePortPool {
	object := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: p.name}}
	object.Spec.Ranges = []v1alpha1.PortRange{{From: p.from, To: p.to}}
	object.Spec.NamespaceSelector = metav1.LabelSelector{MatchLabels: map[string]string{"pool": p.name}}
	object.Spec.HoldSeconds = &p.hold
	if p.quota > 0 {
		object.Spec.MaxPortsPerNamespace = &p.quota
	}
	return object
}

func (p pool) has(number int32) bool { return number >= p.from && number <= p.to }

// poolOf is the pool that serves a namespace.
func (g ground) poolOf(namespace string) (pool, bool) {
	for _, p := range g.pools {
		if slices.Contains(p.namespaces, namespace) {
			return p, true
		}
	}
	return pool{}, false
}

// portName is the name of a Service's entry.
func portName(i int) string { return fmt.Sprint("p", i) }
