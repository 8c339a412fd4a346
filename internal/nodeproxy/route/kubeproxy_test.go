package route

import (
	_ "embed"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// kubeProxy is what kube-proxy 1.36.3 itself says of 1,500 cases: see testdata/kubeproxy/main.go for how they read.
//
//go:embed testdata/kubeproxy.txt
var kubeProxy string

func TestKubeProxySaysTheSame(t *testing.T) {
	for line := range strings.Lines(kubeProxy) {
		question, want, _ := strings.Cut(strings.TrimSpace(line), " -> ")
		svc, slice, node := parseCase(strings.Fields(question))
		var got []string
		for _, r := range Service(svc.Obj(), objects([]*st.Slice{slice}), node, everything).Routes {
			inside := r.Target
			if r.Inside != nil {
				inside = *r.Inside
			}
			if r.Kind == ClusterIP {
				got = append([]string{lastBytes(r.Target)}, got...)
			} else {
				got = append(got, lastBytes(r.Target), lastBytes(inside))
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: got %s, want %s", question, got, want)
		}
	}
}

// lastBytes are a target's endpoints, by the last byte of their addresses.
func lastBytes(target Target) string {
	if target.Action != Balance {
		return target.Action.String()
	}
	return strings.NewReplacer("10.0.0.", "", ":8080", "", " ", ",").Replace(target.text())
}

func parseCase(fields []string) (*st.Service, *st.Slice, Node) {
	zone, internal, external := fields[0], fields[1], fields[2]
	svc, slice := web()
	if external != "-" {
		svc = st.MakeService("shop/web").ClusterIPs("10.96.0.10").NodePort(80, 30080, st.Named("http"))
	}
	if external == "Local" {
		svc.LocalTraffic()
	}
	if internal == "Local" {
		svc.LocalInternalTraffic()
	}
	for _, f := range fields[3:] {
		address, rest, _ := strings.Cut(f, ":")
		slice.Endpoint("10.0.0."+address, func(e *discoveryv1.Endpoint) { parseEndpoint(e, rest) })
	}
	return svc, slice, Node{Name: "a", Zone: strings.Trim(zone, "-")}
}

// parseEndpoint reads conditions, place and hints, as in "yynh@a+b#c".
func parseEndpoint(e *discoveryv1.Endpoint, text string) {
	said := map[byte]*bool{'y': new(true), 'n': new(false)}
	e.Conditions = discoveryv1.EndpointConditions{Ready: said[text[0]], Serving: said[text[1]], Terminating: said[text[2]]}
	switch text[3] {
	case 'h':
		e.NodeName = new("a")
	case 'o':
		e.NodeName = new("b")
	}
	hints, zones, _ := strings.Cut(text[4:], "#")
	if nodes := strings.TrimPrefix(hints, "@"); nodes != "" {
		st.ForNodes(strings.Split(nodes, "+")...)(e)
	}
	if zones != "" {
		st.ForZones(strings.Split(zones, "+")...)(e)
	}
}
