package move

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

const (
	// reported is within which time after a change a node-proxy has written a report, if that differs from the one before.
	// Source: internal/nodeproxy/report, Interval, and node-proxy's --report-spread.
	reported = 90 * time.Second
	// silent is for how long a node that counts the use of numbers may say nothing: it speaks once an hour at least. Source:
	// NodePortNodeState, status.activity.
	silent = 3 * time.Hour
)

// verdict is whether both entries answer alike.
type verdict struct {
	// missing is what there is still to wait for; "": nothing.
	missing string
	// unseen is what could not be seen, and by which right it could: sentences.
	unseen []string
}

// judge goes by the Service's EndpointSlices, and by what node-proxies report. waited is for how long that has been waited for.
func judge(p *picture.Picture, svc *corev1.Service, m *Mark, waited time.Duration) (v verdict) {
	if v.missing = withoutEndpoints(p, svc, m); v.missing != "" {
		return v
	}
	if !p.Complete(picture.EndpointSlices) {
		v.unseen = append(v.unseen, "Whether the second entry has endpoints could not be seen: you may not list endpointslices, as ClusterRole view lets you.")
	}
	if !p.Complete(picture.NodeStates) {
		v.unseen = append(v.unseen, "Whether nodes have it in force could not be seen. "+p.GapsText(picture.NodeStates))
		return v
	}
	serving := p.Serving(svc, m.From).Nodes
	if len(serving) == 0 {
		v.unseen = append(v.unseen, "No node-proxy serves it, and kube-proxy does not report what it has in force.")
		return v
	}
	heard := hearing(p)
	if absent := without(serving, heard.Serving(svc, m.From).Nodes); len(absent) > 0 {
		v.unseen = append(v.unseen, fmt.Sprintf("Left out: %s, gone, not ready, or silent for hours.", term.Few(absent, few)))
	}
	v.missing = notInForce(heard, svc, m)
	if old := outdated(heard, svc, m); v.missing == "" && len(old) > 0 {
		if waited < reported {
			v.missing = fmt.Sprintf("%s has not reported since %d was opened", term.Few(old, few), m.To)
		} else {
			v.unseen = append(v.unseen, fmt.Sprintf("%s has reported nothing since %d was opened, and had it in force before: so it is the same as it was, or away.", term.Few(old, few), m.To))
		}
	}
	return v
}

// withoutEndpoints says of which EndpointSlice the entries do not have the same endpoints.
func withoutEndpoints(p *picture.Picture, svc *corev1.Service, m *Mark) string {
	for _, name := range m.Ports {
		for i := range p.EndpointSlices {
			slice := &p.EndpointSlices[i]
			mine := slice.Namespace == svc.Namespace && slice.Labels[discoveryv1.LabelServiceName] == svc.Name
			if !mine || len(slice.Endpoints) == 0 {
				continue
			}
			if lists(slice, name) != lists(slice, second(name)) || lists(slice, "") && entry(svc, "") == nil {
				return fmt.Sprintf("EndpointSlice %s has not yet endpoints for both of the ports %s and %s", slice.Name, name, second(name))
			}
		}
	}
	return ""
}

func lists(slice *discoveryv1.EndpointSlice, port string) bool {
	return slices.ContainsFunc(slice.Ports, func(p discoveryv1.EndpointPort) bool { return ptr.Deref(p.Name, "") == port })
}

// hearing is the picture without the reports of nodes that are away, as far as that is known.
func hearing(p *picture.Picture) *picture.Picture {
	o := p.Objects
	o.NodeStates = slices.DeleteFunc(slices.Clone(o.NodeStates), func(s v1alpha1.NodePortNodeState) bool {
		a := s.Status.Activity
		return a != nil && p.Now.Sub(a.To.Time) > silent || len(p.Nodes) > 0 && !slices.ContainsFunc(p.Nodes, func(n corev1.Node) bool { return n.Name == s.Name && ready(&n) })
	})
	return picture.New(o, p.Now)
}

func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// notInForce says which node-proxies that serve the Service lack a number.
func notInForce(p *picture.Picture, svc *corev1.Service, m *Mark) string {
	for _, number := range []int32{m.From, m.To} {
		s := p.Serving(svc, number)
		if rest := without(s.Nodes, s.Programmed); len(rest) > 0 {
			return fmt.Sprintf("%d is not yet in force on %s", number, term.Few(rest, few))
		}
	}
	return ""
}

// outdated are the serving nodes whose reports are from before the new number was opened: what they list may be what the
// number was open for then.
func outdated(p *picture.Picture, svc *corev1.Service, m *Mark) []string {
	opened := openedAt(svc, m)
	return slices.DeleteFunc(p.Serving(svc, m.To).Nodes, func(node string) bool {
		i := slices.IndexFunc(p.NodeStates, func(s v1alpha1.NodePortNodeState) bool { return s.Name == node })
		return !writtenAt(&p.NodeStates[i]).Before(opened)
	})
}

// openedAt is when the move began, by the API server's clock where that has noted it.
func openedAt(svc *corev1.Service, m *Mark) time.Time {
	for _, e := range svc.ManagedFields {
		if e.Manager == manager && e.Time != nil {
			return e.Time.Time
		}
	}
	return m.Since.Time
}

// writtenAt is when a report was written, by the API server's clock.
func writtenAt(s *v1alpha1.NodePortNodeState) (last time.Time) {
	for _, e := range s.ManagedFields {
		if e.Time != nil && e.Time.After(last) {
			last = e.Time.Time
		}
	}
	return last
}

func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// few is how many names of nodes are listed.
const few = 4
