package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Proxy says what programs Services on the nodes.
type Proxy string

const (
	// KubeProxyNFTables is the real kube-proxy in nftables mode. It needs the nft binary.
	KubeProxyNFTables Proxy = "nftables"
	// KubeProxyIPTables is the real kube-proxy in iptables mode. It needs the iptables binaries.
	KubeProxyIPTables Proxy = "iptables"
	// NoProxy leaves Services to the caller.
	NoProxy Proxy = "none"
)

// Options describe a cluster. The zero value is a control plane without nodes.
type Options struct {
	// Nodes is how many nodes to make, at most 200. Any number but 0 needs root.
	Nodes int
	// Dir is the parent of the cluster's state directory. Default: os.TempDir().
	Dir string
	// BinDir holds the binaries that `make controlplane` builds. Default: bin/controlplane of the checkout that the
	// working directory or the running program is in.
	BinDir string
	// Proxy is what runs on the nodes. Default: KubeProxyNFTables.
	Proxy Proxy
	// ServiceNodePortRange is the API server's flag of that name. Default: the API server's own.
	ServiceNodePortRange string
	// APIServerFlags are appended to the API server's flags, so they win.
	APIServerFlags []string
	// EtcdBy, if set, is told where etcd listens ("127.0.0.1:2379") and returns where the API server is to reach it, on
	// loopback too: for tests that come between the two.
	EtcdBy func(address string) (by string, err error)
	// Log receives a line for each step. Default: none. Nothing is written after Stop returns.
	Log io.Writer
}

const maxNodes = 200

// ErrNeedsRoot is what Start returns for a cluster with nodes when the process is not root.
var ErrNeedsRoot = errors.New("a cluster with nodes needs root, for network namespaces; Nodes: 0 runs the control plane alone")

// complete fills in the defaults and refuses what cannot work, before anything is started.
func (o *Options) complete() error {
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if o.Proxy == "" {
		o.Proxy = KubeProxyNFTables
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Nodes < 0 || o.Nodes > maxNodes {
		return fmt.Errorf("nodes: %d is not between 0 and %d", o.Nodes, maxNodes)
	}
	if o.Nodes > 0 && os.Geteuid() != 0 {
		return ErrNeedsRoot
	}
	if err := o.completeBinDir(); err != nil {
		return err
	}
	if o.Nodes > 0 {
		return checkProxy(o.Proxy)
	}
	return nil
}

func (o *Options) completeBinDir() error {
	if o.BinDir == "" {
		o.BinDir = findBinDir()
	}
	if o.BinDir == "" {
		return errors.New("no bin/controlplane above the working directory or beside this program: run `make controlplane`, or set Options.BinDir")
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kube-proxy"} {
		if _, err := os.Stat(filepath.Join(o.BinDir, name)); err != nil {
			return fmt.Errorf("the control plane is not built: %w: run `make controlplane`", err)
		}
	}
	return nil
}

// findBinDir looks upwards from the working directory, then from the running program; "" is not found.
func findBinDir() string {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if program, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(program))
	}
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			candidate := filepath.Join(dir, "bin", "controlplane")
			if _, err := os.Stat(candidate); err == nil {
				return candidate
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return ""
}

// checkProxy says what to install when kube-proxy would miss a binary it runs.
func checkProxy(p Proxy) error {
	var binary, pkg string
	switch p {
	case KubeProxyNFTables:
		binary, pkg = "nft", "nftables"
	case KubeProxyIPTables:
		binary, pkg = "iptables", "iptables"
	case NoProxy:
		return nil
	default:
		return fmt.Errorf("proxy: %q is none of %q, %q, %q", p, KubeProxyNFTables, KubeProxyIPTables, NoProxy)
	}
	if _, err := exec.LookPath(binary); err != nil {
		return fmt.Errorf("kube-proxy in %s mode runs %s, which is not installed: `apt-get install %s`, or your system's like: %w", p, binary, pkg, err)
	}
	return nil
}
