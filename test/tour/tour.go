// Package tour shows what Portolan does for the people who use it, on a cluster that has it installed: it types the
// commands that they would, shows what these print, and holds each against what it should be. The demo shows it, the
// end-to-end tests run it.
package tour

import (
	"context"
	"fmt"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

// Tour is one walk through a cluster on which nothing has been made yet but Portolan.
type Tour struct {
	Cluster *cluster.Cluster
	// Root is the checkout's, the working directory of every command.
	Root string
	// Screen is where it is shown.
	Screen *Screen
	// Manager is Portolan's, the only one: the tour stops it and starts it again.
	Manager Manager
	// Plugin is the path of kubectl's plugin, kubectl-portolan.
	Plugin string
	// Packets says that the cluster's nodes answer on node ports: it has nodes, and a proxy on them. Without, the tour
	// leaves out the backends and the requests to them.
	Packets bool
	// NodeProxy is what runs on the nodes; nil where node-proxy does not, and then the tour leaves out what it does.
	NodeProxy *install.NodeProxy
	// GuardOnly says that node-proxy serves no Services.
	GuardOnly bool
	// BesideKubeProxy says that node-proxy serves the Services that are labelled for it, and kube-proxy the others.
	BesideKubeProxy bool
}

// Manager is a manager that can be stopped, within a grace, and started again.
type Manager interface {
	Stop(grace time.Duration)
	Restart(ctx context.Context) error
}

// Surprise is what the tour found to be other than it should be.
type Surprise struct {
	// Step is the title under which it happened.
	Step string
	Err  error
}

func (s *Surprise) Error() string { return fmt.Sprintf("under %q: %v", s.Step, s.Err) }

func (s *Surprise) Unwrap() error { return s.Err }

// Run shows the tour to its end, or to the first surprise, which it returns. If ctx ends, it returns ctx's error.
func (t *Tour) Run(ctx context.Context) error {
	g := &guide{Tour: t, ctx: ctx}
	for _, step := range []func(){
		g.pools, g.chosenNumber, g.askedNumber, g.externalIP, g.refusals, g.sameNumber, g.reservation, g.quota, g.operatorsView, g.withoutManager,
		g.access, g.nodes, g.plugin,
	} {
		step()
	}
	if g.err != nil && ctx.Err() == nil {
		return &Surprise{Step: g.title, Err: g.err}
	}
	return ctx.Err()
}

// guide walks through one tour. After the first error its methods do nothing, so that a step reads like a script.
type guide struct {
	*Tour
	ctx   context.Context
	title string // of the present step
	count int    // of the numbered steps so far
	err   error

	registryPort int32 // what step 1 got
}

// step begins the next one of those with numbers: which there are depends on what runs.
func (g *guide) step(title string) {
	g.count++
	g.begin(fmt.Sprintf("%d. %s", g.count, title))
}

// begin begins a step.
func (g *guide) begin(title string) {
	if g.err == nil {
		g.title = title
		g.Screen.Title(title)
	}
}

// say explains what is shown next.
func (g *guide) say(text string) {
	if g.err == nil {
		g.Screen.Say(text)
	}
}

func (g *guide) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf(format, args...)
	}
}
