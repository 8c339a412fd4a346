package format

import (
	"bytes"
	"cmp"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// writeDNS writes SERVICE.NAMESPACE with the addresses of the nodes, and _PORT._PROTOCOL.SERVICE.NAMESPACE with the node
// port, as external-dns does. An SRV record leads to a name that has addresses, so a Service at no node has none.
//
// The serial number goes up whenever the rest changes, and only then: it is the time, or one more than it was.
func writeDNS(w *writer) {
	previous := serial(w.options.Previous)
	w.zone(previous)
	if bytes.Equal([]byte(w.text.String()), w.options.Previous) {
		return
	}
	w.text.Reset()
	w.left = nil
	w.zone(next(previous, w.options.Now))
}

var serialLine = regexp.MustCompile(`(?im)^.*?\b([0-9]+)\s*;\s*serial\b`)

// serial is the serial number of a zone that was written here, or elsewhere with a comment that says so; 0 for none. One that
// is a date is more than the time: secondaries would not take the time after it.
func serial(text []byte) uint32 {
	found := serialLine.FindSubmatch(text)
	if found == nil {
		return 0
	}
	number, err := strconv.ParseUint(string(found[1]), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(number)
}

func next(previous uint32, now time.Time) uint32 {
	return max(uint32(max(0, min(now.Unix(), math.MaxUint32))), previous+1)
}

func (w *writer) zone(serial uint32) {
	ttl := int(cmp.Or(w.options.TTL, 30*time.Second) / time.Second)
	w.head(";")
	w.f("$ORIGIN %s.\n$TTL %d\n", w.options.Zone, ttl)
	if servers := w.options.NameServers; len(servers) > 0 {
		w.f("@\tSOA\t%s. hostmaster.%s. (\n", servers[0], w.options.Zone)
		w.f("\t%d ; serial\n\t3600 ; refresh\n\t600 ; retry\n\t604800 ; expire\n\t%d ) ; of what there is not\n", serial, ttl)
		for _, s := range servers {
			w.f("@\tNS\t%s.\n", s)
		}
	}
	for ports := range byService(w.inv.Ports) {
		w.service(ports)
	}
}

// byService are the ports of each Service.
func byService(ports []inventory.Port) func(func([]inventory.Port) bool) {
	return func(yield func([]inventory.Port) bool) {
		for len(ports) > 0 {
			first := &ports[0]
			end := slices.IndexFunc(ports, func(p inventory.Port) bool { return p.Namespace != first.Namespace || p.Service != first.Service })
			if end < 0 {
				end = len(ports)
			}
			if !yield(ports[:end]) {
				return
			}
			ports = ports[end:]
		}
	}
}

// service writes the records of a Service. Its ports have the same nodes, but where some have no pod there: then the name
// leads to all that have any.
func (w *writer) service(ports []inventory.Port) {
	first := &ports[0]
	name := first.Service + "." + first.Namespace
	if len(name)+1+len(w.options.Zone) > maxName {
		for i := range ports {
			w.leave(";", &ports[i], "has no records, since the Service's name is too long for them")
		}
		return
	}
	w.f("\n; %s/%s\n", first.Namespace, first.Service)
	count := 0
	for _, n := range w.inv.Nodes {
		for _, a := range anywhere(ports, n.Name) {
			kind := "A"
			if a.Is6() {
				kind = "AAAA"
			}
			w.f("%s\t%s\t%s ; %s\n", name, kind, a, n.Name)
			count++
		}
	}
	if count == 0 {
		w.f("; no node has it\n")
		return
	}
	for i := range ports {
		w.srv(name, &ports[i])
	}
}

// anywhere are the addresses at which a node has any of the ports of a Service.
func anywhere(ports []inventory.Port, node string) []netip.Addr {
	for i := range ports {
		at, ok := slices.BinarySearchFunc(ports[i].Nodes, node, func(n inventory.Node, name string) int {
			return cmp.Compare(n.Name, name)
		})
		if ok {
			return ports[i].Nodes[at].Addresses
		}
	}
	return nil
}

// maxName is how long a name may be in DNS, in characters without the last dot, and a label (RFC 1035).
const maxName, maxLabel = 253, 63

func (w *writer) srv(name string, p *inventory.Port) {
	label := "_" + cmp.Or(p.Name, p.Service)
	owner := label + "._" + strings.ToLower(string(p.Protocol)) + "." + name
	if len(label) > maxLabel || len(owner)+1+len(w.options.Zone) > maxName {
		w.leave(";", p, "has no SRV record, since its name is too long for one")
		return
	}
	w.f("%s\tSRV\t0 10 %d %s\n", owner, p.Number, name)
}
