package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// rule is one of a NodePortAccess. Without any, it lets everybody in to all Services of the case.
type rule func(*world, *v1alpha1.NodePortAccessSpec) error

// allow makes a NodePortAccess, or changes it.
func allow(name string, rules ...rule) change {
	return func(ctx context.Context, w *world) error {
		var spec v1alpha1.NodePortAccessSpec
		for _, r := range rules {
			if err := r(w, &spec); err != nil {
				return err
			}
		}
		a := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
		return w.write(ctx, a, func() { a.Spec = spec })
	}
}

// lift removes it.
func lift(name string) change {
	return func(ctx context.Context, w *world) error {
		return w.unwrite(ctx, &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}})
	}
}

// confine makes a pool of a Service's node ports that no source but these hosts reaches, or changes it.
func confine(service string, hosts ...string) change {
	return func(ctx context.Context, w *world) error {
		peers, err := w.peers(hosts)
		if err != nil {
			return err
		}
		spec := v1alpha1.NodePortPoolSpec{Access: &v1alpha1.PoolAccess{From: peers}, Allocation: v1alpha1.AllocationNone}
		for _, p := range w.services[service].Spec.Ports {
			if only := (v1alpha1.PortRange{From: p.NodePort, To: p.NodePort}); !slices.Contains(spec.Ranges, only) {
				spec.Ranges = append(spec.Ranges, only) // TCP and UDP share one
			}
		}
		pool := w.pool(service)
		return w.write(ctx, pool, func() { pool.Spec = spec })
	}
}

// release removes the pool.
func release(service string) change {
	return func(ctx context.Context, w *world) error { return w.unwrite(ctx, w.pool(service)) }
}

func (w *world) pool(service string) *v1alpha1.NodePortPool {
	return &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + service}}
}

// write creates or updates an object, whose spec set sets.
func (w *world) write(ctx context.Context, o client.Object, set func()) error {
	w.written[key(o)] = o
	_, err := controllerutil.CreateOrUpdate(ctx, w.site.Plane.Objects, o, func() error { set(); return nil })
	return err
}

func (w *world) unwrite(ctx context.Context, o client.Object) error {
	delete(w.written, key(o))
	return w.site.Plane.Objects.Delete(ctx, o)
}

func key(o client.Object) string { return fmt.Sprint(reflect.TypeOf(o), " ", o.GetName()) }

// from lets hosts in.
func from(hosts ...string) rule {
	return func(w *world, spec *v1alpha1.NodePortAccessSpec) error {
		peers, err := w.peers(hosts)
		spec.From = append(spec.From, peers...)
		return err
	}
}

// fromAllBut lets everybody in but hosts.
func fromAllBut(hosts ...string) rule {
	return func(w *world, spec *v1alpha1.NodePortAccessSpec) error {
		for family, all := range map[string]v1alpha1.CIDR{"IPv4": "0.0.0.0/0", "IPv6": "::/0"} {
			block := v1alpha1.IPBlock{CIDR: all}
			for _, h := range hosts {
				cidr, err := w.cidr(h, family)
				if err != nil {
					return err
				}
				block.Except = append(block.Except, cidr)
			}
			spec.From = append(spec.From, v1alpha1.AccessPeer{IPBlock: block})
		}
		return nil
	}
}

// peers are hosts as sources, with an address of each family.
func (w *world) peers(hosts []string) ([]v1alpha1.AccessPeer, error) {
	var all []v1alpha1.AccessPeer
	for _, h := range hosts {
		for _, family := range []string{"IPv4", "IPv6"} {
			cidr, err := w.cidr(h, family)
			if err != nil {
				return nil, err
			}
			all = append(all, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: cidr}})
		}
	}
	return all, nil
}

func (w *world) cidr(where, family string) (v1alpha1.CIDR, error) {
	address, err := w.address(where, family)
	return v1alpha1.CIDR(netip.PrefixFrom(address, address.BitLen()).String()), err
}

// toLabelled is about the Services with a label.
func toLabelled(label, value string) rule {
	return func(_ *world, spec *v1alpha1.NodePortAccessSpec) error {
		spec.ServiceSelector.MatchLabels = map[string]string{label: value}
		return nil
	}
}

// toPorts is about ports of these names.
func toPorts(names ...string) rule {
	return func(_ *world, spec *v1alpha1.NodePortAccessSpec) error {
		spec.Ports = names
		return nil
	}
}

// on lets in on nodes with a label.
func on(label, value string) rule {
	return func(_ *world, spec *v1alpha1.NodePortAccessSpec) error {
		spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}
		return nil
	}
}

// by lets in by interfaces.
func by(interfaces ...string) rule {
	return func(_ *world, spec *v1alpha1.NodePortAccessSpec) error {
		spec.Interfaces = interfaces
		return nil
	}
}

// toAddress lets in at one of the node's addresses.
func toAddress(where string) rule {
	return func(w *world, spec *v1alpha1.NodePortAccessSpec) error {
		for _, family := range []string{"IPv4", "IPv6"} {
			cidr, err := w.cidr(where, family)
			if err != nil {
				return err
			}
			spec.Addresses = append(spec.Addresses, cidr)
		}
		return nil
	}
}

// atRate lets each source open so many at once, and hardly any after that.
func atRate(burst int32) rule {
	return func(_ *world, spec *v1alpha1.NodePortAccessSpec) error {
		spec.NewConnections = &v1alpha1.ConnectionRate{PerSecond: 1, Burst: burst}
		return nil
	}
}
