package format

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// writeNginx writes an upstream and a server for each TCP and UDP port, to be included in the stream section. nginx knows a
// node that does not answer only by trying it: it is left alone for five seconds then.
func writeNginx(w *writer) {
	w.head("#")
	w.f("# stream { include THIS-FILE; }\n")
	for _, l := range w.listeners() {
		switch {
		case l.Protocol == corev1.ProtocolSCTP:
			w.leave("#", l.Port, "left out, since nginx carries no SCTP")
		case l.other != nil:
			w.leave("#", l.Port, l.taken())
		case len(l.Nodes) == 0:
			w.f("\n# %s: no node has it, and nginx takes no upstream without servers\n", l.comment())
		default:
			w.nginx(&l)
		}
	}
}

func (w *writer) nginx(l *listener) {
	w.f("\n# %s\nupstream %s {\n", l.comment(), dotted(l.Port))
	for _, n := range l.Nodes {
		w.f("\tserver %s max_fails=1 fail_timeout=5s; # %s\n", place(n, l.Number), n.Name)
	}
	udp, timeout := "", "1h"
	if l.Protocol == corev1.ProtocolUDP {
		udp, timeout = " udp", "1m"
	}
	w.f("}\nserver {\n")
	for _, bind := range w.binds(l.at, "") {
		w.f("\tlisten %s;\n", strings.TrimSpace(bind+udp))
	}
	w.f("\tproxy_connect_timeout 3s;\n\tproxy_timeout %s;\n\tproxy_pass %s;\n}\n", timeout, dotted(l.Port))
}
