package main

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gotest.tools/v3/golden"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/selection"
	"github.com/portolan-dev/portolan/internal/version"
)

const reference = "../../../docs/reference/node-proxy-flags.md" // as seen from testdata

func TestTheReferenceOfTheFlagsSaysWhatTheHelpSays(t *testing.T) {
	golden.Assert(t, referenceOf(), reference)
}

// referenceOf is the page, made from the flags themselves.
func referenceOf() string {
	var page strings.Builder
	page.WriteString(`# Flags of the node-proxy

What ` + "`node-proxy -help`" + ` says. A flag that kube-proxy has too means the same there; its default may be another.

| flag | default | |
|---|---|---|
`)
	flags := newFlags()
	_, _, _ = parse(flags, nil)
	flags.VisitAll(func(f *flag.Flag) {
		placeholder, text := flag.UnquoteUsage(f)
		if placeholder != "" {
			placeholder = " " + strings.ToUpper(placeholder)
		}
		byDefault := ""
		if f.DefValue != "" {
			byDefault = "`" + f.DefValue + "`"
		}
		text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
		fmt.Fprintf(&page, "| `--%s%s` | %s | %s |\n", f.Name, placeholder, byDefault, text)
	})
	return page.String()
}

// newFlags are flags that the program ends with at no error.
func newFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("node-proxy", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	config.RegisterFlags(flags)
	return flags
}

// byDefault are the options without flags, on a node called node-1.
func byDefault() nodeproxy.Options {
	return nodeproxy.Options{
		Node:               node.Options{Name: "node-1", DetectLocal: node.DetectLocal{Mode: node.ClusterCIDR}},
		Selection:          selection.Selection{Mode: v1alpha1.ProxyModeLabelled, ProxyName: "portolan"},
		Range:              v1alpha1.PortRange{From: 30000, To: 32767},
		HealthzBindAddress: "0.0.0.0:10356",
		MetricsBindAddress: "127.0.0.1:10349",
		ReportSpread:       15 * time.Second,
		Version:            version.Of(release),
	}
}

func TestFlagsBecomeOptions(t *testing.T) {
	t.Setenv("NODE_NAME", "node-1")
	prefix := netip.MustParsePrefix
	for _, tc := range []struct {
		args string
		want func(*nodeproxy.Options)
	}{
		{"", func(*nodeproxy.Options) {}},
		{"--node-name=node-2", func(o *nodeproxy.Options) { o.Node.Name = "node-2" }},
		{"--services=all --service-proxy-name=other", func(o *nodeproxy.Options) {
			o.Selection = selection.Selection{Mode: v1alpha1.ProxyModeAll, ProxyName: "other"}
		}},
		{"--nodeport-addresses=10.0.0.0/8,fd00::/8", func(o *nodeproxy.Options) {
			o.Node.NodePortAddresses.Prefixes = []netip.Prefix{prefix("10.0.0.0/8"), prefix("fd00::/8")}
		}},
		{"--cluster-cidr=10.244.0.0/16", func(o *nodeproxy.Options) {
			o.Node.DetectLocal.ClusterCIDRs = []netip.Prefix{prefix("10.244.0.0/16")}
		}},
		{"--detect-local-mode=BridgeInterface --pod-bridge-interface=cni0", func(o *nodeproxy.Options) {
			o.Node.DetectLocal = node.DetectLocal{Mode: node.BridgeInterface, BridgeInterface: "cni0"}
		}},
		{"--nodeport-localhost --masquerade-all", func(o *nodeproxy.Options) { o.Localhost, o.MasqueradeAll = true, true }},
		{"--close-unallocated --reserve-ephemeral", func(o *nodeproxy.Options) {
			o.Closed, o.ReserveEphemeral = nft.PortRange{First: 30000, Last: 32767}, true
		}},
		{"--service-node-port-range=20000-20999 --close-unallocated", func(o *nodeproxy.Options) {
			o.Range, o.Closed = v1alpha1.PortRange{From: 20000, To: 20999}, nft.PortRange{First: 20000, Last: 20999}
		}},
		{"--conntrack-max-per-core=1000 --conntrack-min=2000 --conntrack-tcp-timeout-established=1h --conntrack-tcp-timeout-close-wait=2h --conntrack-udp-timeout=3s --conntrack-udp-timeout-stream=4s --conntrack-tcp-be-liberal", func(o *nodeproxy.Options) {
			o.Conntrack = conntrack.Settings{MaxPerCore: 1000, Min: 2000, TCPEstablished: time.Hour, TCPCloseWait: 2 * time.Hour, UDP: 3 * time.Second, UDPStream: 4 * time.Second, TCPBeLiberal: true}
		}},
		{"--healthz-bind-address= --metrics-bind-address=:1 --report-spread=1s", func(o *nodeproxy.Options) {
			o.HealthzBindAddress, o.MetricsBindAddress, o.ReportSpread = "", ":1", time.Second
		}},
	} {
		want := byDefault()
		tc.want(&want)
		got, _, err := parse(newFlags(), strings.Fields(tc.args))
		if err != nil {
			t.Errorf("%q: %v", tc.args, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tc.args, diff)
		}
	}
}

