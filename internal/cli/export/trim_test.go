package export

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestOnlyWhatAnInventoryReadsIsAChange(t *testing.T) {
	node := func(change func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1", ResourceVersion: "1"}, Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeDiskPressure}, {Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		}}
		change(n)
		return n
	}
	allocation := func(pool string, used time.Time) *v1alpha1.NodePortAllocation {
		a := &v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "30080"}}
		a.Spec.PoolName, a.Status.LastTrafficTime = pool, new(metav1.NewTime(used))
		return a
	}
	slice := st.MakeSlice("shop/web", "a").Port("", 80)
	asItWas := node(func(*corev1.Node) {})
	now := time.Now()
	for _, test := range []struct {
		name          string
		before, after client.Object
		same          bool
	}{
		{"a heartbeat", asItWas, node(func(n *corev1.Node) {
			n.ResourceVersion, n.Status.Conditions[1].LastHeartbeatTime = "2", metav1.Now()
			n.Annotations = map[string]string{"a": "b"}
		}), true},
		{"another condition", asItWas, node(func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionTrue }), true},
		{"readiness", asItWas, node(func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionFalse }), false},
		{"a label", asItWas, node(func(n *corev1.Node) { n.Labels = map[string]string{"edge": ""} }), false},
		{"a cordon", asItWas, node(func(n *corev1.Node) { n.Spec.Unschedulable = true }), false},
		{"a taint", asItWas, node(func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "a"}} }), false},
		{"an address", asItWas, node(func(n *corev1.Node) { n.Status.Addresses = []corev1.NodeAddress{{}} }), false},
		{"traffic", allocation("a", now), allocation("a", now.Add(time.Minute)), true},
		{"a pool", allocation("a", now), allocation("b", now), false},
		{"a Service's status", st.MakeService("shop/web").Obj(), st.MakeService("shop/web").Ingress("192.0.2.1").Obj(), true},
		{"a Service's number", st.MakeService("shop/web").NodePort(80, 30080).Obj(), st.MakeService("shop/web").NodePort(80, 30081).Obj(), false},
		{"a pod's address", slice.Endpoint("10.0.0.1").Obj(), st.MakeSlice("shop/web", "a").Port("", 80).Endpoint("10.0.0.2").Obj(), true},
		{"a pod's node", slice.Obj(), st.MakeSlice("shop/web", "a").Port("", 80).Endpoint("10.0.0.1", st.OnNode("node-1")).Obj(), false},
		{"who may reach a port",
			&v1alpha1.NodePortAccess{}, &v1alpha1.NodePortAccess{Spec: v1alpha1.NodePortAccessSpec{Ports: []string{"http"}}}, false},
		{"what a NodePortAccess says of itself",
			&v1alpha1.NodePortAccess{}, &v1alpha1.NodePortAccess{Status: v1alpha1.NodePortAccessStatus{NodePorts: "30080"}}, true},
		{"a pool's use", &v1alpha1.NodePortPool{}, &v1alpha1.NodePortPool{Status: v1alpha1.NodePortPoolStatus{Conditions: []metav1.Condition{{Type: "Ready"}}}}, true},
		{"a pool's ranges",
			&v1alpha1.NodePortPool{}, &v1alpha1.NodePortPool{Spec: v1alpha1.NodePortPoolSpec{Ranges: []v1alpha1.PortRange{{}}}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := same(trimmed(t, test.before), trimmed(t, test.after)); got != test.same {
				t.Errorf("the same: %t, want %t", got, test.same)
			}
		})
	}
}

func trimmed(t *testing.T, object client.Object) client.Object {
	t.Helper()
	kept, err := trim(object.DeepCopyObject())
	if err != nil {
		t.Fatal(err)
	}
	return kept.(client.Object)
}
