package track

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// tell tells a Kind of the states of an object one after the other, and wants a change of some.
func tell[T object](t *testing.T, trim func(T), same func(was, is T) bool, states []func(T), fresh func() T, want []bool) {
	t.Helper()
	woken := 0
	k := NewKind(trim, same, func() { woken++ })
	for i := range states {
		obj := fresh()
		for _, become := range states[:i+1] { // each is on top of those before it
			become(obj)
		}
		if err := k.Store().Add(obj); err != nil {
			t.Fatal(err)
		}
		taken := k.Take()
		if got := woken > 0; got != want[i] || len(taken) > 0 != want[i] {
			t.Errorf("state %d: woken %t, taken %v; want a change: %t", i, got, taken, want[i])
		}
		if latest := k.All(); len(latest) != 1 || latest[0].GetResourceVersion() != obj.GetResourceVersion() {
			t.Errorf("state %d: kept %v", i, latest)
		}
		woken = 0
	}
	if err := k.Store().Delete(fresh()); err != nil {
		t.Fatal(err)
	}
	var none T
	if taken := k.Take(); len(taken) != 1 || taken[nameOf(fresh())] != none || woken != 1 {
		t.Errorf("gone: %v, woken %d times", taken, woken)
	}
}

func TestWhatIsWrittenIntoTheStatusOfAnAccessIsNoChangeButTheVersionOfItsSpec(t *testing.T) {
	tell(t, TrimAccess, SameAccess, []func(*v1alpha1.NodePortAccess){
		func(a *v1alpha1.NodePortAccess) { a.UID, a.Generation, a.ResourceVersion = "u", 1, "1" },
		func(a *v1alpha1.NodePortAccess) { a.Status.SpecResourceVersion, a.ResourceVersion = "1", "2" },
		func(a *v1alpha1.NodePortAccess) { a.Status.NodePorts, a.ResourceVersion = "30000", "3" },
		func(a *v1alpha1.NodePortAccess) { a.Generation, a.ResourceVersion = 2, "4" },
		func(a *v1alpha1.NodePortAccess) { a.UID, a.ResourceVersion = "v", "5" }, // deleted and made anew, unseen
	}, func() *v1alpha1.NodePortAccess { return &v1alpha1.NodePortAccess{} }, []bool{true, true, false, true, true})
}

func TestWhatIsWrittenIntoTheStatusOfAPoolIsNoChange(t *testing.T) {
	tell(t, TrimPool, SamePool, []func(*v1alpha1.NodePortPool){
		func(p *v1alpha1.NodePortPool) { p.UID, p.Generation, p.ResourceVersion = "u", 1, "1" },
		func(p *v1alpha1.NodePortPool) { p.Status.Ranges, p.ResourceVersion = "30000-30099", "2" },
		func(p *v1alpha1.NodePortPool) { p.Generation, p.ResourceVersion = 2, "3" },
	}, func() *v1alpha1.NodePortPool { return &v1alpha1.NodePortPool{} }, []bool{true, false, true})
}

func TestOfAPodItsHostPortsAndItsEndAreChanges(t *testing.T) {
	hostPort := []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: 30090}}}}
	tell(t, TrimPod, SamePod, []func(*corev1.Pod){
		func(p *corev1.Pod) { p.Spec.Containers, p.ResourceVersion = hostPort, "1" },
		func(p *corev1.Pod) { p.Status.PodIP, p.ResourceVersion = "10.0.0.1", "2" },
		func(p *corev1.Pod) { p.Status.Phase, p.ResourceVersion = corev1.PodSucceeded, "3" },
	}, func() *corev1.Pod { return &corev1.Pod{} }, []bool{true, false, true})
}

func TestAChangeThatNobodyTookStaysOneWhenStatusFollows(t *testing.T) {
	k := NewKind(TrimPool, SamePool, func() {})
	for version := range 3 {
		pool := &v1alpha1.NodePortPool{}
		pool.Name, pool.ResourceVersion = "edge", fmt.Sprint(version+1)
		if err := k.Store().Add(pool); err != nil {
			t.Fatal(err)
		}
	}
	if taken := k.Take(); taken[types.NamespacedName{Name: "edge"}] == nil {
		t.Errorf("taken %v", taken)
	}
}