func TestAWrongFlagIsRefusedWithWhatToDo(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"--services=some", `--services: "some" is none of labelled, all and none`},
		{"--nodeport-addresses=10.0.0.1", "--nodeport-addresses: 10.0.0.1 has no length: write 10.0.0.1/32"},
		{"--nodeport-addresses=127.0.0.0/8", "--nodeport-addresses: loopback addresses are not asked for by a prefix: leave it out, and set --nodeport-localhost"},
		{"--service-node-port-range=32767-30000", "--service-node-port-range: "},
		{"--service-node-port-range=0-0", "--service-node-port-range: "},
		{"--service-node-port-range=1-70000", "--service-node-port-range: "},
		{"--cluster-cidr=pods", "--cluster-cidr: "},
		{"--detect-local-mode=NodeCidr", "--detect-local-mode: no mode is called \"NodeCidr\": write ClusterCIDR"},
		{"--detect-local-mode=BridgeInterface", "--pod-bridge-interface is not set"},
		{"clean", `"clean" is not understood; see --help`},
		{"--service-proxy-name=", "--service-proxy-name is empty: write a name"},
		{"--service-proxy-name=a/b", `--service-proxy-name: "a/b" is no value of a label: `},
		{"--report-spread=-5s", "--report-spread: -5s is less than nothing"},
		{"--healthz-bind-address=foo", "--healthz-bind-address: address foo: missing port in address: write one such as 0.0.0.0:10356"},
		{"--metrics-bind-address=:http", `--metrics-bind-address: address :http: "http" is no port`},
		{"--service=all", "flag provided but not defined: -service"},
	} {
		if _, _, err := parse(newFlags(), strings.Fields(tc.args)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.args, err, tc.want)
		}
	}
}

func TestWithoutAFlagTheNodeIsCalledAsTheHost(t *testing.T) {
	t.Setenv("NODE_NAME", "")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if o, _, err := parse(newFlags(), nil); err != nil || o.Node.Name != strings.ToLower(host) {
		t.Errorf("got %q, %v", o.Node.Name, err)
	}
}

func TestSubcommandsTakeNoMoreThanTheyUnderstand(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"show shop/web 30080", "show takes one Service or port: write NAMESPACE/NAME, and flags before it"},
		{"cleanup all", "cleanup takes no arguments"},
	} {
		if err := run(t.Context(), strings.Fields(tc.args)); err == nil || err.Error() != tc.want {
			t.Errorf("%q: %v, want %q", tc.args, err, tc.want)
		}
	}
}

func TestTheVersionIsTheOneThatAnImageWasBuiltWith(t *testing.T) {
	release = "v1.2.3"
	defer func() { release = "" }()
	if o, _, err := parse(newFlags(), []string{"--node-name=node-1"}); err != nil || o.Version != release {
		t.Errorf("got %q, %v", o.Version, err)
	}
}
