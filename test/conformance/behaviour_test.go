package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// behaviour is a case: objects, what becomes of packets then, and after changes. Its name is a sentence.
type behaviour struct {
	name string
	// config is the proxy's. Cases with the same one share a proxy.
	config proxysite.Config
	// beside is another proxy that runs on the node.
	beside proxysite.Kind
	// guarded is of who may reach node ports: beside a kube-proxy runs a node-proxy that serves no Services.
	guarded bool
	// alone gives it a site and a proxy of its own, as it restarts the one or changes the other.
	alone bool
	// of are the kinds of proxies that can do it at all; nil: all.
	of     []proxysite.Kind
	given  []object
	probes []probe
	then   []step
}

// step is a change, and what becomes of packets once the proxy has programmed it.
type step struct {
	name   string
	change change
	probes []probe
}

// probe is a question that someone asks.
type probe struct {
	from string // a host of the site
	to   target
	over []variant // nil: TCP and UDP, IPv4 and IPv6
	// want is the answer, see outcome.
	want string
	// flow keeps to one connection, or one port of the client, from the first probe of this name on.
	flow string
	// times is how many flows are opened, one after the other; 0: enough to meet every endpoint.
	times int
	// pause is what lies between them. With it, times is how many they are at most, unless want is about one of several.
	pause time.Duration
	// promptly tells a refusal that comes late from one that comes at once.
	promptly bool
	// eventually says that a proxy does this after it has programmed its rules: it may take a moment.
	eventually bool
}

// String names the probe: no two of a step are the same.
func (p probe) String() string {
	text := fmt.Sprintf("%s to %s", p.from, p.to)
	if p.flow != "" {
		text += " in flow " + p.flow
	}
	if p.times > 0 {
		text += fmt.Sprintf(" %d times", p.times)
	}
	return text
}

// steps are what is given, and the changes.
func (b behaviour) steps() []step {
	return append([]step{{change: put(b.given...), probes: b.probes}}, b.then...)
}

// variant is what a probe is repeated over.
type variant struct {
	network string // as of testnet.Ask, or http
	family  string // "IPv4" or "IPv6"
}

func (v variant) String() string { return strings.ToUpper(v.network) + "/" + v.family }

const http = "http"

var (
	tcp4, tcp6   = variant{"tcp", "IPv4"}, variant{"tcp", "IPv6"}
	udp4, udp6   = variant{"udp", "IPv4"}, variant{"udp", "IPv6"}
	sctp4, sctp6 = variant{"sctp", "IPv4"}, variant{"sctp", "IPv6"}

	http4, http6 = variant{http, "IPv4"}, variant{http, "IPv6"}

	everything = []variant{tcp4, tcp6, udp4, udp6}
	overTCP    = []variant{tcp4, tcp6}
	overUDP    = []variant{udp4, udp6}
	overHTTP   = []variant{http4, http6}
	overSCTP   = []variant{sctp4, sctp6}
	overIPv4   = []variant{tcp4, udp4}
	overIPv6   = []variant{tcp6, udp6}
)

func (p probe) variants() []variant {
	if p.over == nil {
		return everything
	}
	return p.over
}
