package node

import (
	"fmt"
	"net/netip"
	"strings"
)

// LocalMode is how connections of pods are told from others.
type LocalMode string

// The modes, by kube-proxy's names.
const (
	// ClusterCIDR: by their source, which is in the ranges of all pods of the cluster.
	ClusterCIDR LocalMode = "ClusterCIDR"
	// NodeCIDR: by their source, which is in the Node's podCIDRs.
	NodeCIDR LocalMode = "NodeCIDR"
	// BridgeInterface: by the bridge that they come in by.
	BridgeInterface LocalMode = "BridgeInterface"
	// InterfaceNamePrefix: by the beginning of the name of the interface that they come in by.
	InterfaceNamePrefix LocalMode = "InterfaceNamePrefix"
)

// DetectLocal is how connections of pods are told from others: a mode, and what it needs. What other modes need is
// not looked at.
type DetectLocal struct {
	Mode LocalMode
	// ClusterCIDRs may be none: then nothing says in that mode which connections are of pods.
	ClusterCIDRs        []netip.Prefix
	BridgeInterface     string
	InterfaceNamePrefix string
}

// longestInterface is how long the name of an interface may be (IFNAMSIZ, without the zero byte at its end).
const longestInterface = 15

// ParseDetectLocal reads the flags --detect-local-mode ("" is ClusterCIDR), --cluster-cidr, --pod-bridge-interface and
// --pod-interface-name-prefix. The error names the flag, and what to do.
func ParseDetectLocal(mode, clusterCIDR, bridge, prefix string) (DetectLocal, error) {
	d := DetectLocal{Mode: LocalMode(mode), BridgeInterface: bridge, InterfaceNamePrefix: prefix}
	var err error
	if d.ClusterCIDRs, err = parsePrefixes(clusterCIDR); err != nil {
		return DetectLocal{}, fmt.Errorf("--cluster-cidr: %w", err)
	}
	switch d.Mode {
	case "":
		d.Mode = ClusterCIDR
	case ClusterCIDR, NodeCIDR:
	case BridgeInterface:
		err = checkInterface("--pod-bridge-interface", "the bridge of the node's pods, such as cni0", bridge, longestInterface)
	case InterfaceNamePrefix:
		err = checkInterface("--pod-interface-name-prefix", "how the names of the pods' interfaces begin, such as veth", prefix, longestInterface-1)
	default:
		err = fmt.Errorf("--detect-local-mode: no mode is called %q: write %s, %s, %s or %s", mode, ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix)
	}
	if err != nil {
		return DetectLocal{}, err
	}
	return d, nil
}

// checkInterface checks the value of a flag that names an interface, or the beginning of one.
func checkInterface(flag, what, name string, longest int) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is not set: set it to %s", flag, what)
	case strings.ContainsAny(name, "*/ \t\n"):
		return fmt.Errorf("%s: %q is no name of an interface: write %s", flag, name, what)
	case len(name) > longest:
		return fmt.Errorf("%s: %q is too long: write %s, with at most %d characters", flag, name, what, longest)
	}
	return nil
}
