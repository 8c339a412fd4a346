package main

import (
	"encoding/json"
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// census is how much there is in a cluster of many teams. A team has five namespaces, and a pool with two numbers more than
// its Services have.
type census struct{ total, numbers, pools, nodes int }

// whole is what scale, manager and watch are about; --scale takes a share of it.
var whole = census{total: 10000, numbers: 2768, pools: 200, nodes: 5000}

const (
	namespacesOfATeam = 5
	spareOfAPool      = 2
)

func (c census) share(of float64) census {
	part := func(n int) int { return max(1, int(math.Round(float64(n)*of))) }
	return census{part(c.total), part(c.numbers), part(c.pools), part(c.nodes)}
}

func (c census) namespaces() int { return namespacesOfATeam * c.pools }

func (c census) String() string {
	return fmt.Sprintf("%d Services in %d namespaces, %d of them with a node port, %d pools, %d nodes", c.total, c.namespaces(), c.numbers, c.pools, c.nodes)
}

// spare is how many numbers are free in all pools.
func (c census) spare() int { return c.pools * spareOfAPool }

// poolSize is how many numbers each pool has.
func (c census) poolSize() int { return (c.numbers+c.pools-1)/c.pools + spareOfAPool }

// own is the number that is no team's: that of the site's pool.
func (c census) own() v1alpha1.PortRange {
	return v1alpha1.PortRange{From: firstNodePort, To: firstNodePort}
}

// nodePorts are all numbers.
func (c census) nodePorts() string {
	return fmt.Sprintf("%d-%d", firstNodePort, firstNodePort+c.pools*c.poolSize())
}

func (c census) namespace(i int) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("ns-", i), Labels: map[string]string{"team": team(i % c.pools)}}}
}

func (c census) pool(i int) *v1alpha1.NodePortPool {
	first := int32(firstNodePort + 1 + i*c.poolSize())
	p := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: team(i)}}
	p.Spec.Ranges = []v1alpha1.PortRange{{From: first, To: first + int32(c.poolSize()) - 1}}
	p.Spec.HoldSeconds = new(int32(0)) // a number is free again as soon as its Service is gone
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{"team": team(i)}
	return p
}

func team(i int) string { return fmt.Sprint("team-", i) }

// service is one as a chart makes it and kubectl applies it. The first have node ports: so many as numbers.
func (c census) service(name string, i int) *corev1.Service {
	kind := corev1.ServiceTypeClusterIP
	if i < c.numbers {
		kind = corev1.ServiceTypeNodePort
	}
	svc := &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.namespace(i % c.namespaces()).Name, Labels: map[string]string{
			"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/version": "1.0.0",
			"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": name + "-1.0.0",
		}},
		Spec: corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Name: "http", Port: portOfServices}}},
	}
	text, _ := json.Marshal(svc) // it is strings and numbers
	svc.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: string(text)}
	return svc
}
