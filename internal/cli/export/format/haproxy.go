package format

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// haproxyDefaults are for HAProxy 2.4 and later. A node that refuses or does not answer costs a client a second try and not
// its connection; idle connections stay for an hour, for behind the ports there may be anything.
const haproxyDefaults = `
defaults portolan
	mode tcp
	timeout connect 3s
	timeout check 2s
	timeout client 1h
	timeout server 1h
	retries 3
	option redispatch 1
	default-server check inter 1s fall 2 rise 1
`

// writeHAProxy writes a listen section for each TCP port. It stands on its own, beside a file with the global section.
func writeHAProxy(w *writer) {
	w.head("#")
	w.f("# haproxy -f haproxy.cfg -f THIS-FILE\n")
	w.f(haproxyDefaults)
	for _, l := range w.listeners() {
		switch {
		case l.Protocol != corev1.ProtocolTCP:
			w.leave("#", l.Port, "left out, since HAProxy carries no "+string(l.Protocol))
		case l.other != nil:
			w.leave("#", l.Port, l.taken())
		default:
			w.haproxy(&l)
		}
	}
}

func (w *writer) haproxy(l *listener) {
	w.f("\n# %s\nlisten %s from portolan\n", l.comment(), dotted(l.Port))
	for _, bind := range w.binds(l.at, "*:") {
		w.f("\tbind %s%s\n", bind, ipv6Only(bind))
	}
	server := ""
	if l.HealthCheck != 0 {
		// Each node says at that number whether it has a ready pod of the Service.
		w.f("\toption httpchk GET /healthz\n\thttp-check expect status 200\n")
		server = " port " + number(l.HealthCheck)
	}
	if len(l.Nodes) == 0 {
		w.f("\t# no node has it\n")
	}
	for _, n := range l.Nodes {
		w.f("\tserver %s %s%s\n", n.Name, place(n, l.Number), server)
	}
}

// ipv6Only keeps an IPv6 address of "any" from being one of IPv4, too.
func ipv6Only(bind string) string {
	if strings.HasPrefix(bind, "[") {
		return " v6only"
	}
	return ""
}
