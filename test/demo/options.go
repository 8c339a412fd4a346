package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/test/cluster"
)

const usage = `Runs a Kubernetes cluster with Portolan on this machine, shows a tour of it, and
stays up until Ctrl-C, which removes everything. Nodes are network namespaces
and need root; without, the control plane and Portolan run alone.

Usage: make demo [ARGS="FLAGS"], or: go run ./test/demo [FLAGS]

  --once            run the tour, check it and exit: 0, or 1 after a surprise
  --nodes=3         how many nodes; 0: the control plane and Portolan alone
  --proxy=PROXY     what programs Services on the nodes:
                      node-proxy            Portolan's own, which is the default
                      kube-proxy            the real one, in nftables mode; node-proxy
                                            says who reaches node ports, here too
                      kube-proxy-iptables   the same, in iptables mode
                      both                  kube-proxy, and node-proxy for the
                                            Services whose label names it
                      none                  nothing
  --dir=DIR         where the cluster keeps its files; by default ` + "%s" + `
`

// proxy is what --proxy can say.
type proxy struct {
	kubeProxy cluster.Proxy
	// services is node-proxy's flag; empty: it does not run.
	services string
	// program is what kube-proxy runs, from a package.
	program, pkg string
}

const defaultProxy = "node-proxy"

var proxies = map[string]proxy{
	defaultProxy:          {kubeProxy: cluster.NoProxy, services: "all"},
	"kube-proxy":          {kubeProxy: cluster.KubeProxyNFTables, services: "none", program: "nft", pkg: "nftables"},
	"kube-proxy-iptables": {kubeProxy: cluster.KubeProxyIPTables, services: "none", program: "iptables", pkg: "iptables"},
	"both":                {kubeProxy: cluster.KubeProxyNFTables, services: "labelled", program: "nft", pkg: "nftables"},
	"none":                {kubeProxy: cluster.NoProxy},
}

type options struct {
	once  bool
	nodes int
	proxy proxy
	dir   string

	// without says why nothing answers on node ports, and how to have that; empty: nodes do answer.
	without string
}

// parse reads the flags; --help prints them and ends the program.
func parse(args []string) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.SetOutput(discard{})
	fs.BoolVar(&o.once, "once", false, "")
	fs.IntVar(&o.nodes, "nodes", 3, "")
	name := fs.String("proxy", defaultProxy, "")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Printf(usage, os.TempDir())
		os.Exit(0)
	}
	if err == nil && fs.NArg() > 0 {
		err = fmt.Errorf("%q is not understood", fs.Arg(0))
	}
	known := false
	if o.proxy, known = proxies[*name]; err == nil && !known {
		err = fmt.Errorf("--proxy=%s: not one of %s", *name, strings.Join(slices.Sorted(maps.Keys(proxies)), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("%w; see --help", err)
	}
	return o, o.leaveOut()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// leaveOut settles what cannot be shown here, and why. With --once it fails instead where a package is all that lacks: who
// runs a check of kube-proxy is not to be told that it has passed without one.
func (o *options) leaveOut() error {
	// Where a login shell's PATH leaves them out.
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	switch {
	case o.nodes == 0:
		o.without = "There are no nodes, as --nodes=0 says."
	case os.Geteuid() != 0:
		o.without = "There are no nodes: they are network namespaces, and you are not root.\n" +
			"As root (sudo make demo) there are three, with Pods that answer."
		o.nodes = 0
	case o.proxy == proxies["none"]:
		o.without = "There is nothing on the nodes that knows Services, as --proxy=none says."
	case o.proxy.program != "" && missing(o.proxy.program) && o.once:
		return fmt.Errorf("kube-proxy needs %s, which is not installed: install the package %s (make system-packages)", o.proxy.program, o.proxy.pkg)
	case o.proxy.program != "" && missing(o.proxy.program):
		o.without = "There are no nodes: their kube-proxy needs " + o.proxy.program + ", which is not installed.\n" +
			"Install the package " + o.proxy.pkg + " to have three, with Pods that answer; or leave out --proxy."
		o.nodes = 0
	}
	return nil
}

func missing(program string) bool {
	_, err := exec.LookPath(program)
	return err != nil
}
