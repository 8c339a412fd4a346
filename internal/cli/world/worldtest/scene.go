// Package worldtest makes worlds out of the generated scenes of package secrecytest, for tests of what is said about them.
package worldtest

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/rules/secrecytest"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// liveUID is that of the Service of a scene where it is live.
const liveUID types.UID = "live"

// Objects are those of a cluster that is in a scene. Every number that is in use has its live Service; one that the scene
// gives to its own Service, which does not carry it, is left out.
func Objects(s secrecytest.Scene) world.Objects {
	o := world.Objects{
		ClusterRange: s.Chart.ClusterRange(), Pools: s.Pools,
		Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: secrecytest.Namespace, Labels: s.Question.NamespaceLabels}}},
	}
	carried := map[types.NamespacedName]*servicetest.Service{}
	for _, n := range slices.Sorted(maps.Keys(s.Ledger)) {
		for _, h := range s.Ledger.Holders(n) {
			a := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: allocator.NameOf(n)}}
			a.Spec.ServiceRef = v1alpha1.ServiceReference{Namespace: h.Service.Namespace, Name: h.Service.Name}
			a.Spec.Role, a.Spec.ReservationName = v1alpha1.RoleTraffic, h.Reservation
			switch {
			case h.Held():
				a.Spec.HoldUntil = new(metav1.NewTime(h.HeldUntil))
			case h.Reservation == "" && h.Service.Name == "web":
				continue
			case h.Reservation == "":
				a.Spec.ServiceUID = types.UID("uid-" + h.Service.Name)
				if carried[h.Service] == nil {
					carried[h.Service] = servicetest.MakeService(h.Service.String()).UID(a.Spec.ServiceUID)
				}
				carried[h.Service].NodePort(n, n)
			}
			o.Allocations = append(o.Allocations, a)
		}
	}
	for _, svc := range carried {
		o.Services = append(o.Services, *svc.Obj())
	}
	slices.SortFunc(o.Services, func(a, b corev1.Service) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	if old := s.Question.Old; old != nil {
		live := old.DeepCopy()
		live.UID = liveUID
		o.Services = append(o.Services, *live)
	}
	return o
}

// Manifest is the scene's Service as somebody writes it.
func Manifest(s secrecytest.Scene) *corev1.Service {
	svc := s.Question.Service.DeepCopy()
	svc.ManagedFields = nil
	return svc
}
