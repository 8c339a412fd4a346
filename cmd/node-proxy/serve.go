package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/logs"
	"github.com/portolan-dev/portolan/internal/nodeproxy"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/selection"
	"github.com/portolan-dev/portolan/internal/version"
)

// defaultMetricsAddress is kube-proxy's, with a port of our own: both may run on a node.
const defaultMetricsAddress = "127.0.0.1:10349"

// kubeProxyMetricsAddress is where node-proxy is in the place of kube-proxy.
const kubeProxyMetricsAddress = "127.0.0.1:10249"

// serve keeps the kernel in step until ctx ends.
func serve(ctx context.Context, args []string) error {
	options, logger, err := parse(flag.CommandLine, args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no API server: write --kubeconfig=FILE, or run in a Pod: %w", err)
	}
	options.Begun = spareCollector()
	agent, err := nodeproxy.New(cfg, options, logger)
	if err != nil {
		return err
	}
	return agent.Run(ctx)
}

// texts are the flags whose values have a form of their own.
type texts struct {
	services, nodePortAddresses                 string
	nodePortRange                               string
	closeUnallocated                            bool
	detectLocal, clusterCIDR, bridge, podPrefix string
}

// parse reads the flags. The error is flag.ErrHelp where the help was asked for, and written.
func parse(fs *flag.FlagSet, args []string) (nodeproxy.Options, logr.Logger, error) {
	o, t := nodeproxy.Options{Version: version.Of(release)}, texts{}
	addServiceFlags(fs, &o, &t)
	addGuardFlags(fs, &o, &t)
	addNodeFlags(fs, &o, &t)
	addConntrackFlags(fs, &o)
	addServerFlags(fs, &o)
	zapOptions := zap.Options{}
	zapOptions.BindFlags(fs)
	out := fs.Output()
	fs.Init(fs.Name(), flag.ContinueOnError)
	fs.SetOutput(io.Discard) // a wrong flag is an error, and not a screen of all there are
	fs.Usage = func() {}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(out)
			fmt.Fprint(out, usage, "Flags:\n")
			fs.PrintDefaults()
			return o, logr.Discard(), err
		}
		return o, logr.Discard(), fmt.Errorf("%w; see --help", err)
	}
	if fs.NArg() > 0 {
		return o, logr.Discard(), fmt.Errorf("%q is not understood; see --help", fs.Arg(0))
	}
	return o, logs.New(zapOptions), t.read(&o)
}

func addServiceFlags(fs *flag.FlagSet, o *nodeproxy.Options, t *texts) {
	fs.StringVar(&t.services, "services", selection.Word(v1alpha1.ProxyModeLabelled),
		"The `mode`, which says which Services to serve: labelled, those whose label service.kubernetes.io/service-proxy-name has the value of --service-proxy-name; all, those without that label too, in the place of kube-proxy; or none.")
	fs.StringVar(&o.Selection.ProxyName, "service-proxy-name", "portolan", "The `value` of the label service.kubernetes.io/service-proxy-name that gives a Service to this node-proxy.")
	fs.StringVar(&t.nodePortAddresses, "nodeport-addresses", "primary",
		"On which `addresses` of the node node ports are served: primary, the Node's first internal address of each family, and of a family of which it has none all of the host's; or all those in a list of prefixes such as 10.0.0.0/8,fd00::/8. Link-local ones only where a prefix names them.")
	fs.BoolVar(&o.Localhost, "nodeport-localhost", false, "Serve node ports of TCP at the node's loopback addresses too, for processes of the node.")
	fs.BoolVar(&o.MasqueradeAll, "masquerade-all", false, "Have endpoints see the node as the client of every connection to a cluster IP.")
}

func addGuardFlags(fs *flag.FlagSet, o *nodeproxy.Options, t *texts) {
	fs.StringVar(&t.nodePortRange, "service-node-port-range", "30000-32767",
		"The cluster's node port `range`, as kube-apiserver has it. What else uses its numbers on the node is reported, and --close-unallocated is about them.")
	fs.BoolVar(&t.closeUnallocated, "close-unallocated", false,
		"Refuse what comes from outside to numbers of --service-node-port-range that no Service and no pod's hostPort has, also where a process of the node listens.")
	fs.BoolVar(&o.ReserveEphemeral, "reserve-ephemeral", false,
		"Add the numbers of Services to net.ipv4.ip_local_reserved_ports, so that the node gives them to none of its own connections. It takes a /proc/sys that can be written to.")
}

func addNodeFlags(fs *flag.FlagSet, o *nodeproxy.Options, t *texts) {
	fs.StringVar(&o.Node.Name, "node-name", "", "The `name` of the Node. Default: $NODE_NAME, else the host's.")
	fs.StringVar(&t.detectLocal, "detect-local-mode", string(node.ClusterCIDR),
		"The `mode` in which connections of pods are told from others: ClusterCIDR, by --cluster-cidr; NodeCIDR, by the Node's podCIDRs; BridgeInterface, by --pod-bridge-interface; or InterfaceNamePrefix, by --pod-interface-name-prefix.")
	fs.StringVar(&t.clusterCIDR, "cluster-cidr", "", "The `ranges` of the cluster's pods, such as 10.244.0.0/16,fd00:244::/56. Without them nobody is masqueraded on the way to a cluster IP.")
	fs.StringVar(&t.bridge, "pod-bridge-interface", "", "The `bridge` of the node's pods, such as cni0. Not looked at in other modes than BridgeInterface.")
	fs.StringVar(&t.podPrefix, "pod-interface-name-prefix", "", "How the `names` of the pods' interfaces begin, such as veth. Not looked at in other modes than InterfaceNamePrefix.")
}

