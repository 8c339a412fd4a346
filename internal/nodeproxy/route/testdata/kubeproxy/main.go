// This program asks kube-proxy's own code where traffic goes, for cases made up at random, and writes cases and
// answers to standard output. It needs k8s.io/kubernetes, which is no dependency of this module, and so runs in the
// one that builds the control plane:
//
//	cd hack/controlplane && go run ../../internal/nodeproxy/route/testdata/kubeproxy/main.go \
//		> ../../internal/nodeproxy/route/testdata/kubeproxy.txt
//
// A line is what TestKubeProxySaysTheSame reads:
//
//	a Cluster Local 1:yynh@a+b#b 2:?yyo -> 2 discard 2
//
// The node's zone ("-" for none); internal and external policy ("-": no node port); endpoints; then where the cluster
// IP leads, where the node port does, and where it does from inside. An endpoint is the last byte of its address; its
// conditions ready, serving and terminating (yes, no, not said); whether it is here, on another node or on none; its
// hints for nodes and for zones. The node is "a".
package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/proxy"
)

const cases = 1500

func main() {
	random := rand.New(rand.NewPCG(1, 2))
	for range cases {
		c := randomCase(random)
		fmt.Printf("%s -> %s\n", c, c.answer())
	}
}

type testCase struct {
	zone, internal, external string
	endpoints                []testEndpoint
}

type testEndpoint struct {
	address      int
	conditions   string
	place        byte
	nodes, zones []string
}

