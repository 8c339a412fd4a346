package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Node is a node of the cluster: a machine on the bridge that routes for its Pods.
type Node struct {
	*Machine
	// PodCIDR is the /24 its Pods have their addresses from.
	PodCIDR string

	agent     *agent
	kubeProxy *process // nil before it is first started
}

const nodeBudget = 30 * time.Second

// makeNetwork makes the bridge, the nodes and the client, without any process in them.
func (c *Cluster) makeNetwork() (err error) {
	if c.network, err = newNetwork(c.state); err != nil {
		return err
	}
	if c.client, err = c.newMachine("client", clientHost); err != nil {
		return err
	}
	for i := 1; i <= c.options.Nodes; i++ {
		n, err := c.newNode(i)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	return c.routePods()
}

func (c *Cluster) newNode(number int) (*Node, error) {
	m, err := c.newMachine(fmt.Sprintf("node-%d", number), nodeHost+number)
	if err != nil {
		return nil, err
	}
	n := &Node{Machine: m, PodCIDR: fmt.Sprintf("10.244.%d.0/24", number)}
	return n, errors.Join(
		n.sysctl("ipv4/ip_forward", "1"),
		// A new namespace has the host's reverse path filter, whatever that is.
		n.sysctl("ipv4/conf/all/rp_filter", "0"),
		n.sysctl("ipv4/conf/default/rp_filter", "0"),
		n.sysctl("ipv4/conf/"+uplink+"/rp_filter", "0"),
		// Needed for what a node itself sends to cluster addresses, which nothing but the rules of its proxy knows. It
		// ends in the switch namespace, which forwards nothing.
		n.route("", c.network.ip(switchHost), uplink),
	)
}

// routePods tells every node which node has which Pods, as a cloud's route controller or a CNI plugin does.
func (c *Cluster) routePods() error {
	for _, from := range c.nodes {
		for _, to := range c.nodes {
			if from == to {
				continue
			}
			if err := from.Route(to.PodCIDR, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// startNodes starts agents and proxies and returns when every node is Ready and programmed.
func (c *Cluster) startNodes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, nodeBudget+time.Duration(c.options.Nodes)*time.Second)
	defer cancel()
	if err := c.forwardAPIServer(); err != nil {
		return err
	}
	errs := make([]error, len(c.nodes))
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		wg.Go(func() { errs[i] = c.startNode(ctx, n) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if c.options.Proxy != NoProxy {
		c.logf("kube-proxy ready on every node, in %s mode", c.options.Proxy)
	}
	return nil
}

func (c *Cluster) startNode(ctx context.Context, n *Node) error {
	var err error
	if n.agent, err = c.startAgent(ctx, n); err != nil {
		return fmt.Errorf("agent of %s: %w", n.Name, err)
	}
	if c.options.Proxy != NoProxy {
		if err := n.StartKubeProxy(ctx, c.options.Proxy); err != nil {
			return err
		}
	}
	if err := c.awaitSchedulable(ctx, n); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	c.logf("%s ready at %s, Pods in %s", n.Name, n.IP, n.PodCIDR)
	return nil
}

// removeNetwork takes everything down; the cluster's children and background work have ended.
func (c *Cluster) removeNetwork() error {
	if c.network == nil {
		return nil
	}
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.close())
	}
	if c.client != nil {
		errs = append(errs, c.client.close())
	}
	return errors.Join(append(errs, c.network.remove())...)
}
