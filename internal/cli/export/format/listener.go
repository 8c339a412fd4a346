package format

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// listener is a port as a load balancer has it.
type listener struct {
	*inventory.Port
	// at is the number at which the load balancer listens.
	at int32
	// other is who listens there already; nil: nobody, so that this one may.
	other *inventory.Port
}

// listeners are the ports in their order. Of those that want the same number and protocol the oldest Service has it: who
// comes later takes nothing away.
func (w *writer) listeners() []listener {
	type place struct {
		protocol corev1.Protocol
		number   int32
	}
	all := make([]listener, len(w.inv.Ports))
	byAge := make([]*listener, len(all))
	for i := range w.inv.Ports {
		all[i] = listener{Port: &w.inv.Ports[i], at: w.inv.Ports[i].Number}
		if w.options.Listen == ListenServicePort {
			all[i].at = all[i].Port.Port
		}
		byAge[i] = &all[i]
	}
	slices.SortStableFunc(byAge, func(a, b *listener) int { return cmp.Compare(a.Created.Unix(), b.Created.Unix()) })
	owners := map[place]*inventory.Port{}
	for _, l := range byAge {
		at := place{l.Protocol, l.at}
		if l.other = owners[at]; l.other == nil {
			owners[at] = l.Port
		}
	}
	return all
}

// taken says why a listener is not there.
func (l *listener) taken() string {
	return fmt.Sprintf("left out, since %s, which is older, listens at %s %d", origin(l.other), l.Protocol, l.at)
}

// comment says what a listener leads to.
func (l *listener) comment() string {
	text := described(l.Port)
	if l.Local {
		text += ", at nodes with a ready pod only"
	}
	return text
}

// binds are the addresses to listen at; none: all of IPv4.
func (w *writer) binds(number int32, all string) []string {
	if len(w.options.Bind) == 0 {
		return []string{fmt.Sprintf("%s%d", all, number)}
	}
	var binds []string
	for _, a := range w.options.Bind {
		binds = append(binds, netip.AddrPortFrom(a, uint16(number)).String()) //nolint:gosec // a port of the API server
	}
	return binds
}
