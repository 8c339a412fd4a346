package inventory

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

type nodeOption func(*corev1.Node)

// node is ready at an internal address; options are what is otherwise.
func node(name, address string, options ...nodeOption) corev1.Node {
	n := corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}},
		},
	}
	at(corev1.NodeInternalIP, address)(&n)
	for _, option := range options {
		option(&n)
	}
	return n
}

func at(kind corev1.NodeAddressType, addresses ...string) nodeOption {
	return func(n *corev1.Node) {
		for _, a := range addresses {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: kind, Address: a})
		}
	}
}

func notReady(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }

func unheardOf(n *corev1.Node) { n.Status.Conditions = nil }

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }

func ending(n *corev1.Node) { n.DeletionTimestamp = new(metav1.Now()) }

func label(key, value string) nodeOption {
	return func(n *corev1.Node) { metav1.SetMetaDataLabel(&n.ObjectMeta, key, value) }
}

func tainted(key string) nodeOption {
	return func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key}) }
}

// allow is a NodePortAccess of all Services of a namespace for some ranges; a range after "-" is excepted from the one before.
func allow(name string, from ...string) v1alpha1.NodePortAccess {
	namespace, name, _ := strings.Cut(name, "/")
	a := v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	a.Spec.From = peers(from)
	return a
}

func peers(from []string) []v1alpha1.AccessPeer {
	var all []v1alpha1.AccessPeer
	for _, f := range from {
		if except, ok := strings.CutPrefix(f, "-"); ok {
			block := &all[len(all)-1].IPBlock
			block.Except = append(block.Except, v1alpha1.CIDR(except))
			continue
		}
		all = append(all, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: v1alpha1.CIDR(f)}})
	}
	return all
}

func pool(name string, first, last int32, ceiling ...string) v1alpha1.NodePortPool {
	p := v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Ranges = []v1alpha1.PortRange{{From: first, To: last}}
	if len(ceiling) > 0 {
		p.Spec.Access = &v1alpha1.PoolAccess{From: peers(ceiling)}
	}
	return p
}

func allocation(number int32, pool string) v1alpha1.NodePortAllocation {
	a := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(number)}}
	a.Spec.PoolName = pool
	return a
}

// sites are the nodes of a port, each with its addresses: "node-1 192.0.2.1 2001:db8::1".
func sites(nodes []Node) []string {
	var all []string
	for _, n := range nodes {
		words := []string{n.Name}
		for _, a := range n.Addresses {
			words = append(words, a.String())
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// gates are who may reach a port where: "192.0.2.1 192.0.2.2 from 0.0.0.0/0".
func gates(doors []Door) []string {
	var all []string
	for _, d := range doors {
		all = append(all, strings.Trim(fmt.Sprint(d.Addresses), "[]")+" from "+strings.Trim(fmt.Sprint(d.From), "[]"))
	}
	return all
}
