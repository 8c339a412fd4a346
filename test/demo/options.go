package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"

	"github.com/portolan-dev/portolan/test/cluster"
)

const usage = `Runs a Kubernetes cluster with Portolan on this machine, shows a tour of it, and
stays up until Ctrl-C, which removes everything. Nodes are network namespaces
and need root; without, the control plane and Portolan run alone.

Usage: make demo [ARGS="FLAGS"], or: go run ./test/demo [FLAGS]

  --once            run the tour, check it and exit: 0, or 1 after a surprise
  --nodes=3         how many nodes; 0: the control plane and Portolan alone
  --proxy=nftables  kube-proxy's mode on the nodes: nftables, iptables or none
  --dir=DIR         where the cluster keeps its files; by default ` + "%s" + `
`

type options struct {
	once  bool
	nodes int
	proxy string
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
	fs.StringVar(&o.proxy, "proxy", string(cluster.KubeProxyNFTables), "")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Printf(usage, os.TempDir())
		os.Exit(0)
	}
	if err == nil && fs.NArg() > 0 {
		err = fmt.Errorf("%q is not understood", fs.Arg(0))
	}
	if err != nil {
		return nil, fmt.Errorf("%w; see --help", err)
	}
	o.leaveOut()
	return o, nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// leaveOut settles what cannot be shown here, and why.
func (o *options) leaveOut() {
	// Where a login shell's PATH leaves them out.
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	switch {
	case o.nodes == 0:
		o.without = "There are no nodes, as --nodes=0 says."
	case os.Geteuid() != 0:
		o.without = "There are no nodes: they are network namespaces, and you are not root.\n" +
			"As root (sudo make demo) there are three, with Pods that answer."
		o.nodes = 0
	case o.proxy == string(cluster.NoProxy):
		o.without = "There is nothing on the nodes that knows Services, as --proxy=none says."
	case o.proxy == string(cluster.KubeProxyNFTables) && missing("nft"):
		o.without = notInstalled("nft", "nftables")
		o.nodes = 0
	case o.proxy == string(cluster.KubeProxyIPTables) && missing("iptables"):
		o.without = notInstalled("iptables", "iptables")
		o.nodes = 0
	}
}

func notInstalled(program, pkg string) string {
	return "There are no nodes: their kube-proxy needs " + program + ", which is not installed.\n" +
		"Install the package " + pkg + " to have three, with Pods that answer."
}

func missing(program string) bool {
	_, err := exec.LookPath(program)
	return err != nil
}
