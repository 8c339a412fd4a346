package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestWhoMayReachAPortIsWhatAccessAndPoolsSay(t *testing.T) {
	nodes := []corev1.Node{
		node("node-1", "192.0.2.1", at(corev1.NodeInternalIP, "2001:db8::1"), label("edge", "true")),
		node("node-2", "192.0.2.2"),
	}
	web := *st.MakeService("shop/web").NodePort(443, 30443, st.Named("https")).Obj()
	edge := allow("shop/edge")
	edge.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"edge": "true"}}
	second := allow("shop/second", "10.0.0.0/8")
	second.Spec.Addresses = []v1alpha1.CIDR{"192.0.2.2/32"}
	other := allow("shop/other", "10.0.0.0/8")
	other.Spec.Ports = []string{"http"}
	cable := allow("shop/cable", "10.0.0.0/8")
	cable.Spec.Interfaces = []string{"eth1"}
	broken := allow("shop/broken", "10.0.0.0")

	for _, test := range []struct {
		name     string
		accesses []v1alpha1.NodePortAccess
		pools    []v1alpha1.NodePortPool
		want     []string
	}{
		{"everybody, where nobody says anything", nil, []v1alpha1.NodePortPool{pool("team-a", 30400, 30499)},
			[]string{"192.0.2.1 192.0.2.2 from 0.0.0.0/0", "2001:db8::1 from ::/0"}},
		{"who is allowed, and no IPv6 where none is", []v1alpha1.NodePortAccess{allow("shop/office", "203.0.113.0/24")}, nil,
			[]string{"192.0.2.1 192.0.2.2 from 203.0.113.0/24"}},
		{"without those who are excepted", []v1alpha1.NodePortAccess{allow("shop/office", "203.0.113.0/30", "-203.0.113.1/32")}, nil,
			[]string{"192.0.2.1 192.0.2.2 from 203.0.113.0/32 203.0.113.2/31"}},
		{"who is excepted here and allowed there", []v1alpha1.NodePortAccess{
			allow("shop/office", "203.0.113.0/30", "-203.0.113.1/32", "2001:db8::/32"), allow("shop/vpn", "203.0.113.1/32")}, nil,
			[]string{"192.0.2.1 192.0.2.2 from 203.0.113.0/30", "2001:db8::1 from 2001:db8::/32"}},
		{"nobody of what another namespace says", []v1alpha1.NodePortAccess{allow("blog/office", "203.0.113.0/24")}, nil,
			[]string{"192.0.2.1 192.0.2.2 from 0.0.0.0/0", "2001:db8::1 from ::/0"}},
		{"everybody, where only another port is selected", []v1alpha1.NodePortAccess{other}, nil,
			[]string{"192.0.2.1 192.0.2.2 from 0.0.0.0/0", "2001:db8::1 from ::/0"}},
		{"nobody on nodes that are not selected", []v1alpha1.NodePortAccess{edge}, nil,
			[]string{"192.0.2.1 from 0.0.0.0/0", "2001:db8::1 from ::/0"}},
		{"others at other addresses", []v1alpha1.NodePortAccess{edge, second}, nil,
			[]string{"192.0.2.1 from 0.0.0.0/0", "192.0.2.2 from 10.0.0.0/8", "2001:db8::1 from ::/0"}},
		{"the same by whatever interface", []v1alpha1.NodePortAccess{cable}, nil, []string{"192.0.2.1 192.0.2.2 from 10.0.0.0/8"}},
		{"nobody, where it cannot be read", []v1alpha1.NodePortAccess{broken}, nil, nil},
		{"who is under the ceiling of the pool", []v1alpha1.NodePortAccess{allow("shop/office", "10.0.0.0/8", "203.0.113.0/24")},
			[]v1alpha1.NodePortPool{pool("team-a", 30400, 30499, "10.1.0.0/16", "203.0.113.0/25")},
			[]string{"192.0.2.1 192.0.2.2 from 10.1.0.0/16 203.0.113.0/25"}},
		{"all under the ceiling, where nobody says more", nil, []v1alpha1.NodePortPool{pool("team-a", 30400, 30499, "10.1.0.0/16")},
			[]string{"192.0.2.1 192.0.2.2 from 10.1.0.0/16"}},
		{"as the pool says that owns the number", nil,
			[]v1alpha1.NodePortPool{pool("b", 30000, 30999, "10.2.0.0/16"), pool("a", 30400, 30499, "10.1.0.0/16")},
			[]string{"192.0.2.1 192.0.2.2 from 10.1.0.0/16"}},
		{"everybody, where the ceiling is another number's", nil, []v1alpha1.NodePortPool{pool("a", 30000, 30099, "10.1.0.0/16")},
			[]string{"192.0.2.1 192.0.2.2 from 0.0.0.0/0", "2001:db8::1 from ::/0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inv := New(&Cluster{Nodes: nodes, Services: []corev1.Service{web}, Accesses: test.accesses, Pools: test.pools}, Filter{})
			if diff := cmp.Diff(test.want, gates(inv.Ports[0].Doors)); diff != "" {
				t.Errorf("who may, where (-want +got):\n%s", diff)
			}
		})
	}
}