func addConntrackFlags(fs *flag.FlagSet, o *nodeproxy.Options) {
	c := &o.Conntrack
	fs.IntVar(&c.MaxPerCore, "conntrack-max-per-core", 0, "How many connections the kernel tracks for each core; 0 leaves its limit alone.")
	fs.IntVar(&c.Min, "conntrack-min", 0, "How many connections the kernel tracks at least, whatever the number of cores.")
	for _, timeout := range []struct {
		name, what string
		value      *time.Duration
	}{
		{"conntrack-tcp-timeout-established", "an idle TCP connection", &c.TCPEstablished},
		{"conntrack-tcp-timeout-close-wait", "a TCP connection that one end has closed", &c.TCPCloseWait},
		{"conntrack-udp-timeout", "a UDP flow that nobody has answered", &c.UDP},
		{"conntrack-udp-timeout-stream", "a UDP flow that was answered", &c.UDPStream},
	} {
		fs.DurationVar(timeout.value, timeout.name, 0, "How long the kernel tracks "+timeout.what+"; 0 leaves that alone.")
	}
	fs.BoolVar(&c.TCPBeLiberal, "conntrack-tcp-be-liberal", false, "Have the kernel take TCP packets outside of a connection's window for its own; false leaves that alone.")
}

func addServerFlags(fs *flag.FlagSet, o *nodeproxy.Options) {
	fs.StringVar(&o.HealthzBindAddress, "healthz-bind-address", "0.0.0.0:10356", "The `address` that /healthz and /livez are served on; empty serves none.")
	fs.StringVar(&o.MetricsBindAddress, "metrics-bind-address", defaultMetricsAddress, "The `address` that /metrics is served on, and what `node-proxy show` asks; empty serves none.")
	fs.DurationVar(&o.ReportSpread, "report-spread", 15*time.Second,
		"Within which time after a change this node reports it in its NodePortNodeState, at random: so that not all nodes do at once. A node reports at most once a minute.")
}

// check refuses what would only show, or be ignored, much later.
func check(o *nodeproxy.Options) error {
	if problems := validation.IsValidLabelValue(o.Selection.ProxyName); len(problems) > 0 {
		return fmt.Errorf("--service-proxy-name: %q is no value of a label: %s", o.Selection.ProxyName, problems[0])
	}
	if o.Selection.ProxyName == "" {
		return errors.New("--service-proxy-name is empty: write a name such as portolan")
	}
	if o.ReportSpread < 0 {
		return fmt.Errorf("--report-spread: %s is less than nothing: write one such as 15s", o.ReportSpread)
	}
	for _, f := range []struct{ flag, address, example string }{
		{"--healthz-bind-address", o.HealthzBindAddress, "0.0.0.0:10356"},
		{"--metrics-bind-address", o.MetricsBindAddress, defaultMetricsAddress},
	} {
		if err := checkAddress(f.address); err != nil {
			return fmt.Errorf("%s: %w: write one such as %s, or nothing for none", f.flag, err, f.example)
		}
	}
	return nil
}

// checkAddress checks a host, which may be empty, and a port to listen on; "" is none.
func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("address %s: %q is no port", address, port)
	}
	return nil
}

// read makes options of the flags whose values have a form of their own.
func (t *texts) read(o *nodeproxy.Options) (err error) {
	if o.Selection.Mode, err = selection.ParseMode(t.services); err != nil {
		return fmt.Errorf("--services: %w", err)
	}
	if o.Range, err = parsePortRange(t.nodePortRange); err != nil {
		return fmt.Errorf("--service-node-port-range: %w", err)
	}
	if t.closeUnallocated {
		o.Closed = nft.PortRange{First: uint16(o.Range.From), Last: uint16(o.Range.To)} //nolint:gosec // parsePortRange has seen that it is of ports
	}
	if o.Node.NodePortAddresses, err = node.ParseNodePortAddresses(t.nodePortAddresses); err != nil {
		return fmt.Errorf("--nodeport-addresses: %w", err)
	}
	if o.Node.DetectLocal, err = node.ParseDetectLocal(t.detectLocal, t.clusterCIDR, t.bridge, t.podPrefix); err != nil {
		return err
	}
	if err := check(o); err != nil {
		return err
	}
	if o.Node.Name == "" {
		o.Node.Name, err = nodeproxy.NodeName()
	}
	return err
}

// parsePortRange reads a range as kube-apiserver does: 30000-32767, or 30000+2767.
func parsePortRange(text string) (v1alpha1.PortRange, error) {
	r, err := utilnet.ParsePortRange(text)
	switch {
	case err != nil:
		return v1alpha1.PortRange{}, err
	case r.Size == 0 || r.Base < 1:
		return v1alpha1.PortRange{}, fmt.Errorf("%q is no range of ports: write one such as 30000-32767", text)
	}
	return v1alpha1.PortRange{From: int32(r.Base), To: int32(r.Base + r.Size - 1)}, nil //nolint:gosec // ParsePortRange takes no number above 65535
}
