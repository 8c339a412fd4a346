package cluster

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// podRuntime is what runs of a Pod.
type podRuntime struct {
	uid     types.UID
	ip      netip.Addr
	started metav1.Time
	cable   string // the node's end
	ns      *namespace
	echo    *echoServer
}

// startPod makes a Pod's namespace, with a cable to the node and a server on each port.
func (a *agent) startPod(pod *corev1.Pod) (_ *podRuntime, err error) {
	r := &podRuntime{uid: pod.UID, started: metav1.Now().Rfc3339Copy(), cable: "pod" + string(pod.UID)[:8]}
	defer func() {
		if err != nil {
			a.removePod(r)
		}
	}()
	if r.ip, err = a.ips.take(); err != nil {
		return nil, err
	}
	if r.ns, err = newNamespace(a.podNamespace(pod)); err != nil {
		return nil, err
	}
	if err := a.connectPod(r); err != nil {
		return nil, err
	}
	r.echo, err = startEcho(r.ns, pod, a.node.Name)
	return r, err
}

// podNamespace is a name that people find with `ip netns` and that no other Pod has, this one's successor included.
func (a *agent) podNamespace(pod *corev1.Pod) string {
	name := pod.Namespace + "-" + pod.Name
	return fmt.Sprintf("%s-pod-%s-%s", a.cluster.network.id, name[:min(len(name), 200)], string(pod.UID)[:8])
}

// connectPod lays a cable from node to Pod: a route for the one address on the node, a default route in the Pod. Every
// packet of the Pod is thus routed by the node, and passes its proxy's rules.
func (a *agent) connectPod(r *podRuntime) error {
	if err := a.node.links.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: r.cable},
		PeerName:      uplink,
		PeerNamespace: netlink.NsFd(r.ns.handle),
	}); err != nil {
		return fmt.Errorf("laying its cable: %w", err)
	}
	gateway := a.ips.gateway
	return errors.Join(
		a.node.address(r.cable, gateway.String()+"/32"),
		r.ns.address(uplink, r.ip.String()+"/32"),
		a.node.route(r.ip.String()+"/32", nil, r.cable),
		r.ns.route(gateway.String()+"/32", nil, uplink),
		r.ns.route("", gateway.AsSlice(), uplink),
	)
}

// endPod ends what runs of a Pod, if anything does.
func (a *agent) endPod(key types.NamespacedName) {
	r := a.runtimeOf(key)
	if r == nil {
		return
	}
	a.removePod(r)
	a.setRuntime(key, nil)
}

// removePod removes as much of a Pod as there is.
func (a *agent) removePod(r *podRuntime) {
	if r.echo != nil {
		r.echo.close()
	}
	var errs []error
	if link, err := a.node.links.LinkByName(r.cable); err == nil {
		errs = append(errs, a.node.links.LinkDel(link)) // at once, where the namespace's end takes the kernel a while
	}
	if r.ns != nil {
		errs = append(errs, r.ns.remove())
	}
	if r.ip.IsValid() {
		a.ips.giveBack(r.ip)
	}
	if err := errors.Join(errs...); err != nil {
		a.cluster.logf("%s: removing Pod %s: %v", a.node.Name, r.ip, err)
	}
}
