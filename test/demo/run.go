package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/tour"
)

// run is the demo from its start to its end. What it made is gone when it returns, which it says.
func run(ctx context.Context, o *options) error {
	log := newProgress(os.Stdout)
	fmt.Println("Starting a Kubernetes cluster on this machine, and Portolan on it.")
	if o.without != "" {
		fmt.Printf("\n%s\nNothing answers on node ports, and the tour leaves out the requests.\n", o.without)
	}
	fmt.Println()
	c, err := cluster.Start(ctx, cluster.Options{Nodes: o.nodes, Proxy: cluster.Proxy(o.proxy), Dir: o.dir, Log: log})
	if err != nil {
		if ctx.Err() != nil {
			sayRemoved()
		}
		return interrupted(ctx, err)
	}
	defer func() {
		log.resume()
		c.Stop()
		sayRemoved()
	}()
	manager, err := installOn(ctx, c, log)
	if err != nil {
		return interrupted(ctx, err)
	}
	log.suspend()
	err = show(ctx, c, manager, o)
	if o.once {
		return concluded(err, manager, time.Since(log.started))
	}
	if ctx.Err() != nil { // seen enough
		return nil
	}
	if err != nil {
		exitCode(err) // and stay up, for a look at what is wrong
	}
	farewell(c, o, manager)
	return stay(ctx, manager)
}

func sayRemoved() { fmt.Println("\nEverything is removed.") }

func installOn(ctx context.Context, c *cluster.Cluster, log *progress) (*install.Process, error) {
	installation, err := install.Apply(ctx, c)
	if err != nil {
		return nil, err
	}
	log.line("Portolan's manifests applied (config/default)")
	manager, err := installation.StartProcess(ctx, "")
	if err != nil {
		return nil, err
	}
	log.line("Portolan's manager ready")
	return manager, nil
}

func show(ctx context.Context, c *cluster.Cluster, manager *install.Process, o *options) error {
	t := &tour.Tour{Cluster: c, Root: install.Repository(), Screen: tour.NewScreen(os.Stdout), Manager: manager, Packets: o.without == ""}
	return t.Run(ctx)
}

// concluded ends a demo that does not stay up.
func concluded(err error, manager *install.Process, took time.Duration) error {
	if err == nil {
		fmt.Printf("\n\nThe tour went as it should, %.0f s after the start.\n", took.Seconds())
	}
	if surprise := (*tour.Surprise)(nil); errors.As(err, &surprise) {
		showEnd(manager)
	}
	return err
}

// showEnd shows the end of the manager's log, which goes with the cluster.
func showEnd(manager *install.Process) {
	log, _ := os.ReadFile(manager.Log)
	fmt.Fprintf(os.Stderr, "\nThe end of the manager's log:\n%s", log[max(0, len(log)-2000):])
}

// interrupted prefers the reason why the context ended to what came of it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// stay returns after a signal, or when the manager ends by itself.
func stay(ctx context.Context, manager *install.Process) error {
	select {
	case <-ctx.Done():
		return nil
	case <-manager.Done():
		showEnd(manager)
		return fmt.Errorf("the manager has ended: %s", manager.State())
	}
}

// farewell says how to go on. Every indented line can be pasted into a shell.
func farewell(c *cluster.Cluster, o *options, manager *install.Process) {
	screen := tour.NewScreen(os.Stdout)
	screen.Title("It is yours now")
	screen.Say("In another terminal:")
	root := install.Repository()
	paste(
		"cd "+root,
		"export KUBECONFIG="+c.Kubeconfig(),
		"export PATH="+filepath.Join(root, "bin", "controlplane")+":$PATH",
	)
	screen.Say("Then, for example:")
	paste(
		"kubectl get services -A",
		"kubectl get npp,npa",
		"kubectl create service nodeport hello --tcp=80",
		"kubectl create ns shop",
		"kubectl get npa -o wide",
		"kubectl create service nodeport cart --tcp=80 -n shop",
		"kubectl get service cart -n shop",
		"kubectl describe npp team-a",
	)
	if o.without == "" {
		answering(screen, c)
	}
	screen.Say("Have Portolan's manager answer no more: a Service then waits out the webhooks' 3 s each, and gets\n" +
		"a number from Kubernetes alone. When the manager goes on, the number is adopted.")
	paste(
		fmt.Sprintf("kill -STOP %d", manager.Pid()),
		"kubectl create service nodeport meanwhile --tcp=80",
		fmt.Sprintf("kill -CONT %d", manager.Pid()),
		"kubectl get npa -o wide",
	)
	screen.Say("Portolan's manager runs as a process here, its log is " + manager.Log + "\n" +
		"Other logs are beside it. Ctrl-C ends it all and removes everything.")
}

// answering says where to send requests.
func answering(screen *tour.Screen, c *cluster.Cluster) {
	screen.Say("The nodes, which answer on every node port:")
	first := c.Nodes()[0]
	var lines []string
	for _, n := range c.Nodes() {
		lines = append(lines, fmt.Sprintf("%s %s:31000", tour.HTTPClient(), n.IP))
	}
	paste(lines...)
	screen.Say("From " + first.Name + ", and from a client beside the nodes:")
	paste(
		fmt.Sprintf("ip netns exec %s %s %s:31000", first.Namespace(), tour.HTTPClient(), first.IP),
		fmt.Sprintf("ip netns exec %s %s %s:30008", c.Client().Namespace(), tour.HTTPClient(), first.IP),
	)
}

func paste(lines ...string) {
	fmt.Println()
	for _, line := range lines {
		fmt.Println("  " + line)
	}
}
