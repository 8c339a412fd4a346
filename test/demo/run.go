package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	c, err := cluster.Start(ctx, cluster.Options{Nodes: o.nodes, Proxy: o.proxy.kubeProxy, Dir: o.dir, Log: log})
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
	p, err := installOn(ctx, c, o, log)
	if err != nil {
		return interrupted(ctx, err)
	}
	manager := p.manager
	log.suspend()
	err = show(ctx, c, p, o)
	if o.once {
		return concluded(err, manager, time.Since(log.started))
	}
	if ctx.Err() != nil { // seen enough
		return nil
	}
	if err != nil {
		exitCode(err) // and stay up, for a look at what is wrong
	}
	farewell(c, o, p)
	return stay(ctx, manager)
}

func sayRemoved() { fmt.Println("\nEverything is removed.") }

// portolan is what runs of it.
type portolan struct {
	manager *install.Process
	// nodeProxy is nil where it does not run.
	nodeProxy *install.NodeProxy
	// plugin is the path of kubectl's.
	plugin string
}

func installOn(ctx context.Context, c *cluster.Cluster, o *options, log *progress) (p portolan, err error) {
	if p.plugin, err = install.Plugin(); err != nil {
		return p, err
	}
	installation, err := install.Apply(ctx, c)
	if err != nil {
		return p, err
	}
	log.line("Portolan's manifests applied (config/default)")
	if o.nodes > 0 && o.proxy.services != "" {
		if p.nodeProxy, err = startNodeProxy(ctx, c, o); err != nil {
			return p, err
		}
		log.line("node-proxy ready on every node, with --services=" + o.proxy.services + " (config/node-proxy)")
	}
	if p.manager, err = installation.StartProcess(ctx, ""); err != nil {
		return p, err
	}
	log.line("Portolan's manager ready")
	return p, nil
}

func startNodeProxy(ctx context.Context, c *cluster.Cluster, o *options) (*install.NodeProxy, error) {
	// So few nodes may all report at once.
	p, err := install.ApplyNodeProxy(ctx, c, "", "--services="+o.proxy.services, "--report-spread=0s")
	if err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

func show(ctx context.Context, c *cluster.Cluster, p portolan, o *options) error {
	t := &tour.Tour{
		Cluster: c, Root: install.Repository(), Screen: tour.NewScreen(os.Stdout), Manager: p.manager, Plugin: p.plugin,
		Packets: o.without == "", NodeProxy: p.nodeProxy, GuardOnly: o.proxy.services == "none", BesideKubeProxy: o.proxy.kubeProxy != cluster.NoProxy,
	}
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
func farewell(c *cluster.Cluster, o *options, p portolan) {
	screen := tour.NewScreen(os.Stdout)
	screen.Title("It is yours now")
	screen.Say("In another terminal:")
	paste(
		"cd "+install.Repository(),
		"export KUBECONFIG="+c.Kubeconfig(),
		"export PATH="+strings.Join(programs(p), ":")+":$PATH",
	)
	screen.Say("Then, for example:")
	paste(
		"kubectl get services -A",
		"kubectl get npp,npa",
		"kubectl create service nodeport hello --tcp=80",
		"kubectl get npa -o wide",
		"kubectl create ns shop",
		"kubectl create service nodeport cart --tcp=80 -n shop",
		"kubectl get service cart -n shop",
		"kubectl describe npp team-a",
		"kubectl portolan list -A",
		"kubectl portolan explain podinfo",
		"kubectl portolan doctor",
	)
	screen.Say("The map as a page in your browser, live, at an address that this prints:")
	paste("kubectl portolan ui")
	if o.without == "" {
		answering(screen, c)
		programmed(screen, c, o, p)
	}
	unanswering(screen, p.manager)
	screen.Say("Portolan's manager runs as a process here, its log is " + p.manager.Log + "\n" +
		"Other logs are beside it. Ctrl-C ends it all and removes everything.")
}

// programs are the directories of what the offered lines run: kubectl, its plugin with what completes it, node-proxy.
func programs(p portolan) []string {
	dirs := []string{filepath.Join(install.Repository(), "bin", "controlplane"), filepath.Dir(p.plugin)}
	if p.nodeProxy != nil {
		dirs = append(dirs, filepath.Dir(p.nodeProxy.Program))
	}
	return append(slices.Compact(dirs), filepath.Join(install.Repository(), "cmd", install.PluginName))
}

// unanswering says how to have no manager for a while.
func unanswering(screen *tour.Screen, manager *install.Process) {
	screen.Say("Have Portolan's manager answer no more: a Service then waits out the webhooks' 3 s each, and gets\n" +
		"a number from Kubernetes alone. When the manager goes on, the number is adopted.")
	paste(
		fmt.Sprintf("kill -STOP %d", manager.Pid()),
		"kubectl create service nodeport meanwhile --tcp=80",
		fmt.Sprintf("kill -CONT %d", manager.Pid()),
		"kubectl get npa -o wide",
	)
}

// programmed says how to look at what a node's proxy has made of the Services.
func programmed(screen *tour.Screen, c *cluster.Cluster, o *options, p portolan) {
	onNode := "ip netns exec " + c.Nodes()[0].Namespace() + " "
	var lines []string
	if p.nodeProxy != nil {
		service, number := served(o)
		lines = append(lines, onNode+"node-proxy show", onNode+"node-proxy show "+service, onNode+"node-proxy show "+number, "kubectl get npns")
	}
	if !missing("nft") {
		lines = append(lines, onNode+"nft list ruleset")
	}
	if len(lines) > 0 {
		screen.Say("What " + c.Nodes()[0].Name + " has been told to do with what comes in:")
		paste(lines...)
	}
}

// served are a Service that node-proxy serves, and the number of one.
func served(o *options) (service, number string) {
	if o.proxy.services == "labelled" {
		return "podinfo-portolan", "31010"
	}
	return "my-nodeport-service", "31000"
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
