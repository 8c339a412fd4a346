package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// town is a site with the population of a census, or some of it.
type town struct {
	*site
	census
	nodes *nodeStates
}

// startTown starts a control plane with Portolan and nobody yet. The caller stops it.
func startTown(ctx context.Context, o options) (*town, error) {
	c := whole.share(o.scale)
	o.numbers, o.own = c.nodePorts(), c.own()
	s, err := startSite(ctx, o)
	if err != nil {
		return nil, err
	}
	t := &town{site: s, census: c, nodes: newNodeStates(s.admin, c.nodes, s.numbers)}
	return t, t.addNamespaces(ctx)
}

// addNamespaces makes all namespaces, and waits for what Kubernetes makes in each of them.
func (t *town) addNamespaces(ctx context.Context) error {
	fmt.Fprintf(t.options.log, "making %d namespaces\n", t.namespaces())
	_, err := load(ctx, populationWorkers, t.namespaces(), func(ctx context.Context, i int) error {
		return t.admin.Create(ctx, t.namespace(i))
	})
	if err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, time.Second, 5*time.Minute, true, func(ctx context.Context) (bool, error) {
		accounts, err := t.services.CoreV1().ServiceAccounts("").List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=default"})
		if err != nil {
			return false, err
		}
		return len(accounts.Items) >= t.namespaces(), nil
	})
}

func (t *town) addPools(ctx context.Context) error {
	_, err := load(ctx, 1, t.pools, func(ctx context.Context, i int) error { return t.admin.Create(ctx, t.pool(i)) })
	return err
}

// addServices makes those from one to another.
func (t *town) addServices(ctx context.Context, from, to int) error {
	fmt.Fprintf(t.options.log, "making %d Services\n", to-from)
	_, err := load(ctx, populationWorkers, to-from, func(ctx context.Context, i int) error {
		return t.open(ctx, serviceName(from+i), from+i)
	})
	return err
}

// open makes a Service by its place in the census.
func (t *town) open(ctx context.Context, name string, i int) error {
	svc := t.service(name, i)
	_, err := t.services.CoreV1().Services(svc.Namespace).Create(ctx, svc, metav1.CreateOptions{})
	return err
}

// settle makes everybody, and waits until nothing comes of it any more.
func (t *town) settle(ctx context.Context) error {
	if err := t.addPools(ctx); err != nil {
		return err
	}
	if err := t.addServices(ctx, 0, t.total); err != nil {
		return err
	}
	if err := t.awaitNoted(ctx, t.census.numbers); err != nil {
		return err
	}
	if err := t.addNodes(ctx); err != nil {
		return err
	}
	return t.awaitRest(ctx)
}

func (t *town) addNodes(ctx context.Context) error {
	fmt.Fprintf(t.options.log, "making %d nodes\n", t.census.nodes)
	return t.nodes.create(ctx, useBusy)
}

// restLook is for how long the manager must use less than a twentieth of a core to be at rest.
const restLook = 3 * time.Second

// awaitRest returns when the manager has done what there was to be done.
func (t *town) awaitRest(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < 10*time.Minute; {
		before, err := t.servers.now()
		if err != nil {
			return err
		}
		if err := pause(ctx, restLook); err != nil {
			return err
		}
		after, err := t.servers.now()
		if err != nil {
			return err
		}
		if after.since(before)["manager"] < restLook.Seconds()/20 {
			return nil
		}
	}
	return fmt.Errorf("the manager does not come to rest")
}