func (c testCase) String() string {
	parts := []string{c.zone, c.internal, c.external}
	for _, e := range c.endpoints {
		text := fmt.Sprintf("%d:%s%c", e.address, e.conditions, e.place)
		if len(e.nodes) > 0 {
			text += "@" + strings.Join(e.nodes, "+")
		}
		if len(e.zones) > 0 {
			text += "#" + strings.Join(e.zones, "+")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// randomCase leans towards endpoints that are ready and hinted: else hints would hardly ever apply.
func randomCase(r *rand.Rand) testCase {
	c := testCase{zone: pick(r, "a", "a", "b", "-"), internal: pick(r, "Cluster", "Cluster", "Local"), external: pick(r, "-", "Cluster", "Local", "Local")}
	nodeHints, zoneHints, readiness := r.IntN(3), r.IntN(3), r.IntN(4)
	for address := range r.IntN(6) {
		terminates := pick(r, "n", "n", "n", "?", "y")
		if readiness == 0 {
			terminates = "y"
		}
		c.endpoints = append(c.endpoints, randomEndpoint(r, address+1, terminates, nodeHints, zoneHints))
		if terminates != "y" && r.IntN(6) == 0 { // and another that had the address before
			c.endpoints = append(c.endpoints, randomEndpoint(r, address+1, "y", nodeHints, zoneHints))
		}
	}
	r.Shuffle(len(c.endpoints), func(i, j int) { c.endpoints[i], c.endpoints[j] = c.endpoints[j], c.endpoints[i] })
	return c
}

func randomEndpoint(r *rand.Rand, address int, terminating string, nodeHints, zoneHints int) testEndpoint {
	ready := pick(r, "y", "y", "y", "n", "?")
	if terminating == "y" && r.IntN(5) > 0 {
		ready = "n"
	}
	return testEndpoint{
		address:    address,
		conditions: ready + pick(r, "y", "y", "n", "?") + terminating,
		place:      pick(r, "h", "h", "o", "-")[0],
		nodes:      randomHints(r, nodeHints),
		zones:      randomHints(r, zoneHints),
	}
}

// randomHints are none, nearly always some, or always some.
func randomHints(r *rand.Rand, how int) []string {
	if how == 0 || how == 1 && r.IntN(4) == 0 {
		return nil
	}
	return slices.Compact([]string{pick(r, "a", "b", "c"), pick(r, "a", "b", "c")})
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// answer is what kube-proxy does, as its proxiers put it together (syncProxyRules).
func (c testCase) answer() string {
	services := proxy.NewServiceChangeTracker(v1.IPv4Protocol, nil, nil)
	services.Update(nil, c.service())
	servicePorts := proxy.ServicePortMap{}
	servicePorts.Update(services)

	endpoints := proxy.NewEndpointsChangeTracker(v1.IPv4Protocol, "a", nil, nil)
	endpoints.EndpointSliceUpdate(c.slice(), false)
	endpointsMap := proxy.EndpointsMap{}
	endpointsMap.Update(endpoints)

	labels := map[string]string{}
	if c.zone != "-" {
		labels[v1.LabelTopologyZone] = c.zone
	}
	for name, port := range servicePorts {
		cluster, local, _, any := proxy.CategorizeEndpoints(endpointsMap[name], port, "a", labels)
		parts := []string{verdict(port.InternalPolicyLocal(), cluster, local, any)}
		if port.ExternallyAccessible() {
			parts = append(parts, verdict(port.ExternalPolicyLocal(), cluster, local, any), verdict(false, cluster, local, any))
		}
		return strings.Join(parts, " ")
	}
	panic("no port")
}

func verdict(local bool, cluster, onNode []proxy.Endpoint, any bool) string {
	list := cluster
	if local {
		list = onNode
	}
	if !any {
		return "refuse"
	}
	if len(list) == 0 {
		return "discard"
	}
	var addresses []string
	for _, e := range list {
		addresses = append(addresses, strings.TrimPrefix(e.IP(), "10.0.0."))
	}
	slices.Sort(addresses)
	return strings.Join(addresses, ",")
}

func (c testCase) service() *v1.Service {
	internal := v1.ServiceInternalTrafficPolicy(c.internal)
	svc := &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: v1.ServiceSpec{
			Type:                  v1.ServiceTypeClusterIP,
			ClusterIP:             "10.96.0.10",
			InternalTrafficPolicy: &internal,
			Ports:                 []v1.ServicePort{{Name: "http", Port: 80, Protocol: v1.ProtocolTCP}},
		},
	}
	if c.external != "-" {
		svc.Spec.Type = v1.ServiceTypeNodePort
		svc.Spec.ExternalTrafficPolicy = v1.ServiceExternalTrafficPolicy(c.external)
		svc.Spec.Ports[0].NodePort = 30080
	}
	return svc
}

func (c testCase) slice() *discovery.EndpointSlice {
	name, number, protocol := "http", int32(8080), v1.ProtocolTCP
	slice := &discovery.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-a", Labels: map[string]string{discovery.LabelServiceName: "web"}},
		AddressType: discovery.AddressTypeIPv4,
		Ports:       []discovery.EndpointPort{{Name: &name, Port: &number, Protocol: &protocol}},
	}
	for _, e := range c.endpoints {
		slice.Endpoints = append(slice.Endpoints, e.endpoint())
	}
	return slice
}

func (e testEndpoint) endpoint() discovery.Endpoint {
	endpoint := discovery.Endpoint{
		Addresses:  []string{fmt.Sprintf("10.0.0.%d", e.address)},
		Conditions: discovery.EndpointConditions{Ready: said(e.conditions[0]), Serving: said(e.conditions[1]), Terminating: said(e.conditions[2])},
	}
	if e.place != '-' {
		node := map[byte]string{'h': "a", 'o': "b"}[e.place]
		endpoint.NodeName = &node
	}
	if len(e.nodes)+len(e.zones) > 0 {
		endpoint.Hints = &discovery.EndpointHints{}
	}
	for _, n := range e.nodes {
		endpoint.Hints.ForNodes = append(endpoint.Hints.ForNodes, discovery.ForNode{Name: n})
	}
	for _, z := range e.zones {
		endpoint.Hints.ForZones = append(endpoint.Hints.ForZones, discovery.ForZone{Name: z})
	}
	return endpoint
}

func said(c byte) *bool {
	if c == '?' {
		return nil
	}
	yes := c == 'y'
	return &yes
}
