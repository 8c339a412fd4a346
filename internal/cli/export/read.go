package export

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/export/format"
	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
	"github.com/portolan-dev/portolan/internal/cli/session"
)

// kinds are what is read besides Nodes, Services and EndpointSlices. read takes away what the cluster does not have, or the
// caller may not read and can do without.
type kinds struct {
	allocations, accesses, pools bool
	// filtered: numbers are wanted by pool, so allocations must be there.
	filtered bool
	// bare: the cluster may be one without Portolan, where nothing says who may reach a port.
	bare bool
	// missing says what is left out for want of something.
	missing []string
}

func wanted(f format.Format, filter inventory.Filter) *kinds {
	filtered := len(filter.Pools) > 0
	return &kinds{allocations: f.Pools || filtered, accesses: f.Sources, pools: f.Sources, filtered: filtered}
}

// read is the cluster, of one namespace or, with "", all.
func (k *kinds) read(ctx context.Context, from client.Reader, namespace string) (*inventory.Cluster, error) {
	var (
		nodes       corev1.NodeList
		services    corev1.ServiceList
		endpoints   discoveryv1.EndpointSliceList
		allocations v1alpha1.NodePortAllocationList
		accesses    v1alpha1.NodePortAccessList
		pools       v1alpha1.NodePortPoolList
		in          = client.InNamespace(namespace)
	)
	for _, list := range []struct {
		of      client.ObjectList
		options []client.ListOption
		what    string
	}{
		{&nodes, nil, "nodes"},
		{&services, []client.ListOption{in}, "Services"},
		{&endpoints, []client.ListOption{in}, "EndpointSlices"},
	} {
		if err := from.List(ctx, list.of, list.options...); err != nil {
			return nil, refused(list.what, namespace, err)
		}
	}
	for _, list := range []struct {
		read   *bool
		of     client.ObjectList
		absent func(error) error
		in     []client.ListOption
	}{
		{&k.allocations, &allocations, k.withoutAllocations, nil},
		{&k.accesses, &accesses, k.withoutAccesses, []client.ListOption{in}},
		{&k.pools, &pools, k.withoutPools, nil},
	} {
		if !*list.read {
			continue
		}
		err := from.List(ctx, list.of, list.in...)
		if err == nil {
			continue
		}
		if err := list.absent(err); err != nil {
			return nil, err
		}
		*list.read = false
	}
	return &inventory.Cluster{
		Nodes: nodes.Items, Services: services.Items, Slices: endpoints.Items,
		Allocations: allocations.Items, Accesses: accesses.Items, Pools: pools.Items,
	}, nil
}

// refused says of what an export cannot do without which role would let the caller read it.
func refused(what, namespace string, err error) error {
	switch {
	case !apierrors.IsForbidden(err):
		return fmt.Errorf("reading the %s: %w", what, err)
	case what == "nodes":
		return fmt.Errorf("you may not list nodes, at which the ports are to be reached: that takes a ClusterRole with the verbs list and watch on nodes, "+
			"bound to you by a ClusterRoleBinding: %w", err)
	case namespace == "":
		return fmt.Errorf("you may not list the %s of all namespaces: ClusterRole view, bound to you by a ClusterRoleBinding, gives that right; "+
			"without -A they are read of one namespace: %w", what, err)
	}
	return fmt.Errorf("you may not list the %s of namespace %s: ClusterRole view, bound to you there, gives that right: %w", what, namespace, err)
}

// knownPools is an error where there is no pool of one of these names, and no number of it either. Who may not list pools
// may have any.
func knownPools(ctx context.Context, from client.Reader, allocations []v1alpha1.NodePortAllocation, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var pools v1alpha1.NodePortPoolList
	if err := from.List(ctx, &pools); apierrors.IsForbidden(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the NodePortPools: %w", err)
	}
	for _, name := range names {
		isIt := func(p v1alpha1.NodePortPool) bool { return p.Name == name }
		isOf := func(a v1alpha1.NodePortAllocation) bool { return a.Spec.PoolName == name }
		if !slices.ContainsFunc(pools.Items, isIt) && !slices.ContainsFunc(allocations, isOf) {
			return session.NoPool(name)
		}
	}
	return nil
}

// withoutAllocations says what becomes of an export that could not read them: numbers are shown without their pools.
func (k *kinds) withoutAllocations(err error) error {
	switch {
	case k.filtered && absent(err):
		return fmt.Errorf("--pool goes by NodePortAllocations, and this cluster has none: Portolan is not installed: %w", err)
	case absent(err):
		return nil
	case !k.filtered && apierrors.IsForbidden(err):
		k.missing = append(k.missing, "You may not list NodePortAllocations: pools are left out.")
		return nil
	}
	return fmt.Errorf("reading the NodePortAllocations: %w", err)
}

// withoutAccesses: who may not read who may come in would open a firewall to everybody. So would one who reads it of a cluster
// whose kinds come later, as when all of it is restored: the caller has to say that there are none.
func (k *kinds) withoutAccesses(err error) error {
	if absent(err) {
		return k.uninstalled("NodePortAccess", err)
	}
	return fmt.Errorf("reading the NodePortAccesses, without which all ports would be open to everybody: %w", err)
}

// withoutPools: tenants cannot read pools. The nodes keep to the ceilings all the same.
func (k *kinds) withoutPools(err error) error {
	switch {
	case absent(err):
		return k.uninstalled("NodePortPool", err)
	case apierrors.IsForbidden(err):
		k.missing = append(k.missing, "You may not list NodePortPools: their ceilings of who may reach a port are left out; the nodes keep to them.")
		return nil
	}
	return fmt.Errorf("reading the NodePortPools: %w", err)
}

func (k *kinds) uninstalled(kind string, err error) error {
	if k.bare {
		return nil
	}
	return fmt.Errorf("this cluster has no kind %s, which says who may reach a port: Portolan is not installed, or not yet; "+
		"--without-portolan has every port open to everybody: %w", kind, err)
}

// absent: the cluster does not have the kind.
func absent(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }
