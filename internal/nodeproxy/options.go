package nodeproxy

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/selection"
)

// Options are what the flags of cmd/node-proxy set.
type Options struct {
	// Node says which node this is, and where it has node ports and pods.
	Node node.Options
	// Selection is which Services it serves.
	Selection selection.Selection
	// Localhost serves node ports on the node's loopback addresses too.
	Localhost bool
	// MasqueradeAll has endpoints see the node instead of the client wherever a cluster IP was asked.
	MasqueradeAll bool
	// Range is the cluster's node port range, as kube-apiserver has it: what else uses its numbers is reported. Zero:
	// nothing is.
	Range v1alpha1.PortRange
	// Closed are numbers that nothing on the node takes connections at while no Service and no pod has them; zero: none.
	Closed nft.PortRange
	// ReserveEphemeral keeps the numbers of Services out of those that the node gives to its own connections.
	ReserveEphemeral bool
	// Conntrack are the limits and timeouts of the kernel's connection tracking.
	Conntrack conntrack.Settings
	// HealthzBindAddress is where /healthz and /livez are answered; empty: nowhere.
	HealthzBindAddress string
	// MetricsBindAddress is where /metrics and what `show` asks are answered; empty: nowhere.
	MetricsBindAddress string
	// ReportSpread is within which time after a change the node reports it.
	ReportSpread time.Duration
	// Begun is called once the kernel has all for the first time; nil: nobody is.
	Begun func()
	// Version is what the node reports.
	Version string
	// Clock tells the time; nil: the real one.
	Clock clock.WithTickerAndDelayedExecution
}

// NodeName is the node's name, where no flag says it: NODE_NAME, as the DaemonSet sets it, or that of the host, as the
// kubelet makes it.
func NodeName() (string, error) {
	if name := os.Getenv("NODE_NAME"); name != "" {
		return name, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("learn the node's name: %w; say it by --node-name", err)
	}
	name := strings.ToLower(strings.TrimSpace(host))
	if name == "" {
		return "", errors.New("the host has no name: say the node's by --node-name")
	}
	return name, nil
}
